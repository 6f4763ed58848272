"""Parts and messages: what is said, as frozen values with JSON in and out.

A message is a role and a list of parts; the set of parts is closed. Fields are absent from the JSON when empty.
While a part streams, its values are pieces: `chatkit.fold` joins them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

import msgspec

Role = Literal["system", "user", "assistant", "tool"]
Visibility = Literal["both", "user", "model"]
StopReason = Literal["end", "tool_calls", "length", "content_filter", "refusal", "pause"]


class Tagged(msgspec.Struct, frozen=True, omit_defaults=True, repr_omit_defaults=True, kw_only=True, tag_field="type"):
    """A value whose JSON says what it is; `type` says the same here."""

    @property
    def type(self) -> str:
        return str(self.__struct_config__.tag)


class _Value(Tagged, frozen=True, kw_only=True):
    """What all parts share: `provider_data` goes back to the same provider unchanged, and is opaque to everyone else."""

    provider_data: dict[str, Any] | None = None


class Text(_Value, frozen=True, kw_only=True, tag="text", gc=False):
    """Visible text. `refusal` marks the model's words for declining to answer."""

    text: str = ""
    refusal: bool = False


class Reasoning(_Value, frozen=True, kw_only=True, tag="reasoning", gc=False):
    """Thinking, or a summary of it."""

    text: str = ""
    title: str = ""


class ToolCall(_Value, frozen=True, kw_only=True, tag="tool-call"):
    """A call that the model wants made. Pieces in `args_delta`; a full `args` replaces them.

    `provider_executed` marks a tool that the provider ran itself: shown, never run here.
    """

    tool_call_id: str
    tool_name: str = ""
    args: dict[str, Any] | None = None
    args_delta: str = ""
    provider_executed: bool = False


class ToolResult(_Value, frozen=True, kw_only=True, tag="tool-result"):
    """What a call gave."""

    tool_call_id: str
    tool_name: str = ""
    result: Any = None
    is_error: bool = False
    provider_executed: bool = False


class Source(_Value, frozen=True, kw_only=True, tag="source"):
    """Something that the reply cites."""

    source_id: str = ""
    url: str = ""
    title: str = ""


class File(_Value, frozen=True, kw_only=True, tag="file"):
    """An image or document: `data` (base64 in JSON) or a `url`."""

    media_type: str
    data: bytes = b""
    url: str = ""
    title: str = ""

    def __repr__(self) -> str:
        what = f"{len(self.data)} bytes" if self.data else self.url
        return f"<File {self.title or self.media_type!s}: {what}>"


Part = Text | Reasoning | ToolCall | ToolResult | Source | File


class Usage(msgspec.Struct, frozen=True, omit_defaults=True, repr_omit_defaults=True, kw_only=True):
    """Tokens of one step. None is unknown, which is not zero. `input_tokens` never includes cached tokens."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_creation_tokens: int | None = None
    cache_read_tokens: int | None = None
    context_limit: int | None = None


class Message(Tagged, frozen=True, kw_only=True, tag="message"):
    """One stored message of a chat, which is at once the event that commits it.

    `id` increases within the store. A `stop_reason` that is absent from an assistant's message means that it was
    interrupted; `provider_stop_reason` is the provider's own word.
    """

    id: int
    chat_id: str
    role: Role
    parts: tuple[Part, ...]
    created_at: datetime
    model: str | None = None
    usage: Usage | None = None
    stop_reason: StopReason | None = None
    provider_stop_reason: str | None = None
    visibility: Visibility = "both"
    compressed: bool = False

    @property
    def is_question(self) -> bool:
        """Whether a person said it: a summary for the model alone has their role, and is none."""
        return self.role == "user" and self.visibility != "model"

    @property
    def text(self) -> str:
        """The visible text: a reply's blocks joined with nothing between, a question's parts as `text_of` gives them."""
        if self.role == "assistant":
            return "".join(p.text for p in self.parts if isinstance(p, Text) and not p.refusal)
        return text_of(self.parts)


def text_of(parts: Iterable[Part]) -> str:
    """The text of a message of several parts: its text parts, trimmed, joined by a space.

    >>> text_of([Text(text=" see "), File(media_type="image/png"), Text(text="this")])
    'see this'
    """
    return " ".join(t for p in parts if isinstance(p, Text) and (t := p.text.strip()))
