"""What a simulation replays: when each provider was down, and when each call began, from a record or from a frame of outages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from chatkit.analysis.aggregates.over_time import count_started, total_outages
from chatkit.analysis.aggregates.per_call import calls, failed, require
from chatkit.analysis.columns import UNKNOWN, Bools, Floats, Ints, categories, factorized, integers, moments, numbers, spans
from chatkit.errors import KINDS, RETRYABLE_KINDS, UsageError

MAX_REQUESTS = 10_000_000
"""Rows of a simulated frame."""
MAX_SECONDS = 1e9
"""The longest latency or spread: 31 years."""
FINAL_KINDS = tuple(kind for kind in KINDS if kind not in RETRYABLE_KINDS and kind != "unknown")
"""Kinds of failures that no policy retries."""
_IS_FINAL = np.array([kind in FINAL_KINDS for kind in KINDS] + [False])  # the last place is that of an unknown kind, -1
_IS_UNKNOWN = np.array([kind == "unknown" for kind in KINDS] + [False])
_SECOND = 1_000_000
_MIN_TIME, _MAX_TIME = (int(np.datetime64(year, "us").astype(np.int64)) for year in ("0001-01-01", "9999-01-01"))
_TEXTS = ("chat", "operation", "provider", "model")


@dataclass(frozen=True, eq=False)
class Downtime:
    """The outages of all providers, sorted by provider and start. Those of a provider don't overlap. Times are microseconds since 1970."""

    provider: Ints
    """The number of the provider."""
    started: Ints
    stopped: Ints
    """A request that begins in [started, stopped) fails."""
    back: Ints
    """When the provider is back: the end of the last of the outages that touch each other."""
    kind: Ints
    """The place of the kind of failure in `KINDS`, -1 where it isn't known."""
    hint: Ints
    """The wait that the server asks for, in milliseconds, `UNKNOWN` where it asks for none."""

    @classmethod
    def of(cls, provider: Ints, started: Ints, ended: Ints, kind: Ints, hint: Ints, *, closed: bool) -> Downtime:
        """From outages in any order; where two of a provider overlap, the one that began first holds to its end.

        `closed` outages include their last microsecond: a recorded failure of no duration is an outage too.
        """
        order = np.lexsort((started, provider))
        order = order[ended[order] + closed > started[order]]
        provider, started, stopped = provider[order], started[order], ended[order] + closed
        reached = pd.Series(stopped).groupby(provider).cummax().groupby(provider).shift(fill_value=UNKNOWN).to_numpy()
        begins = np.maximum(started, reached)
        kept = np.flatnonzero(begins < stopped)
        provider, begins, stopped, reached, order = provider[kept], begins[kept], stopped[kept], reached[kept], order[kept]
        group = np.cumsum(begins > reached)  # before a provider's first outage, `UNKNOWN` is reached: it begins a group
        back = stopped[np.flatnonzero(np.diff(group, append=-1))] - closed
        return cls(provider, begins, stopped, back[group - 1], kind[order], hint[order])

    def at(self, provider: Ints, ts: Ints) -> Ints:
        """The outage at each of these times, -1 where the provider is up."""
        if not len(self.started):
            return np.full(len(ts), -1)
        place = count_started(self.provider, self.started, provider, ts) - 1
        inside = (place >= 0) & (self.provider[place] == provider) & (ts < self.stopped[place])
        return np.where(inside, place, -1)

    @property
    def is_final(self) -> Bools:
        """Which outages have a kind of failure that no policy retries."""
        return np.asarray(_IS_FINAL[self.kind])

    @property
    def is_unknown(self) -> Bools:
        """Which outages have the kind ``unknown``."""
        return np.asarray(_IS_UNKNOWN[self.kind])


