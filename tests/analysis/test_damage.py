"""Damaged logs: whatever happened to the bytes, each intact line is a row, and each other line is counted."""

from __future__ import annotations

import gzip
import io
import random
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkit.analysis import attempts_frame, load_retry_log
from chatkit.analysis.logs.sources import MAX_LINE_BYTES
from chatkit.errors import KINDS, UsageError
from chatkit.retries.log import AttemptRecord

START = datetime(2026, 11, 20, 9, 0, 0, 123456, tzinfo=UTC)
LIMITS = {"v": 2**15, "status_code": 2**15, "step": 2**31, "attempt": 2**31}
"""The numbers below are those that the columns hold, of either sign."""
GOOD = msgspec.json.encode(
    AttemptRecord(ts=START, call="c1", operation="chat", provider="openai", attempt=1, duration_ms=1500, outcome="retry", delay_ms=1000)
)


def log_of(lines: int, seed: int) -> bytes:
    """A log as chatkit writes it."""
    rng = random.Random(seed)
    parts = []
    for number in range(lines):
        failed = rng.random() < 0.4
        record = AttemptRecord(
            ts=START + timedelta(seconds=number, microseconds=rng.randrange(10**6)),
            call=f"{rng.getrandbits(48):012x}",
            chat=rng.choice([None, "chat-ä", "chat-2"]),
            operation=rng.choice(["chat", "title", "retry"]),
            provider=rng.choice(["anthropic", "openai"]),
            model="m",
            step=rng.choice([None, 1, 2]),
            attempt=rng.randrange(1, 9),
            waited_ms=rng.randrange(60_000),
            duration_ms=rng.randrange(60_000),
            outcome="retry" if failed else "ok",
            delay_ms=1000 if failed else None,
            hint_ms=rng.choice([None, 750]) if failed else None,
            kind=rng.choice(KINDS) if failed else None,  # type: ignore[arg-type]
            status_code=rng.choice([None, 429, 529]) if failed else None,
            request_id=f"req_{rng.getrandbits(64):016x}",
            error="the server didn’t answer" if failed else None,
        )
        parts.append(msgspec.json.encode(record) + b"\n")
    return b"".join(parts)


def intact(data: bytes) -> tuple[list[AttemptRecord], int]:
    """The oracle: the records that lines of their own hold, and how many other lines there are."""
    decoder = msgspec.json.Decoder(AttemptRecord)
    records, damaged = [], 0
    for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        if not line.strip():
            continue
        try:
            record = decoder.decode(line)
            for name, limit in LIMITS.items():
                if not -limit <= (getattr(record, name) or 0) < limit:
                    raise ValueError(name)
            for name in ("waited_ms", "duration_ms", "delay_ms", "hint_ms"):
                if abs(getattr(record, name) or 0) >= 2**53:
                    raise ValueError(name)
        except (ValueError, RecursionError):
            damaged += 1
        else:
            records.append(record)
    return records, damaged


def damage(data: bytes, rng: random.Random) -> bytes:
    """One thing that happens to files."""
    at, other = sorted((rng.randrange(len(data)), rng.randrange(len(data))))
    near = min(at + rng.randrange(1, 2000), len(data))
    garbage = rng.choice(
        [rng.randbytes(rng.randrange(1, 400)), b"\0" * rng.randrange(1, 5000), b"\n" * rng.randrange(1, 9), b"\r\n", b"{", b'"', b"}\n{"]
    )
    match rng.randrange(8):
        case 0:
            return data[:other]  # cut off
        case 1:
            return data[:at] + data[near:]  # a hole
        case 2:
            return data[:at] + garbage + data[at:]
        case 3:
            return data[:at] + garbage + data[near:]  # written over
        case 4:
            return data[:other] + data[at:near] + data[other:]  # a piece of itself
        case 5:
            return data[other:] + data[:at]  # spliced
        case 6:
            return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]  # a flipped bit
        case _:
            return data[at:]  # the beginning is gone


