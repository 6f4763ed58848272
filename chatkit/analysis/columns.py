"""Columns of a frame of attempts: read as plain arrays, made of plain arrays, and grown chunk by chunk while a log is read.

A frame that went through a CSV file or `pandas.concat` has lost its dtypes: categories are text again, and integers are floats. So every
column is converted when it is read. Times and timedeltas are arrays of whole microseconds here, `UNKNOWN` where they are null.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import compress
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from chatkit.errors import UsageError
from chatkit.failures.redaction import harmless

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
UNKNOWN: int = int(np.iinfo(np.int64).min)
"""The integer with which numpy stores NaT."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
MIN_TS, MAX_TS = ((moment.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND for moment in (datetime.min, datetime.max))
MAX_MS = 2**53 - 1
"""The most milliseconds of either sign: a float holds them exactly, and as microseconds they fit into an int64."""
MAX_PIECES = 64
"""So many pieces of a column of strings are joined into one."""


# ── reading a column ──


class Factorized(NamedTuple):
    """A column of text as `pandas.factorize` gives it: a code per row (-1 where it is null), and the value of each code."""

    codes: Ints
    values: pd.Index[Any]

    def among(self, *wanted: str) -> Bools:
        """Which rows hold one of these values."""
        return np.append(np.asarray(self.values.isin(wanted), dtype=bool), False)[self.codes]


def factorized(df: pd.DataFrame, column: str) -> Factorized:
    """A column of text, or of anything else as text."""
    series = df[column]
    if isinstance(series.dtype, pd.CategoricalDtype):
        codes, values = series.cat.codes.to_numpy(), series.cat.categories
    else:
        if getattr(series.dtype, "storage", "") == "python":  # as plain objects, they take little more than half the time
            series = series.astype(object)
        try:
            codes, values = pd.factorize(series)
        except TypeError:  # lists and dicts have no hash
            raise UsageError(f"the column {column!r} holds values that can't be compared: give text or numbers") from None
        values = pd.Index(values)
    if values.inferred_type not in ("string", "empty"):  # a CSV file turns a model that is called 4 into a number
        again, values = pd.factorize(pd.Index([str(value) for value in values], dtype=object))
        codes = np.append(again, -1)[codes]
    return Factorized(codes.astype(np.int64), values)


def moments(df: pd.DataFrame, column: str) -> Ints:
    """A column of times, in microseconds since 1970 UTC; times without a zone are UTC."""
    series: Any = df[column]
    if not pd.api.types.is_datetime64_any_dtype(series.dtype):
        series = _converted(series, lambda texts: pd.to_datetime(texts, utc=True, format="ISO8601"), "times", "to_datetime(…, utc=True)")
    if series.dt.tz is not None:
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
    return np.asarray(series.to_numpy()).astype("datetime64[us]").view(np.int64)


def spans(df: pd.DataFrame, column: str) -> Ints:
    """A column of timedeltas, in microseconds."""
    series: Any = df[column]
    if not pd.api.types.is_timedelta64_dtype(series.dtype):
        series = _converted(series, pd.to_timedelta, "timedeltas", "to_timedelta(…)")
    return np.asarray(series.to_numpy()).astype("timedelta64[us]").view(np.int64)


def _converted(series: pd.Series[Any], convert: Callable[[Any], Any], of: str, by: str) -> Any:
    """A column that lost its dtype, converted back. Numbers are refused, because their unit is unknown; nulls alone are accepted."""
    try:
        if series.isna().all():
            return convert(series.astype(object))
        if pd.api.types.is_numeric_dtype(series.dtype):
            raise TypeError("the unit is unknown")
        return convert(series)
    except (TypeError, ValueError):
        raise UsageError(f"the column {series.name!r} holds no {of}: convert it with pandas.{by}") from None


def numbers(df: pd.DataFrame, column: str) -> Floats:
    """A column of numbers, NaN where it is null or infinite."""
    try:
        values = np.asarray(pd.to_numeric(df[column]).to_numpy(dtype=np.float64, na_value=np.nan))
    except (TypeError, ValueError):
        raise UsageError(f"the column {column!r} holds no numbers: convert it with pandas.to_numeric(…)") from None
    return np.where(np.isfinite(values), values, np.nan)


# ── making a column ──


def categories(codes: npt.NDArray[Any], values: pd.Index[Any]) -> pd.Categorical:
    """A category column. Its categories are the values that occur, sorted, so they don't depend on the order of the rows."""
    occurring = np.zeros(len(values) + 1, dtype=bool)
    occurring[codes] = True  # the last place is that of -1
    kept = np.flatnonzero(occurring[:-1])
    kept = kept[np.argsort(values[kept].to_numpy(dtype=object), kind="stable")]
    place = np.full(len(values) + 1, -1, _codes_dtype(len(kept)))
    place[kept] = np.arange(len(kept))
    text = pd.Index(["text"]).dtype  # which dtype that is depends on the version of pandas
    return pd.Categorical.from_codes(place[codes], categories=values[kept].astype(text))


def utc(microseconds: Ints) -> pd.DatetimeIndex:
    """Microseconds since 1970 as times."""
    return pd.DatetimeIndex(microseconds.view("datetime64[us]")).tz_localize("UTC")


def timedeltas(microseconds: Ints) -> pd.TimedeltaIndex:
    """Microseconds as timedeltas."""
    return pd.TimedeltaIndex(microseconds.view("timedelta64[us]"))


def integers(values: Floats | Ints, dtype: str = "Int64") -> Any:
    """Whole numbers as a nullable column; NaN is null."""
    unknown = np.isnan(values)
    array: Any = pd.arrays.IntegerArray
    return array(np.where(unknown, 0, values).astype(dtype.lower()), unknown)


def rates(part: Floats | Ints, whole: Floats | Ints) -> Any:
    """``part / whole`` as a nullable column, null where the whole is not above 0."""
    nothing = np.asarray(whole) <= 0
    array: Any = pd.arrays.FloatingArray
    return array(part / np.where(nothing, 1, whole), nothing)


# ── growing a column ──


class OutOfRange(UsageError):
    """A value of an attempt doesn't fit into its column."""


class Coded(NamedTuple):
    """Values that repeat: row `i` has ``values[codes[i]]``."""

    values: Sequence[Any]
    codes: npt.NDArray[np.int32]


Values = Sequence[Any] | Coded | Ints
"""Values to append to a column: Python values (None where unknown), values that repeat, or an array of whole numbers."""


def chosen(values: Values, rows: Bools) -> Values:
    """The values of the chosen rows."""
    if isinstance(values, Coded):
        return Coded(values.values, values.codes[rows])
    return values[rows] if isinstance(values, np.ndarray) else list(compress(values, rows))


class _GrowingArray:
    """A numpy array with spare room at its end. Where the system can move its pages, it grows without a copy."""

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
        """The array itself; nothing can be added afterwards."""
        self._values.resize(self._length, refcheck=False)
        return self._values


class TimeColumn:
    """Datetimes, stored as microseconds since 1970 UTC."""

    def __init__(self) -> None:
        self._values = _GrowingArray(np.int64)

    def add(self, values: Values) -> None:
        self._values.add(since_epoch(values))

    def take(self) -> Any:
        return utc(self._values.take())


class TimedeltaColumn:
    """Whole milliseconds, stored as microseconds."""

    def __init__(self) -> None:
        self._values = _GrowingArray(np.int64)

    def add(self, values: Values) -> None:
        whole, unknown = _integers(values, -MAX_MS, MAX_MS)
        self._values.add(np.where(unknown, UNKNOWN, whole * 1000))

    def take(self) -> Any:
        return self._values.take().view("timedelta64[us]")


class IntegerColumn:
    """Nullable integers."""

    def __init__(self, dtype: Any) -> None:
        self._limits = np.iinfo(dtype)
        self._values = _GrowingArray(dtype)
        self._unknown = _GrowingArray(np.bool_)

    def add(self, values: Values) -> None:
        whole, unknown = _integers(values, int(self._limits.min), int(self._limits.max))
        self._values.add(whole.astype(self._limits.dtype))
        self._unknown.add(unknown)

    def take(self) -> Any:
        return pd.arrays.IntegerArray(self._values.take(), self._unknown.take())


class _CodeOf(dict[str | None, int]):
    """The code of each text, in the order of appearance; None is -1."""

    def __init__(self, clean: Callable[[str], str]) -> None:
        super().__init__({None: -1})
        self.texts: list[str] = []
        self._clean = clean

    def __missing__(self, text: str) -> int:
        clean = self._clean(text)
        code = self.get(clean)
        if code is None:
            code = self[clean] = len(self.texts)
            self.texts.append(clean)
        self[text] = code
        return code


class CategoryColumn:
    """Texts that repeat; each different one goes through `clean` once, which makes it harmless at least."""

    def __init__(self, clean: Callable[[str], str] = harmless) -> None:
        self._code_of = _CodeOf(clean)
        self._codes = _GrowingArray(np.int8)

    def add(self, values: Values) -> None:
        different = values.values if isinstance(values, Coded) else values
        codes = np.fromiter(map(self._code_of.__getitem__, different), np.int32, len(different))
        self._codes.widen(_codes_dtype(len(self._code_of.texts)))
        self._codes.add(codes[values.codes] if isinstance(values, Coded) else codes)

    def take(self) -> Any:
        return categories(self._codes.take(), pd.Index(self._code_of.texts, dtype=object))


class StringColumn:
    """Strings of which most occur once, made harmless, and stored as pandas stores them."""

    def __init__(self) -> None:
        self._dtype: Any = pd.StringDtype()
        self._parts: list[Any] = []
        self._pieces: list[Any] = []

    def add(self, values: Values) -> None:
        plain = [values.values[code] for code in values.codes] if isinstance(values, Coded) else list(values)
        together = "".join(filter(None, plain))  # looking at all of them costs little, and nearly always is enough
        if not (together.isascii() and together.isprintable()):
            plain = [value and harmless(value) for value in plain]
        self._pieces.append(self._packed(plain))
        if len(self._pieces) >= MAX_PIECES:
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
            seen: dict[Any, Any] = {None: pd.NA}  # equal strings become one object
            return np.fromiter(map(seen.setdefault, values, values), object, len(values))
        import pyarrow as pa

        return pa.array(values, pa.large_string())

    def _join(self) -> None:
        if not self._pieces:
            return
        if self._dtype.storage == "pyarrow":
            import pyarrow as pa

            self._parts.append(pa.concat_arrays(self._pieces))
        else:
            self._parts.append(np.concatenate(self._pieces))
        self._pieces.clear()


Column = TimeColumn | TimedeltaColumn | IntegerColumn | CategoryColumn | StringColumn
"""A column that grows: `add` appends values, and `take` gives the finished array, after which nothing can be added."""


def column_for(dtype: str) -> Column:
    """An empty column of a dtype that `chatkit.analysis.COLUMNS` names."""
    if dtype.startswith("datetime64"):
        return TimeColumn()
    if dtype.startswith("timedelta64"):
        return TimedeltaColumn()
    if dtype == "category":
        return CategoryColumn()
    return StringColumn() if dtype == "string" else IntegerColumn(dtype.lower())


def microseconds_of(moment: datetime) -> int:
    """Microseconds since 1970; a time without a zone is UTC."""
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND


def since_epoch(values: Values) -> Ints:
    """Datetimes as microseconds since 1970, `UNKNOWN` for None; an array holds microseconds already."""
    if isinstance(values, np.ndarray):
        return values
    if isinstance(values, Coded):
        return since_epoch(values.values)[values.codes]
    moments: Sequence[Any] = values
    try:
        whole = [(moment - _EPOCH) // _MICROSECOND for moment in moments]
    except TypeError:  # a None, or a time without a zone
        whole = [UNKNOWN if moment is None else microseconds_of(moment) for moment in moments]
    array = np.array(whole, np.int64)
    if len(array) and (array.max() > MAX_TS or array.min(where=array != UNKNOWN, initial=MAX_TS) < MIN_TS):
        raise OutOfRange("an attempt has a time that lies outside the years 1 to 9999 in UTC")
    return array


def _integers(values: Values, least: int, most: int) -> tuple[Ints, Bools]:
    """Whole numbers, 0 where they are unknown, and which ones are unknown."""
    if isinstance(values, Coded):
        some, missing = _integers(values.values, least, most)
        return some[values.codes], missing[values.codes]
    has_none = not isinstance(values, np.ndarray) and None in values
    try:
        whole = np.array(values, np.float64 if has_none else np.int64)  # None becomes NaN
        unknown = np.isnan(whole)
        whole[unknown] = 0
        if len(whole) and not least <= whole.min() <= whole.max() <= most:
            raise OverflowError
    except OverflowError:
        raise OutOfRange(f"an attempt has a number that no column can hold: give whole numbers from {least} to {most}") from None
    return whole.astype(np.int64, copy=False), unknown


def _codes_dtype(count: int) -> Any:
    return np.int8 if count <= 2**7 else np.int16 if count <= 2**15 else np.int32
