"""Replays of outages: against a brute force that makes one request at a time, and against the retry loop itself."""

from __future__ import annotations

import statistics
from collections import Counter
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatkit import RetryPolicy, UsageError
from chatkit.analysis import COLUMNS, attempts_frame, compare_policies, load_over_time, simulate
from chatkit.analysis.replay.rounds import least_requests, scheduled
from chatkit.analysis.replay.scenarios import draws, scenario_of
from chatkit.chattest import FakeClock
from chatkit.errors import RETRYABLE_KINDS, Classification, ProviderError, provider_error
from chatkit.retries.log import AttemptRecord
from chatkit.retries.loop import RetriedCall, RetryLoop, drive
from chatkit.retries.wake import Wake
from tests.analysis.simulated_requests import (
    DOWN,
    EPOCH,
    POLICIES,
    SECOND,
    TEN_MINUTES,
    Outage,
    Request,
    brute_force,
    frame_of,
    milliseconds,
    requests_of,
)


@given(
    DOWN, POLICIES, st.integers(1, 4), st.integers(0, 2**70), st.just(0.0) | st.floats(0, 30), st.just(0.0) | st.floats(0, 9), st.booleans()
)
@settings(max_examples=300, deadline=None)
def test_it_makes_the_same_requests_as_a_brute_force_of_one_request_at_a_time(
    down: list[Outage], policy: RetryPolicy, clients: int, seed: int, spread: float, latency: float, hints: bool
) -> None:
    numbers: dict[str, Any] = {"clients": clients, "seed": seed, "spread": spread, "latency": latency, "hints": hints}
    frame = simulate(frame_of(down), policy, **numbers)
    assert requests_of(frame, clients) == brute_force(down, policy, **numbers)
    assert dict(frame.dtypes.astype(str)) == dict(COLUMNS)
    assert list(frame.columns) == list(COLUMNS)


def test_luck_is_drawn_as_the_published_generator_draws() -> None:
    keys = np.array([0, 1234567], dtype=np.uint64)
    first = [0xE220A8397B1DCDAF, 6457827717110365317]  # SplitMix64's first number of these seeds, as published
    assert list(draws(keys, 0)) == [(number >> 11) / 2**53 for number in first]
    assert list(draws(keys[:1], 1)) == [(0x6E789E6AA1B965F4 >> 11) / 2**53]


def test_failures_that_nothing_explains_are_counted_anew_after_another() -> None:
    down = [
        Outage("a", start * SECOND, end * SECOND, kind)
        for start, end, kind in [(0, 2, "unknown"), (2, 5, "overloaded"), (5, 90, "unknown")]
    ]
    frame = simulate(frame_of(down), RetryPolicy(max_paid_failures=3))
    mine = frame[frame["call"] == "outage 1"]
    assert [ts.timestamp() for ts in mine["ts"]] == [0, 1, 3, 7, 15, 31]
    assert list(mine["outcome"]) == ["retry"] * 5 + ["failed"]


# ── the real loop ──


def real_log(down: list[Outage], policy: RetryPolicy, latency: float) -> list[AttemptRecord]:
    """What `chatkit.retries.loop` does and records, on a clock that starts at 1970."""
    clock, records = FakeClock(EPOCH), []
    loop = RetryLoop(
        RetriedCall(operation="retry", provider="a"), policy=policy, limit=policy.elapsed_limit(True), clock=clock, record=records.append
    )

    def attempt() -> str:
        met = next((one for one in down if one.started <= clock.monotonic() * SECOND < one.ended), None)
        clock.advance(latency)
        if met is None:
            return "done"
        raise provider_error(
            Classification(
                retryable=met.kind in {"unknown"} | RETRYABLE_KINDS,
                kind=met.kind,  # type: ignore[arg-type]
                message="down",
                retry_after=met.hint,
            )
        )

    try:
        drive(loop, attempt, Wake())
    except ProviderError:
        assert records[-1].outcome == "failed"
    return records


QUARTERS = st.integers(0, 800).map(lambda n: n / 4)


