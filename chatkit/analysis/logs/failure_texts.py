"""Failures of which a log has only the text: what an exception said, its ``repr``, or its class and what it said."""

from __future__ import annotations

import ast
import builtins
import re
from functools import lru_cache
from typing import Any

from chatkit.failures.classification import classify
from chatkit.failures.redaction import redact

MAX_ERROR_CHARS = 200
"""The length to which a row cuts a text that chatkit did not write."""
_MAX_TEXT_CHARS = 4_000
"""The part of a text that is classified."""
_CLASS = r"[A-Za-z_]\w{0,79}"
_REPR = re.compile(rf"({_CLASS})\((.*)\)\W{{0,2}}", re.S)
_CLASS_AND_TEXT = re.compile(rf"((?:{_CLASS}\.){{0,8}})({_CLASS}):(?:\s(.*))?", re.S)
_INNER_CLASS = re.compile(r"(?<![\w.])([A-Z]\w{0,79})\(")
_MEMORY_ADDRESS = re.compile(r" (?:object )?at 0x[0-9a-fA-F]{4,16}")


def failure_of_text(text: str, class_name: str = "") -> dict[str, Any]:
    """The fields ``kind``, ``error`` (redacted) and ``status_code`` of a record, as far as a text or the name of a class tells them.

    >>> failure_of_text("ConnectionResetError(104, 'Connection reset by peer')")
    {'kind': 'network', 'error': "ConnectionResetError: 104, 'Connection reset by peer'"}
    >>> failure_of_text("RateLimitError: Error code: 429 - {'error': {'message': 'Rate limit reached'}}")["status_code"]
    429
    """
    text = text.strip()[:_MAX_TEXT_CHARS]
    return dict(_failure(text, class_name)) if text or class_name else {}


@lru_cache(maxsize=4096)
def _failure(text: str, class_name: str) -> dict[str, Any]:
    module = ""
    if not class_name:
        if found := _REPR.fullmatch(text):
            class_name, text = found[1], _only_text(found[2])
        elif found := _CLASS_AND_TEXT.fullmatch(text):
            module, class_name, text = found[1], found[2], found[3] or ""
    inner = tuple(dict.fromkeys(_INNER_CLASS.findall(text)))[:3]
    failure = classify(_stand_in(class_name or "Exception", text, module, inner), provider="of the log")  # which one, it doesn't say
    error = redact(_MEMORY_ADDRESS.sub("", ": ".join(filter(None, (class_name, text)))), MAX_ERROR_CHARS)
    fields = {"kind": failure.kind, "error": error, "status_code": failure.status_code}
    return {name: value for name, value in fields.items() if value}


def _only_text(arguments: str) -> str:
    """The arguments of an exception; only the text, without quotes, where they are one text."""
    try:
        value = ast.literal_eval(arguments) if arguments[:1] in tuple("\"'") else arguments
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return arguments
    return value if isinstance(value, str) else arguments


class _StandIn:
    """Gives an exception the text that was logged."""

    logged_text = ""

    def __str__(self) -> str:
        return self.logged_text


def _stand_in(class_name: str, text: str, module: str = "", inner: tuple[str, ...] = ()) -> Exception:
    """An exception with this name and text, which is classified as the one that was logged."""
    kind = _class_called(class_name, module)
    error = kind.__new__(kind)
    error.args = tuple(_stand_in(name, "") for name in inner if name != class_name)
    error.logged_text = text  # type: ignore[attr-defined]  # an attribute of _StandIn, from which the class derives
    return error


@lru_cache(maxsize=1024)
def _class_called(name: str, module: str) -> type[Exception]:
    known = getattr(builtins, name, None) if module in ("", "builtins.") else None
    if not (isinstance(known, type) and issubclass(known, Exception)) or issubclass(known, BaseExceptionGroup):
        return type(name, (_StandIn, Exception), {"__module__": module})
    return type(name, (_StandIn, known), {"__module__": known.__module__})
