"""Columns of a frame as plain arrays, whatever dtype they came in, and plain arrays as columns.

A frame that went through a CSV file or a `concat` has lost its dtypes, not its meaning: words are text again, integers are floats.
Times and spans are whole microseconds here, `UNKNOWN` where they are missing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from chatkit.errors import UsageError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
UNKNOWN: int = int(np.iinfo(np.int64).min)
"""How numpy writes NaT."""


class Words(NamedTuple):
    """A column of words: a number for each row (-1 where it is null), and the word of each number."""

    codes: Ints
    values: pd.Index[Any]

    def among(self, *wanted: str) -> Bools:
        """The rows that hold one of these words."""
        return np.append(np.asarray(self.values.isin(wanted), dtype=bool), False)[self.codes]


def words(df: pd.DataFrame, column: str) -> Words:
    """A column of words, as text."""
    series = df[column]
    if isinstance(series.dtype, pd.CategoricalDtype):
        codes, values = series.cat.codes.to_numpy().astype(np.int64), series.cat.categories
    else:
        codes, values = _factorized(series, column)
    if values.inferred_type not in ("string", "empty"):  # a CSV file turns a model that is called 4 into a number
        again, values = pd.factorize(pd.Index([str(value) for value in values], dtype=object))
        codes = np.append(again, -1)[codes]
    return Words(codes, values)


def _factorized(series: pd.Series[Any], column: str) -> tuple[Ints, pd.Index[Any]]:
    try:
        codes, values = pd.factorize(series)
    except TypeError:  # lists and dicts have no hash
        raise UsageError(f"the column {column!r} holds values that can't be compared: give words or numbers") from None
    return codes.astype(np.int64), pd.Index(values)


def moments(df: pd.DataFrame, column: str) -> Ints:
    """A column of times, in microseconds since 1970, UTC; times without a zone are UTC."""
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
    """A column that lost its dtype, with it; one of nulls may have had any. Numbers are refused: nobody knows their unit."""
    try:
        if series.isna().all():
            return convert(series.astype(object))
        if pd.api.types.is_numeric_dtype(series.dtype):
            raise TypeError("of which unit?")
        return convert(series)
    except (TypeError, ValueError):
        raise UsageError(f"the column {series.name!r} holds no {of}: convert it with pandas.{by}") from None


def numbers(df: pd.DataFrame, column: str) -> Floats:
    """A column of numbers, NaN where it is null."""
    try:
        values = np.asarray(pd.to_numeric(df[column]).to_numpy(dtype=np.float64, na_value=np.nan))
    except (TypeError, ValueError):
        raise UsageError(f"the column {column!r} holds no numbers: convert it with pandas.to_numeric(…)") from None
    return np.where(np.isfinite(values), values, np.nan)


def categories(codes: Ints, values: pd.Index[Any]) -> pd.Categorical:
    """Words as a category column. It has the words that occur, sorted: the same ones whatever the order of the rows was."""
    occurring = np.zeros(len(values), dtype=bool)
    occurring[codes[codes >= 0]] = True
    kept = np.flatnonzero(occurring)
    kept = kept[np.argsort(values[kept].to_numpy(dtype=object), kind="stable")]
    place = np.full(len(values) + 1, -1)
    place[kept] = np.arange(len(kept))
    text = pd.Index(["text"]).dtype  # which one that is depends on the version of pandas
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
    """``part / whole`` as a nullable column, null where the whole is nothing."""
    nothing = np.asarray(whole) <= 0
    array: Any = pd.arrays.FloatingArray
    return array(part / np.where(nothing, 1, whole), nothing)
