"""The requests of a scenario under a policy, in rounds: first the first attempts of all calls, then the second ones of those that go on."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import msgspec
import numpy as np

from chatkit.analysis.columns import UNKNOWN, Floats, Ints
from chatkit.analysis.replay.scenarios import MAX_REQUESTS, Scenario, draws
from chatkit.errors import UsageError
from chatkit.retries.backoff import MAX_DELAY, RetryPolicy, delay

MAX_ATTEMPTS = 600_000
"""Attempts of one call: more than a year of waits of 60 s."""
MAX_WAIT = 366 * 86_400.0
"""Seconds of a simulated wait."""


@dataclass(frozen=True, eq=False)
class Requests:
    """What happened, request by request: first all first attempts, then all second attempts, and so on."""

    counts: tuple[int, ...]
    """The number of first attempts, of second attempts, and so on."""
    call: Ints
    """The number of the call."""
    ts: Ints
    """When the request began, in microseconds since 1970."""
    outage: Ints
    """The outage in which it failed, -1 where it succeeded."""
    waited: Ints
    """The wait before it, in milliseconds, 0 before the first."""
    delay: Ints
    """The wait after it, in milliseconds, `UNKNOWN` where none follows."""

    @property
    def attempt(self) -> Ints:
        """The number of the attempt, from 1."""
        return np.repeat(np.arange(1, len(self.counts) + 1), self.counts)


def scheduled(policy: RetryPolicy, failures: int, hints: Floats, drawn: Floats) -> Floats:
    """`RetryPolicy.scheduled` in seconds for many calls with so many failures in a row, given hints in seconds and draws in [0, 1]."""
    whole = delay(failures - 1)
    match policy.jitter:
        case "full":
            return np.maximum(whole * drawn, hints)
        case "equal":
            return np.maximum(whole * (0.5 + drawn / 2), hints)
        case _:
            return np.maximum(whole, hints)


def play(scenario: Scenario, policy: RetryPolicy, *, hints: bool, what: str) -> Requests:
    """The requests of every call until it succeeds or gives up, as `chatkit.retries.backoff.Decision` decides.

    The decision sees the exact waits, as in the real loop; then they are rounded to milliseconds, as in a record.
    """
    down = scenario.downtime
    asked = np.where((down.hint != UNKNOWN) & bool(hints), down.hint / 1000, 0.0)
    limit = policy.elapsed_limit(attended=True)
    call, ts = np.arange(len(scenario.began)), scenario.began
    outage = down.at(scenario.provider, ts)
    _refuse_too_many(least_requests(scenario, policy, asked, outage), policy, what)
    waited, unknown_failures = np.zeros(len(call), dtype=np.int64), np.zeros(len(call), dtype=np.int64)
    rounds: list[tuple[Ints, Ints, Ints, Ints, Ints]] = []
    total = 0
    for attempt in itertools.count(1):
        _refuse_too_many((total := total + len(call), attempt), policy, what)
        follows = np.full(len(call), UNKNOWN)
        rounds.append((call, ts, outage, waited, follows))
        failed = np.flatnonzero(outage >= 0)
        call, met = call[failed], outage[failed]
        ended = ts[failed] + scenario.fails_after[scenario.provider[call]]
        unknown_failures = np.where(down.is_unknown[met], unknown_failures[failed] + 1, 0)
        wait = scheduled(policy, attempt, asked[met], _draws(scenario, policy, call, attempt))
        ends = down.is_final[met] | (asked[met] > policy.hint_ceiling) | (unknown_failures >= policy.max_paid_failures)
        if policy.max_attempts is not None and attempt >= policy.max_attempts:
            ends[:] = True
        if limit is not None:
            ends |= (ended - scenario.began[call]) / 1e6 + wait > limit
        again = np.flatnonzero(~ends)
        if not again.size:
            break
        wait = wait[again]
        if wait.max() > MAX_WAIT:
            raise UsageError(f"{what}: a server asks to wait {wait.max():,.0f} s, more than a year: lower the policy's hint_ceiling")
        waited = np.rint(wait * 1000).astype(np.int64)
        follows[failed[again]] = waited
        call, ts, unknown_failures = call[again], ended[again] + waited * 1000, unknown_failures[again]
        outage = down.at(scenario.provider[call], ts)
    every = [np.concatenate(pieces) for pieces in zip(*rounds, strict=True)]
    return Requests(tuple(len(call) for call, *_ in rounds), *every)


def difference(policy: RetryPolicy) -> str:
    """The fields in which a policy differs from the default.

    >>> difference(RetryPolicy(max_attempts=3, jitter="full")), difference(RetryPolicy())
    ('max_attempts=3, jitter=full', 'default')
    """
    usual = msgspec.structs.asdict(RetryPolicy())
    return ", ".join(f"{name}={value}" for name, value in msgspec.structs.asdict(policy).items() if value != usual[name]) or "default"


def _draws(scenario: Scenario, policy: RetryPolicy, call: Ints, attempt: int) -> Floats:
    return np.ones(len(call)) if policy.jitter == "none" else draws(scenario.keys[call], attempt)


def least_requests(scenario: Scenario, policy: RetryPolicy, asked: Floats, outage: Ints) -> tuple[float, float]:
    """Lower bounds of the number of requests, and of the requests of one call, as if every wait were the longest possible one."""
    hit = np.flatnonzero(outage >= 0)
    met, down = outage[hit], scenario.downtime
    span = (down.stopped[met] - scenario.began[hit]) / 1e6
    if (limit := policy.elapsed_limit(attended=True)) is not None:
        span = np.minimum(span, limit)
    longest = np.maximum(MAX_DELAY, asked[met]) + scenario.fails_after[scenario.provider[hit]] / 1e6
    tries = np.floor(span / longest) + 1
    if policy.max_attempts is not None:
        tries = np.minimum(tries, policy.max_attempts)
    ends = down.is_final[met] | (asked[met] > policy.hint_ceiling)
    bound = np.where(ends, 1, np.where(down.is_unknown[met], policy.max_paid_failures, np.inf))
    tries = np.minimum(tries, bound)
    return len(outage) - len(hit) + float(tries.sum()), float(tries.max(initial=0))


def _refuse_too_many(least: tuple[float, float], policy: RetryPolicy, what: str) -> None:
    for made, most, which in zip(least, (MAX_REQUESTS, MAX_ATTEMPTS), ("requests", "attempts of one call"), strict=True):
        if made > most:
            raise UsageError(
                f"{what}: at least {made:,.0f} {which} under the policy {difference(policy)!r}, and at most {most:,} can be simulated: "
                "give fewer clients, shorter outages, or a policy with max_attempts or max_elapsed"
            )
