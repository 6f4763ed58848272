from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkit import Classification, RetryPolicy, UsageError, delay
from chatkit.retries.backoff import Decision, GiveUp

OVERLOADED = Classification(retryable=True, kind="overloaded", message="anthropic is overloaded", provider="anthropic", status_code=529)
AUTH = Classification(retryable=False, kind="auth", message="anthropic refused the key")
UNKNOWN = Classification(retryable=True, kind="unknown", message="something went wrong")


def test_the_delays_double_from_one_second_to_sixty() -> None:
    assert [delay(n) for n in range(9)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@given(st.integers(0, 10**9))
def test_no_number_of_failures_overflows(n: int) -> None:
    assert delay(n) == min(2.0 ** min(n, 60), 60)


def test_failures_are_not_counted_backwards() -> None:
    with pytest.raises(UsageError, match="counted from 0"):
        delay(-1)


@given(st.integers(1, 40), st.floats(0, 1), st.one_of(st.none(), st.floats(0, 300)))
def test_jitter_stays_in_its_range_and_a_hint_stays_a_minimum(failures: int, draw: float, hint: float | None) -> None:
    base, least = delay(failures - 1), hint or 0.0
    assert RetryPolicy().scheduled(failures, hint, draw) == max(base, least)
    assert least <= RetryPolicy(jitter="full").scheduled(failures, hint, draw) <= max(base, least)
    assert max(base / 2, least) <= RetryPolicy(jitter="equal").scheduled(failures, hint, draw) <= max(base, least)


def test_the_time_is_unlimited_only_where_somebody_watches() -> None:
    assert RetryPolicy().elapsed_limit(attended=True) is None
    assert RetryPolicy().elapsed_limit(attended=False) == 180
    assert RetryPolicy(max_elapsed=None).elapsed_limit(attended=False) is None
    assert RetryPolicy(max_elapsed=5).elapsed_limit(attended=True) == 5


@pytest.mark.parametrize(
    "numbers",
    [
        {"max_attempts": 0},
        {"max_elapsed": -1.0},
        {"max_elapsed": math.nan},
        {"max_paid_failures": 0},
        {"hint_ceiling": -1.0},
        {"hint_ceiling": math.nan},
        {"jitter": "lots"},
        {"max_elapsed": "never"},
    ],
)
def test_numbers_that_make_no_sense_are_refused(numbers: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="give"):
        RetryPolicy(**numbers)  # type: ignore[arg-type]


def waits(decision: Decision, failure: Classification, count: int, *, paid: bool = False, elapsed: float = 0.0) -> list[float]:
    steps = [decision.after(failure, elapsed=elapsed, paid=paid) for _ in range(count)]
    assert not any(isinstance(step, GiveUp) for step in steps), steps
    return [step for step in steps if not isinstance(step, GiveUp)]


def hinted(seconds: float) -> Classification:
    return Classification(retryable=True, kind="rate_limit", message="openai limits the rate", retry_after=seconds)


def test_unlimited_failures_wait_1_2_4_to_60_seconds() -> None:
    assert waits(Decision(RetryPolicy(), None), OVERLOADED, 9) == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_what_is_not_retryable_ends_at_once() -> None:
    assert Decision(RetryPolicy(), None).after(AUTH, elapsed=0, paid=False) == GiveUp()


def test_a_hint_is_a_minimum() -> None:
    decision = Decision(RetryPolicy(), None)
    assert waits(decision, hinted(3.5), 4) == [3.5, 3.5, 4, 8]


def test_a_hint_above_the_ceiling_ends_the_retry() -> None:
    step = Decision(RetryPolicy(), None).after(hinted(301), elapsed=0, paid=False)
    assert isinstance(step, GiveUp)
    assert step.reset_after == 301
    assert waits(Decision(RetryPolicy(hint_ceiling=400), None), hinted(301), 1) == [301]


def test_attempts_are_bounded_by_number_and_by_time() -> None:
    by_number = Decision(RetryPolicy(max_attempts=3), None)
    waits(by_number, OVERLOADED, 2)
    assert isinstance(by_number.after(OVERLOADED, elapsed=0, paid=False), GiveUp)
    by_time = Decision(RetryPolicy(), limit=10)
    assert waits(by_time, OVERLOADED, 2, elapsed=8) == [1, 2]
    assert isinstance(by_time.after(OVERLOADED, elapsed=8, paid=False), GiveUp)


def test_five_paid_failures_in_a_row_end_it_and_a_free_one_starts_the_count_anew() -> None:
    decision = Decision(RetryPolicy(), None)
    waits(decision, OVERLOADED, 4, paid=True)
    waits(decision, OVERLOADED, 1, paid=False)
    waits(decision, OVERLOADED, 4, paid=True)
    assert isinstance(decision.after(OVERLOADED, elapsed=0, paid=True), GiveUp)


def test_failures_that_nothing_explains_are_tried_five_times() -> None:
    decision = Decision(RetryPolicy(), None)
    waits(decision, UNKNOWN, 4)
    assert isinstance(decision.after(UNKNOWN, elapsed=0, paid=False), GiveUp)


def answer(detail: str, status: int | None = 500, **more: Any) -> Classification:
    return Classification(retryable=True, kind="server_error", message="it failed", status_code=status, detail=detail, **more)


@pytest.mark.parametrize(
    ("details", "status"),
    [
        (["image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"], 500),
        (["model requires more system memory (8.4 GiB) than is available (5.1 GiB)"], 500),
        ([f"request req_{n}7f at 09:0{n}:00: image input is not supported" for n in range(5)], 500),
        (["EngineCore encountered an issue. See stack trace (above) for the root cause."], None),
        (["Open WebUI"], 200),
        (["image input is not supported"], 503),
    ],
)
def test_the_same_answer_five_times_in_a_row_ends_it(details: list[str], status: int | None) -> None:
    said = [answer(details[n % len(details)], status) for n in range(5)]
    decision = Decision(RetryPolicy(), None)
    for failure in said[:4]:
        waits(decision, failure, 1)
    assert decision.after(said[4], elapsed=0, paid=False) == GiveUp("the server gave the same answer 5 times in a row")


def test_another_answer_starts_the_count_of_the_same_ones_anew() -> None:
    decision = Decision(RetryPolicy(max_paid_failures=2), None)
    same, other = answer("image input is not supported"), answer("tools are not supported")
    for failure in (same, other, same, OVERLOADED, same, answer(""), same):
        waits(decision, failure, 1)
    assert isinstance(decision.after(same, elapsed=0, paid=False), GiveUp)


@pytest.mark.parametrize(
    "outage",
    [
        OVERLOADED,
        hinted(2.0),
        answer(""),
        answer("", 200),
        answer("Internal server error"),
        answer("Error code: 500"),
        answer("500 Internal Server Error"),
        answer("The server had an error while processing your request. Sorry about that! (Please include the request ID req_1.)"),
        answer("An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting"),
        answer("The system encountered an unexpected error during processing. Try your request again."),
        answer("litellm.APIConnectionError: OllamaException - [Errno 111] Connection refused"),
        answer("Bad gateway", 502),
        answer("Model mistral-7b is being deployed", 503),
        answer("upstream request timeout", 504),
        answer("api.x | 521: Web server is down", 521),
        answer("image input is not supported", retry_after=1.0),
        Classification(retryable=True, kind="network", message="the connection broke", detail="Connection refused"),
    ],
)
def test_what_may_be_an_outage_is_waited_for_without_end(outage: Classification) -> None:
    waits(Decision(RetryPolicy(), None), outage, 100)
