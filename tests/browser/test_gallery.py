"""The gallery: every state of the view, in two themes and two widths. The notebook is the list of these tests."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import TimeoutError

from tests.browser.looks import BROAD, BUTTONS, NAMELESS, PALE

pytestmark = pytest.mark.browser

GALLERY = Path(__file__).parents[2] / "notebooks" / "gallery.ipynb"
CELLS = [cell for cell in json.loads(GALLERY.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
PICTURES = os.environ.get("CHATKIT_PICTURES")
"""A folder for a picture of every state."""
SEND, STOP, WAIT = ["Send"], ["Stop", "Send"], ["Retry now", "Stop", "Send"]


class Scene(NamedTuple):
    """What a state shows: words, and buttons in their order."""

    words: tuple[str, ...]
    buttons: list[str] = []  # noqa: RUF012 # never changed
    absent: tuple[str, ...] = ()


def retrying(error: str, *about: str) -> Scene:
    return Scene((f"(attempt 1 failed: {error})", *about), WAIT, ("No messages yet.",))


def ended(title: str, *more: str) -> Scene:
    return Scene((title, *more), ["Try again", "Send"], ("Retrying",))


def refused(title: str, *more: str) -> Scene:
    """The same request would be refused again."""
    return Scene((title, *more), SEND, ("Retrying",))


SCENES = {
    "empty": Scene(("New Chat", "No messages yet.", "ready"), SEND),
    "answered": Scene(("Why clients back off", "42 %", "Two rules follow:", "wait longer after every failure;"), SEND, ("**", "1.wait")),
    "markdown": Scene(
        ("Exponential backoff", "failure", "no jitter", "def delay(n: int)", "RFC 9110"),
        [],
        ("**no", "###", "```", "|", "$"),
    ),
    "right to left": Scene(("لماذا ينتظر العملاء", "عمل أقل", "זה נכון גם בעברית"), SEND),
    "reasoning and sources": Scene(
        ("Looking at the header", "It names the seconds to wait", "RFC 9110: HTTP Semantics"), [], ("The person asks about",)
    ),
    "pictures": Scene(("What is in this picture?", "remote.png")),
    "waiting": Scene(("waiting for the first words…", "answering"), STOP),
    "slower than usual": Scene(("waiting for the first words…", "slower than usual"), STOP),
    "streaming": Scene(("wait longer after every fail", "writing…"), STOP, ("**",)),
    "streaming code": Scene(("def delay(n):", "return min(2.0**n, 6"), STOP, ("```",)),
    "streaming reasoning": Scene(("Thinking it over", "thinking…"), STOP),
    "stopping": Scene(("Because a server in", "stopping…"), STOP),
    "retry: overloaded": retrying("anthropic is overloaded", "HTTP 529", "What the provider said"),
    "retry: rate_limit": retrying("anthropic limits the rate of requests", "HTTP 429"),
    "retry: server_error": retrying("anthropic had an internal error", "HTTP 500"),
    "retry: network": retrying("the connection to anthropic broke", "anthropic"),
    "retry: timeout": retrying("anthropic did not answer in time", "anthropic"),
    "retry: unknown": retrying("the attempt failed in an unknown way", "anthropic"),
    "retry: long": Scene(("(attempt 27 failed: anthropic limits the rate of requests)",), WAIT, ("word word",)),
    "tool: arguments": Scene(("read_file", "running"), STOP),
    "tool: running": Scene(("read_file", "running", "calling read_file…"), STOP, ("waiting for the first words",)),
    "tool: done": Scene(("read_file", "done", "It doubles up to a minute."), [], ("total_lines",)),
    "tool: failed": Scene(("read_file", "failed")),
    "tool: not run": Scene(("read_file", "not run")),
    "tool: of the provider": Scene(("web_search", "run by the provider", "The RFC has it.")),
    "summarizing": Scene(("Summarizing…", "summarizing…"), STOP, ("chat_summarized",)),
    "summarized": Scene(("Summarized",), [], ("the summary, for the model alone", "named two rules", "chat_summarized")),
    "summarizing failed": Scene(("Summarizing failed",), [], ("chat_summarized",)),
    "queue: one": Scene(("1 message is queued", "And with jitter?"), ["Stop", "Send next", "Edit", "Delete", "Queue"]),
    "queue: many": Scene(("20 messages are queued", "Question number 1"), ["Stop", *["Send next", "Edit", "Delete"] * 20, "Queue"]),
    "queue: long": Scene(("3 messages are queued", "A long one."), ["Stop", *["Send next", "Edit", "Delete"] * 3, "Queue"]),
    "error: auth": ended("anthropic refused the key (HTTP 401)", "Check the API key", "What the provider said"),
    "error: quota": ended("anthropic: the account's quota is used up (HTTP 402)", "plan and billing"),
    "error: rate_limit": ended("anthropic limits the rate of requests (HTTP 429)"),
    "error: overloaded": ended("anthropic is overloaded (HTTP 529)", "Try again"),
    "error: server_error": ended("anthropic had an internal error (HTTP 500)"),
    "error: network": ended("the connection to anthropic broke"),
    "error: timeout": ended("anthropic did not answer in time"),
    "error: context_exceeded": refused("the conversation is too long for the model (HTTP 400)", "shorter"),
    "error: model_not_found": ended("anthropic has no such model (HTTP 404)", "Check the model's name"),
    "error: invalid_request": refused("anthropic rejected the request (HTTP 400)"),
    "error: content_filter": refused("anthropic's content filter refused (HTTP 400)", "Rephrase the prompt"),
    "error: unknown": ended("the attempt failed in an unknown way"),
    "error: program": refused("a callback of yours failed: ValueError: no"),
    "stopped: length": Scene(("Because a server in", "Cut off: the limit on output tokens was reached.")),
    "stopped: content_filter": Scene(("Cut off by the provider's content filter.",)),
    "stopped: refusal": Scene(("The model declined to answer.",)),
    "stopped: pause": Scene(("The model paused its turn.",)),
    "stopped: by the person": Scene(("Stopped: the reply is incomplete.",)),
    "context: 3 %": Scene(("3 %",), [], ("full",)),
    "context: 87 %": Scene(("87 %", "nearly full")),
    "context: 98 %": Scene(("98 %", "full"), [], ("nearly full",)),
    "long title": Scene(("A title that goes on and on",), SEND),
    "200 messages": Scene(("Two hundred messages", "Question 199?", "Answer to 199: 39601."), SEND),
    "turn: retried": Scene(("Jitter spreads retries out", "Retried 3 times, after 1 s, 2 s and 4 s: demo is overloaded")),
    "turn: failed": Scene(("demo is overloaded (HTTP 529)", "Retried once, after 1 s", "TransientError"), ["Try again"]),
    "retry of a function": Scene(("load: Retried once, after 1 s", "'loaded'")),
    "transcript": Scene(("A transcript", "What is jitter?", "Jitter spreads retries out")),
}
SHOWS = """([index, words]) => {
  const text = document.querySelectorAll('.jp-Notebook .jp-CodeCell')[index].querySelector('.jp-OutputArea').innerText;
  return words.every((word) => text.includes(word));
}"""
LIVING = {name for name in SCENES if not name.startswith(("turn:", "retry of", "transcript"))}


def test_every_cell_of_the_gallery_is_a_scene_and_every_scene_is_a_cell() -> None:
    assert [cell["metadata"].get("scene") for cell in CELLS] == [None, *SCENES]


@pytest.mark.timeout(400)
def test_every_state_is_shown_with_its_buttons_and_can_be_read(notebook: Callable[..., Any]) -> None:
    nb = notebook(*("".join(cell["source"]) for cell in CELLS))
    nb.run_all()
    wrong: dict[str, list[str]] = {}
    for theme, width in itertools.product(("light", "dark"), (700, 1200)):
        nb.change_theme(theme)
        nb.page.set_viewport_size({"width": width, "height": 900})
        for index, name in enumerate(SCENES, 1):
            if found := faults(nb, index, name):
                wrong[f"{name}, {theme}, {width} pixels"] = found
            if PICTURES:
                nb.screenshot(Path(PICTURES) / f"{index:02}-{name.replace(': ', '-').replace(' ', '-')}-{theme}-{width}.png", index)
    assert not wrong, json.dumps(wrong, indent=1)


def faults(nb: Any, index: int, name: str) -> list[str]:
    """What a cell of the gallery doesn't show as it should."""
    scene, output = SCENES[name], nb.output(index)
    output.scroll_into_view_if_needed()  # what is out of sight isn't laid out
    with contextlib.suppress(TimeoutError):  # what is missing is said below
        nb.page.wait_for_function(SHOWS, arg=[index, scene.words], timeout=5000)
    text = output.inner_text()
    found = [f"{words!r} is missing" for words in scene.words if words not in text]
    found += [f"{words!r} is there" for words in scene.absent if words in text]
    if (buttons := output.evaluate(BUTTONS)) != scene.buttons:
        found.append(f"buttons {buttons}")
    root = output.locator(".chatkit" if name in LIVING else ".jp-OutputArea-output").first
    found += root.evaluate(PALE) + root.evaluate(NAMELESS) + root.evaluate(BROAD)
    if output.locator(".chatkit-beside").count() > 1:
        found.append("more than one static copy")
    return found


