"""Stream events: what happens in a turn, in order. Each is one flat JSON object, with the same fields in process and on the wire.

The set is closed inside chatkit (use `match`, and end with `assert_never`) and open at its edges: `decode_event` skips the types
of a newer version. A committed message, `chatkit.parts.Message`, is an event too.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, get_args

import msgspec

from chatkit.errors import Classification, Kind
from chatkit.parts import Message, Part, Role, Tagged

StatusWord = Literal["waiting", "pending", "running", "interrupting", "error"]


class MessagePart(Tagged, frozen=True, kw_only=True, tag="message_part", gc=False):
    """A delta of a part that still grows; the `chatkit.Message` that commits the step replaces it.

    `step` and `attempt` count from 1. `index` is the position of the part in the message, from 0. `seq` increases within the turn;
    a delta that was merged from several has the last one.
    """

    chat_id: str
    role: Role
    part: Part
    step: int
    attempt: int
    index: int
    seq: int


class Status(Tagged, frozen=True, kw_only=True, tag="status"):
    """The state of the chat."""

    chat_id: str
    status: StatusWord


class ErrorEvent(Tagged, frozen=True, kw_only=True, tag="error"):
    """The turn failed, and the parts of its last attempt are withdrawn. `detail` is untrusted."""

    chat_id: str | None = None
    message: str
    detail: str = ""
    kind: Kind = "unknown"
    provider: str | None = None
    status_code: int | None = None
    retryable: bool = False

    @classmethod
    def of(cls, failure: Classification, chat_id: str | None = None) -> ErrorEvent:
        """The event for a failure."""
        return cls(chat_id=chat_id, message=failure.message, retryable=failure.retryable, **event_fields(failure))


class Queued(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A message in the queue."""

    id: int
    parts: tuple[Part, ...]
    model: str | None = None


class QueueUpdate(Tagged, frozen=True, kw_only=True, omit_defaults=False, tag="queue_update"):
    """The whole queue, which may be empty."""

    chat_id: str
    queue: tuple[Queued, ...] = ()


class Retry(Tagged, frozen=True, kw_only=True, tag="retry"):
    """Attempt `attempt` failed: its parts are withdrawn, and a wait of `delay_ms` follows.

    `retrying_at` is in UTC. A display counts down from `delay_ms`, since its clock and that of the kernel may differ. A wait
    that ended otherwise than announced (somebody pressed Retry now) is told once more, at its end, with how long it was.
    `unreached` is an address where nothing has answered for half a minute, nor ever before: most likely it is a mistake.
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
    unreached: str = ""
    waited_ms: int | None = None

    @property
    def seconds(self) -> float:
        """How long the wait was; as announced, unless it is known to have ended otherwise."""
        return (self.delay_ms if self.waited_ms is None else self.waited_ms) / 1000


class Reset(Tagged, frozen=True, kw_only=True, omit_defaults=False, tag="reset"):
    """The messages after `after_id` were removed."""

    chat_id: str
    after_id: int


class TitleEvent(Tagged, frozen=True, kw_only=True, omit_defaults=False, tag="title"):
    """The chat has a new title, which is untrusted."""

    chat_id: str
    title: str


class Approval(Tagged, frozen=True, kw_only=True, tag="approval"):
    """The user must approve or refuse this tool call before it is made."""

    chat_id: str
    tool_call_id: str
    tool_name: str
    args: dict[str, Any] = msgspec.field(default_factory=dict)
    preview: str = ""


def event_fields(failure: Classification) -> dict[str, Any]:
    """The fields of a failure that `ErrorEvent` and `Retry` have under the same names."""
    return {name: getattr(failure, name) for name in ("detail", "kind", "provider", "status_code")}


Event = MessagePart | Message | Status | ErrorEvent | QueueUpdate | Retry | Reset | TitleEvent | Approval

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_EVENT_TYPES, _PART_TYPES = ({one.__struct_config__.tag for one in get_args(union)} for union in (Event, Part))


def encode_event(event: Event) -> bytes:
    """An event as one line of JSON.

    >>> encode_event(Status(chat_id="c1", status="running"))
    b'{"type":"status","chat_id":"c1","status":"running"}'
    """
    return _encoder.encode(event)


def decode_event(line: bytes | str) -> Event | None:
    """The event in a line of JSON; None for a type that this version doesn't know.

    Unknown fields are dropped, as are parts of unknown types in a message.

    A line that isn't JSON, and an event of a known type that lacks a field, raise `msgspec.DecodeError`.

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
