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
    """Visible text.

    Attributes
    ----------
    text : str
        The text, as Markdown where a model wrote it.
    refusal : bool
        Whether these are the words with which the model declines to answer.
    """

    text: str = ""
    refusal: bool = False


class Reasoning(_Value, frozen=True, kw_only=True, tag="reasoning", gc=False):
    """The model's thinking, or a summary of it.

    Attributes
    ----------
    text, title : str
        The thinking, and a title where the provider gives one.
    """

    text: str = ""
    title: str = ""


class ToolCall(_Value, frozen=True, kw_only=True, tag="tool-call"):
    """A call of a tool that the model asks for.

    Attributes
    ----------
    tool_call_id, tool_name : str
        The id, which the result repeats, and the tool.
    args : dict or None
        The arguments; None while they are still being streamed.
    args_delta : str
        A piece of the arguments as JSON; a full `args` replaces all pieces.
    provider_executed : bool
        Whether the provider ran the tool itself: it is shown, and never run here.
    """

    tool_call_id: str
    tool_name: str = ""
    args: dict[str, Any] | None = None
    args_delta: str = ""
    provider_executed: bool = False


class ToolResult(_Value, frozen=True, kw_only=True, tag="tool-result", metaclass=Suggesting):
    """The result of a call.

    Attributes
    ----------
    tool_call_id, tool_name : str
        Those of the `ToolCall`.
    result : object
        The result: text, or anything that can be written as JSON.
    is_error : bool
        Whether the tool failed, and `result` says why.
    provider_executed : bool
        Whether the provider ran the tool itself.
    """

    tool_call_id: str
    tool_name: str = ""
    result: Any = None
    is_error: bool = False
    provider_executed: bool = False


class Source(_Value, frozen=True, kw_only=True, tag="source"):
    """Something that the reply cites.

    Attributes
    ----------
    source_id, url, title : str
        The provider's id of it, its address, and its title; empty where unknown.
    """

    source_id: str = ""
    url: str = ""
    title: str = ""


class File(_Value, frozen=True, kw_only=True, tag="file", metaclass=Suggesting):
    """An image or document.

    Attributes
    ----------
    media_type : str
        Such as ``image/png`` or ``application/pdf``.
    data : bytes
        The content (base64 in JSON); empty where there is a `url`.
    url : str
        Where the provider finds it.
    title : str
        The name of the file.
    """

    media_type: str
    data: bytes = b""
    url: str = ""
    title: str = ""

    def __repr__(self) -> str:
        what = f"{len(self.data)} bytes" if self.data else self.url
        return f"<File {self.title or self.media_type!s}: {what}>"


Part = Text | Reasoning | ToolCall | ToolResult | Source | File


class Usage(msgspec.Struct, frozen=True, omit_defaults=True, repr_omit_defaults=True, kw_only=True):
    """The tokens of one step. None means unknown, which is not zero.

    Attributes
    ----------
    input_tokens, output_tokens, total_tokens : int or None
        What was sent, without cached tokens; what the model wrote; the provider's own sum.
    reasoning_tokens : int or None
        The part of the output that was thinking.
    cache_creation_tokens, cache_read_tokens : int or None
        What was sent and written into the provider's cache, and what was read from it.
    context_limit : int or None
        The model's context window.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_creation_tokens: int | None = None
    cache_read_tokens: int | None = None
    context_limit: int | None = None


class Message(Tagged, frozen=True, kw_only=True, tag="message"):
    """One stored message of a chat, which is also the event that commits it.

    Attributes
    ----------
    id : int
        Increases within its chat.
    chat_id : str
        The id of the chat.
    role : {"system", "user", "assistant", "tool"}
        Who speaks.
    parts : tuple of Text, Reasoning, ToolCall, ToolResult, Source and File
        The content.
    created_at : datetime
        When it was committed, UTC.
    model : str or None
        The model that answered.
    usage : Usage or None
        The tokens of the step.
    stop_reason : {"end", "tool_calls", "length", "content_filter", "refusal", "pause"} or None
        Why the model stopped; None for an assistant's message that was interrupted.
    provider_stop_reason : str or None
        The provider's own word for it.
    visibility : {"both", "user", "model"}
        ``user``: shown, not sent to the model; ``model``: sent, not shown.
    compressed : bool
        Whether a summary stands in its place in what is sent.
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
