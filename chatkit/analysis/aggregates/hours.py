"""When attempts failed: by the hours of a time zone, also on the days on which its clocks change."""

from __future__ import annotations

import zoneinfo
from datetime import tzinfo
from typing import Any

import numpy as np
import pandas as pd

from chatkit.analysis.aggregates.call_rows import by_call
from chatkit.analysis.aggregates.grouping import failed, require, row_waits
from chatkit.analysis.aggregates.groups import Groups
from chatkit.analysis.arrays import UNKNOWN, Ints, integers, moments, rates, timedeltas, utc, words
from chatkit.errors import UsageError, did_you_mean

HOUR = 3_600_000_000
"""Microseconds."""
_MOST_HOURS = 1_000_000


def by_hour(df: pd.DataFrame, *, tz: str | tzinfo = "UTC", of_day: bool = False) -> pd.DataFrame:
    """When attempts failed: hour by hour, or by the hour of the day.

    Parameters
    ----------
    df : pandas.DataFrame
        A row an attempt, in any order. Needs the columns ``ts``, ``call``, ``attempt``, ``waited``, ``outcome`` and ``delay``. Rows
        without a time are left out, and ``attrs["rows_without_ts"]`` says how many they are.
    tz : str or tzinfo
        The zone whose hours these are, such as ``"Europe/Vienna"``. A day on which its clocks change has 23 hours, or 25.
    of_day : bool
        All days together, by the hour from 0 to 23.

    Returns
    -------
    pandas.DataFrame
        Its index is ``hour``: the start of every hour from the first to the last, in `tz`; or 0 … 23.

        ================  ===============  ==================================================================================
        column            dtype            what it is
        ================  ===============  ==================================================================================
        ``attempts``      Int64            attempts that began in this hour
        ``failed``        Int64            … and failed
        ``failure_rate``  Float64          failures among the attempts that are known to have failed or succeeded
        ``failure_of``    Int64            how many those are
        ``calls``         Int64            calls whose first recorded attempt this was
        ``waited``        timedelta64[us]  the waits of these attempts (of those before them; where a log doesn't have them, of those
                                           that they caused)
        ================  ===============  ==================================================================================

    Raises
    ------
    UsageError
        A column is missing, `tz` is no zone, or the rows reach over more than a million hours.

    Examples
    --------
    >>> import pandas as pd
    >>> from chatkit import RetryPolicy
    >>> from chatkit.analysis import by_hour, simulate
    >>> down = pd.DataFrame({"provider": ["x"], "started": [0], "ended": [10], "kind": ["overloaded"]})
    >>> df = simulate(down, RetryPolicy(), latency=1)
    >>> by_hour(df)[["attempts", "failed", "failure_rate"]].to_dict("list")
    {'attempts': [4], 'failed': [3], 'failure_rate': [0.75]}
    >>> by_hour(df, tz="Asia/Tokyo", of_day=True).query("attempts > 0").index.tolist()
    [9]
    """
    require(df, "ts", "call", "attempt", "waited", "outcome", "delay", what="by_hour()")
    _check_zone(tz)
    ts, rows = moments(df, "ts"), by_call(df)
    timed = ts != UNKNOWN
    index: pd.Index[Any]
    codes = np.full(len(df), -1)
    if of_day:
        codes[timed] = _wall_clock(ts[timed], tz) // HOUR % 24
        index = pd.RangeIndex(24, name="hour")
    else:
        starts = _hours_of(ts[timed], tz)
        codes[timed] = np.searchsorted(starts, _hour_of(ts[timed], tz))
        index = utc(starts).tz_convert(tz).rename("hour")
    groups = Groups(codes, len(index))
    failure = failed(df).to_numpy()
    outcome = words(df, "outcome")
    known = outcome.among("ok", "retry", "failed")
    begun = np.zeros(len(df), dtype=bool)
    begun[rows.rows[rows.starts]] = True
    found = pd.DataFrame(
        {
            "attempts": integers(groups.count(timed)),
            "failed": integers(groups.count(failure)),
            "failure_rate": rates(groups.count(failure & known), groups.count(known)),
            "failure_of": integers(groups.count(known)),
            "calls": integers(groups.count(begun)),
            "waited": timedeltas(groups.total(row_waits(df))),
        },
        index=index,
    )
    found.attrs["rows_without_ts"] = int(len(df) - timed.sum())
    return found


def _check_zone(tz: object) -> None:
    """Refuse what is no time zone, with the nearest that there is."""
    if not isinstance(tz, str | tzinfo):
        raise UsageError(f"by_hour(): tz takes the name of a time zone, such as 'UTC'; found a {type(tz).__name__}")
    try:
        pd.Timestamp(0, tz=tz)
    except (KeyError, ValueError, TypeError, OSError):  # pandas 2 and 3, and the library of the zones, differ in the error
        hint = did_you_mean(str(tz), zoneinfo.available_timezones()) or "give one such as 'Europe/Vienna'"
        raise UsageError(f"by_hour(): there is no time zone {str(tz)!r}: {hint}") from None


def _wall_clock(ts: Ints, tz: str | tzinfo) -> Ints:
    """What the clocks of a zone show at these times."""
    return np.asarray(utc(ts).tz_convert(tz).tz_localize(None).to_numpy()).astype("datetime64[us]").view(np.int64)


def _hour_of(ts: Ints, tz: str | tzinfo) -> Ints:
    """When the hour began. It is counted back from each time: a wall clock alone may show an hour twice."""
    return ts - _wall_clock(ts, tz) % HOUR


def _hours_of(ts: Ints, tz: str | tzinfo) -> Ints:
    """The start of every hour from the first time to the last."""
    if not len(ts):
        return ts
    first, last = int(ts.min()), int(ts.max())
    if last - first > _MOST_HOURS * HOUR:
        reach = " to ".join(f"{moment:%Y-%m-%d}" for moment in utc(np.array([first, last])))
        raise UsageError(f"by_hour(): the times reach from {reach}, over more than {_MOST_HOURS:,} hours: select those that you mean")
    grid = np.arange(first, last, HOUR // 4)  # quarters: clocks are also set by half an hour, and zones lie by quarters apart
    return np.unique(_hour_of(np.concatenate([grid, ts]), tz))