@given(
    st.lists(
        st.builds(
            lambda started, lasts, kind, hint: Outage("a", int(started * SECOND), int((started + lasts) * SECOND), kind, hint),
            QUARTERS,
            QUARTERS,
            st.sampled_from(["overloaded", "rate_limit", "unknown", "invalid_request"]),
            st.none() | QUARTERS,
        ),
        max_size=3,
    ),
    st.builds(
        RetryPolicy,
        max_attempts=st.none() | st.integers(1, 9),
        max_elapsed=st.none() | QUARTERS,
        max_paid_failures=st.integers(1, 6),
        hint_ceiling=QUARTERS,
    ),
    QUARTERS,
)
@settings(max_examples=150, deadline=None)
def test_the_real_loop_waits_and_tries_as_simulated(more: list[Outage], policy: RetryPolicy, latency: float) -> None:
    down = sorted([Outage("a", 0, 100 * SECOND, "overloaded"), *more], key=lambda one: one.started)
    frame = simulate(frame_of(down), policy, latency=latency)
    names = ["ts", "attempt", "waited", "duration", "outcome", "delay", "hint", "kind"]
    mine = frame[frame["call"] == "outage 1"][names].reset_index(drop=True)
    real = attempts_frame(real_log(down, policy, latency))[names]
    pd.testing.assert_frame_equal(mine, real, check_categorical=False)


@given(
    st.integers(1, 40),
    st.lists(st.tuples(st.floats(0, 1), st.none() | st.floats(0, 400)), max_size=8),
    st.sampled_from(["none", "full", "equal"]),
)
def test_the_waits_of_many_are_those_of_each(failures: int, given: list[tuple[float, float | None]], jitter: Any) -> None:
    policy = RetryPolicy(jitter=jitter)
    hints, luck = np.array([hint or 0.0 for _, hint in given]), np.array([draw for draw, _ in given])
    assert list(scheduled(policy, failures, hints, luck)) == [policy.scheduled(failures, hint, draw) for draw, hint in given]


# ── herds ──


def per_second(requests: list[Request]) -> Counter[int]:
    return Counter(request.ts // SECOND for request in requests)


def test_deterministic_backoff_herds_and_full_jitter_spreads() -> None:
    loads, peaks = {}, {}
    for policy in (RetryPolicy(), RetryPolicy(jitter="full")):
        brute = per_second(brute_force(TEN_MINUTES, policy, clients=500))
        loads[policy.jitter] = load_over_time(simulate(frame_of(TEN_MINUTES), policy, clients=500))["requests"]
        assert {int(ts.timestamp()): count for ts, count in loads[policy.jitter].items() if count} == brute
        peaks[policy.jitter] = max(count for second, count in brute.items() if second >= 600)
    herd = loads["none"][loads["none"] > 0]
    assert list(herd) == [500] * 16
    assert [int(ts.timestamp()) for ts in herd.index] == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303, 363, 423, 483, 543, 603]
    compared = compare_policies(frame_of(TEN_MINUTES), {"none": RetryPolicy(), "full": RetryPolicy(jitter="full")}, clients=500)
    assert list(compared["peak_load"]) == [peaks["none"], peaks["full"]]
    assert peaks["none"] == 500
    assert peaks["full"] < 30


def test_clients_that_begin_apart_stay_apart() -> None:
    frame = simulate(frame_of(TEN_MINUTES), RetryPolicy(), clients=600, spread=60, seed=4)
    began = frame[frame["attempt"] == 1]["ts"]
    assert began.between("1970-01-01T00:00:00Z", "1970-01-01T00:01:00Z", inclusive="left").all()
    assert began.nunique() == 600
    assert load_over_time(frame[frame["attempt"] > 7])["requests"].max() < 30


# ── seeds and inputs ──


def test_the_same_seed_gives_the_same_frame_and_another_another() -> None:
    policy = RetryPolicy(jitter="equal")
    one, same, other = (simulate(frame_of(TEN_MINUTES), policy, clients=20, seed=seed) for seed in (7, 7, 8))
    pd.testing.assert_frame_equal(one, same)
    assert list(one["delay"]) != list(other["delay"])


def test_a_client_has_the_same_luck_whoever_else_waits() -> None:
    few, many = (simulate(frame_of(TEN_MINUTES), RetryPolicy(jitter="full"), clients=clients) for clients in (3, 90))
    pd.testing.assert_frame_equal(
        few.reset_index(drop=True),
        many[many["call"].isin(few["call"])].reset_index(drop=True),
        check_categorical=False,
    )


