"""Chat Completions, the dialect of OpenAI that most other servers speak, more or less.

The request asks for usage (`stream_options.include_usage`): a server that rejects this answers ``invalid_request``, and
``options={"stream_options": None}`` takes it out.
"""

from __future__ import annotations

from typing import Any

import msgspec

from chatkit.parts import File, Part, Reasoning, Text, ToolCall, ToolResult
from chatkit.providers.history import Turn, base64_of, cannot_carry, data_url, joined, result_text, split
from chatkit.providers.openai_chat_stream import FAMILY, ChatDecoder
from chatkit.providers.reading import own_data
from chatkit.providers.wire import Request, body_of


class ChatCompletions:
    """The wire format of ``/chat/completions``.

    Parameters
    ----------
    origin : str
        The server's host. What a server needs back with a part (signatures, reasoning) goes to this host only: others
        reject keys that they don't know.
    limit_key : str, default "max_tokens"
        What the limit on output tokens is called: ``max_completion_tokens`` at OpenAI itself.
    """

    path = "/chat/completions"

    def __init__(self, origin: str = "", limit_key: str = "max_tokens") -> None:
        self.origin = origin
        self.limit_key = limit_key

    def headers(self, api_key: str | None) -> dict[str, str]:
        return {"authorization": f"Bearer {api_key}"} if api_key else {}

    def decoder(self, provider: str) -> ChatDecoder:
        return ChatDecoder(provider, self.origin)

    def encode(self, request: Request) -> bytes:
        system, turns = split(request)
        messages: list[dict[str, Any]] = [{"role": "system", "content": text} for text in system]
        last_question = max((n for n, turn in enumerate(turns) if turn.role == "user"), default=-1)
        for n, turn in enumerate(turns):
            messages.extend(self._messages(turn, in_tool_loop=n > last_question))
        body: dict[str, Any] = {
            "model": request.model,
            "messages": messages,
            "stream": True,
            "stream_options": {"include_usage": True},
            self.limit_key: request.max_output_tokens,
        }
        return body_of(body, request.options)

    def _messages(self, turn: Turn, *, in_tool_loop: bool) -> list[dict[str, Any]]:
        match turn.role:
            case "system":
                return [{"role": "system", "content": "\n\n".join(p.text for p in turn.parts if isinstance(p, Text))}]
            case "user":
                return [{"role": "user", "content": _question(turn.parts)}]
            case "tool":
                results = [p for p in turn.parts if isinstance(p, ToolResult)]
                return [{"role": "tool", "tool_call_id": r.tool_call_id, "content": result_text(r)} for r in results]
            case "assistant":
                return self._reply(turn.parts, in_tool_loop=in_tool_loop)

    def _reply(self, parts: list[Part], *, in_tool_loop: bool) -> list[dict[str, Any]]:
        text = joined(parts)
        calls = [self._call(p) for p in parts if isinstance(p, ToolCall) and not p.provider_executed]
        if not (text or calls):
            return []
        message: dict[str, Any] = {"role": "assistant", "content": text or None}
        if calls:
            message["tool_calls"] = calls
        for part in parts:
            own = own_data(part.provider_data, FAMILY)
            if not isinstance(part, Reasoning) or own.get("origin") != self.origin:
                continue
            if details := own.get("details"):
                message.setdefault("reasoning_details", []).extend(details)
            elif calls and in_tool_loop and (key := own.get("key")):  # a model that calls tools while it thinks goes on from its thoughts
                message[key] = message.get(key, "") + part.text
        return [message]

    def _call(self, call: ToolCall) -> dict[str, Any]:
        arguments = msgspec.json.encode(call.args or {}).decode()
        entry: dict[str, Any] = {
            "id": call.tool_call_id,
            "type": "function",
            "function": {"name": call.tool_name, "arguments": arguments},
        }
        own = own_data(call.provider_data, FAMILY)
        if own.get("origin") == self.origin and (extra := own.get("extra_content")):
            entry["extra_content"] = extra
        return entry


def _question(parts: list[Part]) -> str | list[dict[str, Any]]:
    """The content of a user's message: plain text where it can be, since not every server takes a list."""
    if all(isinstance(p, Text) for p in parts):
        return "\n\n".join(p.text for p in parts if isinstance(p, Text))
    content: list[dict[str, Any]] = []
    for part in parts:
        if isinstance(part, Text):
            content.append({"type": "text", "text": part.text})
        elif isinstance(part, File):
            content.append(_file(part))
    return content


def _file(file: File) -> dict[str, Any]:
    kind, _, subtype = file.media_type.partition("/")
    if kind == "image":
        return {"type": "image_url", "image_url": {"url": data_url(file)}}
    if file.media_type == "application/pdf":
        return {"type": "file", "file": {"filename": file.title or "document.pdf", "file_data": data_url(file)}}
    if kind == "text" and file.data:
        return {"type": "text", "text": file.data.decode("utf-8", "replace")}
    if kind == "audio" and file.data and subtype in ("wav", "x-wav", "mpeg", "mp3"):
        return {"type": "input_audio", "input_audio": {"data": base64_of(file), "format": "wav" if "wav" in subtype else "mp3"}}
    raise cannot_carry(file, "Chat Completions", "images, PDFs, text, and WAV or MP3 audio")
