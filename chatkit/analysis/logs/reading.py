"""One file at a time: what format it is of, its rows, and the account of what was read, passed over, and why."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import msgspec

from chatkit.analysis.columns import OutOfRange, Values
from chatkit.analysis.logs.blocks import LONGEST, TOO_LONG
from chatkit.analysis.logs.record_lines import Row, fields_of, may_be_record, read_record, read_row, read_rows, reason_of

if TYPE_CHECKING:
    from chatkit.analysis.logs.formats import Format

FIRSTS = 5
"""Damaged lines of a source whose numbers are told."""
REASONS = 20
"""Different reasons that are told."""
_NO_RECORD = "not a record"
Add = Callable[[dict[str, Values]], int]
"""Appends rows to the frame, and tells how many were filtered out."""


class Account:
    """What became of the lines of one source. Blank ones count as nothing.

    Attributes
    ----------
    lines, rows, filtered, damaged, other : int
        The first is the sum of the rest.
    complete : int
        Lines that were written to their end.
    unfinished : bool
        The last line isn't, and can't be read.
    first : bytes
        The beginning of the first complete line.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.formats: Counter[str] = Counter()
        self.lines = self.rows = self.filtered = self.damaged = self.other = self.complete = self.bytes = 0
        self.unfinished = self.truncated = False
        self.first = b""
        self.why: Counter[str] = Counter()
        self.first_damaged: list[tuple[int, str]] = []

    def add_damaged(self, number: int, reason: str, count: int = 1) -> None:
        """Count damaged lines, of which the first has this number."""
        self.damaged += count
        self.why[reason if reason in self.why or len(self.why) < REASONS else "other reasons"] += count
        if len(self.first_damaged) < FIRSTS:
            self.first_damaged.append((number, reason))

    def told(self) -> dict[str, Any]:
        """As the frame's ``attrs`` have it."""
        return {
            "source": self.source,
            "format": ", ".join(name for name, _ in self.formats.most_common()) or None,
            "lines": self.lines,
            "rows": self.rows,
            "damaged": self.damaged,
            "other": self.other,
            "filtered": self.filtered,
            "unfinished": self.unfinished,
            "truncated": self.truncated,
            "bytes": self.bytes,
            "why": dict(self.why),
            "first_damaged": [list(one) for one in self.first_damaged],
        }


