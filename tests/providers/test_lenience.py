"""Whatever a server bends, a decoder gives a reply or a `ProviderError`, and what it gave can be sent back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatkit.parts import Message, Part, Text
from chatkit.providers.encoding import Request
from tests.providers.streams import DONE, WIRES, data, read, read_whole

ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", "x", "0", 0, 1, -1, 1.5, True, False, [], {}, [None], [{}], ["x"], [[]], {"a": 1}, {"text": None}]
)


def chat(**delta: Any) -> dict[str, Any]:
    return {"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def event(type: str, **fields: Any) -> dict[str, Any]:
    return {"type": type, **fields}


NOTE = {"type": "url_citation", "url": "https://h/a", "title": "A"}
REASONING = {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "Hm"}], "encrypted_content": "e"}
SAID = {"type": "message", "id": "msg", "content": [{"type": "output_text", "text": "Hello", "annotations": [NOTE]}]}
CALL = {"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": '{"a":1}'}
SEARCH = {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"query": "x"}}
FOUND = [{"type": "web_search_result", "url": "https://h/a", "encrypted_content": "e"}]
STREAMS: dict[str, list[dict[str, Any]]] = {
    "chat": [
        chat(role="assistant", content="", reasoning="H", reasoning_details=[{"type": "reasoning.text", "text": "H", "index": 0}]),
        chat(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "m"}]}, {"type": "text", "text": "He"}]),
        chat(content="llo", refusal=None, annotations=[{"type": "url_citation", "url_citation": {"url": "https://h/a"}}]),
        chat(tool_calls=[{"index": 0, "id": "c1", "function": {"name": "f", "arguments": '{"a"'}, "extra_content": {"g": 1}}]),
        chat(
            tool_calls=[{"index": 0, "function": {"arguments": ":1}"}}], images=[{"image_url": {"url": "data:image/png;base64,iVBORw=="}}]
        ),
        {
            "choices": [
                {"index": 0, "message": {"content": "Hello", "tool_calls": []}, "finish_reason": "stop", "usage": {"prompt_tokens": 1}}
            ]
        },
        {"choices": [], "usage": {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 3}}, "citations": ["https://h/b"]},
    ],
    "anthropic": [
        event("message_start", message={"id": "m", "model": "c", "content": [], "usage": {"input_tokens": 3, "output_tokens": 1}}),
        event("content_block_start", index=0, content_block={"type": "thinking", "thinking": "H", "signature": ""}),
        event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "s"}),
        event("content_block_stop", index=0),
        event(
            "content_block_start", index=1, content_block={"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}}
        ),
        event("content_block_start", index=2, content_block={"type": "web_search_tool_result", "tool_use_id": "s", "content": FOUND}),
        event("content_block_start", index=3, content_block={"type": "text", "text": "He", "citations": [{"url": "https://h/a"}]}),
        event("content_block_delta", index=3, delta={"type": "text_delta", "text": "llo"}),
        event("content_block_stop", index=3),
        event("content_block_start", index=4, content_block={"type": "tool_use", "id": "t", "name": "f", "input": {}}),
        event("content_block_delta", index=4, delta={"type": "input_json_delta", "partial_json": '{"a":1}'}),
        event("message_delta", delta={"stop_reason": "tool_use"}, usage={"output_tokens": 9}),
        event("message_stop"),
    ],
    "responses": [
        event("response.created", response={"id": "r", "model": "m", "status": "in_progress"}),
        event("response.output_item.added", output_index=0, item={"type": "reasoning", "id": "rs"}),
        event("response.reasoning_summary_text.delta", output_index=0, summary_index=0, delta="Hm"),
        event("response.output_item.done", output_index=0, item=REASONING),
        event("response.output_item.done", output_index=1, item=SEARCH),
        event("response.output_text.delta", output_index=2, item_id="msg", content_index=0, delta="Hello"),
        event("response.output_text.annotation.added", output_index=2, content_index=0, annotation=NOTE),
        event("response.output_item.done", output_index=2, item=SAID),
        event("response.output_item.added", output_index=3, item=CALL),
        event("response.function_call_arguments.delta", output_index=3, delta='{"a":1}'),
        event("response.completed", response={"status": "completed", "output": [REASONING, SAID, CALL], "usage": {"input_tokens": 3}}),
    ],
}
WHOLE: dict[str, dict[str, Any]] = {
    "chat": {"model": "m", "choices": [{"message": {"content": "Hello", "tool_calls": [{"id": "c", "function": {"name": "f"}}]}}]},
    "anthropic": {"model": "m", "content": [{"type": "text", "text": "Hello"}, {"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
    "responses": {"model": "m", "status": "completed", "output": [REASONING, SEARCH, SAID, CALL], "usage": {"input_tokens": 3}},
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to every value within a value."""
    found = [path]
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        found += places(inner, (*path, key))
    return found


