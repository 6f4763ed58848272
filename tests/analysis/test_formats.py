from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkit.analysis.logs.failure_texts import failure_of_text
from chatkit.analysis.logs.formats import checked, format_names, line_formats, register_format, unregister_format
from chatkit.analysis.logs.load import load_retry_log
from chatkit.analysis.logs.log_lines import first_moment, key_values, moments_in, read_log_line
from chatkit.errors import UsageError
from chatkit.events import Retry, encode_event
from chatkit.retries.log import AttemptRecord

FOLDER = Path(__file__).parent / "retry_logs"
SAMPLES = {path.stem: path.read_text("utf-8").splitlines() for path in sorted(FOLDER.glob("*")) if path.suffix != ".md"}
NOON = datetime(2026, 11, 20, 12, 0, 0, 250_000, UTC)
MESSAGE = "Retrying request in 0.465733 seconds (retry 1 of 2)"


def read(line: str, name: str | None = None) -> list[tuple[str, dict[str, Any]]]:
    """What each format makes of a line, without those that make nothing of it."""
    found = [(one.name, one.parse(line)) for one in line_formats(name)]
    return [(name, dict(fields)) for name, fields in found if fields is not None]


def fields_of(line: str, name: str) -> dict[str, Any]:
    ((_, fields),) = read(line, name)
    return fields


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not hasattr(time, "tzset"):
        pytest.skip("this system has no tzset")
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


# ── samples ──


