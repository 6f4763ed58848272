"""The values that a text holds: JSON anywhere in it, also as Python's ``repr`` spells it, and the data of server-sent events."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from chatkit.sse import SseDecoder

DOCUMENTS = 64
MISSES = 6
"""Brackets that begin nothing, before the search is given up."""

_QUOTED = re.compile(r"""'((?:[^'\\]|\\.)*+)(?:'|\\?\Z)|"((?:[^"\\]|\\.)*+)(?:"|\\?\Z)|\b(?:True|False|None)\b""", re.S)


def event_values(text: str) -> Iterator[object]:
    """The data of server-sent events, parsed; an event called ``error`` counts also where its data is no JSON."""
    decoder = SseDecoder()
    events = decoder.feed(text.encode("utf-8", "replace") + b"\n\n")
    for event in [*events[:40], *events[40:][-40:]]:
        try:
            yield json.loads(event.data)
        except (ValueError, RecursionError):
            if event.event == "error":
                yield {"error": event.data.decode("utf-8", "replace")}


_decoder = json.JSONDecoder(strict=False)


def documents_in(text: str) -> tuple[list[Any], int]:
    """The objects, and lists of objects, in a text, and where the first begins.

    >>> documents_in("Error code: 429 - {'error': {'code': None}}")
    ([{'error': {'code': None}}], 18)
    """
    found: list[Any] = []
    start, at, misses = len(text), 0, 0
    while len(found) < DOCUMENTS and misses < MISSES:
        at = min((p for p in (text.find("{", at), text.find("[", at)) if p >= 0), default=-1)
        if at < 0:
            break
        try:
            document, end = _decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            quoted = text[at + 1 : at + 40].lstrip(" \n\t[{").startswith("'")
            document = _python_document(text[at:]) if quoted else None
            end = at + 1 if document is None else len(text)
        objects = document if isinstance(document, list) else [document]
        if any(isinstance(value, dict) and value for value in objects):
            start = min(start, at)
            found.append(document)
        else:
            misses += 1
        at = end
    return found, start


def _python_document(text: str) -> Any:
    """A dict or list as Python's ``repr`` spells it; None where it isn't one."""
    try:
        return _decoder.raw_decode(_QUOTED.sub(_as_json, text))[0]
    except (ValueError, RecursionError):
        return None


_WORDS_OF_PYTHON = {"True": "true", "False": "false", "None": "null"}
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|.)|\"", re.S)


def _as_json(found: re.Match[str]) -> str:
    inner = found[1] if found[1] is not None else found[2]
    return _WORDS_OF_PYTHON[found[0]] if inner is None else f'"{_ESCAPE.sub(_json_escape, inner)}"'


def _json_escape(found: re.Match[str]) -> str:
    match found[1]:
        case None:
            return '\\"'
        case "'":
            return "'"
        case code if len(code) == 3:
            return "\\u00" + code[1:]
        case _:
            return found[0]