@pytest.mark.parametrize("seed", range(200))
def test_every_intact_line_of_a_damaged_log_is_a_row_and_every_other_is_counted(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    data = log_of(60, seed)
    for _ in range(rng.randrange(1, 6)):
        data = damage(data, rng) or data
    records, damaged = intact(data)
    path = tmp_path / "retries.jsonl"
    path.write_bytes(data)
    if not records and damaged > (not data.endswith(b"\n")):
        with pytest.raises(UsageError, match="found no retry"):
            load_retry_log(path)
        return
    frame = load_retry_log(path)
    told = frame.attrs.pop("log")
    pd.testing.assert_frame_equal(frame, attempts_frame(records))
    assert (told["rows"], told["damaged"], told["other"]) == (len(records), damaged, 0)
    assert sum(told["sources"][0]["why"].values()) == damaged
    assert told["sources"][0]["bytes"] == len(data)


def test_most_of_the_damaged_logs_above_have_something_to_recover() -> None:
    fates = []
    for seed in range(200):
        rng = random.Random(seed)
        data = log_of(60, seed)
        for _ in range(rng.randrange(1, 6)):
            data = damage(data, rng) or data
        records, damaged = intact(data)
        fates.append((len(records) > 10, damaged > 0))
    assert sum(some for some, _ in fates) > 120
    assert sum(broken for _, broken in fates) > 150


def test_damage_across_the_blocks_of_a_long_log_is_counted(tmp_path: Path) -> None:
    rng = random.Random(7)
    data = log_of(6000, 7)
    assert len(data) > 3 << 19
    for _ in range(300):
        at = rng.randrange(len(data))
        data = data[:at] + rng.randbytes(rng.randrange(3)) + data[at + 1 :]
    records, damaged = intact(data)
    frame = load_retry_log(io.BytesIO(data))
    assert frame.attrs["log"]["damaged"] == damaged > 200
    pd.testing.assert_frame_equal(frame, attempts_frame(records), check_flags=False)


def load(*lines: bytes, end: bytes = b"\n", **options: Any) -> pd.DataFrame:
    return load_retry_log(io.BytesIO(b"\n".join(lines) + end), **options)


def source_of(frame: pd.DataFrame) -> dict[str, Any]:
    (source,) = frame.attrs["log"]["sources"]
    return dict(source)


def test_a_torn_last_line_is_counted_and_marked() -> None:
    frame = load(GOOD, GOOD[:80], end=b"")
    assert len(frame) == 1
    assert (frame.attrs["log"]["damaged"], frame.attrs["log"]["unfinished"]) == (1, 1)
    assert source_of(frame)["unfinished"] is True
    assert source_of(frame)["first_damaged"] == [[2, "cut off"]]


def test_a_last_line_without_its_newline_is_a_row_if_it_is_whole() -> None:
    frame = load(GOOD, GOOD, end=b"")
    assert len(frame) == 2
    assert frame.attrs["log"]["unfinished"] == 0


def test_a_line_alone_and_unfinished_is_a_log_that_was_just_begun() -> None:
    for text in (GOOD[:50], b"2026-11-20 INF", b"{"):
        frame = load(text, end=b"")
        assert frame.empty
        assert (frame.attrs["log"]["damaged"], frame.attrs["log"]["unfinished"]) == (1, 1)


def test_two_records_on_a_line_and_a_record_on_two_lines_are_damaged_together() -> None:
    frame = load(GOOD, GOOD + GOOD, GOOD[:40], GOOD[40:], GOOD)
    assert (len(frame), frame.attrs["log"]["damaged"]) == (2, 3)


def test_a_record_that_is_broken_where_json_takes_a_newline_is_not_put_together() -> None:
    spaced = GOOD.replace(b',"call"', b', "call"')
    frame = load(GOOD, *spaced.split(b" "), GOOD + b" " + GOOD)
    assert (len(frame), frame.attrs["log"]["damaged"]) == (1, 3)


def test_reasons_and_line_numbers_of_damage_are_told_without_a_word_of_the_line() -> None:
    secret = b"sk-abcdefghijklmnop"
    frame = load(
        GOOD, b"", GOOD[:-20], GOOD.replace(b'"retry"', b'"%s"' % secret), GOOD.replace(b'"attempt":1', b'"%s":1' % secret), b"  ",
        GOOD.replace(b"c1", b"\xff"), GOOD + secret, secret, b"[" * 200_000, b'{"a":' * 200_000, GOOD.replace(b":1500", b':"%s"' % secret),
    )  # fmt: skip
    source = source_of(frame)
    assert source["lines"] == 10
    assert source["damaged"] == 9
    assert source["first_damaged"] == [
        [3, "cut off"],
        [4, "an unknown word in `outcome`"],
        [5, "Object missing required field `attempt`"],
        [7, "not UTF-8"],
        [8, "more than one value on the line"],
    ]
    assert source["why"]["nested too deeply"] == 1
    assert secret.decode() not in str(frame.attrs)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("attempt", 10**30),
        ("attempt", 2**31),
        ("step", -(2**31) - 1),
        ("delay_ms", 2**70),
        ("duration_ms", 2**53),
        ("status_code", 2**15),
        ("v", 2**15),
    ],
)
def test_a_number_that_no_column_holds_is_damage(field: str, value: int) -> None:
    line = msgspec.json.encode(msgspec.json.decode(GOOD) | {field: value})
    frame = load(GOOD, line, GOOD)
    assert (len(frame), frame.attrs["log"]["damaged"]) == (2, 1)
    assert f"`$.{field}`" in source_of(frame)["first_damaged"][0][1]


