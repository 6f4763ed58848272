"""The lines of one file on their way into the frame, and the report of what became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from chatkit.analysis.columns import OutOfRange, Values
from chatkit.analysis.logs.formats import Format
from chatkit.analysis.logs.record_lines import RecordRow, fields_of, may_be_record, may_hold_records, read_record, read_records, reason_of
from chatkit.analysis.logs.sources import MAX_LINE_BYTES

MAX_FIRST_DAMAGED = 5
"""Damaged lines of a source whose numbers the report lists."""
MAX_REASONS = 20
"""Different reasons that the report of a source lists."""
_MAX_FIRST_BYTES = 400
_NO_RECORD = "not a record"
AddRows = Callable[[dict[str, Values]], int]
"""Appends rows, given as values by field, to the frame, and returns how many of them were filtered out."""


class SourceReport:
    """What became of the lines of one source, not counting blank lines.

    Attributes
    ----------
    rows, filtered, damaged, other : int
        Their sum is `lines`.
    complete : bool
        Whether one of the lines is written to its end.
    unfinished : bool
        Whether the last line has no newline and cannot be read.
    first : bytes
        The beginning of the first complete line.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.formats: Counter[str] = Counter()
        self.rows = self.filtered = self.damaged = self.other = self.bytes = 0
        self.complete = self.unfinished = self.truncated = False
        self.first = b""
        self.why: Counter[str] = Counter()
        self.first_damaged: list[tuple[int, str]] = []

    @property
    def lines(self) -> int:
        return self.rows + self.filtered + self.damaged + self.other

    def add_rows(self, rows: int, filtered: int) -> None:
        self.rows += rows - filtered
        self.filtered += filtered

    def add_damaged(self, number: int, reason: str) -> None:
        """Count the damaged line of this number."""
        self.damaged += 1
        self.why[reason if reason in self.why or len(self.why) < MAX_REASONS else "other reasons"] += 1
        if len(self.first_damaged) < MAX_FIRST_DAMAGED:
            self.first_damaged.append((number, reason))

    def as_dict(self) -> dict[str, Any]:
        """The report as the frame's ``attrs`` hold it."""
        names = ("source", "lines", "rows", "damaged", "other", "filtered", "unfinished", "truncated", "bytes")
        return {
            **{name: getattr(self, name) for name in names},
            "format": ", ".join(name for name, _ in self.formats.most_common()) or None,
            "why": dict(self.why),
            "first_damaged": [list(one) for one in self.first_damaged],
        }


