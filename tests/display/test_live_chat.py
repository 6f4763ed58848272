"""The view of a whole chat, down to its comm and the outputs of the cells that show it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from chatkit import Chat, bridge
from chatkit.chattest import FakeClock, FakeProvider, anthropic_error_response, anthropic_overloaded_response, reply
from chatkit.display.chat_view import LiveChat
from chatkit.display.environment import Mode, display_mode
from chatkit.display.messages import CommandName
from chatkit.display.outputs import FallbackSchedule
from chatkit.events import ErrorEvent, Event, MessagePart, Queued, QueueUpdate, Reset, Retry, Status, TitleEvent
from chatkit.parts import Message, Part, Role, Text, ToolCall, ToolResult, Usage
from tests.comms import WIDGET, Wire, view_of, wait_for
from tests.watching import watching

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
RUNNING = Status(chat_id="c", status="running")
WAITING = Status(chat_id="c", status="waiting")


class Noted:
    """Commands that note what was asked for."""

    available: tuple[CommandName, ...] = ("stop", "retry", "again", "send", "replace", "queue", "promote", "delete", "edit")

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []

    def stop(self) -> None:
        self.log.append(("stop",))

    def retry_now(self) -> None:
        self.log.append(("retry",))

    def try_again(self, show: object = None) -> None:
        self.log.append(("again",))

    def send(self, text: str) -> None:
        self.log.append(("send", text))

    def replace(self, text: str) -> None:
        self.log.append(("replace", text))

    def promote(self, id: int) -> None:
        self.log.append(("promote", id))

    def delete(self, id: int) -> None:
        self.log.append(("delete", id))

    def edit(self, id: int, text: str) -> None:
        self.log.append(("edit", id, text))


def said(id: int, role: Role, *parts: Part, **fields: Any) -> Message:
    return Message(
        id=id, chat_id="c", role=role, parts=parts, created_at=NOW, **{"stop_reason": "end" if role == "assistant" else None} | fields
    )


def piece(part: Part, index: int = 0, seq: int = 1) -> MessagePart:
    return MessagePart(chat_id="c", role="assistant", part=part, step=1, attempt=1, index=index, seq=seq)


def shown(*events: Event, schedule: FallbackSchedule | None = None, mode: Mode | None = None) -> tuple[LiveChat, Noted]:
    commands = Noted()
    display = LiveChat(commands, model="demo", closed=lambda: None, schedule=schedule, mode=display_mode if mode is None else lambda: mode)
    feed(display, *events)
    display.open()
    return display, commands


def feed(display: LiveChat, *events: Event) -> None:
    for event in events:
        display.apply(event)
    bridge.spawn(display.settled()).result(5)


def state_of(wires: list[Wire]) -> dict[str, Any]:
    return view_of(wires).front_end.state


def words(wires: list[Wire]) -> str:
    html = "".join(b["t"] for b in state_of(wires)["blocks"])
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


STORY: list[Event] = [
    RUNNING,
    said(1, "user", Text(text="Why *do* they?")),
    TitleEvent(chat_id="c", title="Backing off"),
    piece(Text(text="Because **ser")),
    Retry(chat_id="c", attempt=1, delay_ms=2000, retrying_at=NOW, error="demo is overloaded", detail="Overloaded", kind="overloaded"),
    piece(Text(text="Because ")),
    piece(ToolCall(tool_call_id="1", tool_name="read_file", args={"path": "a.py"}), 1, 2),
    said(
        2,
        "assistant",
        Text(text="Because "),
        ToolCall(tool_call_id="1", tool_name="read_file", args={"path": "a.py"}),
        stop_reason="tool_calls",
    ),
    said(3, "tool", ToolResult(tool_call_id="1", tool_name="read_file", result={"content": "x = 1"})),
    piece(Text(text="servers **need rest**.\n\nSo"), 0, 3),
    said(
        4,
        "assistant",
        Text(text="servers **need rest**.\n\nSo do I."),
        usage=Usage(input_tokens=800, cache_read_tokens=50, context_limit=1000),
    ),
    WAITING,
    said(5, "user", Text(text="And you?")),
    RUNNING,
    piece(Text(text="half a"), 0, 4),
]


@pytest.mark.parametrize("point", range(len(STORY) + 1))
def test_a_view_opened_late_shows_exactly_what_an_early_one_shows(wires: list[Wire], outputs: list[dict[str, Any]], point: int) -> None:
    early, _ = shown()
    for event in STORY[:point]:
        feed(early, event)
    before = state_of(wires)
    shown(*STORY[:point])
    late = state_of(wires)

    def seen(state: dict[str, Any]) -> dict[str, Any]:
        facts = {k: v for k, v in state.items() if k not in ("r", "waiting", "retry")}
        blocks = "".join(f"{b['k']}{b.get('d', 0)}" * (b["k"] != "html") + b["t"] for b in state["blocks"])
        return {**facts, "blocks": blocks, "wait": bool(state["retry"]), "asked": bool(state["waiting"])}

    assert seen(before) == seen(late)


def test_the_timeline_has_prompts_answers_and_tools_in_their_order(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    shown(*STORY)
    text = words(wires)
    order = ["Why *do* they?", "Because", "read_file", "servers need rest .", "So do I.", "And you?", "half a"]
    places = [text.index(piece) for piece in order]
    assert places == sorted(places)
    assert "ser Because" not in text  # what was withdrawn is gone
    assert [b["k"] for b in state_of(wires)["blocks"]].count("user") == 2


def test_the_header_says_title_model_status_and_how_full_the_context_is(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    display, _ = shown(*STORY[:12])
    state = state_of(wires)
    assert (state["title"], state["label"], state["over"]) == ("Backing off", "demo", True)
    assert state["context"] == {"percent": 85, "words": "850 of 1,000 tokens"}
    ready = state["status"]
    feed(display, *STORY[12:])
    assert state_of(wires)["status"] != ready
    assert state_of(wires)["over"] is False


def test_messages_for_the_model_alone_are_not_shown(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    shown(
        said(1, "system", Text(text="You are.")),
        said(2, "user", Text(text="The summary"), visibility="model"),
        said(3, "user", Text(text="Hi")),
    )
    assert words(wires) == "Hi"


def test_an_edit_takes_away_what_followed(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    display, _ = shown(*STORY[:12])
    feed(display, Reset(chat_id="c", after_id=0), said(6, "user", Text(text="Another")))
    assert words(wires) == "Another"


def test_an_error_stays_with_what_to_do_until_the_next_turn(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    error = ErrorEvent(chat_id="c", message="openai refused the key", kind="auth", detail="No.", provider="openai", status_code=401)
    display, _ = shown(RUNNING, said(1, "user", Text(text="Hi")), error, Status(chat_id="c", status="error"))
    told = state_of(wires)["error"]
    assert (told["title"], told["detail"]) == ("openai refused the key (HTTP 401)", "No.")
    assert "key" in told["advice"]
    assert "openai" in told["about"]
    feed(display, RUNNING)
    assert state_of(wires)["error"] is None


def test_try_again_is_not_offered_where_the_same_request_would_be_refused_again(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    asked = [RUNNING, said(1, "user", Text(text="Hi"))]
    for kind, offered in (("quota", True), ("model_not_found", True), ("context_exceeded", False), ("invalid_request", False)):
        shown(*asked, ErrorEvent(chat_id="c", message="No.", kind=kind), Status(chat_id="c", status="error"))
        assert ("again" in state_of(wires)["commands"]) is offered


def test_the_queue_is_told_whole(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    display, _ = shown(QueueUpdate(chat_id="c", queue=(Queued(id=7, parts=(Text(text="later"),), model="m"),)))
    assert state_of(wires)["queue"] in ([{"id": 7, "text": "later", "model": "m"}], ({"id": 7, "text": "later", "model": "m"},))
    feed(display, QueueUpdate(chat_id="c"))
    assert not state_of(wires)["queue"]


def test_commands_reach_the_chat_and_what_is_not_one_is_left_alone(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    _, commands = shown()
    view = view_of(wires)
    for command in (
        {"do": "stop"},
        {"do": "retry"},
        {"do": "again"},
        {"do": "send", "text": "Hi"},
        {"do": "replace", "text": "Ho"},
        {"do": "promote", "id": 3},
        {"do": "delete", "id": 4},
        {"do": "edit", "id": 5, "text": "x"},
        {"do": "send"},
        {"do": "send", "text": 7},
        {"do": "rm -rf"},
    ):
        view.click(**{"what" if k == "do" else k: v for k, v in command.items()})
    assert commands.log == [
        ("stop",),
        ("retry",),
        ("again",),
        ("send", "Hi"),
        ("replace", "Ho"),
        ("promote", 3),
        ("delete", 4),
        ("edit", 5, "x"),
    ]


def test_a_cell_holds_the_widget_and_a_fallback_that_is_readable_without_one(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    display, _ = shown(*STORY[:12], mode="live")
    assert display.widget is not None
    for _ in range(2):
        display.widget._ipython_display_()
    assert [set(o["data"]) for o in outputs] == [{WIDGET}, {WIDGET}]
    assert len({o["data"][WIDGET]["model_id"] for o in outputs}) == 1  # one model: both stay in step
    view_of(wires).click("hides")
    wait_for(outputs, 4)
    assert [set(o["data"]) for o in outputs[2:]] == [{"text/html", "text/markdown", "text/plain"}] * 2
    assert all("need rest" in o["data"]["text/plain"] and "chatkit-beside" in o["data"]["text/html"] for o in outputs[2:])
    feed(display, *STORY[12:])
    wait_for(outputs, 6)
    assert "And you?" in outputs[-1]["data"]["text/markdown"]
    assert outputs[-1]["update"] is True


def test_where_a_front_end_does_not_hide_it_the_same_output_holds_both(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    display, _ = shown(mode="live")
    assert display.widget is not None
    display.widget._ipython_display_()
    feed(display, said(1, "user", Text(text="Hi")))
    wait_for(outputs, 2)
    assert set(outputs[1]["data"]) == {WIDGET, "text/html", "text/markdown", "text/plain"}
    assert outputs[1]["transient"] == outputs[0]["transient"]


def test_where_there_is_no_widget_the_transcript_is_shown(
    wires: list[Wire], outputs: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    display, _ = shown(*STORY[:12])
    assert display.widget is not None
    display.widget._ipython_display_()  # no kernel here: a terminal
    assert "So do I." in capsys.readouterr().out
    display, _ = shown(*STORY[:12], mode="static")
    assert display.widget is not None
    display.widget._ipython_display_()
    assert set(outputs[0]["data"]) == {"text/html", "text/markdown", "text/plain"}


def test_the_composer_sends_and_the_answer_comes(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    with FakeProvider([reply("One."), reply("Two.")]) as provider:
        chat = Chat("anthropic:test", base_url=provider.anthropic_url, api_key="k", title=None)
        view = chat.view()
        assert chat.view() is view
        with watching(chat) as watch:
            view_of(wires).click("send", text="First?")
            watch.wait_for(lambda events: any(isinstance(e, Message) and e.text == "One." for e in events))
            view_of(wires).click("replace", text="Second?")
            watch.wait_for(lambda events: any(isinstance(e, Message) and e.text == "Two." for e in events))
    assert [m.text for m in chat.messages] == ["Second?", "Two."]
    assert [a["ack"] for a in view_of(wires).answers] == ["send", "replace"]
    assert not any(a.get("refused") for a in view_of(wires).answers)


def test_what_can_not_be_sent_is_refused_with_the_reason_and_loses_nothing(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    with FakeProvider([reply("One.")]) as provider:
        chat = Chat("anthropic:test", base_url=provider.anthropic_url, api_key="k", title=None)
        chat.view()
        chat.ask("First?", show=False)
        wire = view_of(wires)
        wire.click("send", text="  ")
        wire.click("replace", text=" ")
        wire.click("promote", id=1)
        chat.close()
        wire.click("send", text="too late")
    refusals = [a["refused"] for a in wire.answers]
    assert len(refusals) == 4
    assert all(refusals)
    assert "closed" in refusals[-1]
    assert [m.text for m in chat.messages] == ["First?", "One."]
    assert wire.front_end.state["blocked"] == "This chat is closed."
    assert not wire.front_end.state["commands"]


def test_try_again_asks_what_got_no_answer(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    with FakeProvider([anthropic_error_response(400), reply("Now.")]) as provider:
        chat = Chat("anthropic:test", base_url=provider.anthropic_url, api_key="k", title=None)
        chat.view()
        with watching(chat) as watch:
            view_of(wires).click("send", text="Hi?")
            watch.wait_for(lambda events: any(isinstance(e, Status) and e.status == "error" for e in events))
        with watching(chat) as watch:
            view_of(wires).click("again")
            watch.wait_for(lambda events: any(isinstance(e, Message) and e.role == "assistant" for e in events))
    assert [m.text for m in chat.messages] == ["Hi?", "Now."]


def test_buttons_end_a_wait_and_a_turn(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    with FakeProvider([anthropic_overloaded_response(), reply("One.").stall(after=0)]) as provider:
        chat = Chat("anthropic:test", base_url=provider.anthropic_url, api_key="k", title=None, clock=FakeClock())
        chat.view()
        with watching(chat) as watch:
            view_of(wires).click("send", text="Hi?")
            watch.wait_for(lambda events: any(isinstance(e, Retry) for e in events))
            view_of(wires).click("retry")
            provider.wait_for(requests=2)
            view_of(wires).click("stop")
            watch.wait_for(lambda events: any(isinstance(e, Status) and e.status == "waiting" for e in events))
    assert chat.status == "waiting"


def test_a_view_that_was_closed_makes_room_for_another(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    with FakeProvider([reply("One.")]) as provider:
        chat = Chat("anthropic:test", base_url=provider.anthropic_url, api_key="k", title="Given")
        first = chat.view()
        first.close()
        second = chat.view()
        assert second is not first
        chat.ask("Hi?", show=False)
        assert state_of(wires)["title"] == "Given"
        while "One." not in words(wires):
            bridge.call_soon(lambda: None).result(5)


def test_a_view_that_opens_late_on_a_long_text_renders_all_of_it_without_another_event(
    wires: list[Wire], outputs: list[dict[str, Any]]
) -> None:
    display, _ = shown(said(1, "user", Text(text="Hi")), said(2, "assistant", Text(text="One **bold** word.\n\n" * 2000)))
    assert words(wires).count("bold") < 2000
    while words(wires).count("bold") < 2000:
        bridge.spawn(display.settled()).result(5)


def test_a_fallback_from_before_a_front_end_hid_it_is_not_kept_twice(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    display, _ = shown(mode="live")
    assert display.widget is not None
    display.widget._ipython_display_()
    feed(display, said(1, "user", Text(text="Hi")))
    wait_for(outputs, 2)
    view_of(wires).click("hides")
    wait_for(outputs, 4)
    held = {o["transient"]["display_id"]: set(o["data"]) for o in outputs}
    assert list(held.values()) == [{WIDGET}, {"text/html", "text/markdown", "text/plain"}]


def test_a_view_that_was_closed_is_shown_as_its_transcript(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    display, _ = shown(*STORY[:12], mode="live")
    assert display.widget is not None
    display.widget.close()
    display.widget._ipython_display_()
    assert set(outputs[0]["data"]) == {"text/html", "text/markdown", "text/plain"}
