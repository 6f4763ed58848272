"""The verdict on a failure: the collected errors, the order of the evidence, and what is said of it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import httpx2
import openai
import pytest

from chatkit.errors import KINDS, Classification, Stopped, provider_error
from chatkit.failures.classification import classified, classify, is_retryable, status_code_retryable
from tests.failures.exceptions import caused, in_context, made

OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_body"}


def ways(row: dict[str, Any]) -> Iterator[Classification]:
    """Every way in which a recorded failure can be handed over."""
    beside = {"status": row["status"], "headers": row["headers"], "provider": row["provider"]}
    if row["exception"] is None:
        yield classify(**beside, body=row["body"])
        yield classify(**beside, body=row["body"].encode())
        return
    real = [getattr(library, row["exception"]) for library in (httpx, httpx2) if hasattr(library, row["exception"])]
    for error in (made(row["exception"], row["body"]), *(cls(row["body"]) for cls in real)):
        yield classify(error, provider=row["provider"])
        yield classify(error, **beside)
        yield classify(error, **beside, body=row["body"])


def test_all_collected_errors_are_rightly_retried_and_nine_in_ten_rightly_named(data: Path) -> None:
    right = total = 0
    for row in map(json.loads, (data / "provider-errors.jsonl").read_text("utf-8").splitlines()):
        for found in ways(row):
            assert found.retryable == row["retryable"], (row["id"], found)
            if row["retry_after_s"] is not None:
                assert found.retry_after == pytest.approx(row["retry_after_s"]), row["id"]
            total += 1
            right += found.kind == row["reason"]
            if found.kind != row["reason"]:
                print(row["id"], "is", row["reason"], "but was named", found.kind)
    assert right >= 0.9 * total


@pytest.mark.parametrize(
    "error",
    [
        asyncio.CancelledError(),
        concurrent.futures.CancelledError(),
        KeyboardInterrupt(),
        GeneratorExit(),
        SystemExit(),
        Stopped("by a person"),
    ],
)
def test_the_callers_own_cancellation_comes_before_everything(error: BaseException) -> None:
    found = classify(error, status=529, body=OVERLOADED, provider="anthropic")
    assert (found.kind, found.retryable) == ("canceled", False)


def test_a_cancellation_within_a_group_is_the_callers() -> None:
    group = BaseExceptionGroup("tasks", [ConnectionResetError(), BaseExceptionGroup("inner", [asyncio.CancelledError()])])
    assert classify(group).kind == "canceled"


def test_a_timeout_that_a_cancellation_carried_out_is_a_timeout() -> None:
    assert classify(caused(TimeoutError(), asyncio.CancelledError())).kind == "timeout"


@pytest.mark.parametrize("text", ["stream error: stream ID 3; CANCEL; received from peer", "Received RST_STREAM: operation was cancelled"])
def test_a_cancel_that_the_peer_made_is_a_network_error(text: str) -> None:
    assert classify(made("StreamError", text), provider="openai").kind == "network"
    assert classify(body=json.dumps({"error": {"status": "CANCELLED", "message": text}}), provider="gemini").kind == "network"


def test_an_attached_classification_is_taken_as_it_is_from_anywhere_in_the_chain() -> None:
    attached = classified("quota", "openai", detail="no more", retry_after=9.0)
    error = caused(ValueError("the tool failed"), in_context(RuntimeError("x"), provider_error(attached)))
    assert classify(error, status=500, body=OVERLOADED, provider="anthropic") is attached


def test_an_attached_classification_without_a_provider_gets_the_one_that_is_known() -> None:
    found = classify(provider_error(classified("network")), provider="openai")
    assert (found.kind, found.provider) == ("network", "openai")


def test_a_typed_code_comes_before_class_and_status() -> None:
    found = classify(httpx.ReadTimeout("x"), status=500, body={"error": {"code": "insufficient_quota"}}, provider="openai")
    assert found.kind == "quota"


def test_the_class_comes_before_the_status() -> None:
    assert classify(httpx.ReadTimeout(""), status=400, provider="openai").kind == "timeout"


def test_the_status_comes_before_the_text() -> None:
    assert classify(status=500, body="invalid api key").kind == "server_error"
    assert classify(status=404, body="connection reset by peer").kind == "invalid_request"


def test_a_code_that_only_repeats_a_status_leaves_the_word_to_status_and_text() -> None:
    generic = {"type": "error", "error": {"type": "invalid_request_error", "message": "Service tier capacity exceeded for this model."}}
    assert classify(status=429, body=generic).kind == "overloaded"
    assert classify(status=503, body={"error": {"type": "invalid_request_error", "message": "?"}}).kind == "server_error"
    assert classify(body={"error": {"type": "invalid_request_error", "message": "?"}}).kind == "invalid_request"


@pytest.mark.parametrize("word", ["quota", "billing", "limit", "token", "key", "eof"])
def test_no_bare_word_decides(word: str) -> None:
    assert classify(body=f"the {word} was mentioned", provider="openai").kind == "unknown"
    assert classify(status=429, body=f"the {word} was mentioned").kind == "rate_limit"
    assert classify(status=400, body=f"the {word} was mentioned").kind == "invalid_request"


def test_the_words_of_an_address_say_nothing() -> None:
    url = "see https://x.test/invalid_api_key/error-code-429/insufficient-credits/connection-reset"
    assert classify(body=url, provider="openai").kind == "unknown"
    assert classify(status=429, body=f"slow down, {url}").kind == "rate_limit"


def test_what_an_error_echoes_of_the_request_is_not_its_code() -> None:
    body = {"detail": [{"type": "extra_forbidden", "msg": "Extra inputs are not permitted", "input": {"code": "overloaded_error"}}]}
    assert classify(status=422, body=body).kind == "invalid_request"


def test_nothing_that_speaks_is_retried_only_for_a_provider() -> None:
    assert not is_retryable(Exception("?"))
    found = classify(Exception("?"), provider="openai")
    assert (found.kind, found.retryable) == ("unknown", True)


def test_a_server_that_says_so_lifts_an_unknown_refusal() -> None:
    assert classify(status=409, headers={"x-should-retry": "true"}).kind == "server_error"
    assert classify(status=409).kind == "invalid_request"
    assert classify(status=400, headers={"x-should-retry": "true"}).kind == "invalid_request"


def test_only_some_statuses_are_worth_another_try() -> None:
    worth = {status for status in range(100, 600) if status_code_retryable(status)}
    assert worth == {408, 429, *range(500, 600)} - {501, 505}


def test_every_kind_has_a_sentence_of_its_own_that_names_who_failed() -> None:
    sentences = {kind: classified(kind, "openai").message for kind in KINDS}
    assert len(set(sentences.values())) == len(KINDS)
    nameless = {"context_exceeded", "canceled", "program"}
    assert {kind for kind, text in sentences.items() if "openai" not in text} == nameless
    assert not any(text.endswith(".") for text in sentences.values())
    assert classified("network").message == "the connection to the server broke"


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (classify(httpx.ConnectError("refused"), provider="ollama"), "ollama can't be reached"),
        (classify(httpx.ReadError(""), provider="openai"), "the connection to openai broke"),
        (classify(status=502, provider="openai"), "openai failed with HTTP 502"),
        (classify(status=401, provider="openai"), "openai refused the API key"),
        (classify(KeyError("x")), "the call failed with a KeyError"),
        (classify(ImportError("x")), "the call failed with an ImportError"),
        (classify(status=429, provider="sk-abcdefghijkl\u202e"), "*** limits the rate of requests"),
    ],
)
def test_the_sentence_says_what_is_known(found: Classification, sentence: str) -> None:
    assert found.message == sentence


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"error": {"message": '{"error":{"message":"inner","code":503}}', "code": 502}}, "inner"),
        ("Error code: 400 - {'error': {'message': \"it's \\\"so\\\" \\x41\", 'code': None}}", 'it\'s "so" A'),
        ("<html><head><title> 502 &amp; more </title></head><body>x</body></html>", "502 & more"),
        ("<html><body><h1>Bad</h1>\n<p>Gateway</p></body></html>", "Bad Gateway"),
        ('{"error":{"message":"outer","metadata":{"raw":"the upstream\'s words"}}}', "the upstream's words"),
        ('{"detail":[{"msg":"field required"}]}', "field required"),
        ('{"error":"server busy"}', "server busy"),
        ('event: error\ndata: {"error":{"message":"in a frame"}}\n\n', "in a frame"),
        ('{"error":{"message":"cut o', "cut o"),
        ("\x00plain\x1b[31m words\u202e\u200b", "plain [31m words"),
        (b"\xff\xfe bad bytes", "\ufffd\ufffd bad bytes"),
        ("x" * 600, "x" * 499 + "…"),
        ("", ""),
    ],
)
def test_the_detail_is_the_innermost_message_and_nothing_around_it(body: Any, detail: str) -> None:
    assert classify(body=body, provider="x").detail == detail


def test_the_detail_of_a_chain_is_what_each_exception_adds() -> None:
    error = caused(
        openai.APIConnectionError(request=httpx2.Request("POST", "https://api.test")), httpx.ConnectError("All connection attempts failed")
    )
    assert classify(error).detail == "Connection error: All connection attempts failed"


def test_no_key_reaches_the_classification() -> None:
    key = "sk-ant-api03-abcdefghijklmnop"
    error = caused(RuntimeError(f"refused {key}"), httpx.ConnectError(f"https://user:{key}@x.test/?key={key}"))
    for found in (classify(error, provider="x"), classify(status=401, body=f'{{"error":{{"message":"bad {key}"}}}}')):
        assert key not in repr(found)


def test_the_hint_is_measured_from_the_time_that_is_given() -> None:
    now = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    found = classify(status=429, headers={"retry-after": "Fri, 20 Nov 2026 12:00:30 GMT"}, now=now)
    assert found.retry_after == 30.0