def test_a_chat_of_200_messages_follows_its_end_and_leaves_a_reader_where_they_are(notebook: Callable[..., Any]) -> None:
    nb = notebook(
        "".join(CELLS[0]["source"]),
        "from chatkit.display.recorded import NoCommands\nfrom chatkit.display.chat_view import LiveChat\nfrom chatkit import bridge\n"
        "display_ = LiveChat(NoCommands(ALL[:5]), model='demo', closed=lambda: None)\n"
        "for n in range(1, 200, 2):\n    for m in (asked(f'Question {n}?', id=n), answered(ck.Text(text=f'Answer to {n}.'), id=n + 1)): display_.apply(m)\n"
        "bridge.Waiter().wait(bridge.spawn(display_.settled()))\ndisplay_.open()",
    )
    nb.run(0)
    nb.run(1)
    scroller = nb.output(1).locator("[role=log]")
    scroller.get_by_text("Answer to 199.").wait_for()
    at_end = "() => { const el = document.querySelector('[role=log]'); return el.scrollTop + el.clientHeight >= el.scrollHeight - 2; }"
    nb.page.wait_for_function(at_end)  # the view scrolls after it has laid the answers out
    nb.execute(
        "display_.apply(asked('One more?', id=300)); display_.apply(answered(ck.Text(text='line\\n\\n' * 30 + 'Followed.'), id=301))"
    )
    scroller.get_by_text("Followed.").wait_for()
    nb.page.wait_for_function(at_end)
    scroller.evaluate("(el) => { el.scrollTop = 200; el.dispatchEvent(new Event('scroll')); }")
    latest = nb.output(1).get_by_role("button", name="Latest")
    before = scroller.evaluate("(el) => el.scrollTop")
    nb.execute("display_.apply(asked('And?', id=302)); display_.apply(answered(ck.Text(text='Not followed.'), id=303))")
    scroller.get_by_text("Not followed.").wait_for(state="attached")
    latest.wait_for()
    assert abs(scroller.evaluate("(el) => el.scrollTop") - before) <= 1
    latest.click()
    nb.page.wait_for_function(at_end)
