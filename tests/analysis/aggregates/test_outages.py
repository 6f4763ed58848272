"""When a provider failed: failed attempts, merged into windows."""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from chatkit.analysis import COLUMNS, outages
from chatkit.errors import RETRYABLE_KINDS, UsageError
from tests.analysis.attempt_rows import Row, at, frame, in_other_forms, is_failed, plain, row, rows, seconds

DTYPES = {
    "provider": "category",
    "started": "datetime64[us, UTC]",
    "ended": "datetime64[us, UTC]",
    "duration": "timedelta64[us]",
    "attempts": "Int64",
    "successes": "Int64",
    "calls": "Int64",
    "kind": "category",
    "hint": "timedelta64[us]",
}


def dtypes(df: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(dtype) for name, dtype in df.dtypes.items()}


def fails(second: float, provider: str | None = "x", lasts: float | None = 1, call: str | None = "a", **fields: Any) -> Row:
    ms = None if lasts is None else round(lasts * 1000)
    return row(ts=at(second), provider=provider, duration_ms=ms, call=call, **{"outcome": "retry", "kind": "overloaded"} | fields)


def windows(attempts: list[Row], **options: Any) -> list[tuple[str | None, datetime, datetime]]:
    return [(w["provider"], w["started"], w["ended"]) for w in plain(outages(frame(attempts), **options))]


def end(r: Row) -> datetime:
    moment: datetime = r["ts"] + timedelta(milliseconds=r["duration_ms"] or 0)
    return moment


def expected_windows(attempts: list[Row], gap: float) -> list[Row]:
    counted = [r for r in attempts if is_failed(r) and r["ts"] and (r["kind"] in RETRYABLE_KINDS or r["kind"] in ("unknown", None))]
    found: list[tuple[Any, list[Row]]] = []
    for r in sorted(counted, key=lambda r: r["ts"]):
        mine = [own for provider, own in found if provider == r["provider"]]
        if mine and r["ts"] <= max(map(end, mine[-1])) + seconds(gap):
            mine[-1].append(r)
        else:
            found.append((r["provider"], [r]))
    answer = []
    for provider, own in sorted(found, key=lambda window: (window[1][0]["ts"], window[0] is None, window[0] or "")):
        start, stop = own[0]["ts"], max(map(end, own))
        counts = Counter(r["kind"] for r in own if r["kind"])
        hints = [r["hint_ms"] for r in own if r["hint_ms"] is not None]
        well = [r for r in attempts if r["outcome"] == "ok" and r["provider"] == provider and r["ts"] and start <= r["ts"] <= stop]
        answer.append(
            {
                "provider": provider,
                "started": start,
                "ended": stop,
                "duration": stop - start,
                "attempts": len(own),
                "successes": len(well),
                "calls": len({r["call"] for r in own} - {None}),
                "kind": min(counts, key=lambda kind: (-counts[kind], kind)) if counts else None,
                "hint": timedelta(milliseconds=median(hints)) if hints else None,
            }
        )
    return answer


def test_failures_that_lie_near_each_other_are_one_outage() -> None:
    log = [
        fails(0, hint_ms=1000),
        fails(30, call="b", kind="network"),
        fails(91, hint_ms=4000),  # 60 s after the last ended
        row(ts=at(50), provider="x", call="c", outcome="ok", duration_ms=100),
        row(ts=at(92), provider="x", call="c", outcome="ok", duration_ms=100),
        row(ts=at(93), provider="x", call="c", outcome="ok", duration_ms=100),
        row(ts=at(50), provider="y", call="d", outcome="ok", duration_ms=100),
    ]
    (found,) = plain(outages(frame(log)))
    assert found == {
        "provider": "x",
        "started": at(0),
        "ended": at(92),
        "duration": seconds(92),
        "attempts": 3,
        "successes": 2,
        "calls": 2,
        "kind": "overloaded",
        "hint": seconds(2.5),
    }


def test_failures_that_lie_further_apart_are_two() -> None:
    assert windows([fails(0), fails(61.25)]) == [("x", at(0), at(1)), ("x", at(61.25), at(62.25))]
    assert windows([fails(0), fails(61)]) == [("x", at(0), at(62))]


def test_the_gap_is_counted_from_the_attempt_that_ends_last() -> None:
    assert windows([fails(0, lasts=100), fails(5), fails(160)]) == [("x", at(0), at(161))]


def test_no_gap_merges_what_touches() -> None:
    assert windows([fails(0), fails(1), fails(2.25)], gap=0) == [("x", at(0), at(2)), ("x", at(2.25), at(3.25))]


def test_providers_fail_each_by_itself_and_a_null_one_too() -> None:
    assert windows([fails(5, provider=None), fails(0, "y"), fails(5, "x"), fails(6, None)]) == [
        ("y", at(0), at(1)),
        ("x", at(5), at(6)),
        (None, at(5), at(7)),
    ]


def test_an_attempt_of_unknown_duration_is_a_moment() -> None:
    assert windows([fails(3, lasts=None)]) == [("x", at(3), at(3))]


