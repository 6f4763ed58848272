"""The rows of a frame by the call that they belong to: what each call came to, and which wait each failure caused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from chatkit.analysis.aggregates.call_rows import CallRows, by_call
from chatkit.analysis.arrays import UNKNOWN, Ints, Words, categories, integers, moments, numbers, spans, timedeltas, utc, words
from chatkit.errors import UsageError

OUTCOMES = ("ok", "failed", "abandoned")
"""How a call ends. A last row that says ``retry`` is no end: the rest wasn't recorded."""


def require(df: pd.DataFrame, *columns: str, what: str) -> None:
    """Refuse what is no frame, or lacks a column.

    Parameters
    ----------
    df : pandas.DataFrame
        What was given.
    *columns : str
        What it must have.
    what : str
        Who asks, such as ``calls()``.

    Raises
    ------
    UsageError
        It names the columns that are missing.
    """
    if not isinstance(df, pd.DataFrame):
        raise UsageError(f"{what} takes a DataFrame with a row an attempt, such as load_retry_log() gives; found a {type(df).__name__}")
    if missing := [column for column in columns if column not in df.columns]:
        noun, verb = ("columns", "aren't") if len(missing) > 1 else ("column", "isn't")
        names = ", ".join(map(repr, missing))
        raise UsageError(
            f"{what} needs the {noun} {names}, which {verb} in the frame: give one as load_retry_log() or attempts_frame() does"
        )
    if doubled := [column for column in columns if isinstance(df[column], pd.DataFrame)]:
        raise UsageError(f"{what}: the frame has more than one column {doubled[0]!r}")


def failed(df: pd.DataFrame) -> pd.Series[bool]:
    """Which rows are failed attempts: their outcome is ``retry``, ``failed`` or null (the logs of others hold failed attempts alone).

    Parameters
    ----------
    df : pandas.DataFrame
        Needs the column ``outcome``.

    Returns
    -------
    pandas.Series
        Of bool, with the index of `df`.

    Examples
    --------
    >>> list(failed(pd.DataFrame({"outcome": ["retry", "ok", None, "abandoned"]})))
    [True, False, True, False]
    """
    require(df, "outcome", what="failed()")
    outcome = words(df, "outcome")
    return pd.Series(outcome.among("retry", "failed") | (outcome.codes < 0), index=df.index, name="failed")


def call_codes(df: pd.DataFrame) -> Ints:
    """A number for each row's call, from 0 in the order of appearance, -1 where the row belongs to none.

    Parameters
    ----------
    df : pandas.DataFrame
        Needs the column ``call``.

    Returns
    -------
    numpy.ndarray
        Of int64, a number a row.
    """
    require(df, "call", what="call_codes()")
    return words(df, "call").codes


@dataclass(frozen=True)
class Spent:
    """The times of each call, in microseconds, `UNKNOWN` where they aren't known.

    Attributes
    ----------
    started, ended : numpy.ndarray
        The start of its first attempt, and the end of its last.
    waited, worked : numpy.ndarray
        The sums of its waits and of its attempts.
    wall : numpy.ndarray
        How long it took in all. A log that begins amidst a call begins with a wait: that counts. A clock that was set back doesn't:
        no call is shorter than its waits and attempts together. It isn't known where the last that is recorded is a wait (hooks of
        others tell of failures alone): the call went on.
    """

    started: Ints
    ended: Ints
    waited: Ints
    worked: Ints
    wall: Ints


def spent(df: pd.DataFrame, grouped: CallRows) -> Spent:
    """The times of each call. Needs the columns ``ts``, ``waited``, ``delay`` and ``duration``."""
    ts, before, after, duration = moments(df, "ts"), spans(df, "waited"), spans(df, "delay"), spans(df, "duration")
    head, tail = grouped.rows[grouped.starts], grouped.rows[grouped.ends]
    started = ts[head]
    ended = np.where((ts[tail] == UNKNOWN) | (duration[tail] == UNKNOWN), UNKNOWN, ts[tail] + duration[tail])
    waited, worked = grouped.total(row_waits(df)), grouped.total(duration)
    lead = np.where(before[head] == UNKNOWN, 0, before[head])
    least = np.where(waited == UNKNOWN, 0, waited) + np.where(worked == UNKNOWN, 0, worked)
    goes_on = (before[tail] == UNKNOWN) & (after[tail] != UNKNOWN)
    wall = np.where((started == UNKNOWN) | (ended == UNKNOWN) | goes_on, UNKNOWN, np.maximum(ended - started + lead, least))
    return Spent(started, ended, waited, worked, wall)


def row_waits(df: pd.DataFrame) -> Ints:
    """The wait that each row stands for, in microseconds: the one before it, else (the logs of others) the one that follows."""
    waited = spans(df, "waited")
    return np.where(waited == UNKNOWN, spans(df, "delay"), waited)


def outcomes(df: pd.DataFrame, grouped: CallRows) -> Ints:
    """How each call ended: its place in `OUTCOMES`, -1 where that isn't known."""
    outcome = words(df, "outcome")
    codes = pd.Index(OUTCOMES).get_indexer(outcome.values)
    return np.append(codes, -1)[outcome.codes[grouped.rows[grouped.ends]]].astype(np.int64)


