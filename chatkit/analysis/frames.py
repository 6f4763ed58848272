"""Frames of attempts: one row per attempt, with the same columns whichever library recorded it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import pandas as pd

from chatkit.analysis.columns import (
    MAX_TS,
    MIN_TS,
    UNKNOWN,
    Bools,
    CategoryColumn,
    Coded,
    TimeColumn,
    Values,
    chosen,
    column_for,
    since_epoch,
)
from chatkit.analysis.readable import ReadableFrame
from chatkit.errors import UsageError
from chatkit.failures.redaction import redact
from chatkit.retries.log import AttemptRecord

COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "attempt": "Int32",
        "outcome": "category",
        "kind": "category",
        "error": "category",
        "waited": "timedelta64[us]",
        "duration": "timedelta64[us]",
        "ts": "datetime64[us, UTC]",
        "operation": "category",
        "provider": "category",
        "model": "category",
        "step": "Int32",
        "status_code": "Int16",
        "delay": "timedelta64[us]",
        "hint": "timedelta64[us]",
        "call": "string",
        "chat": "category",
        "request_id": "string",
        "v": "Int16",
    }
)
"""The columns of every frame of attempts, in order, with their dtypes as ``str(frame.dtypes[name])`` gives them.

They are the fields of `chatkit.AttemptRecord`. The log stores ``waited``, ``duration``, ``delay`` and ``hint`` as whole milliseconds, in
the fields ``waited_ms`` and so on. Unknown values are null: ``NaT``, ``<NA>`` or ``NaN``. A frame shows all of these as –, and
timedeltas in seconds; ``pandas.DataFrame(frame)`` shows them as pandas does.
"""

_FIELDS = {column: f"{column}_ms" if dtype.startswith("timedelta") else column for column, dtype in COLUMNS.items()}


class HasAttempts(Protocol):
    """Anything with a record of its attempts, such as a `chatkit.Chat`."""

    @property
    def attempts(self) -> Iterable[AttemptRecord]: ...


def attempts_frame(source: Iterable[AttemptRecord] | HasAttempts) -> pd.DataFrame:
    """Put attempts into a DataFrame: one row per attempt, in the order of the source.

    Parameters
    ----------
    source : iterable of AttemptRecord, or an object with `attempts`
        The records, or an object such as a chat that holds them.

    Returns
    -------
    pandas.DataFrame
        With the columns and dtypes of `COLUMNS`, also when it has no rows:

        =============================  ====================  =====================================================
        column                         dtype                 description
        =============================  ====================  =====================================================
        ``attempt``                    Int32                 its number within the step, from 1
        ``outcome``                    category              ``ok``, ``retry``, ``failed`` or ``abandoned``
        ``kind``, ``error``            category              the failure: its kind, and chatkit's message
        ``waited``, ``duration``       timedelta64[us]       the actual wait before it; how long it took
        ``ts``                         datetime64[us, UTC]   start of the attempt
        ``operation``                  category              ``chat``, ``title`` or ``retry``
        ``provider``, ``model``        category              the provider and the model of the request
        ``step``                       Int32                 the step of the turn, from 1
        ``status_code``                Int16                 the HTTP status
        ``delay``, ``hint``            timedelta64[us]       the planned wait after it; the server's retry-after
        ``call``                       string                the attempts of one step, title or `retry` share it
        ``chat``                       category              the chat's id
        ``request_id``                 string                the provider's id of the request
        ``v``                          Int16                 version of the record
        =============================  ====================  =====================================================

        It is shown with waits in seconds and – for what is unknown; the values are those of the table.

    Raises
    ------
    UsageError
        `source` holds something other than an `AttemptRecord`.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> record = AttemptRecord(
    ...     ts=datetime(2026, 11, 20, tzinfo=UTC), call="c", operation="retry", attempt=1, duration_ms=30, outcome="retry", delay_ms=1000
    ... )
    >>> attempts_frame([record])[["attempt", "outcome", "delay"]]
       attempt outcome delay
    0        1   retry   1 s
    """
    given: Any = getattr(source, "attempts", source)
    records = list(given) if isinstance(given, Iterable) else [source]  # a `Reply` has the number of its attempts
    for record in records:
        if not isinstance(record, AttemptRecord):
            raise UsageError(f"attempts_frame(): give AttemptRecord values, or anything with attempts; found a {type(record).__name__}")
    return frame_of_fields({field: [getattr(record, field) for record in records] for field in _FIELDS.values()})


def frame_of_fields(fields: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """A frame of attempts from the values of each field of `AttemptRecord`, None where unknown; a missing field is unknown throughout."""
    frame = GrowingFrame()
    frame.add(fields)
    return frame.take()


class GrowingFrame:
    """A frame of attempts that is built chunk by chunk; a `foreign` log, of another library, is redacted, since it may contain keys."""

    def __init__(self, *, foreign: bool = False) -> None:
        self._columns = {column: column_for(dtype) for column, dtype in COLUMNS.items()}
        if foreign:
            self._columns |= {column: CategoryColumn(redact) for column in ("outcome", "kind", "error")}

    def add(self, fields: Mapping[str, Values], since: int | None = None, until: int | None = None) -> int:
        """Append rows, given as the values of each field, whose time lies in [since, until), in microseconds since 1970.

        It returns how many rows were left out because they lie outside or have no time.
        """
        rows = max((len(values.codes if isinstance(values, Coded) else values) for values in fields.values()), default=0)
        unknown = Coded([None], np.zeros(rows, np.int32))
        moments = since_epoch(fields["ts"]) if "ts" in fields else np.full(rows, UNKNOWN)
        inside: Bools | None = None
        if since is not None or until is not None:
            inside = (moments >= (MIN_TS if since is None else since)) & (moments < (MAX_TS + 1 if until is None else until))
            inside = None if inside.all() else inside
        for name, column in self._columns.items():
            values = moments if isinstance(column, TimeColumn) else fields.get(_FIELDS[name], unknown)
            column.add(values if inside is None else chosen(values, inside))
        return 0 if inside is None else rows - int(inside.sum())

    def take(self) -> pd.DataFrame:
        """The finished frame; nothing can be added afterwards."""
        return ReadableFrame({name: column.take() for name, column in self._columns.items()}, columns=list(COLUMNS), copy=False)
