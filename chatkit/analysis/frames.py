"""Attempts as a DataFrame: one row an attempt, and one set of columns whoever recorded it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import pandas as pd

from chatkit.errors import UsageError
from chatkit.retries.log import AttemptRecord

__all__ = ["COLUMNS", "HasAttempts", "attempts_frame", "frame_of_fields"]

COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "ts": "datetime64[us, UTC]",
        "call": "string",
        "chat": "category",
        "operation": "category",
        "provider": "category",
        "model": "category",
        "step": "Int32",
        "attempt": "Int32",
        "waited": "timedelta64[us]",
        "duration": "timedelta64[us]",
        "outcome": "category",
        "delay": "timedelta64[us]",
        "hint": "timedelta64[us]",
        "kind": "category",
        "status_code": "Int16",
        "request_id": "string",
        "error": "category",
        "v": "Int16",
    }
)
"""The columns of every frame of attempts, in order, with their dtypes as ``str(frame.dtypes[name])`` gives them.

They are the fields of `chatkit.AttemptRecord`. ``waited``, ``duration``, ``delay`` and ``hint`` are the fields that the log
writes as whole milliseconds (``waited_ms`` …). What isn't known is missing: ``NaT``, ``<NA>`` or ``NaN``.
"""

_FIELDS = {column: f"{column}_ms" if dtype.startswith("timedelta") else column for column, dtype in COLUMNS.items()}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NOT_A_TIME = np.iinfo(np.int64).min


class HasAttempts(Protocol):
    """Anything that remembers its attempts: a `chatkit.Chat`, a `chatkit.Reply`."""

    @property
    def attempts(self) -> Iterable[AttemptRecord]: ...


def attempts_frame(source: Iterable[AttemptRecord] | HasAttempts) -> pd.DataFrame:
    """One row an attempt, in the order of the source.

    Parameters
    ----------
    source : iterable of AttemptRecord, or anything with `attempts`
        Records, or a chat, a reply … that holds them.

    Returns
    -------
    pandas.DataFrame
        With the columns and dtypes of `COLUMNS`, also where there is no row:

        =============================  ====================  =====================================================
        column                         dtype                 what it is
        =============================  ====================  =====================================================
        ``ts``                         datetime64[us, UTC]   start of the attempt
        ``call``                       string                the attempts of one step, title or `retry` share it
        ``chat``, ``operation``        category              the chat's id; ``chat``, ``title`` or ``retry``
        ``provider``, ``model``        category              whom it asked
        ``step``, ``attempt``          Int32                 both from 1
        ``waited``, ``duration``       timedelta64[us]       the wait before it, as it was; how long it took
        ``outcome``                    category              ``ok``, ``retry``, ``failed`` or ``abandoned``
        ``delay``, ``hint``            timedelta64[us]       the wait that follows, and what the server asked for
        ``kind``, ``error``            category              the failure, by kind and in chatkit's words
        ``status_code``                Int16                 the HTTP status
        ``request_id``                 string                the provider's name for the request
        ``v``                          Int16                 version of the record
        =============================  ====================  =====================================================

    Raises
    ------
    UsageError
        `source` holds something that is no record of an attempt.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> record = AttemptRecord(
    ...     ts=datetime(2026, 11, 20, tzinfo=UTC), call="c", operation="retry", attempt=1, duration_ms=30, outcome="retry", delay_ms=1000
    ... )
    >>> attempts_frame([record])[["attempt", "outcome", "delay"]]
       attempt outcome           delay
    0        1   retry 0 days 00:00:01
    """
    holder: Any = source
    records = list(holder.attempts if hasattr(source, "attempts") else holder)
    for record in records:
        if not isinstance(record, AttemptRecord):
            raise UsageError(f"attempts_frame(): give AttemptRecord values, or anything with attempts; found a {type(record).__name__}")
    return frame_of_fields({field: [getattr(record, field) for record in records] for field in _FIELDS.values()})


def frame_of_fields(fields: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """The frame of values that are sorted by field, as the log names the fields.

    Parameters
    ----------
    fields : mapping of str to sequence
        Values by field of `AttemptRecord`, all of one length, None where unknown; a field that is missing is unknown throughout.

    Returns
    -------
    pandas.DataFrame
        As `attempts_frame` gives it.
    """
    rows = max(map(len, fields.values()), default=0)
    unknown = [None] * rows
    return pd.DataFrame(
        {column: _column(fields.get(field, unknown), COLUMNS[column]) for column, field in _FIELDS.items()}, columns=list(COLUMNS)
    )


def _column(values: Sequence[Any], dtype: str) -> Any:
    if dtype.startswith("datetime64"):
        moments = np.array([_NOT_A_TIME if ts is None else _microseconds(ts) for ts in values], dtype=np.int64)
        return pd.DatetimeIndex(moments.view("datetime64[us]")).tz_localize("UTC")
    if dtype.startswith("timedelta64"):
        spans = np.array([_NOT_A_TIME if ms is None else ms * 1000 for ms in values], dtype=np.int64)
        return pd.TimedeltaIndex(spans.view("timedelta64[us]"))
    if dtype == "category":
        return pd.Categorical(values)
    array: Any = pd.array  # the stubs have an overload for each dtype's name alone
    return array(list(values), dtype=dtype)


def _microseconds(ts: datetime) -> int:
    return ((ts if ts.tzinfo else ts.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND
