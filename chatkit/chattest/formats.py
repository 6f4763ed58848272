"""The three wire formats: what the model says, as the events of a stream or as one JSON object.

Events and objects are those of the vendors' API references.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec.structs import replace

from chatkit.chattest.recorded import RecordedRequest
from chatkit.chattest.response import ModelOutput, ScriptedToolCall, Vendor
from chatkit.parts import Usage
from chatkit.sse import encode_sse

CREATED = 1_795_165_200
"""The creation time of every reply, in seconds since 1970: 2026-11-20T09:00:00Z."""
_SIGNATURE = "c2lnbmVkIGJ5IGEgc2NyaXB0"
_ANTHROPIC_STOP_REASONS = {
    "end": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
    "refusal": "refusal",
    "pause": "pause_turn",
}
_CHAT_STOP_REASONS = {
    "end": "stop",
    "tool_calls": "tool_calls",
    "length": "length",
    "content_filter": "content_filter",
    "refusal": "stop",
    "pause": "stop",
}
_INCOMPLETE_REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}
_TEXT_EVENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "summary_text": ("reasoning_summary_text", {}),
    "output_text": ("output_text", {"logprobs": []}),
    "refusal": ("refusal", {}),
}
"""The events of the Responses API for the text of each type of part: their name, and their fields apart from the text."""


class Piece(bytes):
    """An event that carries a piece of the reply, which is what the `after` of a fault counts."""


class Format(Protocol):
    """One wire format. Its methods depend on nothing but the scripted output and the request."""

    vendor: Vendor
    ping: bytes

    def headers(self, request_id: str) -> dict[str, str]:
        """The vendor's response headers apart from the content type."""

    def stream(self, output: ModelOutput, request: RecordedRequest) -> Iterator[bytes]:
        """The encoded events of a stream."""

    def whole(self, output: ModelOutput, request: RecordedRequest) -> dict[str, Any]:
        """The JSON object for a request that doesn't stream."""

    def error(self, type: str | None, message: str | None, request: RecordedRequest, number: int) -> bytes:
        """The error event in a stream after `number` other events."""


def _event(data: dict[str, Any], name: str = "") -> bytes:
    return encode_sse(msgspec.json.encode(data), event=name)  # msgspec leaves non-ASCII text as UTF-8, so it can be split


def _tool_calls(output: ModelOutput, prefix: str, request: RecordedRequest) -> list[ScriptedToolCall]:
    """The tool calls; those without an id get one in the format's style that is unique in the conversation."""
    return [
        replace(call, id=call.id or f"{prefix}_fake{request.number:04d}{position:02d}")
        for position, call in enumerate(output.tool_calls, 1)
    ]


class _Block(NamedTuple):
    """One content block of Anthropic: the whole block, the fields that are empty at its start, and how its pieces are sent."""

    whole: dict[str, Any]
    empty: dict[str, Any]
    delta: str
    key: str
    pieces: tuple[str, ...]


