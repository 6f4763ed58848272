"""Untrusted text, made fit to be shown: no control characters, no direction overrides, nothing invisible."""

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
"""Joiners that join nothing: emoji, Persian and the scripts of India need the others."""
_SURROGATE = re.compile("[\ud800-\udfff]")


def shown(text: str) -> str:
    r"""`text` without what can't be seen: controls, direction overrides, zero-width characters, lone surrogates.

    Line feeds and tabs stay; other line ends become line feeds. Joiners stay within emoji and non-Latin words.

    Examples
    --------
    >>> shown("pay\u200bpal \u202egpj.exe")
    'paypal gpj.exe'
    >>> shown("\x1b[31mred\x1b[0m\r\n")
    '[31mred[0m\n'
    """
    return _JOINERS.sub("", _visible(text))


def _visible(text: str) -> str:
    """All of `shown` but the joiners."""
    if text.isascii():
        return _INVISIBLE.sub("", _NEWLINES.sub("\n", text)) if _CONTROL_ASCII.search(text) else text
    if _SURROGATE.search(text):  # halves of a pair that came apart are joined again
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _INVISIBLE.sub("", _NEWLINES.sub("\n", text))


_CONTROL_ASCII = re.compile("[\x00-\x08\x0b-\x1f\x7f]")


class ShownInPieces:
    r"""`shown` for text that comes in pieces: wherever it is cut, the same comes out.

    >>> pieces = ShownInPieces()
    >>> [pieces.feed("one\r"), pieces.feed("\ntwo\u200d"), pieces.feed("three", final=True)]
    ['one', '\ntwo', 'three']
    """

    def __init__(self) -> None:
        self._raw = self._joiners = self._before = ""

    def feed(self, piece: str, *, final: bool = False) -> str:
        """What `piece` adds, without the characters that only the next one gives a meaning: they wait for it.

        Parameters
        ----------
        piece : str
            What follows the last one.
        final : bool
            Nothing comes after it.
        """
        raw = self._raw + piece
        end = len(raw) - (not final and (raw[-1:] == "\r" or "\ud800" <= raw[-1:] < "\udc00"))
        self._raw = raw[end:]
        text = self._joiners + _visible(raw[:end])
        kept = text if final else text.rstrip("\u200c\u200d")
        self._joiners = text[len(kept) :]
        clean = _JOINERS.sub("", self._before + kept)[len(self._before) :]
        self._before = clean[-1:] or self._before
        return clean


def single_line(text: str, limit: int | None = None) -> str:
    """`text` shown on one line: white space folded, cut at `limit` characters.

    >>> single_line("a\\n  b", 10), single_line("abcdefgh", 4)
    ('a b', 'abc…')
    """
    if limit is not None:
        text = text[: 4 * limit + 1000]
    line = " ".join(shown(text).split())
    return line if limit is None or len(line) <= limit else line[: limit - 1].rstrip() + "…"


def width(text: str) -> int:
    """Columns that `text` takes in a terminal.

    >>> width("déjà"), width("e\u0301"), width("日本")
    (4, 1, 4)
    """
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cut_to_width(text: str, columns: int) -> str:
    """`text`, cut with an ellipsis where it is wider than `columns`.

    >>> cut_to_width("Retrying in 4s…", 10), cut_to_width("ok", 10), cut_to_width("日本語", 4)
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
    """Any value as JSON, whatever is in it: what has no place there stands as its `repr`.

    Parameters
    ----------
    value : object
        A tool's arguments or result.
    indent : int
        Columns of a level; on one line unless given.

    Examples
    --------
    >>> as_json({"path": "a.py", "lines": [1, 2]}), as_json({1, 2}), as_json("half \\ud83d")
    ('{"path":"a.py","lines":[1,2]}', '[1,2]', '"half \\\\ud83d"')
    """
    import msgspec

    try:
        encoded = msgspec.json.encode(value, enc_hook=repr)
        return (msgspec.json.format(encoded, indent=indent) if indent else encoded).decode()
    except UnicodeEncodeError:  # half a surrogate pair
        return json.dumps(value, indent=indent or None, default=repr, skipkeys=True)
    except RecursionError:
        return "(nested too deeply to be shown)"
    except Exception as failure:  # a value of somebody's class, whose own `repr` fails
        return f"({type(value).__name__}: {type(failure).__name__} when it was to be shown)"
