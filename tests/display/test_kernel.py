"""The display in a real kernel: where it finds itself, what it puts out, and what that costs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from chatkit.display.batcher import INTERVAL
from tests.browser.scripted import SCRIPT
from tests.comms import FrontEnd
from tests.kernels import Cell, Kernel, running_kernel

WIDGET = "application/vnd.jupyter.widget-view+json"
STREAM = """
def stream(pieces):
    t = Script()
    for n in range(pieces):
        t.say("five ")
    t.end()
"""


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with running_kernel() as kernel:
        assert kernel.run(SCRIPT + STREAM).status == "ok"
        yield kernel


def traffic(cell: Cell) -> tuple[int, int]:
    """Messages, and bytes of all of them together."""
    parts = ("header", "parent_header", "metadata", "content")
    return len(cell.messages), sum(len(json.dumps(m[p], ensure_ascii=False, default=str).encode()) for m in cell.messages for p in parts)


def text_heard(cell: Cell) -> str:
    """The text of the reply, put together from the messages of the widget."""
    front: FrontEnd | None = None
    for data in (c["data"] for c in cell.of_type("comm_open", "comm_msg")):
        if (snap := data.get("state", {}).get("snap")) is not None:
            front = FrontEnd(snap)
        elif front is not None and "r" in data.get("content", {}):
            assert front.hear(data["content"])
    return re.sub(r"<[^>]*>", "", "".join(b["t"] for b in front.state["blocks"])) if front else ""


FIND_OUT = "from chatkit.display.environment import attended, shows_by_default, display_mode, current_cell; print(attended(), shows_by_default(), display_mode(), current_cell() is not None)"


@pytest.mark.parametrize(("attended", "found"), [(True, "True True live True"), (False, "False True static True")])
@pytest.mark.parametrize(
    "code",
    [
        FIND_OUT,
        f"import asyncio\nawait asyncio.sleep(0)\n{FIND_OUT}",
        f"import threading\ndef find_out():\n    {FIND_OUT}\nthread = threading.Thread(target=find_out); thread.start(); thread.join()",
    ],
    ids=["plain", "awaited", "thread"],
)
def test_a_cell_knows_whether_a_person_ran_it(kernel: Kernel, attended: bool, found: str, code: str) -> None:
    assert kernel.run(code, attended=attended).text.strip() == found


def test_a_cell_has_the_same_token_throughout_and_the_next_another(kernel: Kernel) -> None:
    code = "import asyncio; from chatkit.display.environment import current_cell; a = current_cell(); await asyncio.sleep(0); print(a, current_cell())"
    (a, b), (c, d) = (kernel.run(code).text.split() for _ in range(2))
    assert a == b != c == d


def test_a_reply_of_20_kb_flat_out_loses_nothing_and_costs_a_quarter_of_a_megabyte_at_most(kernel: Kernel) -> None:
    cell = kernel.run("stream(4000)")
    assert cell.status == "ok", cell.errors
    messages, size = traffic(cell)
    assert text_heard(cell).split() == ["five"] * 4000
    slow = (
        cell.messages[-1]["header"]["date"] - cell.messages[0]["header"]["date"]
    ).total_seconds() / INTERVAL  # more batches, on a busy machine
    assert messages <= 40 + slow
    assert size <= 250_000 + 2_000 * slow


def test_a_program_gets_the_frozen_output_alone_and_the_same_as_a_person(kernel: Kernel) -> None:
    code = "t = Script(); t.say('Hel'); t.fail(0.1); t.say('Hello'); t.end()"
    live, static = kernel.run(code), kernel.run(code, attended=False)
    assert static.outputs == live.outputs
    assert set(static.outputs[0]) == {"text/html", "text/markdown", "text/plain"}
    assert {m["msg_type"] for m in static.messages} == {"status", "execute_input", "display_data"}


def test_what_ends_after_its_cell_is_shown_in_its_cell(kernel: Kernel) -> None:
    ending = "import threading; t = Script(); go = threading.Event(); thread = threading.Thread(target=lambda: (go.wait(5), t.say('late'), t.end()))"
    for attended in (True, False):
        (first,) = kernel.queue(f"{ending}; thread.start()", attended=attended)
        (begun,) = kernel.collect(first)
        (second,) = kernel.queue("go.set(); thread.join(); print('second')", attended=attended)
        cells = {first: begun, second: Cell()}
        while not (cells[second].reply and cells[first].outputs and WIDGET not in cells[first].outputs[0]):
            message = kernel.client.get_iopub_msg(timeout=10)
            cells[message["parent_header"]["msg_id"]].messages.append(message)
            if message["content"].get("execution_state") == "idle" and message["parent_header"]["msg_id"] == second:
                cells[second].reply = kernel.client.get_shell_msg(timeout=10)["content"]
        assert "late" in cells[first].outputs[0]["text/plain"]
        assert cells[second].text == "second\n"
        assert cells[second].outputs == []


def test_fifty_asks_in_a_loop_leave_fifty_light_outputs_and_no_widget(kernel: Kernel) -> None:
    code = "for n in range(50):\n    t = Script(); t.say(f'reply {n}'); t.end()\n"
    code += "from ipywidgets.widgets import widget; import comm; print(len(widget._instances), len(comm.get_comm_manager().comms))"
    cell = kernel.run(code)
    assert cell.text == "0 0\n"
    assert [o["text/plain"] for o in cell.outputs] == [f"[demo]\n\nreply {n}" for n in range(50)]
    assert sum(len(str(o)) for o in cell.outputs) < 50_000


def test_an_interrupt_in_the_middle_leaves_readable_output_and_the_kernel_usable(kernel: Kernel) -> None:
    def streams(cell: Cell) -> bool:
        return "half a reply" in text_heard(cell)

    code = "t = Script(); t.say('half a reply')\ntry: threading.Event().wait(30)\nfinally: t.display.close()"
    cell = kernel.interrupt_when(code, streams)
    assert cell.reply["ename"] == "KeyboardInterrupt"
    assert cell.outputs[0]["text/plain"] == "[demo]\n\nhalf a reply\n\nStopped: the reply is incomplete."
    assert kernel.run("print('usable')").text == "usable\n"


def environment_of(kernel: Kernel, word: str, **options: Any) -> Cell:
    code = f"import os; os.environ['CHATKIT_DISPLAY'] = {word!r}\n"
    code += "try:\n    t = Script(); t.fail(1); t.say('x'); t.end()\nfinally: del os.environ['CHATKIT_DISPLAY']"
    return kernel.run(code, **options)


def test_the_variable_decides_in_a_kernel_too(kernel: Kernel) -> None:
    assert "comm_open" in {m["msg_type"] for m in environment_of(kernel, "live", attended=False).messages}
    assert {m["msg_type"] for m in environment_of(kernel, "static").messages} == {"status", "execute_input", "display_data"}
    assert environment_of(kernel, "off").outputs == []
    assert environment_of(kernel, "terminal").errors == "Retrying in 1 s… (attempt 1 failed: anthropic is overloaded)\n"
    assert environment_of(kernel, "widget").reply["ename"] == "UsageError"


@pytest.mark.parametrize("variable", [{"SERVER_SOFTWARE": "voila/0.5.13"}, {"VOILA_PREHEAT": "True"}], ids=["asked", "ahead"])
def test_voila_gets_a_widget_that_waits_for_its_page(variable: dict[str, str]) -> None:
    with running_kernel(**variable) as kernel:
        assert kernel.run(FIND_OUT, attended=False).text == "False True live True\n"
        kernel.run("import chatkit as ck; chat = ck.Chat('demo:steady'); chat.submit('Why?').result()", attended=False)
        cell = kernel.run("from ipywidgets.widgets import widget; print(len(widget._instances))", attended=False)
        assert int(cell.text) > 0  # still there, with the whole reply


def test_another_server_that_names_itself_is_no_voila() -> None:
    with running_kernel(SERVER_SOFTWARE="gunicorn/23") as kernel:
        assert "False True static True" in kernel.run(FIND_OUT, attended=False).text


def test_an_inset_is_closed_when_its_output_widget_has_been_cleared_and_not_before(kernel: Kernel) -> None:
    kernel.run("from ipywidgets import Output; from ipywidgets.widgets import widget; out, inner = Output(), Output()")
    ask = "with out, inner:\n    t = Script(); t.say('x'); t.end()\n"
    count = "print(len([w for w in widget._instances.values() if isinstance(w, Output)]))"
    caught: list[dict[str, Any]] = []
    for _ in range(3):
        caught.append({"output_type": "display_data", "metadata": {}, "data": kernel.run(ask).outputs[0]})
        kernel.run(f"inner.outputs = {caught!r}")  # as the front end tells the kernel
    kernel.run("out.outputs = [{'output_type': 'stream', 'name': 'stdout', 'text': 'beside'}]")
    assert kernel.run(count).text == "5\n"
    for left in (caught[1:], []):
        assert kernel.run(f"inner.outputs = {left!r}; {count}").text == f"{2 + len(left)}\n"
    assert kernel.run("out.close(); inner.close(); print(len(widget._instances) - 2)").text == "0\n"  # their own layouts


def test_a_reply_that_ends_while_an_output_widget_catches_its_cell_is_published_when_that_lets_go(kernel: Kernel) -> None:
    code = "from ipywidgets import Output; out = Output(); t = Script()\nwith out:\n    t.say('late'); t.end()\nprint('after')"
    cell = kernel.run(code)
    assert "late" in cell.outputs[0]["text/plain"]
    changes = [n for n, m in enumerate(cell.messages) if "msg_id" in m["content"].get("data", {}).get("state", {})]
    updates = [n for n, m in enumerate(cell.messages) if m["msg_type"] == "update_display_data"]
    assert updates
    assert min(updates) > max(changes)