class AnthropicFormat:
    """The format of ``/v1/messages``."""

    vendor: Vendor = "anthropic"
    ping = _event({"type": "ping"}, "ping")

    def headers(self, request_id: str) -> dict[str, str]:
        return {"request-id": request_id, "anthropic-organization-id": "00000000-0000-4000-8000-000000000000"}

    def stream(self, output: ModelOutput, request: RecordedRequest) -> Iterator[bytes]:
        def event(name: str, **data: Any) -> bytes:
            return _event({"type": name, **data}, name)

        whole = self.whole(output, request)
        usage = whole["usage"]
        yield event("message_start", message={**whole, "content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}})
        for index, block in enumerate(self._blocks(output, request)):
            yield event("content_block_start", index=index, content_block=block.whole | block.empty)
            if index == 0:
                yield self.ping
            for piece in block.pieces:
                yield Piece(event("content_block_delta", index=index, delta={"type": block.delta, block.key: piece}))
            if block.whole["type"] == "thinking":
                yield event("content_block_delta", index=index, delta={"type": "signature_delta", "signature": _SIGNATURE})
            yield event("content_block_stop", index=index)
        yield event("message_delta", delta={"stop_reason": whole["stop_reason"], "stop_sequence": None}, usage=usage)
        yield event("message_stop")

    def whole(self, output: ModelOutput, request: RecordedRequest) -> dict[str, Any]:
        usage = output.usage
        return {
            "id": f"msg_fake{request.number:04d}",
            "type": "message",
            "role": "assistant",
            "model": request.model,
            "content": [block.whole for block in self._blocks(output, request)],
            "stop_reason": _ANTHROPIC_STOP_REASONS[output.stop_reason],
            "stop_sequence": None,
            "usage": {
                "input_tokens": usage.input_tokens or 0,
                "cache_creation_input_tokens": usage.cache_creation_tokens or 0,
                "cache_read_input_tokens": usage.cache_read_tokens or 0,
                "output_tokens": usage.output_tokens or 0,
                "service_tier": "standard",
            },
        }

    def _blocks(self, output: ModelOutput, request: RecordedRequest) -> Iterator[_Block]:
        if output.reasoning:
            thinking = {"type": "thinking", "thinking": "".join(output.reasoning), "signature": _SIGNATURE}
            yield _Block(thinking, {"thinking": "", "signature": ""}, "thinking_delta", "thinking", output.reasoning)
        if output.text:
            yield _Block({"type": "text", "text": "".join(output.text)}, {"text": ""}, "text_delta", "text", output.text)
        for call in _tool_calls(output, "toolu", request):
            try:
                arguments = msgspec.json.decode(call.arguments or "{}")
            except msgspec.DecodeError:  # a script may hold incomplete arguments, which only a stream can carry
                arguments = {}
            tool_use = {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments}
            yield _Block(tool_use, {"input": {}}, "input_json_delta", "partial_json", call.pieces)

    def error(self, type: str | None, message: str | None, request: RecordedRequest, number: int) -> bytes:
        error = {"type": type or "overloaded_error", "message": message or "Overloaded"}
        return _event({"type": "error", "error": error, "request_id": f"req_fake{request.number:04d}"}, "error")


class _OpenAIFormat:
    """What the two formats of OpenAI share."""

    vendor: Vendor = "openai"
    ping = b": keep-alive\n\n"
    overloaded = "The server is currently overloaded with other requests. Sorry about that!"

    def headers(self, request_id: str) -> dict[str, str]:
        return {"x-request-id": request_id, "openai-version": "2020-10-01", "openai-processing-ms": "12"}

    def _tokens(self, usage: Usage) -> tuple[int, int, int, int]:
        """The tokens of the input (in which OpenAI includes cached ones), those read from and written to the cache, and the output's."""
        read, written = usage.cache_read_tokens or 0, usage.cache_creation_tokens or 0
        return (usage.input_tokens or 0) + read + written, read, written, usage.output_tokens or 0


class ChatFormat(_OpenAIFormat):
    """The format of ``/v1/chat/completions``, with the `reasoning_content` that other servers add to it."""

    def stream(self, output: ModelOutput, request: RecordedRequest) -> Iterator[bytes]:
        options = request.json.get("stream_options") if isinstance(request.json, dict) else None
        with_usage = isinstance(options, dict) and options.get("include_usage") is True
        shared = self._shared("chat.completion.chunk", request) | ({"usage": None} if with_usage else {})

        def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
            return _event({**shared, "choices": [choice]})

        yield chunk({"role": "assistant", "content": None if output.tool_calls and not output.text else "", "refusal": None})
        for piece in output.reasoning:
            yield Piece(chunk({"reasoning_content": piece}))
        for piece in output.text:
            yield Piece(chunk({"refusal" if output.stop_reason == "refusal" else "content": piece}))
        for index, call in enumerate(_tool_calls(output, "call", request)):
            start = {"index": index, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
            yield chunk({"tool_calls": [start]})
            for piece in call.pieces:
                yield Piece(chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}))
        yield chunk({}, _CHAT_STOP_REASONS[output.stop_reason])
        if with_usage:
            yield _event({**shared, "choices": [], "usage": self._usage(output.usage)})
        yield b"data: [DONE]\n\n"

    def whole(self, output: ModelOutput, request: RecordedRequest) -> dict[str, Any]:
        text = "".join(output.text) or None
        refused = output.stop_reason == "refusal"
        message: dict[str, Any] = {"role": "assistant", "content": None if refused else text, "refusal": text if refused else None}
        if output.reasoning:
            message["reasoning_content"] = "".join(output.reasoning)
        if output.tool_calls:
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in _tool_calls(output, "call", request)
            ]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _CHAT_STOP_REASONS[output.stop_reason]}
        return {**self._shared("chat.completion", request), "choices": [choice], "usage": self._usage(output.usage)}

    def error(self, type: str | None, message: str | None, request: RecordedRequest, number: int) -> bytes:
        return _event({"error": {"message": message or self.overloaded, "type": type or "server_error", "param": None, "code": None}})

    def _shared(self, kind: str, request: RecordedRequest) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-fake{request.number:04d}",
            "object": kind,
            "created": CREATED,
            "model": request.model,
            "service_tier": "default",
            "system_fingerprint": "fp_fake",
        }

    def _usage(self, usage: Usage) -> dict[str, Any]:
        sent, read, written, received = self._tokens(usage)
        return {
            "prompt_tokens": sent,
            "completion_tokens": received,
            "total_tokens": sent + received,
            "prompt_tokens_details": {"cached_tokens": read, "audio_tokens": 0} | ({"cache_write_tokens": written} if written else {}),
            "completion_tokens_details": {
                "reasoning_tokens": usage.reasoning_tokens or 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }


class ResponsesFormat(_OpenAIFormat):
    """The format of ``/v1/responses``."""

    def stream(self, output: ModelOutput, request: RecordedRequest) -> Iterator[bytes]:
        for number, (name, data) in enumerate(self._events(output, request)):
            event = _event({"type": name, **data, "sequence_number": number}, name)
            yield Piece(event) if name.endswith(".delta") else event

    def whole(self, output: ModelOutput, request: RecordedRequest) -> dict[str, Any]:
        reason = _INCOMPLETE_REASONS.get(output.stop_reason)
        sent, read, written, received = self._tokens(output.usage)
        return {
            **self._started(request),
            "status": "incomplete" if reason else "completed",
            "completed_at": None if reason else CREATED + 1,
            "incomplete_details": {"reason": reason} if reason else None,
            "output": [item for item, _ in self._items(output, request)],
            "usage": {
                "input_tokens": sent,
                "input_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
                "output_tokens": received,
                "output_tokens_details": {"reasoning_tokens": output.usage.reasoning_tokens or 0},
                "total_tokens": sent + received,
            },
        }

    def error(self, type: str | None, message: str | None, request: RecordedRequest, number: int) -> bytes:
        code, text = type or "server_error", message or self.overloaded
        failed = {**self._started(request), "status": "failed", "error": {"code": code, "message": text}}
        return _event({"type": "error", "code": code, "message": text, "param": None, "sequence_number": number}, "error") + _event(
            {"type": "response.failed", "response": failed, "sequence_number": number + 1}, "response.failed"
        )

    def _events(self, output: ModelOutput, request: RecordedRequest) -> Iterator[tuple[str, dict[str, Any]]]:
        """The name and the data of each event in order; every ``….delta`` is a piece."""
        yield "response.created", {"response": self._started(request)}
        yield "response.in_progress", {"response": self._started(request)}
        for position, (item, pieces) in enumerate(self._items(output, request)):
            at = {"item_id": item["id"], "output_index": position}
            match item["type"]:
                case "reasoning":
                    empty: dict[str, Any] = {"summary": []}
                    events = self._part("reasoning_summary", at | {"summary_index": 0}, item["summary"][0], pieces)
                case "message":
                    empty = {"status": "in_progress", "content": []}
                    events = self._part("content", at | {"content_index": 0}, item["content"][0], pieces)
                case _:
                    empty = {"status": "in_progress", "arguments": ""}
                    events = self._text("function_call_arguments", at, "arguments", pieces, {})
            yield "response.output_item.added", {"output_index": position, "item": item | empty}
            yield from events
            yield "response.output_item.done", {"output_index": position, "item": item}
        whole = self.whole(output, request)
        yield f"response.{whole['status']}", {"response": whole}

    def _part(self, kind: str, at: dict[str, Any], part: dict[str, Any], pieces: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
        """The events of one part of an item, from its start to its end."""
        key = "refusal" if part["type"] == "refusal" else "text"
        name, more = _TEXT_EVENTS[part["type"]]
        yield f"response.{kind}_part.added", at | {"part": part | {key: ""}}
        yield from self._text(name, at, key, pieces, more)
        yield f"response.{kind}_part.done", at | {"part": part}

    def _text(
        self, name: str, at: dict[str, Any], key: str, pieces: tuple[str, ...], more: dict[str, Any]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """The deltas of one text, and the whole text after them."""
        for piece in pieces:
            yield f"response.{name}.delta", at | {"delta": piece} | more
        yield f"response.{name}.done", at | {key: "".join(pieces)} | more

    def _items(self, output: ModelOutput, request: RecordedRequest) -> Iterator[tuple[dict[str, Any], tuple[str, ...]]]:
        """The finished output items, each with the pieces in which it streams."""
        if output.reasoning:
            summary = [{"type": "summary_text", "text": "".join(output.reasoning)}]
            yield {"id": f"rs_fake{request.number:04d}", "type": "reasoning", "summary": summary}, output.reasoning
        if output.text:
            part: dict[str, Any] = {"type": "output_text", "annotations": [], "logprobs": [], "text": "".join(output.text)}
            if output.stop_reason == "refusal":
                part = {"type": "refusal", "refusal": part["text"]}
            status = "incomplete" if output.stop_reason in _INCOMPLETE_REASONS else "completed"
            message = {"id": f"msg_fake{request.number:04d}", "type": "message", "status": status, "role": "assistant", "content": [part]}
            yield message, output.text
        for position, call in enumerate(_tool_calls(output, "call", request), 1):
            item_id = f"fc_fake{request.number:04d}{position:02d}"
            function_call = {"id": item_id, "type": "function_call", "status": "completed", "arguments": call.arguments}
            yield function_call | {"call_id": call.id, "name": call.name}, call.pieces

    def _started(self, request: RecordedRequest) -> dict[str, Any]:
        """The response object at its start."""
        asked = request.json if isinstance(request.json, dict) else {}
        return {
            "id": f"resp_fake{request.number:04d}",
            "object": "response",
            "created_at": CREATED,
            "status": "in_progress",
            "background": False,
            "completed_at": None,
            "error": None,
            "incomplete_details": None,
            "instructions": asked.get("instructions"),
            "max_output_tokens": asked.get("max_output_tokens"),
            "model": request.model,
            "output": [],
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "reasoning": {"effort": None, "summary": None},
            "service_tier": "default",
            "store": bool(asked.get("store", True)),
            "temperature": 1.0,
            "text": {"format": {"type": "text"}, "verbosity": "medium"},
            "tool_choice": asked.get("tool_choice", "auto"),
            "tools": asked.get("tools", []),
            "top_p": 1.0,
            "truncation": "disabled",
            "usage": None,
            "user": None,
            "metadata": {},
        }
