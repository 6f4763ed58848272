"""What wraps a failure, and how its own words say what it was."""

from __future__ import annotations

import subprocess

import httpx
import pytest

from chatkit import classify
from tests.failures.exceptions import caused


def refused(status: int) -> httpx.HTTPStatusError:
    request = httpx.Request("POST", "http://x.test")
    return httpx.HTTPStatusError("failed", request=request, response=httpx.Response(status, request=request))


@pytest.mark.parametrize(("status", "kind"), [(400, "invalid_request"), (429, "rate_limit"), (500, "server_error"), (503, "server_error")])
@pytest.mark.parametrize("outer", [ValueError("could not summarise"), FileNotFoundError("http://x.test/data.csv")])
def test_a_mistake_in_code_raised_from_an_answer_is_what_the_answer_is(outer: Exception, status: int, kind: str) -> None:
    assert classify(caused(outer, refused(status))).kind == kind


def test_a_mistake_in_code_raised_from_a_client_that_timed_out_is_a_timeout() -> None:
    inner = caused(refused(500), httpx.ReadTimeout(""))
    assert classify(caused(ValueError("no answer"), inner)).kind == "timeout"


def test_a_mistake_in_code_while_an_answer_is_handled_stays_one() -> None:
    error = KeyError("answer")
    error.__context__ = refused(500)
    assert classify(error).kind == "program"


@pytest.mark.parametrize(
    ("group", "kind"),
    [
        (ExceptionGroup("x", [ConnectionResetError(), PermissionError(13, "x")]), "program"),
        (ExceptionGroup("x", [httpx.ReadTimeout(""), ExceptionGroup("y", [httpx.UnsupportedProtocol("")])]), "invalid_request"),
        (ExceptionGroup("x", [RuntimeError("?"), ConnectionResetError()]), "network"),
        (ExceptionGroup("x", [RuntimeError("?")]), "unknown"),
    ],
)
def test_a_group_is_what_its_worst_member_is(group: BaseException, kind: str) -> None:
    assert classify(group).kind == kind


@pytest.mark.parametrize("others", [[KeyError("k")], [TimeoutError(), TypeError("x")]])
def test_a_group_below_another_exception_is_what_its_worst_member_is(others: list[Exception]) -> None:
    group = ExceptionGroup("several", [ConnectionResetError(104, "reset"), *others])
    assert classify(caused(RuntimeError("failed"), group)).kind == "program"
    assert classify(caused(RuntimeError("failed"), ExceptionGroup("outer", [group]))).kind == "program"


def test_a_group_below_another_exception_is_judged_answer_by_answer() -> None:
    answers = [refused(503), refused(400)]
    for group in (ExceptionGroup("several", answers), ExceptionGroup("several", answers[::-1])):
        assert classify(group) == classify(caused(RuntimeError("failed"), group))
        assert classify(group).kind == "invalid_request"


def test_a_group_that_holds_itself_is_judged() -> None:
    error = ConnectionResetError(104, "reset")
    error.__cause__ = ExceptionGroup("itself", [error, *(TimeoutError() for _ in range(100))])
    assert classify(error).retryable
    assert classify(error.__cause__).retryable


def test_a_process_that_takes_too_long_is_a_timeout() -> None:
    assert classify(subprocess.TimeoutExpired("make", 5)).kind == "timeout"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("HTTP 503 from the gateway", "server_error"),
        ("429 Too Many Requests", "rate_limit"),
        ("Error code: 404", "invalid_request"),
        ("Error code: 429 - {'error': {'code': 'insufficient_quota', 'message': 'm'}}", "quota"),
        ("429 Client Error: Too Many Requests for url: http://x.test", "rate_limit"),
        ("500 Server Error: Internal Server Error for url: http://x.test", "server_error"),
        ("Request failed with status 429", "rate_limit"),
        ("API returned status 401: Unauthorized", "auth"),
        ('status: 429, body: {"error":{"message":"slow"}}', "rate_limit"),
        ("status 500.5 of 600", "unknown"),
        ("status 429,000", "unknown"),
        ("exit status 7", "unknown"),
        ("it failed: litellm.RateLimitError: RateLimitError: OpenAIException - slow", "rate_limit"),
        ("An error occurred (ThrottlingException) when calling the InvokeModel operation: slow", "rate_limit"),
        ("see openai.RateLimitError for more", "unknown"),
        ("RateLimitError: cell 7", "unknown"),
    ],
)
def test_a_status_a_class_or_an_error_object_that_is_named_as_one_counts_whoever_says_it(text: str, kind: str) -> None:
    assert classify(RuntimeError(text)).kind == kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("The prompt you sent contains 9000 tokens, but this model accepts at most 8192.", "context_exceeded"),
        ("Input length 9000 exceeds maximum allowed length of 8192", "context_exceeded"),
        ("The total number of tokens (9000) exceeds the limit of 8192", "context_exceeded"),
        ("Too many tokens in the prompt: 9000 > 8192", "context_exceeded"),
        ("Could not find model foo", "model_not_found"),
        ("There is no model named foo", "model_not_found"),
        ("The number of stop sequences exceeds the limit", "invalid_request"),
    ],
)
def test_other_words_of_a_refusal(text: str, kind: str) -> None:
    assert classify(status=400, body={"error": {"message": text}}).kind == kind


@pytest.mark.parametrize("text", ["end of response with 995 bytes missing", "transfer closed with 995 bytes remaining to read"])
def test_an_answer_that_curl_saw_cut_is_a_broken_connection(text: str) -> None:
    assert classify(body=text).kind == "network"
