"""The rows of a frame sorted into calls, so that a question about every call is one operation on arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from chatkit.analysis.arrays import UNKNOWN, Bools, Floats, Ints, moments, numbers, words


@dataclass(frozen=True)
class CallRows:
    """The rows of a frame by call, and each call's by the numbers of its attempts; by time where these repeat or aren't known.

    Attributes
    ----------
    rows : numpy.ndarray
        Positions in the frame. Rows without a call aren't among them.
    call : numpy.ndarray
        The number of the call, for each of `rows`.
    starts, ends : numpy.ndarray
        Where in `rows` each call begins, and its last row.
    of_row : numpy.ndarray
        The number of the call for each row of the frame, -1 where it belongs to none.
    names : pandas.Index
        The id of each call.
    """

    rows: Ints
    call: Ints
    starts: Ints
    ends: Ints
    of_row: Ints
    names: pd.Index[Any]

    def __len__(self) -> int:
        return len(self.starts)

    def first(self, wanted: Bools) -> Ints:
        """The position of each call's first row that is wanted, -1 where none is."""
        return self._edge(np.flatnonzero(wanted[self.rows])[::-1])

    def last(self, wanted: Bools) -> Ints:
        """The position of each call's last row that is wanted, -1 where none is."""
        return self._edge(np.flatnonzero(wanted[self.rows]))

    def _edge(self, places: Ints) -> Ints:
        found = np.full(len(self), -1)
        found[self.call[places]] = self.rows[places]  # of several the last one stands
        return found

    def total(self, values: Ints) -> Ints:
        """The sum of each call's values that are known, `UNKNOWN` where none is."""
        values = values[self.rows]
        known = values != UNKNOWN
        if not len(self):
            return values
        return np.where(
            np.logical_or.reduceat(known, self.starts), np.add.reduceat(np.where(known, values, 0), self.starts), UNKNOWN
        )  # fmt: skip


def by_call(df: pd.DataFrame) -> CallRows:
    """Sort the rows by call. Needs the columns ``call``, ``ts`` and ``attempt``."""
    of_row, names = words(df, "call")
    ts, attempt = moments(df, "ts"), numbers(df, "attempt")
    order = np.lexsort((attempt, np.where(ts == UNKNOWN, np.iinfo(np.int64).max, ts), of_row))
    rows = order[np.count_nonzero(of_row < 0) :].astype(np.int64)
    call = of_row[rows]
    rows = _by_number(rows, call, attempt[rows])
    begins = np.flatnonzero(np.diff(call, prepend=-1))
    used = call[begins]  # a category may have names that no row has
    number = np.full(len(names) + 1, -1)
    number[used] = np.arange(len(used))
    return CallRows(rows, number[call], begins, np.append(begins[1:], len(rows))[: len(begins)] - 1, number[of_row], names[used])


def _by_number(rows: Ints, call: Ints, attempt: Floats) -> Ints:
    """Rows that are sorted by call and time, put right where a clock was set back amidst a call."""
    contradicted = (np.diff(call) == 0) & (np.diff(attempt) < 0)
    places = np.flatnonzero(np.isin(call, call[1:][contradicted]))
    again = places[np.lexsort((attempt[places], call[places]))]
    repeated = (np.diff(call[again]) == 0) & ~(np.diff(attempt[again]) > 0)
    numbered = ~np.isin(call[again], call[again][1:][repeated])
    right = rows.copy()
    right[places[numbered]] = rows[again[numbered]]
    return right