class Reading:
    """The lines of one file, on their way into the frame.

    Parameters
    ----------
    account : Account
    formats : sequence of Format
        The line formats that may claim a line.
    ours : bool or None
        Whether it is a log of chatkit; None where its lines shall tell: the first record in it does.
    add : callable
        Takes rows, sorted by field; gives how many of them were filtered out.
    """

    def __init__(self, account: Account, formats: Sequence[Format], ours: bool | None, add: Add) -> None:
        self.account = account
        self._formats = formats
        self._marks = _marks_of(formats)
        self._ours = ours
        self._add = add
        self._number = 0
        self._first_others: list[tuple[int, str]] = []

    def take(self, piece: bytes, whole: bool) -> None:
        """Read some lines, as `pieces_of` gives them; `whole` is false where the last of them has no end."""
        if self._ours and self._read_intact(piece, whole):
            return
        lines = [piece] if piece is TOO_LONG else piece.split(b"\n")
        if self._ours is None and any(map(_is_record, filter(may_be_record, lines))):
            self._turn_ours()
        if self._ours:
            self._read_records(lines, whole)
        else:
            self._read_claimed(lines, whole)
        self._number += len(lines)

    def _turn_ours(self) -> None:
        """It is chatkit's log after all: what no format claimed before its first record is damaged."""
        account, self._ours = self.account, True
        if account.other:
            account.damaged += account.other
            account.why[_NO_RECORD] += account.other
            account.first_damaged = sorted([*account.first_damaged, *self._first_others])[:FIRSTS]
            account.other = 0

    def _read_intact(self, piece: bytes, whole: bool) -> bool:
        """Read lines that are records, every one; if they aren't, nothing happens."""
        rows = read_rows(piece)
        if rows is None:
            return False
        try:
            self._append(fields_of(rows), len(rows))
        except OutOfRange:  # a time whose zone carries it out of the calendar
            return False
        self._count([piece], len(rows), whole)
        self._number += len(rows)
        self.account.formats["chatkit"] += len(rows)
        self.account.unfinished = False
        return True

    def _read_records(self, lines: list[bytes], whole: bool) -> None:
        rows, failures, blank = _records(lines, read_row)
        claimed, _ = self._claims(lines, [index for index, _ in failures])
        try:
            if not claimed:
                self._append(fields_of(rows), len(rows))
        except OutOfRange:  # a time whose zone carries it out of the calendar: rare, so each line is asked only now
            rows, failures, blank = _records(lines, read_record)
            self._append(fields_of(rows), len(rows))
        if claimed:
            rows, failures, blank = _records(lines, read_record)
            failures = [failure for failure in failures if failure[0] not in claimed]
            taken = {*claimed, *(index for index, _ in failures)}
            places = [index for index, line in enumerate(lines) if index not in taken and line.strip()]
            self._append_each({**claimed, **dict(zip(places, map(msgspec.structs.asdict, rows), strict=True))})
        self._count(lines, len(lines) - blank, whole)
        if rows:
            self.account.formats["chatkit"] += len(rows)
        for index, reason in failures:
            self.account.add_damaged(self._number + index + 1, reason)
        self.account.unfinished = not whole and bool(failures)

    def _read_claimed(self, lines: list[bytes], whole: bool) -> None:
        account = self.account
        filled = [index for index, line in enumerate(lines) if line and not line.isspace()]
        found, failures = self._claims(lines, filled)
        for index, reason in failures:
            account.add_damaged(self._number + index + 1, reason)
        self._append_each(found)
        others = len(filled) - len(found) - len(failures)
        if self._ours is None and others and len(self._first_others) < FIRSTS:
            taken = {*found, *(index for index, _ in failures)}
            self._first_others += [(self._number + index + 1, _NO_RECORD) for index in filled if index not in taken][:FIRSTS]
        damaged = bool(failures)
        if not whole and others and not account.complete:  # nobody can say what the only line would have become
            account.add_damaged(self._number + 1, "cut off")
            others, damaged = 0, True
        account.other += others
        account.unfinished = not whole and damaged
        self._count(lines, len(filled), whole)

    def _claims(self, lines: list[bytes], among: list[int]) -> tuple[dict[int, dict[str, Any]], list[tuple[int, str]]]:
        """The rows that formats make of some of the lines, and why a line that one of them claims is none."""
        found: dict[int, dict[str, Any]] = {}
        failures: list[tuple[int, str]] = []
        for index in self._candidates(lines, among):
            if lines[index] is TOO_LONG:
                failures.append((index, f"longer than {LONGEST >> 20} MiB"))
                continue
            text = lines[index].decode("utf-8", "replace").rstrip("\r")
            for one in self._formats:
                try:
                    fields = one.parse(text)
                except ValueError as error:  # a person's own format may have failed in any way
                    raised = f"{one.name} raised {type(error.__cause__).__name__}" if error.__cause__ else f"not readable as {one.name}"
                    failures.append((index, raised))
                    break
                if fields is not None:
                    found[index] = dict(fields)
                    self.account.formats[one.name] += 1
                    break
        return found, failures

    def _candidates(self, lines: list[bytes], among: list[int]) -> Iterable[int]:
        """Those of the lines that some format may claim, found by its marks in all of them at once."""
        if self._marks is None or not among or lines[0] is TOO_LONG:
            return among
        chosen: set[int] = set()
        text = b"\n".join([lines[index] for index in among])
        ends: list[int] = []
        for mark in self._marks:
            at = text.find(mark)
            while at >= 0:
                ends = ends or [end + number for number, end in enumerate(accumulate(len(lines[index]) for index in among))]
                place = bisect_right(ends, at)
                chosen.add(among[place])
                at = text.find(mark, ends[place] + 1)
        return sorted(chosen)

    def _append_each(self, rows: dict[int, dict[str, Any]]) -> None:
        """Append rows, sorted by their lines."""
        ordered = [rows[index] for index in sorted(rows)]
        self._append({name: [fields.get(name) for fields in ordered] for name in Row.__struct_fields__}, len(ordered))

    def _append(self, fields: dict[str, Values], rows: int) -> None:
        if rows:
            filtered = self._add(fields)
            self.account.filtered += filtered
            self.account.rows += rows - filtered

    def _count(self, lines: list[bytes], filled: int, whole: bool) -> None:
        account = self.account
        account.lines += filled
        if whole and filled:
            if not account.complete:
                account.first = next(line for line in lines if line.strip())[:400]
            account.complete += filled


def _records(lines: list[bytes], decode: Callable[[bytes], Row]) -> tuple[list[Row], list[tuple[int, str]], int]:
    """The records, the places and reasons of lines that are none, and how many are blank."""
    rows: list[Row] = []
    failures: list[tuple[int, str]] = []
    blank = 0
    append = rows.append
    for line in lines:
        try:
            append(decode(line))
        except (ValueError, RecursionError):
            if not line.strip():
                blank += 1
                continue
            try:
                append(read_record(line))
            except (ValueError, RecursionError) as error:
                reason = reason_of(error) if line is not TOO_LONG else f"longer than {LONGEST >> 20} MiB"
                failures.append((len(rows) + len(failures) + blank, reason))
    return rows, failures, blank


def _is_record(line: bytes) -> bool:
    try:
        read_record(line)
    except (ValueError, RecursionError):
        return False
    return True


def _marks_of(formats: Sequence[Format]) -> list[bytes] | None:
    """What to look for; None where some format wants to see every line."""
    if not all(one.marks for one in formats):
        return None
    return sorted({mark.encode("utf-8", "replace") for one in formats for mark in one.marks})