def bent(value: Any, path: tuple[Any, ...], odd: Any, drop: bool) -> Any:
    """The same with something else at one place, or nothing."""
    if not path:
        return odd
    copy = dict(value) if isinstance(value, dict) else list(value)
    if drop and len(path) == 1:
        del copy[path[0]]
    else:
        copy[path[0]] = bent(copy[path[0]], path[1:], odd, drop)
    return copy


def can_be_sent_back(parts: tuple[Part, ...]) -> None:
    def message(role: Any, parts: tuple[Part, ...]) -> Message:
        return Message(id=1, chat_id="c", role=role, parts=parts, created_at=datetime(2026, 11, 20, tzinfo=UTC))

    history = (message("user", (Text(text="Hi"),)), message("assistant", parts), message("user", (Text(text="And?"),)))
    stored = msgspec.json.decode(msgspec.json.encode(history), type=tuple[Message, ...])
    for wire in WIRES.values():
        assert b"And?" in wire.encode(Request(model="m", messages=stored))


@pytest.mark.parametrize("format", STREAMS)
def test_the_streams_that_are_bent_here_are_whole_when_straight(format: str) -> None:
    folded = read(format, data(*STREAMS[format]) + DONE)
    assert (folded.text, folded.calls, folded.finish.stop_reason) == ("Hello", [("f", {"a": 1})], "tool_calls")
    assert len(folded.sources) > 0
    can_be_sent_back(folded.parts)


@given(st.sampled_from(sorted(STREAMS)), st.data())
@settings(max_examples=600)
def test_a_bent_stream_gives_a_reply_or_a_provider_error(format: str, draw: st.DataObject) -> None:
    frames = list(STREAMS[format])
    for _ in range(draw.draw(st.integers(1, 3))):
        at = draw.draw(st.integers(0, len(frames) - 1))
        frames[at] = bent(frames[at], draw.draw(st.sampled_from(places(frames[at]))), draw.draw(ODD), draw.draw(st.booleans()))
    can_be_sent_back(read(format, data(*frames) + DONE).parts)


@given(st.sampled_from(sorted(WHOLE)), st.data())
@settings(max_examples=300)
def test_a_bent_body_gives_a_reply_or_a_provider_error(format: str, draw: st.DataObject) -> None:
    body = WHOLE[format]
    body = bent(body, draw.draw(st.sampled_from(places(body))), draw.draw(ODD), draw.draw(st.booleans()))
    can_be_sent_back(read_whole(format, body).parts)


@given(st.sampled_from(sorted(STREAMS)), st.lists(st.integers(0, 20), max_size=4))
@settings(max_examples=200)
def test_frames_that_are_lost_or_come_twice_give_a_reply_or_a_provider_error(format: str, which: list[int]) -> None:
    frames = list(STREAMS[format])
    for n in which:
        at = n % len(frames)
        frames[at : at + 1] = [] if n % 2 and len(frames) > 1 else [frames[at]] * 2
    can_be_sent_back(read(format, data(*frames) + DONE).parts)
