"""OpenAI Responses: a reply as OpenAI streams it. Events as in the vendor's streaming reference."""

from __future__ import annotations

from typing import Any

from chatkit.chattest.error_responses import Vendor
from chatkit.chattest.frames import CREATED, Frames, NamedCall, call_ids, json_frame
from chatkit.chattest.recorded import RecordedRequest
from chatkit.chattest.response import Said
from chatkit.parts import Usage

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


class ResponsesFormat:
    """The format of ``/v1/responses``."""

    vendor: Vendor = "openai"
    ping = b": keep-alive\n\n"

    def headers(self, request_id: str) -> dict[str, str]:
        return {"x-request-id": request_id, "openai-version": "2020-10-01", "openai-processing-ms": "12"}

    def stream(self, said: Said, request: RecordedRequest) -> Frames:
        return _Stream(said, request).frames

    def whole(self, said: Said, request: RecordedRequest) -> dict[str, Any]:
        return _finished(said, request)

    def error(self, type: str | None, message: str | None, request: RecordedRequest, number: int) -> bytes:
        code, text = type or "server_error", message or "The server is currently overloaded with other requests. Sorry about that!"
        failed = {**_response(request), "status": "failed", "error": {"code": code, "message": text}}
        return json_frame({"type": "error", "code": code, "message": text, "param": None, "sequence_number": number}, "error") + json_frame(
            {"type": "response.failed", "response": failed, "sequence_number": number + 1}, "response.failed"
        )


class _Stream:
    """One reply's frames; each event carries the next sequence number."""

    def __init__(self, said: Said, request: RecordedRequest) -> None:
        self.frames = Frames()
        self._sequence = 0
        started = _response(request)
        self._add("response.created", response=started)
        self._add("response.in_progress", response=started)
        for output_index, (item, pieces) in enumerate(_items(said, request)):
            self._item(output_index, item, pieces)
        done = _finished(said, request)
        self._add(f"response.{done['status']}", response=done)

    def _event(self, type: str, data: dict[str, Any]) -> bytes:
        frame = json_frame({"type": type, **data, "sequence_number": self._sequence}, type)
        self._sequence += 1
        return frame

    def _add(self, type: str, **data: Any) -> None:
        self.frames.add(self._event(type, data))

    def _item(self, output_index: int, item: dict[str, Any], pieces: tuple[str, ...]) -> None:
        begun = item | {"status": "in_progress"} if "status" in item else dict(item)
        where = {"item_id": item["id"], "output_index": output_index}
        match item["type"]:
            case "reasoning":
                self._add("response.output_item.added", output_index=output_index, item=begun | {"summary": []})
                at, part = where | {"summary_index": 0}, item["summary"][0]
                self._add("response.reasoning_summary_part.added", **at, part=part | {"text": ""})
                for piece in pieces:
                    self.frames.piece(self._event("response.reasoning_summary_text.delta", at | {"delta": piece}))
                self._add("response.reasoning_summary_text.done", **at, text=part["text"])
                self._add("response.reasoning_summary_part.done", **at, part=part)
            case "message":
                self._add("response.output_item.added", output_index=output_index, item=begun | {"content": []})
                self._message(where | {"content_index": 0}, item["content"][0], pieces)
            case "function_call":
                self._add("response.output_item.added", output_index=output_index, item=begun | {"arguments": ""})
                for piece in pieces:
                    self.frames.piece(self._event("response.function_call_arguments.delta", where | {"delta": piece}))
                self._add("response.function_call_arguments.done", **where, arguments=item["arguments"])
        self._add("response.output_item.done", output_index=output_index, item=item)

    def _message(self, at: dict[str, Any], part: dict[str, Any], pieces: tuple[str, ...]) -> None:
        key = "refusal" if part["type"] == "refusal" else "text"
        name, logprobs = ("refusal", dict[str, Any]()) if key == "refusal" else ("output_text", {"logprobs": []})
        self._add("response.content_part.added", **at, part=part | {key: ""})
        for piece in pieces:
            self.frames.piece(self._event(f"response.{name}.delta", at | {"delta": piece} | logprobs))
        self._add(f"response.{name}.done", **at, **{key: part[key]}, **logprobs)
        self._add("response.content_part.done", **at, part=part)


def _items(said: Said, request: RecordedRequest) -> list[tuple[dict[str, Any], tuple[str, ...]]]:
    """The finished output items, each with the pieces in which it streams, in order."""
    items: list[tuple[dict[str, Any], tuple[str, ...]]] = []
    if said.reasoning:
        summary = [{"type": "summary_text", "text": "".join(said.reasoning)}]
        items.append(({"id": f"rs_fake{request.number:04d}", "type": "reasoning", "summary": summary}, said.reasoning))
    if said.text:
        text = "".join(said.text)
        part: dict[str, Any] = {"type": "output_text", "annotations": [], "logprobs": [], "text": text}
        if said.stop_reason == "refusal":
            part = {"type": "refusal", "refusal": text}
        status = "incomplete" if said.stop_reason in _INCOMPLETE else "completed"
        message = {"id": f"msg_fake{request.number:04d}", "type": "message", "status": status, "role": "assistant", "content": [part]}
        items.append((message, said.text))
    calls = call_ids(said.calls, "call", request)
    return items + [(_call_item(at, call, request), call.pieces) for at, call in enumerate(calls, 1)]


def _call_item(at: int, call: NamedCall, request: RecordedRequest) -> dict[str, Any]:
    return {
        "id": f"fc_fake{request.number:04d}{at:02d}",
        "type": "function_call",
        "status": "completed",
        "arguments": call.arguments,
        "call_id": call.id,
        "name": call.name,
    }


def _response(request: RecordedRequest) -> dict[str, Any]:
    """The response object as it is when it begins."""
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


def _finished(said: Said, request: RecordedRequest) -> dict[str, Any]:
    reason = _INCOMPLETE.get(said.stop_reason)
    return {
        **_response(request),
        "status": "incomplete" if reason else "completed",
        "completed_at": None if reason else CREATED + 1,
        "incomplete_details": {"reason": reason} if reason else None,
        "output": [item for item, _ in _items(said, request)],
        "usage": _usage(said.usage),
    }


def _usage(usage: Usage) -> dict[str, Any]:
    cached, written = usage.cache_read_tokens or 0, usage.cache_creation_tokens or 0
    given, made = (usage.input_tokens or 0) + cached + written, usage.output_tokens or 0
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": given + made,
    }
