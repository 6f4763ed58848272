"""Rows by the values of their columns, and what is asked of each group: a count, a sum, a quantile. No group is looped over."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from chatkit.analysis.aggregates.call_rows import CallRows
from chatkit.analysis.arrays import UNKNOWN, Bools, Floats, Ints, categories, words
from chatkit.analysis.frames import COLUMNS
from chatkit.errors import UsageError, did_you_mean

_WORDS = ("string", "empty", "mixed", "mixed-integer")
"""What pandas calls a column of texts, or of things that have no order among them."""


@dataclass(frozen=True)
class Key:
    """A column to group by: a number for each row, in the order of the values (null: -1), and the values."""

    name: Hashable
    codes: Ints
    values: Any
    is_words: bool

    def at(self, codes: Ints) -> Any:
        """The values of these numbers, as a column."""
        return categories(codes, self.values) if self.is_words else self.values.take(codes, allow_fill=True)


def own_key(df: pd.DataFrame, column: Hashable) -> Key:
    """A column as each row has it. Words are sorted; categories of one's own are in their own order."""
    name: Any = column
    series: Any = df[name]
    its_own = COLUMNS.get(name) not in ("category", "string")
    if its_own and isinstance(series.dtype, pd.CategoricalDtype):
        every = np.arange(len(series.cat.categories))
        return Key(column, series.cat.codes.to_numpy().astype(np.int64), pd.Categorical.from_codes(every, dtype=series.dtype), False)
    if its_own and pd.api.types.infer_dtype(series, skipna=True) not in _WORDS:
        with contextlib.suppress(TypeError):  # times with a zone and without one
            codes, values = pd.factorize(series, sort=True)
            return Key(column, codes.astype(np.int64), pd.array(values, dtype=values.dtype), False)
    codes, values = words(df, name)
    order = np.argsort(values.to_numpy(dtype=object), kind="stable")
    rank = np.full(len(values) + 1, -1)
    rank[order] = np.arange(len(values))
    return Key(column, rank[codes], values[order], True)


def calls_key(df: pd.DataFrame, column: Hashable, rows: CallRows) -> Key:
    """A column as each row's call has it: the first value that is known. A row without a call has its own."""
    own = own_key(df, column)
    first = np.append(own.codes, -1)[rows.first(own.codes >= 0)]
    return Key(column, np.where(rows.of_row < 0, own.codes, np.append(first, -1)[rows.of_row]), own.values, own.is_words)


def checked_columns(df: pd.DataFrame, by: object, what: str) -> list[Hashable]:
    """The columns that `by` names: one, or several in a list.

    Raises
    ------
    UsageError
        It names no column of the frame, with the nearest that there is.
    """
    wanted: list[Any] = list(by) if isinstance(by, list | tuple) else [by]
    for name in wanted:
        if not isinstance(name, Hashable) or not (isinstance(name, str) or name in df.columns):
            raise UsageError(f"{what}: by takes the name of a column, a list of names, or None; found a {type(name).__name__}")
        if name not in df.columns:
            known = [column for column in df.columns if column in COLUMNS]
            near = did_you_mean(str(name), [column for column in df.columns if isinstance(column, str)])
            hint = near or f"give one of {', '.join(known)}, or add it to the frame"
            raise UsageError(f"{what}: the frame has no column {name!r}: {hint}")
        if isinstance(df[name], pd.DataFrame):
            raise UsageError(f"{what}: the frame has more than one column {name!r}")
    if not wanted:
        raise UsageError(f"{what}: by=[] names no column; give by=None for one row of all")
    if len(set(wanted)) < len(wanted):
        raise UsageError(f"{what}: by={wanted} names a column twice")
    return wanted


