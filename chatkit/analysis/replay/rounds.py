"""Many calls through the same outages, attempt by attempt: one round for all that still try, not one loop for each."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import msgspec
import numpy as np

from chatkit.analysis.arrays import UNKNOWN, Bools, Floats, Ints
from chatkit.analysis.replay.scenarios import MOST_REQUESTS, Scenario, draws
from chatkit.errors import UsageError
from chatkit.retries.backoff import MAX_DELAY, RetryPolicy, delay

MOST_ATTEMPTS = 600_000
"""Attempts that one call may make: more than a year of waits of 60 s."""
LONGEST_WAIT = 366 * 86_400.0
"""Seconds that a simulated wait may last."""


@dataclass(frozen=True, eq=False)
class Requests:
    """What happened, one place a request: first all first attempts, then all second ones …

    Attributes
    ----------
    call : numpy.ndarray
        The number of the call.
    ts : numpy.ndarray
        When it began, in microseconds since 1970.
    outage : numpy.ndarray
        The outage that it met, -1 where it succeeded.
    waited, delay : numpy.ndarray
        Milliseconds of the wait before it (0 before the first) and after it (`UNKNOWN` where none follows).
    counts : tuple of int
        How many first attempts, second attempts … there are.
    """

    call: Ints
    ts: Ints
    outage: Ints
    waited: Ints
    delay: Ints
    counts: tuple[int, ...]

    @property
    def attempt(self) -> Ints:
        """The number of the attempt, from 1."""
        return np.repeat(np.arange(1, len(self.counts) + 1), self.counts)


def scheduled(policy: RetryPolicy, failures: int, hints: Floats, luck: Floats) -> Floats:
    """`RetryPolicy.scheduled` for many calls that failed equally often.

    Parameters
    ----------
    policy : RetryPolicy
    failures : int
        Failures in a row, 1 or more.
    hints : numpy.ndarray
        Seconds that the server asks to wait, 0 where it asks for nothing.
    luck : numpy.ndarray
        Draws in [0, 1].

    Returns
    -------
    numpy.ndarray
        Seconds.
    """
    whole = delay(failures - 1)
    match policy.jitter:
        case "full":
            return np.maximum(whole * luck, hints)
        case "equal":
            return np.maximum(whole * (0.5 + luck / 2), hints)
        case _:
            return np.maximum(whole, hints)


def play(scenario: Scenario, policy: RetryPolicy, *, hints: bool, what: str) -> Requests:
    """Have every call try until it succeeds or gives up, as `chatkit.retries.backoff.Decision` decides.

    Waits are rounded to the millisecond, as the record has them. The decision sees them before, as the real loop does.
    """
    down = scenario.downtime
    asked = np.where((down.hint != UNKNOWN) & bool(hints), down.hint / 1000, 0.0)
    limit = policy.elapsed_limit(attended=True)
    call, ts = np.arange(len(scenario.began)), scenario.began
    outage = down.at(scenario.provider, ts)
    _refuse_too_many(least_requests(scenario, policy, asked, outage), policy, what)
    waited, unexplained = np.zeros(len(call), dtype=np.int64), np.zeros(len(call), dtype=np.int64)
    rounds: list[tuple[Ints, Ints, Ints, Ints, Ints]] = []
    total = 0
    for attempt in itertools.count(1):
        _refuse_too_many((total := total + len(call), attempt), policy, what)
        follows = np.full(len(call), UNKNOWN)
        rounds.append((call, ts, outage, waited, follows))
        failed = np.flatnonzero(outage >= 0)
        call, met = call[failed], outage[failed]
        ended = ts[failed] + scenario.fails_after[scenario.provider[call]]
        unexplained = np.where(down.is_unexplained[met], unexplained[failed] + 1, 0)
        wait = scheduled(policy, attempt, asked[met], _luck(scenario, policy, call, attempt))
        ends = down.is_final[met] | (asked[met] > policy.hint_ceiling) | (unexplained >= policy.max_paid_failures)
        if policy.max_attempts is not None and attempt >= policy.max_attempts:
            ends[:] = True
        if limit is not None:
            ends |= (ended - scenario.began[call]) / 1e6 + wait > limit
        again = np.flatnonzero(~ends)
        if not again.size:
            break
        wait = wait[again]
        if wait.max() > LONGEST_WAIT:
            raise UsageError(f"{what}: a server asks to wait {wait.max():,.0f} s, more than a year: lower the policy's hint_ceiling")
        waited = np.rint(wait * 1000).astype(np.int64)
        follows[failed[again]] = waited
        call, ts, unexplained = call[again], ended[again] + waited * 1000, unexplained[again]
        outage = down.at(scenario.provider[call], ts)
    every_call, every_ts, every_outage, every_waited, every_delay = (np.concatenate(pieces) for pieces in zip(*rounds, strict=True))
    return Requests(every_call, every_ts, every_outage, every_waited, every_delay, tuple(len(one[0]) for one in rounds))


def difference(policy: RetryPolicy) -> str:
    """What a policy has that the default hasn't.

    >>> difference(RetryPolicy(max_attempts=3, jitter="full")), difference(RetryPolicy())
    ('max_attempts=3, jitter=full', 'default')
    """
    usual = msgspec.structs.asdict(RetryPolicy())
    return ", ".join(f"{name}={value}" for name, value in msgspec.structs.asdict(policy).items() if value != usual[name]) or "default"


def _luck(scenario: Scenario, policy: RetryPolicy, call: Ints, attempt: int) -> Floats:
    return np.ones(len(call)) if policy.jitter == "none" else draws(scenario.keys[call], attempt)


def least_requests(scenario: Scenario, policy: RetryPolicy, asked: Floats, outage: Ints) -> tuple[float, float]:
    """How many requests there will be at least, and how many of one call: as if each wait were the longest that there is."""
    hit = np.flatnonzero(outage >= 0)
    met, down = outage[hit], scenario.downtime
    span = (down.stopped[met] - scenario.began[hit]) / 1e6
    if (limit := policy.elapsed_limit(attended=True)) is not None:
        span = np.minimum(span, limit)
    longest = np.maximum(MAX_DELAY, asked[met]) + scenario.fails_after[scenario.provider[hit]] / 1e6
    tries = np.floor(span / longest) + 1
    if policy.max_attempts is not None:
        tries = np.minimum(tries, policy.max_attempts)
    ends: Bools = down.is_final[met] | (asked[met] > policy.hint_ceiling)
    bound = np.where(ends, 1, np.where(down.is_unexplained[met], policy.max_paid_failures, np.inf))
    tries = np.minimum(tries, bound)
    return len(outage) - len(hit) + float(tries.sum()), float(tries.max(initial=0))


def _refuse_too_many(least: tuple[float, float], policy: RetryPolicy, what: str) -> None:
    for made, most, which in zip(least, (MOST_REQUESTS, MOST_ATTEMPTS), ("requests", "attempts of one call"), strict=True):
        if made > most:
            raise UsageError(
                f"{what}: at least {made:,.0f} {which} under the policy {difference(policy)!r}, and at most {most:,} can be simulated: "
                "give fewer clients, shorter outages, or a policy with max_attempts or max_elapsed"
            )
