"""Outages met by one request at a time, on plain Python and with the real decision: what `simulate` is measured by."""

from __future__ import annotations

import heapq
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from chatkit import RetryPolicy
from chatkit.errors import RETRYABLE_KINDS, Classification
from chatkit.retries.backoff import Decision, GiveUp

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
MASK = 2**64 - 1


class Outage(NamedTuple):
    provider: str | None
    started: int  # microseconds, as is the next
    ended: int
    kind: str | None
    hint: float | None = None  # seconds


class Request(NamedTuple):
    ts: int
    attempt: int
    call: int
    provider: str | None
    waited: int  # milliseconds, as are the next four
    duration: int
    outcome: str
    delay: int | None
    hint: int | None
    kind: str | None


def split_mix(key: int, number: int) -> float:
    z = (key + (number + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return ((z ^ (z >> 31)) >> 11) * 2.0**-53


class Client:
    def __init__(self, key: int, began: int, provider: str | None, policy: RetryPolicy) -> None:
        self.key, self.began, self.provider = key, began, provider
        self.decision = Decision(policy, policy.elapsed_limit(attended=True))
        self.attempt, self.waited = 0, 0


def brute_force(
    down: list[Outage],
    policy: RetryPolicy,
    *,
    clients: int = 1,
    seed: int = 0,
    spread: float = 0.0,
    latency: float = 0.0,
    hints: bool = True,
) -> list[Request]:
    """Every request, in the order in which a server would see them."""
    keys = [int(key) for key in np.random.default_rng(seed).bit_generator.random_raw(len(down) * clients)]
    everyone = []
    for number, key in enumerate(keys):
        met = down[number // clients]
        everyone.append(Client(key, met.started + int(split_mix(key, 0) * round(spread * SECOND)), met.provider, policy))
    due = [(client.began, 1, number) for number, client in enumerate(everyone)]
    heapq.heapify(due)
    takes, requests = round(latency * 1000), []
    while due:
        ts, attempt, number = heapq.heappop(due)
        client = everyone[number]
        within = [one for one in down if one.provider == client.provider and one.started <= ts < one.ended]
        if not within:
            requests.append(Request(ts, attempt, number, client.provider, client.waited, takes, "ok", None, None, None))
            continue
        met = min(within, key=lambda one: one.started)
        hint = round(met.hint * 1000) if hints and met.hint is not None else None
        failure = Classification(
            retryable=met.kind in {None, "unknown"} | RETRYABLE_KINDS,
            kind=met.kind or "overloaded",  # type: ignore[arg-type]
            message="down",
            retry_after=None if hint is None else hint / 1000,
        )
        elapsed = (ts + takes * 1000 - client.began) / 1e6
        step = client.decision.after(failure, elapsed=elapsed, paid=False, draw=split_mix(client.key, attempt))
        delay = None if isinstance(step, GiveUp) else round(step * 1000)
        outcome = "failed" if delay is None else "retry"
        requests.append(Request(ts, attempt, number, client.provider, client.waited, takes, outcome, delay, hint, met.kind))
        if delay is not None:
            client.waited = delay
            heapq.heappush(due, (ts + (takes + delay) * 1000, attempt + 1, number))
    return requests


def frame_of(down: list[Outage]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "provider": pd.Series([one.provider for one in down], dtype=object),
            "started": pd.to_datetime([one.started for one in down], unit="us", utc=True),
            "ended": pd.to_datetime([one.ended for one in down], unit="us", utc=True),
            "kind": pd.Series([one.kind for one in down], dtype=object),
            "hint": pd.Series([one.hint for one in down], dtype="float64"),
        }
    )


def milliseconds(value: Any) -> int | None:
    return None if pd.isna(value) else value // timedelta(milliseconds=1)


def requests_of(frame: pd.DataFrame, clients: int) -> list[Request]:
    """The rows of a simulated frame, as the brute force has them."""

    def number(name: str) -> int:
        outage, _, client = name.removeprefix("outage ").partition("#")
        return (int(outage) - 1) * clients + int(client or 1) - 1

    return [
        Request(
            (row["ts"] - EPOCH) // timedelta(microseconds=1),
            row["attempt"],
            number(row["call"]),
            None if pd.isna(row["provider"]) else row["provider"],
            milliseconds(row["waited"]) or 0,
            milliseconds(row["duration"]) or 0,
            row["outcome"],
            milliseconds(row["delay"]),
            milliseconds(row["hint"]),
            None if pd.isna(row["kind"]) else row["kind"],
        )
        for row in frame.to_dict("records")
    ]


TEN_MINUTES = [Outage("a", 0, 600 * SECOND, "overloaded")]
SECONDS = st.one_of(st.integers(0, 130).map(float), st.floats(0, 130))
DOWN = st.lists(
    st.builds(
        lambda provider, started, lasts, kind, hint: Outage(
            provider, round(started * SECOND), round((started + lasts) * SECOND), kind, hint
        ),
        st.sampled_from([None, "a", "b"]),
        SECONDS,
        SECONDS,
        st.sampled_from([None, "overloaded", "rate_limit", "unknown", "unknown", "auth"]),
        st.none() | SECONDS,
    ),
    max_size=5,
)
POLICIES = st.builds(
    RetryPolicy,
    max_attempts=st.none() | st.integers(1, 9),
    max_elapsed=st.sampled_from([None, "auto"]) | SECONDS,
    max_paid_failures=st.integers(1, 6),
    hint_ceiling=SECONDS,
    jitter=st.sampled_from(["none", "full", "equal"]),
)
