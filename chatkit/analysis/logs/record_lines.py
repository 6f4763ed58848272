"""The lines of chatkit's own log, of this version, older and newer ones; and why a line is not such a line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC
from operator import attrgetter
from typing import Annotated, Any

import msgspec
import numpy as np

from chatkit.analysis.columns import MAX_MS, MAX_TS, MIN_TS, Coded, Values, microseconds_of
from chatkit.analysis.logs.log_lines import read_log_line
from chatkit.retries.log import VERSION, AttemptRecord

_Int16 = Annotated[int, msgspec.Meta(ge=-(2**15), lt=2**15)]
_Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]
_Milliseconds = Annotated[int, msgspec.Meta(ge=-MAX_MS, le=MAX_MS)]


class RecordRow(AttemptRecord, frozen=True, kw_only=True, gc=False):
    """A record whose numbers fit into the columns of the frame."""

    v: _Int16 = VERSION
    step: _Int32 | None = None
    attempt: _Int32
    waited_ms: _Milliseconds = 0
    duration_ms: _Milliseconds
    delay_ms: _Milliseconds | None = None
    hint_ms: _Milliseconds | None = None
    status_code: _Int16 | None = None


_NewerRow: Any = msgspec.defstruct(
    "_NewerRow", [("outcome", str), ("kind", str | None, None)], bases=(RecordRow,), frozen=True, kw_only=True
)
"""A record of a version to come, which may have other outcomes and kinds."""

_decoder = msgspec.json.Decoder(RecordRow)
_decode = _decoder.decode
_decode_plain = msgspec.json.Decoder(AttemptRecord).decode
_decode_newer = msgspec.json.Decoder(_NewerRow).decode
_UNKNOWN_WORD = re.compile(r"Invalid enum value .* - at `\$\.(\w+)`", re.DOTALL)
_SAFE_MESSAGE = re.compile(
    r"Object missing required field `\w+`"
    r"|Expected `[a-z |]+`(?:, got `\w+`| [<>=]+ [-\d.e+]+)(?: - at `\$\.\w+`)?"
    r"|Invalid RFC3339 encoded datetime - at `\$\.\w+`"
)
"""The messages of msgspec that quote nothing of the line."""


def read_records(text: bytes) -> list[RecordRow] | None:
    """The records of several lines, decoded at once, which is faster; None unless each line is one whole record and nothing else."""
    codes = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(codes == ord("\n"))
    if not (text.startswith(b"{") and text.endswith(b"}") and (codes[ends - 1] == ord("}")).all() and (codes[ends + 1] == ord("{")).all()):
        return None
    try:
        rows = _decoder.decode_lines(text)
    except (ValueError, RecursionError):
        return None
    return rows if len(rows) == len(ends) + 1 else None  # in JSON, "}", newline, "{" follow each other only between two values


def read_record(line: bytes) -> RecordRow:
    """The record of a line; raises ValueError or RecursionError for any other line, of which `reason_of` gives the reason."""
    try:
        row: RecordRow = _decode(line)
    except msgspec.ValidationError as error:
        try:
            # of a field that damage left twice on the line, the last value counts
            row = msgspec.convert(_decode_plain(line), RecordRow, from_attributes=True)
        except msgspec.ValidationError:
            row = _of_newer(_decode_newer(line), error)
    return row if 1 < row.ts.year < 9999 else _in_calendar(row)


def read_value(value: Any) -> RecordRow:
    """The record of a dict, or of an `AttemptRecord`; raises as `read_record` does."""
    plain = msgspec.structs.asdict(value) if isinstance(value, AttemptRecord) else value
    try:
        row = msgspec.convert(plain, RecordRow)
    except msgspec.ValidationError as error:
        row = _of_newer(msgspec.convert(plain, _NewerRow), error)
    return _in_calendar(row)


def wrapped_record(line: str) -> dict[str, Any] | None:
    """The record in a line that docker, CRI or journald wrote; None for a bare one, which is damaged if it could not be read as it is.

    >>> wrapped_record('{"log": "{\\"v\\": 1}\\n", "stream": "stderr"}'), wrapped_record('{"v": 1, "duration_ms": 3}')
    (None, None)
    """
    message = read_log_line(line).message
    inner = message.encode("utf-8", "replace")
    if message == line.strip("\ufeff \t\r\n") or not may_be_record(inner):
        return None
    row = read_record(inner)
    return {**msgspec.structs.asdict(row), "ts": row.ts if row.ts.tzinfo else row.ts.replace(tzinfo=UTC)}


def may_hold_records(text: bytes) -> bool:
    """Whether a text has the name of a field that every record has, or an escape, by which JSON may spell it."""
    return b'"duration_ms"' in text or b"\\u" in text


def may_be_record(line: bytes) -> bool:
    """Whether a line is worth decoding."""
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
"""Fields of which only few combinations occur in a log, so that each combination is converted once."""


class _Numbering(dict[Any, int]):
    """Values, numbered in the order in which they come."""

    def __missing__(self, key: Any) -> int:
        number = self[key] = len(self)
        return number


def fields_of(rows: Sequence[RecordRow]) -> dict[str, Values]:
    """The values of the rows by field; there must be one row at least."""
    fields: dict[str, Values] = {field: list(map(get, rows)) for field, get in _SINGLE.items()}
    fields |= {field: np.fromiter(map(get, rows), np.int64, len(rows)) for field, get in _COUNTED.items()}
    for names, get in _TOGETHER:
        numbers = _Numbering()
        codes = np.fromiter(map(numbers.__getitem__, map(get, rows)), np.int32, len(rows))
        fields |= {name: Coded(values, codes) for name, values in zip(names, zip(*numbers, strict=True), strict=True)}
    return fields


def reason_of(error: Exception) -> str:
    """Why a line is not a record, without quoting anything of the line."""
    text = str(error)
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(error, msgspec.ValidationError):
        if unknown := _UNKNOWN_WORD.fullmatch(text):
            return f"an unknown word in `{unknown[1]}`"
        return text if _SAFE_MESSAGE.fullmatch(text) else "not a record"
    if text.startswith("Input data was truncated"):
        return "cut off"
    return "more than one value on the line" if "trailing characters" in text else "not JSON"


def _of_newer(row: Any, error: msgspec.ValidationError) -> RecordRow:
    if row.v <= VERSION:
        raise error
    return RecordRow(**msgspec.structs.asdict(row))


def _in_calendar(row: RecordRow) -> RecordRow:
    """The row itself; raises where its zone puts its time outside the years 1 to 9999 of UTC."""
    if not MIN_TS <= microseconds_of(row.ts) <= MAX_TS:
        raise msgspec.ValidationError("Invalid RFC3339 encoded datetime - at `$.ts`")
    return row
