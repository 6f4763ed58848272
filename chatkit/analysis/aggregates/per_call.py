"""What the attempts of each call add up to, and which wait each failed attempt caused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from chatkit.analysis.columns import (
    UNKNOWN,
    Bools,
    Factorized,
    Floats,
    Ints,
    categories,
    factorized,
    integers,
    moments,
    numbers,
    spans,
    timedeltas,
    utc,
)
from chatkit.analysis.readable import ReadableFrame
from chatkit.errors import UsageError

OUTCOMES = ("ok", "failed", "abandoned")
"""How a call ends. Where the last row of a call has the outcome ``retry``, the end of the call isn't recorded."""


def require(df: pd.DataFrame, *columns: str, what: str) -> None:
    """Raise a UsageError unless `df` is a DataFrame with these columns, each of them once; `what` names the caller, such as ``calls()``."""
    if not isinstance(df, pd.DataFrame):
        raise UsageError(f"{what} takes a DataFrame with one row per attempt, such as load_retry_log() gives; found a {type(df).__name__}")
    if missing := [column for column in columns if column not in df.columns]:
        noun, verb = ("columns", "aren't") if len(missing) > 1 else ("column", "isn't")
        names = ", ".join(map(repr, missing))
        raise UsageError(
            f"{what} needs the {noun} {names}, which {verb} in the frame: give one as load_retry_log() or attempts_frame() does"
        )
    if doubled := [column for column in columns if isinstance(df[column], pd.DataFrame)]:
        raise UsageError(f"{what}: the frame has more than one column {doubled[0]!r}")


def failed(df: pd.DataFrame) -> Bools:
    """Which rows are failed attempts: the outcome is ``retry``, ``failed`` or null, as in other libraries' logs of failures."""
    outcome = factorized(df, "outcome")
    return outcome.among("retry", "failed") | (outcome.codes < 0)


# ── rows by call ──


@dataclass(frozen=True)
class CallRows:
    """The rows of a frame sorted by call, and within a call by attempt."""

    rows: Ints
    """Positions in the frame of the rows that belong to a call, in order."""
    call: Ints
    """The number of the call, for each of `rows`."""
    starts: Ints
    """The place in `rows` of each call's first row."""
    ends: Ints
    """The place in `rows` of each call's last row."""
    of_row: Ints
    """The number of the call for each row of the frame, -1 where it belongs to none."""
    ids: pd.Index[Any]
    """The id of each call."""

    def __len__(self) -> int:
        return len(self.starts)

    def first(self, wanted: Bools) -> Ints:
        """The position of each call's first wanted row, -1 where there is none."""
        return self._position(np.flatnonzero(wanted[self.rows])[::-1])

    def last(self, wanted: Bools) -> Ints:
        """The position of each call's last wanted row, -1 where there is none."""
        return self._position(np.flatnonzero(wanted[self.rows]))

    def _position(self, places: Ints) -> Ints:
        found = np.full(len(self), -1)
        found[self.call[places]] = self.rows[places]  # of several places, the last one is kept
        return found

    def total(self, values: Ints) -> Ints:
        """The sum of each call's known values, `UNKNOWN` where none is known."""
        values = values[self.rows]
        if not len(self):
            return values
        known = values != UNKNOWN
        sums = np.add.reduceat(np.where(known, values, 0), self.starts)
        return np.where(np.logical_or.reduceat(known, self.starts), sums, UNKNOWN)


def by_call(df: pd.DataFrame) -> CallRows:
    """Sort the rows by call, and within a call by time and attempt; needs the columns ``call``, ``ts`` and ``attempt``."""
    of_row, ids = factorized(df, "call")
    attempt = numbers(df, "attempt")
    order = _order(of_row, _unknown_last(moments(df, "ts")), attempt)
    rows = order[np.count_nonzero(of_row < 0) :].astype(np.int64)
    call = of_row[rows]
    rows = _by_attempt(rows, call, attempt[rows])
    starts = np.flatnonzero(np.diff(call, prepend=-1))
    used = call[starts]  # a category column may have ids that no row has
    number = np.full(len(ids) + 1, -1)
    number[used] = np.arange(len(used))
    return CallRows(rows, number[call], starts, np.append(starts[1:], len(rows))[: len(starts)] - 1, number[of_row], ids[used])


def _order(call: Ints, ts: Ints, attempt: Floats) -> Ints:
    """The rows sorted by call, time and attempt; by a number made of call and time alone where it fits, and differs for all rows."""
    first, last = (int(ts.min()), int(ts.max())) if len(ts) else (0, 0)
    if (last - first + 1) * (int(call.max(initial=0)) + 1) < np.iinfo(np.int64).max:
        key = call * (last - first + 1) + (ts - first)
        order = np.argsort(key, kind="stable")
        if np.all(np.diff(key[order]) > 0):
            return order
    return np.lexsort((attempt, ts, call))  # which takes several times as long for shuffled rows


