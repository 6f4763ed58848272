"""Parts and messages: the content of a chat, as frozen values that can be written to JSON and read from it.

A message is a role and a list of parts, and the set of parts is closed. Empty fields are left out of the JSON. While a part
streams, each value is a piece of it: `chatkit.fold` joins the pieces.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

import msgspec

from chatkit.errors import Suggesting

Role = Literal["system", "user", "assistant", "tool"]
Visibility = Literal["both", "user", "model"]
StopReason = Literal["end", "tool_calls", "length", "content_filter", "refusal", "pause"]


class Tagged(msgspec.Struct, frozen=True, omit_defaults=True, repr_omit_defaults=True, kw_only=True, tag_field="type"):
    """A value whose JSON names its type; `type` is that name."""

    @property
    def type(self) -> str:
        return str(self.__struct_config__.tag)


class _Value(Tagged, frozen=True, kw_only=True):
    """What all parts have in common: `provider_data` goes back to the same provider unchanged, and nobody else reads it."""

    provider_data: dict[str, Any] | None = None


class Text(_Value, frozen=True, kw_only=True, tag="text", gc=False):
    """Visible text. `refusal` is true for the words with which the model declines to answer."""

    text: str = ""
    refusal: bool = False


class Reasoning(_Value, frozen=True, kw_only=True, tag="reasoning", gc=False):
    """The model's thinking, or a summary of it."""

    text: str = ""
    title: str = ""


class ToolCall(_Value, frozen=True, kw_only=True, tag="tool-call"):
    """A call of a tool that the model asks for. `args_delta` holds a piece of the arguments; a full `args` replaces all pieces.

    `provider_executed` is true for a tool that the provider ran itself: it is shown, and never run here.
    """

    tool_call_id: str
    tool_name: str = ""
    args: dict[str, Any] | None = None
    args_delta: str = ""
    provider_executed: bool = False


class ToolResult(_Value, frozen=True, kw_only=True, tag="tool-result", metaclass=Suggesting):
    """The result of a call."""

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


class File(_Value, frozen=True, kw_only=True, tag="file", metaclass=Suggesting):
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
    """The tokens of one step. None means unknown, which is not zero. `input_tokens` never includes cached tokens."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_creation_tokens: int | None = None
    cache_read_tokens: int | None = None
    context_limit: int | None = None


class Message(Tagged, frozen=True, kw_only=True, tag="message"):
    """One stored message of a chat, which is also the event that commits it.

    `id` increases within the store. An assistant's message without a `stop_reason` was interrupted;
    `provider_stop_reason` is the provider's own word.
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
        """Whether a user wrote it: a summary that only the model sees has the same role."""
        return self.role == "user" and self.visibility != "model"

    @property
    def text(self) -> str:
        """The visible text: the text parts of a reply joined without a separator, those of other messages as in `text_of`."""
        if self.role == "assistant":
            return "".join(p.text for p in self.parts if isinstance(p, Text) and not p.refusal)
        return text_of(self.parts)


def text_of(parts: Iterable[Part]) -> str:
    """The text of several parts: their text parts, trimmed and joined with a space.

    >>> text_of([Text(text=" see "), File(media_type="image/png"), Text(text="this")])
    'see this'
    """
    return " ".join(t for p in parts if isinstance(p, Text) and (t := p.text.strip()))
