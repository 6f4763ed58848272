"""The view in JupyterLab, in a real browser: the time to its first frame, the time until a click takes effect, and its longest tasks."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.browser import Front, Measured, Task
from benchmarks.processes import Server
from benchmarks.table import Row, spread
from benchmarks.texts import LONG_CHARACTERS, TEXTS, text_of
from benchmarks.traffic import markdown_row
from chatkit.chattest import FakeProvider, RecordedRequest, Response, anthropic_overloaded_response, reply

MAX_WARM_SECONDS, MAX_COLD_SECONDS = 0.15, 0.6
"""Until the first frame with the view."""
MAX_CLICK_SECONDS = 0.3
MAX_TASK_MS = 100
MAX_KEPT_MB = 5.0
"""Memory that the page may keep."""
COLD_ROUNDS = 5
LONG_ROUNDS = 3
CLICKS = 8
SETTLE, STEP = 0.15, 0.037
"""Seconds from the start of a view to the click: one more `STEP` each time, so that every phase of a timer is covered."""
CHATS = 10
RATE = 200
FAST = 1000
"""Deltas per second of the long reply: five times the speed of a fast model, with deltas that are fifty times as long."""

CHAT = """
import chatkit as ck
chat = ck.Chat("{provider}:loopback-1", api_key="none", base_url="{url}", title=None)
"""
MANY = """
import chatkit as ck
chats = [ck.Chat("openai-compat:loopback-1", api_key="none", base_url="{url}", title=None) for _ in range({count})]
"""
ASK = '_ = chat.ask("Count.")'
SHOWN = "chat.view()"
SUBMIT = '_ = chat.submit("Count.", show=False).result()'
FLOOR = """
import ipywidgets
from IPython.display import display
display(ipywidgets.HTML("<b class=chatkit>Count.</b>"))
"""
STATIC = ".chatkit-reply:not(.chatkit-beside *)"
"""The static output that stays, but not the fallback output of a live view."""


def view_rows(rounds: int, env: Mapping[str, str], scratch: Path) -> Iterator[Row]:
    """Measure the view; `rounds` is the number of first frames in a warm kernel."""
    with Server() as server:
        yield markdown_row(server, env, scratch)
        with Front.started(env, scratch) as front:
            yield _warm(front, server, rounds)
            yield _cold(front, server)
            yield _stop(front, server)
            yield _retry_now(front)
            yield from _long(front, server)
            yield _long_chat(front, server)
            yield _many(front, server)


def _chat(server: Server, mode: str) -> str:
    return CHAT.format(provider="openai-compat", url=f"{server.url}/{mode}/v1")


def _warm(front: Front, server: Server, rounds: int) -> Row:
    """Both kinds of output have been shown in this page before."""
    with front.notebook(_chat(server, f"few-{RATE}"), ASK, FLOOR) as notebook:
        taken = [(_frame(notebook, 1), _frame(notebook, 2)) for _ in range(rounds + 1)]
    ours, floor = zip(*taken[1:], strict=True)
    return _first_frame("a warm kernel", ours, floor, MAX_WARM_SECONDS)


def _frame(notebook: Measured, index: int) -> float:
    took = notebook.first_frame(index, ".chatkit")
    notebook.clear(index)
    return took


def _cold(front: Front, server: Server) -> Row:
    """A page and a kernel in which nothing has run yet."""
    ours: list[float] = []
    floor: list[float] = []
    for _ in range(COLD_ROUNDS):
        for taken, cell in ((ours, _chat(server, f"few-{RATE}") + ASK), (floor, FLOOR)):
            with front.notebook("", cell) as notebook:
                taken.append(notebook.first_frame(1, ".chatkit"))
    return _first_frame("a cold kernel, import included", ours, floor, MAX_COLD_SECONDS)


def _first_frame(name: str, ours: Sequence[float], floor: Sequence[float], most: float) -> Row:
    return Row(
        f"from a cell's start to the first frame with the view, {name}",
        spread(ours, "s", 2),
        f"an ipywidgets.HTML {spread(floor, 's', 2)}",
        f"{statistics.median(ours) / statistics.median(floor):.1f} ×",
        f"≤ {most} s",
        statistics.median(ours) <= most,
    )


def _stop(front: Front, server: Server) -> Row:
    """From the click to the frame with the static output."""
    took = []
    with front.notebook(_chat(server, f"words-{RATE}"), ASK) as notebook:
        for number in range(CLICKS):
            notebook.run(1, wait=False)
            notebook.output(1).get_by_text("baaa").first.wait_for()
            notebook.page.wait_for_timeout((SETTLE + STEP * number) * 1000)
            took.append(notebook.click(1, "Stop", STATIC)[1])
            notebook.output(1).get_by_text("Stopped").last.wait_for()
            notebook.clear(1)
    return _clicked("Stop: from the click to what stays", took)


def _retry_now(front: Front) -> Row:
    """From the click to the arrival of the next request."""
    arrivals: list[float] = []
    took = []

    def answer(_: RecordedRequest) -> Response:
        arrivals.append(time.time())
        return anthropic_overloaded_response(retry_after=60) if len(arrivals) % 2 else reply("Back again.")

    with FakeProvider(answer) as fake, front.notebook(CHAT.format(provider="anthropic", url=fake.anthropic_url), ASK) as notebook:
        for number in range(CLICKS):
            notebook.run(1, wait=False)
            notebook.output(1).get_by_role("button", name="Retry now").wait_for()
            notebook.page.wait_for_timeout((SETTLE + STEP * number) * 1000)
            at, _ = notebook.click(1, "Retry now")
            notebook.output(1).locator(STATIC).wait_for()
            took.append(arrivals[2 * number + 1] - at)
            notebook.clear(1)
    return _clicked("Retry now: from the click to the next request", took)


def _clicked(name: str, took: list[float]) -> Row:
    figure = f"{max(took):.2f} s ({min(took):.2f}–{max(took):.2f})"
    return Row(
        f"{name}, while the cell runs, worst of {CLICKS}", figure, must=f"≤ {MAX_CLICK_SECONDS} s", ok=max(took) <= MAX_CLICK_SECONDS
    )


def _long(front: Front, server: Server) -> Iterator[Row]:
    """A reply of 1 MB, first as from a very fast provider, then without pauses, and the memory that the page keeps afterwards."""
    for mode, name in ((f"long-{FAST}", f"{FAST:,} deltas a second"), ("long", "flat out")):
        longest: list[Task] = []
        lost = 0
        with front.notebook(_chat(server, mode), ASK, _chat(server, "few") + ASK) as notebook:
            notebook.run(2)  # the page loads and keeps some code for the first view, which doesn't count
            notebook.clear(2)
            notebook.run(0)
            before = notebook.heap()
            for _ in range(LONG_ROUNDS):
                longest.append(_longest(notebook.tasks(1)))
                lost += _lost(notebook.output(1).locator(STATIC).text_content(), "long")
                notebook.clear(1)
            after = notebook.heap()
        yield _smooth(f"a reply of {LONG_CHARACTERS / 1e6:.0f} MB, {name}", longest, lost)
        yield Row(
            f"… memory of the page, when {LONG_ROUNDS} of them have been shown and cleared",
            f"{after - before:+.1f} MB",
            f"{before:.0f} MB before",
            must=f"≤ +{MAX_KEPT_MB:g} MB",
            ok=after - before <= MAX_KEPT_MB,
        )


def _long_chat(front: Front, server: Server) -> Row:
    """The same reply in the view of a chat, whose end stays in sight."""
    longest: list[Task] = []
    lost = 0
    with front.notebook(_chat(server, f"long-{FAST}"), SHOWN, SUBMIT, _chat(server, "few") + ASK) as notebook:
        notebook.run(3)
        for _ in range(LONG_ROUNDS):
            notebook.run(0)
            notebook.run(1)
            longest.append(_longest(notebook.tasks(2)))
            view = notebook.output(1).locator(".ck-chat")
            view.get_by_text(text_of("long").split()[-1]).last.wait_for()
            lost += _lost(view.inner_html(), "long")  # the address of a link isn't in the text
            notebook.clear(1)
    return _smooth(f"chat.view() of {LONG_CHARACTERS / 1e6:.0f} MB, {FAST:,} deltas a second", longest, lost)


def _longest(tasks: list[Task]) -> Task:
    """The longest time on the clock and the most CPU, which can belong to different tasks if other processes interfere."""
    return Task(max(task.wall for task in tasks), max(task.cpu for task in tasks))


def _smooth(name: str, longest: list[Task], lost: int) -> Row:
    """The longest task of each run. The run with the shortest one counts, because other processes can only make a task longer."""
    calm, rough = min(longest), max(longest)
    most = max(task.cpu for task in longest)
    figure = f"{calm.wall:.0f} ms on the clock, {calm.cpu:.0f} ms of CPU (at worst {rough.wall:.0f} and {most:.0f})"
    return Row(
        f"{name}: the page's longest task, calmest of {LONG_ROUNDS} runs",
        figure + (f", {lost:,} words lost" if lost else ""),
        must=f"≤ {MAX_TASK_MS} ms",
        ok=calm.wall <= MAX_TASK_MS and not lost,
    )


def _many(front: Front, server: Server) -> Row:
    """Ten chats at once in one page."""
    chats = MANY.format(url=f"{server.url}/many-{RATE}/v1", count=CHATS)
    cells = [f'turn{n} = chats[{n}].submit("Count.")' for n in range(CHATS)]
    with front.notebook(chats, *cells) as notebook:
        for index in range(1, CHATS + 1):
            notebook.run(index, wait=False)
        notebook.page.wait_for_function(f"() => document.querySelectorAll('.jp-CodeCell {STATIC}').length === {CHATS}")
        shown = [notebook.output(index).text_content() for index in range(1, CHATS + 1)]
    lost = sum(_lost(text, "many") for text in shown)
    limited = "IOPub" in front.log.read_text("utf-8") or any("IOPub" in text for text in shown)
    return Row(
        f"{CHATS} chats of {len(TEXTS['many']()):,} deltas at once in one page",
        f"{lost:,} words lost" + (", the server dropped messages" if limited else ""),
        must="0 lost, no limit reached",
        ok=not lost and not limited,
    )


def _lost(shown: str, text: str) -> int:
    """How many words of a text aren't shown."""
    return len(_words(text_of(text)) - _words(shown))


def _words(text: str) -> set[str]:
    return set(re.findall(r"\b[a-z]{4,5}\b", text))
