"""What waits were like, and what they cost and saved."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from chatkit import delay
from chatkit.analysis import backoff_curve, cost_of_waiting
from tests.analysis.attempt_rows import (
    LOG,
    NOTHING,
    Row,
    close,
    first_known,
    frame,
    is_failed,
    naive_after,
    naive_calls,
    plain,
    quantile,
    rate,
    row,
    rows,
    seconds,
    times,
)


def test_the_curve_has_theory_schedule_and_measure_with_hints_apart() -> None:
    again = [r | {"call": "f", "ts": r["ts"] + seconds(60)} for r in LOG[:3]]
    again[1]["waited_ms"] = 1200
    found = plain(backoff_curve(frame([*LOG, *again])))
    assert [(r["attempt"], r["hinted"], r["waits"], r["measured"]) for r in found] == [(1, False, 6, 4), (2, True, 2, 2)]
    assert found[0]["theory"] == found[0]["scheduled"] == seconds(1)
    assert (found[0]["actual"], found[0]["actual_p05"], found[0]["actual_p95"]) == (seconds(1), seconds(0.575), seconds(1.17))
    assert (found[1]["theory"], found[1]["actual"]) == (seconds(2), seconds(4))


@given(rows())
def test_the_curve_is_that_of_a_loop_over_the_rows(attempts: list[Row]) -> None:
    groups: dict[tuple[int, bool], list[tuple[timedelta | None, timedelta | None]]] = {}
    for r, measured in zip(attempts, naive_after(attempts, measured=True), strict=True):
        scheduled = None if r["delay_ms"] is None else timedelta(milliseconds=r["delay_ms"])
        if is_failed(r) and r["attempt"] and (scheduled is not None or measured is not None):
            groups.setdefault((r["attempt"], r["hint_ms"] is not None), []).append((scheduled, measured))
    expected = []
    for (attempt, hinted), waits in sorted(groups.items()):
        delays, lengths = ([wait for wait in column if wait is not None] for column in zip(*waits, strict=True))
        expected.append(
            {
                "attempt": attempt,
                "hinted": hinted,
                "waits": len(waits),
                "theory": seconds(delay(attempt - 1)),
                "scheduled": quantile(delays, 0.5),
                "actual": quantile(lengths, 0.5),
                "actual_p05": quantile(lengths, 0.05),
                "actual_p95": quantile(lengths, 0.95),
                "measured": len(lengths),
            }
        )
    found = backoff_curve(frame(attempts))
    assert close(plain(found), expected)


def test_theory_is_the_backoff_itself_however_many_attempts_failed() -> None:
    counts = [*range(1, 90), 2**31 - 1]
    found = backoff_curve(frame([row(attempt=n, delay_ms=1) for n in counts]))
    assert found["theory"].tolist() == [seconds(delay(n - 1)) for n in counts]


def test_attempts_that_cannot_be_are_on_no_curve() -> None:
    df = frame([row(delay_ms=1000)] * 3).assign(attempt=[0.0, -3.0, 1e12])
    assert backoff_curve(df).empty


def test_the_cost_is_in_hours_and_in_calls_that_it_saved_or_not() -> None:
    found = {(r.pop("provider"), r.pop("kind")): r for r in plain(cost_of_waiting(frame(LOG)))}
    assert list(found) == [("openai", "rate_limit"), ("openai", "overloaded"), (None, "timeout"), ("anthropic", "network")]
    assert found["openai", "overloaded"] == {
        "waits": 2,
        "hours": pytest.approx(2 / 3600),
        "share": pytest.approx(2 / 18),
        "share_of": 3,
        "calls_saved": 1,
        "calls_lost": 1,
        "calls_open": 0,
    }
    assert found["anthropic", "network"] | {"hours": 0} == {
        "waits": 1,
        "hours": 0,
        "share": pytest.approx(0.5 / 3.5),
        "share_of": 2,
        "calls_saved": 0,
        "calls_lost": 1,
        "calls_open": 0,
    }
    assert found[None, "timeout"] | {"hours": 0} == {
        "waits": 1,
        "hours": 0,
        "share": None,
        "share_of": 0,
        "calls_saved": 0,
        "calls_lost": 0,
        "calls_open": 0,
    }


@given(rows())
def test_the_cost_is_that_of_a_loop_over_the_rows(attempts: list[Row]) -> None:
    calls = naive_calls(attempts)
    whole = {call: wall for call, own in calls.items() for wait, wall in [times(own)] if wait is not None and wall is not None}
    whose = {call: first_known(own, "provider") for call, own in calls.items()}
    groups: dict[tuple[Any, Any], list[tuple[Row, timedelta]]] = {}
    for r, wait in zip(attempts, naive_after(attempts), strict=True):
        if wait is not None:
            groups.setdefault((whose.get(r["call"], r["provider"]), r["kind"]), []).append((r, wait))
    expected = []
    for (provider, kind), waits in sorted(groups.items(), key=lambda item: [(word is None, word or "") for word in item[0]]):
        theirs = [call for call in whole if whose[call] == provider]
        met = [calls[call][-1]["outcome"] for call in {r["call"] for r, _ in waits} - {None}]
        expected.append(
            {
                "provider": provider,
                "kind": kind,
                "waits": len(waits),
                "hours": sum((wait for _, wait in waits), NOTHING) / timedelta(hours=1),
                "share": rate(
                    sum((wait for r, wait in waits if r["call"] in whole), NOTHING), sum((whole[call] for call in theirs), NOTHING)
                ),
                "share_of": len(theirs),
                "calls_saved": met.count("ok"),
                "calls_lost": met.count("failed") + met.count("abandoned"),
                "calls_open": met.count("retry") + met.count(None),
            }
        )
    found = cost_of_waiting(frame(attempts))
    assert close(plain(found), sorted(expected, key=lambda r: -round(r["hours"] * 3_600_000)))
