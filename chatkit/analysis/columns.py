"""Columns that grow chunk by chunk: values of Python in, arrays of the final dtypes out, and no second copy of a long column."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import compress
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from chatkit.analysis.arrays import UNKNOWN, utc
from chatkit.errors import UsageError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SURROGATE = re.compile("[\ud800-\udfff]")
LEAST_TS, MOST_TS = ((moment.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND for moment in (datetime.min, datetime.max))
MOST_MS = 2**53 - 1
"""Milliseconds, of either sign: a float tells them exactly, and as microseconds they fit."""
SMALL = 64
"""So many pieces of a column of strings become one."""


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

    def take(self) -> npt.NDArray[Any]:
        """The array itself, for good."""
        self._values.resize(self._length, refcheck=False)
        return self._values


class Coded(NamedTuple):
    """Values that repeat: row `i` has ``values[codes[i]]``."""

    values: Sequence[Any]
    codes: npt.NDArray[np.int32]


Values = Sequence[Any] | Coded | npt.NDArray[np.int64]


def chosen(values: Values, inside: npt.NDArray[np.bool_]) -> Values:
    """Those of the rows that are inside."""
    if isinstance(values, Coded):
        return Coded(values.values, values.codes[inside])
    return values[inside] if isinstance(values, np.ndarray) else list(compress(values, inside))


class Column:
    """One column of the frame, while it is read."""

    def add(self, values: Values) -> None:
        """Append values of Python, None where unknown, or whole numbers."""
        raise NotImplementedError

    def take(self) -> Any:
        """The finished array; the column is used up."""
        raise NotImplementedError


class Moments(Column):
    """Datetimes, as microseconds since 1970 in UTC."""

    def __init__(self) -> None:
        self._ticks = Grown(np.int64)

    def add(self, values: Values) -> None:
        self._ticks.add(ticks_of(values))

    def take(self) -> Any:
        return utc(self._ticks.take())


class Spans(Column):
    """Whole milliseconds, kept as microseconds."""

    def __init__(self) -> None:
        self._spans = Grown(np.int64)

    def add(self, values: Values) -> None:
        whole, unknown = _integers(values, -MOST_MS, MOST_MS)
        whole *= 1000
        if unknown is not None:
            whole[unknown] = UNKNOWN
        self._spans.add(whole)

    def take(self) -> Any:
        return self._spans.take().view("timedelta64[us]")


class Integers(Column):
    """Nullable integers."""

    def __init__(self, dtype: Any) -> None:
        self._limits = np.iinfo(dtype)
        self._values = Grown(dtype)
        self._unknown = Grown(np.bool_)

    def add(self, values: Values) -> None:
        whole, unknown = _integers(values, int(self._limits.min), int(self._limits.max))
        self._values.add(whole.astype(self._limits.dtype))
        self._unknown.add(np.zeros(len(whole), np.bool_) if unknown is None else unknown)

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

    def add(self, values: Values) -> None:
        told = values.values if isinstance(values, Coded) else values
        codes = np.fromiter(map(self._numbers.__getitem__, told), np.int32, len(told))
        if isinstance(values, Coded):
            codes = codes[values.codes]
        self._codes.widen(_smallest(len(self._numbers.words)))
        self._codes.add(codes)

    def take(self) -> Any:
        codes, words = self._codes.take(), self._numbers.words
        used = np.zeros(len(words) + 1, np.bool_)
        used[codes] = True  # the last stands for -1
        kept = sorted(word for word, occurs in zip(words, used[:-1], strict=True) if occurs)
        place = {word: number for number, word in enumerate(kept)}
        new = np.array([*(place.get(word, -1) for word in words), -1], _smallest(len(kept)))
        return pd.Categorical.from_codes(new[codes], categories=pd.Index(kept))


class Texts(Column):
    """Strings of which most occur once, kept as pandas keeps them."""

    def __init__(self) -> None:
        self._dtype: Any = pd.StringDtype()
        self._parts: list[Any] = []
        self._small: list[Any] = []

    def add(self, values: Values) -> None:
        plain = [values.values[code] for code in values.codes] if isinstance(values, Coded) else list(values)
        self._small.append(self._packed(plain))
        if len(self._small) >= SMALL:
            self._join()

    def take(self) -> Any:
        self._join()
        if self._dtype.storage == "pyarrow":
            import pyarrow as pa

            return self._dtype.__from_arrow__(pa.chunked_array(self._parts, pa.large_string()))
        objects = np.concatenate([np.empty(0, object), *self._parts])
        self._parts.clear()
        return pd.arrays.StringArray(objects)

    def _packed(self, values: list[str | None]) -> Any:
        if self._dtype.storage != "pyarrow":
            seen: dict[Any, Any] = {None: pd.NA}  # a string that repeats is one object
            return np.fromiter(map(seen.setdefault, values, values), object, len(values))
        import pyarrow as pa

        try:
            return pa.array(values, pa.large_string())
        except UnicodeEncodeError:  # halves of a surrogate pair, which only Python's own strings can hold
            return pa.array([value if value is None else _whole(value) for value in values], pa.large_string())

    def _join(self) -> None:
        if not self._small:
            return
        if self._dtype.storage == "pyarrow":
            import pyarrow as pa

            self._parts.append(pa.concat_arrays(self._small))
        else:
            self._parts.append(np.concatenate(self._small))
        self._small.clear()


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


def ticks_of(values: Values) -> npt.NDArray[np.int64]:
    """The same for many; None is not a time, and an array holds microseconds already."""
    if isinstance(values, np.ndarray):
        return values
    if isinstance(values, Coded):
        return ticks_of(values.values)[values.codes]
    moments: Sequence[Any] = values
    try:
        whole = [(moment - _EPOCH) // _MICROSECOND for moment in moments]
    except TypeError:
        whole = [UNKNOWN if moment is None else ticks(moment) for moment in moments]
    array = np.array(whole, np.int64)
    if len(array) and (array.max() > MOST_TS or array.min(where=array != UNKNOWN, initial=MOST_TS) < LEAST_TS):
        raise OutOfRange("an attempt has a time that lies outside the years 1 to 9999 in UTC")
    return array


def _integers(values: Values, least: int, most: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_] | None]:
    """The values, 0 where unknown, and where that is."""
    unknown: npt.NDArray[np.bool_] | None = None
    if isinstance(values, Coded):
        some, missing = _integers(values.values, least, most)
        return some[values.codes], None if missing is None else missing[values.codes]
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


def _smallest(categories: int) -> Any:
    return np.int8 if categories <= 2**7 else np.int16 if categories <= 2**15 else np.int32


def _whole(word: str) -> str:
    return word if word.isascii() else _SURROGATE.sub("\ufffd", word)
