"""Loading logs: from wherever they lie, in whatever they are packed, of whichever format they are, for the period that is asked for."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkit.analysis import COLUMNS, attempts_frame, format_names, load_retry_log, register_format
from chatkit.analysis.logs.formats import unregister_format
from chatkit.analysis.logs.load import MIN_BAR_BYTES
from chatkit.errors import Classification, UsageError
from chatkit.events import MessagePart, Retry, Status
from chatkit.parts import Text
from chatkit.retries.log import AttemptRecord, default_log_path, log_folder, write_record
from chatkit.retries.notice import RetryNotice

try:
    from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # Python 3.14 has it
except ImportError:
    from backports import zstd

START = datetime(2026, 11, 20, 9, 0, 0, 123456, tzinfo=UTC)
RECORDS = [
    AttemptRecord(
        ts=START + timedelta(minutes=number),
        call=f"c{number // 2}",
        chat="chat-1",
        operation="chat",
        provider="anthropic",
        model="claude-x",
        step=1,
        attempt=number % 2 + 1,
        duration_ms=1500,
        outcome="ok" if number % 2 else "retry",
        delay_ms=None if number % 2 else 2000,
        kind=None if number % 2 else "overloaded",
        status_code=None if number % 2 else 529,
        request_id=f"req_{number}",
        error=None if number % 2 else "anthropic is overloaded",
    )
    for number in range(6)
]
LINES = [msgspec.json.encode(record) for record in RECORDS]
LOG = b"\n".join(LINES) + b"\n"
OPENAI = "2026-11-20 09:00:00,123 - openai._base_client - INFO - Retrying request to /chat/completions in 0.5 seconds"
OTHER = "2026-11-20 09:00:00,123 - app - INFO - listening"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "retries.jsonl"
    path.write_bytes(LOG)
    return path


def report(frame: pd.DataFrame) -> dict[str, Any]:
    return dict(frame.attrs["log"])


def dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(dtype) for name, dtype in frame.dtypes.items()}


def assert_same(frame: pd.DataFrame, records: list[AttemptRecord]) -> None:
    frame = frame.copy()
    frame.attrs = {}
    pd.testing.assert_frame_equal(frame, attempts_frame(records))


# where it lies


def test_a_path_gives_the_frame_that_its_records_give(log: Path) -> None:
    for source in (log, str(log), os.fsencode(str(log)).decode()):
        frame = load_retry_log(source)
        assert_same(frame, RECORDS)
        assert dtypes(frame) == dict(COLUMNS)


def test_the_report_says_what_was_read(log: Path) -> None:
    assert report(load_retry_log(log)) == {
        "rows": 6,
        "lines": 6,
        "damaged": 0,
        "other": 0,
        "filtered": 0,
        "unfinished": 0,
        "sources": [
            {
                "source": str(log), "format": "chatkit", "lines": 6, "rows": 6, "damaged": 0, "other": 0, "filtered": 0,
                "unfinished": False, "truncated": False, "bytes": len(LOG), "why": {}, "first_damaged": [],
            }
        ],
    }  # fmt: skip


def test_the_report_is_small_and_plain(tmp_path: Path) -> None:
    for number in range(120):
        (tmp_path / f"{number:03}.log").write_bytes(LINES[0] + b"\n" + b"garbage\n" * 50)
    counts = report(load_retry_log(tmp_path))
    assert json.loads(json.dumps(counts)) == counts
    assert (len(counts["sources"]), counts["sources_not_listed"], counts["damaged"]) == (100, 20, 6000)
    assert all(len(source["first_damaged"]) == 5 for source in counts["sources"])


def test_several_paths_are_read_in_their_order_and_none_twice(tmp_path: Path) -> None:
    b, a = tmp_path / "b.jsonl", tmp_path / "a.jsonl"
    b.write_bytes(LINES[0] + b"\n")
    a.write_bytes(LINES[1] + b"\n")
    for source in ([b, str(a)], (b, a), iter([b, a, b]), [b, a, tmp_path]):
        assert_same(load_retry_log(source), RECORDS[:2])


def test_a_glob_is_read_sorted_and_reaches_into_folders(tmp_path: Path) -> None:
    for number, name in enumerate(["2026/10/a.jsonl", "2026/11/b.jsonl", "2026/11/c.txt"]):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(LINES[number] + b"\n")
    assert_same(load_retry_log(str(tmp_path / "**" / "*.jsonl")), RECORDS[:2])
    assert_same(load_retry_log(tmp_path / "2026" / "11" / "*"), RECORDS[1:3])


def test_a_path_with_brackets_is_a_path_if_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "run[1].jsonl"
    path.write_bytes(LOG)
    assert len(load_retry_log(str(path))) == 6


def test_a_folder_gives_its_logs_sorted_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "inner.log").mkdir()
    for number, name in enumerate(["a.jsonl", "b.log.gz", "c.ndjson.zst", "d.TXT"]):
        line = LINES[number] + b"\n"
        packed = {".gz": gzip.compress(line), ".zst": zstd.compress(line)}.get(Path(name).suffix, line)
        (tmp_path / name).write_bytes(packed)
    (tmp_path / "table.parquet").write_bytes(b"PAR1")
    (tmp_path / "readme.txt").write_bytes(b"Words.\n")
    frame = load_retry_log(tmp_path)
    assert_same(frame, RECORDS[:4])
    assert [Path(source["source"]).name for source in report(frame)["sources"]] == [
        "a.jsonl", "b.log.gz", "c.ndjson.zst", "d.TXT", "readme.txt",
    ]  # fmt: skip
    assert report(frame)["other"] == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("glob", ["", "*.log"])
def test_what_is_no_file_in_a_folder_is_left_out_with_a_warning(glob: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "b.log").write_bytes(LOG)
    os.mkfifo(tmp_path / "a.log")
    (tmp_path / "c.log").symlink_to("/dev/zero")
    (tmp_path / "d.log").symlink_to(tmp_path / "nowhere")
    (tmp_path / "e.log").symlink_to(tmp_path / "e.log")
    assert_same(load_retry_log(str(tmp_path / glob)), RECORDS)
    assert [message.split(":")[0].rpartition("/")[2] for message in caplog.messages] == ["a.log", "c.log", "d.log", "e.log"]
    (tmp_path / "b.log").unlink()
    with pytest.raises(FileNotFoundError, match="no "):
        load_retry_log(str(tmp_path / glob))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_the_default_log_is_never_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setenv("CHATKIT_RETRY_LOG", str(tmp_path / "pipe"))
    with pytest.raises(UsageError, match="CHATKIT_RETRY_LOG names"):
        load_retry_log()


def test_what_is_not_there_is_said_with_what_is(tmp_path: Path, log: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"did you mean retries\.jsonl\?"):
        load_retry_log(tmp_path / "retrys.jsonl")
    with pytest.raises(FileNotFoundError, match=r"holds retries\.jsonl"):
        load_retry_log(tmp_path / "x")
    with pytest.raises(FileNotFoundError, match=r"no file matches .*holds retries\.jsonl"):
        load_retry_log(str(tmp_path / "*" / "x?.log"))
    with pytest.raises(FileNotFoundError, match="is no folder that can be read"):
        load_retry_log(tmp_path / "nowhere" / "x")
    log.rename(tmp_path / "retries.parquet")
    with pytest.raises(FileNotFoundError, match=r"they end in \.jsonl, .*holds retries\.parquet"):
        load_retry_log(tmp_path)
    (tmp_path / "retries.parquet").unlink()
    with pytest.raises(FileNotFoundError, match="is empty"):
        load_retry_log(tmp_path)
    for number in range(30):
        (tmp_path / f"{number}").touch()
    with pytest.raises(FileNotFoundError, match="and 22 more"):
        load_retry_log(tmp_path)


@pytest.mark.parametrize("source", [3, 1.5, {"attempt": 1}, b"x", pd.DataFrame(), ["a", 3], [3], "line\nline", "nul\0"], ids=str)
def test_what_is_no_source_is_a_usage_error(source: object) -> None:
    with pytest.raises((UsageError, FileNotFoundError)):
        load_retry_log(source)


def test_the_text_of_a_log_is_taken_for_no_path() -> None:
    with pytest.raises(UsageError, match=r"io\.StringIO"):
        load_retry_log(LOG.decode())


# open files


class Pipe(io.RawIOBase):
    """What can be read once, and gives little at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._data.read(min(len(buffer), 7))
        buffer[: len(part)] = part
        return len(part)


