"""What a simulation replays: when each provider was down, and which calls began when. From a record, or made up."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from chatkit.analysis.aggregates.grouping import calls, failed, require
from chatkit.analysis.aggregates.windows import failing
from chatkit.analysis.arrays import UNKNOWN, Bools, Floats, Ints, categories, integers, moments, numbers, spans, words
from chatkit.analysis.replay.downtime import FINAL_KINDS, Downtime
from chatkit.errors import KINDS, UsageError

MOST_REQUESTS = 10_000_000
"""Rows that a simulated frame may have."""
LONGEST = 1e9
"""Seconds that a latency or a spread may last: 31 years."""
_SECOND = 1_000_000
_FROM, _TO = (int(np.datetime64(year, "us").astype(np.int64)) for year in ("0001-01-01", "9999-01-01"))
_WORDS = ("chat", "operation", "provider", "model")
_OF_A_CALL = ("call", *_WORDS, "step")


@dataclass(frozen=True, eq=False)
class Scenario:
    """Calls and outages. Times are microseconds since 1970.

    Attributes
    ----------
    downtime : Downtime
    who : pandas.DataFrame
        A row a call: the columns of a frame of attempts that all its attempts share.
    provider : numpy.ndarray
        The number of each call's provider.
    began : numpy.ndarray
        When each call begins.
    fails_after, succeeds_after : numpy.ndarray
        How long a request takes, by the number of the provider.
    facts : dict
        What was left out.
    keys : numpy.ndarray
        What the luck of each call is drawn from.
    """

    downtime: Downtime
    who: pd.DataFrame
    provider: Ints
    began: Ints
    fails_after: Ints
    succeeds_after: Ints
    facts: dict[str, int]
    keys: Any = None


def scenario_of(df: pd.DataFrame, *, clients: int, seed: int, spread: float, latency: float | None, what: str) -> Scenario:
    """Read a frame of attempts, or one of outages, as `simulate` documents it; `what` says who asks."""
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
    if count > MOST_REQUESTS:
        raise UsageError(f"{what}: {count:,} calls: at most {MOST_REQUESTS:,} requests can be simulated, so give fewer clients or calls")
    return _multiplied(one, int(clients), int(seed), spread_us)


def _check_whole(value: int, least: int, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise UsageError(f"{name}={value!r}: give a whole number, {least} or more")


def _checked_seconds(value: float, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating) or not 0 <= value <= LONGEST:
        raise UsageError(f"{name}={value!r}: give seconds, from 0 to {LONGEST:,.0f}")
    return float(value)


def _multiplied(one: Scenario, clients: int, seed: int, spread: int) -> Scenario:
    """Every call made by so many clients, each with luck of its own."""
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
    return dataclasses.replace(one, provider=provider, began=began, who=who, keys=keys)


def draws(keys: Any, number: int) -> Floats:
    """Draw `number` in [0, 1) of each key, as SplitMix64 has it: none depends on how many others are drawn."""
    z = keys + np.uint64((number + 1) * 0x9E3779B97F4A7C15 % 2**64)  # arrays wrap around, and are meant to
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return np.asarray((z >> np.uint64(11)) * 2.0**-53)


# ── from a record ──


def _of_attempts(df: pd.DataFrame, latency: int | None, what: str) -> Scenario:
    require(df, "ts", *_OF_A_CALL, "attempt", "waited", "duration", "outcome", "delay", "hint", "kind", "error", what=what)
    down, made = failing(df), calls(df)
    began = moments(made, "started")
    timed = began != UNKNOWN
    final = (made["last_kind"].isin(FINAL_KINDS) & ~made["outcome"].isin(["ok", "abandoned"])).to_numpy()
    alone, counts = _alone(df)
    who = pd.concat([_as_text(made[timed & ~final]), _as_text(alone)], ignore_index=True)
    began = np.concatenate([began[timed & ~final], moments(alone, "ts")])
    order = np.argsort(began, kind="stable")
    who, began = who.take(order), began[order]
    providers = pd.Index(pd.unique(pd.concat([down["provider"].astype(object), who["provider"]]).dropna()))
    downtime = Downtime.of(
        _numbered(down["provider"], providers),
        moments(down, "started"),
        moments(down, "ended"),
        _kinds(down, what),
        _milliseconds(spans(down, "hint")),
        closed=True,
    )
    facts = {
        "not_retryable": int(np.count_nonzero(timed & final)) + counts["not_retryable"],
        "without_time": int(np.count_nonzero(~timed)) + counts["without_time"],
        "continued": counts["continued"],
    }
    fails_after = _usual(df, failed(df).to_numpy(), providers, latency)
    succeeds_after = _usual(df, words(df, "outcome").among("ok"), providers, latency)
    return Scenario(downtime, _typed(who), _numbered(who["provider"], providers), began, fails_after, succeeds_after, facts)


def _alone(df: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """The rows that belong to no call and begin one of their own: those that are attempt 1, or don't say."""
    rows = df[df["call"].isna().to_numpy()]
    attempt, timed = numbers(rows, "attempt"), moments(rows, "ts") != UNKNOWN
    first = np.isnan(attempt) | (attempt == 1)
    final = failed(rows).to_numpy() & words(rows, "kind").among(*FINAL_KINDS)
    counts = {
        "continued": int(np.count_nonzero(~first)),
        "without_time": int(np.count_nonzero(first & ~timed)),
        "not_retryable": int(np.count_nonzero(first & timed & final)),
    }
    alone = rows[first & timed & ~final].reset_index(drop=True)
    taken, prefix = words(df, "call").values.astype(str).str, "row "
    while taken.startswith(prefix).any():
        prefix = "_" + prefix
    alone["call"] = prefix + pd.Series(np.arange(1, len(alone) + 1)).astype("string")
    return alone, counts