@pytest.mark.parametrize(
    ("field", "value"), [("attempt", 2**31 - 1), ("delay_ms", 2**53 - 1), ("status_code", -(2**15)), ("hint_ms", -(2**53) + 1)]
)
def test_the_largest_numbers_are_told_exactly(field: str, value: int) -> None:
    line = msgspec.json.encode(msgspec.json.decode(GOOD) | {field: value})
    frame = load(GOOD, line)
    column = field.removesuffix("_ms")
    said = int(frame[column].iloc[1:].astype("int64").iloc[0])
    assert said == (value * 1000 if field.endswith("_ms") else value)


def test_times_at_the_ends_of_the_calendar_are_rows_and_beyond_them_damage() -> None:
    said = [
        b"0001-01-01T00:00:00Z",
        b"9999-12-31T23:59:59.999999Z",
        b"0001-01-01T00:00:00+14:00",
        b"9999-12-31T23:59:59-14:00",
        b"10000-01-01T00:00:00Z",
    ]
    frame = load(*(GOOD.replace(b"2026-11-20T09:00:00.123456Z", ts) for ts in said))
    assert frame["ts"].dt.year.tolist() == [1, 9999]
    assert source_of(frame)["why"] == {"Invalid RFC3339 encoded datetime - at `$.ts`": 3}


def test_times_of_any_zone_are_told_in_utc_and_those_of_none_are_utc() -> None:
    said = [b"2026-11-20T18:00:00.123456+09:00", b"2026-11-20T09:00:00.123456"]
    frame = load(GOOD, *(GOOD.replace(b"2026-11-20T09:00:00.123456Z", ts) for ts in said))
    assert frame["ts"].tolist() == [pd.Timestamp(START)] * 3


def test_windows_line_ends_blank_lines_and_a_byte_order_mark_are_no_damage() -> None:
    frame = load(b"\xef\xbb\xbf" + GOOD + b"\r", b"", b" \t\r", GOOD)
    assert (len(frame), frame.attrs["log"]["lines"], frame.attrs["log"]["damaged"]) == (2, 2, 0)


def test_what_a_shell_wrote_as_utf_16_is_read() -> None:
    for codec in ("utf-16-le", "utf-16-be"):
        data = "\ufeff".encode(codec) + (GOOD.decode() + "\r\n").encode(codec) * 3
        assert len(load_retry_log(io.BytesIO(data))) == 3


def test_garbage_that_begins_like_a_byte_order_mark_damages_one_line() -> None:
    frame = load(b"\xff\xfe" + GOOD, GOOD, GOOD)
    assert (len(frame), frame.attrs["log"]["damaged"]) == (2, 1)


def test_a_newer_log_may_know_more_fields_and_more_words() -> None:
    newer = (
        GOOD.replace(b'"v":1', b'"v":2,"tokens":{"in":3}').replace(b'"retry"', b'"postponed"').replace(b'"kind":null', b'"kind":"gremlins"')
    )
    frame = load(GOOD, newer, newer.replace(b'"v":2', b'"v":1'))
    assert frame["outcome"].tolist() == ["retry", "postponed"]
    assert frame["kind"].tolist()[1] == "gremlins"
    assert frame["v"].tolist() == [1, 2]
    assert frame.attrs["log"]["damaged"] == 1


def test_an_older_log_may_know_fewer_fields() -> None:
    line = b'{"ts":"2026-11-20T09:00:00Z","call":"c","operation":"chat","attempt":1,"duration_ms":3,"outcome":"ok"}'
    frame = load(line)
    assert frame["provider"].isna().all()
    assert frame["waited"].tolist() == [timedelta(0)]


