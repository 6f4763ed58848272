from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anthropic
import openai
import pandas as pd
import pytest

import chatkit
from chatkit.analysis.frames import COLUMNS
from chatkit.analysis.logs.capture import Capture, capture_retries
from chatkit.chattest import FakeClock, FakeProvider, Response, error_response, reply
from chatkit.retries import log
from chatkit.retries.log import AttemptRecord, write_record

KEY = "sk-secret-key-1234567890"
PROMPT = "a private prompt"
SDKS = ["openai", "anthropic"]
LOGGERS = {name: logging.getLogger(f"{name}._base_client") for name in SDKS}


def failing(status: int, ms: int = 1) -> Response:
    return error_response(status, headers={"retry-after-ms": str(ms)})


def ask(name: str, fake: FakeProvider, *, stream: bool = False, **options: Any) -> Any:
    question: dict[str, Any] = {"model": "m-1", "messages": [{"role": "user", "content": PROMPT}], "stream": stream}
    if name == "openai":
        with openai.OpenAI(api_key=KEY, base_url=fake.openai_url, **options) as client:
            answer: Any = client.chat.completions.create(**question)
            return list(answer) if stream else answer
    with anthropic.Anthropic(api_key=KEY, base_url=fake.anthropic_url, **options) as client:
        answer = client.messages.create(max_tokens=9, **question)
        return list(answer) if stream else answer


async def ask_async(name: str, fake: FakeProvider, **options: Any) -> Any:
    question: dict[str, Any] = {"model": "m-1", "messages": [{"role": "user", "content": PROMPT}]}
    if name == "openai":
        async with openai.AsyncOpenAI(api_key=KEY, base_url=fake.openai_url, **options) as client:
            return await client.chat.completions.create(**question)
    async with anthropic.AsyncAnthropic(api_key=KEY, base_url=fake.anthropic_url, **options) as client:
        return await client.messages.create(max_tokens=9, **question)


