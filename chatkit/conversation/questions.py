"""What a person asks with, as parts: text, images and files in the forms that a notebook has them."""

from __future__ import annotations

import io
import mimetypes
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from chatkit.errors import UsageError
from chatkit.parts import File, Part, Reasoning, Source, Text, ToolCall, ToolResult

_SIGNATURES = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"), (b"%PDF-", "application/pdf"))
_HOW = "give text, a path, an image (bytes, a PIL image, a matplotlib figure), a chatkit part, or a list of these"


def as_parts(prompt: Any) -> tuple[Part, ...]:
    """A prompt as the parts of a message.

    Parameters
    ----------
    prompt : str, Path, bytes, Part, image, figure, or iterable of these
        Text; a path of an image or PDF; its bytes; a part of chatkit's; anything that has ``_repr_png_`` (a PIL image)
        or ``savefig`` (a figure).

    Returns
    -------
    tuple of Part

    Raises
    ------
    UsageError
        It is empty, of another type, or a file that can't be read.

    Examples
    --------
    >>> [part.text for part in as_parts(["What is this?", "And that?"])]
    ['What is this?', 'And that?']
    """
    whole = isinstance(prompt, Iterable) and not isinstance(prompt, str | bytes) and not hasattr(prompt, "_repr_png_")
    parts = tuple(_part(p) for p in prompt) if whole else (_part(prompt),)
    if not any(not isinstance(p, Text) or p.text.strip() for p in parts):
        raise UsageError(f"the prompt is empty: {_HOW}")
    return parts


def _part(item: Any) -> Part:
    match item:
        case str():
            return Text(text=item)
        case Text() | Reasoning() | ToolCall() | ToolResult() | Source() | File():
            return item
        case bytes():
            return _file(item)
        case Path():
            try:
                data = item.expanduser().read_bytes()
            except OSError as error:
                raise UsageError(f"the file {item} can't be read: {error.strerror}") from error
            return _file(data, mimetypes.guess_type(item.name)[0], item.name)
    if callable(png := getattr(item, "_repr_png_", None)) and isinstance(data := png(), bytes):
        return File(media_type="image/png", data=data)
    if callable(save := getattr(item, "savefig", None)):
        buffer = io.BytesIO()
        save(buffer, format="png", bbox_inches="tight")
        return File(media_type="image/png", data=buffer.getvalue())
    raise UsageError(f"a prompt can't hold a {type(item).__name__}: {_HOW}")


def _file(data: bytes, guessed: str | None = None, title: str = "") -> File:
    known = next((media for mark, media in _SIGNATURES if data.startswith(mark)), None)
    if known is None and data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        known = "image/webp"
    media_type = known or guessed
    if not data or media_type is None:
        raise UsageError(f"{title or 'these bytes'}: neither an image nor a PDF that is known; {_HOW}")
    return File(media_type=media_type, data=data, title=title)