@dataclass(frozen=True, eq=False)
class Scenario:
    """Calls and outages. Times are microseconds since 1970."""

    downtime: Downtime
    who: pd.DataFrame
    """One row per call: the columns of a frame of attempts that are the same for all attempts of a call."""
    provider: Ints
    """The number of each call's provider."""
    began: Ints
    """When each call begins."""
    fails_after: Ints
    """The duration of a request that fails, by the number of the provider."""
    succeeds_after: Ints
    """The duration of a request that succeeds, by the number of the provider."""
    left_out: dict[str, int]
    """How many recorded calls and rows are not replayed, by the reason."""
    keys: Any = None
    """The seed of each call's random draws."""


def scenario_of(df: pd.DataFrame, *, clients: int, seed: int, spread: float, latency: float | None, what: str) -> Scenario:
    """The scenario in a frame of attempts or of outages, as `simulate` documents it; `what` names the caller."""
    if not isinstance(df, pd.DataFrame):
        raise UsageError(f"{what} takes a DataFrame of attempts, or one of outages; found a {type(df).__name__}")
    _check_whole(clients, 1, f"{what}: clients")
    _check_whole(seed, 0, f"{what}: seed")
    spread_us = round(_checked_seconds(spread, f"{what}: spread") * _SECOND)
    latency_us = None if latency is None else round(_checked_seconds(latency, f"{what}: latency") * 1000) * 1000
    if "attempt" in df.columns:
        one = _of_attempts(df, latency_us, what)
    elif "started" in df.columns and "call" in df.columns:
        raise UsageError(f"{what}: that is a frame of calls: give the frame of attempts that it was made of, or outages() of that")
    elif "started" in df.columns:
        one = _of_outages(df, latency_us or 0, what)
    else:
        raise UsageError(f"{what} takes a frame of attempts, or one of outages with 'started' and 'ended' (or 'duration'); this is neither")
    count = len(one.began) * int(clients)
    if count > MAX_REQUESTS:
        raise UsageError(f"{what}: {count:,} calls: at most {MAX_REQUESTS:,} requests can be simulated, so give fewer clients or calls")
    return _multiplied(one, int(clients), int(seed), spread_us)


