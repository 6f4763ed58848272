"""The words of the wire formats: a reply as the frames of a stream, cut into the pieces that faults count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import msgspec

from chatkit.chattest.error_responses import Vendor
from chatkit.chattest.recorded import RecordedRequest
from chatkit.chattest.response import Call, Said
from chatkit.sse import encode_sse

CREATED = 1_795_165_200
"""2026-11-20T09:00:00Z: every reply was made at this moment."""


class Frames:
    """The bytes of a stream: `pieces`, each with the frames that must precede it, and the `closing` after the last."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self._pending: list[bytes] = []

    def add(self, frame: bytes) -> None:
        """A frame that goes out with the piece that follows."""
        self._pending.append(frame)

    def piece(self, frame: bytes) -> None:
        """A frame that carries a piece of the reply."""
        self._pending.append(frame)
        self.pieces.append(b"".join(self._pending))
        self._pending.clear()

    @property
    def closing(self) -> bytes:
        return b"".join(self._pending)


class Format(Protocol):
    """One wire format: pure functions of what is said and what was asked."""

    vendor: Vendor
    ping: bytes

    def headers(self, request_id: str) -> dict[str, str]:
        """What this vendor's responses carry beside their type."""

    def stream(self, said: Said, request: RecordedRequest) -> Frames:
        """The reply as server-sent events."""

    def whole(self, said: Said, request: RecordedRequest) -> dict[str, Any]:
        """The reply as one JSON object."""

    def error(self, type: str | None, message: str | None, request: RecordedRequest, number: int) -> bytes:
        """An error in mid-stream; `number` events came before it."""


class NamedCall(NamedTuple):
    """A call whose id is settled."""

    id: str
    name: str
    pieces: tuple[str, ...]

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)


def call_ids(calls: tuple[Call, ...], prefix: str, request: RecordedRequest) -> Iterator[NamedCall]:
    """The calls with ids: those given, or the format's own, which differ within a conversation."""
    for at, call in enumerate(calls, 1):
        yield NamedCall(call.id or f"{prefix}_fake{request.number:04d}{at:02d}", call.name, call.pieces)


def json_frame(data: dict[str, Any], event: str = "") -> bytes:
    """One event with JSON data; non-ASCII text goes as UTF-8, so that it can be split."""
    return encode_sse(msgspec.json.encode(data), event=event)
