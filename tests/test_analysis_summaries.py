"""Answers: how calls went, why attempts failed, how long the waits were and what they cost."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from chatkit import delay
from chatkit.analysis import COLUMNS, backoff_curve, by_hour, by_kind, cost_of_waiting, summarize
from chatkit.errors import UsageError
from tests.attempt_rows import (
    Row,
    at,
    frame,
    in_other_forms,
    is_failed,
    naive_after,
    naive_calls,
    plain,
    row,
    row_wait,
    rows,
    seconds,
)

NOTHING = timedelta()
INDEXED = {
    summarize: {
        "calls": "Int64",
        "attempts": "Int64",
        "ok": "Int64",
        "failed": "Int64",
        "abandoned": "Int64",
        "success_rate": "Float64",
        "success_of": "Int64",
        "retries_per_call": "Float64",
        "waited": "timedelta64[us]",
        "waited_p50": "timedelta64[us]",
        "waited_p95": "timedelta64[us]",
        "waited_max": "timedelta64[us]",
        "waiting_share": "Float64",
        "share_of": "Int64",
    },
    by_kind: {
        "attempts": "Int64",
        "share": "Float64",
        "share_of": "Int64",
        "calls": "Int64",
        "calls_ok": "Int64",
        "calls_failed": "Int64",
        "waited": "timedelta64[us]",
        "hinted": "Int64",
    },
}
PLAIN = {
    backoff_curve: {
        "attempt": "Int32",
        "hinted": "bool",
        "waits": "Int64",
        "theory": "timedelta64[us]",
        "scheduled": "timedelta64[us]",
        "actual": "timedelta64[us]",
        "actual_p05": "timedelta64[us]",
        "actual_p95": "timedelta64[us]",
        "measured": "Int64",
    },
    cost_of_waiting: {
        "provider": "category",
        "kind": "category",
        "waits": "Int64",
        "hours": "Float64",
        "share": "Float64",
        "share_of": "Int64",
        "calls_saved": "Int64",
        "calls_lost": "Int64",
        "calls_open": "Int64",
    },
}
QUESTIONS: dict[Any, dict[str, str]] = INDEXED | PLAIN

OPENAI, ANTHROPIC = {"provider": "openai"}, {"provider": "anthropic"}
LOG = [
    # saved by its waits: 1 s and 4 s (a hint), 10 s in all
    row(**OPENAI, call="a", ts=at(0), attempt=1, waited_ms=0, duration_ms=1000, outcome="retry", delay_ms=1000, kind="overloaded"),
    row(
        **OPENAI,
        call="a",
        ts=at(2),
        attempt=2,
        waited_ms=1000,
        duration_ms=1000,
        outcome="retry",
        delay_ms=4000,
        hint_ms=4000,
        kind="rate_limit",
    ),
    row(**OPENAI, call="a", ts=at(7), attempt=3, waited_ms=4000, duration_ms=3000, outcome="ok"),
    # at once, 5 s
    row(**OPENAI, call="b", ts=at(1), attempt=1, waited_ms=0, duration_ms=5000, outcome="ok"),
    # waited in vain, 3 s in all
    row(**OPENAI, call="c", ts=at(3), attempt=1, waited_ms=0, duration_ms=1000, outcome="retry", delay_ms=1000, kind="overloaded"),
    row(**OPENAI, call="c", ts=at(5), attempt=2, waited_ms=1000, duration_ms=1000, outcome="failed", kind="auth"),
    # given up by a person, 2.5 s in all
    row(**ANTHROPIC, call="d", ts=at(10), attempt=1, waited_ms=0, duration_ms=2000, outcome="retry", delay_ms=1000, kind="network"),
    row(**ANTHROPIC, call="d", ts=at(12.5), attempt=2, waited_ms=500, duration_ms=0, outcome="abandoned"),
    # the log ends here
    row(**ANTHROPIC, call="e", ts=at(20), attempt=1, waited_ms=0, duration_ms=1000, outcome="retry", delay_ms=1000, kind="network"),
    # the log of another library
    row(ts=at(30), attempt=1, delay_ms=2000, kind="timeout"),
    row(ts=at(33), attempt=2),
]


def dtypes(df: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(dtype) for name, dtype in df.dtypes.items()}


def total(waits: list[timedelta | None]) -> timedelta | None:
    known = [wait for wait in waits if wait is not None]
    return sum(known, NOTHING) if known or not waits else None


def quantile(values: list[timedelta], level: float) -> timedelta | None:
    if not values:
        return None
    micros = np.quantile([value / timedelta(microseconds=1) for value in values], level)
    return timedelta(microseconds=float(micros))


def rate(part: float | timedelta, whole: float | timedelta) -> float | None:
    return part / whole if whole else None  # type: ignore[operator]


def times(own: list[Row]) -> tuple[timedelta | None, timedelta | None]:
    """What a call waited, and how long it took."""
    waited = total([row_wait(r) for r in own])
    worked = total([None if r["duration_ms"] is None else timedelta(milliseconds=r["duration_ms"]) for r in own])
    first, last = own[0], own[-1]
    if None in (first["ts"], last["ts"], last["duration_ms"]):
        return waited, None
    lead = timedelta(milliseconds=first["waited_ms"] or 0)
    whole = last["ts"] + timedelta(milliseconds=last["duration_ms"]) - first["ts"] + lead
    return waited, max(whole, (waited or NOTHING) + (worked or NOTHING))


def first_known(own: list[Row], field: str) -> Any:
    return next((r[field] for r in own if r[field] is not None), None)


def by_value(values: Any) -> list[Any]:
    """Different values in their order, null last."""
    return sorted(set(values), key=lambda value: (value is None, value or ""))


def close(found: list[Row], expected: list[Row]) -> bool:
    """Equal, but for the last digits of a float and a microsecond of rounding."""
    return len(found) == len(expected) and all(
        a.keys() == b.keys() and all(_near(a[name], b[name]) for name in a) for a, b in zip(found, expected, strict=True)
    )


def _near(a: Any, b: Any) -> bool:
    if isinstance(a, timedelta) and isinstance(b, timedelta):
        return abs(a - b) <= timedelta(microseconds=1)
    return bool(a == pytest.approx(b)) if isinstance(a, float) and isinstance(b, float) else bool(a == b)


def with_index(df: pd.DataFrame) -> list[Row]:
    return plain(df.reset_index())


# summarize


def test_a_summary_counts_calls_by_their_end_and_tells_the_share_of_waiting() -> None:
    found = {r.pop("provider"): r for r in with_index(summarize(frame(LOG)))}
    assert list(found) == ["anthropic", "openai", None]
    assert found["openai"] == {
        "calls": 3,
        "attempts": 6,
        "ok": 2,
        "failed": 1,
        "abandoned": 0,
        "success_rate": pytest.approx(2 / 3),
        "success_of": 3,
        "retries_per_call": 1.0,
        "waited": seconds(6),
        "waited_p50": seconds(1),
        "waited_p95": seconds(4.6),
        "waited_max": seconds(5),
        "waiting_share": pytest.approx(6 / 18),
        "share_of": 3,
    }
    assert found["anthropic"] | {"waited_p50": 0, "waited_p95": 0} == {
        "calls": 2,
        "attempts": 3,
        "ok": 0,
        "failed": 0,
        "abandoned": 1,
        "success_rate": None,
        "success_of": 0,
        "retries_per_call": 0.5,
        "waited": seconds(0.5),
        "waited_p50": 0,
        "waited_p95": 0,
        "waited_max": seconds(0.5),
        "waiting_share": pytest.approx(0.5 / 3.5),
        "share_of": 2,
    }


def test_the_logs_of_others_count_as_attempts_and_waits_and_give_no_rate() -> None:
    theirs = with_index(summarize(frame(LOG)))[-1]
    assert (theirs["calls"], theirs["attempts"], theirs["waited"]) == (0, 2, seconds(2))
    assert [theirs[name] for name in ("success_rate", "retries_per_call", "waiting_share", "waited_p50")] == [None] * 4


def test_all_is_one_row_and_so_is_nothing() -> None:
    everything, nothing = summarize(frame(LOG), by=None), summarize(frame([]), by=None)
    assert everything.index.tolist() == nothing.index.tolist() == ["all"]
    assert everything.loc["all", ["calls", "attempts", "ok"]].tolist() == [5, 11, 2]
    assert nothing.loc["all", "calls"] == 0
    assert nothing.loc["all", "waited"] == pd.Timedelta(0)
    assert pd.isna(nothing.loc["all", "success_rate"])


@given(rows(), st.sampled_from([None, "provider", "step", ["provider", "model"], ["operation", "step", "kind"], "outcome"]))
def test_summaries_are_those_of_a_loop_over_the_calls(attempts: list[Row], by: Any) -> None:
    fields = [] if by is None else [by] if isinstance(by, str) else by

    def group(own: list[Row]) -> tuple[Any, ...]:
        return tuple(first_known(own, field) for field in fields)

    of_calls = {call: group(own) for call, own in naive_calls(attempts).items()}
    of_rows = [group([r]) if r["call"] is None else of_calls[r["call"]] for r in attempts]
    groups = sorted({*of_rows} or ({()} if by is None else set()), key=lambda key: [(value is None, value or 0) for value in key])
    expected = []
    for key in groups:
        own = [naive_calls(attempts)[call] for call, of in of_calls.items() if of == key]
        ends = [c[-1]["outcome"] for c in own]
        settled = ends.count("ok") + ends.count("failed")
        waits = [wait for wait, _ in map(times, own) if wait is not None]
        whole = [(wait, wall) for wait, wall in map(times, own) if wait is not None and wall is not None]
        expected.append(
            dict(zip(fields or ["index"], key or ["all"], strict=True))
            | {
                "calls": len(own),
                "attempts": of_rows.count(key),
                "ok": ends.count("ok"),
                "failed": ends.count("failed"),
                "abandoned": ends.count("abandoned"),
                "success_rate": rate(ends.count("ok"), settled),
                "success_of": settled,
                "retries_per_call": rate(sum(map(len, own)) - len(own), len(own)),
                "waited": total([row_wait(r) for r, of in zip(attempts, of_rows, strict=True) if of == key]),
                "waited_p50": quantile(waits, 0.5),
                "waited_p95": quantile(waits, 0.95),
                "waited_max": quantile(waits, 1),
                "waiting_share": rate(sum((wait for wait, _ in whole), NOTHING), sum((wall for _, wall in whole), NOTHING)),
                "share_of": len(whole),
            }
        )
    found = summarize(frame(attempts), by=by)
    assert close(with_index(found), expected)
    assert dtypes(found) == INDEXED[summarize]
    assert found["waiting_share"].dropna().between(0, 1).all()


def test_a_call_is_not_divided_between_the_values_of_its_attempts() -> None:
    found = summarize(frame(LOG), by="kind")
    assert found["calls"].to_dict() == {"network": 2, "overloaded": 2, "timeout": 0, np.nan: 1}
    assert found.loc["overloaded", ["attempts", "ok", "failed"]].tolist() == [5, 1, 1]


def test_a_clock_that_was_set_back_makes_no_share_above_one() -> None:
    back = [LOG[0], LOG[1] | {"ts": at(-100), "attempt": 2}, LOG[2] | {"ts": at(-99)}]
    assert 0 <= summarize(frame(back))["waiting_share"].item() <= 1


def test_a_log_that_begins_with_a_wait_counts_it_into_the_time_of_the_call() -> None:
    assert summarize(frame([LOG[2]]))["waiting_share"].item() == pytest.approx(4 / 7)


def test_columns_of_your_own_can_be_asked_by() -> None:
    df = frame(LOG).assign(team=["red"] * 6 + ["blue"] * 5, paid=[True, False] * 5 + [True])
    assert summarize(df, by="team")["calls"].to_dict() == {"blue": 2, "red": 3}
    found = summarize(df, by=["team", "paid"])
    assert found.index.names == ["team", "paid"]
    assert found["attempts"].sum() == len(LOG)
    assert summarize(df, by=["team"]).index.name == "team"


def test_an_index_of_numbers_stays_one_of_numbers() -> None:
    df = frame([row(call="a", ts=at(0), step=10), row(call="b", ts=at(0), step=9), row(call="c", ts=at(0))])
    assert summarize(df, by="step").index.equals(pd.Index([9, 10, None], dtype="Int32", name="step"))


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("providr", r"summarize\(\): the frame has no column 'providr': did you mean 'provider'\?"),
        ("colour of the sky", r"no column 'colour of the sky': give one of ts, call, chat, .*, or add it"),
        (["provider", "modl"], r"no column 'modl': did you mean 'model'\?"),
        ([], r"by=\[\] names no column; give by=None"),
        (["model", "model"], "names a column twice"),
        (3, r"by takes the name of a column, a list of names, or None; found a int"),
        ([["model"]], "found a list"),
        (pd.Series([1, 2]), "found a Series"),
    ],
)
def test_a_wrong_by_is_refused_with_what_to_give_instead(by: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        summarize(frame(LOG), by=by)
    with pytest.raises(UsageError, match="more than one column 'model'"):
        summarize(pd.concat([frame(LOG), frame(LOG)[["model"]]], axis=1), by="model")


# by_kind


def test_kinds_say_what_became_of_the_calls_that_met_them() -> None:
    found = by_kind(frame(LOG))
    assert found.index.tolist()[:2] == ["network", "overloaded"]
    assert pd.isna(found.index[-1])
    assert with_index(found.loc[["overloaded"]]) == [
        {
            "kind": "overloaded",
            "attempts": 2,
            "share": 0.25,
            "share_of": 8,
            "calls": 2,
            "calls_ok": 1,
            "calls_failed": 1,
            "waited": seconds(2),
            "hinted": 0,
        }
    ]
    assert found.loc["rate_limit", ["waited", "hinted"]].tolist() == [seconds(4), 1]
    assert found.loc["auth", "waited"] == pd.Timedelta(0)
    assert found.loc["timeout", "waited"] == seconds(2)
    assert found.loc["timeout", "calls"] == 0


@given(rows())
def test_kinds_are_those_of_a_loop_over_the_rows(attempts: list[Row]) -> None:
    bad = [(r, wait) for r, wait in zip(attempts, naive_after(attempts), strict=True) if is_failed(r)]
    ends = {call: own[-1]["outcome"] for call, own in naive_calls(attempts).items()}
    expected = []
    for kind in by_value(r["kind"] for r, _ in bad):
        own = [(r, wait) for r, wait in bad if r["kind"] == kind]
        calls = {r["call"] for r, _ in own} - {None}
        expected.append(
            {
                "kind": kind,
                "attempts": len(own),
                "share": len(own) / len(bad),
                "share_of": len(bad),
                "calls": len(calls),
                "calls_ok": sum(ends[call] == "ok" for call in calls),
                "calls_failed": sum(ends[call] == "failed" for call in calls),
                "waited": total([NOTHING if wait is None and r["outcome"] == "failed" else wait for r, wait in own]),
                "hinted": sum(r["hint_ms"] is not None for r, _ in own),
            }
        )
    found = by_kind(frame(attempts))
    assert close(with_index(found), sorted(expected, key=lambda r: -r["attempts"]))
    assert dtypes(found) == INDEXED[by_kind]


# backoff_curve


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
    assert dtypes(found) == PLAIN[backoff_curve]


def test_theory_is_the_backoff_itself_however_many_attempts_failed() -> None:
    counts = [*range(1, 90), 2**31 - 1]
    found = backoff_curve(frame([row(attempt=n, delay_ms=1) for n in counts]))
    assert found["theory"].tolist() == [seconds(delay(n - 1)) for n in counts]


def test_attempts_that_cannot_be_are_on_no_curve() -> None:
    df = frame([row(delay_ms=1000)] * 3).assign(attempt=[0.0, -3.0, 1e12])
    assert backoff_curve(df).empty


# cost_of_waiting


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
    assert dtypes(found) == PLAIN[cost_of_waiting]


# all of them


@pytest.mark.parametrize("question", [*QUESTIONS, by_hour])
@settings(max_examples=20)
@given(attempts=rows(), rng=st.randoms(use_true_random=False))
def test_the_form_and_the_order_of_the_rows_do_not_matter_and_they_stay_as_they_were(
    question: Any, attempts: list[Row], rng: random.Random
) -> None:
    expected = question(frame(attempts))
    for form in in_other_forms(attempts, rng):
        before = form.copy()
        assert_frame_equal(question(form), expected)
        assert_frame_equal(form, before)


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(
    "empty", [frame([]), frame([]).astype(object), frame([row()] * 3), pd.DataFrame(np.nan, index=range(2), columns=list(COLUMNS))]
)
def test_answers_have_their_columns_and_dtypes_whatever_is_known(question: Any, empty: pd.DataFrame) -> None:
    assert dtypes(question(empty)) == QUESTIONS[question]


@pytest.mark.parametrize("question", [*QUESTIONS, by_hour])
def test_a_column_that_is_missing_is_named_with_the_question(question: Any) -> None:
    with pytest.raises(UsageError, match=rf"^{question.__name__}\(\) needs the column 'delay'"):
        question(frame(LOG).drop(columns="delay"))


def test_the_index_of_the_indexed_answers_is_of_words_also_where_there_are_none() -> None:
    for df in (frame(LOG), frame([]), frame([row()]).astype({"provider": float, "kind": float})):
        assert [str(answer.index.dtype) for answer in (summarize(df), by_kind(df))] == ["category"] * 2
