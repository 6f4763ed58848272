from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from chatkit import AttemptRecord, RetryPolicy
from chatkit import analysis as ca
from chatkit.analysis.readable import ReadableFrame

START = datetime(2026, 11, 20, 9, 0, 0, 109_000, tzinfo=UTC)
FAILED = AttemptRecord(
    ts=START, call="a", operation="chat", provider="openai", attempt=1, duration_ms=109, outcome="retry", delay_ms=1000,
    kind="overloaded", status_code=529, error="openai is overloaded",
)  # fmt: skip
WELL = AttemptRecord(ts=START + timedelta(seconds=2), call="a", operation="chat", attempt=2, waited_ms=1002, duration_ms=2500, outcome="ok")
NULLS = ("NaN", "NaT", "<NA>", "None")


@pytest.fixture
def frame() -> pd.DataFrame:
    return ca.attempts_frame([FAILED, WELL])


def shown(frame: pd.DataFrame) -> str:
    given: Any = frame
    return repr(given) + given._repr_html_()


def test_what_matters_comes_first() -> None:
    assert list(ca.COLUMNS)[:6] == ["attempt", "outcome", "kind", "error", "waited", "duration"]


def test_a_frame_is_shown_in_seconds_with_one_mark_for_what_is_unknown(frame: pd.DataFrame) -> None:
    assert repr(frame[["attempt", "kind", "waited", "duration", "ts", "delay", "hint", "status_code", "chat"]].iloc[:, :6]) == (
        "   attempt        kind   waited duration                       ts delay\n"
        "0        1  overloaded  0.000 s  0.109 s  2026-11-20 09:00:00 UTC   1 s\n"
        "1        2           –  1.002 s  2.500 s  2026-11-20 09:00:02 UTC     –"
    )
    assert not any(null in shown(frame) for null in (*NULLS, "days"))


def test_every_column_is_shown_also_in_a_terminal(frame: pd.DataFrame) -> None:
    with pd.option_context("display.max_columns", 0, "display.width", 80):
        text = repr(frame)
    assert "..." not in text
    assert all(column in text for column in ca.COLUMNS)
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    "aggregate",
    [
        ca.calls, ca.summarize, ca.by_kind, ca.by_hour, ca.outages, ca.backoff_curve, ca.cost_of_waiting, ca.load_over_time,
        lambda frame: ca.simulate(frame, RetryPolicy()), lambda frame: ca.compare_policies(frame, [RetryPolicy()]),
        lambda frame: ca.load_retry_log([FAILED, WELL]),
    ],
)  # fmt: skip
def test_every_frame_of_the_analysis_is_readable(frame: pd.DataFrame, aggregate: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    found = aggregate(frame)
    assert isinstance(found, ReadableFrame)
    assert not any(null in shown(found) for null in (*NULLS, "days"))


@pytest.mark.parametrize(
    "derive",
    [
        lambda frame: frame[frame["outcome"] == "retry"],
        lambda frame: frame[["waited", "kind"]],
        lambda frame: frame.head(1),
        lambda frame: frame.copy(),
        lambda frame: copy.deepcopy(frame),
        lambda frame: pickle.loads(pickle.dumps(frame)),
        lambda frame: frame.query("attempt == 1").sort_values("ts"),
        lambda frame: frame.assign(more=1).drop(columns="v").rename(columns={"kind": "why"}),
        lambda frame: pd.concat([frame, frame], ignore_index=True),
        lambda frame: frame.merge(frame[["call"]], on="call"),
        lambda frame: frame.set_index("ts"),
        lambda frame: frame.T,
        lambda frame: frame.groupby("call", as_index=False)[["waited"]].sum(),
        lambda frame: frame.iloc[:0],
    ],
)  # fmt: skip
def test_what_is_made_of_a_frame_is_readable_too(frame: pd.DataFrame, derive: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    found = derive(frame)
    assert isinstance(found, ReadableFrame)
    assert not any(null in shown(found) for null in (*NULLS, "0 days"))


def test_it_is_a_data_frame_with_the_full_values(frame: pd.DataFrame, tmp_path: Any) -> None:
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == dict(ca.COLUMNS)
    assert frame["ts"][0] == pd.Timestamp(START)
    assert frame["duration"].sum() == timedelta(milliseconds=2609)
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(frame)), frame)
    plain = pd.DataFrame(frame)
    assert type(plain) is pd.DataFrame
    assert "NaN" in repr(plain)
    pd.testing.assert_frame_equal(frame, plain)
    again = pd.read_csv(io.StringIO(frame.to_csv(index=False)))
    assert again["duration"].tolist() == ["0 days 00:00:00.109000", "0 days 00:00:02.500000"]
    frame.attrs["log"] = {"lines": 2}
    assert frame.head(1).attrs == {"log": {"lines": 2}}


