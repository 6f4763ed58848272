from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chatkit.chattest import FakeClock
from chatkit.errors import Classification
from chatkit.retries.log import AttemptRecord, InFlight, default_log_path, listen, write_record

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
START = AttemptRecord(ts=NOON, call="c1", operation="chat", attempt=1, duration_ms=0, outcome="ok")


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "deep" / "retries.jsonl"
    monkeypatch.setenv("CHATKIT_RETRY_LOG", str(path))
    return path


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_an_attempt_is_one_line_with_the_documented_fields(log: Path) -> None:
    clock = FakeClock()
    attempt = InFlight(START, clock)
    clock.advance(1.5)
    failure = Classification(
        retryable=True, kind="overloaded", message="anthropic is overloaded", status_code=529, retry_after=3.0, detail="their words"
    )
    attempt.end("retry", failure, delay=3.0)
    (line,) = lines(log)
    assert list(line) == [
        "v",
        "ts",
        "call",
        "chat",
        "operation",
        "provider",
        "model",
        "step",
        "attempt",
        "waited_ms",
        "duration_ms",
        "outcome",
        "delay_ms",
        "hint_ms",
        "kind",
        "status_code",
        "request_id",
        "error",
    ]
    assert line["ts"] == "2026-11-20T12:00:00Z"
    assert (line["duration_ms"], line["delay_ms"], line["hint_ms"], line["outcome"]) == (1500, 3000, 3000, "retry")
    assert line["error"] == "anthropic is overloaded"
    assert "their words" not in log.read_text("utf-8")


@pytest.mark.skipif(os.name != "posix", reason="file modes are a POSIX matter")
def test_only_the_owner_can_read_it(log: Path) -> None:
    write_record(START)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_an_attempt_is_written_once(log: Path) -> None:
    attempt = InFlight(START, FakeClock())
    assert attempt.end("ok") is not None
    assert attempt.end("abandoned") is None
    assert len(lines(log)) == 1


def test_threads_write_whole_lines(log: Path) -> None:
    def write() -> None:
        for _ in range(200):
            write_record(START)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines(log)) == 1600