def test_an_attempt_that_a_clock_set_back_made_shorter_than_nothing_is_a_moment() -> None:
    assert windows([fails(3, lasts=-2), fails(4, lasts=-9)]) == [("x", at(3), at(4))]


def test_of_kinds_that_are_as_frequent_the_first_by_name_stands_for_the_outage() -> None:
    assert plain(outages(frame([fails(0, kind="timeout"), fails(1, kind="network"), fails(2, kind=None)])))[0]["kind"] == "network"


def test_a_success_without_a_time_is_in_no_outage() -> None:
    assert plain(outages(frame([fails(0), fails(0, outcome="ok") | {"ts": None}])))[0]["successes"] == 0


def test_failures_that_no_retry_helps_are_no_outage_unless_asked_for() -> None:
    log = [fails(0, kind="auth"), fails(1000, kind=None), fails(2000, kind="unknown"), fails(3000, kind="timeout")]
    assert [w[1] for w in windows(log)] == [at(1000), at(2000), at(3000)]
    assert [w[1] for w in windows(log, kinds=["auth", None])] == [at(0), at(1000)]
    assert [w[1] for w in windows(log, kinds="auth")] == [at(0)]
    assert windows(log, kinds=[]) == []


def test_what_succeeded_or_was_abandoned_is_no_failure() -> None:
    assert windows([fails(0, outcome="ok"), fails(0, outcome="abandoned")]) == []


def test_rows_without_a_time_are_left_out_and_counted() -> None:
    found = outages(frame([fails(0), fails(0) | {"ts": None}, fails(0, kind="auth") | {"ts": None}]))
    assert found["attempts"].tolist() == [1]
    assert found.attrs == {"rows_without_ts": 1}


@given(rows(), st.sampled_from([0, 0.25, 1, 5, 60]))
def test_windows_are_those_of_a_loop_over_the_rows(attempts: list[Row], gap: float) -> None:
    found = outages(frame(attempts), gap=gap)
    assert plain(found) == expected_windows(attempts, gap)
    assert dtypes(found) == DTYPES
    assert found.index.equals(pd.RangeIndex(len(found)))


@given(rows(), st.sampled_from([0, 1, 5]))
def test_windows_of_a_provider_are_disjoint_and_hold_every_failure(attempts: list[Row], gap: float) -> None:
    found = plain(outages(frame(attempts), gap=gap, kinds=[None, "overloaded", "rate_limit", "auth", "unknown"]))
    for r in attempts:
        around = [w for w in found if r["ts"] and w["provider"] == r["provider"] and w["started"] <= r["ts"] and end(r) <= w["ended"]]
        assert len(around) == 1 or not (is_failed(r) and r["ts"])
    for provider in {w["provider"] for w in found}:
        own = [w for w in found if w["provider"] == provider]
        assert all(a["ended"] + seconds(gap) < b["started"] for a, b in pairwise(own))
    assert [w["started"] for w in found] == sorted(w["started"] for w in found)
    assert sum(w["attempts"] for w in found) == sum(is_failed(r) and r["ts"] is not None for r in attempts)


@settings(max_examples=25)
@given(rows(), st.randoms(use_true_random=False))
def test_the_form_and_the_order_of_the_rows_do_not_matter_and_they_stay_as_they_were(attempts: list[Row], rng: random.Random) -> None:
    expected = outages(frame(attempts), gap=2)
    for form in in_other_forms(attempts, rng):
        before = form.copy()
        assert_frame_equal(outages(form, gap=2), expected)
        assert_frame_equal(form, before)


@pytest.mark.parametrize(
    "empty", [frame([]), frame([]).astype(object), frame([row()]), pd.DataFrame(np.nan, index=range(2), columns=list(COLUMNS))]
)
def test_frames_that_hold_no_failure_give_no_window_of_the_same_form(empty: pd.DataFrame) -> None:
    assert outages(empty).empty
    assert dtypes(outages(empty)) == DTYPES


@pytest.mark.parametrize("gap", [-1, float("nan"), float("inf"), "a minute", None, True])
def test_a_gap_that_is_no_number_of_seconds_is_refused(gap: Any) -> None:
    with pytest.raises(UsageError, match=r"outages\(\): gap=.*: give seconds, 0 or more"):
        outages(frame([]), gap=gap)


def test_a_kind_that_there_is_not_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"outages\(\): there is no kind 'overload': did you mean 'overloaded'\?"):
        outages(frame([]), kinds="overload")
    with pytest.raises(UsageError, match=r"no kind 'x': give some of rate_limit, .*, or None"):
        outages(frame([]), kinds=["x"])
    assert len(windows([fails(0, kind="a word of a newer version")], kinds="a word of a newer version")) == 1


def test_a_column_that_is_missing_is_named() -> None:
    with pytest.raises(UsageError, match=r"^outages\(\) needs the columns 'hint', 'kind'"):
        outages(frame([]).drop(columns=["kind", "hint"]))