class Bare:
    """The least that has `read`."""

    def __init__(self, data: bytes) -> None:
        self._parts = iter([data[:100], data[100:]])

    def read(self, _: int) -> bytes | None:
        return next(self._parts, None)


@pytest.mark.parametrize(
    "file",
    [io.BytesIO(LOG), io.StringIO(LOG.decode()), Pipe(LOG), io.BufferedReader(Pipe(LOG)), io.TextIOWrapper(Pipe(LOG), "utf-8"), Bare(LOG)],
    ids=lambda file: type(file).__name__,
)
def test_open_files_are_read_whatever_they_are(file: Any) -> None:
    assert_same(load_retry_log(file), RECORDS)


def test_an_open_file_is_read_from_where_it_stands_and_stays_open(log: Path) -> None:
    with log.open("rb") as file:
        file.readline()
        assert_same(load_retry_log(file), RECORDS[1:])
        assert not file.closed
        assert load_retry_log(file).empty
    with log.open(encoding="utf-8") as text:
        frame = load_retry_log(text)
    assert report(frame)["sources"][0]["source"] == str(log)


def test_open_files_that_cannot_be_read_say_so(log: Path, tmp_path: Path) -> None:
    with log.open("rb") as file:
        pass
    with pytest.raises(UsageError, match="closed: open it again"):
        load_retry_log(file)
    with (tmp_path / "new").open("wb") as file, pytest.raises(UsageError, match="open it for reading"):
        load_retry_log(file)
    log.write_bytes(LOG + b"\xff\xff\n")
    with log.open(encoding="utf-8") as text, pytest.raises(UsageError, match="'rb'"):
        load_retry_log(text)