def _by_attempt(rows: Ints, call: Ints, attempt: Floats) -> Ints:
    """The rows with the calls in which time and attempt disagree (a clock was set back) by attempt, if no number is missing or repeated."""
    contradicted = (np.diff(call) == 0) & (np.diff(attempt) < 0)
    places = np.flatnonzero(np.isin(call, call[1:][contradicted]))
    again = places[np.lexsort((attempt[places], call[places]))]
    repeated = (np.diff(call[again]) == 0) & ~(np.diff(attempt[again]) > 0)
    numbered = ~np.isin(call[again], call[again][1:][repeated])
    right = rows.copy()
    right[places[numbered]] = rows[again[numbered]]
    return right


def _unknown_last(microseconds: Ints) -> Ints:
    return np.where(microseconds == UNKNOWN, np.iinfo(np.int64).max, microseconds)


# ── times and waits ──


@dataclass(frozen=True)
class CallTimes:
    """The times of each call, in microseconds, `UNKNOWN` where they aren't known."""

    started: Ints
    """The start of the first attempt."""
    ended: Ints
    """The end of the last attempt."""
    waited: Ints
    """The sum of the waits."""
    worked: Ints
    """The sum of the attempts."""
    elapsed: Ints
    """The duration of the whole call, with the wait before its first attempt; never less than `waited` and `worked` together, even
    if a clock was set back. Unknown where the record ends with a planned wait, as in other libraries' logs: the call went on."""


def call_times(df: pd.DataFrame, rows: CallRows) -> CallTimes:
    """The times of each call; needs the columns ``ts``, ``waited``, ``delay`` and ``duration``."""
    ts, before, after, duration = moments(df, "ts"), spans(df, "waited"), spans(df, "delay"), spans(df, "duration")
    head, tail = rows.rows[rows.starts], rows.rows[rows.ends]
    started = ts[head]
    ended = np.where((ts[tail] == UNKNOWN) | (duration[tail] == UNKNOWN), UNKNOWN, ts[tail] + duration[tail])
    waited, worked = rows.total(row_waits(df)), rows.total(duration)
    lead, least_waited, least_worked = (np.where(values == UNKNOWN, 0, values) for values in (before[head], waited, worked))
    goes_on = (before[tail] == UNKNOWN) & (after[tail] != UNKNOWN)
    elapsed = np.maximum(ended - started + lead, least_waited + least_worked)
    elapsed[(started == UNKNOWN) | (ended == UNKNOWN) | goes_on] = UNKNOWN
    return CallTimes(started, ended, waited, worked, elapsed)


def row_waits(df: pd.DataFrame) -> Ints:
    """The wait before each row, in microseconds; where that is unknown, as in the logs of other libraries, the planned wait after it."""
    waited = spans(df, "waited")
    return np.where(waited == UNKNOWN, spans(df, "delay"), waited)


def measured_waits(df: pd.DataFrame, rows: CallRows) -> Ints:
    """The measured wait after each failed attempt, in microseconds per row: the next attempt of its call has recorded it."""
    after = np.full(len(df), UNKNOWN)
    this, following = rows.rows[:-1], rows.rows[1:]
    attempt = numbers(df, "attempt")
    gap = attempt[following] - attempt[this]  # where the attempt in between isn't recorded, that one caused the wait
    follows = (np.diff(rows.call) == 0) & ((gap == 1) | np.isnan(gap))
    after[this[follows]] = spans(df, "waited")[following[follows]]
    return np.where(failed(df), after, UNKNOWN)


def caused_waits(df: pd.DataFrame, rows: CallRows) -> Ints:
    """The wait that each failed attempt caused, in microseconds per row: the measured one, or, where the log has none, the planned one."""
    measured = measured_waits(df, rows)
    planned_only = failed(df) & (spans(df, "waited") == UNKNOWN) & (measured == UNKNOWN)
    return np.where(planned_only, spans(df, "delay"), measured)


def outcomes(df: pd.DataFrame, rows: CallRows) -> Ints:
    """How each call ended: the place in `OUTCOMES`, -1 where the end isn't recorded."""
    outcome = factorized(df, "outcome")
    places = pd.Index(OUTCOMES).get_indexer(outcome.values)
    return np.append(places, -1)[outcome.codes[rows.rows[rows.ends]]].astype(np.int64)


# ── the aggregate ──


