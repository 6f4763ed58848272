"""Anthropic Messages.

Anthropic demands a limit on output tokens, alternating roles, and its own words back unchanged: signed and redacted
thinking, and the calls and results of tools that it ran itself.
"""

from __future__ import annotations

from typing import Any

from chatkit.parts import File, Part, Reasoning, Text, ToolCall, ToolResult
from chatkit.providers.anthropic_stream import FAMILY, AnthropicDecoder
from chatkit.providers.history import Turn, base64_of, cannot_carry, result_text, split
from chatkit.providers.reading import own_data
from chatkit.providers.wire import Request, body_of

VERSION = "2023-06-01"
MAX_TOKENS = 32_000
SMALLER_LIMITS = {  # the output limits of older models: https://docs.anthropic.com/en/docs/about-claude/models, by the start of the name
    "claude-instant": 4_096,
    "claude-2": 4_096,
    "claude-3-opus": 4_096,
    "claude-3-sonnet": 4_096,
    "claude-3-haiku": 4_096,
    "claude-3-5-sonnet": 8_192,
    "claude-3-5-haiku": 8_192,
}
CACHE_MARK = {"type": "ephemeral"}


class AnthropicMessages:
    """The wire format of ``/v1/messages``.

    Parameters
    ----------
    origin : str
        The server's host. Thinking that came unsigned, from a server that only speaks the format, goes back to it alone.
    """

    path = "/v1/messages"

    def __init__(self, origin: str = "") -> None:
        self.origin = origin

    def headers(self, api_key: str | None) -> dict[str, str]:
        return {"anthropic-version": VERSION, **({"x-api-key": api_key} if api_key else {})}

    def decoder(self, provider: str) -> AnthropicDecoder:
        return AnthropicDecoder(provider, self.origin)

    def encode(self, request: Request) -> bytes:
        system, turns = split(request)
        messages: list[dict[str, Any]] = []
        for turn in turns:
            role = "assistant" if turn.role == "assistant" else "user"
            blocks = self._reply(turn) if role == "assistant" else [b for p in turn.parts for b in _question(p)]
            if blocks and messages and messages[-1]["role"] == role:
                messages[-1]["content"].extend(blocks)
            elif blocks:
                messages.append({"role": role, "content": blocks})
        prompt: list[dict[str, Any]] = [{"type": "text", "text": text} for text in system]
        for blocks in (prompt, *(m["content"] for m in messages[-2:])):
            _mark(blocks)
        body: dict[str, Any] = {
            "model": request.model,
            "max_tokens": request.max_output_tokens or output_limit(request.model),
            "stream": True,
            "system": prompt or None,
            "messages": messages,
        }
        return body_of(body, request.options)

    def _reply(self, turn: Turn) -> list[dict[str, Any]]:
        """The blocks of an assistant's turn; what an interrupt left half done is dropped."""
        answered = {p.tool_call_id for p in turn.parts if isinstance(p, ToolResult)}
        blocks: list[dict[str, Any]] = []
        for part in turn.parts:
            own = own_data(part.provider_data, FAMILY)
            match part:
                case Text() if part.text.strip():
                    block: dict[str, Any] = {"type": "text", "text": part.text}
                    blocks.append({**block, "citations": own["citations"]} if own.get("citations") else block)
                case Reasoning() if "redacted" in own:
                    blocks.append({"type": "redacted_thinking", "data": own["redacted"]})
                case Reasoning() if own.get("signature") or (own and own.get("origin") == self.origin):
                    blocks.append({"type": "thinking", "thinking": part.text, "signature": own.get("signature", "")})
                case ToolCall(provider_executed=True):
                    if "block" in own and (turn.paused or part.tool_call_id in answered):
                        blocks.append(own["block"])
                case ToolCall():
                    call = {"type": "tool_use", "id": part.tool_call_id, "name": part.tool_name, "input": part.args or {}}
                    blocks.append({**call, **own.get("extra", {})})
                case ToolResult() if "block" in own:
                    blocks.append(own["block"])
                case _:
                    pass
        while blocks and blocks[-1]["type"] in ("thinking", "redacted_thinking"):  # may not end a message
            blocks.pop()
        return blocks


def output_limit(model: str) -> int:
    """The limit that is sent where the person set none: 32,000 tokens, or the model's own if that is lower.

    >>> output_limit("claude-sonnet-4-5"), output_limit("claude-3-haiku-20240307")
    (32000, 4096)
    """
    name = model.rpartition("/")[2].rpartition("anthropic.")[2]  # "anthropic/claude-…", "us.anthropic.claude-…": resellers' names
    return next((limit for start, limit in SMALLER_LIMITS.items() if name.startswith(start)), MAX_TOKENS)


def _mark(blocks: list[dict[str, Any]]) -> None:
    """Mark the end of what is worth caching: the last block that may carry a mark."""
    for n in range(len(blocks) - 1, -1, -1):
        if blocks[n]["type"] in ("text", "image", "document", "tool_use", "tool_result"):
            blocks[n] = {**blocks[n], "cache_control": CACHE_MARK}
            return


def _question(part: Part) -> list[dict[str, Any]]:
    """The blocks of what isn't the assistant's: text, files, results of tools."""
    match part:
        case Text():
            return [{"type": "text", "text": part.text}] if part.text.strip() else []
        case ToolResult():
            result = {"type": "tool_result", "tool_use_id": part.tool_call_id, "content": result_text(part)}
            return [{**result, "is_error": True} if part.is_error else result]
        case File():
            return [_file(part)]
        case _:
            return []


def _file(file: File) -> dict[str, Any]:
    if file.media_type.startswith("image/"):
        kind, titled = "image", {}
    elif file.media_type in ("application/pdf", "text/plain"):
        kind, titled = "document", {"title": file.title} if file.title else {}
    else:
        raise cannot_carry(file, "Anthropic", "images, PDFs and plain text")
    if file.url:
        return {"type": kind, "source": {"type": "url", "url": file.url}, **titled}
    if file.media_type == "text/plain":
        source = {"type": "text", "media_type": "text/plain", "data": file.data.decode("utf-8", "replace")}
    else:
        source = {"type": "base64", "media_type": file.media_type, "data": base64_of(file)}
    return {"type": kind, "source": source, **titled}