class LogReader:
    """Reads the lines of one file, piece by piece.

    Parameters
    ----------
    report : SourceReport
    formats : sequence of Format
        The formats of lines that may claim a line.
    ours : bool or None
        Whether the file is a log of chatkit; None to decide it by its lines, of which the first record makes it one.
    add : callable
    """

    def __init__(self, report: SourceReport, formats: Sequence[Format], ours: bool | None, add: AddRows) -> None:
        self.report = report
        self._formats = formats
        self._marks = sorted({mark.encode("utf-8", "replace") for one in formats for mark in one.marks})
        if not all(one.marks for one in formats):
            self._marks = []  # such a format has to see every line
        self._ours = ours
        self._add = add
        self._lines_before = 0
        self._first_others: list[tuple[int, str]] = []

    def take(self, piece: bytes | None, ended: bool) -> None:
        """Read the next lines, as `pieces_of` gives them."""
        if piece is None:
            self.report.add_damaged(self._lines_before + 1, f"longer than {MAX_LINE_BYTES >> 20} MiB")
            self._finish(1, ended, damaged=True)
        elif piece.isspace():  # an archive of some kilobytes may hold a billion blank lines
            self._finish(piece.count(b"\n") + 1, ended)
        elif not (self._ours and self._take_intact(piece, ended)):
            self._take_lines(piece, ended)

    def _take_intact(self, piece: bytes, ended: bool) -> bool:
        """Read lines of which every one is a record; False, and nothing is done, where they are not."""
        rows = read_records(piece)
        if rows is None:
            return False
        try:
            self._append(fields_of(rows), len(rows))
        except OutOfRange:  # the zone of a time puts it outside the calendar
            return False
        self.report.formats["chatkit"] += len(rows)
        self._finish(len(rows), ended, first=piece)
        return True

    def _take_lines(self, piece: bytes, ended: bool) -> None:
        report, lines = self.report, piece.split(b"\n")
        if self._ours is None and may_hold_records(piece) and any(map(_is_record, filter(may_be_record, lines))):
            self._turn_ours()
        records, failures = _records_among(lines) if self._ours else ({}, {})
        left = list(failures) if self._ours else [index for index, line in enumerate(lines) if line and not line.isspace()]
        claimed, damaged = self._claims(lines, left)
        taken = claimed.keys() | damaged.keys()
        others = [index for index in left if index not in taken]
        if self._ours:
            damaged, others = {index: reason for index, reason in failures.items() if index not in claimed}, []
        elif others and not ended and not report.complete:  # nobody can say what the only line would have become
            damaged, others = dict.fromkeys(others, "cut off"), []
        self._append_in_order(records, claimed)
        if records:
            report.formats["chatkit"] += len(records)
        for index, reason in damaged.items():
            report.add_damaged(self._lines_before + index + 1, reason)
        report.other += len(others)
        for index in others[: MAX_FIRST_DAMAGED - len(self._first_others)]:
            self._first_others.append((self._lines_before + index + 1, _NO_RECORD))
        self._finish(len(lines), ended, first=next(filter(bytes.strip, lines), b""), damaged=bool(damaged))

    def _finish(self, lines: int, ended: bool, *, first: bytes = b"", damaged: bool = False) -> None:
        report = self.report
        self._lines_before += lines
        report.unfinished = damaged and not ended
        if ended and (first or damaged):
            report.complete = True
            report.first = report.first or first[:_MAX_FIRST_BYTES]

    def _turn_ours(self) -> None:
        """Make it a log of chatkit: what no format claimed before its first record is damaged."""
        report, self._ours = self.report, True
        if report.other:
            report.damaged += report.other
            report.why[_NO_RECORD] += report.other
            report.first_damaged = sorted([*report.first_damaged, *self._first_others])[:MAX_FIRST_DAMAGED]
            report.other = 0

    def _claims(self, lines: list[bytes], among: list[int]) -> tuple[dict[int, Mapping[str, Any]], dict[int, str]]:
        """The rows that the formats read from some of the lines, and why a line that a format claims cannot be read."""
        claimed: dict[int, Mapping[str, Any]] = {}
        unreadable: dict[int, str] = {}
        if self._marks:
            searched = b"\n".join([lines[index] for index in among])
            present = [mark for mark in self._marks if mark in searched]
            among = sorted({index for mark in present for index in among if mark in lines[index]})
        for index in among:
            text = lines[index].decode("utf-8", "replace").rstrip("\r")
            for one in self._formats:
                try:
                    fields = one.parse(text)
                except ValueError as error:  # a format of the user's may have failed in any way
                    cause = error.__cause__
                    unreadable[index] = f"{one.name} raised {type(cause).__name__}" if cause else f"not readable as {one.name}"
                    break
                if fields is not None:
                    claimed[index] = fields
                    self.report.formats[one.name] += 1
                    break
        return claimed, unreadable

    def _append_in_order(self, records: Mapping[int, RecordRow], claimed: Mapping[int, Mapping[str, Any]]) -> None:
        """Append the rows by the numbers of their lines."""
        if not claimed:
            if records:
                self._append(fields_of(list(records.values())), len(records))
            return
        rows = {**{index: msgspec.structs.asdict(row) for index, row in records.items()}, **claimed}
        ordered = [rows[index] for index in sorted(rows)]
        self._append({name: [fields.get(name) for fields in ordered] for name in RecordRow.__struct_fields__}, len(ordered))

    def _append(self, fields: dict[str, Values], rows: int) -> None:
        self.report.add_rows(rows, self._add(fields))


def _records_among(lines: list[bytes]) -> tuple[dict[int, RecordRow], dict[int, str]]:
    """The records among the lines, and why each of the others that is not blank is none."""
    records: dict[int, RecordRow] = {}
    failures: dict[int, str] = {}
    for index, line in enumerate(lines):
        if not line or line.isspace():
            continue
        try:
            records[index] = read_record(line)
        except (ValueError, RecursionError) as error:
            failures[index] = reason_of(error)
    return records, failures


def _is_record(line: bytes) -> bool:
    try:
        read_record(line)
    except (ValueError, RecursionError):
        return False
    return True