def test_text_that_was_read_leniently_is_damaged_only_where_it_was() -> None:
    for odd in ("\udcff", "\ud800"):
        frame = load_retry_log(io.StringIO(LOG.decode() + LINES[0].decode().replace("chat-1", odd) + "\n"))
        assert len(frame) + report(frame)["damaged"] == 7
        assert len(frame) >= 6


def test_standard_input_is_a_source(log: Path) -> None:
    program = "import sys, chatkit.analysis as ca; print(len(ca.load_retry_log(sys.stdin)))"
    run = subprocess.run([sys.executable, "-c", program], input=LOG, capture_output=True, check=True)
    assert run.stdout.split() == [b"6"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen([sys.executable, "-c", f"open({str(pipe)!r}, 'wb').write({LOG!r})"]):
        assert_same(load_retry_log(pipe), RECORDS)


# packed


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress], ids=["gzip", "zstd"])
def test_archives_are_known_by_their_bytes_and_may_have_several_members(tmp_path: Path, pack: Any) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(pack(LOG[:300]) + pack(b"") + pack(LOG[300:]))
    assert_same(load_retry_log(path), RECORDS)
    assert_same(load_retry_log(Pipe(path.read_bytes())), RECORDS)
    assert report(load_retry_log(path))["sources"][0]["truncated"] is False


def test_frames_that_zstd_skips_and_padding_of_gzip_are_no_damage() -> None:
    skipped = b"\x5a\x2a\x4d\x18\x03\0\0\0abc"
    for packed in (
        skipped + zstd.compress(LOG[:300]) + skipped + zstd.compress(LOG[300:]) + skipped,
        gzip.compress(LOG) + b"\0" * 1000,
    ):
        frame = load_retry_log(io.BytesIO(packed))
        assert_same(frame, RECORDS)
        assert report(frame)["sources"][0]["truncated"] is False


def test_garbage_behind_an_archive_is_report() -> None:
    frame = load_retry_log(io.BytesIO(gzip.compress(LOG) + b"garbage"))
    assert_same(frame, RECORDS)
    assert report(frame)["sources"][0]["truncated"] is True


@pytest.mark.parametrize(("pack", "open_packed"), [(gzip.compress, gzip.open), (zstd.compress, zstd.open)], ids=["gzip", "zstd"])
def test_an_archive_that_somebody_opened_is_read_as_far_as_it_goes(tmp_path: Path, pack: Any, open_packed: Any) -> None:
    packed = pack(b"".join(line.replace(b"req_", f"req_{n}_".encode()) + b"\n" for n in range(3000) for line in LINES))
    path = tmp_path / "log"
    path.write_bytes(packed[:-20])
    with open_packed(path) as file:
        frame = load_retry_log(file)
    assert len(frame) > 6000
    assert report(frame)["sources"][0]["truncated"] is True


# the default log