def told(frame: pd.DataFrame, *columns: str) -> list[list[Any]]:
    return frame[list(columns)].astype(object).where(frame[list(columns)].notna(), None).to_numpy().tolist()


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Every test leaves the loggers as they were: level, filters, handlers, and no listener."""
    before = [(one.level, list(one.filters), list(one.handlers), one.propagate) for one in LOGGERS.values()]
    yield
    assert [(one.level, list(one.filters), list(one.handlers), one.propagate) for one in LOGGERS.values()] == before
    assert not log._listeners


# ── the SDKs ──


@pytest.mark.parametrize("name", SDKS)
def test_the_attempts_of_an_sdk_call_share_its_id_and_are_counted(name: str) -> None:
    with FakeProvider([failing(529, 2), failing(429, 3), reply("Hello!")]) as fake, capture_retries() as capture:
        ask(name, fake)
        frame = capture.frame()
    assert {column: str(dtype) for column, dtype in frame.dtypes.items()} == dict(COLUMNS)
    assert told(frame, "provider", "operation", "attempt", "outcome", "kind", "status_code", "delay") == [
        [name, "retry", 1, "retry", "overloaded", 529, timedelta(milliseconds=2)],
        [name, "retry", 2, "retry", "rate_limit", 429, timedelta(milliseconds=3)],
        [name, "retry", 3, "ok", None, None, None],
    ]
    assert frame["call"].nunique() == 1
    assert frame["request_id"].notna().all()
    assert frame["waited"].iloc[0] == timedelta(0)
    assert (frame["waited"].iloc[1:].to_numpy() >= frame["delay"].iloc[:2].to_numpy()).all()
    assert frame["duration"].iloc[:2].notna().all()
    assert frame["ts"].is_monotonic_increasing
    assert (datetime.now(UTC) - frame["ts"].iloc[0]) < timedelta(minutes=1)


def test_of_a_call_that_is_known_not_to_stream_the_duration_and_the_model_are_known() -> None:
    with FakeProvider([reply("Hello!"), reply("Hello!")]) as fake, capture_retries() as capture:
        ask("anthropic", fake)
        ask("anthropic", fake, stream=True)
    whole, streamed = capture.frame().itertuples()
    assert (whole.outcome, whole.model, pd.isna(whole.duration)) == ("ok", "m-1", False)
    assert (streamed.outcome, streamed.model, pd.isna(streamed.duration)) == ("ok", "m-1", True)


def test_a_servers_hint_is_kept_where_the_sdk_logs_it() -> None:
    with FakeProvider([failing(529, 7), reply("Hello!")]) as fake, capture_retries() as capture:
        ask("anthropic", fake)
    assert capture.frame()["hint"].iloc[0] == timedelta(milliseconds=7)


@pytest.mark.parametrize("name", SDKS)
@pytest.mark.parametrize(("status", "tries", "kind"), [(500, 2, "server_error"), (401, 1, "auth")])
def test_a_call_that_fails_for_good_ends_as_failed(name: str, status: int, tries: int, kind: str) -> None:
    error = openai.APIStatusError if name == "openai" else anthropic.APIStatusError
    with FakeProvider([failing(status)] * tries) as fake, capture_retries() as capture, pytest.raises(error):
        ask(name, fake, max_retries=1)
    assert told(capture.frame(), "attempt", "outcome", "kind") == [
        [number + 1, "failed" if number == tries - 1 else "retry", kind] for number in range(tries)
    ]


@pytest.mark.parametrize("name", SDKS)
def test_a_connection_that_breaks_is_told_by_its_exception(name: str) -> None:
    error = openai.APIConnectionError if name == "openai" else anthropic.APIConnectionError
    with FakeProvider([reply("Hello!").reset(after=None)] * 2) as fake, capture_retries() as capture:
        with pytest.raises(error):
            ask(name, fake, max_retries=0)
        with pytest.raises(error):
            ask(name, fake, max_retries=0)
    frame = capture.frame()
    assert told(frame, "attempt", "outcome", "kind") == [[1, "failed", "network"]] * 2
    assert frame["call"].nunique() == 2
    assert frame["error"].notna().all()


@pytest.mark.parametrize("name", SDKS)
def test_threads_are_kept_apart(name: str) -> None:
    counts: dict[str, int] = {}
    lock = threading.Lock()

    def script(request: Any) -> Response:
        with lock:
            number = counts[request.text] = counts.get(request.text, 0) + 1
        return failing(503) if number < 3 else reply("Hello!")

    def call(number: int) -> None:
        question: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": f"thread {number}"}]}
        if name == "openai":
            with openai.OpenAI(api_key=KEY, base_url=fake.openai_url) as client:
                client.chat.completions.create(**question)
        else:
            with anthropic.Anthropic(api_key=KEY, base_url=fake.anthropic_url) as client:
                client.messages.create(max_tokens=9, **question)

    with FakeProvider(script) as fake, capture_retries() as capture, ThreadPoolExecutor(6) as pool:
        list(pool.map(call, range(12)))
    attempts = capture.frame().groupby("call")["attempt"].agg(list)
    assert attempts.tolist() == [[1, 2, 3]] * 12


@pytest.mark.parametrize("name", SDKS)
def test_tasks_of_one_loop_are_kept_apart(name: str) -> None:
    async def several() -> None:
        await asyncio.gather(*(ask_async(name, fake, max_retries=20) for _ in range(8)))

    with FakeProvider([failing(503)] * 16 + [reply("Hello!")] * 8) as fake, capture_retries() as capture:
        asyncio.run(several())
    frame = capture.frame()
    assert len(frame) == 24
    attempts = frame.groupby("call")["attempt"].agg(list)
    assert len(attempts) == 8
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in attempts)
    assert (frame.groupby("call")["outcome"].agg("last") == "ok").all()


@pytest.mark.parametrize("name", SDKS)
def test_a_call_after_a_wait_that_was_broken_off_is_a_call_of_its_own(name: str) -> None:
    async def broken_off() -> None:
        waits = asyncio.Event()
        handler = logging.Handler()
        handler.emit = lambda record: waits.set() if record.levelno == logging.INFO else None  # type: ignore[method-assign]
        LOGGERS[name].addHandler(handler)
        try:
            call = asyncio.create_task(ask_async(name, fake))
            await waits.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await ask_async(name, fake)
        finally:
            LOGGERS[name].removeHandler(handler)

    LOGGERS[name].setLevel(logging.INFO)
    try:
        with FakeProvider([failing(503, 60_000), reply("Hello!")]) as fake, capture_retries() as capture:
            asyncio.run(broken_off())
    finally:
        LOGGERS[name].setLevel(logging.NOTSET)
    frame = capture.frame()
    assert told(frame, "attempt", "outcome") == [[1, "retry"], [1, "ok"]]
    assert frame["call"].nunique() == 2


def records() -> tuple[logging.Handler, list[str]]:
    seen: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(record.getMessage())  # type: ignore[method-assign]
    return handler, seen


@pytest.mark.parametrize("name", SDKS)
@pytest.mark.parametrize("level", [logging.NOTSET, logging.DEBUG, logging.INFO, logging.WARNING])
def test_the_persons_handlers_and_filters_see_neither_more_nor_less(name: str, level: int) -> None:
    handler, seen = records()
    logger, filtered = LOGGERS[name], []

    def mine(record: logging.LogRecord) -> bool:
        filtered.append(record.msg)
        return True

    logger.setLevel(level)
    logger.addHandler(handler)
    logger.addFilter(mine)
    runs = []
    try:
        for captured in (False, True):
            seen.clear()
            filtered.clear()
            with FakeProvider([failing(503), reply("Hello!")]) as fake, ExitStack() as stack:
                if captured:
                    stack.enter_context(capture_retries())
                ask(name, fake)
            runs.append((len(seen), len(filtered)))
    finally:
        logger.setLevel(logging.NOTSET)
        logger.removeHandler(handler)
        logger.removeFilter(mine)
    assert runs[0] == runs[1]
    assert (runs[0][0] > 0) == (level in (logging.DEBUG, logging.INFO))


@pytest.mark.parametrize("name", SDKS)
def test_a_logger_that_dict_config_turned_off_is_heard_and_stays_off_for_everybody_else(name: str) -> None:
    handler, seen = records()
    LOGGERS[name].addHandler(handler)
    LOGGERS[name].disabled = True  # as logging.config does with every logger that its configuration doesn't name
    try:
        with FakeProvider([failing(503), reply("Hello!")]) as fake, capture_retries() as outer, capture_retries() as capture:
            ask(name, fake)
        assert (len(outer.frame()), len(capture.frame())) == (2, 2)
        assert seen == []
        assert LOGGERS[name].disabled is True
    finally:
        LOGGERS[name].disabled = False
        LOGGERS[name].removeHandler(handler)


@pytest.mark.parametrize("name", SDKS)
def test_captures_that_overlap_hear_all_and_the_last_to_go_restores_the_level(name: str) -> None:
    first, second = capture_retries(), capture_retries()
    LOGGERS[name].setLevel(logging.ERROR)
    try:
        with FakeProvider([failing(503), reply("Hello!")] * 3) as fake:
            one = first.__enter__()
            ask(name, fake)
            two = second.__enter__()
            ask(name, fake)
            first.__exit__(None, None, None)
            assert LOGGERS[name].level != logging.ERROR
            ask(name, fake)
            second.__exit__(None, None, None)
        assert LOGGERS[name].level == logging.ERROR
        assert (len(one.frame()), len(two.frame())) == (4, 4)
    finally:
        LOGGERS[name].setLevel(logging.NOTSET)


def test_captures_in_many_threads_leave_the_logger_as_it_was() -> None:
    def nested(_: int) -> None:
        for _ in range(50):
            with capture_retries(), capture_retries():
                LOGGERS["openai"].debug("nothing")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(nested, range(8)))
    assert LOGGERS["openai"].level == logging.NOTSET


@pytest.mark.parametrize("theirs", [logging.DEBUG, logging.ERROR])
def test_a_level_that_was_set_meanwhile_stays(theirs: int) -> None:
    logger = LOGGERS["openai"]
    try:
        with capture_retries():
            logger.setLevel(theirs)
        assert logger.level == theirs
    finally:
        logger.setLevel(logging.NOTSET)


def test_a_record_that_looks_odd_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with capture_retries() as capture, caplog.at_level(logging.ERROR, "chatkit"):
        for logger in LOGGERS.values():
            logger.debug({"no": "text"})
            logger.debug("Building HTTP request")
            logger.debug("HTTP Response: %s", "nothing")
            logger.debug("request_id: %s", None)
            logger.debug("Request options: %s", {"json_data": [1], "idempotency_key": 3})
            logger.debug("Encountered %s", "much", exc_info=True)
            logger.debug("HTTP Response: %s %i", "GET", 302)
            logger.info("Retrying request in the morning")
    assert caplog.records == []
    assert set(capture.frame()["outcome"]) <= {"failed"}


def test_where_only_the_retries_are_logged_they_are_rows_still() -> None:
    logger = LOGGERS["openai"]
    with capture_retries() as capture:
        logger.info("Retrying request in %f seconds (retry %i of %s)", 0.5, 1, 2)
        logger.info("Retrying request in %f seconds (retry %i of %s)", 1.5, 2, 2)
        LOGGERS["anthropic"].info("Retrying request to %s in %f seconds", "/v1/messages", 2.0)
    frame = capture.frame()
    assert told(frame, "provider", "attempt", "outcome", "delay", "waited") == [
        ["openai", 1, "retry", timedelta(seconds=0.5), None],
        ["openai", 2, "retry", timedelta(seconds=1.5), None],
        ["anthropic", None, "retry", timedelta(seconds=2), None],
    ]
    assert frame["call"].iloc[0] == frame["call"].iloc[1]
    assert pd.isna(frame["call"].iloc[2])


def test_what_older_sdks_log_is_understood() -> None:
    logger = LOGGERS["openai"]

    def options(key: str) -> dict[str, object]:
        body = {"model": "m-1", "messages": [{"role": "user", "content": PROMPT}]}
        return {"method": "post", "url": "/chat/completions", "idempotency_key": key, "json_data": body}

    with capture_retries() as capture:
        logger.debug("Request options: %s", options("first"))
        try:
            raise TimeoutError("late")
        except TimeoutError:
            logger.debug("Encountered httpx.TimeoutException", exc_info=True)
        logger.debug("%i retries left", 2)
        logger.info("Retrying request to %s in %f seconds", "/chat/completions", 0.75)
        logger.debug("Request options: %s", options("first"))
        logger.debug("Sending HTTP Request: %s %s", "POST", "http://localhost/v1/chat/completions")
        url = "http://localhost/v1/chat/completions"
        logger.debug('HTTP Response: %s %s "%i %s" %s', "POST", url, 429, "Too Many Requests", {"retry-after": "2"})
        logger.debug("Encountered httpx.HTTPStatusError", exc_info=True)
        logger.info("Retrying request to %s in %f seconds", "/chat/completions", 2.0)
        logger.debug("Request options: %s", options("second"))  # the wait was broken off, and this is another call
        logger.debug('HTTP Request: %s %s "%i %s"', "POST", url, 200, "OK")
        logger.debug("request_id: %s", "req_1")
    frame = capture.frame()
    assert told(frame, "attempt", "outcome", "kind", "delay", "hint", "model", "request_id") == [
        [1, "retry", "timeout", timedelta(seconds=0.75), None, "m-1", None],
        [2, "retry", "rate_limit", timedelta(seconds=2), timedelta(seconds=2), "m-1", None],
        [1, "ok", None, None, None, "m-1", "req_1"],
    ]
    assert frame["call"].iloc[0] == frame["call"].iloc[1] != frame["call"].iloc[2]


@pytest.mark.parametrize("name", SDKS)
def test_no_prompt_and_no_key_is_kept(name: str) -> None:
    with FakeProvider([failing(503), reply("Hello!")]) as fake, capture_retries() as capture:
        ask(name, fake)
    kept = repr(vars(capture))
    assert PROMPT not in kept
    assert KEY not in kept


# ── chatkit ──


def test_chatkits_own_attempts_come_whole_with_the_log_off(fake_clock: FakeClock) -> None:
    answers = iter([ConnectionResetError(), "done"])

    def work() -> object:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with capture_retries() as capture:
        assert chatkit.retry(work, clock=fake_clock) == "done"
    frame = capture.frame()
    assert told(frame, "operation", "attempt", "outcome", "kind", "v") == [["retry", 1, "retry", "network", 1], ["retry", 2, "ok", None, 1]]
    assert frame["call"].nunique() == 1


def test_what_happens_outside_the_block_is_not_heard() -> None:
    record = AttemptRecord(ts=datetime.now(UTC), call="c", operation="chat", attempt=1, duration_ms=0, outcome="ok")
    write_record(record)
    with capture_retries() as capture:
        write_record(record)
    write_record(record)
    assert len(capture.frame()) == 1


def test_a_block_that_raises_keeps_what_was_heard() -> None:
    record = AttemptRecord(ts=datetime.now(UTC), call="c", operation="chat", provider="acme", attempt=1, duration_ms=0, outcome="ok")
    captures: list[Capture] = []

    def block() -> None:
        with capture_retries() as capture:
            captures.append(capture)
            write_record(record)
            raise KeyError

    with pytest.raises(KeyError):
        block()
    (capture,) = captures
    assert repr(capture) == "<capture of 1 attempt (acme: 1), ended>"


def test_the_repr_says_how_many_attempts_of_whom() -> None:
    with capture_retries() as capture:
        assert repr(capture) == "<capture of 0 attempts, listening>"
        assert capture.frame().empty
        assert list(capture.frame().columns) == list(COLUMNS)
        LOGGERS["openai"].info("Retrying request in %f seconds (retry %i of %s)", 0.5, 1, 2)
        LOGGERS["openai"].info("Retrying request in %f seconds (retry %i of %s)", 0.5, 2, 2)
        LOGGERS["anthropic"].info("Retrying request to %s in %f seconds", "/v1/messages", 2.0)
        assert repr(capture) == "<capture of 3 attempts (openai: 2, anthropic: 1), listening>"


def test_a_capture_needs_no_sdk() -> None:
    program = "import sys; from chatkit.analysis import capture_retries\nwith capture_retries(): pass\nassert not {'openai', 'anthropic', 'tenacity', 'stamina'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system doesn't fork")
def test_a_child_process_captures_on_its_own_whatever_other_threads_were_doing(tmp_path: Path) -> None:
    program = """
