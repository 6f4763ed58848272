"""Untrusted text made fit to be shown: without control characters, direction overrides and other invisible characters."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

_NEWLINES = re.compile("\r\n?|[\u0085\u2028\u2029]")
_INVISIBLE = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls; the terminal's escape is one
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"  # zero-width characters, direction marks, embeddings, overrides, isolates
    "\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff9-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # tags and variation selectors, in which text can be smuggled
    "]"
)
_JOINERS = re.compile("(?<![^\x00-\x7f])[\u200c\u200d]++|(?<![\u200c\u200d])[\u200c\u200d]++(?=[\x00-\x7f])")
"""Joiners next to ASCII, which they can't join; in emoji, Persian and the scripts of India they are part of a word."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_ASCII_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")


def shown(text: str) -> str:
    r"""`text` without controls, direction overrides, zero-width characters and lone surrogates.

    Line feeds and tabs stay, and other line ends become line feeds. Joiners stay within emoji and non-Latin words.

    >>> shown("pay\u200bpal \u202egpj.exe")
    'paypal gpj.exe'
    >>> shown("\x1b[31mred\x1b[0m\r\n")
    '[31mred[0m\n'
    """
    return _JOINERS.sub("", _visible(text))


def _visible(text: str) -> str:
    """`shown` except for the joiners."""
    if text.isascii() and not _ASCII_CONTROL.search(text):
        return text
    if _SURROGATE.search(text):  # the two halves of a pair are joined, and others replaced
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _INVISIBLE.sub("", _NEWLINES.sub("\n", text))


class ShownInPieces:
    r"""`shown` for text that arrives in pieces: the result doesn't depend on where it was cut.

    >>> pieces = ShownInPieces()
    >>> [pieces.feed("one\r"), pieces.feed("\ntwo\u200d"), pieces.feed("three", final=True)]
    ['one', '\ntwo', 'three']
    """

    def __init__(self) -> None:
        self._raw = self._joiners = self._before = ""

    def feed(self, piece: str, *, final: bool = False) -> str:
        """What `piece` adds; characters whose meaning depends on the next one wait for it, unless the piece is the `final` one."""
        raw = self._raw + piece
        end = len(raw) - (not final and (raw[-1:] == "\r" or "\ud800" <= raw[-1:] < "\udc00"))
        self._raw = raw[end:]
        text = self._joiners + _visible(raw[:end])
        kept = text if final else text.rstrip("\u200c\u200d")
        self._joiners = text[len(kept) :]
        clean = _JOINERS.sub("", self._before + kept)[len(self._before) :]
        self._before = clean[-1:] or self._before
        return clean


def single_line(text: str, limit: int) -> str:
    """`text` cleaned and on one line, with its white space folded, cut at `limit` characters.

    >>> single_line("a\\n  b", 10), single_line("abcdefgh", 4)
    ('a b', 'abc…')
    """
    line = " ".join(shown(text[: 4 * limit + 1000]).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def width(text: str) -> int:
    """The number of columns that `text` takes in a terminal.

    >>> width("déjà"), width("e\u0301"), width("日本")
    (4, 1, 4)
    """
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cut_to_width(text: str, columns: int) -> str:
    """`text`, cut with an ellipsis where it is wider than `columns`.

    >>> cut_to_width("Retrying in 4 s…", 10), cut_to_width("ok", 10), cut_to_width("日本語", 4)
    ('Retrying …', 'ok', '日…')
    """
    if width(text) <= columns:
        return text
    kept, used = [], 0
    for c in text:
        used += width(c)
        if used > columns - 1:
            break
        kept.append(c)
    return "".join(kept) + "…" if columns > 0 else ""


def as_json(value: Any, *, indent: int = 0) -> str:
    """A tool's arguments or result as JSON; on one line unless `indent` gives the columns per level.

    An object that JSON can't express is written as its `repr`, and a value that can't be written at all is named.

    >>> as_json({"path": "a.py", "lines": [1, 2]}), as_json({1, 2}), as_json("half \\ud83d")
    ('{"path":"a.py","lines":[1,2]}', '[1,2]', '"half \\\\ud83d"')
    """
    import msgspec

    try:
        try:
            encoded = msgspec.json.encode(value, enc_hook=repr)
        except UnicodeEncodeError:  # half of a surrogate pair
            return json.dumps(value, indent=indent or None, default=repr, skipkeys=True)
        return (msgspec.json.format(encoded, indent=indent) if indent else encoded).decode()
    except RecursionError:
        return "(nested too deeply to be shown)"
    except Exception as error:  # raised by the `repr` of somebody's class
        return f"({type(value).__name__} cannot be shown: {type(error).__name__})"
