from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pytest

from chatkit.errors import Classification
from chatkit.events import (
    Approval,
    ErrorEvent,
    Event,
    MessagePart,
    Queued,
    QueueUpdate,
    Reset,
    Retry,
    Status,
    TitleEvent,
    decode_event,
    encode_event,
)
from chatkit.parts import File, Message, Reasoning, Source, Text, ToolCall, ToolResult, Usage, text_of

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PARTS = (
    Text(text="Hel"),
    Text(text="no", refusal=True),
    Reasoning(text="hm", title="Thinking", provider_data={"signature": "x"}),
    ToolCall(tool_call_id="t1", tool_name="add", args_delta='{"a'),
    ToolCall(tool_call_id="t1", tool_name="add", args={}),
    ToolResult(tool_call_id="t1", tool_name="add", result={"sum": 3}, is_error=True),
    Source(source_id="s", url="https://example.org", title="Example"),
    File(media_type="image/png", data=b"\x89PNG"),
)
MESSAGE = Message(id=3, chat_id="c1", role="assistant", parts=PARTS, created_at=NOON, usage=Usage(input_tokens=0), stop_reason="end")
EVENTS: list[Event] = [
    *(MessagePart(chat_id="c1", role="assistant", part=p, step=1, attempt=1, index=0, seq=7) for p in PARTS),
    MESSAGE,
    Status(chat_id="c1", status="running"),
    ErrorEvent(chat_id="c1", message="anthropic is overloaded", kind="overloaded", retryable=True, status_code=529),
    QueueUpdate(chat_id="c1"),
    QueueUpdate(chat_id="c1", queue=(Queued(id=4, parts=(Text(text="next"),)),)),
    Retry(chat_id="c1", attempt=2, delay_ms=2000, retrying_at=NOON, error="anthropic is overloaded"),
    Reset(chat_id="c1", after_id=2),
    TitleEvent(chat_id="c1", title="A title"),
    Approval(chat_id="c1", tool_call_id="t1", tool_name="execute", args={"command": "ls"}),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: type(e).__name__)
def test_an_event_is_one_flat_json_object_and_comes_back_the_same(event: Event) -> None:
    line = encode_event(event)
    assert b"\n" not in line
    assert decode_event(line) == event


def test_the_wire_form_is_the_documented_one() -> None:
    part = MessagePart(chat_id="c1", role="assistant", part=Text(text="Hel"), step=1, attempt=1, index=0, seq=7)
    assert json.loads(encode_event(part)) == {
        "type": "message_part",
        "chat_id": "c1",
        "role": "assistant",
        "step": 1,
        "attempt": 1,
        "index": 0,
        "seq": 7,
        "part": {"type": "text", "text": "Hel"},
    }
    retry = Retry(
        chat_id="c1",
        attempt=2,
        delay_ms=2000,
        retrying_at=datetime(2026, 11, 20, 9, 0, 2, tzinfo=UTC),
        error="anthropic is overloaded",
        detail="Overloaded",
        kind="overloaded",
        provider="anthropic",
        status_code=529,
    )
    assert json.loads(encode_event(retry)) == {
        "type": "retry",
        "chat_id": "c1",
        "attempt": 2,
        "delay_ms": 2000,
        "retrying_at": "2026-11-20T09:00:02Z",
        "error": "anthropic is overloaded",
        "detail": "Overloaded",
        "kind": "overloaded",
        "provider": "anthropic",
        "status_code": 529,
    }


def test_the_event_of_an_error_has_the_fields_of_its_classification() -> None:
    failure = Classification(
        retryable=True, kind="overloaded", message="openai is overloaded", provider="openai", status_code=503, detail="busy", request_id="r"
    )
    assert json.loads(encode_event(ErrorEvent.of(failure, "c1"))) == {
        "type": "error",
        "chat_id": "c1",
        "message": "openai is overloaded",
        "detail": "busy",
        "kind": "overloaded",
        "provider": "openai",
        "status_code": 503,
        "retryable": True,
    }


def test_a_files_repr_says_its_size_and_not_its_bytes() -> None:
    assert repr(File(media_type="image/png", data=bytes(5000), title="plot.png")) == "<File plot.png: 5000 bytes>"
    assert repr(File(media_type="image/png", url="https://example.org/a.png")) == "<File image/png: https://example.org/a.png>"


def test_an_empty_queue_is_still_a_list() -> None:
    assert json.loads(encode_event(QueueUpdate(chat_id="c1")))["queue"] == []


def test_empty_fields_are_absent_and_a_zero_is_not_unknown() -> None:
    body = json.loads(encode_event(MESSAGE))
    assert body["usage"] == {"input_tokens": 0}
    assert "model" not in body
    assert json.loads(encode_event(EVENTS[4]))["part"]["args"] == {}


def test_what_a_newer_writer_says_is_skipped() -> None:
    assert decode_event('{"type":"applause","volume":11}') is None
    assert decode_event('{"type":"message_part","chat_id":"c","role":"assistant","part":{"type":"hologram"},"step":1}') is None
    newer = msgspec.json.decode(encode_event(MESSAGE))
    newer["parts"].append({"type": "hologram"})
    newer["mood"] = "bright"
    assert decode_event(msgspec.json.encode(newer)) == MESSAGE
    assert decode_event("[1, 2]") is None


def test_an_event_that_lacks_what_it_needs_is_an_error() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_event('{"type":"status"}')
    with pytest.raises(msgspec.DecodeError):
        decode_event('{"type":"sta')


def test_the_text_of_a_question_joins_trimmed_parts_and_that_of_a_reply_joins_blocks() -> None:
    parts = (Text(text="one "), Reasoning(text="hm"), Text(text=" two"), Text(text="no", refusal=True))
    assert text_of(parts[:3]) == "one two"
    reply = Message(id=1, chat_id="c", role="assistant", parts=parts, created_at=NOON)
    assert reply.text == "one  two"
    assert Message(id=1, chat_id="c", role="user", parts=parts[:3], created_at=NOON).text == "one two"
