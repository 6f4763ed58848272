"""What loggers and collectors write around a message: a prefix, JSON, colours, ``key=value``; and the time in it."""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

_COLOURS = re.compile(r"\x1b\[[0-9;:]*[A-Za-z]|\x1b\]8;[^\x1b\x07]*(?:\x1b\\|\x07)")  # the second: links, as rich writes them
_MESSAGE_KEYS = ("message", "msg", "event", "log", "textPayload", "MESSAGE", "line")
"""The first three of logging, slog and structlog, then those of docker, Cloud Logging, journald and Loki."""
_LOGGER_KEYS = ("logger", "logger_name", "name", "log.logger")
"""Of structlog, logstash, logging and Elastic."""
_TIME_KEYS = ("timestamp", "@timestamp", "asctime", "time", "ts", "created", "date", "__REALTIME_TIMESTAMP")
_KEY = re.compile(r"(?:^|(?<=\s))([A-Za-z_][\w.]*)=")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"' + r"|'(?:[^'\\]|\\.)*'", re.S)
_TOKEN = re.compile(_QUOTED.pattern + r"|\\.|[()\[\]{}]|[^\"'()\[\]{}\\]+|.", re.S)
_SPACE = re.compile(r"\s")
_COLLECTED = re.compile(r"(?:\S{20,40} std(?:out|err) [FP]|[\w.-]{1,80} +\||\[pod/\S{1,200}\]) ")
"""What Kubernetes (CRI), docker compose and kubectl put before each line."""
_MAX_PREFIX_CHARS = 600
"""The text before a message in which its time and its logger are searched for."""

