"""The register of the log formats that are read line by line, and the check of what a format returns."""

from __future__ import annotations

import difflib
import numbers
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar, get_args, overload

import msgspec

from chatkit.analysis.logs import retry_lines
from chatkit.analysis.logs.failure_texts import MAX_ERROR_CHARS
from chatkit.analysis.logs.record_lines import wrapped_record
from chatkit.errors import KINDS, UsageError
from chatkit.failures.redaction import redact
from chatkit.retries.log import AttemptRecord, Outcome

Fields = Mapping[str, Any]
Parse = Callable[[str], Fields | None]
P = TypeVar("P", bound=Parse)

_MAX_COUNT = 2**31 - 1
_MAX_MILLISECONDS = 366 * 86_400_000
_RANGES = {
    "v": (1, 2**15 - 1),
    "status_code": (100, 999),
    **dict.fromkeys(("step", "attempt"), (1, _MAX_COUNT)),
    **dict.fromkeys(("waited_ms", "duration_ms", "delay_ms", "hint_ms"), (0, _MAX_MILLISECONDS)),
}
_ALLOWED: Mapping[str, tuple[str, ...]] = {"outcome": get_args(Outcome), "kind": KINDS}


class Format(msgspec.Struct, frozen=True):
    """How a line of some log is read.

    Attributes
    ----------
    name : str
    parse : callable
        Takes a line and returns the fields of a retry, checked, or None for any other line. It raises ValueError, and nothing else,
        for a line of this format that cannot be read.
    marks : tuple of str
        A line that holds none of these texts is not of this format. Empty for a format that has to see every line.
    """

    name: str
    parse: Parse
    marks: tuple[str, ...] = ()


@overload
def register_format(name: str, parse: P, *, marks: Iterable[str] = ()) -> P: ...
@overload
def register_format(name: str, parse: None = None, *, marks: Iterable[str] = ()) -> Callable[[P], P]: ...
def register_format(name: str, parse: P | None = None, *, marks: Iterable[str] = ()) -> P | Callable[[P], P]:
    """Let `load_retry_log` read another log format; also as a decorator.

    Parameters
    ----------
    name : str
        The name that ``format=`` of `load_retry_log` takes. A format that was registered under this name is replaced; the names of
        chatkit's own formats are taken.
    parse : callable
        Takes one line, without its newline, and returns a mapping with the fields of a retry, or None for any other line. It raises
        ValueError for a damaged line, which is counted as such. The fields are those of `chatkit.AttemptRecord`, each
        optional: ``ts`` (datetime; local time where it has no zone), ``attempt`` (from 1), ``delay_ms``, ``waited_ms``,
        ``duration_ms``, ``hint_ms`` (milliseconds), ``provider``, ``model``, ``call``, ``chat``, ``operation``, ``step``,
        ``outcome``, ``kind``, ``status_code``, ``request_id``, ``error``.
    marks : iterable of str
        Texts of which every line of a retry holds at least one. Lines without them are not parsed, which is much faster.

    Returns
    -------
    callable
        `parse` itself.

    Raises
    ------
    UsageError
        The name is taken or empty, `parse` is not callable, or `marks` is not a list of texts.

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
        raise UsageError(f"register_format({name!r}): parse takes a line and returns fields or None; this is a {type(parse).__name__}")
    _registered[name] = _format(name, parse, texts)
    return parse


def unregister_format(name: str) -> None:
    """Remove a format that was given to `register_format`; a name that is not known is ignored."""
    _registered.pop(name, None)


def format_names() -> list[str]:
    """The names that ``format=`` of `load_retry_log` takes besides ``"auto"``.

    >>> format_names()[:4]
    ['chatkit', 'sse', 'service', 'openai']
    """
    return [*_BUILT_IN, *_registered]


def line_formats(name: str | None = None) -> tuple[Format, ...]:
    """The format of that name; or all formats, those that were registered first.

    The format ``"chatkit"`` finds records within the lines of other programs: the lines of chatkit's own log are decoded without it.
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
    """The fields that a format returned, fit for a frame: ``ts`` in UTC or None, texts redacted, whole numbers, nothing that is None.

    Raises ValueError, without quoting a value, for a field that a record does not have, or a value of the wrong type or out of range.

    >>> checked({"attempt": 2, "delay_ms": 1500.0, "error": "no\\nluck", "model": None})
    {'ts': None, 'attempt': 2, 'delay_ms': 1500, 'error': 'no luck'}
    """
    if not isinstance(fields, Mapping):
        raise ValueError(f"a format returns a mapping of fields or None, not a {type(fields).__name__}")
    result: dict[str, Any] = {"ts": _utc(fields.get("ts"))}
    for field, value in fields.items():
        if field not in AttemptRecord.__struct_fields__:
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
    number: Any = value  # the type Real has no comparison
    if not low <= number <= high:  # NaN is refused as well
        raise ValueError(f"{field} lies from {low} to {high}")
    whole = int(round(number))  # noqa: RUF046  # numpy rounds its numbers to its numbers
    if not (field.endswith("_ms") or number == whole):
        raise ValueError(f"{field} is a whole number")
    return whole


def _text(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{field} is a text")
    if field not in _ALLOWED:
        return redact(value, MAX_ERROR_CHARS)
    if value not in _ALLOWED[field]:
        raise ValueError(f"{field} is one of {', '.join(_ALLOWED[field])}")
    return value


def _format(name: str, parse: Parse, marks: tuple[str, ...]) -> Format:
    """A format whose `parse` raises nothing but ValueError, whatever the line is and whoever wrote the function."""

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
        ("chatkit", wrapped_record, ("duration_ms",)),
        ("sse", retry_lines.event_line, ('"retry"', '"retrying_at"', '"retryingAt"')),
        ("service", retry_lines.service_line, ("retrying LLM stream",)),
        ("openai", partial(retry_lines.sdk_line, anthropic=False), ("Retrying request ",)),
        ("anthropic", partial(retry_lines.sdk_line, anthropic=True), ("Retrying request ",)),
        ("tenacity", retry_lines.tenacity_line, (" seconds as it raised", " seconds as it returned")),
        ("stamina", retry_lines.stamina_line, ("stamina.retry_scheduled",)),
        ("urllib3", retry_lines.urllib3_line, ("after connection broken by ", "Retry: ")),
        ("botocore", retry_lines.botocore_line, ("Retry needed, ",)),
    )
}
"""A new format is a function in `retry_lines` and a line here: its name, the function, and texts of which every retry holds one."""
_registered: dict[str, Format] = {}
