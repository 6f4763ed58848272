"""Summaries: how calls went, why attempts failed, how long the waits were and what they cost."""

from __future__ import annotations

import random
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from chatkit.analysis import COLUMNS, backoff_curve, by_hour, by_kind, cost_of_waiting, summarize
from chatkit.errors import UsageError
from tests.analysis.attempt_rows import (
    LOG,
    NOTHING,
    Row,
    at,
    by_value,
    close,
    first_known,
    frame,
    in_other_forms,
    is_failed,
    naive_after,
    naive_calls,
    quantile,
    rate,
    row,
    row_wait,
    rows,
    seconds,
    times,
    total,
    with_index,
)

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
AGGREGATES: dict[Any, dict[str, str]] = INDEXED | PLAIN


def dtypes(df: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(dtype) for name, dtype in df.dtypes.items()}


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


def test_a_call_of_which_only_a_failure_and_the_wait_after_it_are_known_has_no_share() -> None:
    """As the hooks of tenacity have it: how the call went on isn't told."""
    theirs = row(call="t", ts=at(0), attempt=1, duration_ms=500, outcome="retry", delay_ms=1000)
    found = with_index(summarize(frame([*LOG, theirs]), by=None))[0]
    assert (found["calls"], found["share_of"], found["waited"]) == (6, 5, seconds(9.5))
    assert found["waiting_share"] == pytest.approx(6.5 / 21.5)


def test_values_of_your_own_keep_their_order_and_what_they_are() -> None:
    days = [date(2026, 11, 2), date(2026, 10, 30)]
    widths = pd.cut([5.0, 20.0], [0, 10, 100])
    week = pd.Categorical(["Tue", "Mon"], categories=["Mon", "Tue", "Wed"], ordered=True)
    log = frame([row(call="a", attempt=1), row(call="b", attempt=1)])
    assert summarize(log.assign(day=days), by="day").index.tolist() == days[::-1]
    assert summarize(log.assign(width=widths), by="width").index.tolist() == list(widths.categories)
    found = summarize(log.assign(weekday=week), by=["weekday", "operation"])
    assert found.index.get_level_values("weekday").tolist() == ["Mon", "Tue"]
    assert summarize(log.assign(weekday=week), by="weekday").index.dtype == week.dtype
    assert summarize(log.assign(attempt=[10, 9]).astype(object), by="attempt").index.tolist() == [9, 10]
    assert summarize(log.assign(team=["b", "a"]), by="team").index.tolist() == ["a", "b"]
    zones = pd.Series([pd.Timestamp(0), pd.Timestamp(0, tz="UTC")], dtype=object)
    assert summarize(log.assign(zones=zones), by="zones").index.tolist() == list(map(str, zones))
    assert summarize(log.assign(mixed=["b", 7]), by="mixed").index.tolist() == ["7", "b"]


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
        ("colour of the sky", r"no column 'colour of the sky': give one of attempt, outcome, kind, .*, or add it"),
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


# all of them


@pytest.mark.parametrize("aggregate", [*AGGREGATES, by_hour])
@settings(max_examples=20)
@given(attempts=rows(), rng=st.randoms(use_true_random=False))
def test_the_form_and_the_order_of_the_rows_do_not_matter_and_they_stay_as_they_were(
    aggregate: Any, attempts: list[Row], rng: random.Random
) -> None:
    expected = aggregate(frame(attempts))
    for form in in_other_forms(attempts, rng):
        before = form.copy()
        assert_frame_equal(aggregate(form), expected)
        assert_frame_equal(form, before)


@pytest.mark.parametrize("aggregate", AGGREGATES)
@pytest.mark.parametrize(
    "df", [frame(LOG), frame([]), frame([]).astype(object), frame([row()] * 3), pd.DataFrame(np.nan, index=range(2), columns=list(COLUMNS))]
)
def test_aggregates_have_their_columns_and_dtypes_whatever_is_known(aggregate: Any, df: pd.DataFrame) -> None:
    assert dtypes(aggregate(df)) == AGGREGATES[aggregate]


@pytest.mark.parametrize("aggregate", [*AGGREGATES, by_hour])
def test_a_column_that_is_missing_is_named_with_the_aggregate(aggregate: Any) -> None:
    with pytest.raises(UsageError, match=rf"^{aggregate.__name__}\(\) needs the column 'delay'"):
        aggregate(frame(LOG).drop(columns="delay"))


def test_the_index_of_the_indexed_aggregates_is_of_words_also_where_there_are_none() -> None:
    for df in (frame(LOG), frame([]), frame([row()]).astype({"provider": float, "kind": float})):
        assert [str(found.index.dtype) for found in (summarize(df), by_kind(df))] == ["category"] * 2