import json, logging, os, sys, threading
from datetime import UTC, datetime
capturing, writing, end = threading.Event(), threading.Event(), threading.Event()
class SlowLogger(logging.Logger):
    def setLevel(self, level):
        if threading.current_thread().name == "capturing":
            capturing.set()
            end.wait(30)
        super().setLevel(level)
def slow_open(event, arguments):
    if event == "open" and threading.current_thread().name == "writing":
        writing.set()
        end.wait(30)
logging.setLoggerClass(SlowLogger)
sys.addaudithook(slow_open)
from chatkit.analysis import capture_retries
from chatkit.retries.log import AttemptRecord, write_record
record = AttemptRecord(ts=datetime.now(UTC), call="c", operation="chat", attempt=1, duration_ms=0, outcome="ok")
def begin_to_capture():
    with capture_retries():
        pass
with capture_retries() as capture:
    logging.getLogger("openai._base_client").setLevel(logging.ERROR)
    threads = [threading.Thread(target=begin_to_capture, name="capturing"), threading.Thread(target=write_record, args=[record], name="writing")]
    for thread, busy in zip(threads, (capturing, writing)):
        thread.start()
        assert busy.wait(30)
    child = os.fork()
    if child == 0:
        with capture_retries() as own:
            write_record(record)
        print(json.dumps([len(own.frame()), len(capture.frame())]), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    print(len(capture.frame()))
    end.set()
    for thread in threads:
        thread.join()
"""
    environment = {**os.environ, "CHATKIT_RETRY_LOG": str(tmp_path / "log.jsonl")}
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=60, env=environment, check=True
    )
    mine, parents = run.stdout.splitlines()
    assert (json.loads(mine), parents) == ([1, 1], "0")


# ── tenacity and stamina ──


def test_tenacitys_attempts_are_heard_through_its_hook() -> None:
    tenacity = pytest.importorskip("tenacity")
    with capture_retries() as capture:
        answers = iter([TimeoutError("late"), None, "done", ConnectionResetError("gone"), "done"])

        @tenacity.retry(  # type: ignore[untyped-decorator]  # tenacity need not be installed
            wait=tenacity.wait_fixed(0.002),
            retry=tenacity.retry_if_exception_type() | tenacity.retry_if_result(lambda value: value is None),
            before_sleep=capture.tenacity,
        )
        def work() -> object:
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        assert work() == work() == "done"
    frame = capture.frame()
    assert told(frame, "attempt", "outcome", "kind", "delay", "error", "waited") == [
        [1, "retry", "timeout", timedelta(milliseconds=2), "TimeoutError: late", None],
        [2, "retry", None, timedelta(milliseconds=2), "it returned what is retried", None],
        [1, "retry", "network", timedelta(milliseconds=2), "ConnectionResetError: gone", None],
    ]
    assert frame["call"].iloc[0] == frame["call"].iloc[1] != frame["call"].iloc[2]
    assert frame["duration"].notna().tolist() == [True, False, True]
    assert frame["ts"].is_monotonic_increasing


def test_staminas_attempts_are_heard_through_its_hook() -> None:
    stamina = pytest.importorskip("stamina")

    def work(answers: Iterator[object]) -> object:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    retried = stamina.retry(on=Exception, wait_initial=0.002, wait_jitter=0)(work)
    scripts = [iter([ConnectionResetError("gone"), ValueError("odd"), "done"]), iter([TimeoutError("late"), "done"])]
    before = stamina.instrumentation.get_on_retry_hooks()
    with capture_retries() as capture:
        stamina.instrumentation.set_on_retry_hooks([capture.stamina])
        try:
            assert [retried(script) for script in scripts] == ["done", "done"]
        finally:
            stamina.instrumentation.set_on_retry_hooks(before)
    frame = capture.frame()
    assert told(frame, "attempt", "outcome", "kind", "delay", "waited") == [
        [1, "retry", "network", timedelta(milliseconds=2), None],
        [2, "retry", "program", timedelta(milliseconds=4), None],
        [1, "retry", "timeout", timedelta(milliseconds=2), None],
    ]
    assert frame["call"].iloc[0] == frame["call"].iloc[1] != frame["call"].iloc[2]


def test_a_failure_of_an_sdk_within_a_retried_function_names_its_provider() -> None:
    tenacity = pytest.importorskip("tenacity")
    with FakeProvider([failing(529), reply("Hello!")]) as fake, capture_retries() as capture:
        attempts = tenacity.Retrying(wait=tenacity.wait_none(), before_sleep=capture.tenacity)
        attempts(lambda: ask("openai", fake, max_retries=0))
    frame = capture.frame()
    assert told(frame, "provider", "outcome", "kind", "status_code") == [
        ["openai", "failed", "overloaded", 529],
        ["openai", "retry", "overloaded", 529],
        ["openai", "ok", None, None],
    ]


def test_a_hook_that_is_called_after_the_block_or_with_nonsense_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with capture_retries() as capture:
        capture.tenacity(object())
        capture.stamina(None)
    assert len(caplog.records) == 2
    capture.tenacity(None)
    capture.stamina(None)
    assert len(caplog.records) == 2
    assert capture.frame().empty
    assert isinstance(capture, Capture)