def calls(df: pd.DataFrame) -> pd.DataFrame:
    """One row a call: how it ended, how many attempts it took, how long it waited, and why.

    Parameters
    ----------
    df : pandas.DataFrame
        A row an attempt, in any order. Needs the columns ``ts``, ``call``, ``chat``, ``operation``, ``provider``, ``model``, ``step``,
        ``attempt``, ``waited``, ``duration``, ``outcome``, ``delay``, ``kind`` and ``error``. Rows without a call belong to no call: they
        are left out, and ``attrs["rows_without_call"]`` says how many they are.

    Returns
    -------
    pandas.DataFrame
        Sorted by ``started``; what isn't known is null:

        ==================================================  ====================  ==================================================
        column                                              dtype                 what it is
        ==================================================  ====================  ==================================================
        ``call``                                            string                the call's id
        ``chat``, ``operation``, ``provider``, ``model``    category              whose it is, and whom it asked
        ``step``                                            Int32                 the step of the turn
        ``started``, ``ended``                              datetime64[us, UTC]   start of its first attempt, end of its last
        ``attempts``                                        Int32                 how many of them are recorded
        ``outcome``                                         category              ``ok``, ``failed``, ``abandoned``; null where the log
                                                                                  has no end of it
        ``waited``                                          timedelta64[us]       the sum of its waits (where a log doesn't have the
                                                                                  wait itself: of the delays that it has)
        ``worked``                                          timedelta64[us]       the sum of its attempts
        ``first_kind``, ``last_kind``                       category              why its first and its last failed attempt failed
        ``first_error``, ``last_error``                     category              the same in words
        ==================================================  ====================  ==================================================

    Raises
    ------
    UsageError
        A column is missing, or holds something else.

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
      call  attempts outcome          waited  first_kind
    0    a         2      ok 0 days 00:00:01  overloaded
    """
    whose = ("chat", "operation", "provider", "model")
    require(
        df, "ts", "call", *whose, "step", "attempt", "waited", "duration", "outcome", "delay", "kind", "error", what="calls()"
    )  # fmt: skip
    grouped = by_call(df)
    times = spent(df, grouped)
    order = _by_start(times.started, grouped.names)
    steps = numbers(df, "step")
    failure = failed(df).to_numpy()
    first, last = grouped.first(failure)[order], grouped.last(failure)[order]
    columns: dict[str, Any] = {"call": pd.Series(grouped.names[order]).astype("string")}
    for column in whose:
        word = words(df, column)
        columns[column] = _at(word, grouped.first(word.codes >= 0)[order])
    columns["step"] = integers(np.append(steps, np.nan)[grouped.first(~np.isnan(steps))[order]], "Int32")
    columns["started"] = utc(times.started[order])
    columns["ended"] = utc(times.ended[order])
    columns["attempts"] = integers((grouped.ends - grouped.starts + 1)[order], "Int32")
    columns["outcome"] = pd.Categorical.from_codes(outcomes(df, grouped)[order], categories=pd.Index(OUTCOMES))
    columns["waited"] = timedeltas(times.waited[order])
    columns["worked"] = timedeltas(times.worked[order])
    kind, error = words(df, "kind"), words(df, "error")
    columns |= {
        "first_kind": _at(kind, first),
        "last_kind": _at(kind, last),
        "first_error": _at(error, first),
        "last_error": _at(error, last),
    }
    result = pd.DataFrame(columns)
    result.attrs["rows_without_call"] = len(df) - len(grouped.rows)
    return result


def _at(word: Words, rows: Ints) -> pd.Categorical:
    """The words at these positions, null at -1."""
    return categories(np.append(word.codes, -1)[rows], word.values)


def _by_start(started: Ints, names: pd.Index[Any]) -> Ints:
    """Calls in the order of their start, unknown ones last; those that start at once by their id."""
    known = np.where(started == UNKNOWN, np.iinfo(np.int64).max, started)
    order = np.argsort(known, kind="stable")
    same = np.diff(known[order]) == 0
    tied = np.append(same, False) | np.insert(same, 0, False) if len(order) else np.zeros(0, dtype=bool)
    among = order[tied]
    ids = np.argsort(names[among].to_numpy(dtype=object), kind="stable")  # only these: to sort all ids takes long
    order[tied] = among[ids][np.argsort(known[among[ids]], kind="stable")]
    return order.astype(np.int64)


def waits_after(df: pd.DataFrame) -> pd.Series[pd.Timedelta]:
    """The wait that each failed attempt caused.

    That is what the next attempt of its call waited. A log that doesn't have the waits (those of others) has the delay that was scheduled:
    there it is the row's own ``delay``.

    Parameters
    ----------
    df : pandas.DataFrame
        Needs the columns ``ts``, ``call``, ``attempt``, ``waited``, ``outcome`` and ``delay``.

    Returns
    -------
    pandas.Series
        Of timedelta64[us], with the index of `df`. NaT where the attempt didn't fail, no wait followed, or it isn't known.
    """
    require(df, "ts", "call", "attempt", "waited", "outcome", "delay", what="waits_after()")
    return pd.Series(timedeltas(caused_waits(df, by_call(df))), index=df.index, name="waited_after")


def caused_waits(df: pd.DataFrame, grouped: CallRows) -> Ints:
    """As `waits_after`, in microseconds."""
    measured = measured_after(df, grouped)
    foreign = failed(df).to_numpy() & (spans(df, "waited") == UNKNOWN) & (measured == UNKNOWN)
    return np.where(foreign, spans(df, "delay"), measured)


def measured_after(df: pd.DataFrame, grouped: CallRows) -> Ints:
    """The waits that followed a failed attempt and were measured, in microseconds, by row."""
    after = np.full(len(df), UNKNOWN)
    this, following = grouped.rows[:-1], grouped.rows[1:]
    attempt = numbers(df, "attempt")
    gap = attempt[following] - attempt[this]  # a log may lack an attempt between the two: then the wait was another's
    follows = (np.diff(grouped.call) == 0) & ((gap == 1) | np.isnan(gap))
    after[this[follows]] = spans(df, "waited")[following[follows]]
    after[~failed(df).to_numpy()] = UNKNOWN
    return after
