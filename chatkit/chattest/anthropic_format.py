"""Anthropic Messages: a reply as Anthropic's servers stream it. Events as in the vendor's streaming reference."""

from __future__ import annotations

from typing import Any

import msgspec

from chatkit.chattest.error_responses import Vendor
from chatkit.chattest.frames import Frames, call_ids, json_frame
from chatkit.chattest.recorded import RecordedRequest
from chatkit.chattest.response import Said
from chatkit.parts import Usage

_STOP = {
    "end": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
    "refusal": "refusal",
    "pause": "pause_turn",
}
_SIGNATURE = "c2lnbmVkIGJ5IGEgc2NyaXB0"


class AnthropicFormat:
    """The format of ``/v1/messages``."""

    vendor: Vendor = "anthropic"
    ping = json_frame({"type": "ping"}, "ping")

    def headers(self, request_id: str) -> dict[str, str]:
        return {"request-id": request_id, "anthropic-organization-id": "00000000-0000-4000-8000-000000000000"}

    def stream(self, said: Said, request: RecordedRequest) -> Frames:
        frames = Frames()
        start = {**_message(said, request), "content": [], "stop_reason": None, "usage": _usage(said.usage) | {"output_tokens": 1}}
        frames.add(_frame("message_start", message=start))
        index = 0

        def block(start: dict[str, Any], deltas: list[dict[str, Any]], end: dict[str, Any] | None = None) -> None:
            nonlocal index
            frames.add(_frame("content_block_start", index=index, content_block=start))
            if index == 0:
                frames.add(self.ping)
            for delta in deltas:
                frames.piece(_frame("content_block_delta", index=index, delta=delta))
            if end is not None:
                frames.add(_frame("content_block_delta", index=index, delta=end))
            frames.add(_frame("content_block_stop", index=index))
            index += 1

        if said.reasoning:
            block(
                {"type": "thinking", "thinking": "", "signature": ""},
                [{"type": "thinking_delta", "thinking": piece} for piece in said.reasoning],
                {"type": "signature_delta", "signature": _SIGNATURE},
            )
        if said.text:
            block({"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in said.text])
        for call in call_ids(said.calls, "toolu", request):
            block(
                {"type": "tool_use", "id": call.id, "name": call.name, "input": {}},
                [{"type": "input_json_delta", "partial_json": piece} for piece in call.pieces],
            )
        frames.add(_frame("message_delta", delta={"stop_reason": _STOP[said.stop_reason], "stop_sequence": None}, usage=_usage(said.usage)))
        frames.add(_frame("message_stop"))
        return frames

    def whole(self, said: Said, request: RecordedRequest) -> dict[str, Any]:
        return _message(said, request)

    def error(self, type: str | None, message: str | None, request: RecordedRequest, number: int) -> bytes:
        error = {"type": type or "overloaded_error", "message": message or "Overloaded"}
        return _frame("error", error=error, request_id=f"req_fake{request.number:04d}")


def _frame(event: str, **data: Any) -> bytes:
    return json_frame({"type": event, **data}, event)


def _message(said: Said, request: RecordedRequest) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if said.reasoning:
        content.append({"type": "thinking", "thinking": "".join(said.reasoning), "signature": _SIGNATURE})
    if said.text:
        content.append({"type": "text", "text": "".join(said.text)})
    calls = call_ids(said.calls, "toolu", request)
    content += [{"type": "tool_use", "id": call.id, "name": call.name, "input": _object(call.arguments)} for call in calls]
    return {
        "id": f"msg_fake{request.number:04d}",
        "type": "message",
        "role": "assistant",
        "model": request.model,
        "content": content,
        "stop_reason": _STOP[said.stop_reason],
        "stop_sequence": None,
        "usage": _usage(said.usage),
    }


def _object(arguments: str) -> Any:
    try:
        return msgspec.json.decode(arguments or "{}")
    except msgspec.DecodeError:  # a script may hold half an argument; only a stream can carry it
        return {}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input_tokens or 0,
        "cache_creation_input_tokens": usage.cache_creation_tokens or 0,
        "cache_read_input_tokens": usage.cache_read_tokens or 0,
        "output_tokens": usage.output_tokens or 0,
        "service_tier": "standard",
    }