_CLOCK = r"(?:[01]\d|2[0-3]):\d\d:\d\d"
_ZONE_NAMES = r"A?[ECMP][SD]T|[CEW]ES?T|[BHIJK]ST|NZ[SD]T|MSK"
"""Names that several time zones have."""
_OFFSET = rf"(?:Z|UTC|GMT|{_ZONE_NAMES})\b|[+-]\d\d:?\d\d(?!\d)|(?<=\d)[+-]\d\d(?![\d:-])"
_CLOCK_AND_OFFSET = rf"({_CLOCK}(?:[.,]\d{{1,9}})?)(?: ?({_OFFSET}))?(?!\d)"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = "|".join(_MONTHS)
_ISO = re.compile(rf"(?<!\d)(\d{{4}})([-/])(\d\d)\2(\d\d)[T ]{_CLOCK_AND_OFFSET}")
_NAMED_MONTH = re.compile(rf"(?<!\d)(\d\d)([ /-])({_MONTH})\2(20\d\d)[ :]{_CLOCK_AND_OFFSET}")  # Django: 20/Nov/2026 13:00:00
_LAYOUTS = (
    (re.compile(rf"\b(?:{_MONTH}) [ \d]\d {_CLOCK} 20\d\d(?![\d-])"), "%b %d %H:%M:%S %Y"),  # ctime: Fri Nov 20 13:00:00 2026
    (re.compile(rf"(?<!\d)\d\d/\d\d/\d\d {_CLOCK}(?!\d| [AP]M)"), "%m/%d/%y %H:%M:%S"),  # rich: 11/20/26 13:00:00
    (re.compile(rf"(?<!\d)\d\d/\d\d/20\d\d {_CLOCK} [AP]M\b"), "%m/%d/%Y %I:%M:%S %p"),  # the logging HOWTO: 11/20/2026 01:00:00 PM
)
"""Without AM or PM, a year of four digits may stand after the day and the month as well as after the month and the day."""
_EPOCH_NUMBER = re.compile(r"\d{9,20}(?:\.\d{1,9})?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_UNITS = ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0), (1e20, 1e-3))
"""A number below the first is a time since 1970 in units of so many microseconds: in seconds until the year 5138."""


class LogLine(msgspec.Struct, frozen=True):
    """One line, taken apart: of JSON, of ``key=value``, or of text.

    Attributes
    ----------
    message : str
        The message where it is a field; else the whole line, in which the message is to be searched for.
    fields : dict
        The fields of JSON as they were decoded, or of ``key=value`` as text; empty for a line of text.
    outside : str
        What stood before the line that the program wrote, or before its JSON.
    """

    message: str
    fields: dict[str, Any] = {}
    outside: str = ""

    @property
    def logger(self) -> str:
        """The logger's name, where a field holds it, or a field within ``logger`` or ``log`` (Datadog, Elastic); else nothing."""
        inner = (one for key in ("logger", "log") if isinstance(one := self.fields.get(key), dict))
        return next((name for fields in (self.fields, *inner) for key in _LOGGER_KEYS if isinstance(name := fields.get(key), str)), "")

    def around(self, start: int, end: int) -> str:
        """The text of the line on both sides of the message that was found from `start` to `end`."""
        after = self.message[end : end + _MAX_PREFIX_CHARS]
        return " ".join((self.outside, self.logger, self._before(start), after))

    def moment(self, start: int) -> datetime | None:
        """The time at which the line was written, in UTC, where the message begins at `start`."""
        return first_moment((*(value for key, value in self.fields.items() if key in _TIME_KEYS), self._before(start), self.outside))

    def _before(self, start: int) -> str:
        return self.message[max(0, start - _MAX_PREFIX_CHARS) : start]


def read_log_line(line: str) -> LogLine:
    """A line taken apart: in JSON, in JSON behind a prefix or within the JSON of a container's log, or any text. It never raises.

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
        opened = _key_value_line(found.message) or _json_line(found.message)
        if opened is None:
            break
        message = _uncoloured(opened.message).strip()
        found = LogLine(message, _merged(found.fields, opened.fields), f"{found.outside} {opened.outside}".strip())
    return found


def _uncoloured(text: str) -> str:
    return _COLOURS.sub("", text) if "\x1b" in text else text


def _json_line(text: str) -> LogLine | None:
    """A line of JSON that has a message; None for any other."""
    if (found := json_in(text)) is None or (message := _message_in(found[1])) is None:
        return None
    return LogLine(*message, found[0][-_MAX_PREFIX_CHARS:])


def _message_in(fields: dict[str, Any], depth: int = 1) -> tuple[str, dict[str, Any]] | None:
    """The message among the fields or within one of them (Cloud Logging, loguru), and the fields with those that stand beside it."""
    for key in _MESSAGE_KEYS:
        if isinstance(message := fields.get(key), str) and message:
            return message, fields
    for inner in fields.values() if depth else ():
        if isinstance(inner, dict) and (found := _message_in(inner, depth - 1)):
            return found[0], _merged(fields, found[1])
    return None


def _merged(outer: dict[str, Any], inner: dict[str, Any]) -> dict[str, Any]:
    """All fields, first those of the program itself, which hide a collector's fields of the same name."""
    return {**inner, **outer, **inner}


def _key_value_line(text: str) -> LogLine | None:
    """A line of nothing but ``key=value``, of which one is the message; None for any other."""
    if _KEY.match(text) is None:
        return None
    pairs = dict(key_values(text))
    message = next((pairs[key] for key in _MESSAGE_KEYS if key in pairs), None)
    return None if message is None else LogLine(message, pairs)


def json_in(text: str) -> tuple[str, dict[str, Any]] | None:
    """The text before a JSON object at the end of a text, and the object; None where there is none.

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
        for token in _TOKEN.finditer(text, start):
            depth += (token[0] in tuple("([{")) - (token[0] in tuple(")]}"))
            if depth == 0:
                return token.end()
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


def first_moment(values: Iterable[object]) -> datetime | None:
    """The first time in the values, in UTC: one with an offset before one without, which is local time.

    >>> first_moment(["no time", "2026-11-20T12:00:00+02:00"])
    datetime.datetime(2026, 11, 20, 10, 0, tzinfo=datetime.timezone.utc)
    """
    found = [moment for value in values for moment in moments_in(value)]
    for moment in (*(m for m in found if m.tzinfo), *found):
        with suppress(OverflowError, OSError, ValueError):  # the ends of the calendar; what the operating system cannot convert
            return moment.astimezone(UTC)
    return None


def moments_in(value: object) -> list[datetime]:
    """The times in a text, or the time that a number of seconds, milliseconds, micro- or nanoseconds since 1970 stands for.

    A number may be written as text, and a time may stand in an object of JSON, as loguru writes it. A time that has an offset is aware.

    >>> moments_in("2026-11-20 12:00:00,250 - INFO"), moments_in(1795176000)
    ([datetime.datetime(2026, 11, 20, 12, 0, 0, 250000)], [datetime.datetime(2026, 11, 20, 12, 0, tzinfo=datetime.timezone.utc)])
    """
    if isinstance(value, Mapping):
        return [moment for part in value.values() if not isinstance(part, Mapping) for moment in moments_in(part)]
    if isinstance(value, str):
        if not _EPOCH_NUMBER.fullmatch(value):
            return list(_moments_in_text(value))
        value = float(value) if "." in value else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _EPOCH_UNITS[-1][0]:
        return []
    unit = next(unit for limit, unit in _EPOCH_UNITS if value < limit)
    return [_EPOCH + timedelta(microseconds=round(value * unit))]


def _moments_in_text(text: str) -> Iterator[datetime]:
    dated = [(f"{year}-{month}-{day}", *rest) for year, _, month, day, *rest in _ISO.findall(text)]
    dated += [(f"{year}-{_MONTHS.index(month) + 1:02}-{day}", *rest) for day, _, month, year, *rest in _NAMED_MONTH.findall(text)]
    for date, clock, offset in dated:
        if offset in ("UTC", "GMT"):
            offset = "Z"
        elif offset in time.tzname:
            offset = ""  # local time
        with suppress(ValueError):  # also the name of a zone that is not this machine's: it may stand for several
            yield datetime.fromisoformat(f"{date}T{clock}{offset}")
    for pattern, layout in _LAYOUTS:
        for found in pattern.findall(text):
            with suppress(ValueError):
                yield datetime.strptime(found, layout)