def test_off_writes_nothing_and_no_setting_means_a_file_a_month(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATKIT_RETRY_LOG", "off")
    assert default_log_path(NOON) is None
    monkeypatch.delenv("CHATKIT_RETRY_LOG")
    path = default_log_path(NOON)
    assert path is not None
    assert path.name == "retries-2026-11.jsonl"
    assert "chatkit" in str(path.parent)


def test_a_log_that_cannot_be_written_is_said_once_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CHATKIT_RETRY_LOG", str(tmp_path / "file" / "retries.jsonl"))
    with caplog.at_level(logging.WARNING, "chatkit"):
        write_record(START)
        write_record(START)
    assert len(caplog.records) == 1
    assert "CHATKIT_RETRY_LOG" in caplog.text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_stops_nothing(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("CHATKIT_RETRY_LOG", "/dev/full")
    with caplog.at_level(logging.WARNING, "chatkit"):
        write_record(START)
    assert "No space left" in caplog.text


pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")


@pipes
def test_a_pipe_that_nobody_reads_is_said_once_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setenv("CHATKIT_RETRY_LOG", str(pipe))
    for _ in range(2):
        write_record(START)
    (said,) = caplog.messages
    assert "nothing reads from it" in said


@pipes
def test_a_pipe_gets_the_lines_and_stops_nothing_when_it_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setenv("CHATKIT_RETRY_LOG", str(pipe))
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        for _ in range(10_000):
            write_record(START)
        assert json.loads(os.read(reader, 4096).splitlines()[0])["call"] == "c1"
    finally:
        os.close(reader)
    assert len(caplog.messages) == 1


@pytest.mark.skipif(os.name != "posix", reason="makes a loop of links")
@pytest.mark.parametrize("what", ["a folder", "a loop of links", "a link to nowhere in no folder"])
def test_what_is_no_file_is_said_once_and_stops_nothing(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "log"
    match what:
        case "a folder":
            path.mkdir()
        case "a loop of links":
            path.symlink_to(path)
        case _:
            path.symlink_to(tmp_path / "no" / "log")
    monkeypatch.setenv("CHATKIT_RETRY_LOG", str(path))
    for _ in range(2):
        write_record(START)
    assert len(caplog.messages) == 1


WRITE = """
import datetime, itertools, os, sys
from chatkit.retries.log import AttemptRecord, write_record
def write(call, length=0):
    now = datetime.datetime.now(datetime.UTC)
    write_record(AttemptRecord(ts=now, call=str(call), operation="chat", attempt=1, duration_ms=0, outcome="ok", error="x" * length))
"""


def writer(folder: Path, program: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A process that writes to the one log that all processes with this home have."""
    env = {**os.environ, "HOME": str(folder), "USERPROFILE": str(folder), "LOCALAPPDATA": str(folder), "XDG_STATE_HOME": str(folder)}
    env.pop("CHATKIT_RETRY_LOG", None)
    return subprocess.Popen([sys.executable, "-c", WRITE + program, *arguments], env=env, stdout=subprocess.PIPE)


def exit_codes(*processes: subprocess.Popen[bytes]) -> list[int]:
    codes = []
    for process in processes:
        with process:
            codes.append(process.wait(60))
    return codes


def the_log(folder: Path) -> Path:
    (log,) = folder.rglob("retries-*.jsonl")
    return log


def test_several_processes_append_whole_lines_to_one_file_a_month(tmp_path: Path) -> None:
    writers = [writer(tmp_path, "for number in range(300): write(number, number)") for _ in range(3)]
    assert exit_codes(*writers) == [0, 0, 0]
    assert sorted(str(line["call"]) for line in lines(the_log(tmp_path))) == sorted([str(number) for number in range(300)] * 3)


def test_processes_that_are_killed_tear_no_line_of_another(tmp_path: Path) -> None:
    steady = writer(tmp_path, "for number in range(3000): write('steady', number)")
    killed = 0
    while steady.poll() is None:
        with writer(tmp_path, "for number in itertools.count(): write('doomed', 5000), number or print(flush=True)") as doomed:
            assert doomed.stdout is not None
            doomed.stdout.read(1)  # it has begun to write
            doomed.kill()
        killed += 1
    assert exit_codes(steady, writer(tmp_path, "write('last')")) == [0, 0]
    whole, torn = [], 0
    for line in the_log(tmp_path).read_bytes().splitlines():
        try:
            whole.append(json.loads(line)["call"])
        except json.JSONDecodeError:
            torn += 1
    assert (whole.count("steady"), whole[-1]) == (3000, "last")
    assert torn <= killed


@pytest.mark.skipif(os.name != "posix", reason="stops a process by a POSIX signal")
def test_a_process_that_holds_the_lock_for_long_stops_no_other(log: Path) -> None:
    import fcntl

    write_record(START)
    with log.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        write_record(START)
    assert len(lines(log)) == 2


def test_a_line_that_a_killed_process_left_half_is_ended_before_the_next(log: Path) -> None:
    write_record(START)
    with log.open("ab") as file:
        file.write(b'{"v":1,"ts":"2026-')
    write_record(START)
    first, torn, last = log.read_text("utf-8").splitlines()
    assert torn == '{"v":1,"ts":"2026-'
    assert json.loads(first) == json.loads(last)


def test_a_log_that_another_program_moves_away_is_begun_anew(log: Path) -> None:
    write_record(START)
    log.rename(log.with_suffix(".1"))
    write_record(START)
    assert len(lines(log)) == len(lines(log.with_suffix(".1"))) == 1


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files by a POSIX call")
def test_a_line_that_the_disk_has_no_room_for_is_taken_back(tmp_path: Path) -> None:
    program = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
write("one")
resource.setrlimit(resource.RLIMIT_FSIZE, (400, resource.RLIM_INFINITY))
write("two")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
write("three")
"""
    assert exit_codes(writer(tmp_path, program)) == [0]
    assert [line["call"] for line in lines(the_log(tmp_path))] == ["one", "three"]


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files by a POSIX call")
def test_a_process_without_room_on_its_disk_tears_no_line_of_another(tmp_path: Path) -> None:
    short_of_room = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
for number in range(300): write("short of room", number)
"""
    others = [writer(tmp_path, "for number in range(300): write('other', number)") for _ in range(2)]
    assert exit_codes(writer(tmp_path, short_of_room), *others) == [0, 0, 0]
    assert [line["call"] for line in lines(the_log(tmp_path))].count("other") == 600


def test_an_attempt_in_flight_when_the_process_ends_is_abandoned(tmp_path: Path) -> None:
    program = """
import datetime
from chatkit.clock import SystemClock
from chatkit.retries.log import AttemptRecord, InFlight
clock = SystemClock()
InFlight(AttemptRecord(ts=clock.now(), call="c", operation="retry", attempt=3, duration_ms=0, outcome="ok"), clock)
raise SystemExit(0)
"""
    path = tmp_path / "log.jsonl"
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, "CHATKIT_RETRY_LOG": str(path)}, timeout=30)
    (line,) = lines(path)
    assert (line["outcome"], line["attempt"]) == ("abandoned", 3)


def test_a_home_that_nobody_has_stops_nothing(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("CHATKIT_RETRY_LOG", "~nobody-is-called-this/log.jsonl")
    with caplog.at_level(logging.WARNING, "chatkit"):
        write_record(START)
    assert "CHATKIT_RETRY_LOG" in caplog.text


def test_a_listener_hears_every_record_until_it_stops_also_with_the_log_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATKIT_RETRY_LOG", "off")
    heard: list[AttemptRecord] = []
    stop = listen(heard.append)
    write_record(START)
    InFlight(START, FakeClock()).end("abandoned")
    stop()
    stop()
    write_record(START)
    assert [record.outcome for record in heard] == ["ok", "abandoned"]


def test_a_callback_that_listens_twice_hears_twice_and_stops_one_at_a_time() -> None:
    heard: list[AttemptRecord] = []
    stops = [listen(heard.append), listen(heard.append)]
    for stop in stops:
        write_record(START)
        stop()
    assert len(heard) == 3


def test_a_listener_that_raises_is_logged_and_stops_neither_the_line_nor_the_others(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[AttemptRecord] = []
    stops = [listen(lambda record: record.no_such), listen(heard.append)]  # type: ignore[attr-defined]
    try:
        with caplog.at_level(logging.ERROR, "chatkit"):
            write_record(START)
    finally:
        for stop in stops:
            stop()
    assert len(lines(log)) == len(heard) == len(caplog.records) == 1
    assert "the call goes on" in caplog.text


def test_threads_begin_and_end_listening_while_others_write() -> None:
    def work() -> None:
        for _ in range(200):
            heard: list[AttemptRecord] = []
            stop = listen(heard.append)
            write_record(START)
            stop()
            counts.append(len(heard) >= 1)

    counts: list[bool] = []
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [True] * 1600
    remaining: list[AttemptRecord] = []
    stop = listen(remaining.append)
    write_record(START)
    stop()
    assert len(remaining) == 1
