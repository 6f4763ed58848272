"""Attempts as a DataFrame: the columns and dtypes that every reader of retries relies on."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import msgspec
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chatkit.analysis
from chatkit.analysis import COLUMNS, attempts_frame
from chatkit.analysis.frames import GrowingFrame, frame_of_fields
from chatkit.errors import KINDS, UsageError
from chatkit.failures.redaction import harmless
from chatkit.retries.log import AttemptRecord

START = datetime(2026, 11, 20, 9, 0, 0, 123456, tzinfo=UTC)
FAILED = AttemptRecord(
    ts=START,
    call="c1",
    chat="chat-1",
    operation="chat",
    provider="anthropic",
    model="claude-x",
    step=1,
    attempt=1,
    duration_ms=1500,
    outcome="retry",
    delay_ms=2000,
    hint_ms=750,
    kind="overloaded",
    status_code=529,
    request_id="req_1",
    error="anthropic is overloaded",
)
WELL = AttemptRecord(ts=START + timedelta(seconds=4), call="c1", operation="chat", attempt=2, waited_ms=2003, duration_ms=40, outcome="ok")


def dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(dtype) for name, dtype in frame.dtypes.items()}


def test_every_field_of_the_log_is_a_column() -> None:
    fields = {field.name for field in msgspec.structs.fields(AttemptRecord)}
    assert {name.removesuffix("_ms") for name in fields} == set(COLUMNS)


@pytest.mark.parametrize("records", [[], [FAILED], [WELL], [FAILED, WELL]])
def test_columns_and_dtypes_are_the_contract_whatever_the_rows(records: list[AttemptRecord]) -> None:
    frame = attempts_frame(records)
    assert dtypes(frame) == dict(COLUMNS)
    assert list(frame.columns) == list(COLUMNS)
    assert len(frame) == len(records)


def test_values_come_through_in_order() -> None:
    frame = attempts_frame([FAILED, WELL])
    first, second = frame.iloc[0], frame.iloc[1]
    assert first["ts"] == pd.Timestamp(START)
    assert (first["waited"], first["duration"]) == (timedelta(0), timedelta(milliseconds=1500))
    assert (first["delay"], first["hint"]) == (timedelta(seconds=2), timedelta(milliseconds=750))
    assert (first["kind"], first["status_code"], first["error"]) == ("overloaded", 529, "anthropic is overloaded")
    assert (first["chat"], first["model"], first["step"], first["v"]) == ("chat-1", "claude-x", 1, 1)
    assert (second["outcome"], second["attempt"], second["waited"]) == ("ok", 2, timedelta(milliseconds=2003))


def test_what_is_unknown_is_missing() -> None:
    missing = attempts_frame([WELL]).isna().iloc[0]
    assert {name for name in COLUMNS if missing[name]} == {
        "chat", "provider", "model", "step", "delay", "hint", "kind", "status_code", "request_id", "error",
    }  # fmt: skip


def test_times_of_any_zone_are_told_in_utc() -> None:
    elsewhere = msgspec.structs.replace(FAILED, ts=START.astimezone(timezone(timedelta(hours=9))))
    unsaid = msgspec.structs.replace(FAILED, ts=START.replace(tzinfo=None))
    assert list(attempts_frame([elsewhere, unsaid])["ts"]) == [pd.Timestamp(START)] * 2


def test_words_are_categories_of_what_occurs() -> None:
    frame = attempts_frame([FAILED, FAILED, WELL])
    assert list(frame["outcome"].cat.categories) == ["ok", "retry"]
    assert list(frame["kind"].cat.categories) == ["overloaded"]


def test_anything_with_attempts_is_a_source() -> None:
    for source in (SimpleNamespace(attempts=[FAILED, WELL]), SimpleNamespace(attempts=(FAILED, WELL)), iter([FAILED, WELL])):
        pd.testing.assert_frame_equal(attempts_frame(source), attempts_frame([FAILED, WELL]))


def test_what_is_no_record_is_a_clear_error() -> None:
    with pytest.raises(UsageError, match="found a dict"):
        attempts_frame([FAILED, {"attempt": 2}])  # type: ignore[list-item]
    with pytest.raises(UsageError, match="found a SimpleNamespace"):
        attempts_frame(SimpleNamespace(attempts=3))  # a number of them, as a `Reply` has it


def test_fields_that_a_foreign_log_does_not_have_are_missing_throughout() -> None:
    frame = frame_of_fields({"attempt": [1, 2], "delay_ms": [500, None]})
    assert dtypes(frame) == dict(COLUMNS)
    assert list(frame["delay"]) == [timedelta(milliseconds=500), pd.NaT]
    assert frame["ts"].isna().all()
    assert dtypes(frame_of_fields({})) == dict(COLUMNS)


@pytest.mark.parametrize(("field", "value"), [("attempt", 2**31), ("status_code", -(2**15) - 1), ("delay_ms", 2**53), ("step", 10**30)])
def test_a_number_that_no_column_holds_is_a_clear_error(field: str, value: int) -> None:
    with pytest.raises(UsageError, match="no column can hold"):
        attempts_frame([WELL, msgspec.structs.replace(FAILED, **{field: value})])


def test_a_time_beyond_the_calendar_is_a_clear_error() -> None:
    early = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9)))
    with pytest.raises(UsageError, match="outside the years"):
        attempts_frame([msgspec.structs.replace(FAILED, ts=early)])


def test_halves_of_a_surrogate_pair_are_replaced_where_strings_cannot_hold_them() -> None:
    odd = msgspec.structs.replace(FAILED, error="\ud800 odd", chat="\udfff")
    frame = attempts_frame([odd, odd])
    assert list(frame["error"]) == ["\ufffd odd"] * 2
    assert list(frame["chat"]) == ["\ufffd"] * 2
    assert frame["request_id"].tolist() == ["req_1"] * 2


def test_a_frame_that_grows_is_the_same_whatever_the_pieces() -> None:
    records = [FAILED, WELL, msgspec.structs.replace(FAILED, error="other", call="c2")] * 50
    fields = {field: [getattr(record, field) for record in records] for field in AttemptRecord.__struct_fields__}
    for size in (1, 7, 150):
        frame = GrowingFrame()
        for begin in range(0, 150, size):
            frame.add({field: values[begin : begin + size] for field, values in fields.items()})
        pd.testing.assert_frame_equal(frame.take(), attempts_frame(records))


def test_the_contract_cannot_be_changed_by_accident() -> None:
    with pytest.raises(TypeError):
        COLUMNS["ts"] = "object"  # type: ignore[index]


def test_the_room_lists_its_names_and_loads_pandas_only_when_asked() -> None:
    assert {"COLUMNS", "attempts_frame"} <= set(dir(chatkit.analysis))
    with pytest.raises(AttributeError, match="no attribute 'atempts_frame'"):
        chatkit.analysis.atempts_frame  # noqa: B018  # the access is the test
    program = (
        "import sys, chatkit.analysis; assert 'pandas' not in sys.modules; chatkit.analysis.attempts_frame; assert 'pandas' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


RECORDS = st.builds(
    AttemptRecord,
    ts=st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
    call=st.text(max_size=8),
    chat=st.none() | st.text(max_size=8),
    operation=st.sampled_from(["chat", "title", "retry"]),
    provider=st.none() | st.text(max_size=8),
    model=st.none(),
    step=st.none() | st.integers(1, 1200),
    attempt=st.integers(1, 100_000),
    waited_ms=st.integers(0, 10**12),
    duration_ms=st.integers(0, 10**12),
    outcome=st.sampled_from(["ok", "retry", "failed", "abandoned"]),
    delay_ms=st.none() | st.integers(0, 10**12),
    hint_ms=st.none() | st.integers(0, 10**12),
    kind=st.none() | st.sampled_from(KINDS),
    status_code=st.none() | st.integers(100, 999),
    request_id=st.none() | st.text(max_size=8),
    error=st.none() | st.text(max_size=20),
)


@given(records=st.lists(RECORDS, max_size=6))
def test_every_record_is_told_exactly_but_for_what_would_act_in_a_terminal(records: list[AttemptRecord]) -> None:
    frame = attempts_frame(records)
    assert dtypes(frame) == dict(COLUMNS)
    for row, record in zip(frame.to_dict("records"), records, strict=True):
        for name, value in row.items():
            said = getattr(record, name, getattr(record, f"{name}_ms", None))
            if said is None:
                assert pd.isna(value)
            elif COLUMNS[str(name)].startswith("timedelta"):
                assert value == timedelta(milliseconds=said)
            else:
                assert value == (harmless(said) if isinstance(said, str) else said)
