"""Chat Completions, encoded: OpenAI's older format, which most other servers speak, more or less.

The request asks for usage (`stream_options.include_usage`). A server that rejects this answers ``invalid_request``, and
``options={"stream_options": None}`` removes it.
"""

from __future__ import annotations

from typing import Any

from chatkit.failures.redaction import whole_json
from chatkit.parts import File, Part, Reasoning, Text, ToolCall, ToolResult
from chatkit.providers.encoding import Request, RoleGroup, base64_of, cannot_carry, data_url, encoded, own_data, result_text, role_groups
from chatkit.providers.openai_chat_stream import FAMILY, ChatDecoder
from chatkit.providers.parameters import Names, effort_alone

# https://platform.openai.com/docs/api-reference/chat/create
NAMES = Names(
    "Chat Completions",
    {
        "temperature": "temperature",
        "max_tokens": "max_tokens",
        "stop": "stop",
        "seed": "seed",
        "reasoning": lambda value: {"reasoning_effort": effort_alone(value)},
    },
)


class ChatCompletions:
    """The wire format of ``/chat/completions``.

    `origin` is the server's host: what came from it with a part (signatures, reasoning) is sent back to it only, since
    others reject keys that they don't know. `key_header` is the header that holds the API key, and without `streams_usage` it
    isn't asked for usage.
    """

    path = "/chat/completions"

    def __init__(self, origin: str = "", names: Names = NAMES, key_header: str = "authorization", streams_usage: bool = True) -> None:
        self.origin = origin
        self.names = names
        self.key_header = key_header
        self.streams_usage = streams_usage

    def headers(self, api_key: str | None) -> dict[str, str]:
        if not api_key:
            return {}
        return {self.key_header: f"Bearer {api_key}" if self.key_header == "authorization" else api_key}

    def decoder(self, provider: str) -> ChatDecoder:
        return ChatDecoder(provider, self.origin)

    def encode(self, request: Request) -> bytes:
        system, groups = role_groups(request)
        messages: list[dict[str, Any]] = [{"role": "system", "content": text} for text in system]
        last_prompt = max((n for n, group in enumerate(groups) if group.role == "user"), default=-1)
        for n, group in enumerate(groups):
            messages.extend(self._messages(group, in_tool_loop=n > last_prompt))
        body: dict[str, Any] = {
            "model": request.model,
            "messages": messages,
            "stream": True,
            "stream_options": {"include_usage": True} if self.streams_usage else None,
        }
        return encoded(body, request.options)

    def _messages(self, group: RoleGroup, *, in_tool_loop: bool) -> list[dict[str, Any]]:
        match group.role:
            case "system":
                return [{"role": "system", "content": _joined(group.parts, "\n\n")}]
            case "user":
                return [{"role": "user", "content": _content(group.parts)}]
            case "tool":
                results = [p for p in group.parts if isinstance(p, ToolResult)]
                return [{"role": "tool", "tool_call_id": r.tool_call_id, "content": result_text(r)} for r in results]
            case "assistant":
                return self._reply(group.parts, in_tool_loop=in_tool_loop)

    def _reply(self, parts: list[Part], *, in_tool_loop: bool) -> list[dict[str, Any]]:
        text = _joined(parts, "")
        calls = [self._call(p) for p in parts if isinstance(p, ToolCall) and not p.provider_executed]
        if not (text or calls):
            return []
        message: dict[str, Any] = {"role": "assistant"}
        if text:  # llama-cpp-python answers a content that is null with 500
            message["content"] = text
        if calls:
            message["tool_calls"] = calls
        for part in parts:
            own = own_data(part.provider_data, FAMILY)
            if not isinstance(part, Reasoning) or own.get("origin") != self.origin:
                continue
            if details := own.get("details"):
                message.setdefault("reasoning_details", []).extend(details)
            elif calls and in_tool_loop and (key := own.get("key")):  # DeepSeek needs its thoughts back while it calls tools
                message[key] = message.get(key, "") + part.text
        return [message]

    def _call(self, call: ToolCall) -> dict[str, Any]:
        arguments = whole_json(call.args or {}).decode()
        entry: dict[str, Any] = {
            "id": call.tool_call_id,
            "type": "function",
            "function": {"name": call.tool_name, "arguments": arguments},
        }
        own = own_data(call.provider_data, FAMILY)
        if own.get("origin") == self.origin and (extra := own.get("extra_content")):
            entry["extra_content"] = extra
        return entry


def _joined(parts: list[Part], separator: str) -> str:
    return separator.join(p.text for p in parts if isinstance(p, Text))


def _content(parts: list[Part]) -> str | list[dict[str, Any]]:
    """The content of a user's message: plain text if possible, since not every server accepts a list."""
    if all(isinstance(p, Text) for p in parts):
        return _joined(parts, "\n\n")
    texts_and_files = (p for p in parts if isinstance(p, Text | File))
    return [{"type": "text", "text": p.text} if isinstance(p, Text) else _file(p) for p in texts_and_files]


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
