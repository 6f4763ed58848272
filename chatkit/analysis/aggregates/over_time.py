"""Aggregates over time: when attempts failed, hour by hour; how many requests began when; and the outages of each provider."""

from __future__ import annotations

import math
import zoneinfo
from collections.abc import Iterable
from datetime import timedelta, tzinfo
from typing import Any

import numpy as np
import pandas as pd

from chatkit.analysis.aggregates.groups import Groups, Key, row_key
from chatkit.analysis.aggregates.per_call import by_call, failed, require, row_waits
from chatkit.analysis.columns import UNKNOWN, Bools, Ints, factorized, integers, moments, rates, spans, timedeltas, utc
from chatkit.analysis.readable import ReadableFrame
from chatkit.errors import KINDS, RETRYABLE_KINDS, UsageError, did_you_mean
from chatkit.retries.backoff import MAX_DELAY

HOUR = 3_600_000_000
"""Microseconds."""
MAX_HOURS = 1_000_000
MAX_BINS = 5_000_000
_BIN_LENGTHS = ("1s", "10s", "1min", "10min", "1h", "6h", "1D", "7D", "30D", "365D")
"""Lengths to suggest where a load has too many bins."""


# ── by hour ──


def by_hour(df: pd.DataFrame, *, tz: str | tzinfo = "UTC", of_day: bool = False) -> pd.DataFrame:
    """Aggregate the attempts by hour, or by hour of the day: how many began, and how many of them failed.

    Parameters
    ----------
    df : pandas.DataFrame
        One row per attempt, in any order. Needs the columns ``ts``, ``call``, ``attempt``, ``waited``, ``outcome`` and ``delay``. Rows
        without a time are left out; ``attrs["rows_without_ts"]`` of the result is their number.
    tz : str or tzinfo, default "UTC"
        The time zone of the hours, such as ``"Europe/Vienna"``. A day on which its clocks change has 23 or 25 hours.
    of_day : bool, default False
        Whether to add up all days, by the hour from 0 to 23.

    Returns
    -------
    pandas.DataFrame
        The index ``hour`` is the start of every hour from the first to the last, in `tz`, or, with `of_day`, 0 to 23.

        ================  ===============  ==================================================================================
        column            dtype            description
        ================  ===============  ==================================================================================
        ``attempts``      Int64            attempts that began in this hour
        ``failed``        Int64            those of them that failed
        ``failure_rate``  Float64          the share of failures among the attempts that are known to have failed or succeeded
        ``failure_of``    Int64            the number of these attempts
        ``calls``         Int64            calls whose first recorded attempt began in this hour
        ``waited``        timedelta64[us]  the sum of the waits before these attempts (where a log doesn't have them, of the
                                           planned waits after them)
        ================  ===============  ==================================================================================

    Raises
    ------
    UsageError
        A column is missing, `tz` is not a time zone, or the rows span more than a million hours.

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
        starts = _hours_between(ts[timed], tz)
        codes[timed] = np.searchsorted(starts, _hour_of(ts[timed], tz))
        index = utc(starts).tz_convert(tz).rename("hour")
    groups = Groups(codes, len(index))
    failure, known = failed(df), factorized(df, "outcome").among("ok", "retry", "failed")
    first = np.zeros(len(df), dtype=bool)
    first[rows.rows[rows.starts]] = True
    found = ReadableFrame(
        {
            "attempts": integers(groups.count(timed)),
            "failed": integers(groups.count(failure)),
            "failure_rate": rates(groups.count(failure & known), groups.count(known)),
            "failure_of": integers(groups.count(known)),
            "calls": integers(groups.count(first)),
            "waited": timedeltas(groups.total(row_waits(df))),
        },
        index=index,
    )
    found.attrs["rows_without_ts"] = int(len(df) - timed.sum())
    return found


def _check_zone(tz: object) -> None:
    if not isinstance(tz, str | tzinfo):
        raise UsageError(f"by_hour(): tz takes the name of a time zone, such as 'UTC'; found a {type(tz).__name__}")
    try:
        pd.Timestamp(0, tz=tz)
    except (KeyError, ValueError, TypeError, OSError):  # the error depends on the versions of pandas and of the zone library
        hint = did_you_mean(str(tz), zoneinfo.available_timezones()) or "give one such as 'Europe/Vienna'"
        raise UsageError(f"by_hour(): there is no time zone {str(tz)!r}: {hint}") from None


def _wall_clock(ts: Ints, tz: str | tzinfo) -> Ints:
    """What the clocks of a zone show at these times."""
    return np.asarray(utc(ts).tz_convert(tz).tz_localize(None).to_numpy()).astype("datetime64[us]").view(np.int64)


def _hour_of(ts: Ints, tz: str | tzinfo) -> Ints:
    """The start of the hour of each time. It is counted back from the time, since a wall clock may show an hour twice."""
    return ts - _wall_clock(ts, tz) % HOUR


def _hours_between(ts: Ints, tz: str | tzinfo) -> Ints:
    """The start of every hour from the first time to the last."""
    if not len(ts):
        return ts
    first, last = int(ts.min()), int(ts.max())
    if last - first > MAX_HOURS * HOUR:
        reach = " to ".join(f"{moment:%Y-%m-%d}" for moment in utc(np.array([first, last])))
        raise UsageError(f"by_hour(): the times reach from {reach}, over more than {MAX_HOURS:,} hours: select the rows that you mean")
    quarters = np.arange(first, last, HOUR // 4)  # the clocks of some zones change by half an hour, and zones differ by quarters
    return np.unique(_hour_of(np.concatenate([quarters, ts]), tz))


# ── load ──


def load_over_time(df: pd.DataFrame, every: str | float | timedelta = "1s") -> pd.DataFrame:
    """Count the requests that begin in each bin of time, in a recorded or a simulated log.

    Parameters
    ----------
    df : pandas.DataFrame
        One row per attempt, in any order. Needs the columns ``ts`` and ``outcome``.
    every : str, float or timedelta, default "1s"
        The length of a bin, such as ``"10s"`` or ``"1min"``, or a number of seconds. Bins are aligned to 1970-01-01 UTC.

    Returns
    -------
    pandas.DataFrame
        Every bin from the first request to the last. The index ``ts`` (datetime64[us, UTC]) is the start of the bin, and the columns are
        ``requests`` and ``failed`` (Int64). Rows without a time are left out; ``attrs["rows_without_time"]`` is their number.

    Raises
    ------
    UsageError
        A column is missing, `every` is not a length of time, or there would be more than 5 million rows.

    Examples
    --------
    >>> import pandas as pd
    >>> from chatkit import RetryPolicy
    >>> from chatkit.analysis import load_over_time, simulate
    >>> outage = pd.DataFrame({"started": [0], "ended": [2]})
    >>> load_over_time(simulate(outage, RetryPolicy(), clients=50)).reset_index()
                            ts  requests  failed
    0  1970-01-01 00:00:00 UTC        50      50
    1  1970-01-01 00:00:01 UTC        50      50
    2  1970-01-01 00:00:02 UTC         0       0
    3  1970-01-01 00:00:03 UTC        50       0
    """
    require(df, "ts", "outcome", what="load_over_time()")
    length = bin_length(every, "load_over_time")
    ts, failure = moments(df, "ts"), failed(df)
    known = ts != UNKNOWN
    place = ts[known] // length
    first, count = (int(place.min()), int(place.max()) - int(place.min()) + 1) if place.size else (0, 0)
    if count > MAX_BINS:
        fitting = next((step for step in _BIN_LENGTHS if count * length <= 100_000 * bin_length(step, "load_over_time")), _BIN_LENGTHS[-1])
        raise UsageError(f"load_over_time(): {count:,} rows, one every {every}: at most {MAX_BINS:,}, so give every={fitting!r}")
    loads = [np.bincount(place[chosen] - first, minlength=count) for chosen in (slice(None), failure[known])]
    index = utc((first + np.arange(count)) * length).rename("ts")
    load = ReadableFrame({name: integers(counts) for name, counts in zip(("requests", "failed"), loads, strict=True)}, index=index)
    load.attrs["rows_without_time"] = int(len(df) - np.count_nonzero(known))
    return load


def bin_length(every: str | float | timedelta, what: str) -> int:
    """A length of time in microseconds; `what` names the function whose parameter `every` it is."""
    try:
        if isinstance(every, bool):
            raise TypeError("not a length")
        length = pd.Timedelta(every, unit="s") if isinstance(every, int | float | np.number) else pd.Timedelta(every)
        microseconds = length // pd.Timedelta(1, unit="us")
    except (TypeError, ValueError, OverflowError):
        microseconds = 0
    if not microseconds >= 1:  # NaT gives NaN
        raise UsageError(f"{what}(every={every!r}): give a length of time such as '1s', '10min', or a number of seconds")
    return int(microseconds)


# ── outages ──


def outages(df: pd.DataFrame, *, gap: float = MAX_DELAY, kinds: str | Iterable[str | None] | None = None) -> pd.DataFrame:
    """Merge the failed attempts of each provider into outages.

    An outage is what the attempts have seen of it. The provider may have failed for longer, before the first of them and after the last.

    Parameters
    ----------
    df : pandas.DataFrame
        One row per attempt, in any order. Needs the columns ``ts``, ``call``, ``provider``, ``duration``, ``outcome``, ``hint`` and
        ``kind``. Rows without a time are left out; ``attrs["rows_without_ts"]`` of the result is the number of such failures.
    gap : float, default 60.0
        Seconds. Failures that are at most so far apart belong to one outage. The default is the longest backoff: in a shorter gap, a
        client that retries may not have made a request.
    kinds : str or iterable of str and None, optional
        The kinds of failures that count; None stands for failures without a kind. The default is the retryable kinds, ``unknown`` and
        None.

    Returns
    -------
    pandas.DataFrame
        One row per outage, sorted by ``started``; the outages of a provider don't overlap. An attempt without a duration counts as a
        moment.

        ========================  ====================  =========================================================================
        column                    dtype                 description
        ========================  ====================  =========================================================================
        ``provider``              category              the provider; rows without one are a provider of their own, null
        ``started``, ``ended``    datetime64[us, UTC]   the start of the first failed attempt, the end of the one that ended last
        ``duration``              timedelta64[us]       the time between them
        ``attempts``              Int64                 failed attempts
        ``successes``             Int64                 attempts that began during the outage and succeeded
        ``calls``                 Int64                 calls with a failed attempt in the outage
        ``kind``                  category              the most frequent known kind of failure
        ``hint``                  timedelta64[us]       the median of the waits that the server asked for
        ========================  ====================  =========================================================================

    Raises
    ------
    UsageError
        A column is missing, `gap` is not a number of seconds, or `kinds` has a word that is not a kind of failure.

    Examples
    --------
    >>> import pandas as pd
    >>> from chatkit import RetryPolicy
    >>> from chatkit.analysis import outages, simulate
    >>> down = pd.DataFrame({"provider": ["x", "x"], "started": [0, 500], "ended": [10, 501], "kind": ["overloaded", "network"]})
    >>> df = simulate(down, RetryPolicy(), latency=1)
    >>> outages(df)[["provider", "duration", "attempts", "kind"]]
      provider duration  attempts        kind
    0        x      6 s         3  overloaded
    1        x      1 s         1     network
    """
    require(df, "ts", "call", "provider", "duration", "outcome", "hint", "kind", what="outages()")
    if isinstance(gap, bool) or not isinstance(gap, int | float | np.number) or not (math.isfinite(gap) and 0 <= gap <= 1e12):
        raise UsageError(f"outages(): gap={gap!r}: give seconds, 0 or more")
    return _outages(df, float(gap), kinds, until_success=False)


def total_outages(df: pd.DataFrame) -> pd.DataFrame:
    """The `outages`, each of which ends before the next attempt that succeeded: the times at which every request seems to have failed."""
    return _outages(df, MAX_DELAY, None, until_success=True)


def _outages(df: pd.DataFrame, gap: float, kinds: str | Iterable[str | None] | None, *, until_success: bool) -> pd.DataFrame:
    wanted = failed(df) & _of_kinds(df, kinds)
    ts, provider = moments(df, "ts"), row_key(df, "provider")
    timed = ts != UNKNOWN
    ends, succeeded = ts + np.maximum(spans(df, "duration"), 0), factorized(df, "outcome").among("ok") & timed
    stretch = np.zeros(len(df), dtype=np.int64)
    if until_success:
        stretch, next_success = _successes(ts, provider.codes, succeeded)
        ends = np.minimum(ends, next_success - 1)
    windows = _Windows(ts, ends, provider, wanted & timed, stretch, round(gap * 1_000_000))
    groups, kind, call = windows.groups, row_key(df, "kind"), factorized(df, "call").codes
    inside = groups.codes >= 0
    found = ReadableFrame(
        {
            "provider": provider.at(windows.provider),
            "started": utc(windows.started),
            "ended": utc(windows.ended),
            "duration": timedeltas(windows.ended - windows.started),
            "attempts": integers(groups.count(inside)),
            "successes": integers(np.bincount(windows.of(provider.codes[succeeded], ts[succeeded]), minlength=groups.size)),
            "calls": integers(groups.distinct(call, inside)),
            "kind": kind.at(groups.most_frequent(kind.codes, inside)),
            "hint": timedeltas(groups.quantiles(spans(df, "hint"), (0.5,))[0]),
        }
    )
    null_last = np.where(windows.provider < 0, len(provider.values), windows.provider)
    found = found.iloc[np.lexsort((null_last, windows.started))].reset_index(drop=True)
    found.attrs["rows_without_ts"] = int(np.count_nonzero(wanted & ~timed))
    return found


def _of_kinds(df: pd.DataFrame, kinds: str | Iterable[str | None] | None) -> Bools:
    """Which rows have one of these kinds."""
    kind = factorized(df, "kind")
    asked: set[Any] = {*RETRYABLE_KINDS, "unknown", None} if kinds is None else {kinds} if isinstance(kinds, str) else set(kinds)
    known = {*KINDS, *kind.values}
    for word in asked - known - {None}:
        hint = did_you_mean(str(word), sorted(known)) or f"give some of {', '.join(KINDS)}, or None"
        raise UsageError(f"outages(): there is no kind {word!r}: {hint}")
    return kind.among(*asked - {None}) | ((kind.codes < 0) & (None in asked))


def count_started(of: Ints, starts: Ints, group: Ints, ts: Ints) -> Ints:
    """For each group and time: how many starts precede or equal it in the order of group and time, in which the starts must be sorted."""
    ranks, width = np.sort(starts), len(starts) + 1  # a rank in place of the time: group and rank fit into one integer
    keys = of * width + np.searchsorted(ranks, starts, side="right")
    return np.searchsorted(keys, group * width + np.searchsorted(ranks, ts, side="right"), side="right").astype(np.int64)


def _successes(ts: Ints, provider: Ints, succeeded: Bools) -> tuple[Ints, Ints]:
    """For each row: a number that grows with each success of its provider, and the start of the provider's next success."""
    ordered = np.flatnonzero(succeeded)
    ordered = ordered[np.lexsort((ts[ordered], provider[ordered]))]
    stretch = count_started(provider[ordered], ts[ordered], provider, ts)
    following = np.append(ordered, -1)[stretch]
    has_next = (stretch < len(ordered)) & (provider[following] == provider)
    return stretch, np.where(has_next, ts[following], np.iinfo(np.int64).max)