def test_a_line_that_is_far_too_long_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with path.open("wb") as file:
        file.write(GOOD + b"\n")
        for _ in range(20):
            file.write(b"x" * (1 << 20))
        file.write(b"\n" + GOOD + b"\n")
        file.write(GOOD[:-1] + b" " * MAX_LINE_BYTES + b"}")
    frame = load_retry_log(path, progress=False)
    assert len(frame) == 2
    assert source_of(frame)["first_damaged"] == [[2, "longer than 16 MiB"], [4, "longer than 16 MiB"]]
    assert source_of(frame)["unfinished"] is True


@pytest.mark.timeout(30)
def test_a_hundred_million_blank_lines_in_a_small_archive_cost_seconds() -> None:
    blank = gzip.compress(b"\n" * (1 << 20))
    packed = blank * 60 + gzip.compress(GOOD + b"\n" * (1 << 20) + GOOD + b"\n") + gzip.compress(b"\r\n" * (1 << 20)) * 40
    frame = load_retry_log(io.BytesIO(packed))
    assert (len(frame), frame.attrs["log"]["lines"]) == (2, 2)
    torn = load_retry_log(io.BytesIO(blank * 3 + gzip.compress(GOOD + b"\n" + GOOD[:-1])))
    assert source_of(torn)["first_damaged"] == [[3 * (1 << 20) + 2, "cut off"]]


@pytest.mark.parametrize("block", [b"\0" * (1 << 20), b"x" * (1 << 20), b"{" * (1 << 20), b"\n" * (1 << 20)])
def test_what_an_archive_unpacks_to_never_fills_the_memory(block: bytes) -> None:
    packed = gzip.compress(GOOD + b"\n") + gzip.compress(block) * 200 + gzip.compress(b"\n" + GOOD + b"\n")
    tracemalloc.start()
    try:
        frame = load_retry_log(io.BytesIO(packed))
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()
    assert len(frame) == 2


SAMPLES = [path.read_bytes() for path in sorted((Path(__file__).parent / "retry_logs").glob("*")) if path.suffix != ".md"]
HOSTILE = [
    b"\x1b]52;c;x\x07", b"\\ud800", b"\\u0000", b"\xed\xa0\x80", "\u202e".encode(), b'{"a":' * 3000, b"[" * 3000, b"(" * 3000,
    b"9" * 5000, b"1e400", b"NaN", b"-", b"=", b"'", b'"', b"\\", b"99999-01-01",
]  # fmt: skip


def garbled(data: bytes, rng: random.Random) -> bytes:
    """One thing that people and programs do to a log: lines doubled, joined or forged, other encodings, other ends of lines."""
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    text = data.decode("utf-8", "replace")
    match rng.randrange(6):
        case 0:
            lines[at:at] = [lines[at]] * 3
        case 1:
            lines[at : at + 2] = [b"".join(lines[at : at + 2])]
        case 2 | 3:
            inside = rng.randrange(len(lines[at]) + 1)
            lines[at] = lines[at][:inside] + rng.choice(HOSTILE) + lines[at][inside:]
        case 4:
            return text.encode(rng.choice(["utf-16", "utf-16-le", "utf-32", "latin-1", "cp037"]), "replace")
        case _:
            return data.replace(b"\n", rng.choice([b"\r\n", b"\r", b"\0", b"\n\n"]))
    return b"\n".join(lines)


@pytest.mark.parametrize("seed", range(200))
def test_a_damaged_log_of_any_library_is_a_frame_that_adds_up_or_a_usage_error(seed: int) -> None:
    rng = random.Random(seed)
    data = rng.choice([*SAMPLES, log_of(30, seed)])
    for _ in range(rng.randrange(1, 6)):
        data = rng.choice([damage, garbled])(data or b"x", rng)[: 1 << 20]
    if rng.random() < 0.2:
        data = damage(gzip.compress(data), rng)
    try:
        frame = load_retry_log(io.BytesIO(data))
    except UsageError:
        return
    told = frame.attrs["log"]
    assert told["rows"] == len(frame)
    assert told["lines"] == told["rows"] + told["damaged"] + told["other"]


RETRYING = b"2026-11-20 09:00:00,123 INFO openai._base_client: Retrying request to /chat/completions in 0.5 seconds"


def test_a_log_whose_first_lines_are_lost_is_still_a_log_of_chatkit() -> None:
    frame = load(*[b"garbage"] * 7, RETRYING, GOOD, b"more")
    source = source_of(frame)
    assert (source["rows"], source["damaged"], source["other"], source["format"]) == (2, 8, 0, "openai, chatkit")
    assert source["first_damaged"] == [[number, "not JSON"] for number in range(1, 6)]
    assert source["why"] == {"not JSON": 8}


