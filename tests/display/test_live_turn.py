"""The live display of a turn and of a retry, down to the messages of its comm and the outputs of its cell."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from chatkit import bridge
from chatkit.display.batcher import INTERVAL
from chatkit.display.document import retry_document, turn_document
from chatkit.display.messages import Block, CommandName, Facts
from chatkit.display.opening import Commands, Display
from chatkit.display.outputs import FallbackSchedule, StaticDisplay, outliving
from chatkit.display.view import LiveRetry, LiveTurn
from chatkit.display.view_state import kernel_ms
from chatkit.display.widget import TurnView
from chatkit.errors import Busy
from chatkit.events import ErrorEvent, Event, MessagePart, Retry, Status
from chatkit.parts import Message, Reasoning, Text, ToolCall
from tests.comms import WIDGET, Wire, view_of, wait_for

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


class Pressed:
    """Commands that note what was pressed."""

    available: tuple[CommandName, ...] = ("stop", "retry", "again")

    def __init__(self, refusal: str = "") -> None:
        self.log: list[str] = []
        self.shown: list[Display] = []
        self._refusal = refusal

    def stop(self) -> None:
        self.log.append("stop")

    def retry_now(self) -> None:
        self.log.append("retry")

    def try_again(self, show: Callable[[Commands], Display] | None = None) -> None:
        if self._refusal:
            raise Busy(self._refusal)
        self.log.append("again")
        if show is not None:
            self.shown.append(show(self))

    def _unavailable(self, *_: object) -> None:
        raise AssertionError("a turn has no such command")

    send = replace = promote = delete = edit = _unavailable


def part(text: str, attempt: int = 1) -> MessagePart:
    return MessagePart(chat_id="c", role="assistant", part=Text(text=text), step=1, attempt=attempt, index=0, seq=1)


def retry(seconds: float = 4, attempt: int = 3) -> Retry:
    return Retry(chat_id="c", attempt=attempt, delay_ms=round(seconds * 1000), retrying_at=NOW, error="anthropic is overloaded")


def message(text: str) -> Message:
    return Message(id=2, chat_id="c", role="assistant", parts=(Text(text=text),), created_at=NOW, stop_reason="end")


def settle(display: LiveTurn | LiveRetry) -> None:
    """Until everything that was applied is out."""
    bridge.spawn(display.settled()).result(5)


def live(model: str = "demo") -> tuple[LiveTurn, Pressed]:
    pressed = Pressed()
    return LiveTurn(pressed, model=model, prompt="Why?", reply_name="chat.last"), pressed


def text_of(wires: list[Wire]) -> str:
    """The text of all blocks, without their elements."""
    return re.sub(r"<[^>]*>", "", "".join(block["t"] for block in view_of(wires).front_end.state["blocks"])).strip()


def feed(display: Display, *events: Event) -> None:
    for event in events:
        display.apply(event)


def test_the_widget_is_shown_at_once_beside_what_is_readable_without_it(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    display, _ = live()
    (shown,) = outputs
    assert set(shown["data"]) == {WIDGET, "text/html", "text/markdown", "text/plain"}
    assert shown["data"][WIDGET]["model_id"] == view_of(wires).comm_id
    assert "You asked: Why?" in shown["data"]["text/plain"]
    display.close()


def test_text_reaches_the_front_end_whole_and_in_few_messages(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    display, _ = live()
    begun = kernel_ms()
    feed(display, *[part("five ") for _ in range(4000)])
    settle(display)
    assert text_of(wires).split() == ["five"] * 4000
    assert len(view_of(wires).sent) < 40 + (kernel_ms() - begun) / 1000 / INTERVAL
    display.close()


def test_a_failed_attempt_is_withdrawn_and_the_wait_is_told_until_the_next_part(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    display, _ = live()
    begun = kernel_ms()
    feed(display, part("Hello wo"), retry())
    settle(display)
    state = view_of(wires).front_end.state
    assert state["blocks"] == []
    assert state["retry"]["why"] == "(attempt 3 failed: anthropic is overloaded)"
    assert 4000 - (kernel_ms() - begun) <= state["retry"]["left"] <= 4000
    feed(display, part("Hello", attempt=4))
    settle(display)
    state = view_of(wires).front_end.state
    assert state["retry"] is None
    assert text_of(wires) == "Hello"
    assert state["doing"] == "writing…"
    display.close()


def test_the_whole_state_goes_out_each_time_that_the_text_has_doubled(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    display, _ = live()
    for _ in range(60):
        feed(display, part("x" * 4000 + "\n\n"))
        settle(display)
    whole = [
        sum(len(b["t"]) for b in d["state"]["snap"]["blocks"])
        for kind, d in view_of(wires).sent
        if kind == "comm_msg" and d["method"] == "update"
    ]
    assert 2 <= len(whole) <= 4
    assert all(later > 2 * before for before, later in itertools.pairwise(whole))
    assert text_of(wires).count("x") == 240_000
    display.close()


def test_a_front_end_that_asks_gets_the_whole_state(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    display, _ = live()
    feed(display, part("Hello"))
    settle(display)
    view = view_of(wires)
    view.click("resync")
    _, data = view.sent[-1]
    assert data["state"]["snap"]["blocks"] == ({"k": "html", "t": "<p>Hello</p>\n", "o": True},)
    display.close()


def test_buttons_call_the_controls_and_are_answered(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    display, pressed = live()
    for what in ("retry", "stop", "dance"):
        view_of(wires).click(what)
    assert pressed.log == ["retry", "stop"]
    assert view_of(wires).answers == [{"ack": "retry"}, {"ack": "stop"}]
    display.close()


def test_a_click_that_comes_again_is_carried_out_and_answered_once(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    display, pressed = live()
    for number in ("a", "a", "b", "a"):
        view_of(wires).click("retry", n=number)
    assert pressed.log == ["retry", "retry"]
    assert view_of(wires).answers == [{"ack": "retry"}, {"ack": "retry"}]
    display.close()


def test_a_click_is_handled_where_the_front_end_sent_it(
    monkeypatch: pytest.MonkeyPatch, wires: list[Wire], outputs: list[dict[str, Any]]
) -> None:
    monkeypatch.setattr(Wire, "_reply_subshell_for", lambda self, data, default: "the main shell", raising=False)
    display, _ = live()
    assert view_of(wires)._reply_subshell_for({}, "a subshell") == "a subshell"  # type: ignore[attr-defined]
    display.close()


def test_when_the_turn_is_over_static_output_takes_the_place_and_nothing_leaks(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    from ipywidgets.widgets import widget

    before_us = dict(widget._instances)
    for n in range(50):
        display, _ = live()
        feed(display, part(f"reply {n}"), message(f"reply {n}"))
        display.close()
    assert widget._instances == before_us
    assert all(w.sent[-1][0] == "comm_close" for w in wires)
    first, last = outputs[0::2], outputs[1::2]
    assert len(last) == 50
    for n, (before, after) in enumerate(zip(first, last, strict=True)):
        assert after["update"] is True
        assert after["transient"] == before["transient"]
        assert set(after["data"]) == {"text/html", "text/markdown", "text/plain"}
        assert after["data"]["text/plain"] == f"[demo]\n\nreply {n}"
        assert len(str(after["data"])) < 1000


@pytest.mark.parametrize(
    "events",
    [
        [part("Hel"), retry(1, 1), part("Hello", 2), message("Hello")],
        [retry(1, 1), ErrorEvent(message="demo refused the key", kind="auth", detail="No.")],
        [part("half")],
        [],
    ],
    ids=["retried", "failed", "stopped", "empty"],
)
def test_static_output_is_byte_for_byte_what_the_live_display_freezes(
    wires: list[Wire], outputs: list[dict[str, Any]], events: list[Event]
) -> None:
    display, _ = live()
    static = StaticDisplay(partial(turn_document, model="demo", prompt="Why?"))
    feed(display, *events)
    feed(static, *events)
    display.close()
    static.close()
    frozen, reference = outputs[1], outputs[-1]
    offers = any(WIDGET in output["data"] for output in outputs[2:])
    html = reference["data"]["text/html"]
    assert {**reference["data"], "text/html": outliving(html) if offers else html} == frozen["data"]
    assert reference["metadata"] == frozen["metadata"] == {}
    assert (frozen["update"], reference["update"]) == (True, False)


def test_closing_on_the_bridges_loop_returns_at_once_and_freezes_soon(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    display, _ = live()

    async def end() -> int:
        feed(display, part("Hello"), message("Hello"))
        display.close()
        return len(outputs)

    assert bridge.spawn(end()).result(5) == 1
    wait_for(outputs, 2)
    assert outputs[-1]["data"]["text/plain"] == "[demo]\n\nHello"


def test_a_page_that_was_loaded_again_keeps_the_view_with_the_end_in_it(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    display, _ = live()
    feed(display, retry(1, 1), part("Hello", 2))
    settle(display)
    view_of(wires).handle_msg({"content": {"data": {"method": "request_state"}}})
    feed(display, message("Hello"))
    display.close()
    view = view_of(wires)
    assert view.front_end.state["over"] is True
    assert text_of(wires) == "Hello\nRetried once, after 1 s: anthropic is overloaded"
    assert view.sent[-1][0] == "comm_msg"
    display.widget.close()


def test_what_was_said_is_put_beside_the_widget_and_taken_away_when_it_is_withdrawn_and_when_all_is_over(
    wires: list[Wire], outputs: list[dict[str, Any]]
) -> None:
    display = LiveTurn(Pressed(), model="demo", prompt="Why?", schedule=FallbackSchedule(first=0, pause=0))
    feed(display, part("so far"))
    settle(display)
    assert len(outputs) == 1  # no front end said that it hides a fallback output
    view_of(wires).click("hides")
    wait_for(outputs, 2)
    assert set(outputs[1]["data"]) == {"text/html"}
    assert outputs[1]["data"]["text/html"].startswith('<div class="chatkit-beside">')
    assert "so far" in outputs[1]["data"]["text/html"]
    assert outputs[1]["transient"] != outputs[0]["transient"]  # an output of its own
    feed(display, part(" and on" * 20))
    settle(display)
    wait_for(outputs, 3)
    assert "so far and on" in outputs[2]["data"]["text/html"]
    feed(display, retry())
    settle(display)
    wait_for(outputs, 4)
    assert "so far" not in str(outputs[3]["data"])
    display.close()
    assert WIDGET not in outputs[-2]["data"]
    assert (outputs[-1]["data"], outputs[-1]["transient"]) == ({}, outputs[1]["transient"])


def test_a_turn_that_failed_is_static_and_beside_it_try_again_asks_once_more_in_its_place(
    wires: list[Wire], outputs: list[dict[str, Any]]
) -> None:
    display, pressed = live()
    feed(display, ErrorEvent(message="demo refused the key", kind="auth"))
    display.close()
    _, failed, offer = outputs
    assert "demo refused the key" in failed["data"]["text/html"]
    assert set(offer["data"]) == {WIDGET}
    again = view_of(wires)
    assert offer["data"][WIDGET]["model_id"] == again.comm_id
    state = again.front_end.state
    assert (state["commands"], state["label"], state["blocks"]) == (["again"], "", [])
    assert state["error"]["advice"] == "The reply will be chat.last."  # the static output has the other words
    again.click("again")
    assert pressed.log == ["again"]
    assert again.sent[-1][0] == "comm_close"
    emptied, shown = outputs[3:]
    assert (emptied["data"], emptied["transient"]) == ({}, offer["transient"])
    assert (set(shown["data"]) > {WIDGET}, shown["transient"]) == (True, failed["transient"])
    (second,) = pressed.shown
    assert isinstance(second, LiveTurn)
    feed(second, part("Now it works."), message("Now it works."))
    second.close()
    note = "Tried again: this reply is chat.last. An error below is from before."
    assert outputs[-1]["data"]["text/plain"] == f"[demo]\n\nNow it works.\n\n{note}"
    assert outputs[-1]["transient"] == failed["transient"]


def test_where_the_same_request_would_be_refused_again_nothing_is_offered(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    for kind in ("invalid_request", "context_exceeded", "content_filter", "program"):
        display, _ = live()
        feed(display, ErrorEvent(message="demo refused it", kind=kind))
        display.close()
        assert set(outputs[-1]["data"]) == {"text/html", "text/markdown", "text/plain"}
        assert "try again" not in str(outputs[-1]["data"])
    assert all(w.sent[-1][0] == "comm_close" for w in wires)


def test_a_try_again_that_is_refused_says_why_and_stays(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    display = LiveTurn(Pressed("a turn is running"), model="demo", prompt="Why?")
    feed(display, ErrorEvent(message="demo is down", kind="server_error"))
    display.close()
    view_of(wires).click("again")
    assert view_of(wires).answers == [{"ack": "again", "refused": "a turn is running"}]
    assert len(outputs) == 3


def test_retry_shows_nothing_before_the_first_wait_and_one_line_after_the_last(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    quiet = LiveRetry(Pressed(), name="load")
    quiet.close()
    assert (wires, outputs) == ([], [])
    pressed = Pressed()
    display = LiveRetry(pressed, name="load")
    begun = kernel_ms()
    feed(display, retry(30, 1))
    settle(display)
    assert outputs[0]["data"]["text/plain"] == "load: Retrying in 30 seconds (attempt 1 failed: anthropic is overloaded)"
    state = view_of(wires).front_end.state
    assert state["label"] == "load"
    assert 30_000 - (kernel_ms() - begun) <= state["retry"]["left"] <= 30_000
    view_of(wires).click("retry")
    assert pressed.log == ["retry"]
    display.close()
    assert outputs[-1]["data"]["text/plain"] == "load: Retried once, after 30 s: anthropic is overloaded"
    static = StaticDisplay(partial(retry_document, name="load"))
    feed(static, retry(30, 1))
    static.close()
    assert outputs[-1]["data"] == outputs[-2]["data"]
    StaticDisplay(partial(retry_document, name="load")).close()
    assert len(outputs) == 3


def test_the_state_is_told_in_words(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    display, _ = live()
    told = []
    for event in (
        Status(chat_id="c", status="running"),
        MessagePart(chat_id="c", role="assistant", part=Reasoning(text="hm"), step=1, attempt=1, index=0, seq=1),
        MessagePart(chat_id="c", role="assistant", part=ToolCall(tool_call_id="1", tool_name="search"), step=1, attempt=1, index=1, seq=2),
        MessagePart(chat_id="c", role="assistant", part=Text(text="x"), step=1, attempt=1, index=2, seq=3),
        Status(chat_id="c", status="interrupting"),
        ErrorEvent(message="openai refused the key", kind="auth", status_code=401),
    ):
        feed(display, event)
        settle(display)
        told.append(view_of(wires).front_end.state["doing"])
    assert told == [
        "waiting for the first words…",
        "thinking…",
        "calling search…",
        "writing…",
        "stopping…",
        "openai refused the key (HTTP 401)",
    ]
    display.close()


def test_a_state_that_is_asked_for_while_text_goes_out_fits_what_follows(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    view = TurnView(lambda command: None, Facts())
    texts = ["word " * n for n in range(400)]
    with ThreadPoolExecutor(1) as other:
        told = other.submit(lambda: [view.show([Block(k="html", t=text, o=True)], Facts()) for text in texts])
        while not told.done():
            view.send_state("snap")
    assert view_of(wires).front_end.state["blocks"][0]["t"] == texts[-1]
