"""Columns that grow chunk by chunk: values of Python in, arrays of the final dtypes out, and no second copy of a long column."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from chatkit.errors import UsageError

__all__ = ["LEAST_TS", "MOST_MS", "MOST_TS", "Column", "Moments", "OutOfRange", "Words", "column_for", "ticks", "ticks_of"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NOT_A_TIME = int(np.iinfo(np.int64).min)
_SURROGATE = re.compile("[\ud800-\udfff]")
LEAST_TS, MOST_TS = ((moment.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND for moment in (datetime.min, datetime.max))
MOST_MS = 2**53 - 1
"""Milliseconds, of either sign: a float tells them exactly, and as microseconds they fit."""
TEXTS = 1 << 16
"""So many strings become an array at once."""


class OutOfRange(UsageError):
    """A column can't hold what an attempt says."""


class Grown:
    """A numpy array with room at its end, so that it grows without a copy where the system can move its pages."""

    def __init__(self, dtype: Any) -> None:
        self._values = np.empty(0, dtype)
        self._length = 0

    def add(self, values: npt.NDArray[Any]) -> None:
        end = self._length + len(values)
        if end > len(self._values):
            self._values.resize(max(end, len(self._values) + len(self._values) // 4), refcheck=False)
        self._values[self._length : end] = values
        self._length = end

    def widen(self, dtype: Any) -> None:
        if self._values.dtype != dtype:
            self._values = self._values.astype(dtype)

    def cut(self, length: int) -> None:
        self._length = length

    def take(self) -> npt.NDArray[Any]:
        """The array itself, for good."""
        self._values.resize(self._length, refcheck=False)
        return self._values


class Column:
    """One column of the frame, while it is read."""

    def add(self, values: Sequence[Any]) -> None:
        """Append values of Python; None is unknown."""
        raise NotImplementedError

    def cut(self, length: int) -> None:
        """Forget all but the first rows."""
        raise NotImplementedError

    def take(self) -> Any:
        """The finished array; the column is used up."""
        raise NotImplementedError


class Moments(Column):
    """Datetimes, as microseconds since 1970 in UTC."""

    def __init__(self) -> None:
        self._ticks = Grown(np.int64)

    def add(self, values: Sequence[Any]) -> None:
        self.add_ticks(ticks_of(values))

    def add_ticks(self, values: npt.NDArray[np.int64]) -> None:
        """Append what `ticks_of` made."""
        self._ticks.add(values)

    def cut(self, length: int) -> None:
        self._ticks.cut(length)

    def take(self) -> Any:
        return pd.DatetimeIndex(self._ticks.take().view("datetime64[us]")).tz_localize("UTC")


class Spans(Column):
    """Whole milliseconds, kept as microseconds."""

    def __init__(self) -> None:
        self._spans = Grown(np.int64)

    def add(self, values: Sequence[Any]) -> None:
        whole, unknown = _integers(values, -MOST_MS, MOST_MS)
        whole *= 1000
        if unknown is not None:
            whole[unknown] = _NOT_A_TIME
        self._spans.add(whole)

    def cut(self, length: int) -> None:
        self._spans.cut(length)

    def take(self) -> Any:
        return self._spans.take().view("timedelta64[us]")


class Integers(Column):
    """Nullable integers."""

    def __init__(self, dtype: Any) -> None:
        self._limits = np.iinfo(dtype)
        self._values = Grown(dtype)
        self._unknown = Grown(np.bool_)

    def add(self, values: Sequence[Any]) -> None:
        whole, unknown = _integers(values, int(self._limits.min), int(self._limits.max))
        self._values.add(whole.astype(self._limits.dtype))
        self._unknown.add(np.zeros(len(whole), np.bool_) if unknown is None else unknown)

    def cut(self, length: int) -> None:
        self._values.cut(length)
        self._unknown.cut(length)

    def take(self) -> Any:
        return pd.arrays.IntegerArray(self._values.take(), self._unknown.take())


class _Codes(dict[Any, int]):
    """Words to numbers, in the order in which they come; None is -1."""

    def __init__(self, fit: Callable[[str], str]) -> None:
        super().__init__({None: -1})
        self.words: list[str] = []
        self._fit = fit

    def __missing__(self, word: str) -> int:
        fit = _whole(self._fit(word))
        code = self.get(fit)
        if code is None:
            code = self[fit] = len(self.words)
            self.words.append(fit)
        self[word] = code
        return code


class Words(Column):
    """Words that repeat, each made fit once; the categories are those that occur, sorted."""

    def __init__(self, fit: Callable[[str], str] = str) -> None:
        self._numbers = _Codes(fit)
        self._codes = Grown(np.int8)

    def add(self, values: Sequence[Any]) -> None:
        codes = np.fromiter(map(self._numbers.__getitem__, values), np.int32, len(values))
        self._codes.widen(_smallest(len(self._numbers.words)))
        self._codes.add(codes)

    def cut(self, length: int) -> None:
        self._codes.cut(length)

    def take(self) -> Any:
        codes, words = self._codes.take(), self._numbers.words
        used = np.zeros(len(words) + 1, np.bool_)
        used[codes] = True  # the last stands for -1
        kept = sorted(word for word, occurs in zip(words, used[:-1], strict=True) if occurs)
        place = {word: number for number, word in enumerate(kept)}
        new = np.array([*(place.get(word, -1) for word in words), -1], _smallest(len(kept)))
        return pd.Categorical.from_codes(new[codes], categories=pd.Index(kept))


class Texts(Column):
    """Strings of which most occur once."""

    def __init__(self) -> None:
        self._loose: list[Any] = []
        self._parts: list[pd.Series[Any]] = []
        self._shares = pd.StringDtype().storage == "python"  # there a string that repeats can be one object

    def add(self, values: Sequence[Any]) -> None:
        self._loose.extend(values)
        if len(self._loose) >= TEXTS:
            self._pack()

    def cut(self, length: int) -> None:
        self._pack()
        while (rows := sum(map(len, self._parts))) > length:
            last = self._parts.pop()
            if rows - len(last) < length:
                self._parts.append(last.iloc[: length - (rows - len(last))])

    def take(self) -> Any:
        self._pack()
        if not self._parts:
            return _strings([])
        return self._parts[0].array if len(self._parts) == 1 else pd.concat(self._parts, ignore_index=True).array

    def _pack(self) -> None:
        if not self._loose:
            return
        values = self._loose
        if self._shares:
            seen: dict[Any, Any] = {}
            values = list(map(seen.setdefault, values, values))
        try:
            array = _strings(values)
        except UnicodeEncodeError:  # halves of a surrogate pair, which only Python's own strings can hold
            array = _strings([value if value is None else _whole(value) for value in values])
        self._parts.append(pd.Series(array))
        self._loose = []


def column_for(dtype: str) -> Column:
    """An empty column of a dtype, as `chatkit.analysis.COLUMNS` names it."""
    if dtype.startswith("datetime64"):
        return Moments()
    if dtype.startswith("timedelta64"):
        return Spans()
    if dtype == "category":
        return Words()
    return Texts() if dtype == "string" else Integers(dtype.lower())


def ticks(moment: datetime) -> int:
    """Microseconds since 1970; a moment without a zone is UTC."""
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND


def ticks_of(values: Sequence[Any]) -> npt.NDArray[np.int64]:
    """The same for many; None is not a time."""
    try:
        whole = [(moment - _EPOCH) // _MICROSECOND for moment in values]
    except TypeError:
        whole = [_NOT_A_TIME if moment is None else ticks(moment) for moment in values]
    array = np.array(whole, np.int64)
    if len(array) and (array.max() > MOST_TS or array.min(where=array != _NOT_A_TIME, initial=MOST_TS) < LEAST_TS):
        raise OutOfRange("an attempt has a time that lies outside the years 1 to 9999 in UTC")
    return array


def _integers(values: Sequence[Any], least: int, most: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_] | None]:
    """The values, 0 where unknown, and where that is."""
    unknown: npt.NDArray[np.bool_] | None = None
    try:
        whole = np.array(values, np.int64)
    except TypeError:
        told = np.array(values, np.float64)  # None becomes NaN
        unknown = np.isnan(told)
        told[unknown] = 0
        if len(told) and not (least <= told.min() and told.max() <= most):
            raise _out_of_range(least, most) from None
        return told.astype(np.int64), unknown
    except OverflowError:
        raise _out_of_range(least, most) from None
    if len(whole) and not (least <= whole.min() and whole.max() <= most):
        raise _out_of_range(least, most)
    return whole, unknown


def _out_of_range(least: int, most: int) -> OutOfRange:
    return OutOfRange(f"an attempt has a number that no column can hold: give whole numbers from {least} to {most}")


def _strings(values: Sequence[Any]) -> Any:
    array: Any = pd.array  # the stubs have an overload for each dtype's name alone
    return array(list(values), dtype="string")


def _smallest(categories: int) -> Any:
    return np.int8 if categories <= 2**7 else np.int16 if categories <= 2**15 else np.int32


def _whole(word: str) -> str:
    return word if word.isascii() else _SURROGATE.sub("\ufffd", word)
