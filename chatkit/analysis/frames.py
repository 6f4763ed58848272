"""Attempts as a DataFrame: one row an attempt, and one set of columns whoever recorded it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from chatkit.analysis.arrays import UNKNOWN
from chatkit.analysis.columns import LEAST_TS, MOST_TS, Coded, Moments, Values, Words, chosen, column_for, ticks_of
from chatkit.errors import UsageError
from chatkit.failures.redaction import redact
from chatkit.retries.log import AttemptRecord

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

    Raises
    ------
    UsageError
        A number is too large for its column.
    """
    frame = GrowingFrame()
    frame.add(fields)
    return frame.take()


class GrowingFrame:
    """A frame of attempts that is put together chunk by chunk.

    Parameters
    ----------
    foreign : bool
        Anybody may have written what is added: words of failures are freed from keys.
    """

    def __init__(self, *, foreign: bool = False) -> None:
        self._columns = {column: column_for(dtype) for column, dtype in COLUMNS.items()}
        if foreign:
            self._columns |= {column: Words(redact) for column in ("outcome", "kind", "error")}

    def add(self, fields: Mapping[str, Values], since: int | None = None, until: int | None = None) -> int:
        """Append rows, sorted by field; only those of [since, until) where either is given.

        Parameters
        ----------
        fields : mapping of str to sequence, array or Coded
            As in `frame_of_fields`; whole numbers may come as an array, and values that repeat as `Coded`.
        since, until : int, optional
            Microseconds since 1970.

        Returns
        -------
        int
            How many rows lie outside, or have no time.
        """
        rows = max((len(values.codes if isinstance(values, Coded) else values) for values in fields.values()), default=0)
        unknown = Coded([None], np.zeros(rows, np.int32))
        moments = ticks_of(fields["ts"]) if "ts" in fields else np.full(rows, UNKNOWN)
        inside: npt.NDArray[np.bool_] | None = None
        if since is not None or until is not None:
            inside = (moments >= (LEAST_TS if since is None else since)) & (moments < (MOST_TS + 1 if until is None else until))
            inside = None if inside.all() else inside
        for name, column in self._columns.items():
            values = moments if isinstance(column, Moments) else fields.get(_FIELDS[name], unknown)
            column.add(values if inside is None else chosen(values, inside))
        return 0 if inside is None else rows - int(inside.sum())

    def take(self) -> pd.DataFrame:
        """The frame; what was added is used up."""
        return pd.DataFrame({name: column.take() for name, column in self._columns.items()}, columns=list(COLUMNS), copy=False)
