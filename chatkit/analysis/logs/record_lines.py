"""chatkit's own lines: strictly what the log writes, also that of older and newer versions, and why a line isn't."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC
from operator import attrgetter
from typing import Annotated, Any

import msgspec
import numpy as np

from chatkit.analysis.columns import LEAST_TS, MOST_MS, MOST_TS, Coded, Values, ticks
from chatkit.analysis.logs.log_lines import read_log_line
from chatkit.retries.log import VERSION, AttemptRecord


def _between(dtype: Any) -> msgspec.Meta:
    return msgspec.Meta(ge=int(np.iinfo(dtype).min), le=int(np.iinfo(dtype).max))


RECORD_MARKS = ("duration_ms",)
Short = Annotated[int, _between(np.int16)]
Long = Annotated[int, _between(np.int32)]
Milliseconds = Annotated[int, msgspec.Meta(ge=-MOST_MS, le=MOST_MS)]


class Row(AttemptRecord, frozen=True, kw_only=True, gc=False):
    """A record with numbers that the columns can hold."""

    v: Short = VERSION
    step: Long | None = None
    attempt: Long
    waited_ms: Milliseconds = 0
    duration_ms: Milliseconds
    delay_ms: Milliseconds | None = None
    hint_ms: Milliseconds | None = None
    status_code: Short | None = None


_Newer: Any = msgspec.defstruct("_Newer", [("outcome", str), ("kind", str | None, None)], bases=(Row,), frozen=True, kw_only=True)
"""A record of a version to come, which may know more words."""

_decoder = msgspec.json.Decoder(Row)
read_row = _decoder.decode
_read_plain = msgspec.json.Decoder(AttemptRecord).decode
_read_newer = msgspec.json.Decoder(_Newer).decode
_WORDS = re.compile(r"Invalid enum value .* - at `\$\.(\w+)`", re.DOTALL)
_PLAIN = re.compile(
    r"Object missing required field `\w+`"
    r"|Expected `[a-z |]+`(?:, got `\w+`| [<>=]+ [-\d.e+]+)(?: - at `\$\.\w+`)?"
    r"|Invalid RFC3339 encoded datetime - at `\$\.\w+`"
)
"""What msgspec says without a word of the line."""


def read_rows(text: bytes) -> list[Row] | None:
    """The records of some lines at once, which is faster; None unless each line is one record, from its first byte to its last."""
    codes = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(codes == ord("\n"))
    if not (text.startswith(b"{") and text.endswith(b"}") and (codes[ends - 1] == ord("}")).all() and (codes[ends + 1] == ord("{")).all()):
        return None
    try:
        rows = _decoder.decode_lines(text)
    except (ValueError, RecursionError):
        return None
    return rows if len(rows) == len(ends) + 1 else None  # nowhere in JSON does "}", newline, "{" stand but between two values


def read_record(line: bytes) -> Row:
    """The record of a line; slower than `read_row`, and the last word.

    Raises
    ------
    ValueError, RecursionError
        It is none; `reason_of` tells why.
    """
    try:
        row: Row = read_row(line)
    except msgspec.ValidationError as error:
        try:
            row = msgspec.convert(_read_plain(line), Row, from_attributes=True)  # a field that a splice tells twice counts as told last
        except msgspec.ValidationError:
            row = _of_newer(_read_newer(line), error)
    return _in_time(row)


def read_value(value: Any) -> Row:
    """The same of a dict or a record. Errors as in `read_record`."""
    plain = msgspec.structs.asdict(value) if isinstance(value, AttemptRecord) else value
    try:
        row = msgspec.convert(plain, Row)
    except msgspec.ValidationError as error:
        row = _of_newer(msgspec.convert(plain, _Newer), error)
    return _in_time(row)


def wrapped_record(line: str) -> dict[str, Any] | None:
    """The record within a line of a container's or a collector's log; None for a bare one, which is damaged if it isn't read as it is.

    >>> wrapped_record('{"log": "{\\"v\\": 1}\\n", "stream": "stderr"}'), wrapped_record('{"v": 1, "duration_ms": 3}')
    (None, None)
    """
    message = read_log_line(line).message
    inner = message.encode("utf-8", "replace")
    if message == line.strip("\ufeff \t\r\n") or not may_be_record(inner):
        return None
    row = read_record(inner)
    return {**msgspec.structs.asdict(row), "ts": row.ts if row.ts.tzinfo else row.ts.replace(tzinfo=UTC)}


def may_be_record(line: bytes) -> bool:
    """Whether it is worth decoding, at a glance: it has a field that every record has, or spells it with escapes."""
    return b'"duration_ms"' in line or (b"\\u" in line and line.lstrip().startswith(b"{"))


_SINGLE = {field: attrgetter(field) for field in ("ts", "call", "chat", "request_id")}
_COUNTED = {field: attrgetter(field) for field in ("attempt", "waited_ms", "duration_ms")}
_TOGETHER = [
    (fields, attrgetter(*fields))
    for fields in (
        ("v", "operation", "provider", "model", "step"),
        ("outcome", "delay_ms", "hint_ms", "kind", "status_code", "error"),
    )
]
"""Fields whose values repeat from line to line as one: few different sets of them occur, and each is converted once."""


class _Numbers(dict[Any, int]):
    """Things, numbered as they come."""

    def __missing__(self, key: Any) -> int:
        number = self[key] = len(self)
        return number


def fields_of(rows: Sequence[Row]) -> dict[str, Values]:
    """The values sorted by field."""
    if not rows:
        return {}
    fields: dict[str, Values] = {field: list(map(get, rows)) for field, get in _SINGLE.items()}
    fields |= {field: np.fromiter(map(get, rows), np.int64, len(rows)) for field, get in _COUNTED.items()}
    for names, get in _TOGETHER:
        numbers = _Numbers()
        codes = np.fromiter(map(numbers.__getitem__, map(get, rows)), np.int32, len(rows))
        fields |= {name: Coded(values, codes) for name, values in zip(names, zip(*numbers, strict=True), strict=True)}
    return fields


def reason_of(error: BaseException) -> str:
    """Why a line is no record, without a word of the line."""
    text = str(error)
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(error, msgspec.ValidationError):
        if unknown := _WORDS.fullmatch(text):
            return f"an unknown word in `{unknown[1]}`"
        return text if _PLAIN.fullmatch(text) else "not a record"
    if text.startswith("Input data was truncated"):
        return "cut off"
    return "more than one value on the line" if "trailing characters" in text else "not JSON"


def _of_newer(row: Any, error: msgspec.ValidationError) -> Row:
    if row.v <= VERSION:
        raise error
    return Row(**msgspec.structs.asdict(row))


def _in_time(row: Row) -> Row:
    if not LEAST_TS <= ticks(row.ts) <= MOST_TS:
        raise msgspec.ValidationError("Invalid RFC3339 encoded datetime - at `$.ts`")  # its zone carries it out of the years that there are
    return row
