"""The formats of logs that can be read, a line at a time, and the register of them."""

from __future__ import annotations

import difflib
import numbers
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar, get_args, overload

import msgspec

from chatkit.analysis.logs.failure_texts import LENGTH
from chatkit.analysis.logs.record_lines import RECORD_MARKS, wrapped_record
from chatkit.analysis.logs.retry_lines import (
    BOTOCORE_MARKS,
    STAMINA_MARKS,
    TENACITY_MARKS,
    URLLIB3_MARKS,
    botocore_line,
    stamina_line,
    tenacity_line,
    urllib3_line,
)
from chatkit.analysis.logs.sdk_lines import SDK_MARKS, anthropic_line, openai_line
from chatkit.analysis.logs.service_lines import SERVICE_MARKS, SSE_MARKS, service_line, sse_line
from chatkit.errors import KINDS, UsageError
from chatkit.failures.redaction import redact
from chatkit.retries.log import AttemptRecord, Outcome

Fields = Mapping[str, Any]
Parse = Callable[[str], Fields | None]
P = TypeVar("P", bound=Parse)

_SAFE = 2**31 - 1
_YEAR = 366 * 86_400_000
_RANGES = {
    "v": (1, 2**15 - 1),
    "step": (1, _SAFE),
    "attempt": (1, _SAFE),
    "status_code": (100, 999),
    "waited_ms": (0, _YEAR),
    "duration_ms": (0, _YEAR),
    "delay_ms": (0, _YEAR),
    "hint_ms": (0, _YEAR),
}
_WORDS: Mapping[str, tuple[str, ...]] = {"outcome": get_args(Outcome), "kind": KINDS}
_FIELDS = frozenset(AttemptRecord.__struct_fields__)


class Format(msgspec.Struct, frozen=True):
    """How a line of some log is read.

    Attributes
    ----------
    name : str
        What `load_retry_log` calls it.
    parse : callable
        Takes a line and gives the fields of a retry, checked, or None for a line of anything else. It raises ValueError,
        and nothing else, for a line of this format that can't be read.
    marks : tuple of str
        A line that holds none of these is of something else. Empty for a format that has to see every line.
    """

    name: str
    parse: Parse
    marks: tuple[str, ...] = ()


@overload
def register_format(name: str, parse: P, *, marks: Iterable[str] = ()) -> P: ...
@overload
def register_format(name: str, parse: None = None, *, marks: Iterable[str] = ()) -> Callable[[P], P]: ...
def register_format(name: str, parse: P | None = None, *, marks: Iterable[str] = ()) -> P | Callable[[P], P]:
    """Let `load_retry_log` read another log; also as a decorator.

    Parameters
    ----------
    name : str
        What ``format=`` will take. A name that was registered before is replaced; chatkit's own names are taken.
    parse : callable
        Takes one line, without its end, and gives a mapping with the fields of a retry, or None for any other line; a
        ValueError says that the line is damaged, and it is counted as such. The fields are those of
        `chatkit.AttemptRecord`, each optional: ``ts`` (datetime; local time where it has no zone), ``attempt`` (from 1),
        ``delay_ms``, ``waited_ms``, ``duration_ms``, ``hint_ms`` (milliseconds), ``provider``, ``model``, ``call``,
        ``chat``, ``operation``, ``step``, ``outcome``, ``kind``, ``status_code``, ``request_id``, ``error``.
    marks : iterable of str
        Texts one of which every retry's line holds: lines without them are not parsed, which is much faster.

    Returns
    -------
    callable
        `parse` itself.

    Raises
    ------
    UsageError
        The name is taken or no word, `parse` can't be called, or `marks` isn't a list of texts.

    Examples
    --------
    >>> import re
    >>> @register_format("mine", marks=["giving it another go"])
    ... def mine(line):
    ...     found = re.search(r"giving it another go after (\\d+) s: (.*)", line)
    ...     return found and {"delay_ms": int(found[1]) * 1000, "error": found[2], "provider": "mine"}
    >>> line_formats("mine")[0].parse("12:00 giving it another go after 3 s: too busy")
    {'ts': None, 'delay_ms': 3000, 'error': 'too busy', 'provider': 'mine'}
    >>> unregister_format("mine")
    """
    if not isinstance(name, str) or not name.strip() or name != name.strip():
        raise UsageError(f"register_format(): give the format a name, not {name!r}")
    if name == "auto" or name in _BUILT_IN:
        raise UsageError(f"register_format({name!r}): this name is chatkit's own: choose another")
    if isinstance(marks, str):
        raise UsageError(f"register_format({name!r}): give marks as a list of texts, such as [{marks!r}]")
    texts = tuple(marks)
    if not all(isinstance(text, str) and text for text in texts):
        raise UsageError(f"register_format({name!r}): marks are texts that aren't empty")
    if parse is None:
        return lambda given: register_format(name, given, marks=texts)
    if not callable(parse):
        raise UsageError(f"register_format({name!r}): parse takes a line and gives fields or None; this is a {type(parse).__name__}")
    _registered[name] = _format(name, parse, texts)
    return parse


