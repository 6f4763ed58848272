"""Aggregates of a frame of attempts: how the calls went, why attempts failed, how long the waits were and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from chatkit.analysis.aggregates.groups import Groups, call_key, checked_columns, grouped, row_key
from chatkit.analysis.aggregates.over_time import HOUR
from chatkit.analysis.aggregates.per_call import (
    OUTCOMES,
    by_call,
    call_times,
    caused_waits,
    failed,
    measured_waits,
    outcomes,
    require,
    row_waits,
)
from chatkit.analysis.columns import UNKNOWN, factorized, integers, numbers, rates, spans, timedeltas
from chatkit.analysis.readable import ReadableFrame
from chatkit.retries.backoff import delay

_OK, _FAILED, _ABANDONED = range(len(OUTCOMES))
_MAX_FAILURES = 64
"""After so many failures, `delay` has long reached its ceiling."""


def summarize(df: pd.DataFrame, by: str | Sequence[str] | None = "provider") -> pd.DataFrame:
    """Summarize how the calls went, and how much of their time they spent waiting.

    Parameters
    ----------
    df : pandas.DataFrame
        One row per attempt, in any order. Needs the columns ``ts``, ``call``, ``attempt``, ``waited``, ``duration``, ``outcome``, ``delay``
        and those of `by`.
    by : str, list of str or None, default "provider"
        The column, or columns, to group by: any column of the frame, including one that you added. A call is never divided: it counts in
        the group of the first known value of its attempts. None gives a single row, ``all``.

    Returns
    -------
    pandas.DataFrame
        One row per group. The index is `by`, sorted (a category column that you added keeps its own order), with null as the last group.
        Rows without a call count as attempts and waits, but not as calls.

        =================================================  ===============  ========================================================
        column                                             dtype            description
        =================================================  ===============  ========================================================
        ``calls``, ``attempts``                            Int64            the number of calls, and of attempts
        ``ok``, ``failed``, ``abandoned``                  Int64            the number of calls that ended this way
        ``success_rate``                                   Float64          the share of ``ok`` among the calls that ended ok or failed
        ``success_of``                                     Int64            the number of these calls
        ``retries_per_call``                               Float64          the mean number of recorded attempts after the first (one
                                                                            too few where a log only has failures)
        ``waited``                                         timedelta64[us]  the sum of all waits
        ``waited_p50``, ``waited_p95``, ``waited_max``     timedelta64[us]  quantiles of the time that a call waited in all
        ``waiting_share``                                  Float64          the waits' share of the calls' duration, over the calls for
                                                                            which both are known
        ``share_of``                                       Int64            the number of these calls
        =================================================  ===============  ========================================================

    Raises
    ------
    UsageError
        A column is missing, or `by` is not a column of the frame.

    Examples
    --------
    A call during an outage of ten seconds:

    >>> import pandas as pd
    >>> from chatkit import RetryPolicy
    >>> from chatkit.analysis import simulate, summarize
    >>> down = pd.DataFrame({"provider": ["x"], "started": [0], "ended": [10], "kind": ["overloaded"]})
    >>> df = simulate(down, RetryPolicy(), latency=1)
    >>> summarize(df)[["calls", "attempts", "success_rate"]].to_dict("index")
    {'x': {'calls': 1, 'attempts': 4, 'success_rate': 1.0}}
    >>> summarize(df, by=None).loc["all", "waited"]
    Timedelta('0 days 00:00:07')
    """
    require(df, "ts", "call", "attempt", "waited", "duration", "outcome", "delay", what="summarize()")
    rows = by_call(df)
    if by is None:
        groups = Groups(np.zeros(len(df), dtype=np.int64), 1)
        index: pd.Index[Any] = pd.Index(["all"])
    else:
        groups = grouped([call_key(df, column, rows) for column in checked_columns(df, by, "summarize()")])
        index = groups.index()
    of_calls = Groups(groups.codes[rows.rows[rows.starts]], groups.size)
    times, ends = call_times(df, rows), outcomes(df, rows)
    whole = (times.elapsed != UNKNOWN) & (times.waited != UNKNOWN)
    calls = of_calls.count(np.ones(len(rows), dtype=bool))
    ok, lost, abandoned = (of_calls.count(ends == end) for end in (_OK, _FAILED, _ABANDONED))
    p50, p95, most = of_calls.quantiles(times.waited, (0.5, 0.95, 1.0))
    waiting, elapsed = (of_calls.total(np.where(whole, values, 0)) for values in (times.waited, times.elapsed))
    return ReadableFrame(
        {
            "calls": integers(calls),
            "attempts": integers(groups.count(np.ones(len(df), dtype=bool))),
            "ok": integers(ok),
            "failed": integers(lost),
            "abandoned": integers(abandoned),
            "success_rate": rates(ok, ok + lost),
            "success_of": integers(ok + lost),
            "retries_per_call": rates(groups.count(rows.of_row >= 0) - calls, calls),
            "waited": timedeltas(groups.total(row_waits(df))),
            "waited_p50": timedeltas(p50),
            "waited_p95": timedeltas(p95),
            "waited_max": timedeltas(most),
            "waiting_share": rates(waiting, elapsed),
            "share_of": integers(of_calls.count(whole)),
        },
        index=index,
    )


def by_kind(df: pd.DataFrame) -> pd.DataFrame:
    """Aggregate the failed attempts by kind: how many there were, how long the calls waited for them, and how these calls ended.

    Parameters
    ----------
    df : pandas.DataFrame
        One row per attempt, in any order. Needs the columns ``ts``, ``call``, ``attempt``, ``waited``, ``outcome``, ``delay``, ``hint`` and
        ``kind``.

    Returns
    -------
    pandas.DataFrame
        The index is ``kind``, the most frequent first; null where the kind isn't known.

        ===============================  ===============  ===================================================================
        column                           dtype            description
        ===============================  ===============  ===================================================================
        ``attempts``                     Int64            failed attempts of this kind
        ``share``                        Float64          the share of all failed attempts
        ``share_of``                     Int64            the number of all failed attempts
        ``calls``                        Int64            calls with such a failure
        ``calls_ok``, ``calls_failed``   Int64            how many of these calls ended this way
        ``waited``                       timedelta64[us]  the sum of the waits that these failures caused
        ``hinted``                       Int64            failures with a wait that the server asked for
        ===============================  ===============  ===================================================================

    Raises
    ------
    UsageError
        A column is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> from chatkit import RetryPolicy
    >>> from chatkit.analysis import by_kind, simulate
    >>> down = pd.DataFrame({"provider": ["x"], "started": [0], "ended": [10], "kind": ["overloaded"]})
    >>> df = simulate(down, RetryPolicy(), latency=1)
    >>> by_kind(df)[["attempts", "share", "calls_ok", "waited"]].to_dict("index")
    {'overloaded': {'attempts': 3, 'share': 1.0, 'calls_ok': 1, 'waited': Timedelta('0 days 00:00:07')}}
    """
    require(df, "ts", "call", "attempt", "waited", "outcome", "delay", "hint", "kind", what="by_kind()")
    rows, failure = by_call(df), failed(df)
    groups = grouped([row_key(df, "kind")], failure)
    ends = np.append(outcomes(df, rows), -1)[rows.of_row]
    caused, gave_up = caused_waits(df, rows), factorized(df, "outcome").among("failed")
    attempts = groups.count(failure)
    found = ReadableFrame(
        {
            "attempts": integers(attempts),
            "share": rates(attempts, np.full(groups.size, attempts.sum())),
            "share_of": integers(np.full(groups.size, attempts.sum())),
            "calls": integers(groups.distinct(rows.of_row, failure)),
            "calls_ok": integers(groups.distinct(rows.of_row, failure & (ends == _OK))),
            "calls_failed": integers(groups.distinct(rows.of_row, failure & (ends == _FAILED))),
            "waited": timedeltas(groups.total(np.where(gave_up & (caused == UNKNOWN), 0, caused))),
            "hinted": integers(groups.count(failure & (spans(df, "hint") != UNKNOWN))),
        },
        index=groups.index(),
    )
    return found.iloc[np.argsort(-attempts, kind="stable")]


def backoff_curve(df: pd.DataFrame) -> pd.DataFrame:
    """Aggregate the waits by the attempt that they follow: how long they should be, were planned to be and actually were.

    Parameters
    ----------
    df : pandas.DataFrame
        One row per attempt, in any order. Needs the columns ``ts``, ``call``, ``attempt``, ``waited``, ``outcome``, ``delay`` and ``hint``.

    Returns
    -------
    pandas.DataFrame
        One row per attempt number, and for waits with and without a hint of the server:

        ==============================  ===============  ====================================================================
        column                          dtype            description
        ==============================  ===============  ====================================================================
        ``attempt``                     Int32            the number of the failed attempt
        ``hinted``                      bool             whether the server asked for a wait (a retry-after)
        ``waits``                       Int64            waits that were planned or measured
        ``theory``                      timedelta64[us]  the backoff, `chatkit.delay`: 1, 2, 4 … 60 seconds
        ``scheduled``                   timedelta64[us]  the median of the planned waits
        ``actual``                      timedelta64[us]  the median of the actual waits, also those cut short by the user
        ``actual_p05``, ``actual_p95``  timedelta64[us]  the 5 % and 95 % quantiles of the actual waits
        ``measured``                    Int64            the number of actual waits; other libraries' logs have none
        ==============================  ===============  ====================================================================

    Raises
    ------
    UsageError
        A column is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> from chatkit import RetryPolicy
    >>> from chatkit.analysis import backoff_curve, simulate
    >>> down = pd.DataFrame({"provider": ["x"], "started": [0], "ended": [10], "kind": ["overloaded"]})
    >>> df = simulate(down, RetryPolicy(), latency=1)
    >>> backoff_curve(df)[["attempt", "hinted", "waits", "theory", "actual"]]
       attempt  hinted  waits theory actual
    0        1   False      1    1 s    1 s
    1        2   False      1    2 s    2 s
    2        3   False      1    4 s    4 s
    """
    require(df, "ts", "call", "attempt", "waited", "outcome", "delay", "hint", what="backoff_curve()")
    attempt, scheduled = numbers(df, "attempt"), spans(df, "delay")
    measured = measured_waits(df, by_call(df))
    waits = failed(df) & (attempt >= 1) & (attempt <= np.iinfo(np.int32).max) & ((scheduled != UNKNOWN) | (measured != UNKNOWN))
    keys = np.zeros(len(df), dtype=np.int64)
    keys[waits] = attempt[waits].astype(np.int64) * 2 + (spans(df, "hint") != UNKNOWN)[waits]
    different, inverse = np.unique(keys[waits], return_inverse=True)
    codes = np.full(len(df), -1)
    codes[waits] = inverse.reshape(-1)
    groups = Groups(codes, len(different))
    number = different // 2
    theory = np.array([round(delay(n) * 1_000_000) for n in range(_MAX_FAILURES)])
    p05, p50, p95 = groups.quantiles(measured, (0.05, 0.5, 0.95))
    return ReadableFrame(
        {
            "attempt": integers(number, "Int32"),
            "hinted": different % 2 == 1,
            "waits": integers(groups.count(waits)),
            "theory": timedeltas(theory[np.minimum(number, _MAX_FAILURES) - 1]),
            "scheduled": timedeltas(groups.quantiles(scheduled, (0.5,))[0]),
            "actual": timedeltas(p50),
            "actual_p05": timedeltas(p05),
            "actual_p95": timedeltas(p95),
            "measured": integers(groups.count(measured != UNKNOWN)),
        }
    )


def cost_of_waiting(df: pd.DataFrame) -> pd.DataFrame:
    """Aggregate the waits by provider and kind of failure: how many hours they took, and how the calls that waited ended.

    Parameters
    ----------
    df : pandas.DataFrame
        One row per attempt, in any order. Needs the columns ``ts``, ``call``, ``provider``, ``attempt``, ``waited``, ``duration``,
        ``outcome``, ``delay`` and ``kind``.

    Returns
    -------
    pandas.DataFrame
        One row per provider and kind of failure that made calls wait, the most hours first. A call that waited for several kinds counts for
        each of them.

        ====================  ========  =====================================================================================
        column                dtype     description
        ====================  ========  =====================================================================================
        ``provider``          category  the provider of the call
        ``kind``              category  the kind of the failure before the wait
        ``waits``             Int64     the number of waits
        ``hours``             Float64   their sum, in hours
        ``share``             Float64   their share of the duration of this provider's calls, where that is known
        ``share_of``          Int64     the number of calls whose duration is known
        ``calls_saved``       Int64     calls that waited and ended ok
        ``calls_lost``        Int64     calls that waited and then failed or were abandoned
        ``calls_open``        Int64     calls that waited and whose end isn't recorded
        ====================  ========  =====================================================================================

    Raises
    ------
    UsageError
        A column is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> from chatkit import RetryPolicy
    >>> from chatkit.analysis import cost_of_waiting, simulate
    >>> down = pd.DataFrame({"provider": ["x"], "started": [0], "ended": [10], "kind": ["overloaded"]})
    >>> df = simulate(down, RetryPolicy(), latency=1)
    >>> cost_of_waiting(df)[["provider", "kind", "waits", "calls_saved", "calls_lost"]]
      provider        kind  waits  calls_saved  calls_lost
    0        x  overloaded      3            1           0
    """
    require(df, "ts", "call", "provider", "attempt", "waited", "duration", "outcome", "delay", "kind", what="cost_of_waiting()")
    rows = by_call(df)
    times, ends = call_times(df, rows), np.append(outcomes(df, rows), -1)[rows.of_row]
    caused = caused_waits(df, rows)
    waits = caused != UNKNOWN
    provider = call_key(df, "provider", rows)
    groups = grouped([provider, row_key(df, "kind")], waits)
    whole = (times.elapsed != UNKNOWN) & (times.waited != UNKNOWN)
    providers = Groups(np.where(provider.codes < 0, len(provider.values), provider.codes)[rows.rows[rows.starts]], len(provider.values) + 1)
    elapsed, share_of = providers.total(np.where(whole, times.elapsed, 0)), providers.count(whole)
    place = groups.members[0]  # -1, a null provider, is the last place
    counted = groups.total(np.where(np.append(whole, False)[rows.of_row], caused, 0))
    hours = groups.total(caused) / HOUR
    found = ReadableFrame(
        {
            "provider": groups.column(0),
            "kind": groups.column(1),
            "waits": integers(groups.count(waits)),
            "hours": pd.array(hours, dtype="Float64"),
            "share": rates(counted, elapsed[place]),
            "share_of": integers(share_of[place]),
            "calls_saved": integers(groups.distinct(rows.of_row, waits & (ends == _OK))),
            "calls_lost": integers(groups.distinct(rows.of_row, waits & ((ends == _FAILED) | (ends == _ABANDONED)))),
            "calls_open": integers(groups.distinct(rows.of_row, waits & (ends < 0))),
        }
    )
    return found.iloc[np.argsort(-hours, kind="stable")].reset_index(drop=True)
