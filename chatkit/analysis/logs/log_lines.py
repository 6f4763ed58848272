"""What logging and structlog write around a message: a prefix, JSON, colours, ``key=value``."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from chatkit.analysis.logs.moments import first_moment

_COLOURS = re.compile(r"\x1b\[[0-9;:]*[A-Za-z]|\x1b\]8;[^\x1b\x07]*(?:\x1b\\|\x07)")
_MESSAGES = ("message", "msg", "event", "log")
_OF_COLLECTORS = ("textPayload", "MESSAGE", "line")
"""Keys of messages that Cloud Logging, journald and Loki add."""
_LOGGERS = ("logger", "logger_name", "name", "log.logger")
_TIMES = ("timestamp", "@timestamp", "asctime", "time", "ts", "created", "datetime", "date", "__REALTIME_TIMESTAMP")
_KEY = re.compile(r"(?:^|(?<=\s))([A-Za-z_][\w.]*)=")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"' + r"|'(?:[^'\\]|\\.)*'", re.S)
_PIECE = re.compile(_QUOTED.pattern + r"|[()\[\]{}]|[^\"'()\[\]{}]+|.", re.S)
_SPACE = re.compile(r"\s")
_COLLECTED = re.compile(r"(?:\S{20,40} std(?:out|err) [FP]|[\w.-]{1,80} +\||\[pod/\S{1,200}\]) ")
"""What Kubernetes, Compose and kubectl put before each line."""
_BEFORE = 600
"""Characters before a message in which its time and its logger are looked for."""


class LogLine(msgspec.Struct, frozen=True):
    """One line, taken apart: of JSON, of ``key=value``, or of text.

    Attributes
    ----------
    message : str
        The message where it is a field; else the whole line, in which the message is to be searched for.
    fields : dict
        What the line has by name, of JSON as it was decoded, else as text; empty for a line of text.
    outside : str
        What stood before the line that the program wrote, or before its JSON.
    """

    message: str
    fields: dict[str, Any] = {}
    outside: str = ""

    @property
    def logger(self) -> str:
        """The logger's name, where a field says it, or one within ``logger`` or ``log``, else nothing."""
        inner = (one for key in ("logger", "log") if isinstance(one := self.fields.get(key), dict))
        return next((name for fields in (self.fields, *inner) for key in _LOGGERS if isinstance(name := fields.get(key), str)), "")

    def around(self, start: int, end: int) -> str:
        """What the line says beside the message that was found there."""
        return " ".join((self.outside, self.logger, self.message[max(0, start - _BEFORE) : start], self.message[end : end + _BEFORE]))

    def moment(self, start: int) -> datetime | None:
        """When it was written, UTC, where the message begins at `start`."""
        before = self.message[max(0, start - _BEFORE) : start]
        return first_moment((*(value for key, value in self.fields.items() if key in _TIMES), before, self.outside))


def read_log_line(line: str) -> LogLine:
    """Take a line apart.

    Parameters
    ----------
    line : str
        With or without its end; in JSON, in JSON behind a prefix or within the JSON of a container's log, or any text.

    Returns
    -------
    LogLine
        Never raises.

    Examples
    --------
    >>> line = read_log_line('INFO:app:{"event": "hello", "logger": "openai", "timestamp": "2026-11-20T12:00:00Z"}')
    >>> line.message, line.logger, line.moment(0).isoformat()
    ('hello', 'openai', '2026-11-20T12:00:00+00:00')
    >>> read_log_line("2026-11-20T12:00:00+01:00 hello").moment(26).hour
    11
    """
    text = _uncoloured(line).strip("\ufeff \t\r\n")
    before = prefix.end() if (prefix := _COLLECTED.match(text)) else 0
    found = LogLine(text[before:], outside=text[:before].strip())
    for _ in range(3):  # a collector's log holds a container's, which holds the line of the program
        opened = _spelled_out(found.message) or _json_line(found.message)
        if opened is None:
            break
        message = _uncoloured(opened.message).strip()
        found = LogLine(message, _over(found.fields, opened.fields), f"{found.outside} {opened.outside}".strip())
    return found


def _uncoloured(text: str) -> str:
    return _COLOURS.sub("", text) if "\x1b" in text else text


def _json_line(text: str) -> LogLine | None:
    """A line of JSON that has a message; None for any other."""
    found = json_in(text)
    said = _said_in(found[1]) if found else None
    return LogLine(*said, found[0][-_BEFORE:]) if found and said else None


def _said_in(fields: dict[str, Any], depth: int = 1) -> tuple[str, dict[str, Any]] | None:
    """The message among the fields, or within one of them, and the fields with those that stand beside it."""
    for key in (*_MESSAGES, *_OF_COLLECTORS):
        if isinstance(message := fields.get(key), str) and message:
            return message, fields
    for inner in fields.values() if depth else ():
        if isinstance(inner, dict) and (said := _said_in(inner, depth - 1)):
            return said[0], _over(fields, said[1])
    return None


def _over(outer: dict[str, Any], inner: dict[str, Any]) -> dict[str, Any]:
    """All fields; those of the program itself come first, and hide a collector's of the same name."""
    return {**inner, **outer, **inner}


def _spelled_out(text: str) -> LogLine | None:
    """A line that is nothing but ``key=value``, the message among them; None for any other."""
    if _KEY.match(text) is None:
        return None
    pairs = dict(key_values(text))
    message = next((pairs[key] for key in _MESSAGES if key in pairs), None)
    return None if message is None else LogLine(message, pairs)


def json_in(text: str) -> tuple[str, dict[str, Any]] | None:
    """The object of JSON in which a text ends, and what stands before it; None where there is none.

    >>> json_in('stderr {"a": 1}'), json_in("{no}")
    (('stderr ', {'a': 1}), None)
    """
    start = text.find("{")
    if start < 0 or not text.rstrip().endswith("}"):
        return None
    try:
        value = msgspec.json.decode(text[start:])
    except (ValueError, RecursionError):  # ValueError: msgspec's own errors, and lone surrogates
        return None
    return (text[:start], value) if isinstance(value, dict) else None


def key_values(text: str) -> Mapping[str, str]:
    """The ``key=value`` pairs of a line as structlog's and logfmt's renderers write them; quoted values without quotes.

    >>> dict(key_values("12:00 [warning] event  args=('a b=1',) caused_by=\\"ValueError('x y')\\" retry_num=1"))
    {'args': "('a b=1',)", 'caused_by': "ValueError('x y')", 'retry_num': '1'}
    """
    pairs: dict[str, str] = {}
    place = 0
    while (key := _KEY.search(text, place)) is not None:
        place = _end_of_value(text, key.end())
        pairs[key[1]] = _unquoted(text[key.end() : place])
    return pairs


def _end_of_value(text: str, start: int) -> int:
    if quoted := _QUOTED.match(text, start):
        return quoted.end()
    if text[start : start + 1] in tuple("([{"):
        depth = 0
        for piece in _PIECE.finditer(text, start):
            depth += (piece[0] in tuple("([{")) - (piece[0] in tuple(")]}"))
            if depth == 0:
                return piece.end()
        return len(text)
    space = _SPACE.search(text, start)
    return space.start() if space else len(text)


def _unquoted(value: str) -> str:
    if len(value) < 2 or value[0] not in "\"'" or value[-1] != value[0]:
        return value
    try:
        return str(ast.literal_eval(value))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value[1:-1]
