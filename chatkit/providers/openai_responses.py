"""OpenAI Responses, encoded.

The whole history goes with every request, so nothing is stored at OpenAI: ``store`` is false unless the options set it, and
reasoning comes and goes back encrypted.
"""

from __future__ import annotations

import re
from typing import Any

from chatkit.failures.redaction import whole_json
from chatkit.parts import File, Reasoning, Text, ToolCall, ToolResult
from chatkit.providers.decoding import word
from chatkit.providers.encoding import Request, RoleGroup, cannot_carry, data_url, encoded, own_data, result_text, role_groups
from chatkit.providers.openai_responses_stream import FAMILY, ResponsesDecoder
from chatkit.providers.parameters import Names, effort_alone

_PLAIN_MODEL = re.compile(r"(ft:)?(gpt-3|gpt-4|chatgpt|gpt-5[\d.]*-chat)")
"""Models that don't reason, and reject a request for encrypted reasoning."""


# https://platform.openai.com/docs/api-reference/responses/create: neither stop nor seed is there
NAMES = Names(
    "Responses",
    {
        "temperature": "temperature",
        "max_tokens": "max_output_tokens",
        "reasoning": lambda value: {"reasoning": {"effort": effort_alone(value)}},
    },
)


class OpenAIResponses:
    """The wire format of ``/responses``."""

    path = "/responses"
    names = NAMES

    def headers(self, api_key: str | None) -> dict[str, str]:
        return {"authorization": f"Bearer {api_key}"} if api_key else {}

    def decoder(self, provider: str) -> ResponsesDecoder:
        return ResponsesDecoder(provider)

    def encode(self, request: Request) -> bytes:
        system, groups = role_groups(request)
        stored = bool(request.options.get("store"))
        custom = {
            p.tool_call_id
            for group in groups
            for p in group.parts
            if isinstance(p, ToolCall) and own_data(p.provider_data, FAMILY).get("type") == "custom_tool_call"
        }
        items: list[dict[str, Any]] = []
        for group in groups:
            items.extend(_reply(group, stored=stored) if group.role == "assistant" else _input(group, custom))
        encrypted = not stored and not _PLAIN_MODEL.match(request.model)
        body: dict[str, Any] = {
            "model": request.model,
            "instructions": "\n\n".join(system) or None,
            "input": items,
            "stream": True,
            "store": False,
            "include": ["reasoning.encrypted_content"] if encrypted else None,
        }
        return encoded(body, request.options)


def _input(group: RoleGroup, custom: set[str]) -> list[dict[str, Any]]:
    """The items for messages of other roles than the assistant's, and for results of tools."""
    content: list[dict[str, Any]] = []
    items: list[dict[str, Any]] = []
    for part in group.parts:
        match part:
            case Text():
                content.append({"type": "input_text", "text": part.text})
            case File():
                content.append(_file(part))
            case ToolResult():
                kind = "custom_tool_call_output" if part.tool_call_id in custom else "function_call_output"
                items.append({"type": kind, "call_id": part.tool_call_id, "output": result_text(part)})
            case _:
                pass
    if content:
        items.append({"type": "message", "role": "system" if group.role == "system" else "user", "content": content})
    return items


def _reply(group: RoleGroup, *, stored: bool) -> list[dict[str, Any]]:
    """The items for the assistant's messages, those of this API as they came.

    Reasoning can be sent only if it came encrypted or is stored, and may not end the reply. If reasoning is left out, an
    item that belonged to it is rejected under its own id: then all ids are left out.
    """
    entries: list[tuple[str, dict[str, Any]]] = []
    lost = False
    for part in group.parts:
        own = own_data(part.provider_data, FAMILY)
        if isinstance(part, Reasoning) and own:
            item = own.get("item") or {}
            if item.get("encrypted_content") or (stored and item.get("id")):
                entries.append(("reasoning", item))
            else:
                lost = True
        elif isinstance(part, ToolCall) and part.provider_executed and "item" in own:
            entries.append(("executed", own["item"]))
        elif isinstance(part, ToolCall) and not part.provider_executed:
            entries.append(("call", _call(part, own)))
        elif isinstance(part, Text) and part.text:
            content = {"type": "output_text", "text": part.text, "annotations": []}
            if part.refusal:
                content = {"type": "refusal", "refusal": part.text}
            last = entries[-1][1] if entries and entries[-1][0] == "text" else {}
            if last and last.get("id") == own.get("id"):
                last["content"].append(content)
            else:
                marks = {k: own[k] for k in ("id", "phase") if own.get(k)}
                entries.append(("text", {"type": "message", "role": "assistant", "content": [content], **marks}))
    while entries and entries[-1][0] == "reasoning":
        entries.pop()
        lost = True
    if not lost:
        return [item for _, item in entries]
    return [{k: v for k, v in item.items() if k != "id"} for kind, item in entries if kind in ("text", "call")]


def _call(call: ToolCall, own: dict[str, Any]) -> dict[str, Any]:
    args = call.args or {}
    item: dict[str, Any] = {"type": "function_call", "call_id": call.tool_call_id, "name": call.tool_name}
    if own.get("type") == "custom_tool_call":
        item |= {"type": "custom_tool_call", "input": word(args.get("input"))}
    else:
        item["arguments"] = whole_json(args).decode()
    return {**item, "id": own["id"]} if own.get("id") else item


def _file(file: File) -> dict[str, Any]:
    if file.media_type.startswith("image/"):
        return {"type": "input_image", "image_url": data_url(file), "detail": "auto"}
    if file.media_type.startswith("text/") and file.data:
        return {"type": "input_text", "text": file.data.decode("utf-8", "replace")}
    if file.media_type == "application/pdf":
        where = {"file_url": file.url} if file.url else {"filename": file.title or "document.pdf", "file_data": data_url(file)}
        return {"type": "input_file", **where}
    raise cannot_carry(file, "Responses", "images, PDFs and text")