def is_retry(name: str, line: str) -> bool:
    """Whether a line of a sample tells a retry, by what the libraries' sources say that they write."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", line)
    return {
        "openai": "Retrying request in" in plain,
        "anthropic": "Retrying request to" in plain,
        "tenacity": "Retrying " in plain,
        "stamina": "stamina.retry_scheduled" in plain,
        "urllib3": "Retrying (Retry(" in plain or re.search(r"\bRetry: /v1", plain) is not None,
        "botocore": "Retry needed" in plain,
        "sse": plain.startswith("data: ") and json.loads(plain[6:] if plain[6:] != "[DONE]" else "{}").get("type") == "retry",
        "service": "retrying LLM stream" in plain and "failed" not in plain,
    }[name]


@pytest.mark.parametrize("name", SAMPLES)
def test_every_retry_of_a_sample_is_read_by_its_own_format_and_no_other_line(name: str) -> None:
    lines = SAMPLES[name]
    assert sum(is_retry(name, line) for line in lines) >= 4
    for line in lines:
        assert [who for who, _ in read(line)] == ([name] if is_retry(name, line) else []), line


@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "sse"])
def test_a_line_of_a_sample_says_the_same_within_the_log_of_a_container(name: str) -> None:
    for line in SAMPLES[name]:
        packed = json.dumps({"log": line + "\n", "stream": "stderr", "time": "2026-11-20T12:00:00.250000001Z"})
        ((_, fields),) = read(packed) or [("", {"ts": NOON})]
        assert fields["ts"] is not None
        assert {**fields, "ts": None} == {**dict(read(line)).get(name, {}), "ts": None}, line


@pytest.mark.parametrize("prefix", ["2026-11-20T12:00:00.250000001Z stderr F ", "web-1  | ", "[pod/app-7d9c/app] "])
def test_what_a_collector_puts_before_a_line_is_no_part_of_it(prefix: str) -> None:
    for line in [f"level=warning event={json.dumps(TENACITY)} logger=app", *SAMPLES["stamina"]]:
        ((_, fields),) = read(prefix + line)
        assert {**fields, "ts": None} == {**read(line)[0][1], "ts": None}, line


def test_there_is_a_sample_of_every_format() -> None:
    assert ["chatkit", *sorted(SAMPLES)] == sorted(format_names(), key=lambda name: (name != "chatkit", name))


@pytest.mark.parametrize(
    ("name", "field", "values"),
    [
        ("openai", "delay_ms", {15, 250}),
        ("openai", "attempt", {1, 2}),
        ("openai", "provider", {"openai"}),
        ("anthropic", "delay_ms", {15, 250}),
        ("anthropic", "attempt", {None}),
        ("anthropic", "provider", {"anthropic"}),
        ("tenacity", "delay_ms", {10, 30, 90}),
        ("tenacity", "kind", {"network", "timeout", None}),
        (
            "tenacity",
            "error",
            {"ConnectionResetError: [Errno 104] Connection reset by peer", "TimeoutError", "it returned what is retried"},
        ),
        ("stamina", "delay_ms", {20, 40, None}),
        ("stamina", "attempt", {1, 2, None}),
        ("stamina", "error", {"ConnectionResetError: 104, 'Connection reset by peer'", "ValueError: no \"number\" in 'it'", None}),
        ("urllib3", "kind", {"network", "timeout", None}),
        ("urllib3", "delay_ms", {None}),
        ("sse", "delay_ms", {1000, 2000}),
        ("sse", "outcome", {"retry"}),
        ("sse", "kind", {"overloaded", "network", "rate_limit"}),
        ("sse", "status_code", {529, 429, None}),
        ("sse", "ts", {NOON, NOON + timedelta(seconds=2)}),
        ("service", "delay_ms", {1000, 1500, 64_000, 500, 3_720_000, 8000}),
        ("service", "kind", {"overloaded", "network", "timeout", "rate_limit", "server_error"}),
        ("service", "chat", {"5a6b", None}),
    ],
)
def test_a_sample_says_what_it_says(name: str, field: str, values: set[object]) -> None:
    rows = [fields for line in SAMPLES[name] for _, fields in read(line, name)]
    assert {row.get(field) for row in rows} == values


def test_a_sample_of_stamina_that_shows_its_fields_loses_none() -> None:
    rows = [fields for line in SAMPLES["stamina"] for _, fields in read(line)]
    assert [row["attempt"] for row in rows if "attempt" in row] == [1, 2] * 5


def test_waits_of_botocore_are_counted_once_in_each_mode() -> None:
    rows = [fields for line in SAMPLES["botocore"] for _, fields in read(line)]
    assert len(rows) == 3 * 8 * 2
    assert {row["delay_ms"] for row in rows[:16]} == {50, 100}


@pytest.mark.parametrize("name", ["openai", "anthropic", "tenacity", "stamina", "urllib3", "botocore"])
def test_a_layout_with_a_time_gives_the_time(name: str) -> None:
    dated = [line for line in SAMPLES[name] if is_retry(name, line) and "2026-" in line]
    assert dated
    assert all(fields_of(line, name)["ts"] is not None for line in dated)


# ── layouts ──

LAYOUTS = [
    ("{}", None),
    ("INFO:openai._base_client:{}", None),
    ("2026-11-20 13:00:00,250 - openai._base_client - INFO - {}", NOON),
    ("2026-11-20T12:00:00.250Z INFO openai._base_client {}", NOON),
    ("2026-11-20T14:00:00.250+02:00 [INFO] {}", NOON),
    ("[2026-11-20 13:00:00] [INFO] {}", NOON.replace(microsecond=0)),
    ("[11/20/26 13:00:00] INFO     {}      _base_client.py:1272", NOON.replace(microsecond=0)),
    ("2026-11-20 13:00:00.250 | INFO     | openai._base_client:_sleep_for_retry:1272 - {}", NOON),
    ("2026-11-20T12:00:00.250123456Z stderr F INFO:openai._base_client:{}", NOON.replace(microsecond=250_123)),
    ('{{"message": "{}", "name": "openai._base_client", "asctime": "2026-11-20 13:00:00,250"}}', NOON),
    ('{{"event": "{}", "logger": "openai._base_client", "timestamp": "2026-11-20T12:00:00.250000Z", "level": "info"}}', NOON),
    ('{{"msg": "{}", "ts": 1795176000.25}}', NOON),
    ('{{"msg": "{}", "time": 1795176000250}}', NOON),
    ('INFO:app:{{"event": "{}", "timestamp": "2026-11-20T12:00:00.250Z"}}', NOON),
    ('{{"log": "INFO:openai._base_client:{}\\n", "stream": "stderr", "time": "2026-11-20T12:00:00.250Z"}}', NOON),
    ("time=2026-11-20T12:00:00.250Z level=INFO msg='{}' logger=openai._base_client", NOON),
    ("\x1b[2m2026-11-20T12:00:00.250Z\x1b[0m [\x1b[32minfo\x1b[0m] \x1b[1m{}\x1b[0m [\x1b[34mopenai._base_client\x1b[0m]", NOON),
    ("Nov 20 13:00:00 host app[17]: whatever {}", None),
]


@pytest.mark.parametrize(("layout", "ts"), LAYOUTS)
def test_a_message_is_found_in_any_layout(layout: str, ts: datetime | None, berlin: None) -> None:
    expected = {"ts": ts, "operation": "retry", "provider": "openai", "delay_ms": 466, "attempt": 1}
    assert read(layout.format(MESSAGE)) == [("openai", expected)]


TENACITY = 'Retrying app.ask in 2 seconds as it raised ValueError: no "luck".'
WRAPPED = [
    {"textPayload": TENACITY, "timestamp": "2026-11-20T12:00:00.250Z", "insertId": "x"},
    {"jsonPayload": {"message": TENACITY, "logger": "app"}, "timestamp": "2026-11-20T12:00:00.250Z"},
    {"MESSAGE": TENACITY, "__REALTIME_TIMESTAMP": "1795176000250000", "_PID": "7"},
    {"labels": {"app": "x"}, "line": TENACITY, "timestamp": "2026-11-20T12:00:00.250Z"},
    {
        "text": f"2026-11-20 13:00:00.250 | WARNING  | app:ask:7 - {TENACITY}\n",
        "record": {"message": TENACITY, "name": "app", "time": {"repr": "2026-11-20 13:00:00.250000+01:00", "timestamp": 1795176000.25}},
    },
    {"log": json.dumps({"message": TENACITY, "asctime": "2026-11-20 13:00:00,250"}) + "\n", "time": "2026-11-20T12:00:00.25Z"},
    {"log": f"\x1b[33m2026-11-20 13:00:00,250\x1b[0m \x1b[1m{TENACITY}\x1b[0m\n", "stream": "stderr", "time": "2026-11-20T12:00:00.25Z"},
    {"log": f"timestamp=2026-11-20T12:00:00.25Z level=warning event={json.dumps(TENACITY)} logger=app\n", "stream": "stderr"},
    {"event": "llm.retry", "message": TENACITY, "ts": "1795176000.250"},
]
"""As Cloud Logging, journalctl, Loki, loguru and Docker (of JSON, of colours, of logfmt) write it, and with an event beside the message."""


@pytest.mark.parametrize("line", WRAPPED)
def test_a_message_within_json_is_found_with_its_time_and_without_what_stands_beside_it(line: dict[str, Any], berlin: None) -> None:
    expected = {"ts": NOON, "operation": "retry", "delay_ms": 2000, "kind": "program", "error": 'ValueError: no "luck"'}
    assert read(json.dumps(line)) == [("tenacity", expected)]


@pytest.mark.parametrize(
    "where",
    [
        {"logger": "groq._base_client"},
        {"logger": {"name": "groq._base_client"}},
        {"log.logger": "groq._base_client"},
        {"log": {"logger": "groq._base_client", "level": "info"}},
    ],
)
def test_a_logger_is_found_where_elastic_and_datadog_put_it(where: dict[str, Any]) -> None:
    assert fields_of(json.dumps({"message": MESSAGE, "date": 1795176000.25, **where}), "openai") == {
        "ts": NOON, "operation": "retry", "provider": "groq", "delay_ms": 466, "attempt": 1,
    }  # fmt: skip


@pytest.mark.parametrize("line", ['{"a": {"b": {"c": {"message": "stamina.retry_scheduled"}}}}', '{"content": "stamina.retry_scheduled"}'])
def test_json_that_is_whole_is_not_damaged_because_its_message_is_elsewhere(line: str) -> None:
    assert read(line) == [("stamina", {"ts": None, "operation": "retry"})]


@pytest.mark.parametrize("behind", ["       app.py:17", " (app.py:17)", '"', '",', '"}', "\r 10%|# | 1/9", " [app.llm]"])
def test_what_consoles_put_behind_a_message_is_no_part_of_the_error(behind: str) -> None:
    line = "[11/20/26 13:00:00] WARNING  Retrying app.ask in 2 seconds as it raised ValueError: no luck." + behind
    assert fields_of(line, "tenacity")["error"] == "ValueError: no luck"


@pytest.mark.parametrize("said", ["", " ValueError: no"])
def test_a_message_that_rich_broke_tells_what_stands_on_its_first_line(said: str) -> None:
    line = f"[11/20/26 13:00:00] WARNING  Retrying app.ask in 2 seconds as it raised{said}  before_sleep.py:65"
    assert fields_of(line, "tenacity").get("error", "") == said.strip()


def test_an_error_keeps_its_own_quotes_and_dots() -> None:
    said = 'Retrying app.ask in 2 seconds as it raised ValueError: he said "no." (twice.)'
    assert fields_of(said + ".", "tenacity")["error"] == 'ValueError: he said "no." (twice.)'


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("11/20/2026 01:00:00 PM", datetime(2026, 11, 20, 13)),
        ("11/20/2026 12:00:00 AM", datetime(2026, 11, 20)),
        ("[11/20/26 13:00:00]", datetime(2026, 11, 20, 13)),
        ("[20/Nov/2026 13:00:00]", datetime(2026, 11, 20, 13)),
        ("[20/Nov/2026:13:00:00 +0100]", datetime(2026, 11, 20, 13, tzinfo=timezone(timedelta(hours=1)))),
        ("20 Nov 2026 13:00:00.250", datetime(2026, 11, 20, 13, 0, 0, 250_000)),
        ("Fri Nov 20 13:00:00 2026", datetime(2026, 11, 20, 13)),
        ("1795176000.25", datetime(2026, 11, 20, 12, 0, 0, 250_000, UTC)),
        ("2026-11-20 04:00:00.250-08", datetime(2026, 11, 20, 12, 0, 0, 250_000, UTC)),
        ("2026-11-20T04:00:00-0800", datetime(2026, 11, 20, 12, tzinfo=UTC)),
        ("2026-11-20 04:00:00 -08 rows", datetime(2026, 11, 20, 4)),
        ("2026-11-20 04:00:00 EVENT", datetime(2026, 11, 20, 4)),
    ],
)
def test_times_are_read_as_logs_write_them(text: str, moment: datetime) -> None:
    assert moments_in(text) == [moment]


@pytest.mark.parametrize("text", ["11/20/2026 13:00:00", "11/20/2026 13:00:00 PM", "20/Nix/2026 13:00:00", "31/Feb/2026 13:00:00"])
def test_a_time_that_may_be_two_or_none_is_not_guessed(text: str) -> None:
    assert moments_in(text) == []


def test_the_name_of_a_zone_is_believed_where_it_is_that_of_this_machine(berlin: None) -> None:
    for name in ("CET", "CEST"):
        assert first_moment([f"2026-11-20 13:00:00,250 {name} INFO app"]) == NOON
    for name in ("EST", "PDT", "IST"):
        assert first_moment([f"2026-11-20 13:00:00,250 {name} INFO app"]) is None


def test_a_time_with_an_offset_counts_more_than_a_local_one(berlin: None) -> None:
    assert first_moment(["2026-11-20 08:00:00 app", "2026-11-20T12:00:00.250Z"]) == NOON


def test_a_time_that_is_none_is_passed_over() -> None:
    assert first_moment(["2026-13-45 99:00:00", None, True, float("nan"), -5, 10**30, "0001-01-01T00:00:00+14:00"]) is None
    assert moments_in("2026-11-20 24:00:00") == []


# ── wordings ──


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Retrying request to /chat/completions in 0.46 seconds", {"provider": "openai", "delay_ms": 460}),
        ("INFO:openai._base_client:Retrying request to /responses in 0.465733 seconds", {"provider": "openai", "delay_ms": 466}),
        ("INFO:openai._base_client:Retrying request to /my/own in 8 seconds", {"provider": "openai", "delay_ms": 8000}),
        ("Retrying request to /v1/messages in 0.465733 seconds", {"provider": "anthropic", "delay_ms": 466}),
        ("Retrying request to /v1/messages?beta=true in 0.465733 seconds", {"provider": "anthropic", "delay_ms": 466}),
        (
            "INFO:anthropic._base_client:Retrying request in 0.465733 seconds (retry 2 of 5)",
            {"provider": "anthropic", "delay_ms": 466, "attempt": 2},
        ),
        ("Retrying request to /v1/models?limit=20 in 0.465733 seconds", {"provider": "anthropic", "delay_ms": 466}),
        ("[INFO/MainProcess] Retrying request to /uploads/u_1/parts in 0.465733 seconds", {"provider": "openai", "delay_ms": 466}),
        ("Retrying request to https://my.test/containers in 8.000000 seconds", {"provider": "openai", "delay_ms": 8000}),
        ("INFO:groq._base_client:Retrying request to /openai/v1/chat/completions in 0.5 seconds", {"provider": "groq", "delay_ms": 500}),
    ],
)
def test_both_wordings_of_the_sdks_are_told_apart_by_logger_or_path(line: str, expected: dict[str, object]) -> None:
    name = "anthropic" if expected["provider"] == "anthropic" else "openai"
    assert read(line) == [(name, {"ts": None, "operation": "retry", **expected})]


@pytest.mark.parametrize(
    "line",
    [
        "Retrying foo",
        "INFO:app:Retrying request in 5 seconds",
        "Retrying request in a moment",
        "Retrying request to /items in 3 seconds",
        "app: Retrying request to our warehouse in 3 seconds, as it was closed",
        "I saw seconds as it raised its head",
        "Retry: press any key",
        "Retrying request to inventory in 2.500000 seconds",
        "Retry needed, said the operator",
        "retrying LLM stream",
        "stamina is needed",
        "retry: 3000",
        "Retrying request to /v1/messages is what the log says",
        '{"type": "message", "text": "{\\"type\\": \\"retry\\"}"}',
        '{"type": "status", "note": {"type":"retry"}}',
        'see "type":"retry" in the manual',
    ],
)
def test_prose_and_other_programs_are_not_ours(line: str) -> None:
    assert read(line) == []


def test_tenacitys_older_words_name_no_class() -> None:
    fields = fields_of("Retrying app.ask in 2.0 seconds as it raised the read operation timed out.", "tenacity")
    assert fields == {
        "ts": None,
        "operation": "retry",
        "delay_ms": 2000,
        "kind": "timeout",
        "error": "the read operation timed out",
    }
    assert fields_of("Retrying <unknown> in 1e+03 seconds as it raised KeyError: 'x'.", "tenacity")["delay_ms"] == 1_000_000


@pytest.mark.parametrize(("attempt", "delay_ms"), [(1, 500), (2, None)])
def test_staminas_older_words_tell_how_long_it_slept_in_all(attempt: int, delay_ms: int | None) -> None:
    line = f"[warning] stamina.retry_scheduled args=() attempt={attempt} callable=app.ask error=\"TimeoutError('x')\" kwargs={{}} slept=0.5"
    expected = {"ts": None, "operation": "retry", "attempt": attempt, "delay_ms": delay_ms, "kind": "timeout", "error": "TimeoutError: x"}
    assert read(line) == [("stamina", {name: value for name, value in expected.items() if name == "ts" or value is not None})]
    assert read(line.replace("slept=", "backoff=")) == read(line)


@pytest.mark.parametrize(
    ("line", "ours"), [("2026-11-20 13:00:00,250 DEBUG Retry: /v1?a=b", True), ("DEBUG Retry: the job", False), ("Retry: /v1", False)]
)
def test_a_status_that_urllib3_retries_is_known_by_its_logger_or_its_level_and_path(line: str, ours: bool) -> None:
    assert [name for name, _ in read(line)] == ["urllib3"] * ours


def test_urllib3s_oldest_words_are_read() -> None:
    line = "requests.packages.urllib3.connectionpool: Retrying (2 attempts remain) after connection broken by 'error(111)': /x"
    assert fields_of(line, "urllib3")["error"] == "error: 111"


def test_a_value_that_tenacity_retried_stays_out() -> None:
    line = "Retrying app.ask in 1 seconds as it returned the reply of a model, which is private."
    assert "private" not in str(fields_of(line, "tenacity"))


def test_arguments_of_a_stamina_call_stay_out_and_cannot_forge_a_field() -> None:
    line = "[warning] stamina.retry_scheduled args=(\"x retry_num=9 wait_for=7\",) kwargs={'a': 'caused_by=No)('} retry_num=1 wait_for=0.5"
    assert fields_of(line, "stamina") == {"ts": None, "operation": "retry", "attempt": 1, "delay_ms": 500}


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('{"event": "stamina.retry_scheduled", "retry_num": 1, "wait_f', "stamina"),
        ("[warning] stamina.retry_scheduled retry_num=1", "stamina"),
        ("[warning] stamina.retry_scheduled retry_num=one wait_for=1", "stamina"),
        ('{"event": "stamina.retry_scheduled", "retry_num": 0, "wait_for": 1}', "stamina"),
        ('{"event": "stamina.retry_scheduled", "retry_num": true, "wait_for": 1}', "stamina"),
        ('data: {"type":"retry","attempt":1,"delay', "sse"),
        ('data: {"type":"retry","attempt":1}', "sse"),
        ('data: {"type":"retry","attempt":0,"delay_ms":5}', "sse"),
        ('data: {"type":"retry","attempt":1,"delay_ms":-5}', "sse"),
        ('data: {"type":"retry","attempt":1,"delay_ms":1e300}', "sse"),
        ('{"msg": "retrying LLM stream", "attempt": 1, "delay": "1s"', "service"),
        ('{"msg": "retrying LLM stream", "attempt": 1, "delay": "soon"}', "service"),
        ('{"msg": "retrying LLM stream", "attempt": 1, "delay": "-1s"}', "service"),
        ('{"msg": "retrying LLM stream", "delay": "1s"}', "service"),
        ('{"msg": "retrying LLM stream", "attempt": "one", "delay": "1s"}', "service"),
        ("INFO:openai._base_client:Retrying request in 0.", "openai"),
        ("INFO:anthropic._base_client:Retrying request to /v1/messages in ", "anthropic"),
        ("Retrying app.ask in 1e300 seconds as it raised KeyError: 1.", "tenacity"),
    ],
)
def test_a_retry_that_cannot_be_read_is_damaged_and_the_reason_quotes_nothing(line: str, name: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        line_formats(name)[0].parse(line)
    assert not re.search(r"soon|1e300|-5|openai|stamina", str(caught.value))


@pytest.mark.parametrize(
    ("delay", "milliseconds"),
    [
        ('"1m4s"', 64_000),
        ('"1.5s"', 1500),
        ('"500ms"', 500),
        ('"1h2m"', 3_720_000),
        ('"1h0m0.5s"', 3_600_500),
        ('"250µs"', 0),
        ('"0s"', 0),
        ("1500000000", 1500),
        ("1.5e9", 1500),
    ],
)
def test_durations_of_go(delay: str, milliseconds: int) -> None:
    assert fields_of(f'{{"msg": "retrying LLM stream", "attempt": 1, "delay": {delay}}}', "service")["delay_ms"] == milliseconds


def test_the_time_that_the_program_told_counts_more_than_that_of_the_collector() -> None:
    line = json.dumps({"ts": "2026-11-20T12:00:00.25Z", "msg": "retrying LLM stream", "fields": {"attempt": 7, "delay": "1m4s"}})
    for packed in (
        json.dumps({"log": line, "time": "2026-11-20T12:34:56Z"}),
        f'{{"timestamp": "2026-11-20T12:34:56Z", "jsonPayload": {line}}}',
    ):
        assert fields_of(packed, "service")["ts"] == NOON


def test_a_name_that_is_a_number_or_an_object_costs_no_row() -> None:
    line = '{"msg": "retrying LLM stream", "chat_id": 7, "provider": {"name": "x"}, "attempt": 1, "delay": "1s"}'
    assert fields_of(line, "service") == {"ts": None, "operation": "chat", "attempt": 1, "delay_ms": 1000, "chat": "7"}
    line = 'data: {"type": "retry", "chat_id": 7, "provider": ["x"], "attempt": 1, "delay_ms": 1000}'
    assert fields_of(line, "sse") == {"ts": None, "operation": "chat", "attempt": 1, "delay_ms": 1000, "outcome": "retry", "chat": "7"}


def test_an_event_whose_type_stands_on_a_line_of_its_own_is_read() -> None:
    event = '{"chat_id": "9f", "attempt": 1, "delay_ms": 1000, "error": "no luck", "retrying_at": "2026-11-20T12:00:01.25Z"}'
    assert fields_of(f"data: {event}", "sse")["ts"] == NOON
    assert fields_of('data: {"retry": ' + event.replace("retrying_at", "retryingAt") + "}", "sse")["ts"] == NOON
    assert read('data: {"note": "\\"retrying_at\\": tomorrow"}') == []
    assert read('data: {"type": "done", "retrying_at": "2026-11-20T12:00:01.25Z"}') == []


def test_an_event_of_another_writer_keeps_its_attempt_where_its_words_are_unknown() -> None:
    line = 'data: {"type":"retry","attempt":1,"delay_ms":5,"kind":"startup_timeout","status_code":0,"error":"deadline exceeded"}'
    fields = fields_of(line, "sse")
    assert (fields["kind"], fields["attempt"], "status_code" in fields) == ("timeout", 1, False)


@given(st.integers(1, 10**6), st.integers(0, 300_000), st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)))
def test_a_retry_event_of_chatkit_comes_back_as_it_was(attempt: int, delay_ms: int, at: datetime) -> None:
    event = Retry(chat_id="c", attempt=attempt, delay_ms=delay_ms, retrying_at=at.replace(tzinfo=UTC), error="e", kind="network")
    fields = fields_of(f"data: {encode_event(event).decode()}", "sse")
    assert fields["ts"] + timedelta(milliseconds=delay_ms) == event.retrying_at
    assert (fields["attempt"], fields["delay_ms"], fields["kind"]) == (attempt, delay_ms, "network")


# ── failures in words ──


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ReadTimeoutError(\"HTTPSConnectionPool(host='x', port=443): Read timed out.\")", "timeout"),
        ("ProtocolError('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))", "network"),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed'))", "invalid_request"),
        ("openai.RateLimitError: Error code: 429", "rate_limit"),
        ("status 429", "rate_limit"),
        ("ConnectionResetError", "network"),
        ("UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff", "program"),
        ("ExceptionGroup('several', [ValueError(1)])", "program"),
        ("something odd", "unknown"),
    ],
)
def test_a_failure_in_words_is_classified_as_the_exception_would_be(text: str, kind: str) -> None:
    assert failure_of_text(text)["kind"] == kind


def test_an_error_is_redacted_and_short_and_without_addresses_of_memory() -> None:
    key = "sk-proj-abcdefghijklmnop"
    error = failure_of_text(f"NewConnectionError('<urllib3.Connection object at 0x7f00aa11bb22>: {key}\n{'x' * 400}')")["error"]
    assert key not in error
    assert len(error) <= 200
    assert "0x7f" not in error
    assert "\n" not in error


# ── whatever the bytes ──

MARKS = sorted({mark for one in line_formats() for mark in one.marks})
PIECES = st.sampled_from([*MARKS, *(line for lines in SAMPLES.values() for line in lines[:40]), "{", "}", '"', "(", "openai._base_client"])
LINES = st.lists(st.one_of(PIECES, st.text(max_size=30)), max_size=5).map("".join)


@given(LINES, st.integers(0, 400), st.integers(0, 400))
def test_no_line_raises_anything_but_value_errors_and_what_is_read_is_fit_for_a_frame(line: str, start: int, end: int) -> None:
    for text in (line, line[start:], line[:end], line[:start] + line[end:], line.encode("utf-8", "surrogateescape").decode("latin-1")):
        for one in line_formats():
            try:
                fields = one.parse(text)
            except ValueError:
                continue
            assert fields is None or checked(fields) == fields


@given(st.binary(max_size=300))
def test_a_line_apart_never_raises(data: bytes) -> None:
    entry = read_log_line(data.decode("utf-8", "surrogateescape"))
    assert isinstance(entry.message, str)
    assert isinstance(dict(key_values(entry.message)), dict)


def test_json_that_nests_without_end_is_damaged() -> None:
    line = '{"msg": "retrying LLM stream", "attempt": 1, "delay": "1s", "error": ' + "[" * 50_000 + "]" * 50_000 + "}"
    with pytest.raises(ValueError, match="a retry of the service"):
        line_formats("service")[0].parse(line)


def test_a_line_of_megabytes_is_read() -> None:
    long = "x=( " * 250_000
    assert read(f"{long} Retrying request in a {long}") == []
    assert fields_of(f"{long} Retrying app.ask in 2 seconds as it raised KeyError: {long}", "tenacity")["delay_ms"] == 2000


# ── checked fields ──


@pytest.mark.parametrize(
    "fields",
    [
        {"no_such": 1},
        {"attempt": 0},
        {"attempt": 1.5},
        {"attempt": "1"},
        {"attempt": True},
        {"attempt": 2**40},
        {"delay_ms": float("nan")},
        {"delay_ms": float("inf")},
        {"delay_ms": -1},
        {"delay_ms": 10**400},
        {"status_code": 99},
        {"kind": "throttled"},
        {"outcome": "great"},
        {"provider": 7},
        {"error": b"bytes"},
        {"ts": "2026-11-20"},
        {"ts": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))},
        [("attempt", 1)],
    ],
)
def test_fields_that_do_not_fit_a_record_are_refused(fields: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        checked(fields)


def test_fields_that_fit_are_made_plain(berlin: None) -> None:
    given = {
        "ts": datetime(2026, 11, 20, 13, 0, 0, 250_000),
        "attempt": np.int32(3),
        "delay_ms": np.float64(1499.6),
        "status_code": 529.0,
        "provider": "  acme\n",
        "model": None,
        "call": "",
        "error": "password=hunter22222 and " + "x" * 300,
    }
    found = checked(given)
    assert found == {"ts": NOON, "attempt": 3, "delay_ms": 1500, "status_code": 529, "provider": "acme", "error": found["error"]}
    assert [type(found[name]) for name in ("attempt", "delay_ms", "status_code")] == [int, int, int]
    assert "hunter22222" not in found["error"]
    assert len(found["error"]) == 200
    assert checked({"ts": pd.NaT}) == {"ts": None}
    assert type(checked({"ts": pd.Timestamp(NOON)})["ts"]) is datetime


def test_every_field_of_a_record_may_be_given() -> None:
    record = AttemptRecord(ts=NOON, call="c", operation="chat", attempt=1, duration_ms=0, outcome="ok")
    given = {field: getattr(record, field) for field in AttemptRecord.__struct_fields__}
    assert checked(given) == {field: value for field, value in given.items() if value is not None}


# ── the register ──


@pytest.fixture
def registered() -> Iterator[list[str]]:
    names: list[str] = []
    yield names
    for name in names:
        unregister_format(name)


def test_a_format_is_added_in_ten_lines_and_a_log_is_loaded_with_it(tmp_path: Path, registered: list[str]) -> None:
    registered.append("mine")

    @register_format("mine", marks=["giving it another go"])
    def mine(line: str) -> dict[str, Any] | None:
        found = re.search(r"giving it another go after (\d+) s, try (\d+): (.*)", line)
        if found is None:
            return None
        return {"delay_ms": int(found[1]) * 1000, "attempt": int(found[2]), "error": found[3], "provider": "mine"}

    path = tmp_path / "app.log"
    path.write_text("starting\n12:00 giving it another go after 3 s, try 1: too busy\n12:01 giving it another go, says who?\n", "utf-8")
    for name in ("mine", "auto"):
        frame = load_retry_log(path, format=name, progress=False)
        assert frame[["provider", "attempt", "delay", "error"]].astype(str).to_numpy().tolist() == [
            ["mine", "1", "0 days 00:00:03", "too busy"]
        ]
    assert mine("nothing") is None
    assert format_names()[-1] == "mine"


def test_a_format_that_was_registered_is_asked_before_those_of_chatkit_and_may_be_replaced(registered: list[str]) -> None:
    registered.append("mine")
    register_format("mine", lambda line: {"attempt": 1})
    register_format("mine", lambda line: {"attempt": 2})
    assert [one.name for one in line_formats()][:2] == ["mine", "chatkit"]
    assert line_formats("mine")[0].parse("any") == {"ts": None, "attempt": 2}


def test_a_line_without_a_mark_is_not_parsed(registered: list[str]) -> None:
    registered.append("mine")
    seen: list[str] = []
    register_format("mine", lambda line: seen.append(line), marks=["this", "that"])
    for line in ("neither", "with this", "with that"):
        line_formats("mine")[0].parse(line)
    assert seen == ["with this", "with that"]


def test_whatever_a_persons_format_raises_is_a_damaged_line(registered: list[str]) -> None:
    registered.append("mine")
    register_format("mine", lambda line: {"attempt": line.index("x") // 0})
    for line in ("x", "y"):
        with pytest.raises(ValueError, match=r"."):
            line_formats("mine")[0].parse(line)
    register_format("mine", lambda line: {"attempts": 1})
    with pytest.raises(ValueError, match="no field of that name"):
        line_formats("mine")[0].parse("x")


@pytest.mark.parametrize("name", ["chatkit", "auto", "openai", "", " x", 7])
def test_a_name_that_is_taken_or_none_is_refused(name: Any) -> None:
    with pytest.raises(UsageError, match="register_format"):
        register_format(name, lambda line: None)


def test_marks_and_parse_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match=r"\['giving up'\]"):
        register_format("mine", lambda line: None, marks="giving up")
    with pytest.raises(UsageError, match="aren't empty"):
        register_format("mine", lambda line: None, marks=[""])
    bad: Any = {}
    with pytest.raises(UsageError, match="this is a dict"):
        register_format("mine", bad)
    assert "mine" not in format_names()


def test_an_unknown_format_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean 'tenacity'"):
        line_formats("tenacty")
    assert [one.name for one in line_formats("chatkit")] == ["chatkit"]
    assert format_names()[0] == "chatkit"


def test_samples_hold_no_path_of_a_machine() -> None:
    text = "\n".join(line for lines in SAMPLES.values() for line in lines)
    assert re.search(r"site-packages|/(?:home|Users|tmp|root|usr|work)/", text) is None


@pytest.mark.parametrize(
    ("delay", "milliseconds"), [("4000000000", 4000), ("1.5", 1500), ("64", 64_000), ("0", 0), ("1000000", 1), ("4e9", 4000)]
)
def test_a_bare_number_of_the_service_is_nanoseconds_or_where_that_is_no_wait_seconds(delay: str, milliseconds: int) -> None:
    line = f'{{"msg":"retrying LLM stream","attempt":1,"delay":{delay},"error":"x"}}'
    assert fields_of(line, "service")["delay_ms"] == milliseconds