class _Windows:
    """Failures merged into windows, sorted by provider and start. The rows of a window have the same `stretch`."""

    def __init__(self, starts: Ints, ends: Ints, provider: Key, wanted: Bools, stretch: Ints, gap: int) -> None:
        rows = np.flatnonzero(wanted)
        rows = rows[np.lexsort((starts[rows], provider.codes[rows]))]
        whose, begins = provider.codes[rows], starts[rows]
        reached = pd.Series(ends[rows]).groupby(whose).cummax().to_numpy()
        opens = np.ones(len(rows), dtype=bool)
        opens[1:] = (np.diff(whose) != 0) | (np.diff(stretch[rows]) != 0) | (begins[1:] - reached[:-1] > gap)
        firsts = np.flatnonzero(opens)
        codes = np.full(len(wanted), -1)
        codes[rows] = np.cumsum(opens) - 1
        self.groups = Groups(codes, len(firsts))
        self.provider, self.started = whose[firsts], begins[firsts]
        self.ended = reached[np.append(firsts[1:], len(rows))[: len(firsts)] - 1]

    def of(self, provider: Ints, ts: Ints) -> Ints:
        """The window of each of these times, without the times that lie in no window."""
        if not self.groups.size:
            return np.zeros(0, dtype=np.int64)
        window = count_started(self.provider, self.started, provider, ts) - 1
        inside = (window >= 0) & (self.provider[window] == provider) & (ts <= self.ended[window])
        found: Ints = window[inside]
        return found