def test_lines_of_other_libraries_in_a_log_of_chatkit_are_rows_in_their_order() -> None:
    later = GOOD.replace(b'"openai"', b'"anthropic"')
    torn = RETRYING.removesuffix(b" 0.5 seconds")
    frame = load(RETRYING, GOOD, b"", torn, b"started", RETRYING, later, RETRYING, GOOD[:70], end=b"")
    source = source_of(frame)
    assert (source["rows"], source["damaged"], source["other"], source["lines"]) == (5, 3, 0, 8)
    assert frame["outcome"].isna().tolist() == [True, False, True, False, True]
    assert frame["provider"].tolist() == ["openai", "openai", "openai", "anthropic", "openai"]
    assert [number for number, _ in source["first_damaged"]] == [4, 5, 9]
    assert source["unfinished"] is True
    assert len(load(RETRYING, GOOD, later, format="chatkit")) == 2


def test_a_first_record_after_many_blocks_makes_damage_of_what_no_format_read() -> None:
    torn = RETRYING.removesuffix(b" 0.5 seconds")
    filler = [RETRYING, b"", b"x" * 90, torn] * 9000
    frame = load(*filler, GOOD, end=b"\n")
    source = source_of(frame)
    assert (source["rows"], source["damaged"], source["other"], source["lines"]) == (9001, 18_000, 0, 27_001)
    assert [number for number, _ in source["first_damaged"]] == [3, 4, 7, 8, 11]
    assert sum(source["why"].values()) == 18_000
    assert frame["duration"].notna().tolist() == [False] * 9000 + [True]


def test_a_field_that_a_splice_tells_twice_counts_as_it_is_told_last() -> None:
    twice = GOOD.replace(b'"status_code":null', b'"status_code":52931840,"status_code":529')
    assert msgspec.json.decode(twice, type=AttemptRecord).status_code == 529
    frame = load(GOOD, twice, twice.replace(b":529,", b":529310,"))
    assert (frame["status_code"].tolist(), frame.attrs["log"]["damaged"]) == ([pd.NA, 529], 1)


def test_an_archive_that_breaks_off_gives_what_is_there(tmp_path: Path) -> None:
    data = log_of(3000, 3)
    packed = gzip.compress(data)
    path = tmp_path / "log.jsonl.gz"
    path.write_bytes(packed[: len(packed) // 2])
    frame = load_retry_log(path)
    records, _ = intact(data)
    source = source_of(frame)
    assert 1000 < len(frame) < 2000
    assert (source["truncated"], source["unfinished"], source["damaged"]) == (True, True, 1)
    pd.testing.assert_frame_equal(frame, attempts_frame(records[: len(frame)]), check_flags=False)


def test_an_archive_with_a_flipped_bit_gives_what_came_before(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(log_of(3000, 4)))
    packed[len(packed) // 2] ^= 255
    frame = load_retry_log(io.BytesIO(packed))
    assert len(frame) > 1000
    assert source_of(frame)["truncated"] is True


@given(data=st.binary(max_size=300), seed=st.integers(0, 10**6))
def test_any_bytes_within_a_log_leave_its_other_lines_whole(data: bytes, seed: int) -> None:
    log = GOOD + b"\n" + data + b"\n" + GOOD + b"\n"
    records, damaged = intact(log)
    frame = load_retry_log(io.BytesIO(log))
    assert (len(frame), frame.attrs["log"]["damaged"]) == (len(records), damaged)


@given(data=st.binary(max_size=300))
def test_any_bytes_alone_are_a_clear_error_once_a_line_is_complete_and_else_an_empty_frame(data: bytes) -> None:
    if b"\n" in data:
        with pytest.raises(UsageError, match="found no retry"):
            load_retry_log(io.BytesIO(b"x" + data))
    else:
        assert load_retry_log(io.BytesIO(b"x" + data)).empty


@given(data=st.binary(max_size=200), piece=st.sampled_from([b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18"]))
def test_bytes_that_begin_like_an_archive_are_no_exception_of_its_library(data: bytes, piece: bytes) -> None:
    frame = load_retry_log([io.BytesIO(GOOD + b"\n"), io.BytesIO(piece + data)])
    assert len(frame) == 1
    assert len(frame.attrs["log"]["sources"]) == 2
