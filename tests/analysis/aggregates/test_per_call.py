"""What belongs together: calls out of attempts, and waits to the failures that caused them."""

from __future__ import annotations

import random
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from chatkit.analysis import COLUMNS, calls
from chatkit.analysis.aggregates.per_call import by_call, caused_waits, failed, require
from chatkit.analysis.columns import timedeltas
from chatkit.errors import UsageError
from tests.analysis.attempt_rows import (
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

CALL_DTYPES = {
    "call": "string",
    "chat": "category",
    "operation": "category",
    "provider": "category",
    "model": "category",
    "step": "Int32",
    "started": "datetime64[us, UTC]",
    "ended": "datetime64[us, UTC]",
    "attempts": "Int32",
    "outcome": "category",
    "waited": "timedelta64[us]",
    "worked": "timedelta64[us]",
    "first_kind": "category",
    "last_kind": "category",
    "first_error": "category",
    "last_error": "category",
}
HERE = {"call": "a", "chat": "x", "operation": "chat", "provider": "openai", "model": "m", "step": 2}
SAVED = [
    row(**HERE, ts=at(0), attempt=1, waited_ms=0, duration_ms=500, outcome="retry", delay_ms=1000, kind="overloaded", error="busy"),
    row(**HERE, ts=at(1.6), attempt=2, waited_ms=1100, duration_ms=400, outcome="retry", delay_ms=2000, kind="network", error="gone"),
    row(**HERE, ts=at(4), attempt=3, waited_ms=2000, duration_ms=6000, outcome="ok"),
]
FOREIGN = [row(ts=at(n), delay_ms=1000 * 2**n, kind="timeout", attempt=n + 1) for n in range(2)]


def dtypes(df: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(dtype) for name, dtype in df.dtypes.items()}


def waits_after(df: pd.DataFrame) -> pd.Series[pd.Timedelta]:
    return pd.Series(timedeltas(caused_waits(df, by_call(df))), index=df.index)


def only(df: pd.DataFrame) -> Row:
    (found,) = plain(df)
    return found


def expected_calls(attempts: list[Row]) -> list[Row]:
    def known(own: list[Row], field: str) -> object:
        return next((r[field] for r in own if r[field] is not None), None)

    def total(values: list[timedelta | None]) -> timedelta | None:
        there = [value for value in values if value is not None]
        return sum(there, timedelta()) if there else None

    found = []
    for call, own in naive_calls(attempts).items():
        bad, last = [r for r in own if is_failed(r)], own[-1]
        has_end = None not in (last["ts"], last["duration_ms"])
        found.append(
            {
                "call": call,
                **{field: known(own, field) for field in ("chat", "operation", "provider", "model", "step")},
                "started": own[0]["ts"],
                "ended": last["ts"] + timedelta(milliseconds=last["duration_ms"]) if has_end else None,
                "attempts": len(own),
                "outcome": last["outcome"] if last["outcome"] in ("ok", "failed", "abandoned") else None,
                "waited": total([row_wait(r) for r in own]),
                "worked": total([None if r["duration_ms"] is None else timedelta(milliseconds=r["duration_ms"]) for r in own]),
                "first_kind": bad[0]["kind"] if bad else None,
                "last_kind": bad[-1]["kind"] if bad else None,
                "first_error": bad[0]["error"] if bad else None,
                "last_error": bad[-1]["error"] if bad else None,
            }
        )
    return sorted(found, key=lambda c: (c["started"] is None, c["started"] or at(0), c["call"]))


def test_a_call_is_summed_up_from_its_attempts() -> None:
    assert only(calls(frame(SAVED))) == {
        **HERE,
        "started": at(0),
        "ended": at(10),
        "attempts": 3,
        "outcome": "ok",
        "waited": seconds(3.1),
        "worked": seconds(6.9),
        "first_kind": "overloaded",
        "last_kind": "network",
        "first_error": "busy",
        "last_error": "gone",
    }


@given(rows())
def test_calls_are_those_of_a_loop_over_the_rows(attempts: list[Row]) -> None:
    found = calls(frame(attempts))
    assert plain(found) == expected_calls(attempts)
    assert found.attrs == {"rows_without_call": sum(r["call"] is None for r in attempts)}
    assert found.index.equals(pd.RangeIndex(len(found)))
    assert dtypes(found) == CALL_DTYPES
    assert list(found["outcome"].cat.categories) == ["ok", "failed", "abandoned"]


@settings(max_examples=25)
@given(rows(), st.randoms(use_true_random=False))
def test_the_form_and_the_order_of_the_rows_do_not_matter_and_they_stay_as_they_were(attempts: list[Row], rng: random.Random) -> None:
    expected = calls(frame(attempts))
    for form in in_other_forms(attempts, rng):
        before = form.copy()
        assert_frame_equal(calls(form), expected)
        assert_frame_equal(form, before)


@given(rows(), st.randoms(use_true_random=False))
def test_a_wait_belongs_to_the_failed_attempt_before_it(attempts: list[Row], rng: random.Random) -> None:
    shuffled = rng.sample(attempts, len(attempts))
    waits = waits_after(frame(shuffled).set_index(pd.Index([3] * len(attempts))))
    assert [None if pd.isna(wait) else wait.to_pytimedelta() for wait in waits] == naive_after(shuffled)
    assert list(waits.index) == [3] * len(attempts)
    assert str(waits.dtype) == "timedelta64[us]"


def test_the_wait_after_an_attempt_is_as_it_was_and_not_as_scheduled() -> None:
    assert list(waits_after(frame(SAVED)).dropna()) == [seconds(1.1), seconds(2)]
    assert waits_after(frame(SAVED)).isna().tolist() == [False, False, True]


def test_a_foreign_row_waited_as_long_as_was_scheduled() -> None:
    assert list(waits_after(frame(FOREIGN))) == [seconds(1), seconds(2)]


def test_a_wait_before_an_attempt_whose_predecessor_is_not_recorded_was_caused_by_none_of_the_rows() -> None:
    assert waits_after(frame([SAVED[0], SAVED[2]])).isna().all()


def test_a_wait_that_a_person_ended_was_caused_by_the_attempt_before_it() -> None:
    stopped = row(**HERE, ts=at(1), attempt=2, waited_ms=500, duration_ms=0, outcome="abandoned")
    assert list(waits_after(frame([SAVED[0], stopped])).dropna()) == [seconds(0.5)]
    assert only(calls(frame([SAVED[0], stopped])))["outcome"] == "abandoned"


def test_a_log_that_begins_and_ends_amidst_a_call_gives_what_is_known() -> None:
    found = only(calls(frame([SAVED[1]])))
    assert (found["started"], found["attempts"], found["outcome"], found["waited"]) == (at(1.6), 1, None, seconds(1.1))


def test_attempts_of_the_same_moment_are_in_the_order_of_their_numbers() -> None:
    together = [each | {"ts": at(0)} for each in SAVED]
    assert only(calls(frame(together[::-1])))["outcome"] == "ok"
    assert list(waits_after(frame(together[::-1])).dropna()) == [seconds(2), seconds(1.1)]


def test_a_clock_that_was_set_back_amidst_a_call_changes_neither_its_end_nor_its_waits() -> None:
    back = [each | {"ts": at(-60 * n)} for n, each in enumerate(SAVED)]
    found = only(calls(frame(back)))
    assert (found["outcome"], found["started"], found["first_kind"], found["waited"]) == ("ok", at(0), "overloaded", seconds(3.1))
    assert list(waits_after(frame(back)).dropna()) == [seconds(1.1), seconds(2)]
    untimed = [SAVED[0] | {"ts": None}, *SAVED[1:]]
    assert only(calls(frame(untimed)))["outcome"] == "ok"


def test_attempts_that_are_counted_twice_are_in_the_order_of_time() -> None:
    """A log whose calls are named by the job has several that begin with attempt 1."""
    job = [*SAVED[:2], row(**HERE, ts=at(60), attempt=1, waited_ms=0, duration_ms=500, outcome="failed", kind="auth")]
    assert only(calls(frame(job)))["outcome"] == "failed"


def test_rows_without_a_call_are_counted_and_make_no_call() -> None:
    found = calls(frame([*SAVED, *FOREIGN]))
    assert len(found) == 1
    assert found.attrs == {"rows_without_call": 2}


def test_calls_that_start_at_once_are_in_the_order_of_their_ids() -> None:
    together = [row(ts=at(0), call=call, attempt=1, outcome="ok") for call in "cab"]
    assert list(calls(frame(together))["call"]) == ["a", "b", "c"]


def test_what_failed_is_what_says_so_or_says_nothing() -> None:
    outcome = ["retry", "failed", None, "ok", "abandoned", "a word of a newer version"]
    marked = failed(pd.DataFrame({"outcome": pd.Categorical(outcome)}, index=list("aabbcc")))
    assert marked.tolist() == [True, True, True, False, False, False]
    assert failed(pd.DataFrame({"outcome": [None, np.nan]})).all()


def test_a_category_with_calls_that_no_row_has_adds_none() -> None:
    df = frame([*SAVED, row(ts=at(50), call="b", attempt=1, outcome="ok")]).astype({"call": "category"})
    assert list(calls(df.iloc[:3])["call"]) == ["a"]


@pytest.mark.parametrize(
    "empty",
    [
        frame([]),
        frame([]).astype(object),
        frame(SAVED).iloc[:0],
        frame([row()] * 3),
        pd.DataFrame(np.nan, index=range(2), columns=list(COLUMNS)),
    ],
)
def test_frames_that_hold_nothing_give_calls_of_the_same_form(empty: pd.DataFrame) -> None:
    assert dtypes(calls(empty)) == CALL_DTYPES
    assert calls(empty).empty
    assert len(waits_after(empty)) == len(empty)
    assert str(waits_after(empty).dtype) == "timedelta64[us]"


def test_a_frame_that_went_through_a_csv_file_gives_the_same_calls(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("csv") / "attempts.csv"
    attempts = [*SAVED, *FOREIGN, row(ts=at(9), call="b", model="4", attempt=1, outcome="failed", kind="auth")]
    frame(attempts).to_csv(file, index=False)
    assert_frame_equal(calls(pd.read_csv(file)), calls(frame(attempts)), check_column_type=False)


def test_a_frame_whose_columns_are_objects_gives_the_same_calls() -> None:
    attempts = frame([*SAVED, row()])
    assert_frame_equal(calls(attempts.astype(object)), calls(attempts))


def test_columns_that_are_missing_are_named() -> None:
    with pytest.raises(UsageError, match=r"^calls\(\) needs the column 'waited', which isn't in the frame: give one as load_retry_log\(\)"):
        calls(frame(SAVED).drop(columns="waited"))
    with pytest.raises(UsageError, match=r"needs the columns 'call', 'ts', which aren't"):
        require(pd.DataFrame(), "call", "ts", what="x()")
    with pytest.raises(UsageError, match=r"calls\(\) takes a DataFrame .* found a list"):
        calls(SAVED)  # type: ignore[arg-type]
    twice = pd.concat([frame(SAVED), frame(SAVED)[["ts"]]], axis=1)
    with pytest.raises(UsageError, match="more than one column 'ts'"):
        calls(twice)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("ts", "noon", r"'ts' holds no times: convert it with pandas.to_datetime"),
        ("ts", 17, r"'ts' holds no times"),
        ("waited", 2.5, r"'waited' holds no timedeltas: convert it with pandas.to_timedelta"),
        ("delay", "a while", r"'delay' holds no timedeltas"),
        ("attempt", "first", r"'attempt' holds no numbers: convert it with pandas.to_numeric"),
        ("kind", [], r"'kind' holds values that can't be compared"),
    ],
)
def test_columns_that_hold_something_else_are_named_with_the_way_out(column: str, value: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        calls(frame(SAVED).assign(**{column: pd.Series([value] * 3)}))


def test_what_is_no_finite_number_is_no_attempt() -> None:
    odd = frame(SAVED).assign(step=np.inf, attempt=[1e300, -np.inf, np.nan])
    assert only(calls(odd))["step"] is None


def test_every_column_asked_for_is_one_of_the_frame_of_attempts() -> None:
    assert set(CALL_DTYPES) - {"started", "ended", "attempts", "worked", "first_kind", "last_kind", "first_error", "last_error"} <= set(
        COLUMNS
    )