def _as_text(rows: pd.DataFrame) -> pd.DataFrame:
    """The columns of a call, so that those of two frames can follow each other."""
    columns: dict[str, Any] = {"call": rows["call"].astype("string")}
    for name in _WORDS:
        word = words(rows, name)
        columns[name] = np.array([*word.values, None], dtype=object)[word.codes]
    return pd.DataFrame({**columns, "step": numbers(rows, "step")})


def _usual(df: pd.DataFrame, chosen: Bools, providers: pd.Index[Any], latency: int | None) -> Ints:
    """The median duration of these rows by provider, in microseconds, to the millisecond; 0 where it isn't known."""
    if latency is not None:
        return np.full(len(providers) + 1, latency)
    duration = spans(df, "duration")
    rows = np.flatnonzero(chosen & (duration != UNKNOWN))
    medians = pd.Series(duration[rows]).groupby(_numbered(df["provider"], providers)[rows]).median()
    return _milliseconds(medians.reindex(range(len(providers) + 1)).fillna(0.0).to_numpy().clip(min=0)) * 1000


# ── made up ──


def _of_outages(df: pd.DataFrame, latency: int, what: str) -> Scenario:
    if "ended" not in df.columns and "duration" not in df.columns:
        raise UsageError(f"{what}: the frame of outages has neither 'ended' nor 'duration': when is the provider back?")
    down = df.reset_index(drop=True)
    nothing = pd.Series([None] * len(down), dtype=object)
    down = down.assign(**{name: nothing for name in ("provider", "kind", "hint") if name not in down.columns})
    started, hint = _times(down, "started", what), _spans(down, "hint", what)
    ended = _times(down, "ended", what) if "ended" in down.columns else _ends(started, _spans(down, "duration", what))
    for name, ts in (("started", started), ("ended", ended)):
        if (wrong := np.flatnonzero((ts < _FROM) | (ts > _TO))).size:
            raise UsageError(f"{what}: outage {wrong[0] + 1}: {name!r} is missing, or beyond the years 1 to 9999: give every outage an end")
    if (wrong := np.flatnonzero(ended < started)).size:
        raise UsageError(f"{what}: outage {wrong[0] + 1} ends before it starts")
    if (wrong := np.flatnonzero((hint < 0) & (hint != UNKNOWN))).size:
        raise UsageError(f"{what}: outage {wrong[0] + 1}: 'hint' is less than 0: give the wait that the server asks for")
    word = words(down, "provider")
    number = pd.Series(np.arange(1, len(down) + 1)).astype("string")
    who = pd.DataFrame({"call": "outage " + number, "chat": nothing, "operation": "retry", "provider": down["provider"], "model": nothing})
    provider = np.where(word.codes < 0, len(word.values), word.codes)
    downtime = Downtime.of(provider, started, ended, _kinds(down, what), _milliseconds(hint), closed=False)
    takes = np.full(len(word.values) + 1, latency)
    return Scenario(downtime, _typed(who.assign(step=np.nan)), provider, started, takes, takes, {})


