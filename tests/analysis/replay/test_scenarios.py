"""What is replayed: outages of one's own in any spelling, recorded calls, and what is left out or refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatkit import RetryPolicy, UsageError
from chatkit.analysis import COLUMNS, attempts_frame, calls, compare_policies, load_over_time, outages, simulate, summarize
from chatkit.analysis.frames import frame_of_fields
from chatkit.retries.log import AttemptRecord
from tests.analysis.simulated_requests import EPOCH, SECOND, TEN_MINUTES, Outage, frame_of, milliseconds

EXPECTED = [0, 1, 3, 7]


@pytest.mark.parametrize(
    "down",
    [
        {"started": [0], "ended": [5]},
        {"started": [0.0], "duration": [5.0]},
        {"started": [0], "ended": [5], "duration": [99]},
        {"started": [timedelta(0)], "duration": [timedelta(seconds=5)]},
        {"started": [EPOCH], "ended": [EPOCH + timedelta(seconds=5)]},
        {"started": [datetime(1970, 1, 1)], "duration": ["5s"]},
        {"started": ["1970-01-01T00:00:00Z"], "ended": ["1970-01-01T02:00:05+02:00"]},
        {"started": pd.to_datetime(["1970-01-01T01:00:00+01:00"]), "duration": pd.array([5], dtype="Int64")},
    ],
)
def test_times_are_datetimes_or_seconds(down: dict[str, Any]) -> None:
    frame = simulate(pd.DataFrame(down, index=[17]), RetryPolicy())
    assert [(ts - EPOCH).total_seconds() for ts in frame["ts"]] == EXPECTED
    assert frame["provider"].isna().all()
    assert frame["kind"].isna().all()


def test_an_outage_that_is_over_at_once_fails_nobody() -> None:
    frame = simulate(pd.DataFrame({"started": [3], "ended": [3]}), RetryPolicy())
    assert list(frame["outcome"]) == ["ok"]


# ── a record ──


def record(ts: float, call: str, outcome: Any, **fields: Any) -> AttemptRecord:
    known: dict[str, Any] = {"operation": "chat", "provider": "a", "model": "m", "attempt": 1, "duration_ms": 0}
    return AttemptRecord(ts=EPOCH + timedelta(seconds=ts), call=call, outcome=outcome, **(known | fields))


def failure(ts: float, call: str, **fields: Any) -> AttemptRecord:
    return record(ts, call, "retry", **({"kind": "overloaded", "delay_ms": 1000} | fields))


@given(st.integers(1, 300), st.sampled_from(["none", "full", "equal"]), st.integers(1, 5), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_log_replayed_under_its_own_policy_is_that_log(lasts: int, jitter: Any, clients: int, hinted: bool) -> None:
    policy = RetryPolicy(jitter=jitter)
    down = frame_of([Outage("a", 0, lasts * SECOND, "overloaded", 2.5 if hinted else None)])
    log = simulate(down, policy, clients=clients, seed=3)
    again = simulate(log.sample(frac=1, random_state=1), policy, seed=3)
    pd.testing.assert_frame_equal(again, log)


def test_calls_begin_when_they_did_and_keep_their_names() -> None:
    log = attempts_frame(
        [
            failure(10.5, "x", chat="c", step=2, duration_ms=500),
            failure(20, "x", attempt=2, waited_ms=9000, duration_ms=500, chat="c", step=2),
            record(30, "x", "ok", attempt=3, waited_ms=9500, duration_ms=2000, chat="c", step=2),
            record(15, "y", "ok", provider="b", model="n", duration_ms=3000),
        ]
    )
    frame = simulate(log, RetryPolicy())
    assert [(row["call"], (row["ts"] - EPOCH).total_seconds(), row["outcome"]) for row in frame.to_dict("records")] == [
        ("x", 10.5, "retry"),
        ("x", 12.0, "retry"),
        ("x", 14.5, "retry"),
        ("y", 15.0, "ok"),
        ("x", 19.0, "retry"),
        ("x", 27.5, "ok"),
    ]
    mine = frame[frame["call"] == "x"]
    assert [mine[name].unique().tolist() for name in ("chat", "operation", "provider", "model", "step")] == [
        ["c"],
        ["chat"],
        ["a"],
        ["m"],
        [2],
    ]
    assert [milliseconds(value) for value in mine["duration"]] == [500, 500, 500, 500, 2000]
    assert milliseconds(frame["duration"].iloc[3]) == 3000


def test_requests_take_the_median_of_the_record_by_provider() -> None:
    log = attempts_frame(
        [
            *(failure(n, f"a{n}", duration_ms=ms) for n, ms in enumerate([100, 200, 1001])),
            *(record(100 + n, f"w{n}", "ok", duration_ms=ms) for n, ms in enumerate([7, 10])),
            *(failure(n, f"b{n}", provider=None, duration_ms=ms) for n, ms in enumerate([40, 60])),
        ]
    )
    frame = simulate(log, RetryPolicy())
    durations = {
        (provider, well): set(map(milliseconds, rows["duration"]))
        for (provider, well), rows in frame.assign(provider=frame["provider"].astype(object).fillna("-")).groupby(
            ["provider", frame["outcome"] == "ok"]
        )
    }
    assert durations == {("a", False): {200}, ("a", True): {8}, ("-", False): {50}, ("-", True): {0}}
    assert {milliseconds(value) for value in simulate(log, RetryPolicy(), latency=1.25)["duration"]} == {1250}
    set_back = attempts_frame([record(0, "x", "ok", duration_ms=-5)])
    assert milliseconds(simulate(set_back, RetryPolicy())["duration"].iloc[0]) == 0


def test_calls_that_no_policy_tries_again_are_left_out_and_counted() -> None:
    log = attempts_frame(
        [
            record(0, "auth", "failed", kind="auth"),
            failure(1, "then auth"),
            record(2, "then auth", "failed", kind="invalid_request", attempt=2),
            record(3, "gave up", "failed", kind="overloaded"),
            record(4, "left", "abandoned"),
            failure(5, "key mended", kind="auth"),
            record(6, "key mended", "ok", attempt=2),
            failure(7, "key asked for", kind="auth"),
            record(8, "key asked for", "abandoned", attempt=2),
        ]
    )
    frame = simulate(log, RetryPolicy())
    assert set(frame["call"]) == {"gave up", "left", "key mended", "key asked for"}
    said = frame.attrs["simulated"]
    assert (said["calls"], said["not_retryable"], said["without_time"], said["continued"]) == (4, 2, 0, 0)


def test_rows_without_a_call_begin_one_of_their_own_unless_they_continue_one() -> None:
    log = attempts_frame(
        [
            failure(0, "x", attempt=1),
            failure(1, "x", attempt=2),
            failure(2, "x", attempt=1),
            failure(3, "x", attempt=1, kind="auth"),
            failure(4, "row 9"),
            failure(5, "x"),
        ]
    )
    log.loc[log["call"] == "x", "call"] = pd.NA
    log.loc[2, "attempt"] = pd.NA
    log.loc[5, "ts"] = pd.NaT
    log = log.assign(outcome=None, duration=pd.NaT, waited=pd.NaT)
    frame = simulate(log, RetryPolicy())
    assert frame[frame["attempt"] == 1]["call"].tolist() == ["_row 1", "_row 2", "row 9"]
    said = frame.attrs["simulated"]
    assert (said["continued"], said["not_retryable"], said["without_time"]) == (1, 1, 1)


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "ts": st.none() | st.integers(0, 900).map(lambda n: EPOCH + timedelta(seconds=n)),
            "call": st.sampled_from([None, "x", "y", "z", "row 1"]),
            "provider": st.sampled_from([None, "a", "b"]),
            "attempt": st.none() | st.integers(1, 3),
            "duration_ms": st.none() | st.integers(0, 90_000),
            "outcome": st.sampled_from([None, "ok", "retry", "failed", "abandoned"]),
            "delay_ms": st.none() | st.integers(0, 90_000),
            "hint_ms": st.none() | st.integers(0, 90_000),
            "kind": st.sampled_from([None, "overloaded", "unknown", "auth"]),
        }
    ),
    max_size=12,
)


@given(ROWS, st.integers(1, 3))
@settings(max_examples=200, deadline=None)
def test_every_call_of_any_log_is_replayed_or_counted(rows: list[dict[str, Any]], clients: int) -> None:
    log = frame_of_fields({name: [row[name] for row in rows] for name in ROWS_FIELDS})
    frame = simulate(log.set_axis([3] * len(log)), RetryPolicy(jitter="equal"), clients=clients)
    said = frame.attrs["simulated"]
    recorded = log["call"].dropna().nunique() + int(log["call"].isna().sum())
    assert said["calls"] == clients * (recorded - said["not_retryable"] - said["without_time"] - said["continued"])
    assert frame["call"].nunique() == said["calls"]
    assert not (frame["kind"] == "auth").any()
    assert frame["ts"].is_monotonic_increasing
    for row in frame.to_dict("records"):
        theirs = [each for each in rows if each["ts"] and each["provider"] == (None if pd.isna(row["provider"]) else row["provider"])]
        assert is_down(theirs, row["ts"]) == (row["outcome"] != "ok")


def is_down(theirs: list[dict[str, Any]], moment: datetime) -> bool:
    """Whether a moment lies among failures of which each begins at most a minute after those before it, with no success in between."""
    reach = None
    for each in sorted(theirs, key=lambda each: (each["ts"], each["outcome"] != "ok")):
        begun = each["ts"]
        if each["outcome"] == "ok":
            if begun > moment:
                break
            reach = None
        elif each["outcome"] != "abandoned" and each["kind"] != "auth":
            near = reach is not None and begun <= reach + timedelta(minutes=1)
            if begun > moment:
                return near or (reach is not None and moment <= reach)
            end = begun + timedelta(milliseconds=each["duration_ms"] or 0)
            reach = max(reach, end) if near and reach else end
    return reach is not None and moment <= reach


ROWS_FIELDS = ("ts", "call", "provider", "attempt", "duration_ms", "outcome", "delay_ms", "hint_ms", "kind")


def test_several_clients_make_each_recorded_call() -> None:
    frame = simulate(attempts_frame([failure(0, "x"), record(1, "x", "ok", attempt=2)]), RetryPolicy(), clients=3)
    assert frame["call"].tolist() == ["x#1", "x#2", "x#3"] * 2


def test_a_log_that_lost_its_dtypes_is_replayed_all_the_same() -> None:
    log = simulate(frame_of([*TEN_MINUTES, Outage(None, 5 * SECOND, 90 * SECOND, None, 3.0)]), RetryPolicy(), clients=2, latency=0.25)
    read = pd.read_csv(StringIO(log.to_csv(index=False)))
    pd.testing.assert_frame_equal(simulate(read, RetryPolicy(jitter="full")), simulate(log, RetryPolicy(jitter="full")))


def test_a_provider_that_answers_in_between_is_not_down() -> None:
    log = attempts_frame(
        [
            failure(0, "x", duration_ms=30_000),  # one that hangs, while others are answered
            record(10, "between", "ok"),
            failure(20, "y"),
            record(50, "after", "ok"),
            record(5, "other", "ok", provider="b"),
        ]
    )
    frame = simulate(log, RetryPolicy(), latency=0)
    tries = {call: [(ts - EPOCH).total_seconds() for ts in own] for call, own in frame.groupby("call")["ts"]}
    assert tries == {"x": [0, 1, 3, 7, 15], "between": [10], "y": [20, 21], "after": [50], "other": [5]}


def test_an_hour_of_failures_between_answers_is_replayed_as_it_was() -> None:
    log = attempts_frame(
        each
        for n in range(360)
        for each in (
            failure(10 * n, f"{n}", duration_ms=500),
            record(10 * n + 1.5, f"{n}", "ok", attempt=2, waited_ms=1000, duration_ms=500),
        )
    )
    again = simulate(log, RetryPolicy())
    assert len(outages(log)) == 1
    assert (len(again), again["waited"].sum()) == (len(log), log["waited"].sum())


def test_a_simulated_log_is_taken_by_what_takes_a_log() -> None:
    down = [Outage("a", 0, 100 * SECOND, "overloaded"), Outage("b", 500 * SECOND, 530 * SECOND, "rate_limit", 10.0)]
    frame = simulate(frame_of(down), RetryPolicy(max_attempts=6), clients=4)
    made = calls(frame).set_index("call")
    assert made.loc["outage 1#1", "outcome"] == "failed"
    assert made.loc["outage 2#4", "waited"] == timedelta(seconds=30)
    summary = summarize(frame)
    assert summary.loc[["a", "b"], "ok"].tolist() == [0, 4]
    found = outages(frame)
    assert found["provider"].tolist() == ["a", "b"]
    assert found["kind"].tolist() == ["overloaded", "rate_limit"]
    pd.testing.assert_frame_equal(
        simulate(found, RetryPolicy()), simulate(found[["provider", "started", "ended", "kind", "hint"]], RetryPolicy())
    )


@pytest.mark.parametrize(
    "given", [attempts_frame([]), pd.DataFrame({"started": [], "ended": []}), attempts_frame([record(0, "x", "failed", kind="auth")])]
)
def test_nothing_to_replay_gives_an_empty_frame(given: pd.DataFrame) -> None:
    frame = simulate(given, RetryPolicy(jitter="full"), clients=2, spread=1.0)
    assert frame.empty
    assert dict(frame.dtypes.astype(str)) == dict(COLUMNS)
    assert load_over_time(frame).empty
    row = compare_policies(given, [RetryPolicy()]).iloc[0]
    assert (row["calls"], row["requests"], row["peak_load"], row["lost"]) == (0, 0, 0, timedelta(0))
    assert row[["requests_per_call", "lost_p50", "lost_max", "late_p95"]].isna().all()


# ── refusals ──


@pytest.mark.parametrize(
    ("down", "says"),
    [
        ({"started": [0, 0], "ended": [5, None]}, "outage 2: 'ended' is missing"),
        ({"started": [EPOCH], "ended": [pd.NaT]}, "outage 1: 'ended' is missing"),
        ({"started": [0], "duration": [None]}, "outage 1: 'ended' is missing"),
        ({"started": [None], "ended": [1]}, "outage 1: 'started' is missing"),
        ({"started": [0, 7], "ended": [5, 6]}, "outage 2 ends before it starts"),
        ({"started": [0], "ended": [1e12]}, "more than can be simulated"),
        ({"started": [0]}, "neither 'ended' nor 'duration'"),
        ({"ended": [0]}, "this is neither"),
        ({"started": ["soon"], "ended": [1]}, "or give seconds"),
        ({"started": [0], "duration": ["a while"]}, "or give seconds"),
        ({"started": [0], "ended": [1], "kind": ["overloded"]}, "no kind of failure 'overloded'"),
        ({"started": [0], "ended": [1], "hint": [-1]}, "'hint' is less than 0"),
        ({"started": [0], "ended": [1], "hint": [1e9]}, "more than a year"),
        ({"call": ["x"], "started": [EPOCH]}, "frame of calls"),
        ({"attempt": [1]}, "'ts'"),
        ([1, 2], "found a list"),
    ],
)
def test_outages_that_cannot_be_replayed_are_refused(down: Any, says: str) -> None:
    given = pd.DataFrame(down) if isinstance(down, dict) else down
    for replay in (
        lambda: simulate(given, RetryPolicy(hint_ceiling=1e10)),
        lambda: compare_policies(given, [RetryPolicy(hint_ceiling=1e10)]),
    ):
        with pytest.raises(UsageError, match=says):
            replay()


@pytest.mark.parametrize(
    "numbers",
    [{"clients": 0}, {"clients": 1.5}, {"clients": True}, {"seed": -1}, {"seed": None}, {"spread": -1.0}, {"spread": "1s"}, {"latency": float("nan")}, {"latency": 1e12}],
)  # fmt: skip
def test_numbers_that_make_no_sense_are_refused(numbers: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(numbers))}=.*: give"):
        simulate(frame_of(TEN_MINUTES), RetryPolicy(), **numbers)


def test_what_is_no_policy_is_refused() -> None:
    for policy in ("full", [RetryPolicy()], None):
        with pytest.raises(UsageError, match="takes a RetryPolicy"):
            simulate(frame_of(TEN_MINUTES), policy)  # type: ignore[arg-type]