@dataclass(frozen=True)
class Groups:
    """The group of each row: numbers from 0 in the order of the keys, the null ones last, -1 for rows that are left out."""

    codes: Ints
    size: int
    keys: tuple[Key, ...] = ()
    members: tuple[Ints, ...] = ()

    def column(self, place: int) -> Any:
        """The value of a key for each group."""
        return self.keys[place].at(self.members[place])

    def index(self) -> pd.Index[Any]:
        """The values of all keys, one level each."""
        names = [key.name for key in self.keys]
        columns = [self.column(place) for place in range(len(names))]
        return pd.Index(columns[0], name=names[0]) if len(names) == 1 else pd.MultiIndex.from_arrays(columns, names=names)

    def count(self, wanted: Bools) -> Ints:
        """How many rows of each group are wanted."""
        codes = self.codes[wanted]
        return np.bincount(codes[codes >= 0], minlength=self.size).astype(np.int64)

    def distinct(self, values: Ints, wanted: Bools) -> Ints:
        """How many different values, from 0, the wanted rows of each group have."""
        chosen = wanted & (values >= 0) & (self.codes >= 0)
        most = int(values.max(initial=0)) + 1
        pairs = np.unique(self.codes[chosen] * most + values[chosen])
        return np.bincount(pairs // most, minlength=self.size).astype(np.int64)

    def total(self, values: Ints) -> Ints:
        """The sum of each group's values that are known; `UNKNOWN` where it has rows, and none of them is known."""
        known, there = values != UNKNOWN, self.codes >= 0
        chosen = known & there
        sums = np.rint(np.bincount(self.codes[chosen], weights=values[chosen], minlength=self.size)).astype(np.int64)
        return np.where((self.count(known) == 0) & (self.count(there) > 0), UNKNOWN, sums)

    def quantiles(self, values: Ints, levels: Sequence[float]) -> list[Ints]:
        """Quantiles of each group's values that are known, linear between them; `UNKNOWN` where none is."""
        chosen = (values != UNKNOWN) & (self.codes >= 0)
        codes, kept = self.codes[chosen], values[chosen]
        kept = np.append(kept[np.lexsort((kept, codes))], 0)  # the last stands in where a group has none
        counts = np.bincount(codes, minlength=self.size).astype(np.int64)
        starts = np.cumsum(counts) - counts
        found = []
        for level in levels:
            place: Floats = np.maximum(counts - 1, 0) * level
            below = np.floor(place).astype(np.int64)
            low = kept[starts + below]
            high = kept[starts + np.minimum(below + 1, np.maximum(counts - 1, 0))]
            between = low + np.rint((high - low) * (place - below)).astype(np.int64)
            found.append(np.where(counts == 0, UNKNOWN, between))
        return found

    def most_frequent(self, values: Ints, wanted: Bools) -> Ints:
        """The value, from 0, that most of the wanted rows of each group have (of several the least), -1 where none has any."""
        chosen = wanted & (values >= 0) & (self.codes >= 0)
        most = int(values.max(initial=0)) + 1
        pairs, counts = np.unique(self.codes[chosen] * most + values[chosen], return_counts=True)
        found = np.full(self.size, -1)
        order = np.lexsort((-(pairs % most), counts))
        found[pairs[order] // most] = pairs[order] % most  # the most frequent is written last
        return found


def grouped(keys: Sequence[Key], wanted: Bools | None = None) -> Groups:
    """The groups that rows with these keys make; only of rows that are wanted, where that is given."""
    combined: npt.NDArray[Any] = np.zeros(len(keys[0].codes), dtype=np.int64)
    for key in keys:
        null_last = np.where(key.codes < 0, len(key.values), key.codes)
        combined = np.unique(combined * (len(key.values) + 1) + null_last, return_inverse=True)[1].reshape(-1)
    rows = np.arange(len(combined)) if wanted is None else np.flatnonzero(wanted)
    _, first, inverse = np.unique(combined[rows], return_index=True, return_inverse=True)
    codes = np.full(len(combined), -1)
    codes[rows] = inverse.reshape(-1)
    return Groups(codes, len(first), tuple(keys), tuple(key.codes[rows[first]] for key in keys))