def _ends(started: Ints, duration: Ints) -> Ints:
    return np.where((started == UNKNOWN) | (duration == UNKNOWN), UNKNOWN, started + duration)


def _times(df: pd.DataFrame, column: str, what: str) -> Ints:
    """Times, or seconds or timedeltas since 1970, in microseconds."""
    inferred = pd.api.types.infer_dtype(df[column], skipna=True)
    if pd.api.types.is_numeric_dtype(df[column].dtype) or inferred.startswith("timedelta"):
        return _spans(df, column, what)
    try:
        return moments(df, column)
    except UsageError as error:
        raise UsageError(f"{what}: {error}, or give seconds") from None


def _spans(df: pd.DataFrame, column: str, what: str) -> Ints:
    """Timedeltas, or seconds, in microseconds."""
    try:
        if not pd.api.types.is_numeric_dtype(df[column].dtype):
            return spans(df, column)
        seconds = numbers(df, column)
    except UsageError as error:
        raise UsageError(f"{what}: {error}, or give seconds") from None
    if (wrong := np.flatnonzero(np.abs(seconds) * _SECOND > _TO)).size:
        raise UsageError(f"{what}: outage {wrong[0] + 1}: {column}={seconds[wrong[0]]:g} s is more than can be simulated")
    known = ~np.isnan(seconds)
    return np.where(known, np.rint(np.where(known, seconds, 0.0) * _SECOND).astype(np.int64), UNKNOWN)


# ── both ──


def _kinds(down: pd.DataFrame, what: str) -> Ints:
    """The place of each outage's kind in `KINDS`."""
    word = words(down, "kind")
    place = np.append(pd.Index(KINDS).get_indexer(word.values), -1)[word.codes]
    if (wrong := np.flatnonzero((place < 0) & (word.codes >= 0))).size:
        given = str(word.values[word.codes[wrong[0]]])
        raise UsageError(f"{what}: there is no kind of failure {given!r}: give some of {', '.join(KINDS)}")
    return place.astype(np.int64)


def _milliseconds(microseconds: Any) -> Ints:
    """Whole milliseconds, as the record has them."""
    unknown = microseconds == UNKNOWN
    return np.where(unknown, UNKNOWN, np.rint(np.where(unknown, 0, microseconds) / 1000).astype(np.int64))


def _numbered(provider: pd.Series[Any], providers: pd.Index[Any]) -> Ints:
    """The number of each provider; those without a name share the last one."""
    word = words(pd.DataFrame({"provider": provider}), "provider")
    place = np.append(providers.get_indexer(word.values), -1)[word.codes]
    return np.where(place < 0, len(providers), place)


def _typed(who: pd.DataFrame) -> pd.DataFrame:
    """The columns that a call gives to its attempts, with the dtypes of a frame of attempts."""
    columns: dict[str, Any] = {"call": who["call"].astype("string").array}
    for name in _WORDS:
        word = words(who, name)
        columns[name] = categories(word.codes, word.values)
    return pd.DataFrame({**columns, "step": integers(numbers(who, "step"), "Int32")})