def test_what_is_given_is_not_changed() -> None:
    down = frame_of(TEN_MINUTES)
    log = simulate(down, RetryPolicy(), clients=3)
    for df in (down, log):
        before = df.copy(deep=True)
        simulate(df, RetryPolicy(jitter="full"), clients=2, spread=3.0)
        compare_policies(df, [RetryPolicy()])
        pd.testing.assert_frame_equal(df, before)
    load_over_time(log)
    pd.testing.assert_frame_equal(log, simulate(down, RetryPolicy(), clients=3))


def test_a_hint_that_is_not_there_is_not_waited_for() -> None:
    down = frame_of([Outage("a", 0, 10 * SECOND, "rate_limit", 20.0)])
    hinted, unhinted = (simulate(down, RetryPolicy(), hints=hints) for hints in (True, False))
    assert [milliseconds(value) for value in hinted["delay"].dropna()] == [20_000]
    assert [milliseconds(value) for value in unhinted["delay"].dropna()] == [1000, 2000, 4000, 8000]
    assert unhinted["hint"].isna().all()


# ── too many ──

MONTH = [Outage("a", 0, 30 * 86_400 * SECOND, "overloaded")]


def test_more_requests_than_a_frame_can_hold_are_refused_before_they_are_made() -> None:
    with pytest.raises(UsageError, match=r"at least 432,010,000 requests under the policy 'default', and at most 10,000,000"):
        simulate(frame_of(MONTH), RetryPolicy(), clients=10_000)
    with pytest.raises(UsageError, match="at most 10,000,000 requests"):
        simulate(frame_of(MONTH), RetryPolicy(), clients=10**15)
    bounded = RetryPolicy(max_attempts=3), RetryPolicy(max_elapsed=3.0), RetryPolicy(hint_ceiling=1)
    assert [
        len(simulate(frame_of([MONTH[0]._replace(hint=hint)]), policy, clients=50))
        for policy, hint in zip(bounded, (None, None, 2.0), strict=True)
    ] == [150, 150, 50]


def test_a_call_that_would_try_for_years_is_refused() -> None:
    with pytest.raises(UsageError, match=r"at least 1,051,201 attempts of one call .* at most 600,000"):
        simulate(frame_of([MONTH[0]._replace(ended=730 * 86_400 * SECOND)]), RetryPolicy())


def test_an_estimate_that_was_too_low_is_made_good_on_the_way() -> None:
    short = [Outage("a", n * 120 * SECOND, (n * 120 + 62) * SECOND, "overloaded") for n in range(3)]
    with pytest.raises(UsageError, match=r"at least 1[0-9],[0-9,]+ requests"):
        simulate(frame_of(short), RetryPolicy(), clients=900_000)


@given(DOWN, POLICIES)
@settings(max_examples=60, deadline=None)
def test_the_estimate_is_never_above_what_is_made(down: list[Outage], policy: RetryPolicy) -> None:
    scenario = scenario_of(frame_of(down), clients=2, seed=0, spread=0.0, latency=0.5, what="it")
    asked = np.where(scenario.downtime.hint < 0, 0.0, scenario.downtime.hint / 1000)
    outage = scenario.downtime.at(scenario.provider, scenario.began)
    made = brute_force(down, policy, clients=2, latency=0.5)
    requests, attempts = least_requests(scenario, policy, asked, outage)
    assert requests <= len(made)
    assert attempts <= max((request.attempt for request in made), default=0)


# ── policies compared ──