def calls(df: pd.DataFrame) -> pd.DataFrame:
    """Aggregate the attempts by call: how each call ended, how many attempts it took, how long it waited, and why.

    Parameters
    ----------
    df : pandas.DataFrame
        One row per attempt, in any order. Needs the columns ``ts``, ``call``, ``chat``, ``operation``, ``provider``, ``model``, ``step``,
        ``attempt``, ``waited``, ``duration``, ``outcome``, ``delay``, ``kind`` and ``error``. Rows without a call are left out;
        ``attrs["rows_without_call"]`` of the result is their number.

    Returns
    -------
    pandas.DataFrame
        One row per call, sorted by ``started``. Unknown values are null.

        ==================================================  ====================  ==================================================
        column                                              dtype                 description
        ==================================================  ====================  ==================================================
        ``call``                                            string                the call's id
        ``chat``, ``operation``, ``provider``, ``model``    category              the first known value of its attempts
        ``step``                                            Int32                 the step of the turn
        ``started``, ``ended``                              datetime64[us, UTC]   start of its first attempt, end of its last
        ``attempts``                                        Int32                 the number of recorded attempts
        ``outcome``                                         category              ``ok``, ``failed`` or ``abandoned``; null where the
                                                                                  end of the call isn't recorded
        ``waited``                                          timedelta64[us]       the sum of its waits (of the planned waits where
                                                                                  the log doesn't have the actual ones)
        ``worked``                                          timedelta64[us]       the sum of its attempts' durations
        ``first_kind``, ``last_kind``                       category              the kind of its first and its last failure
        ``first_error``, ``last_error``                     category              the messages of these failures
        ==================================================  ====================  ==================================================

    Raises
    ------
    UsageError
        A column is missing, or holds values of the wrong type.

    Examples
    --------
    >>> from datetime import UTC, datetime, timedelta
    >>> from chatkit import AttemptRecord
    >>> from chatkit.analysis import attempts_frame, calls
    >>> start = datetime(2026, 11, 20, tzinfo=UTC)
    >>> one = AttemptRecord(
    ...     ts=start, call="a", operation="chat", attempt=1, duration_ms=200, outcome="retry", delay_ms=1000, kind="overloaded"
    ... )
    >>> two = AttemptRecord(
    ...     ts=start + timedelta(seconds=1.2), call="a", operation="chat", attempt=2, waited_ms=1000, duration_ms=800, outcome="ok"
    ... )
    >>> calls(attempts_frame([one, two]))[["call", "attempts", "outcome", "waited", "first_kind"]]
      call  attempts outcome waited  first_kind
    0    a         2      ok    1 s  overloaded
    """
    shared = ("chat", "operation", "provider", "model")
    needed = ("ts", "call", *shared, "step", "attempt", "waited", "duration", "outcome", "delay", "kind", "error")
    require(df, *needed, what="calls()")
    rows = by_call(df)
    times = call_times(df, rows)
    order = _by_start(times.started, rows.ids)
    step, failure = numbers(df, "step"), failed(df)
    first, last = rows.first(failure)[order], rows.last(failure)[order]
    columns: dict[str, Any] = {"call": pd.Series(rows.ids[order]).astype("string")}
    for column in shared:
        values = factorized(df, column)
        columns[column] = _at(values, rows.first(values.codes >= 0)[order])
    columns["step"] = integers(np.append(step, np.nan)[rows.first(~np.isnan(step))[order]], "Int32")
    columns["started"] = utc(times.started[order])
    columns["ended"] = utc(times.ended[order])
    columns["attempts"] = integers((rows.ends - rows.starts + 1)[order], "Int32")
    columns["outcome"] = pd.Categorical.from_codes(outcomes(df, rows)[order], categories=pd.Index(OUTCOMES))
    columns["waited"] = timedeltas(times.waited[order])
    columns["worked"] = timedeltas(times.worked[order])
    for column in ("kind", "error"):
        values = factorized(df, column)
        columns |= {f"first_{column}": _at(values, first), f"last_{column}": _at(values, last)}
    result = ReadableFrame(columns)
    result.attrs["rows_without_call"] = len(df) - len(rows.rows)
    return result


def _at(values: Factorized, rows: Ints) -> pd.Categorical:
    """The values at these positions, null at -1."""
    return categories(np.append(values.codes, -1)[rows], values.values)


def _by_start(started: Ints, ids: pd.Index[Any]) -> Ints:
    """The calls in the order of their start, unknown ones last; calls with the same start in the order of their ids."""
    known = _unknown_last(started)
    order = np.argsort(known, kind="stable")
    same = np.diff(known[order]) == 0
    tied = np.append(same, False) | np.insert(same, 0, False) if len(order) else np.zeros(0, dtype=bool)
    among = order[tied]
    by_id = among[np.argsort(ids[among].to_numpy(dtype=object), kind="stable")]  # sorting all ids would take long
    order[tied] = by_id[np.argsort(known[by_id], kind="stable")]
    return order.astype(np.int64)