def test_it_goes_to_parquet_and_back(frame: pd.DataFrame, tmp_path: Any) -> None:
    frame.to_parquet(tmp_path / "log.parquet")
    again = pd.read_parquet(tmp_path / "log.parquet")
    for column in ("attempt", "ts", "waited", "duration", "status_code"):
        pd.testing.assert_series_equal(again[column], frame[column])


def test_a_long_frame_is_cut_where_pandas_cuts_and_counts_all_rows() -> None:
    records = [msgspec.structs.replace(FAILED, call=str(number), attempt=number + 1) for number in range(100_000)]
    frame = ca.attempts_frame(records)
    text = repr(frame)
    given: Any = frame
    assert text.endswith("[100000 rows x 18 columns]")
    assert "<p>100000 rows × 18 columns</p>" in given._repr_html_()
    assert [line.split()[0] for line in text.splitlines()[1:12]] == ["0", "1", "2", "3", "4", "...", *map(str, range(99_995, 100_000))]
    with pd.option_context("display.max_rows", None):
        assert "rows x" not in repr(frame.head(200))
        assert "\n199 " in repr(frame.head(200))


def test_a_long_frame_on_its_side_is_cut_as_pandas_cuts_it() -> None:
    frame = ca.attempts_frame([msgspec.structs.replace(FAILED, attempt=number + 1) for number in range(5_000)]).T
    assert len(repr(frame)) < 5_000
    assert "18 rows × 5000 columns" in shown(frame)


def test_a_cell_with_the_words_of_the_count_stays() -> None:
    words = ReadableFrame({"said": ["2 rows × 3 columns", "2 rows x 1 columns]"]})
    assert shown(words).count("2 rows") == 4


def test_names_that_occur_twice_and_other_values_are_shown_as_they_are() -> None:
    odd = ReadableFrame([[1, None, [1, 2]], [2, 0.5, "<b>"]], columns=["a", "a", ("b", 1)])
    assert "–" in repr(odd)
    assert "0.5" in repr(odd)
    assert "&lt;b&gt;" in shown(odd)
    assert "<b>" not in (odd._repr_html_() or "")
    several = ca.summarize(ca.attempts_frame([FAILED, WELL]), by=["provider", "model"])
    assert "provider" in repr(several)
    assert "–" in repr(ReadableFrame({"a": [np.nan, 1.0]}, index=pd.Index([None, "x"], name="kind")))


@pytest.mark.parametrize(
    ("value", "text"), [(1_234_567.0, "1234567"), (1_234_567.89, "1234567.89"), (1 / 3, "0.333333"), (-99_999.5, "-99999.5")]
)
def test_a_number_beside_what_is_unknown_is_whole(value: float, text: str) -> None:
    assert repr(ReadableFrame({"n": [value, None]})).split() == ["n", "0", text, "1", "–"]


def test_no_cell_that_fits_is_broken_into_lines(frame: pd.DataFrame) -> None:
    given: Any = frame
    html = given._repr_html_()
    assert '<td style="white-space: nowrap">2026-11-20 09:00:00 UTC</td>' in html
    assert "<td>" not in html
