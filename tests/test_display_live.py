"""The live display, down to the messages of its comm and the outputs of its cell."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import comm
import pytest
from comm.base_comm import BaseComm
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from chatkit import bridge
from chatkit.display.live import LiveChat, LiveRetry
from chatkit.display.static_output import StaticChat, StaticRetry
from chatkit.events import ErrorEvent, Event, MessagePart, Retry, Status
from chatkit.parts import Message, Reasoning, Text, ToolCall
from tests.test_display_view_state import FrontEnd

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
WIDGET = "application/vnd.jupyter.widget-view+json"


class Wire(BaseComm):
    """A comm that keeps what goes over it."""

    opened: list[Wire]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.sent: list[tuple[str, Any]] = []
        self.opened.append(self)
        super().__init__(*args, **kwargs)

    def publish_msg(self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **keys: Any) -> None:
        self.sent.append((msg_type, data))

    @property
    def front_end(self) -> FrontEnd:
        """A front end that heard all of it; a gap fails the test."""
        front: FrontEnd | None = None
        for kind, data in self.sent:
            if "snap" in (data or {}).get("state", {}):
                front = FrontEnd(data["state"]["snap"])
            elif kind == "comm_msg" and data["method"] == "custom" and "r" in data["content"]:
                assert front is not None
                assert front.hear(data["content"])
        assert front is not None
        return front

    def click(self, what: str) -> None:
        self.handle_msg({"content": {"data": {"method": "custom", "content": {"do": what}}}, "buffers": []})


class Pressed:
    def __init__(self) -> None:
        self.log: list[str] = []

    def stop(self) -> None:
        self.log.append("stop")

    def retry_now(self) -> None:
        self.log.append("retry")


class Publisher(CapturingDisplayPublisher):  # type: ignore[misc] # traitlets has no types
    """Keeps what is published, and says when there is more."""

    more = threading.Condition()

    def publish(self, *args: Any, **kwargs: Any) -> None:
        super().publish(*args, **kwargs)
        with self.more:
            self.more.notify_all()


def wait_for(outputs: list[dict[str, Any]], count: int) -> None:
    """Until another thread has published so many."""
    with Publisher.more:
        assert Publisher.more.wait_for(lambda: len(outputs) >= count, 5)


@pytest.fixture
def wires(monkeypatch: pytest.MonkeyPatch) -> list[Wire]:
    """Every comm that is opened."""
    Wire.opened = []
    monkeypatch.setattr(comm, "create_comm", Wire)
    return Wire.opened


@pytest.fixture
def outputs() -> Iterator[list[dict[str, Any]]]:
    """Every output that is published."""
    config = Config()
    config.HistoryManager.enabled = False
    yield InteractiveShell.instance(display_pub_class=Publisher, config=config).display_pub.outputs
    InteractiveShell.clear_instance()


def part(text: str, attempt: int = 1) -> MessagePart:
    return MessagePart(chat_id="c", role="assistant", part=Text(text=text), step=1, attempt=attempt, index=0, seq=1)


def retry(seconds: float = 4, attempt: int = 3) -> Retry:
    return Retry(chat_id="c", attempt=attempt, delay_ms=round(seconds * 1000), retrying_at=NOW, error="anthropic is overloaded")


def message(text: str) -> Message:
    return Message(id=2, chat_id="c", role="assistant", parts=(Text(text=text),), created_at=NOW, stop_reason="end")


def settle(display: LiveChat | LiveRetry) -> None:
    """Until everything that was applied is out."""
    bridge.spawn(display._pump.drain()).result(5)


def live(model: str = "demo") -> tuple[LiveChat, Pressed]:
    pressed = Pressed()
    return LiveChat(pressed, model=model, question="Why?"), pressed


def view_of(wires: list[Wire]) -> Wire:
    (view,) = [w for w in wires if "snap" in w.sent[0][1]["state"]]
    return view


def text_of(wires: list[Wire]) -> str:
    return "".join(block["t"] for block in view_of(wires).front_end.state["blocks"])


def feed(display: LiveChat | LiveRetry | StaticChat | StaticRetry, *events: Event) -> None:
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
    feed(display, *[part("five ") for _ in range(4000)])
    settle(display)
    assert text_of(wires) == "five " * 4000
    assert len(view_of(wires).sent) < 20
    display.close()


def test_a_failed_attempt_is_withdrawn_and_the_wait_is_told_until_the_next_part(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    display, _ = live()
    feed(display, part("Hello wo"), retry())
    settle(display)
    state = view_of(wires).front_end.state
    assert state["blocks"] == []
    assert state["retry"]["why"] == "(attempt 3 failed: anthropic is overloaded)"
    assert 3900 <= state["retry"]["left"] <= 4000
    feed(display, part("Hello", attempt=4))
    settle(display)
    state = view_of(wires).front_end.state
    assert state["retry"] is None
    assert text_of(wires) == "Hello"
    assert state["doing"] == "writing…"
    display.close()


def test_the_whole_state_goes_out_each_time_that_the_text_has_doubled(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    display, _ = live()
    for _ in range(30):
        feed(display, part("x" * 1000))
        settle(display)
    whole = [len(d["state"]["snap"]["blocks"][0]["t"]) for kind, d in view_of(wires).sent if kind == "comm_msg" and d["method"] == "update"]
    assert whole == [2000, 6000, 14000, 30000]
    assert text_of(wires) == "x" * 30_000
    display.close()


def test_a_front_end_that_asks_gets_the_whole_state(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    display, _ = live()
    feed(display, part("Hello"))
    settle(display)
    view = view_of(wires)
    view.click("resync")
    _, data = view.sent[-1]
    assert data["state"]["snap"]["blocks"] == [{"k": "text", "t": "Hello"}]
    display.close()


def test_buttons_call_the_controls_and_are_answered(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    display, pressed = live()
    for what in ("retry", "stop", "dance"):
        view_of(wires).click(what)
    assert pressed.log == ["retry", "stop"]
    acks = [d["content"]["ack"] for _, d in view_of(wires).sent if d and "ack" in d.get("content", {})]
    assert acks == ["retry", "stop"]
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
    static = StaticChat(model="demo", question="Why?")
    feed(display, *events)
    feed(static, *events)
    display.close()
    assert len(outputs) == 2
    static.close()
    assert outputs[2]["data"] == outputs[1]["data"]
    assert outputs[2]["metadata"] == outputs[1]["metadata"] == {}
    assert outputs[2]["update"] is False


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
    assert [b["t"] for b in view.front_end.state["blocks"]] == ["Hello", "Retried once, after 1 s: anthropic is overloaded"]
    assert view.sent[-1][0] == "comm_msg"
    display._view.close()


def test_what_was_said_is_put_beside_the_widget_now_and_then_and_taken_away_when_it_is_withdrawn(
    wires: list[Wire], outputs: list[dict[str, Any]]
) -> None:
    display = LiveChat(Pressed(), model="demo", question="Why?", keep_every=0.0)
    feed(display, part("so far"))
    settle(display)
    wait_for(outputs, 2)
    assert "so far" in outputs[1]["data"]["text/markdown"]
    assert WIDGET in outputs[1]["data"]
    feed(display, retry())
    settle(display)
    wait_for(outputs, 3)
    assert "so far" not in str(outputs[2]["data"])
    display.close()
    assert WIDGET not in outputs[-1]["data"]


def test_retry_shows_nothing_before_the_first_wait_and_one_line_after_the_last(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    quiet = LiveRetry(Pressed(), name="load")
    quiet.close()
    assert (wires, outputs) == ([], [])
    pressed = Pressed()
    display = LiveRetry(pressed, name="load")
    feed(display, retry(30, 1))
    settle(display)
    state = view_of(wires).front_end.state
    assert state["label"] == "load"
    assert 29_000 < state["retry"]["left"] <= 30_000
    view_of(wires).click("retry")
    assert pressed.log == ["retry"]
    display.close()
    assert outputs[-1]["data"]["text/plain"] == "load: Retried once, after 30 s: anthropic is overloaded"
    static = StaticRetry(name="load")
    feed(static, retry(30, 1))
    static.close()
    assert outputs[-1]["data"] == outputs[-2]["data"]
    StaticRetry(name="load").close()
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