@given(DOWN, st.lists(POLICIES, min_size=1, max_size=3, unique=True), st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_the_costs_of_a_policy_are_those_of_its_simulated_log(down: list[Outage], policies: list[RetryPolicy], clients: int) -> None:
    named = {f"policy {n}": policy for n, policy in enumerate(policies)}
    compared = compare_policies(frame_of(down), named, clients=clients, spread=9.0, latency=0.5)
    assert compared.index.name == "policy"
    assert list(compared.index) == list(named)
    for name, policy in named.items():
        requests = brute_force(down, policy, clients=clients, spread=9.0, latency=0.5)
        by_call: dict[int, list[Request]] = {}
        for request in requests:
            by_call.setdefault(request.call, []).append(request)
        well = [made for made in by_call.values() if made[-1].outcome == "ok"]
        lost = [made[-1].ts - made[0].ts for made in well if len(made) > 1]
        late = [made[-1].ts - back(down, made[-2]) for made in well if len(made) > 1]
        seen = Counter((made[-1].provider, made[-1].ts // SECOND) for made in well)
        row = compared.loc[name]
        assert (row["calls"], row["ok"], row["gave_up"]) == (len(by_call), len(well), len(by_call) - len(well))
        assert (row["requests"], row["peak_load"], row["delayed"]) == (len(requests), max(seen.values(), default=0), len(lost))
        assert pd.isna(row["requests_per_call"]) if not by_call else row["requests_per_call"] == len(requests) / len(by_call)
        assert row["lost"] == timedelta(microseconds=sum(lost))
        for column, values in (("lost", lost), ("late", late)):
            if values:
                assert row[f"{column}_p50"] == timedelta(microseconds=round(statistics.median(values)))
            else:
                assert pd.isna(row[f"{column}_p50"])
                assert pd.isna(row[f"{column}_p95"])
        assert pd.isna(row["lost_max"]) if not lost else row["lost_max"] == timedelta(microseconds=max(lost))


def test_a_call_is_late_from_the_end_of_all_the_outages_that_touch() -> None:
    down = [Outage("a", 0, 5 * SECOND, "overloaded"), Outage("a", 5 * SECOND, 6_500_000, "overloaded")]
    late = compare_policies(frame_of(down), [RetryPolicy()])  # requests at 0, 1, 3, 7 s and at 5, 6, 8 s: 0.5 and 1.5 s late
    assert late.loc["default", "late_p50"] == timedelta(seconds=1)


def test_a_call_is_late_from_the_end_of_the_last_outage_that_it_met() -> None:
    down = [Outage("a", 0, 5 * SECOND, "overloaded"), Outage("a", 6 * SECOND, 8 * SECOND, "overloaded")]
    late = compare_policies(frame_of(down), [RetryPolicy()])  # requests at 0, 1, 3, 7, 15 s and at 6, 7, 9 s: 7 and 1 s late
    assert late.loc["default", "late_p50"] == timedelta(seconds=4)


def test_the_load_of_two_providers_is_not_added_up() -> None:
    down = [Outage(provider, 0, 5 * SECOND, "overloaded") for provider in ("a", "b")]
    assert compare_policies(frame_of(down), [RetryPolicy()], clients=10).loc["default", "peak_load"] == 10


@pytest.mark.parametrize(("starts", "peak"), [((1_000_000, 1_500_000), 2), ((500_000, 1_000_000), 1)])
def test_the_seconds_of_the_peak_load_are_those_of_the_clock(starts: tuple[int, ...], peak: int) -> None:
    down = [Outage("a", ts, ts, "overloaded") for ts in starts]
    assert compare_policies(frame_of(down), [RetryPolicy()]).loc["default", "peak_load"] == peak


def back(down: list[Outage], met: Request) -> int:
    """When the provider was back after a failure: beyond all outages that touch."""
    end = met.ts + 1
    while ends := [one.ended for one in down if one.provider == met.provider and one.started <= end < one.ended]:
        end = max(ends)
    return end


def test_the_columns_of_a_comparison_are_documented() -> None:
    compared = compare_policies(frame_of(TEN_MINUTES), [RetryPolicy()])
    counts = dict.fromkeys(["calls", "ok", "gave_up", "requests"], "Int64")
    times = dict.fromkeys(["lost", "lost_p50", "lost_p95", "lost_max", "late_p50", "late_p95"], "timedelta64[us]")
    assert dict(compared.dtypes.astype(str)) == {
        **counts,
        "requests_per_call": "Float64",
        "peak_load": "Int64",
        **times,
        "delayed": "Int64",
    }
    assert list(compared) == [*counts, "requests_per_call", "peak_load", *times, "delayed"]
    assert compared.loc["default", ["lost_p95", "late_p95"]].tolist() == [timedelta(seconds=603), timedelta(seconds=3)]


def test_policies_of_a_list_are_named_by_what_differs() -> None:
    policies = [RetryPolicy(), RetryPolicy(jitter="full"), RetryPolicy(max_attempts=5, jitter="equal")]
    assert list(compare_policies(frame_of(TEN_MINUTES), policies).index) == ["default", "jitter=full", "max_attempts=5, jitter=equal"]


@pytest.mark.parametrize(
    ("policies", "says"),
    [([], "no policy"), ({}, "no policy"), ([RetryPolicy(), RetryPolicy()], "two policies are called 'default'"), ({"a": 3}, "takes a RetryPolicy"), (3, "found a int")],
)  # fmt: skip
def test_policies_that_cannot_be_compared_are_refused(policies: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        compare_policies(frame_of(TEN_MINUTES), policies)