def _check_whole(value: int, least: int, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise UsageError(f"{name}={value!r}: give a whole number, {least} or more")


def _checked_seconds(value: float, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating) or not 0 <= value <= MAX_SECONDS:
        raise UsageError(f"{name}={value!r}: give seconds, from 0 to {MAX_SECONDS:,.0f}")
    return float(value)


def _multiplied(one: Scenario, clients: int, seed: int, spread: int) -> Scenario:
    """The scenario with every call made by so many clients, each with random draws of its own."""
    keys = np.random.default_rng(seed).bit_generator.random_raw(len(one.began) * clients)
    provider, began, who = one.provider, one.began, one.who
    if clients > 1:
        provider, began = np.repeat(provider, clients), np.repeat(began, clients)
        number = pd.Series(np.tile(np.arange(1, clients + 1), len(who))).astype("string")
        who = who.take(np.repeat(np.arange(len(who)), clients)).reset_index(drop=True)
        who["call"] = who["call"] + "#" + number
    if spread:
        later = np.floor(draws(keys, 0) * spread).astype(np.int64)
        began = began + np.minimum(later, spread - 1)
    return replace(one, provider=provider, began=began, who=who, keys=keys)


def draws(keys: Any, number: int) -> Floats:
    """Draw `number` in [0, 1) for each key, by SplitMix64: no draw depends on how many others are made."""
    z = keys + np.uint64((number + 1) * 0x9E3779B97F4A7C15 % 2**64)  # unsigned arrays wrap around, as the generator wants
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return np.asarray((z >> np.uint64(11)) * 2.0**-53)


# ── from a frame of attempts ──


def _of_attempts(df: pd.DataFrame, latency: int | None, what: str) -> Scenario:
    shared = ["call", *_TEXTS, "step"]
    require(df, "ts", *shared, "attempt", "waited", "duration", "outcome", "delay", "hint", "kind", "error", what=what)
    down, made = total_outages(df), calls(df)
    began = moments(made, "started")
    timed = began != UNKNOWN
    final = (made["last_kind"].isin(FINAL_KINDS) & ~made["outcome"].isin(["ok", "abandoned"])).to_numpy()
    alone, left_out = _without_call(df)
    left_out["not_retryable"] += int(np.count_nonzero(timed & final))
    left_out["without_time"] += int(np.count_nonzero(~timed))
    began = np.concatenate([began[timed & ~final], moments(alone, "ts")])
    order = np.argsort(began, kind="stable")
    who = _typed(pd.concat([made.loc[timed & ~final, shared].astype(object), alone[shared].astype(object)], ignore_index=True).take(order))
    providers = pd.Index(pd.unique(pd.concat([down["provider"].astype(object), who["provider"].astype(object)]).dropna()))
    downtime = Downtime.of(
        _numbered(down["provider"], providers),
        moments(down, "started"),
        moments(down, "ended"),
        _kinds(down, what),
        _milliseconds(spans(down, "hint")),
        closed=True,
    )
    fails_after = _usual(df, failed(df), providers, latency)
    succeeds_after = _usual(df, factorized(df, "outcome").among("ok"), providers, latency)
    return Scenario(downtime, who, _numbered(who["provider"], providers), began[order], fails_after, succeeds_after, left_out)


def _without_call(df: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """The rows of no call that begin a call of their own (attempt 1, or an unknown one), and how many rows are left out."""
    rows = df[df["call"].isna().to_numpy()]
    attempt, timed = numbers(rows, "attempt"), moments(rows, "ts") != UNKNOWN
    first = np.isnan(attempt) | (attempt == 1)
    final = failed(rows) & factorized(rows, "kind").among(*FINAL_KINDS)
    left_out = {
        "not_retryable": int(np.count_nonzero(first & timed & final)),
        "without_time": int(np.count_nonzero(first & ~timed)),
        "continued": int(np.count_nonzero(~first)),
    }
    alone = rows[first & timed & ~final].reset_index(drop=True)
    taken, prefix = factorized(df, "call").values.astype(str).str, "row "
    while taken.startswith(prefix).any():
        prefix = "_" + prefix
    alone["call"] = prefix + pd.Series(np.arange(1, len(alone) + 1)).astype("string")
    return alone, left_out


def _usual(df: pd.DataFrame, chosen: Bools, providers: pd.Index[Any], latency: int | None) -> Ints:
    """The median duration of the chosen rows per provider, in microseconds, rounded to milliseconds; 0 where it isn't known."""
    if latency is not None:
        return np.full(len(providers) + 1, latency)
    duration = spans(df, "duration")
    rows = np.flatnonzero(chosen & (duration != UNKNOWN))
    medians = pd.Series(duration[rows]).groupby(_numbered(df["provider"], providers)[rows]).median()
    return _milliseconds(medians.reindex(range(len(providers) + 1)).fillna(0.0).to_numpy().clip(min=0)) * 1000


# ── from a frame of outages ──


def _of_outages(df: pd.DataFrame, latency: int, what: str) -> Scenario:
    if "ended" not in df.columns and "duration" not in df.columns:
        raise UsageError(f"{what}: the frame of outages has neither 'ended' nor 'duration': when is the provider back?")
    down = df.reset_index(drop=True)
    nothing = pd.Series([None] * len(down), dtype=object)
    down = down.assign(**{name: nothing for name in ("provider", "kind", "hint") if name not in down.columns})
    started, hint = _times(down, "started", what), _spans(down, "hint", what)
    if "ended" in down.columns:
        ended = _times(down, "ended", what)
    else:
        duration = _spans(down, "duration", what)
        ended = np.where((started == UNKNOWN) | (duration == UNKNOWN), UNKNOWN, started + duration)
    for name, ts in (("started", started), ("ended", ended)):
        if (wrong := np.flatnonzero((ts < _MIN_TIME) | (ts > _MAX_TIME))).size:
            raise UsageError(f"{what}: outage {wrong[0] + 1}: {name!r} is missing, or beyond the years 1 to 9999: give every outage an end")
    if (wrong := np.flatnonzero(ended < started)).size:
        raise UsageError(f"{what}: outage {wrong[0] + 1} ends before it starts")
    if (wrong := np.flatnonzero((hint < 0) & (hint != UNKNOWN))).size:
        raise UsageError(f"{what}: outage {wrong[0] + 1}: 'hint' is less than 0: give the wait that the server asks for")
    values = factorized(down, "provider")
    provider = np.where(values.codes < 0, len(values.values), values.codes)
    downtime = Downtime.of(provider, started, ended, _kinds(down, what), _milliseconds(hint), closed=False)
    ids = "outage " + pd.Series(np.arange(1, len(down) + 1)).astype("string")
    who = pd.DataFrame({"call": ids, "chat": nothing, "operation": "retry", "provider": down["provider"], "model": nothing, "step": np.nan})
    takes = np.full(len(values.values) + 1, latency)
    return Scenario(downtime, _typed(who), provider, started, takes, takes, {})


def _times(df: pd.DataFrame, column: str, what: str) -> Ints:
    """A column of times, or of numbers of seconds or timedeltas since 1970, in microseconds."""
    inferred = pd.api.types.infer_dtype(df[column], skipna=True)
    if pd.api.types.is_numeric_dtype(df[column].dtype) or inferred.startswith("timedelta"):
        return _spans(df, column, what)
    try:
        return moments(df, column)
    except UsageError as error:
        raise UsageError(f"{what}: {error}, or give seconds") from None


def _spans(df: pd.DataFrame, column: str, what: str) -> Ints:
    """A column of timedeltas, or of numbers of seconds, in microseconds."""
    if not pd.api.types.is_numeric_dtype(df[column].dtype):
        try:
            return spans(df, column)
        except UsageError as error:
            raise UsageError(f"{what}: {error}, or give seconds") from None
    seconds = numbers(df, column)
    if (wrong := np.flatnonzero(np.abs(seconds) * _SECOND > _MAX_TIME)).size:
        raise UsageError(f"{what}: outage {wrong[0] + 1}: {column}={seconds[wrong[0]]:g} s is more than can be simulated")
    known = ~np.isnan(seconds)
    return np.where(known, np.rint(np.where(known, seconds, 0.0) * _SECOND).astype(np.int64), UNKNOWN)


# ── from both ──


def _kinds(down: pd.DataFrame, what: str) -> Ints:
    """The place of each outage's kind in `KINDS`, -1 where it isn't known."""
    kind = factorized(down, "kind")
    place = np.append(pd.Index(KINDS).get_indexer(kind.values), -1)[kind.codes]
    if (wrong := np.flatnonzero((place < 0) & (kind.codes >= 0))).size:
        given = str(kind.values[kind.codes[wrong[0]]])
        raise UsageError(f"{what}: there is no kind of failure {given!r}: give some of {', '.join(KINDS)}")
    return place.astype(np.int64)


def _milliseconds(microseconds: Any) -> Ints:
    """Rounded to whole milliseconds, as in a record."""
    unknown = microseconds == UNKNOWN
    return np.where(unknown, UNKNOWN, np.rint(np.where(unknown, 0, microseconds) / 1000).astype(np.int64))


def _numbered(provider: pd.Series[Any], providers: pd.Index[Any]) -> Ints:
    """The number of each row's provider; rows without a provider share the last number."""
    values = factorized(provider.to_frame("provider"), "provider")
    place = np.append(providers.get_indexer(values.values), -1)[values.codes]
    return np.where(place < 0, len(providers), place)


def _typed(who: pd.DataFrame) -> pd.DataFrame:
    """The columns of `Scenario.who`, with the dtypes of a frame of attempts."""
    texts: dict[str, Any] = {name: categories(*factorized(who, name)) for name in _TEXTS}
    return pd.DataFrame({"call": who["call"].astype("string").array, **texts, "step": integers(numbers(who, "step"), "Int32")})
