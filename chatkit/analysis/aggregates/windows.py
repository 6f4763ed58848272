"""The windows of time in which a provider failed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from chatkit.analysis.aggregates.grouping import failed, require
from chatkit.analysis.aggregates.groups import Groups, Key, own_key
from chatkit.analysis.arrays import UNKNOWN, Bools, Ints, integers, moments, spans, timedeltas, utc, words
from chatkit.errors import KINDS, RETRYABLE_KINDS, UsageError, did_you_mean
from chatkit.retries.backoff import MAX_DELAY


def outages(df: pd.DataFrame, *, gap: float = MAX_DELAY, kinds: str | Iterable[str | None] | None = None) -> pd.DataFrame:
    """When a provider failed: its failed attempts, merged into windows.

    A window is what the attempts saw. The provider may have failed for longer, unseen, before the first of them and after the last.

    Parameters
    ----------
    df : pandas.DataFrame
        A row an attempt, in any order. Needs the columns ``ts``, ``call``, ``provider``, ``duration``, ``outcome``, ``hint`` and ``kind``.
        Rows without a time are left out, and ``attrs["rows_without_ts"]`` says how many failures those are.
    gap : float
        Seconds. Failures at most so far apart make one window. The longest backoff unless given: nobody who retries notices that a
        provider was well for less.
    kinds : str or iterable of str and None, optional
        Which failures count; None among them are those of no known kind. Unless given: the kinds that pass (`RETRYABLE_KINDS`),
        ``unknown``, and those of no known kind.

    Returns
    -------
    pandas.DataFrame
        Sorted by ``started``; the windows of one provider don't touch. An attempt of unknown duration counts as a moment.

        ========================  ====================  =========================================================================
        column                    dtype                 what it is
        ========================  ====================  =========================================================================
        ``provider``              category              who failed; null is one of its own
        ``started``, ``ended``    datetime64[us, UTC]   the start of its first failed attempt, the end of the last to end
        ``duration``              timedelta64[us]       … between them
        ``attempts``              Int64                 failed attempts
        ``successes``             Int64                 attempts that began within and succeeded
        ``calls``                 Int64                 calls that met it
        ``kind``                  category              the most frequent kind of failure that is known
        ``hint``                  timedelta64[us]       the median of what the server asked for
        ========================  ====================  =========================================================================

    Raises
    ------
    UsageError
        A column is missing, `gap` is no number of seconds, or `kinds` holds a word that is no kind.

    Examples
    --------
    >>> import pandas as pd
    >>> from chatkit import RetryPolicy
    >>> from chatkit.analysis import outages, simulate
    >>> down = pd.DataFrame({"provider": ["x", "x"], "started": [0, 500], "ended": [10, 501], "kind": ["overloaded", "network"]})
    >>> df = simulate(down, RetryPolicy(), latency=1)
    >>> outages(df)[["provider", "duration", "attempts", "kind"]]
      provider        duration  attempts        kind
    0        x 0 days 00:00:06         3  overloaded
    1        x 0 days 00:00:01         1     network
    """
    require(df, "ts", "call", "provider", "duration", "outcome", "hint", "kind", what="outages()")
    return _windows(df, _microseconds(gap), kinds, apart=False)


def failing(df: pd.DataFrame) -> pd.DataFrame:
    """When every request to a provider seems to have failed: as `outages`, but no window goes on across an attempt that succeeded.

    A provider that fails now and then is up in between: one of its outages may hold thousands of successes.
    """
    return _windows(df, _microseconds(MAX_DELAY), None, apart=True)


def _windows(df: pd.DataFrame, gap: int, kinds: str | Iterable[str | None] | None, *, apart: bool) -> pd.DataFrame:
    wanted = failed(df).to_numpy() & _of_kinds(df, kinds)
    ts, provider = moments(df, "ts"), own_key(df, "provider")
    timed = ts != UNKNOWN
    ends, succeeded = ts + np.maximum(spans(df, "duration"), 0), words(df, "outcome").among("ok") & timed
    before = np.zeros(len(df), dtype=np.int64)
    if apart:
        before, until = _successes(ts, provider.codes, succeeded)
        ends = np.minimum(ends, until - 1)
    windows = _Windows(ts, ends, provider, wanted & timed, before, gap)
    groups, kind, call = windows.groups, own_key(df, "kind"), words(df, "call").codes
    found = pd.DataFrame(
        {
            "provider": provider.at(windows.provider),
            "started": utc(windows.started),
            "ended": utc(windows.ended),
            "duration": timedeltas(windows.ended - windows.started),
            "attempts": integers(groups.count(groups.codes >= 0)),
            "successes": integers(np.bincount(windows.around(ts, provider, succeeded), minlength=groups.size)),
            "calls": integers(groups.distinct(call, groups.codes >= 0)),
            "kind": kind.at(groups.most_frequent(kind.codes, groups.codes >= 0)),
            "hint": timedeltas(groups.quantiles(spans(df, "hint"), (0.5,))[0]),
        }
    )
    last = np.where(windows.provider < 0, len(provider.values), windows.provider)
    found = found.iloc[np.lexsort((last, windows.started))].reset_index(drop=True)
    found.attrs["rows_without_ts"] = int(np.count_nonzero(wanted & ~timed))
    return found


def _successes(ts: Ints, provider: Ints, succeeded: Bools) -> tuple[Ints, Ints]:
    """For each row: a number that grows with each success of its provider that began by then, and when the next one begins."""
    times, place = np.unique(ts, return_inverse=True)
    key = provider * (len(times) + 1) + place.reshape(-1)  # in the order of provider and time
    ordered = np.flatnonzero(succeeded)[np.argsort(key[succeeded], kind="stable")]
    before: Ints = np.searchsorted(key[ordered], key, side="right")
    following = np.append(ordered, -1)[before]
    theirs = (before < len(ordered)) & (provider[following] == provider)
    return before, np.where(theirs, ts[following], np.iinfo(np.int64).max)


class _Windows:
    """The windows, sorted by provider and start, and the window of each row that made one. Rows of one have one number `before`."""

    def __init__(self, starts: Ints, ends: Ints, provider: Key, wanted: Bools, before: Ints, gap: int) -> None:
        rows = np.flatnonzero(wanted)
        rows = rows[np.lexsort((starts[rows], provider.codes[rows]))]
        whose, begins = provider.codes[rows], starts[rows]
        reached = _running_maximum(ends[rows], whose)
        opens = np.ones(len(rows), dtype=bool)
        opens[1:] = (np.diff(whose) != 0) | (np.diff(before[rows]) != 0) | (begins[1:] - reached[:-1] > gap)
        firsts = np.flatnonzero(opens)
        codes = np.full(len(wanted), -1)
        codes[rows] = np.cumsum(opens) - 1
        self.groups = Groups(codes, len(firsts))
        self.provider, self.started = whose[firsts], begins[firsts]
        self.ended = reached[np.append(firsts[1:], len(rows))[: len(firsts)] - 1]

    def around(self, ts: Ints, provider: Key, wanted: Bools) -> Ints:
        """The window that each wanted row began in, without those that began in none."""
        if not self.groups.size:
            return np.zeros(0, dtype=np.int64)
        times, whose = ts[wanted], provider.codes[wanted]
        _, place = np.unique(np.concatenate([self.started, times]), return_inverse=True)
        place = place.reshape(-1)
        key = np.concatenate([self.provider, whose]) * (len(place) + 1) + place  # in the order of provider and time
        window: Ints = np.searchsorted(key[: self.groups.size], key[self.groups.size :], side="right") - 1
        within = (window >= 0) & (self.provider[window] == whose) & (times <= self.ended[window])
        found: Ints = window[within]
        return found


def _running_maximum(ends: Ints, whose: Ints) -> Ints:
    """The latest end so far, within each provider: as places in the order of all ends, so that each provider begins above the last."""
    values, inverse = np.unique(ends, return_inverse=True)
    place: Ints = inverse.reshape(-1)
    lift = np.cumsum(np.diff(whose, prepend=whose[:1]) != 0) * len(values)
    latest: Ints = values[np.maximum.accumulate(place + lift) - lift]
    return latest


def _microseconds(gap: float) -> int:
    if isinstance(gap, bool) or not isinstance(gap, int | float | np.number) or not (math.isfinite(gap) and 0 <= gap <= 1e12):
        raise UsageError(f"outages(): gap={gap!r}: give seconds, 0 or more")
    return round(float(gap) * 1_000_000)


def _of_kinds(df: pd.DataFrame, kinds: str | Iterable[str | None] | None) -> Bools:
    """The rows whose kind counts."""
    kind = words(df, "kind")
    asked: set[Any] = {*RETRYABLE_KINDS, "unknown", None} if kinds is None else {kinds} if isinstance(kinds, str) else set(kinds)
    known = {*KINDS, *kind.values}
    for word in asked - known - {None}:
        hint = did_you_mean(str(word), sorted(known)) or f"give some of {', '.join(KINDS)}, or None"
        raise UsageError(f"outages(): there is no kind {word!r}: {hint}")
    return kind.among(*asked - {None}) | ((kind.codes < 0) & (None in asked))
