"""Aggregates over time: the hours in which attempts failed, also where clocks change, and the load."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatkit.analysis import COLUMNS, attempts_frame, by_hour, load_over_time
from chatkit.errors import UsageError
from chatkit.retries.log import AttemptRecord
from tests.analysis.attempt_rows import Row, at, frame, is_failed, naive_calls, plain, row, row_wait, rows, seconds
from tests.analysis.simulated_requests import EPOCH, SECOND

DTYPES = {
    "attempts": "Int64",
    "failed": "Int64",
    "failure_rate": "Float64",
    "failure_of": "Int64",
    "calls": "Int64",
    "waited": "timedelta64[us]",
}
ZONES = ["UTC", "Europe/Vienna", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Pacific/Chatham", "Australia/Lord_Howe"]


def dtypes(df: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(dtype) for name, dtype in df.dtypes.items()}


def hours(moments: list[datetime], zone: str) -> list[str]:
    found = by_hour(frame([row(ts=ts) for ts in moments]), tz=zone)
    return [f"{hour:%H:%M%z} {count}" for hour, count in found["attempts"].items()]


def test_every_hour_from_the_first_to_the_last_has_a_row() -> None:
    log = [
        row(call="a", ts=at(0), attempt=1, waited_ms=0, outcome="retry"),
        row(call="a", ts=at(7300), attempt=2, waited_ms=7_000_000, outcome="abandoned"),
        row(call="b", ts=at(7400), attempt=1, waited_ms=0, outcome="ok"),
        row(ts=at(100), delay_ms=3000),
        row(call="c"),
    ]
    found = by_hour(frame(log))
    assert found.index.equals(pd.date_range("2026-11-20 09:00", periods=3, freq="h", tz="UTC", unit="us", name="hour"))
    assert plain(found) == [
        {"attempts": 2, "failed": 2, "failure_rate": 1.0, "failure_of": 1, "calls": 1, "waited": seconds(3)},
        {"attempts": 0, "failed": 0, "failure_rate": None, "failure_of": 0, "calls": 0, "waited": seconds(0)},
        {"attempts": 2, "failed": 0, "failure_rate": 0.0, "failure_of": 1, "calls": 1, "waited": seconds(7000)},
    ]
    assert found.attrs == {"rows_without_ts": 1}


def test_an_hour_that_the_clock_shows_twice_is_two_hours() -> None:
    twice = [datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1, 1)]
    assert hours(twice, "Europe/Vienna") == ["02:00+0200 1", "02:00+0100 2"]


def test_an_hour_that_the_clock_leaves_out_is_none() -> None:
    assert hours([datetime(2026, 3, 29, 0, tzinfo=UTC), datetime(2026, 3, 29, 2, tzinfo=UTC)], "Europe/Vienna") == [
        "01:00+0100 1",
        "03:00+0200 0",
        "04:00+0200 1",
    ]


@pytest.mark.parametrize(("day", "length"), [("2026-10-25", 25), ("2026-03-29", 23), ("2026-06-01", 24)])
def test_a_day_has_as_many_hours_as_its_clocks_show(day: str, length: int) -> None:
    start = pd.Timestamp(day, tz="Europe/Vienna")
    last = start + pd.DateOffset(days=1) - pd.Timedelta(1, unit="s")
    assert len(hours([start.to_pydatetime(), last.to_pydatetime()], "Europe/Vienna")) == length


def test_hours_begin_where_those_of_the_zone_do() -> None:
    assert hours([at(0)], "Asia/Kolkata") == ["14:00+0530 1"]
    assert hours([at(0)], "Asia/Kathmandu") == ["14:00+0545 1"]


def test_hours_of_the_day_are_all_there_and_add_up_the_days() -> None:
    found = by_hour(frame([row(ts=at(0)), row(ts=at(86400)), row(ts=at(-3600))]), tz="Europe/Vienna", of_day=True)
    assert found.index.tolist() == list(range(24))
    assert found.index.name == "hour"
    assert found["attempts"].to_dict() | {9: 0, 10: 0} == dict.fromkeys(range(24), 0)
    assert found["attempts"][[9, 10]].tolist() == [1, 2]


@given(rows(), st.sampled_from(ZONES), st.booleans(), st.integers(0, 3 * 8760))
def test_hours_are_those_of_a_loop_over_the_rows(attempts: list[Row], zone: str, of_day: bool, later: int) -> None:
    attempts = [r | {"ts": r["ts"] and r["ts"] + timedelta(hours=later) + 40 * (r["ts"] - at(0))} for r in attempts]

    def hour(r: Row) -> Any:
        local = r["ts"].astimezone(ZoneInfo(zone))
        return local.hour if of_day else (r["ts"] - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond))

    firsts = [id(own[0]) for own in naive_calls(attempts).values()]
    found = by_hour(frame(attempts), tz=zone, of_day=of_day)
    assert dtypes(found) == DTYPES
    for key, answer in zip(found.index, plain(found), strict=True):
        own = [r for r in attempts if r["ts"] is not None and hour(r) == key]
        known = [r for r in own if r["outcome"] in ("ok", "retry", "failed")]
        waits = [wait for wait in map(row_wait, own) if wait is not None]
        assert answer == {
            "attempts": len(own),
            "failed": sum(map(is_failed, own)),
            "failure_rate": sum(map(is_failed, known)) / len(known) if known else None,
            "failure_of": len(known),
            "calls": sum(id(r) in firsts for r in own),
            "waited": sum(waits, timedelta()) if waits or not own else None,
        }
    timed = [r for r in attempts if r["ts"] is not None]
    assert found["attempts"].sum() == len(timed)
    assert found.attrs == {"rows_without_ts": len(attempts) - len(timed)}
    assert found.index.is_monotonic_increasing
    if not of_day and timed and zone != "Australia/Lord_Howe":  # whose summer is half an hour away: an hour of 30 minutes, or 90
        assert np.array_equal(np.diff(found.index.asi8), np.full(len(found) - 1, 3_600_000_000))


@pytest.mark.parametrize("empty", [frame([]), frame([row()]), pd.DataFrame(np.nan, index=range(2), columns=list(COLUMNS))])
def test_no_times_make_no_hours_and_a_day_of_zeros(empty: pd.DataFrame) -> None:
    assert dtypes(by_hour(empty)) == dtypes(by_hour(empty, of_day=True)) == DTYPES
    assert by_hour(empty, tz="Asia/Tokyo").index.dtype == "datetime64[us, Asia/Tokyo]"
    assert len(by_hour(empty)) == 0
    assert by_hour(empty, of_day=True)["attempts"].tolist() == [0] * 24


@pytest.mark.parametrize("zone", [ZoneInfo("Europe/Vienna"), "Europe/Vienna", pd.Timestamp(0, tz="Europe/Vienna").tz])
def test_a_zone_may_be_given_as_such(zone: str | tzinfo) -> None:
    assert by_hour(frame([row(ts=at(0))]), tz=zone).index[0].hour == 10


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("Europe/Wien", r"by_hour\(\): there is no time zone 'Europe/Wien': did you mean 'Europe/\w+'\?"),
        ("the moon, dark side", "no time zone 'the moon, dark side': give one such as"),
        (None, "tz takes the name of a time zone, such as 'UTC'; found a NoneType"),
        (2, "found a int"),
    ],
)
def test_a_zone_that_there_is_not_is_refused_with_one_that_there_is(zone: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        by_hour(frame([]), tz=zone)


def test_hours_without_end_are_refused() -> None:
    far = [row(ts=datetime(1, 1, 2, tzinfo=UTC)), row(ts=datetime(9999, 1, 1, tzinfo=UTC))]
    with pytest.raises(UsageError, match=r"the times reach from 0?0?0?1-01-02 to 9999-01-01, over more than 1,000,000 hours"):
        by_hour(frame(far))
    assert by_hour(frame(far), of_day=True)["attempts"].sum() == 2


# load_over_time


@given(
    st.lists(
        st.tuples(st.none() | st.integers(-(10**9), 10**9), st.sampled_from(["ok", "retry", "failed", "abandoned", None])), max_size=30
    ),
    st.sampled_from([(1, "1s"), (10, 10), (60, "1min"), (3600, timedelta(hours=1)), (0.5, 0.5), (7, np.int64(7))]),
)
@settings(deadline=None)
def test_every_bin_from_first_to_last_is_counted(requests: list[tuple[int | None, str | None]], every: tuple[float, Any]) -> None:
    length_s, given_length = every
    df = pd.DataFrame(
        {
            "ts": pd.to_datetime(pd.Series([ts for ts, _ in requests], dtype="Int64"), unit="us", utc=True),
            "outcome": pd.Series([outcome for _, outcome in requests], dtype=object),
        }
    )
    load = load_over_time(df.set_index(pd.Index([0] * len(df))), given_length)
    length = int(length_s * SECOND)
    places = [(ts // length, outcome) for ts, outcome in requests if ts is not None]
    bins = range(min(place for place, _ in places), max(place for place, _ in places) + 1) if places else range(0)
    assert [(ts - EPOCH) // timedelta(microseconds=1) for ts in load.index] == [place * length for place in bins]
    assert list(load["requests"]) == [sum(one == place for one, _ in places) for place in bins]
    assert list(load["failed"]) == [sum(one == place and outcome in ("retry", "failed", None) for one, outcome in places) for place in bins]
    assert load.attrs["rows_without_time"] == len(requests) - len(places)
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
def test_a_bin_that_is_no_length_of_time_is_refused(every: Any) -> None:
    with pytest.raises(UsageError, match="give a length of time"):
        load_over_time(attempts_frame([]), every)
