"""OpenAI Chat Completions: a reply as OpenAI streams it, with `reasoning_content` as the servers send that speak the format."""

from __future__ import annotations

from typing import Any

from chatkit.chattest.error_responses import Vendor
from chatkit.chattest.frames import CREATED, Frames, call_ids, json_frame
from chatkit.chattest.recorded import RecordedRequest
from chatkit.chattest.response import Said
from chatkit.parts import Usage

_STOP = {
    "end": "stop",
    "tool_calls": "tool_calls",
    "length": "length",
    "content_filter": "content_filter",
    "refusal": "stop",
    "pause": "stop",
}
_DONE = b"data: [DONE]\n\n"


class ChatFormat:
    """The format of ``/v1/chat/completions``."""

    vendor: Vendor = "openai"
    ping = b": keep-alive\n\n"

    def headers(self, request_id: str) -> dict[str, str]:
        return {"x-request-id": request_id, "openai-version": "2020-10-01", "openai-processing-ms": "12"}

    def stream(self, said: Said, request: RecordedRequest) -> Frames:
        frames = Frames()
        options = request.json.get("stream_options") if isinstance(request.json, dict) else None
        with_usage = isinstance(options, dict) and options.get("include_usage") is True
        shared = _shared(request, "chat.completion.chunk") | ({"usage": None} if with_usage else {})

        def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            return json_frame({**shared, "choices": [choice]})

        frames.add(chunk({"role": "assistant", "content": None if said.calls and not said.text else "", "refusal": None}))
        for piece in said.reasoning:
            frames.piece(chunk({"reasoning_content": piece}))
        for piece in said.text:
            frames.piece(chunk({"refusal" if said.stop_reason == "refusal" else "content": piece}))
        for index, call in enumerate(call_ids(said.calls, "call", request)):
            opening = {"index": index, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
            frames.add(chunk({"tool_calls": [opening]}))
            for piece in call.pieces:
                frames.piece(chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}))
        frames.add(chunk({}, _STOP[said.stop_reason]))
        if with_usage:
            frames.add(json_frame({**shared, "choices": [], "usage": _usage(said.usage)}))
        frames.add(_DONE)
        return frames

    def whole(self, said: Said, request: RecordedRequest) -> dict[str, Any]:
        text = "".join(said.text) or None
        refused = said.stop_reason == "refusal"
        message: dict[str, Any] = {"role": "assistant", "content": None if refused else text, "refusal": text if refused else None}
        if said.reasoning:
            message["reasoning_content"] = "".join(said.reasoning)
        if said.calls:
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in call_ids(said.calls, "call", request)
            ]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _STOP[said.stop_reason]}
        return {**_shared(request, "chat.completion"), "choices": [choice], "usage": _usage(said.usage)}

    def error(self, type: str | None, message: str | None, request: RecordedRequest, number: int) -> bytes:
        text = message or "The server is currently overloaded with other requests. Sorry about that!"
        return json_frame({"error": {"message": text, "type": type or "server_error", "param": None, "code": None}})


def _shared(request: RecordedRequest, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-fake{request.number:04d}",
        "object": kind,
        "created": CREATED,
        "model": request.model,
        "service_tier": "default",
        "system_fingerprint": "fp_fake",
    }


def _usage(usage: Usage) -> dict[str, Any]:
    cached, written = usage.cache_read_tokens or 0, usage.cache_creation_tokens or 0
    given, made = (usage.input_tokens or 0) + cached + written, usage.output_tokens or 0
    return {
        "prompt_tokens": given,
        "completion_tokens": made,
        "total_tokens": given + made,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0} | ({"cache_write_tokens": written} if written else {}),
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens or 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
