"""How many requests began when."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatkit import UsageError
from chatkit.analysis import attempts_frame, load_over_time
from chatkit.retries.log import AttemptRecord
from tests.analysis.simulated_requests import EPOCH, SECOND


@given(
    st.lists(
        st.tuples(st.none() | st.integers(-(10**9), 10**9), st.sampled_from(["ok", "retry", "failed", "abandoned", None])), max_size=30
    ),
    st.sampled_from([(1, "1s"), (10, 10), (60, "1min"), (3600, timedelta(hours=1)), (0.5, 0.5), (7, np.int64(7))]),
)
@settings(deadline=None)
def test_every_stretch_from_first_to_last_is_counted(rows: list[tuple[int | None, str | None]], every: tuple[float, Any]) -> None:
    seconds, given = every
    df = pd.DataFrame(
        {
            "ts": pd.to_datetime(pd.Series([ts for ts, _ in rows], dtype="Int64"), unit="us", utc=True),
            "outcome": pd.Series([outcome for _, outcome in rows], dtype=object),
        }
    )
    load = load_over_time(df.set_index(pd.Index([0] * len(df))), given)
    length = int(seconds * SECOND)
    places = [(ts // length, outcome) for ts, outcome in rows if ts is not None]
    stretches = range(min(place for place, _ in places), max(place for place, _ in places) + 1) if places else range(0)
    assert [(ts - EPOCH) // timedelta(microseconds=1) for ts in load.index] == [place * length for place in stretches]
    assert list(load["requests"]) == [sum(one == place for one, _ in places) for place in stretches]
    assert list(load["failed"]) == [
        sum(one == place and outcome in ("retry", "failed", None) for one, outcome in places) for place in stretches
    ]
    assert load.attrs["rows_without_time"] == len(rows) - len(places)
    assert (load.index.name, str(load.index.dtype), set(map(str, load.dtypes))) == ("ts", "datetime64[us, UTC]", {"Int64"})


def test_a_load_of_too_many_rows_is_refused_with_one_that_fits() -> None:
    df = attempts_frame(
        AttemptRecord(ts=EPOCH + timedelta(days=days), call="x", operation="chat", attempt=1, duration_ms=0, outcome="ok")
        for days in (0, 3650)
    )
    with pytest.raises(UsageError, match=r"315,360,001 rows, one every 1s: at most 5,000,000, so give every='1h'"):
        load_over_time(df)
    assert len(load_over_time(df, "1h")) == 10 * 365 * 24 + 1


@pytest.mark.parametrize("every", ["often", 0, -1, "0s", "1ns", None, float("nan"), "NaT", [], True])
def test_a_stretch_that_is_no_length_of_time_is_refused(every: Any) -> None:
    with pytest.raises(UsageError, match="give a length of time"):
        load_over_time(attempts_frame([]), every)