def unregister_format(name: str) -> None:
    """Forget a format that `register_format` was given; one that isn't known is forgotten already."""
    _registered.pop(name, None)


def format_names() -> list[str]:
    """What ``format=`` of `load_retry_log` takes beside ``"auto"``.

    >>> format_names()[:4]
    ['chatkit', 'sse', 'service', 'openai']
    """
    return [*_BUILT_IN, *_registered]


def line_formats(name: str | None = None) -> tuple[Format, ...]:
    """The formats that read a log line by line: all, those that were registered first, or the one of that name.

    Parameters
    ----------
    name : str, optional
        One of `format_names`. That of ``"chatkit"`` is for records within the lines of others: its own are decoded as they are.

    Returns
    -------
    tuple of Format

    Raises
    ------
    UsageError
        No format has that name.
    """
    if name is None:
        return (*_registered.values(), *_BUILT_IN.values())
    found = _registered.get(name) or _BUILT_IN.get(name)
    if found is None:
        near = difflib.get_close_matches(str(name), format_names(), 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"format={name!r}: give 'auto' or one of {', '.join(format_names())}; register_format() adds another.{hint}")
    return (found,)


def checked(fields: object) -> dict[str, Any]:
    """Fields of a retry, fit for a frame: what is wrong raises, what is foreign is redacted, what is unknown is left out.

    Parameters
    ----------
    fields : mapping
        As a format's `parse` gives them.

    Returns
    -------
    dict
        ``ts`` in UTC or None, always there; whole numbers within range; texts on one line of at most 200 characters.

    Raises
    ------
    ValueError
        A field isn't one of `chatkit.AttemptRecord`, or its value is of the wrong type or out of range. The message holds
        no value.

    Examples
    --------
    >>> checked({"attempt": 2, "delay_ms": 1500.0, "error": "no\\nluck", "model": None})
    {'ts': None, 'attempt': 2, 'delay_ms': 1500, 'error': 'no luck'}
    """
    if not isinstance(fields, Mapping):
        raise ValueError(f"a format gives a mapping of fields or None, not a {type(fields).__name__}")
    result: dict[str, Any] = {"ts": _utc(fields.get("ts"))}
    for field, value in fields.items():
        if field not in _FIELDS:
            raise ValueError("a record of an attempt has no field of that name")
        if value is None or field == "ts":
            continue
        result[field] = _number(field, value) if field in _RANGES else _text(field, value)
    return {field: value for field, value in result.items() if value != ""}


def _utc(ts: object) -> datetime | None:
    if ts is None or ts != ts:  # NaT is a datetime
        return None
    if not isinstance(ts, datetime):
        raise ValueError("ts is a datetime or None")
    try:
        utc = ts.astimezone(UTC)  # a naive time is local, as logging writes it
        return datetime.fromtimestamp(utc.timestamp(), UTC) if type(utc) is not datetime else utc
    except (OverflowError, OSError, TypeError) as error:
        raise ValueError("ts is out of range") from error


def _number(field: str, value: object) -> int:
    low, high = _RANGES[field]
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ValueError(f"{field} is a number")
    number: Any = value  # Real has no type that compares
    if not low <= number <= high:  # also what is no number
        raise ValueError(f"{field} lies from {low} to {high}")
    whole = int(round(number))  # noqa: RUF046  # numpy rounds its numbers to its numbers
    if not (field.endswith("_ms") or number == whole):
        raise ValueError(f"{field} is a whole number")
    return whole


def _text(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{field} is a text")
    if field in _WORDS and value not in _WORDS[field]:
        raise ValueError(f"{field} is one of {', '.join(_WORDS[field])}")
    return value if field in _WORDS else redact(value, LENGTH)


def _format(name: str, parse: Parse, marks: tuple[str, ...]) -> Format:
    """A format whose parse raises nothing but ValueError, whatever the line and whoever wrote it."""

    def parse_line(line: str) -> Fields | None:
        if marks and not any(mark in line for mark in marks):
            return None
        try:
            fields = parse(line)
            return None if fields is None else checked(fields)
        except ValueError:
            raise
        except Exception as error:
            raise ValueError(f"the format {name!r} raised {type(error).__name__}") from error

    return Format(name, parse_line, marks)


_BUILT_IN = {
    name: _format(name, parse, marks)
    for name, parse, marks in (
        ("chatkit", wrapped_record, RECORD_MARKS),
        ("sse", sse_line, SSE_MARKS),
        ("service", service_line, SERVICE_MARKS),
        ("openai", openai_line, SDK_MARKS),
        ("anthropic", anthropic_line, SDK_MARKS),
        ("tenacity", tenacity_line, TENACITY_MARKS),
        ("stamina", stamina_line, STAMINA_MARKS),
        ("urllib3", urllib3_line, URLLIB3_MARKS),
        ("botocore", botocore_line, BOTOCORE_MARKS),
    )
}
_registered: dict[str, Format] = {}
