"""Rows grouped by the values of some columns, and the count, sum or quantiles of each group, without a loop over the groups."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from chatkit.analysis.aggregates.per_call import CallRows
from chatkit.analysis.columns import UNKNOWN, Bools, Ints, categories, factorized
from chatkit.analysis.frames import COLUMNS
from chatkit.errors import UsageError, did_you_mean

_TEXT = ("string", "empty", "mixed", "mixed-integer")
"""What pandas infers for a column of texts, or of values that can't be sorted."""


@dataclass(frozen=True)
class Key:
    """A column to group by: a code per row, in the order of the sorted values (null: -1), and the values."""

    name: Hashable
    codes: Ints
    values: Any
    is_text: bool

    def at(self, codes: Ints) -> Any:
        """The values of these codes, as a column."""
        return categories(codes, self.values) if self.is_text else self.values.take(codes, allow_fill=True)


def row_key(df: pd.DataFrame, column: Hashable) -> Key:
    """A column as each row has it. Texts are sorted; a category column that the user added keeps its own order."""
    name: Any = column
    series: Any = df[name]
    added = COLUMNS.get(name) not in ("category", "string")
    if added and isinstance(series.dtype, pd.CategoricalDtype):
        every = np.arange(len(series.cat.categories))
        return Key(column, series.cat.codes.to_numpy().astype(np.int64), pd.Categorical.from_codes(every, dtype=series.dtype), False)
    if added and pd.api.types.infer_dtype(series, skipna=True) not in _TEXT:
        with contextlib.suppress(TypeError):  # some times have a zone, and others have none
            codes, values = pd.factorize(series, sort=True)
            return Key(column, codes.astype(np.int64), pd.array(values, dtype=values.dtype), False)
    codes, values = factorized(df, name)
    order = np.argsort(values.to_numpy(dtype=object), kind="stable")
    rank = np.full(len(values) + 1, -1)
    rank[order] = np.arange(len(values))
    return Key(column, rank[codes], values[order], True)


def call_key(df: pd.DataFrame, column: Hashable, rows: CallRows) -> Key:
    """A column as each row's call has it: the first known value of the call. A row without a call keeps its own value."""
    own = row_key(df, column)
    first = np.append(own.codes, -1)[rows.first(own.codes >= 0)]
    return Key(column, np.where(rows.of_row < 0, own.codes, np.append(first, -1)[rows.of_row]), own.values, own.is_text)


def checked_columns(df: pd.DataFrame, by: object, what: str) -> list[Hashable]:
    """The columns that `by` names, one or a list of several; a UsageError suggests the nearest column that exists."""
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
        raise UsageError(f"{what}: by=[] names no column; give by=None for a single row")
    if len(set(wanted)) < len(wanted):
        raise UsageError(f"{what}: by={wanted} names a column twice")
    return wanted


@dataclass(frozen=True)
class Groups:
    """The group of each row: a number from 0 in the order of the keys, null keys last; -1 for rows that are left out."""

    codes: Ints
    size: int
    keys: tuple[Key, ...] = ()
    members: tuple[Ints, ...] = ()

    def column(self, place: int) -> Any:
        """The value of a key for each group."""
        return self.keys[place].at(self.members[place])

    def index(self) -> pd.Index[Any]:
        """The values of all keys, with a level per key."""
        names = [key.name for key in self.keys]
        columns = [self.column(place) for place in range(len(names))]
        return pd.Index(columns[0], name=names[0]) if len(names) == 1 else pd.MultiIndex.from_arrays(columns, names=names)

    def count(self, wanted: Bools) -> Ints:
        """The number of wanted rows per group."""
        codes = self.codes[wanted]
        return np.bincount(codes[codes >= 0], minlength=self.size).astype(np.int64)

    def distinct(self, values: Ints, wanted: Bools) -> Ints:
        """The number of different values (those below 0 don't count) among the wanted rows of each group."""
        groups, _, _ = self._pairs(values, wanted)
        return np.bincount(groups, minlength=self.size).astype(np.int64)

    def most_frequent(self, values: Ints, wanted: Bools) -> Ints:
        """The most frequent value (those below 0 don't count) among the wanted rows of each group, the least of several; -1 without one."""
        groups, members, counts = self._pairs(values, wanted)
        found = np.full(self.size, -1)
        order = np.lexsort((-members, counts))
        found[groups[order]] = members[order]  # the most frequent value is written last
        return found

    def _pairs(self, values: Ints, wanted: Bools) -> tuple[Ints, Ints, Ints]:
        """Each different pair of a group and a value, and how many wanted rows have it."""
        chosen = wanted & (values >= 0) & (self.codes >= 0)
        width = int(values.max(initial=0)) + 1
        pairs, counts = np.unique(self.codes[chosen] * width + values[chosen], return_counts=True)
        return pairs // width, pairs % width, counts

    def total(self, values: Ints) -> Ints:
        """The sum of the known values per group; `UNKNOWN` where a group has rows, but no known value."""
        known, inside = values != UNKNOWN, self.codes >= 0
        chosen = known & inside
        sums = np.rint(np.bincount(self.codes[chosen], weights=values[chosen], minlength=self.size)).astype(np.int64)
        return np.where((self.count(known) == 0) & (self.count(inside) > 0), UNKNOWN, sums)

    def quantiles(self, values: Ints, levels: Sequence[float]) -> list[Ints]:
        """Quantiles of the known values per group, interpolated linearly; `UNKNOWN` where no value is known."""
        chosen = (values != UNKNOWN) & (self.codes >= 0)
        found = pd.Series(values[chosen]).groupby(self.codes[chosen]).quantile(np.array(levels)).unstack()
        whole = found.reindex(index=range(self.size), columns=list(levels)).round().fillna(UNKNOWN).astype(np.int64)
        return [whole[level].to_numpy() for level in levels]


def grouped(keys: Sequence[Key], wanted: Bools | None = None) -> Groups:
    """The groups of the rows by these keys; only of the wanted rows, if given."""
    combined = np.zeros(len(keys[0].codes), dtype=np.int64)
    for key in keys:
        null_last = np.where(key.codes < 0, len(key.values), key.codes)
        combined = np.unique(combined * (len(key.values) + 1) + null_last, return_inverse=True)[1].reshape(-1)
    rows = np.arange(len(combined)) if wanted is None else np.flatnonzero(wanted)
    _, first, inverse = np.unique(combined[rows], return_index=True, return_inverse=True)
    codes = np.full(len(combined), -1)
    codes[rows] = inverse.reshape(-1)
    return Groups(codes, len(first), tuple(keys), tuple(key.codes[rows[first]] for key in keys))
