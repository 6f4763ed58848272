"""Whatever a server sends, an attempt keeps a bounded part of it in memory, and says what was too much."""

from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from chatkit.chattest import http_response
from chatkit.errors import ProviderError
from tests.providers.attempts import FORMATS, Fakes, ask
from tests.providers.streams import chunk, data

MB = 1 << 20


def packed(beginning: bytes, megabytes: int, form: int = zlib.MAX_WBITS | 16) -> bytes:
    """A small body that unpacks to many zeros."""
    packing = zlib.compressobj(9, wbits=form)
    return packing.compress(beginning) + b"".join(packing.compress(bytes(MB)) for _ in range(megabytes)) + packing.flush()


def peak(work: Callable[[], ProviderError]) -> tuple[ProviderError, float]:
    """What the work gives, and the megabytes that it took at its worst."""
    tracemalloc.start()
    try:
        error = work()
        return error, tracemalloc.get_traced_memory()[1] / MB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_an_error_that_unpacks_to_gigabytes_is_read_as_far_as_it_is_needed(fake_provider: Fakes, coding: str) -> None:
    form = zlib.MAX_WBITS | 16 if coding == "gzip" else zlib.MAX_WBITS
    body = packed(b'{"error": {"type": "overloaded_error", "message": "Overloaded"}}', 100, form)
    fake = fake_provider(http_response(503, body, headers={"content-encoding": coding}))
    error, megabytes = peak(lambda: ask(fake).error())
    assert (error.kind, error.status_code) == ("overloaded", 503)
    assert megabytes < 5


@pytest.mark.parametrize("beginning", [b"data: ", b"<html>", b"{", b"\n", b""])
def test_a_reply_that_unpacks_to_gigabytes_is_given_up(fake_provider: Fakes, beginning: bytes) -> None:
    fake = fake_provider(http_response(200, packed(beginning, 100), headers={"content-encoding": "gzip"}))
    error, megabytes = peak(lambda: ask(fake).error())
    assert (error.kind, error.retryable) == ("server_error", True)
    assert megabytes < 110  # an event or a body may have 32 MB, and is joined once


@pytest.mark.parametrize("coding", ["none", "utf-8", "identity, identity", "chunked"])
def test_a_coding_that_packs_nothing_is_passed_over(fake_provider: Fakes, coding: str) -> None:
    """Servers switch compression off with "none" (Next.js), or name the charset here."""
    body = data(chunk({"content": "Hello"}), chunk({}, "stop"))
    assert ask(fake_provider(http_response(200, body, headers={"content-encoding": coding}))).finish().stop_reason == "end"


def test_an_answer_that_is_not_packed_as_it_says_counts_as_paid(fake_provider: Fakes) -> None:
    error = ask(fake_provider(http_response(200, b"data: {}", headers={"content-encoding": "gzip"}))).error()
    assert (error.kind, error.paid) == ("network", True)


@pytest.mark.parametrize("coding", ["zstd", "br", "gzip, gzip"])
def test_what_is_packed_in_another_way_is_not_unpacked(fake_provider: Fakes, coding: str) -> None:
    error = ask(fake_provider(http_response(200, b"\x28\xb5\x2f\xfd", headers={"content-encoding": coding}))).error()
    assert (error.kind, error.detail, error.paid) == ("server_error", f"content-encoding: {coding}", True)
    assert "not asked for" in str(error)
    error = ask(fake_provider(http_response(429, b"\x28\xb5\x2f\xfd", headers={"content-encoding": coding, "retry-after": "7"}))).error()
    assert (error.kind, error.retry_after, error.detail) == ("rate_limit", 7, "")


def test_a_body_that_is_packed_badly_is_a_network_error(fake_provider: Fakes) -> None:
    for body in (b"no gzip at all", packed(data(chunk({"content": "Hello"})), 0)[:-12]):
        error = ask(fake_provider(http_response(200, body, headers={"content-encoding": "gzip"}))).error()
        assert error.kind == "network"


def test_what_follows_the_end_of_a_packed_body_is_not_kept(fake_provider: Fakes) -> None:
    body = packed(data(chunk({"content": "Hello"}), chunk({}, "stop")), 0)
    fake = fake_provider(http_response(200, [body, *[bytes(MB)] * 40], headers={"content-encoding": "gzip"}))
    asked = ask(fake)
    tracemalloc.start()
    try:
        assert asked.finish().stop_reason == "end"
        assert tracemalloc.get_traced_memory()[1] < 20 * MB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("piece", [b"x" * 65536, b"data: x\n" * 8192], ids=["a line", "an event"])
def test_an_event_without_an_end_is_a_server_error_that_says_so(fake_provider: Fakes, piece: bytes) -> None:
    error, megabytes = peak(lambda: ask(fake_provider(http_response(200, [b"data: ", *[piece] * 1000]))).error())
    assert error.kind == "server_error"
    assert "acme sent an event of more than 32 MB" in str(error)
    assert megabytes < 80


@pytest.mark.parametrize("form", ["data: %s\n\n", "%s"], ids=["event", "body"])
@pytest.mark.parametrize("format", FORMATS)
def test_json_of_millions_of_objects_is_refused_before_it_is_read(fake_provider: Fakes, form: str, format: str) -> None:
    body = form % ('{"choices": [' + "{}," * 3_000_000 + "{}]}")
    fake = fake_provider(http_response(200, body.encode()))
    error, megabytes = peak(lambda: ask(fake, format).error())
    assert error.kind == "server_error"
    assert "more than 500000 objects" in str(error)
    assert megabytes < 100
