"""Requests for tests of the encoders: messages in, the body that is sent out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from chatkit.parts import File, Message, Part, Role, StopReason, Text
from chatkit.providers.encoding import Request
from chatkit.providers.http import WireFormat
from tests.providers.streams import WIRES

MARK = {"type": "ephemeral"}
PNG = File(media_type="image/png", data=b"\x89PNG")
LINK = File(media_type="image/jpeg", url="https://h/x.jpg")
PDF = File(media_type="application/pdf", data=b"%PDF", title="a.pdf")


def message(role: Role, *parts: Part | str, stop_reason: StopReason | None = None) -> Message:
    said = tuple(Text(text=p) if isinstance(p, str) else p for p in parts)
    return Message(id=1, chat_id="c", role=role, parts=said, created_at=datetime(2026, 11, 20, tzinfo=UTC), stop_reason=stop_reason)


def sent(wire: WireFormat | str, *messages: Message, **fields: Any) -> dict[str, Any]:
    format = WIRES[wire] if isinstance(wire, str) else wire
    body: dict[str, Any] = msgspec.json.decode(format.encode(Request(**{"model": "m-1", "messages": messages, **fields})))
    return body


def unmarked(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Anthropic's messages without their caching marks."""
    return [{**m, "content": [{k: v for k, v in b.items() if k != "cache_control"} for b in m["content"]]} for m in messages]
