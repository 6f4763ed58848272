"""Stream events: what a turn says, in order. One flat JSON object each, the same value in process and on the wire.

The set is closed inside chatkit (`match` it, and end with `assert_never`) and open at its edges: `decode_event` skips
what a newer writer says that this version doesn't know. A committed message is an event too: `chatkit.parts.Message`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from chatkit.errors import Classification, Kind
from chatkit.parts import Message, Part, Role, Tagged

StatusWord = Literal["waiting", "pending", "running", "interrupting", "error"]


class MessagePart(Tagged, frozen=True, kw_only=True, tag="message_part", gc=False):
    """A piece of a part in flight, superseded by the `Message` that commits its step.

    `step` and `attempt` count from 1, `index` says which part of the message from 0, `seq` increases within the turn;
    merged pieces carry the last.
    """

    chat_id: str
    role: Role
    part: Part
    step: int
    attempt: int
    index: int
    seq: int


class Status(Tagged, frozen=True, kw_only=True, tag="status"):
    """What the chat is doing now."""

    chat_id: str
    status: StatusWord


class ErrorEvent(Tagged, frozen=True, kw_only=True, tag="error"):
    """The turn failed; the parts of its last attempt are withdrawn. `detail` is untrusted."""

    chat_id: str | None = None
    message: str
    detail: str = ""
    kind: Kind = "unknown"
    provider: str | None = None
    status_code: int | None = None
    retryable: bool = False

    @classmethod
    def of(cls, failure: Classification, chat_id: str | None = None) -> ErrorEvent:
        """The event that says this failure."""
        return cls(
            chat_id=chat_id,
            message=failure.message,
            detail=failure.detail,
            kind=failure.kind,
            provider=failure.provider,
            status_code=failure.status_code,
            retryable=failure.retryable,
        )


class Queued(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A message that waits for its turn."""

    id: int
    parts: tuple[Part, ...]
    model: str | None = None


class QueueUpdate(Tagged, frozen=True, kw_only=True, omit_defaults=False, tag="queue_update"):
    """The whole queue, also when it is empty."""

    chat_id: str
    queue: tuple[Queued, ...] = ()


class Retry(Tagged, frozen=True, kw_only=True, tag="retry"):
    """Attempt `attempt` failed: its parts are withdrawn, and `delay_ms` of waiting follow.

    `retrying_at` is UTC. A display counts down from `delay_ms`: its clock and the kernel's may differ.
    """

    chat_id: str | None = None
    attempt: int
    delay_ms: int
    retrying_at: datetime
    error: str
    detail: str = ""
    kind: Kind = "unknown"
    provider: str | None = None
    status_code: int | None = None


class Reset(Tagged, frozen=True, kw_only=True, omit_defaults=False, tag="reset"):
    """The messages after `after_id` were removed."""

    chat_id: str
    after_id: int


class TitleEvent(Tagged, frozen=True, kw_only=True, omit_defaults=False, tag="title"):
    """The chat is called `title` now. Untrusted."""

    chat_id: str
    title: str


class Approval(Tagged, frozen=True, kw_only=True, tag="approval"):
    """Somebody must say yes or no before this call is made."""

    chat_id: str
    tool_call_id: str
    tool_name: str
    args: dict[str, Any] = msgspec.field(default_factory=dict)
    preview: str = ""


Event = MessagePart | Message | Status | ErrorEvent | QueueUpdate | Retry | Reset | TitleEvent | Approval

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_EVENT_TYPES = frozenset({"message_part", "message", "status", "error", "queue_update", "retry", "reset", "title", "approval"})
_PART_TYPES = frozenset({"text", "reasoning", "tool-call", "tool-result", "source", "file"})


def encode_event(event: Event) -> bytes:
    """One event as one line of JSON.

    >>> encode_event(Status(chat_id="c1", status="running"))
    b'{"type":"status","chat_id":"c1","status":"running"}'
    """
    return _encoder.encode(event)


def decode_event(line: bytes | str) -> Event | None:
    """The event of one line of JSON; None where it is of a type that this version doesn't know.

    Unknown fields are dropped, and so are parts of unknown types within a message.

    Raises
    ------
    msgspec.DecodeError
        The line isn't JSON, or an event of a known type lacks what it needs.

    Examples
    --------
    >>> decode_event('{"type":"status","chat_id":"c1","status":"waiting","since":"yesterday"}')
    Status(chat_id='c1', status='waiting')
    >>> decode_event('{"type":"applause"}') is None
    True
    """
    try:
        return _decoder.decode(line)
    except msgspec.ValidationError:
        raw = msgspec.json.decode(line)
        if not isinstance(raw, dict) or raw.get("type") not in _EVENT_TYPES:
            return None
        if isinstance(part := raw.get("part"), dict) and part.get("type") not in _PART_TYPES:
            return None
        if isinstance(parts := raw.get("parts"), list):
            raw["parts"] = [p for p in parts if isinstance(p, dict) and p.get("type") in _PART_TYPES]
        event: Event = msgspec.convert(raw, Event)
        return event
