"""The wait that a server asks for: which hint counts, and how each is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkit.failures.classification import classify
from chatkit.failures.hints import MAX_WAIT, duration_seconds, has_zero_limit, header_values, metadata_values, retry_hint, text_hint
from tests.failures.exceptions import made

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
IN_A_MINUTE = "Fri, 20 Nov 2026 12:01:00 GMT"


def hint(headers: dict[str, Any] | None = None, **more: Any) -> float | None:
    return retry_hint(header_values(headers or {}), now=NOON, **more)


def test_hints_are_heard_in_their_order() -> None:
    headers = {"retry-after-ms": "1500", "retry-after": "2", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "5s"}
    more = {"waits": [("retrydelay", "3s")], "text": "try again in 4s"}
    waits = []
    for name in ("retry-after-ms", "retry-after", "waits", "text", "x-ratelimit-reset-tokens"):
        waits.append(hint(headers, **more))
        (more if name in more else headers).pop(name)
    assert waits == [1.5, 2.0, 3.0, 4.0, 5.0]
    assert hint(headers) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("16", 16.0),
        ("0.5", 0.5),
        (" 7 ", 7.0),
        (3, 3.0),
        (2.5, 2.5),
        ("0", 0.0),
        (IN_A_MINUTE, 60.0),
        ("2026-11-20T12:00:30Z", 30.0),
        ("1m30s", 90.0),
    ],
)
def test_retry_after_is_seconds_or_a_moment(value: Any, seconds: float) -> None:
    assert hint({"Retry-After": value}) == seconds


@pytest.mark.parametrize(
    "value", ["", "soon", "-5", "nan", "inf", "-inf", "1e400", "Fri, 20 Nov 2026 11:59:00 GMT", "99" * 40, "Fri, 99 Nov 2026"]
)
def test_a_hint_that_cannot_be_read_or_lies_in_the_past_gives_way_to_the_next(value: str) -> None:
    assert hint({"retry-after": value}) is None
    assert hint({"retry-after": value, "retry-after-ms": value}, text="Please try again in 20ms.") == 0.02


def test_the_servers_own_clock_is_the_clock() -> None:
    headers = {"retry-after": IN_A_MINUTE, "date": "Fri, 20 Nov 2026 12:00:50 GMT"}
    assert hint(headers) == 10.0
    assert hint({**headers, "date": "yesterday"}) == 60.0


def test_a_clock_without_a_zone_is_utc() -> None:
    assert retry_hint({"retry-after": IN_A_MINUTE}, now=NOON.replace(tzinfo=None)) == 60.0


@pytest.mark.parametrize(
    ("key", "value", "seconds"),
    [
        ("retrydelay", "34.074824224s", 34.074824224),
        ("retrydelay", {"seconds": "34", "nanos": 500_000_000}, 34.5),
        ("retryafter", 12, 12.0),
        ("retryafterms", 1500, 1.5),
        ("resetsinseconds", 12345, 12345.0),
        ("quotaresettimestamp", "2026-11-20T12:00:09Z", 9.0),
    ],
)
def test_what_the_body_asks_for_is_understood(key: str, value: Any, seconds: float) -> None:
    assert hint(waits=[(key, value)]) == pytest.approx(seconds)


def test_what_the_body_asks_in_vain_is_passed_over() -> None:
    assert hint(waits=[("retrydelay", {"seconds": "x"}), ("retrydelay", "-3s"), ("retryafter", "7")]) == 7.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Please try again in 9m38s.", 578),
        ("Please try again in 9m38.016s. Need more tokens?", 578.016),
        ("Please try again in 1.574s. Visit", 1.574),
        ("Please try again in 20ms.", 0.02),
        ("Please try again in 6m0s.", 360),
        ("Please retry after 60 seconds.", 60),
        ("Rate limit is exceeded. Try again in 18 seconds.", 18),
        ("Please retry in 10h17m5.723541104s.", 37025.723541104),
        ("Please wait 33822 seconds before retrying.", 33822),
        ("Please wait 8 hours 24 minutes and try again", 30240),
        ("retry your request after 1 minute", 60),
        ("Your quota will reset after 3s.", 3),
        ("please try again after 1 seconds", 1),
        ("Your limit resets in 2 days, 3 hours and 4 min", 183840),
        ("{'retry-after': '16'}", 16),
        ("retry_after=0.5", 0.5),
        ("The limit resets in ~7s", 7),
        ("429 Quota exceeded [retry_delay {\n  seconds: 34\n}\n]", 34),
        ("retry_delay { seconds: 1 nanos: 500000000 }", 1.5),
        ("retry_delay { nanos: 250000000 }", 0.25),
    ],
)
def test_a_sentence_asks_for_a_wait(text: str, seconds: float) -> None:
    assert text_hint(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["try again later", "wait a moment", "try again in -5s", "after 3 attempts", "waited 30 seconds", "in 20s", "retry 3"]
)
def test_other_sentences_ask_for_none(text: str) -> None:
    assert text_hint(text) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": "2026-11-20T12:00:30Z"}, 30.0),
        ({"anthropic-ratelimit-requests-remaining": "9", "anthropic-ratelimit-requests-reset": "2026-11-20T12:00:30Z"}, None),
        ({"anthropic-ratelimit-unified-status": "rejected", "anthropic-ratelimit-unified-reset": str(int(NOON.timestamp()) + 90)}, 90.0),
        ({"anthropic-ratelimit-unified-status": "allowed", "anthropic-ratelimit-unified-reset": str(int(NOON.timestamp()) + 90)}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360.0),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "40ms", "x-ratelimit-reset-requests": "1h"}, 0.04),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOON.timestamp() * 1000) + 5000)}, 5.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOON.timestamp()) + 5)}, 5.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOON.timestamp()) - 5)}, None),
        ({"x-ratelimit-remaining-tokens": "0", "x-rate-limit-reset-tokens": "55"}, 55.0),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "38"}, 38.0),
        ({"ratelimit": "limit=100, remaining=0, reset=5"}, 5.0),
        ({"ratelimit": '"default";r=0;t=7'}, 7.0),
        ({"ratelimit": '"default";r=3;t=7'}, None),
        ({"x-ratelimit-reset-tokens": "55"}, None),
    ],
)
def test_the_reset_of_the_exhausted_limit_is_a_hint(headers: dict[str, str], seconds: float | None) -> None:
    assert hint(headers) == (None if seconds is None else pytest.approx(seconds))


def test_a_header_that_litellm_passes_on_is_heard_after_the_usual_one() -> None:
    assert hint({"llm_provider-retry-after": "9"}) == 9.0
    assert hint({"llm_provider-retry-after": "9", "retry-after": "3"}) == 3.0
    assert hint({"llm_provider-retry-after-ms": "1500"}) == 1.5
    error = made("litellm.exceptions.RateLimitError", "x", status_code=429, litellm_response_headers={"llm_provider-retry-after": "4"})
    assert classify(error).retry_after == 4.0


RETRY_INFO = b"\x0a\x08\x08\x22\x10\x80\xca\xb5\xee\x01"
"""google.rpc.RetryInfo with a delay of 34.5 s, as protobuf writes it."""
TYPE = b"type.googleapis.com/google.rpc.RetryInfo"
ANY = b"\x0a" + bytes([len(TYPE)]) + TYPE + b"\x12" + bytes([len(RETRY_INFO)]) + RETRY_INFO
STATUS = b"\x08\x08\x12\x01m\x1a\x06\x0a\x01x\x12\x01y\x1a" + bytes([len(ANY)]) + ANY


@pytest.mark.parametrize("pair", [("google.rpc.retryinfo-bin", RETRY_INFO), ("grpc-status-details-bin", STATUS), ("retry-after", "34.5")])
def test_the_retry_info_in_the_metadata_of_grpc_is_heard(pair: tuple[str, Any]) -> None:
    error = made("grpc.RpcError", "x", code=lambda: type("C", (), {"name": "UNAVAILABLE"}), trailing_metadata=lambda: (("a", "b"), pair))
    found = classify(error)
    assert (found.retryable, found.retry_after) == (True, 34.5)


@given(st.binary(max_size=60), st.integers(0, len(STATUS)), st.integers(0, len(STATUS)))
def test_damaged_metadata_gives_a_wait_or_none(noise: bytes, at: int, to: int) -> None:
    for name in ("google.rpc.retryinfo-bin", "grpc-status-details-bin"):
        for value in (noise, STATUS[:at] + noise + STATUS[to:], RETRY_INFO[:at] + noise):
            headers = metadata_values([(name, value), (1, 2, 3), None])
            assert "retry-after" not in headers or 0 <= float(headers["retry-after"]) < 2**70


@pytest.mark.parametrize("wait", [30, 30.0, timedelta(seconds=30)])
def test_an_exception_that_has_the_wait_says_it(wait: Any) -> None:
    assert classify(made("telegram.error.RetryAfter", "Flood control", retry_after=wait)).retry_after == 30.0


def test_a_hint_that_was_read_makes_an_unknown_failure_retryable() -> None:
    found = classify(Exception("The limit resets in ~7s"))
    assert (found.kind, found.retryable, found.retry_after) == ("unknown", True, 7.0)
    assert not classify(Exception("The limit resets soon")).retryable
    assert not classify(ValueError("retry in 7s")).retryable


def test_of_several_exhausted_limits_the_last_reset_counts() -> None:
    headers = {
        f"x-ratelimit-{what}-{of}": value
        for of, value in (("tokens", "2s"), ("requests", "9s"))
        for what, value in (("remaining", "0"), ("reset", value))
    }
    assert hint(headers) == 9.0


def test_a_reset_of_which_nothing_remains_to_be_said_counts_where_a_limit_refused() -> None:
    assert hint({"x-rate-limit-reset-tokens": "55"}, refused=True) == 55.0
    assert classify(status=429, headers={"x-rate-limit-reset-tokens": "55"}).retry_after == 55.0
    assert classify(status=500, headers={"x-rate-limit-reset-tokens": "55"}).retry_after is None


def test_headers_that_a_gateway_passes_on_in_the_body_are_heard() -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(NOON.timestamp() * 1000) + 60_000)}
    found = classify(status=429, body={"error": {"message": "free-models-per-min", "metadata": {"headers": headers}}}, now=NOON)
    assert (found.kind, found.retry_after) == ("rate_limit", 60.0)


def test_a_limit_of_zero_is_no_matter_of_waiting() -> None:
    assert has_zero_limit({"x-ratelimit-limit-requests": "0"})
    assert not has_zero_limit({"x-ratelimit-limit-requests": "10", "x-ratelimit-remaining-requests": "0", "x-ratelimit-limit-images": "0"})
    assert not has_zero_limit({})
    assert classify(status=429, headers={"x-ratelimit-limit-requests": "0", "retry-after": "1"}).kind == "quota"


@pytest.mark.parametrize(("wait", "kind"), [("3600", "rate_limit"), ("3601", "quota"), ("nan", "quota")])
def test_a_limit_of_a_day_is_waited_for_only_if_the_wait_is_short(wait: str, kind: str) -> None:
    assert classify(status=429, headers={"retry-after": wait}, body="Requests per day: used up").kind == kind


def test_an_absurd_wait_overflows_nothing() -> None:
    assert hint({"retry-after": "1e300"}) == MAX_WAIT
    assert hint({"retry-after-ms": "1e300"}) == MAX_WAIT
    assert duration_seconds("999999999999999999h") == MAX_WAIT


@pytest.mark.parametrize("text", ["", "5", "s", "1x", "1m2", "-1s", "1s" * 40])
def test_what_is_no_duration_is_none(text: str) -> None:
    assert duration_seconds(text) is None


@given(seconds=st.floats(0, 1e6, allow_nan=False))
def test_any_number_of_seconds_is_read_back(seconds: float) -> None:
    assert hint({"retry-after": repr(seconds)}) == seconds
    assert hint({"retry-after": f"{seconds:.6f}s"}) == pytest.approx(seconds, abs=1e-6)


@given(
    headers=st.dictionaries(
        st.sampled_from(["date", "retry-after", "retry-after-ms", "x-ratelimit-reset", "ratelimit"]), st.text(max_size=30)
    ),
    text=st.text(max_size=60),
)
def test_any_header_and_text_give_a_wait_or_none(headers: dict[str, str], text: str) -> None:
    found = retry_hint(header_values(headers), text=text, refused=True, now=NOON)
    assert found is None or 0 <= found <= MAX_WAIT
