"""Bodies of any shape, also hostile ones: the innermost words are found, nothing raises, nothing hangs."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkit.errors import KINDS
from chatkit.failures.body import read_body
from chatkit.failures.classification import classify
from tests.failures.exceptions import raised


class Hostile(Exception):
    """Whatever it is asked, it raises."""

    def __str__(self) -> str:
        raise RuntimeError("no words")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class HostileMapping(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("no items")


def looped() -> BaseException:
    first, second = RuntimeError("a"), RuntimeError("b")
    first.__cause__, second.__cause__ = second, first
    second.__context__ = second
    return first


def endless() -> dict[str, Any]:
    loop: dict[str, Any] = {}
    loop["error"] = {"error": [loop, loop]}
    return loop


@pytest.mark.parametrize(
    "given",
    [
        {"error": Hostile()},
        {"error": looped()},
        {"error": ExceptionGroup("x", [ExceptionGroup("y", [RuntimeError() for _ in range(5_000)])])},
        {"body": endless()},
        {"body": HostileMapping(error={"message": "x"})},
        {"body": {"error": HostileMapping(message="x"), 3: object(), None: float("nan"), "code": 10**400}},
        {"body": "[" * 1_000_000},
        {"body": '{"a":' * 1_000_000},
        {"body": "{'a':" * 200_000},
        {"body": "{'" + "\\'" * 5_000_000},
        {"body": '{"error":{"message":"' + "x" * 10_000_000 + '"}}'},
        {"body": "data: {\n" * 1_000_000},
        {"body": "<html>" + "<a" * 5_000_000},
        {"body": b"\xff\xfe\x00" * 3_000_000},
        {"body": "try again in " * 700_000},
        {"body": "reached your specified " * 400_000},
        {"body": "code: 'a' sk- bearer :// ?key= eyJ " * 200_000},
        {"body": "\ud800 lone surrogate"},
        {"headers": {None: 1, b"retry-after": b"\xff", "x": object(), "date": 3, "retry-after-ms": None}},
        {"headers": HostileMapping(a="b")},
        {"headers": 7},
        {"headers": {"retry-after": "9" * 100_000, "x-ratelimit-reset": "1e400", "date": "Fri, 99 Nov 99999 99:99:99"}},
        {"status": "429"},
        {"status": -1},
        {"body": object()},
    ],
)
def test_nothing_that_a_provider_sends_can_make_it_raise(given: dict[str, Any]) -> None:
    found = classify(**given, provider="x")
    assert found.kind in KINDS
    assert len(found.detail) <= 500
    json.dumps(found.detail).encode()


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=12) | st.sampled_from(["error", "code", "message"]), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(
    body=ANYTHING,
    status=st.none() | st.integers(-5, 1_200),
    headers=st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=4),
)
def test_any_body_status_and_headers_give_a_verdict(body: Any, status: int | None, headers: dict[str, str]) -> None:
    for one in (classify(status=status, headers=headers, body=body), classify(Exception(body), status=status, provider="x")):
        assert one.kind in KINDS
        assert one.retry_after is None or 0 <= one.retry_after < 1e9


@given(text=st.text(max_size=400))
def test_a_body_says_the_same_as_text_as_bytes_and_wrapped_as_a_frame(text: str) -> None:
    body = json.dumps({"error": {"type": "overloaded_error", "message": text}})
    frame = f"event: error\ndata: {body}\n\n"
    wrapped = json.dumps({"error": {"message": body, "code": 502}})
    for one in (body, body.encode(), frame, wrapped, json.loads(body), f"Error code: 529 - {json.loads(body)!r}"):
        assert classify(body=one).kind == "overloaded"


def test_codes_statuses_waits_and_headers_are_found_wherever_they_lie() -> None:
    body = [
        {
            "error": {
                "code": 429,
                "status": "RESOURCE_EXHAUSTED",
                "details": [{"quotaId": "PerDay", "quotaValue": "0"}, {"retryDelay": {"seconds": 3}}],
                "metadata": {"headers": {"X-RateLimit-Remaining": "0"}},
                "request_id": "req-1",
            }
        }
    ]
    found = read_body(body)
    assert found == read_body(json.dumps(body))
    assert (found.status, found.codes, found.has_zero_limit, found.request_id) == (429, ("RESOURCE_EXHAUSTED", "PerDay"), True, "req-1")
    assert (found.waits, found.headers) == ((("retrydelay", {"seconds": 3}),), {"x-ratelimit-remaining": "0"})


def test_the_innermost_status_is_the_one_that_counts() -> None:
    inner = json.dumps({"error": {"code": 503, "message": "busy"}})
    assert read_body({"error": {"message": inner, "code": 500}}).status == 503
    assert read_body("API Error: 529 overloaded").status == 529
    assert read_body("processed 402 records of https://x.test/error-code-429").status is None


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("<!DOCTYPE html><p>x", "html"),
        ('{"a":1}', "json"),
        ("data: {}\n\n", "events"),
        ("no {json}", "text"),
    ],
)
def test_the_shape_of_a_body_is_told(text: str, shape: str) -> None:
    assert read_body(text).shape == shape


@pytest.mark.parametrize("body", [None, 3, object(), 2.5])
def test_what_is_no_body_is_empty(body: object) -> None:
    assert read_body(body).shape == "empty"


def test_lines_of_json_are_read_to_the_last() -> None:
    assert read_body('{"message":{"content":"Hel"}}\n{"error":"runner stopped"}\n').detail == "runner stopped"


def test_an_object_that_was_cut_or_printed_by_another_language_still_tells_its_code() -> None:
    assert read_body('{"error":{"type":"overloaded_error","message":"Over').codes == ("overloaded_error",)
    assert read_body("Error: { status: 429, code: 'rate_limit_exceeded' }").codes == ("rate_limit_exceeded",)
    assert read_body("<ErrorResponse><Error><Code>Throttling</Code><Message>slow</Message></Error>").codes == ("Throttling",)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"message": {"text": "Overloaded, come back"}}}, "overloaded"),
        ({"error": {"error_code": 1302, "error_msg": "rate limit reached"}}, "rate_limit"),
        ({"error": {"info": "server overloaded"}}, "overloaded"),
        ({"error": ["Rate limit reached"]}, "rate_limit"),
        ({"error": 429}, "rate_limit"),
        ({"err": "model overloaded"}, "overloaded"),
        ({"fault": {"faultstring": "Rate limit quota violation", "detail": {"errorcode": "policies.QuotaViolation"}}}, "rate_limit"),
        ({"error": {"foo": "bar"}}, "unknown"),
        ({"error": True}, "unknown"),
        ("event: error\ndata: Overloaded\n\n", "overloaded"),
        ('event: error\ndata: "rate limit exceeded"\n\n', "rate_limit"),
        ('event: error\ndata: ["overloaded"]\n\n', "overloaded"),
        ("event: error\ndata: 503\n\n", "server_error"),
        ("event: error\ndata: boom\n\n", "unknown"),
    ],
)
def test_an_error_of_an_odd_shape_has_a_kind_also_under_a_200(body: Any, kind: str) -> None:
    for status in (None, 200):
        assert classify(status=status, body=body, provider="x").kind == kind


def test_what_an_error_of_a_known_shape_says_beside_its_message_is_not_heard() -> None:
    error = {"type": "invalid_request_error", "message": "no", "hint": "the model is overloaded", "param": "rate limit exceeded"}
    assert classify(body={"error": error}).kind == "invalid_request"
    assert classify(status=200, body={"id": "1", "output": [{"words": "the model is overloaded"}]}).kind == "server_error"  # an empty reply


@pytest.mark.parametrize("deep", ["[" * 100_000, '{"error":' * 100_000, "data: " + "[" * 100_000 + "\n\n"])
def test_json_that_is_nested_too_deeply_is_the_servers_fault(deep: str) -> None:
    for status in (None, 200, 500):
        assert classify(status=status, body=deep, provider="x").kind == "server_error"
    assert classify(status=400, body=deep).kind == "invalid_request"
    for decode in (json.loads, msgspec.json.decode):
        error = raised(lambda decode=decode: decode(deep.removeprefix("data: ")))  # type: ignore[misc]
        assert (type(error), classify(error, provider="x").kind, classify(error).kind) == (RecursionError, "server_error", "program")