def test_nothing_means_the_file_that_the_setting_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATKIT_RETRY_LOG", str(tmp_path / "mine.jsonl"))
    assert dtypes(load_retry_log()) == dict(COLUMNS)
    assert load_retry_log().empty
    for record in RECORDS:
        write_record(record)
    assert_same(load_retry_log(), RECORDS)


def test_nothing_means_all_months_and_processes_where_no_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHATKIT_RETRY_LOG")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    if not log_folder().is_relative_to(tmp_path):
        pytest.skip("this system finds its folder elsewhere")
    assert load_retry_log().empty
    write_record(RECORDS[0])
    assert (log_folder() / f"retries-{RECORDS[0].ts:%Y-%m}.jsonl").exists()
    # a file per process, as chatkit once wrote them
    (log_folder() / "retries-2026-12-7.jsonl.gz").write_bytes(gzip.compress(LINES[1] + b"\n"))
    (log_folder() / "other.jsonl").write_bytes(LOG)
    assert_same(load_retry_log(), RECORDS[:2])


@pytest.mark.parametrize("source", ["", " ", [""], ("", "other.jsonl")])
def test_an_empty_path_is_an_error_and_not_the_whole_folder(source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.jsonl").write_bytes(LOG)
    with pytest.raises(UsageError, match="names no file"):
        load_retry_log(source)


def test_an_empty_setting_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATKIT_RETRY_LOG", " ")
    path = default_log_path(START)
    assert path is not None
    assert path.parent == log_folder()


def test_a_log_in_the_home_of_nobody_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATKIT_RETRY_LOG", "~nobody-is-called-this/log.jsonl")
    with pytest.raises(UsageError, match="CHATKIT_RETRY_LOG"):
        load_retry_log()


def test_a_log_that_is_switched_off_is_said() -> None:
    with pytest.raises(UsageError, match="CHATKIT_RETRY_LOG=off"):
        load_retry_log()


def test_a_log_that_is_being_written_is_read_to_the_size_that_it_has(log: Path) -> None:
    before = load_retry_log(log)
    with log.open("ab") as file:
        file.write(LINES[0][:100])
        file.flush()
        while_writing = load_retry_log(log)
        file.write(LINES[0][100:] + b"\n")
    assert_same(while_writing, RECORDS)
    assert (report(before)["unfinished"], report(while_writing)["unfinished"]) == (0, 1)
    assert_same(load_retry_log(log), [*RECORDS, RECORDS[0]])


def test_no_text_of_a_log_acts_in_a_terminal(tmp_path: Path) -> None:
    acts = "\x1b]52;c;AAAA\x07\u202e\u200b\x9b31m\r\nx"
    texts = {field: f"{field}{acts}" for field in ("call", "chat", "operation", "provider", "model", "request_id", "error")}
    record = {**msgspec.to_builtins(RECORDS[0]), **texts}
    newer = {**record, "v": 99, "outcome": f"new{acts}", "kind": f"new{acts}"}
    wrapped = json.dumps({"log": json.dumps(record) + "\n", "stream": "stderr", "time": "2026-11-20T09:00:00Z"})
    event = {"type": "retry", **{field: f"{field}{acts}" for field in ("error", "detail", "kind", "provider", "chat_id")}}
    event |= {"attempt": 1, "delay_ms": 1000, "retrying_at": "2026-11-20T09:00:00Z"}
    for lines in ([record], [newer], [record, newer], [event]):
        (tmp_path / "log").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
        frame = load_retry_log(tmp_path / "log")
        assert len(frame) == len(lines)
        said = [text for column in frame for text in frame[column].dropna() if isinstance(text, str)]
        assert all(text.isprintable() for text in said)
    (tmp_path / "log").write_text(wrapped + "\n", "utf-8")
    assert load_retry_log(tmp_path / "log")["request_id"][0] == "request_id ]52;c;AAAA 31m x"


def test_an_empty_file_is_an_empty_frame(tmp_path: Path) -> None:
    for content in (b"", b"\n\n \n", b"\xef\xbb\xbf", gzip.compress(b""), b"\x1f"):
        (tmp_path / "log").write_bytes(content)
        frame = load_retry_log(tmp_path / "log")
        assert dtypes(frame) == dict(COLUMNS)
        assert frame.empty


# events

RETRY = Retry(
    chat_id="chat-9", attempt=2, delay_ms=2000, retrying_at=START + timedelta(seconds=2), error="openai is overloaded", kind="overloaded",
    provider="openai", status_code=503,
)  # fmt: skip
NOTICE = RetryNotice(
    attempt=2, error=ValueError(), delay=2.0, waited=1.0, elapsed=4.0, retrying_at=START + timedelta(seconds=2),
    classification=Classification(retryable=True, kind="overloaded", message="openai is overloaded", provider="openai", status_code=503),
)  # fmt: skip


def test_records_and_dicts_of_them_are_a_source() -> None:
    for source in (
        RECORDS,
        tuple(RECORDS),
        iter(RECORDS),
        [msgspec.structs.asdict(record) for record in RECORDS],
        [msgspec.to_builtins(record) for record in RECORDS],
        [json.loads(line) for line in LINES],
        SimpleNamespace(attempts=RECORDS),
        [SimpleNamespace(attempts=RECORDS[:2]), *RECORDS[2:]],
    ):
        assert_same(load_retry_log(source), RECORDS)


@pytest.mark.parametrize(
    "event",
    [RETRY, msgspec.to_builtins(RETRY), msgspec.structs.asdict(RETRY), NOTICE, msgspec.structs.asdict(NOTICE)],
    ids=["event", "its json", "its dict", "notice", "notice's dict"],
)
def test_a_retry_event_is_a_failed_attempt(event: Any) -> None:
    frame = load_retry_log([event])
    assert dtypes(frame) == dict(COLUMNS)
    row = frame.iloc[0]
    assert (row["ts"], row["attempt"], row["delay"], row["outcome"]) == (pd.Timestamp(START), 2, timedelta(seconds=2), "retry")
    assert (row["kind"], row["provider"], row["status_code"], row["error"]) == ("overloaded", "openai", 503, "openai is overloaded")
    assert pd.isna(row["duration"])


def test_a_wait_that_is_told_again_at_its_end_is_no_second_attempt() -> None:
    told_again = msgspec.structs.replace(RETRY, waited_ms=300)
    assert len(load_retry_log([RETRY, told_again])) == len(load_retry_log([RETRY])) == 1


def test_other_events_of_a_stream_are_counted() -> None:
    part = MessagePart(chat_id="c", role="assistant", part=Text(text="retry"), step=1, attempt=1, index=0, seq=1)
    frame = load_retry_log([Status(chat_id="c", status="running"), part, RETRY, RECORDS[0], msgspec.to_builtins(part)])
    assert (report(frame)["rows"], report(frame)["other"], report(frame)["damaged"]) == (2, 3, 0)
    assert load_retry_log([part]).empty


def test_a_dict_that_is_no_record_is_counted() -> None:
    frame = load_retry_log(
        [RECORDS[0], {"attempt": 2}, {"type": "retry"}, {"retrying_at": object()}, {**json.loads(LINES[0]), "step": 10**30}]
    )
    assert (report(frame)["rows"], report(frame)["damaged"]) == (1, 4)
    assert report(frame)["sources"][0]["first_damaged"][0] == [2, "Object missing required field `ts`"]
    with pytest.raises(UsageError, match=r"found no retry in the list: 1 of its items .*required field"):
        load_retry_log([{"attempt": 2}])


def test_events_and_paths_in_one_list_are_refused(log: Path) -> None:
    with pytest.raises(UsageError, match="give"):
        load_retry_log([log, RECORDS[0]])
    with pytest.raises(UsageError, match="give"):
        load_retry_log([RECORDS[0], log])


def test_no_events_are_an_empty_frame() -> None:
    for source in ([], iter([]), SimpleNamespace(attempts=[])):
        assert dtypes(load_retry_log(source)) == dict(COLUMNS)


# formats


def test_lines_of_other_libraries_are_found_among_the_lines_of_an_application(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("\n".join([OTHER, OPENAI, "", OTHER, OPENAI + "\r", OTHER]) + "\n", "utf-8")
    frame = load_retry_log(path)
    assert dtypes(frame) == dict(COLUMNS)
    assert frame["provider"].tolist() == ["openai", "openai"]
    assert frame["delay"].tolist() == [timedelta(seconds=0.5)] * 2
    assert frame["outcome"].isna().all()
    assert (report(frame)["lines"], report(frame)["other"], report(frame)["sources"][0]["format"]) == (5, 3, "openai")


def test_lines_of_several_libraries_in_one_file_go_each_to_its_format() -> None:
    urllib3 = "WARNING:urllib3.connectionpool:Retrying (Retry(total=2, connect=None, read=None, redirect=None, status=None)) after connection broken by 'NewConnectionError(\"x\")': /v1"
    frame = load_retry_log(io.StringIO(f"{OPENAI}\n{urllib3}\n{OPENAI}\n{OTHER}"))
    assert report(frame)["sources"][0]["format"] == "openai, urllib3"
    assert (report(frame)["rows"], report(frame)["other"], report(frame)["unfinished"]) == (3, 1, 0)


WRAPPED = [
    lambda line: json.dumps({"log": line + "\n", "stream": "stderr", "time": "2026-11-20T12:00:00.25Z"}),
    lambda line: json.dumps({"MESSAGE": line, "__REALTIME_TIMESTAMP": "1795176000250000"}),
    lambda line: f"2026-11-20T12:00:00.250000001Z stderr F {line}\r",
    lambda line: f"web-1  | {line}",
]


@pytest.mark.parametrize("wrap", WRAPPED)
def test_records_that_a_container_wrote_to_its_log_are_read(wrap: Callable[[str], str]) -> None:
    lines = [wrap(text) for text in (OTHER, *(line.decode() for line in LINES), LINES[0].decode()[:90], LINES[0].decode()[:-9])]
    for format in ("auto", "chatkit"):
        frame = load_retry_log(io.StringIO("\n".join(lines) + "\n"), format=format)
        assert_same(frame, RECORDS)
        assert report(frame)["sources"][0]["format"] == "chatkit"
        assert report(frame)["damaged"] + report(frame)["other"] == 3
        assert report(frame)["damaged"] >= 1
    naive = wrap(LINES[0].decode().replace("123456Z", "123456"))
    assert load_retry_log(io.StringIO(naive + "\n"))["ts"].tolist() == [pd.Timestamp(START)]


def test_a_long_log_of_an_application_is_searched_across_its_blocks(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    with path.open("w", encoding="utf-8") as file:
        for number in range(40_000):
            file.write((OPENAI.replace("0.5", f"{number}.0") if number % 100 == 3 else OTHER) + "\n")
    assert path.stat().st_size > 3 << 19
    frame = load_retry_log(path)
    assert (frame["delay"] // pd.Timedelta(seconds=1)).tolist() == list(range(3, 40_000, 100))
    assert report(frame)["other"] == 40_000 - 400


def test_each_file_has_its_own_format(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(OPENAI + "\n", "utf-8")
    (tmp_path / "b.jsonl").write_bytes(LOG)
    frame = load_retry_log(tmp_path)
    assert [source["format"] for source in report(frame)["sources"]] == ["openai", "chatkit"]
    assert frame["outcome"].isna().tolist() == [True] + [False] * 6


def test_a_format_that_is_named_is_the_only_one(tmp_path: Path) -> None:
    mixed = io.BytesIO(LOG + OPENAI.encode() + b"\n")
    ours = report(load_retry_log(mixed, format="chatkit"))
    assert (ours["rows"], ours["damaged"]) == (6, 1)
    mixed.seek(0)
    frame = load_retry_log(mixed, format="openai")
    assert (report(frame)["rows"], report(frame)["other"]) == (1, 6)


def test_an_unknown_format_is_a_clear_error() -> None:
    for format in ("opennai", None, 3):
        with pytest.raises(UsageError, match="openai"):
            load_retry_log(io.BytesIO(LOG), format=format)  # type: ignore[arg-type]


@pytest.mark.parametrize("format", ["auto", *format_names()])
def test_where_nothing_fits_the_error_says_what_was_tried_and_how_the_file_begins(format: str) -> None:
    secret = "sk-abcdefghijklmnop"
    with pytest.raises(UsageError) as caught:
        load_retry_log(io.StringIO(f"\n# A heading with {secret}\nand text\n" * 3), format=format)
    message = str(caught.value)
    assert "# A heading" in message
    assert "6 lines" in message
    assert "format=" in message
    assert secret not in message
    assert len(message) < 600


def test_bytes_that_are_no_text_at_all_are_shown_as_bytes() -> None:
    with pytest.raises(UsageError, match=r"first begins b'\\x01\\x02'"):
        load_retry_log(io.BytesIO(b"\x01\x02\n"))


@pytest.fixture
def mine() -> Iterator[str]:
    yield "mine"
    unregister_format("mine")


def test_a_format_of_ones_own_reads_its_lines_and_may_fail_on_some(mine: str) -> None:
    @register_format(mine)
    def parse(line: str) -> dict[str, Any] | None:
        if line == "secret":
            raise ValueError("secret")
        return {"delay_ms": int(line[6:]) * 1000, "provider": {"1": "one"}[line[6:]]} if line.startswith("again ") else None

    frame = load_retry_log(io.StringIO("again 1\nsecret\nagain 2\nhello\nagain x\nagain 1"))
    assert frame["provider"].tolist() == ["one", "one"]
    assert report(frame)["sources"][0]["why"] == {"not readable as mine": 2, "mine raised KeyError": 1}
    assert (report(frame)["other"], report(frame)["damaged"], report(frame)["sources"][0]["format"]) == (1, 3, "mine")


def test_blank_lines_are_nothing_whatever_a_format_looks_for(mine: str) -> None:
    register_format(mine, lambda line: {"attempt": 1}, marks=[" ", "\n", "zzz"])
    frame = load_retry_log(io.StringIO("a b\n   \n\nab\n a\n  "))
    assert {name: report(frame)[name] for name in ("rows", "lines", "other", "damaged")} == {
        "rows": 2,
        "lines": 3,
        "other": 1,
        "damaged": 0,
    }


def test_a_last_line_that_a_format_claims_and_cannot_read_is_unfinished(mine: str) -> None:
    @register_format(mine, marks=["again"])
    def parse(line: str) -> dict[str, Any]:
        return {"delay_ms": int(line.split()[1])}

    frame = load_retry_log(io.StringIO("again 1\nagain é"))
    assert (report(frame)["rows"], report(frame)["damaged"], report(frame)["unfinished"]) == (1, 1, 1)


def test_keys_in_foreign_words_never_reach_the_frame() -> None:
    secret = "sk-abcdefghijklmnop"
    frame = load_retry_log(io.BytesIO(LINES[0].replace(b"anthropic is overloaded", f"no {secret}".encode()) + b"\n"))
    assert frame["error"].tolist() == ["no ***"]
    record = msgspec.structs.replace(RECORDS[0], error=f"no {secret}")
    assert load_retry_log([record])["error"].tolist() == ["no ***"]


# the period


def times(frame: pd.DataFrame) -> list[int]:
    return [moment.minute for moment in frame["ts"]]


@pytest.mark.parametrize(
    ("since", "until", "minutes"),
    [
        (START + timedelta(minutes=2), START + timedelta(minutes=4), [2, 3]),
        ("2026-11-20 09:02:00.123456", "2026-11-20T09:04:00.123456Z", [2, 3]),
        (pd.Timestamp("2026-11-20 09:02:00.123456001", tz="UTC"), None, [3, 4, 5]),
        (None, pd.Timestamp("2026-11-20 09:02:00.123456001"), [0, 1, 2]),
        ("2026-11-20T18:04:00+09:00", None, [4, 5]),
        (datetime(2026, 11, 20, 9, 5), None, [5]),
        (date(2026, 11, 20), date(2026, 11, 21), [0, 1, 2, 3, 4, 5]),
        ("20 Nov 2026", "21 Nov 2026", [0, 1, 2, 3, 4, 5]),
        ("2026", "2027", [0, 1, 2, 3, 4, 5]),
        (None, "2026-11-20", []),
        ("2027-01-01", None, []),
        (None, None, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_a_period_is_half_open_and_told_in_utc(since: Any, until: Any, minutes: list[int]) -> None:
    for source in (io.BytesIO(LOG), RECORDS):
        frame = load_retry_log(source, since=since, until=until)
        assert times(frame) == minutes
        assert report(frame)["filtered"] == 6 - len(minutes)
        assert report(frame)["lines"] == 6
        assert set(frame["outcome"].cat.categories) == set(frame["outcome"])


@pytest.mark.parametrize("span", ["24h", "1 day", "1d", "1d 2h", "24H", "1d2h", "P1DT1H", "90min", timedelta(hours=24), pd.Timedelta("1h")])
def test_a_span_means_so_long_ago(span: Any) -> None:
    now = datetime.now(UTC)
    records = [msgspec.structs.replace(RECORDS[0], ts=now - ago) for ago in (timedelta(days=2), timedelta(minutes=5))]
    assert len(load_retry_log(records, since=span)) == 1
    assert len(load_retry_log(records, until=span)) == 1


def test_now_is_now_in_any_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    record = msgspec.structs.replace(RECORDS[0], ts=datetime.now(UTC) - timedelta(minutes=1))
    assert len(load_retry_log([record], until="now")) == 1
    assert load_retry_log([record], since="now").empty


def test_rows_without_a_time_are_left_out_where_a_period_is_asked_for() -> None:
    text = "Retrying request to /chat/completions in 0.5 seconds\n" + OPENAI + "\n"
    assert len(load_retry_log(io.StringIO(text))) == 2
    for period in ({"since": "1990"}, {"until": "2100"}):
        frame = load_retry_log(io.StringIO(text), **period)
        assert (len(frame), report(frame)["filtered"]) == (1, 1)


@pytest.mark.parametrize(
    "value",
    ["yesterdayish", "", "24 parsecs", 3600, 1.5, True, [], "NaT", pd.NaT, object(), float("nan")],
    ids=lambda value: value.__class__.__name__,
)
def test_a_time_that_cannot_be_read_is_a_clear_error(value: Any) -> None:
    with pytest.raises(UsageError, match="since="):
        load_retry_log(RECORDS, since=value)


def test_a_period_that_ends_before_it_begins_is_a_clear_error() -> None:
    with pytest.raises(UsageError, match="exchange them"):
        load_retry_log(RECORDS, since="2026-11-21", until="2026-11-20")


# progress


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.jsonl"
    with path.open("wb") as file:
        for _ in range(MIN_BAR_BYTES // len(LOG) + 1):
            file.write(LOG)
    return path


def test_a_bar_is_shown_for_much_and_goes_away(large: Path, log: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load_retry_log(log)
    load_retry_log(large, progress=False)
    assert capfd.readouterr().err == ""
    load_retry_log(large)
    shown = capfd.readouterr()
    assert "reading" in shown.err
    assert shown.err.endswith("\r")
    assert shown.out == ""


def test_a_bar_that_cannot_be_shown_stops_nothing(large: Path, broken_terminal: None) -> None:
    assert len(load_retry_log(large)) > 1000


def test_no_standard_error_stops_nothing(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert len(load_retry_log(large)) > 1000


class Interrupted(io.RawIOBase):
    """A person presses Ctrl-C while it is read."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        raise KeyboardInterrupt


def test_an_interrupt_ends_it_and_the_bar(large: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        load_retry_log([large, Interrupted()])
    assert capfd.readouterr().err.endswith("\r")


# what every log has in common


@given(
    records=st.lists(
        st.builds(
            AttemptRecord,
            ts=st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC)),
            call=st.text(max_size=8),
            chat=st.none() | st.text(max_size=8),
            operation=st.sampled_from(["chat", "title", "retry"]),
            attempt=st.integers(1, 2**31 - 1),
            waited_ms=st.integers(0, 2**53 - 1),
            duration_ms=st.integers(0, 10**12),
            outcome=st.sampled_from(["ok", "retry", "failed", "abandoned"]),
            delay_ms=st.none() | st.integers(0, 2**53 - 1),
            kind=st.none() | st.sampled_from(["timeout", "network"]),
            request_id=st.none() | st.text(max_size=8),
        ),
        min_size=1,
        max_size=6,
    ),
    packs=st.lists(st.sampled_from([bytes, gzip.compress, zstd.compress]), max_size=1),
)
def test_what_was_written_is_read_exactly(records: list[AttemptRecord], packs: list[Any]) -> None:
    data = b"".join(msgspec.json.encode(record) + b"\n" for record in records)
    for pack in packs:
        data = pack(data)
    assert_same(load_retry_log(io.BytesIO(data)), records)


def test_a_long_log_is_put_together_from_its_parts(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    records = []
    for number, record in zip(range(70_000), itertools.cycle(RECORDS), strict=False):
        records.append(
            msgspec.structs.replace(record, chat=f"chat-{number % 40_000}", call=f"c{number}", error=f"error {number % 300}", step=None)
        )
    path.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
    assert_same(load_retry_log(path, progress=False), records)


def test_the_frame_is_independent_of_the_storage_of_strings(log: Path) -> None:
    with pd.option_context("mode.string_storage", "python"):
        frame = load_retry_log(log)
    assert dtypes(frame) == dict(COLUMNS)
    assert frame["call"].tolist() == [record.call for record in RECORDS]
