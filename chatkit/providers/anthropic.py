"""Anthropic Messages.

Anthropic demands a limit on output tokens and alternating roles, and needs some content back unchanged: signed and redacted
thinking, and the calls and results of tools that it ran itself.
"""

from __future__ import annotations

from typing import Any

from chatkit.parts import File, Part, Reasoning, Text, ToolCall, ToolResult
from chatkit.providers.anthropic_stream import FAMILY, AnthropicDecoder
from chatkit.providers.encoding import Request, RoleGroup, base64_of, cannot_carry, encoded, own_data, result_text, role_groups
from chatkit.providers.parameters import Names

API_VERSION = "2023-06-01"
MAX_TOKENS = 32_000
SMALLER_LIMITS = {  # by the start of the name: https://docs.anthropic.com/en/docs/about-claude/models
    "claude-instant": 4_096,
    "claude-2": 4_096,
    "claude-3-opus": 4_096,
    "claude-3-sonnet": 4_096,
    "claude-3-haiku": 4_096,
    "claude-3-5-sonnet": 8_192,
    "claude-3-5-haiku": 8_192,
}
CACHE_MARK = {"type": "ephemeral"}


def _thinking(value: str | int) -> dict[str, Any]:
    if isinstance(value, int):
        return {"thinking": {"type": "enabled", "budget_tokens": value}}
    if value == "none":
        return {"thinking": {"type": "disabled"}}
    return {"thinking": {"type": "adaptive"}, "output_config": {"effort": value}}


# https://platform.claude.com/docs/en/api/messages, and build-with-claude/effort and extended-thinking there; it has no seed
NAMES = Names("Messages", {"temperature": "temperature", "max_tokens": "max_tokens", "stop": "stop_sequences", "reasoning": _thinking})


class AnthropicMessages:
    """The wire format of ``/v1/messages``.

    `origin` is the server's host: thinking that came from it unsigned (DeepSeek, Kimi) is sent back to it only.
    """

    path = "/v1/messages"
    names = NAMES

    def __init__(self, origin: str = "") -> None:
        self.origin = origin

    def headers(self, api_key: str | None) -> dict[str, str]:
        return {"anthropic-version": API_VERSION, **({"x-api-key": api_key} if api_key else {})}

    def decoder(self, provider: str) -> AnthropicDecoder:
        return AnthropicDecoder(provider, self.origin)

    def encode(self, request: Request) -> bytes:
        system, groups = role_groups(request)
        messages: list[dict[str, Any]] = []
        for group in groups:
            role = "assistant" if group.role == "assistant" else "user"
            blocks = self._reply(group) if role == "assistant" else [b for p in group.parts for b in _input(p)]
            if blocks and messages and messages[-1]["role"] == role:
                messages[-1]["content"].extend(blocks)
            elif blocks:
                messages.append({"role": role, "content": blocks})
        prompt: list[dict[str, Any]] = [{"type": "text", "text": text} for text in system]
        for blocks in (prompt, *(m["content"] for m in messages[-2:])):
            _mark(blocks)
        body: dict[str, Any] = {
            "model": request.model,
            "max_tokens": output_limit(request.model),
            "stream": True,
            "system": prompt or None,
            "messages": messages,
        }
        return encoded(body, request.options)

    def _reply(self, group: RoleGroup) -> list[dict[str, Any]]:
        """The blocks for the assistant's messages, without what an interrupt left incomplete."""
        answered = {p.tool_call_id for p in group.parts if isinstance(p, ToolResult)}
        blocks: list[dict[str, Any]] = []
        for part in group.parts:
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
                    if "block" in own and (group.paused or part.tool_call_id in answered):
                        blocks.append(own["block"])
                case ToolCall():
                    call = {"type": "tool_use", "id": part.tool_call_id, "name": part.tool_name, "input": part.args or {}}
                    blocks.append({**call, **own.get("extra", {})})
                case ToolResult() if "block" in own:
                    blocks.append(own["block"])
                case _:
                    pass
        while blocks and blocks[-1]["type"] in ("thinking", "redacted_thinking"):  # which may not end a message
            blocks.pop()
        return blocks


def output_limit(model: str) -> int:
    """The limit in tokens that is sent if the user set none: 32,000, or the model's own limit if that is lower.

    >>> output_limit("claude-sonnet-4-5"), output_limit("claude-3-haiku-20240307")
    (32000, 4096)
    """
    name = model.rpartition("/")[2].rpartition("anthropic.")[2]  # OpenRouter: "anthropic/claude-…"; Bedrock: "us.anthropic.claude-…"
    return next((limit for start, limit in SMALLER_LIMITS.items() if name.startswith(start)), MAX_TOKENS)


def _mark(blocks: list[dict[str, Any]]) -> None:
    """Ask Anthropic to cache everything up to here: mark the last block that may carry a mark."""
    for n in reversed(range(len(blocks))):
        if blocks[n]["type"] in ("text", "image", "document", "tool_use", "tool_result"):
            blocks[n] = {**blocks[n], "cache_control": CACHE_MARK}
            return


def _input(part: Part) -> list[dict[str, Any]]:
    """The blocks for a part that isn't the assistant's: a text, a file, or the result of a tool."""
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
