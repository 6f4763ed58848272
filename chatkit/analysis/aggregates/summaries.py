"""Answers from a frame of attempts: how it went, why it failed and what the waits cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from chatkit.analysis.aggregates.call_rows import by_call
from chatkit.analysis.aggregates.grouping import OUTCOMES, caused_waits, failed, measured_after, outcomes, require, row_waits, spent
from chatkit.analysis.aggregates.groups import Groups, calls_key, checked_columns, grouped, own_key
from chatkit.analysis.aggregates.hours import HOUR
from chatkit.analysis.arrays import UNKNOWN, integers, numbers, rates, spans, timedeltas, words
from chatkit.retries.backoff import delay

_OK, _FAILED, _ABANDONED = range(len(OUTCOMES))
_LONGEST = 64
"""`delay` has long reached its ceiling after so many failures."""


def summarize(df: pd.DataFrame, by: str | Sequence[str] | None = "provider") -> pd.DataFrame:
    """How the calls went, and how much of their time was spent waiting.

    Parameters
    ----------
    df : pandas.DataFrame
        A row an attempt, in any order. Needs the columns ``ts``, ``call``, ``attempt``, ``waited``, ``duration``, ``outcome``, ``delay``
        and those of `by`.
    by : str, list of str or None
        A row for each value of this column, or of these columns together: any of the frame's, also one that you added. A call is never
        divided: it counts where the first value that is known of it belongs. None is one row, ``all``.

    Returns
    -------
    pandas.DataFrame
        Its index is `by`, sorted (a category column that you added, in its own order); null is a group of its own, the last. Rows without
        a call count as attempts and waits, not as calls.

        =================================================  ===============  ========================================================
        column                                             dtype            what it is
        =================================================  ===============  ========================================================
        ``calls``, ``attempts``                            Int64            how many
        ``ok``, ``failed``, ``abandoned``                  Int64            how many calls ended so
        ``success_rate``                                   Float64          ``ok`` among those that ended ok or failed
        ``success_of``                                     Int64            how many those are
        ``retries_per_call``                               Float64          recorded attempts of a call after its first, on average: one
                                                                            too few where a log holds failures alone
        ``waited``                                         timedelta64[us]  the sum of all waits
        ``waited_p50``, ``waited_p95``, ``waited_max``     timedelta64[us]  quantiles of the waits of a call
        ``waiting_share``                                  Float64          waits as a share of the calls' time, over calls of which
                                                                            both are known
        ``share_of``                                       Int64            how many those are
        =================================================  ===============  ========================================================

    Raises
    ------
    UsageError
        A column is missing, or `by` is none.

    Examples
    --------
    An outage of ten seconds, as one call meets it:

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
        groups = grouped([calls_key(df, column, rows) for column in checked_columns(df, by, "summarize()")])
        index = groups.index()
    of_calls = Groups(groups.codes[rows.rows[rows.starts]], groups.size)
    times, ends = spent(df, rows), outcomes(df, rows)
    whole = (times.wall != UNKNOWN) & (times.waited != UNKNOWN)
    calls = of_calls.count(np.ones(len(rows), dtype=bool))
    ok, lost, abandoned = (of_calls.count(ends == end) for end in (_OK, _FAILED, _ABANDONED))
    p50, p95, most = of_calls.quantiles(times.waited, (0.5, 0.95, 1.0))
    waiting, wall = (of_calls.total(np.where(whole, values, 0)) for values in (times.waited, times.wall))
    return pd.DataFrame(
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
            "waiting_share": rates(waiting, wall),
            "share_of": integers(of_calls.count(whole)),
        },
        index=index,
    )


