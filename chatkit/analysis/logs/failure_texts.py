"""Failures that a log tells in words: an exception's text, its ``repr``, a class and what it says."""

from __future__ import annotations

import ast
import builtins
import re
from functools import lru_cache
from typing import Any

from chatkit.failures.classification import classify
from chatkit.failures.redaction import redact

TEXT = 4_000
LENGTH = 200
"""Characters of a text of others that a row holds at most."""
_CLASS = r"[A-Za-z_]\w{0,79}"
_REPR = re.compile(rf"({_CLASS})\((.*)\)\W{{0,2}}", re.S)
_NAMED = re.compile(rf"(?:{_CLASS}\.){{0,8}}({_CLASS}):(?:\s(.*))?", re.S)
_INNER = re.compile(r"(?<![\w.])([A-Z]\w{0,79})\(")
_ADDRESS = re.compile(r" (?:object )?at 0x[0-9a-fA-F]{4,16}")


def told_failure(text: str, class_name: str = "") -> dict[str, Any]:
    """What a log says of a failure, as the fields of a record.

    Parameters
    ----------
    text : str
        ``ReadTimeoutError("…")``, ``ValueError: no number``, or what an exception said.
    class_name : str
        The exception's class, where it isn't in the text.

    Returns
    -------
    dict
        ``kind``, ``error`` (redacted, at most 200 characters) and ``status_code`` where a text names one; nothing for no text.

    Examples
    --------
    >>> told_failure("ConnectionResetError(104, 'Connection reset by peer')")
    {'kind': 'network', 'error': "ConnectionResetError: 104, 'Connection reset by peer'"}
    >>> told_failure("RateLimitError: Error code: 429 - {'error': {'message': 'Rate limit reached'}}")["status_code"]
    429
    """
    text = text.strip()[:TEXT]
    return dict(_told(text, class_name)) if text or class_name else {}


@lru_cache(maxsize=4096)
def _told(text: str, class_name: str) -> dict[str, Any]:
    said = text
    if not class_name:
        if found := _REPR.fullmatch(text):
            class_name, said = found[1], _plain(found[2])
        elif found := _NAMED.fullmatch(text):
            class_name, said = found[1], found[2] or ""
    failure = classify(_stand_in(class_name or "Exception", said, tuple(dict.fromkeys(_INNER.findall(said)))[:3]))
    words = ": ".join(filter(None, (class_name, said)))
    fields = {"kind": failure.kind, "error": redact(_ADDRESS.sub("", words), LENGTH), "status_code": failure.status_code}
    return {name: value for name, value in fields.items() if value}


def _plain(arguments: str) -> str:
    """What an exception said, where its ``repr`` shows one text."""
    try:
        value = ast.literal_eval(arguments) if arguments[:1] in tuple("\"'") else arguments
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return arguments
    return value if isinstance(value, str) else arguments


class _Told:
    """What an exception of which only the words are left says of itself."""

    said = ""

    def __str__(self) -> str:
        return self.said


def _stand_in(class_name: str, said: str, inner: tuple[str, ...] = ()) -> Exception:
    """An exception with that name and text, so that it is classified as the one that was logged."""
    kind = _class_called(class_name)
    error = kind.__new__(kind)
    error.args = tuple(_stand_in(name, "") for name in inner if name != class_name)
    error.said = said  # type: ignore[attr-defined]  # of _Told, which the class is made of
    return error


@lru_cache(maxsize=1024)
def _class_called(name: str) -> type[Exception]:
    known = getattr(builtins, name, Exception)
    if not (isinstance(known, type) and issubclass(known, Exception)) or issubclass(known, BaseExceptionGroup):
        known = Exception
    return type(name, (_Told, known), {"__module__": known.__module__})