def by_kind(df: pd.DataFrame) -> pd.DataFrame:
    """Why attempts failed, how long that kept the calls waiting, and what became of them.

    Parameters
    ----------
    df : pandas.DataFrame
        A row an attempt, in any order. Needs the columns ``ts``, ``call``, ``attempt``, ``waited``, ``outcome``, ``delay``, ``hint`` and
        ``kind``.

    Returns
    -------
    pandas.DataFrame
        Its index is ``kind``, the most frequent first; null where the kind isn't known.

        ===============================  ===============  ===================================================================
        column                           dtype            what it is
        ===============================  ===============  ===================================================================
        ``attempts``                     Int64            failed attempts of this kind
        ``share``                        Float64          … of all failed attempts
        ``share_of``                     Int64            how many those are
        ``calls``                        Int64            calls that met it
        ``calls_ok``, ``calls_failed``   Int64            how many of them ended so
        ``waited``                       timedelta64[us]  the sum of the waits that it caused
        ``hinted``                       Int64            how often the server said how long to wait
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
    rows, failure = by_call(df), failed(df).to_numpy()
    groups = grouped([own_key(df, "kind")], failure)
    ends = np.append(outcomes(df, rows), -1)[rows.of_row]
    caused, for_good = caused_waits(df, rows), words(df, "outcome").among("failed")
    attempts = groups.count(failure)
    found = pd.DataFrame(
        {
            "attempts": integers(attempts),
            "share": rates(attempts, np.full(groups.size, attempts.sum())),
            "share_of": integers(np.full(groups.size, attempts.sum())),
            "calls": integers(groups.distinct(rows.of_row, failure)),
            "calls_ok": integers(groups.distinct(rows.of_row, failure & (ends == _OK))),
            "calls_failed": integers(groups.distinct(rows.of_row, failure & (ends == _FAILED))),
            "waited": timedeltas(groups.total(np.where(for_good & (caused == UNKNOWN), 0, caused))),
            "hinted": integers(groups.count(failure & (spans(df, "hint") != UNKNOWN))),
        },
        index=groups.index(),
    )
    return found.iloc[np.argsort(-attempts, kind="stable")]


def backoff_curve(df: pd.DataFrame) -> pd.DataFrame:
    """How long the waits after the first, second … failure were: in theory, as scheduled and as they came out.

    Parameters
    ----------
    df : pandas.DataFrame
        A row an attempt, in any order. Needs the columns ``ts``, ``call``, ``attempt``, ``waited``, ``outcome``, ``delay`` and ``hint``.

    Returns
    -------
    pandas.DataFrame
        One row for each attempt after which calls waited, and whether the server said how long:

        ==============================  ===============  ====================================================================
        column                          dtype            what it is
        ==============================  ===============  ====================================================================
        ``attempt``                     Int32            the attempt that failed
        ``hinted``                      bool             whether the server gave a hint
        ``waits``                       Int64            waits that were scheduled, or measured
        ``theory``                      timedelta64[us]  `chatkit.delay`: 1, 2, 4 … 60 seconds
        ``scheduled``                   timedelta64[us]  the median of the delays
        ``actual``                      timedelta64[us]  the median of the waits as they were: also those that a person cut short
        ``actual_p05``, ``actual_p95``  timedelta64[us]  the waits as they were, 5 % and 95 %
        ``measured``                    Int64            how many waits that is: the logs of others have none
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
       attempt  hinted  waits          theory          actual
    0        1   False      1 0 days 00:00:01 0 days 00:00:01
    1        2   False      1 0 days 00:00:02 0 days 00:00:02
    2        3   False      1 0 days 00:00:04 0 days 00:00:04
    """
    require(df, "ts", "call", "attempt", "waited", "outcome", "delay", "hint", what="backoff_curve()")
    attempt, scheduled = numbers(df, "attempt"), spans(df, "delay")
    measured = measured_after(df, by_call(df))
    waits = failed(df).to_numpy() & (attempt >= 1) & (attempt <= np.iinfo(np.int32).max) & ((scheduled != UNKNOWN) | (measured != UNKNOWN))
    keys = np.zeros(len(df), dtype=np.int64)
    keys[waits] = attempt[waits].astype(np.int64) * 2 + (spans(df, "hint") != UNKNOWN)[waits]
    kinds_of_wait, inverse = np.unique(keys[waits], return_inverse=True)
    codes = np.full(len(df), -1)
    codes[waits] = inverse.reshape(-1)
    groups = Groups(codes, len(kinds_of_wait))
    numbers_of = kinds_of_wait // 2
    theory = np.array([round(delay(n) * 1_000_000) for n in range(_LONGEST)])
    p05, p50, p95 = groups.quantiles(measured, (0.05, 0.5, 0.95))
    return pd.DataFrame(
        {
            "attempt": integers(numbers_of, "Int32"),
            "hinted": kinds_of_wait % 2 == 1,
            "waits": integers(groups.count(waits)),
            "theory": timedeltas(theory[np.minimum(numbers_of, _LONGEST) - 1]),
            "scheduled": timedeltas(groups.quantiles(scheduled, (0.5,))[0]),
            "actual": timedeltas(p50),
            "actual_p05": timedeltas(p05),
            "actual_p95": timedeltas(p95),
            "measured": integers(groups.count(measured != UNKNOWN)),
        }
    )


def cost_of_waiting(df: pd.DataFrame) -> pd.DataFrame:
    """What waiting cost, per provider and kind of failure, and whether it helped.

    Parameters
    ----------
    df : pandas.DataFrame
        A row an attempt, in any order. Needs the columns ``ts``, ``call``, ``provider``, ``attempt``, ``waited``, ``duration``,
        ``outcome``, ``delay`` and ``kind``.

    Returns
    -------
    pandas.DataFrame
        One row for each provider and kind that made a call wait, the most hours first. A call that waited for several counts for each:

        ====================  ========  =====================================================================================
        column                dtype     what it is
        ====================  ========  =====================================================================================
        ``provider``          category  whom the call asked
        ``kind``              category  why it had to wait
        ``waits``             Int64     how often
        ``hours``             Float64   how long in all
        ``share``             Float64   … of the time of this provider's calls, over those of which it is known
        ``share_of``          Int64     how many calls those are
        ``calls_saved``       Int64     calls that waited for it and ended ok
        ``calls_lost``        Int64     calls that waited for it and failed all the same, or were abandoned
        ``calls_open``        Int64     calls that waited for it and whose end isn't recorded
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
    times, ends = spent(df, rows), np.append(outcomes(df, rows), -1)[rows.of_row]
    caused = caused_waits(df, rows)
    waits = caused != UNKNOWN
    provider = calls_key(df, "provider", rows)
    groups = grouped([provider, own_key(df, "kind")], waits)
    whole = (times.wall != UNKNOWN) & (times.waited != UNKNOWN)
    providers = Groups(np.where(provider.codes < 0, len(provider.values), provider.codes)[rows.rows[rows.starts]], len(provider.values) + 1)
    wall, share_of = providers.total(np.where(whole, times.wall, 0)), providers.count(whole)
    place = groups.members[0]  # a null provider is -1, which is the last here
    counted = groups.total(np.where(np.append(whole, False)[rows.of_row], caused, 0))
    hours = groups.total(caused) / HOUR
    found = pd.DataFrame(
        {
            "provider": groups.column(0),
            "kind": groups.column(1),
            "waits": integers(groups.count(waits)),
            "hours": pd.array(hours, dtype="Float64"),
            "share": rates(counted, wall[place]),
            "share_of": integers(share_of[place]),
            "calls_saved": integers(groups.distinct(rows.of_row, waits & (ends == _OK))),
            "calls_lost": integers(groups.distinct(rows.of_row, waits & ((ends == _FAILED) | (ends == _ABANDONED)))),
            "calls_open": integers(groups.distinct(rows.of_row, waits & (ends < 0))),
        }
    )
    return found.iloc[np.argsort(-hours, kind="stable")].reset_index(drop=True)
