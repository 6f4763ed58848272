"""One attempt over real HTTP: every way in which it can go right or wrong, and what is told of it."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from chatkit import bridge
from chatkit.chattest import (
    Response,
    anthropic_overloaded_response,
    error_response,
    html_response,
    http_response,
    openai_rate_limit_response,
    reply,
)
from chatkit.clock import SystemClock
from chatkit.errors import AuthError, ContextExceeded, ProviderError, RequestRejected, TransientError, UsageError
from chatkit.parts import Usage
from chatkit.providers.decoding import Piece
from chatkit.providers.encoding import Request
from tests.providers.attempts import FORMATS, WORDS, Fakes, ask, provider_at
from tests.providers.streams import chunk, data


@pytest.mark.parametrize("format", FORMATS)
def test_a_reply_is_streamed_piece_by_piece_in_every_format(fake_provider: Fakes, format: str) -> None:
    usage = Usage(input_tokens=5, output_tokens=20, cache_read_tokens=7)
    fake = fake_provider(reply(WORDS, reasoning="Hm, let me see.", usage=usage))
    asked = ask(fake, format)
    finish = asked.finish()
    assert asked.text == "Hm, let me see." + WORDS
    assert (finish.stop_reason, finish.model, str(finish.request_id)[:4]) == ("end", "m-1", "req_")
    assert finish.usage is not None
    assert (finish.usage.input_tokens, finish.usage.output_tokens, finish.usage.cache_read_tokens) == (5, 20, 7)


@pytest.mark.parametrize("format", FORMATS)
def test_calls_come_with_pieces_and_then_whole(fake_provider: Fakes, format: str) -> None:
    asked = ask(fake_provider(reply("See:", tool_calls=[("search", {"query": "back-off and jitter"})])), format)
    assert asked.finish().stop_reason == "tool_calls"
    assert asked.parts[-1].args == {"query": "back-off and jitter"}  # type: ignore[union-attr]
    assert sum(getattr(part, "args_delta", "") != "" for call in asked.calls for _, part in call) > 2


@pytest.mark.parametrize("format", FORMATS)
def test_bytes_and_characters_may_be_split_anywhere(fake_provider: Fakes, format: str) -> None:
    for response in (reply("Größe: 🦅 ok").split_bytes(1), reply("Größe: 🦅 ok").split_characters()):
        asked = ask(fake_provider(response), format)
        asked.finish()
        assert asked.text == "Größe: 🦅 ok"


def test_a_second_request_takes_the_first_one_s_connection() -> None:
    stream = data(chunk({"content": "x"}), chunk({}, "stop")) + b"data: [DONE]\n\n"
    connections: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        for _ in range(3):
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(stream), stream))
        writer.close()

    async def ask_thrice() -> list[Any]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        provider = provider_at(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        request = Request(model="m", messages=())
        told = [(await provider.stream(request, lambda p: None, clock=SystemClock(), silence_timeout=5)).stop_reason for _ in range(3)]
        server.close()
        return told

    assert bridge.spawn(ask_thrice()).result(10) == ["end"] * 3
    assert len(connections) == 1


# ── how it fails ──


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "spoil",
    [
        lambda r: r.reset(after=3),
        lambda r: r.half_close(after=3),
        lambda r: r.cut(after=3),
        lambda r: r.broken_json(after=3),
    ],
    ids=["reset", "half-closed", "cut", "broken json"],
)
def test_a_stream_that_breaks_in_the_middle_is_a_network_error(
    fake_provider: Fakes, format: str, spoil: Callable[[Response], Response]
) -> None:
    error = ask(fake_provider(spoil(reply(WORDS))), format).error()
    assert isinstance(error, TransientError)
    assert (error.kind, error.retryable, error.provider) == ("network", True, "acme")
    assert str(error.request_id).startswith("req_")


@pytest.mark.parametrize("format", FORMATS)
def test_what_came_before_an_error_frame_is_told(fake_provider: Fakes, format: str) -> None:
    asked = ask(fake_provider(reply(WORDS).error_frame(after=3)), format)
    assert asked.error().kind == "overloaded"
    assert asked.text == "Clients back off"


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("after", [None, 0])
def test_a_reset_before_any_part_is_a_network_error(fake_provider: Fakes, format: str, after: int | None) -> None:
    asked = ask(fake_provider(reply(WORDS).reset(after=after)), format)
    assert asked.error().kind == "network"
    assert asked.calls == []


def test_a_refused_connection_is_a_network_error(fake_provider: Fakes) -> None:
    error = ask(fake_provider(reply("x"), listening=False)).error()
    assert (error.kind, error.retryable) == ("network", True)
    assert error.__cause__ is not None


@pytest.mark.parametrize("body", [b"", ["\n", "\n\n"]])
def test_nothing_under_200_is_a_server_error(fake_provider: Fakes, body: Any) -> None:
    error = ask(fake_provider(http_response(200, body))).error()
    assert (error.kind, error.retryable) == ("server_error", True)


def test_only_comments_are_a_stream_that_was_cut_off(fake_provider: Fakes) -> None:
    assert ask(fake_provider(http_response(200, [": ping\n\n"]))).error().kind == "network"


def test_a_page_under_200_is_a_server_error_that_names_it(fake_provider: Fakes) -> None:
    error = ask(fake_provider(html_response(200))).error()
    assert (error.kind, error.retryable, error.detail) == ("server_error", True, "Sign in to the network")


def test_of_an_endless_page_only_the_beginning_is_read_and_searched(fake_provider: Fakes) -> None:
    for beginning in (b"<!doctype html><title>Sign in</title>", b"<title"):
        fake = fake_provider(http_response(200, [beginning] + [b"<title" * 1000] * 100, content_type="text/html").stall(after=10))
        error = ask(fake).error()
        assert (error.kind, error.detail) == ("server_error", "Sign in" if b">" in beginning else "")


def test_plain_words_under_200_are_what_they_said(fake_provider: Fakes) -> None:
    error = ask(fake_provider(http_response(200, "upstream connect error"))).error()
    assert error.retryable
    assert error.detail == "upstream connect error"


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
def test_an_error_object_under_200_is_classified(fake_provider: Fakes, content_type: str) -> None:
    body = {"error": {"type": "overloaded_error", "message": "Overloaded"}}
    error = ask(fake_provider(http_response(200, body, content_type=content_type))).error()
    assert (error.kind, error.detail) == ("overloaded", "Overloaded")


def test_a_bare_error_object_at_the_end_of_a_stream_is_classified(fake_provider: Fakes) -> None:
    bare = b'{"error": {"type": "overloaded_error", "message": "Overloaded"}}'
    for ending in (bare, bare + b"\n", bare + b"\n\n"):
        asked = ask(fake_provider(http_response(200, [data(chunk({"content": "Hel"})), ending])))
        assert asked.error().kind == "overloaded"
        assert asked.text == "Hel"


def test_a_reply_that_comes_whole_is_read(fake_provider: Fakes) -> None:
    body = {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}], "model": "m-2"}
    asked = ask(fake_provider(http_response(200, body)))
    assert (asked.finish().model, asked.text) == ("m-2", "Hello")


def test_a_last_event_without_its_empty_line_counts(fake_provider: Fakes) -> None:
    for ending in (b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}', data(chunk({}, "stop"))[:-2], data(chunk({}, "stop"))[:-1]):
        asked = ask(fake_provider(http_response(200, [data(chunk({"content": "Hello"})), ending])))
        assert asked.finish().stop_reason == "end"
        assert asked.text == "Hello"


def test_a_compressed_body_is_read_although_none_was_asked_for(fake_provider: Fakes) -> None:
    body = gzip.compress(data(chunk({"content": "Hello"}), chunk({}, "stop")))
    fake = fake_provider(http_response(200, body, content_type="text/event-stream", headers={"content-encoding": "gzip"}))
    asked = ask(fake)
    asked.finish()
    assert asked.text == "Hello"
    assert fake.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("format", FORMATS)
def test_a_connection_that_breaks_after_the_terminal_event_spoils_nothing(fake_provider: Fakes, format: str) -> None:
    asked = ask(fake_provider(reply(WORDS).short_body(100)), format)
    assert asked.finish().stop_reason == "end"
    assert asked.text == WORDS


def test_a_break_between_the_finish_and_the_end_mark_spoils_nothing(fake_provider: Fakes) -> None:
    stream = [data(chunk({"content": "Hello"})), data(chunk({}, "stop")), b"data: [DO"]
    asked = ask(fake_provider(http_response(200, stream).reset(after=2)))
    assert asked.finish().stop_reason == "end"
    assert asked.text == "Hello"


# ── statuses ──


def test_an_error_status_is_classified_with_its_hint_and_request_id(fake_provider: Fakes) -> None:
    response = openai_rate_limit_response().with_headers({"retry-after": "7", "x-request-id": "req_9"})
    error = ask(fake_provider(response)).error()
    assert (error.kind, error.status_code, error.retry_after, error.request_id) == ("rate_limit", 429, 7.0, "req_9")


@pytest.mark.parametrize(
    ("response", "leaf", "kind"),
    [
        (anthropic_overloaded_response(), TransientError, "overloaded"),
        (error_response(401, "invalid x-api-key"), AuthError, "auth"),
        (http_response(413, {"error": {"type": "request_too_large", "message": "Too large"}}), ContextExceeded, "context_exceeded"),
        (http_response(400, {"error": {"message": "temperature: above 2"}}), RequestRejected, "invalid_request"),
        (html_response(502), TransientError, "server_error"),
    ],
)
def test_the_leaf_says_what_the_caller_can_do(fake_provider: Fakes, response: Response, leaf: type[ProviderError], kind: str) -> None:
    error = ask(fake_provider(response), "anthropic").error()
    assert isinstance(error, leaf)
    assert error.kind == kind


def test_of_an_endless_error_no_more_is_read_than_is_needed(fake_provider: Fakes) -> None:
    fake = fake_provider(http_response(503, [b"x" * 8192] * 100).stall(after=20))
    assert ask(fake).error().status_code == 503


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_and_says_where_it_points(fake_provider: Fakes, status: int) -> None:
    fake = fake_provider(http_response(status, headers={"location": "https://user:pw@other.example/v1?token=abc"}))
    error = ask(fake).error()
    assert isinstance(error, RequestRejected)
    assert (error.kind, error.status_code, error.detail) == ("invalid_request", status, "https://other.example/v1")
    assert "base_url" in str(error)
    assert len(fake.requests) == 1


def test_a_404_at_a_server_without_a_path_says_what_base_url_lacks(fake_provider: Fakes) -> None:
    fake = fake_provider(http_response(404, "not found"))
    error = ask(fake, base_url=fake.url).error()
    assert "base_url usually ends in /v1" in str(error)
    assert fake.received[0].path == "/chat/completions"


@pytest.mark.parametrize(
    ("format", "path"), [("anthropic", "/v1/messages"), ("chat", "/v1/chat/completions"), ("responses", "/v1/responses")]
)
def test_a_404_at_a_path_says_that_nothing_is_there(fake_provider: Fakes, format: str, path: str) -> None:
    for body in ("404 page not found", {"detail": "Not Found"}, b""):
        error = ask(fake_provider(http_response(404, body)), format).error()
        assert (error.kind, error.status_code) == ("invalid_request", 404)
        assert f"acme has nothing at {path}" in str(error)
        assert ("openai-compat:m-1" in str(error)) == (format == "responses")


def test_a_404_of_the_vendor_itself_speaks_of_something_else(fake_provider: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = fake_provider(http_response(404, {"error": {"message": "Item with id 'rs_1' not found.", "type": "invalid_request_error"}}))
    monkeypatch.setenv("http_proxy", fake.url)
    for host, kind in (("eu.api.openai.com", "refused the request"), ("gateway.example", "has nothing at /v1/responses")):
        provider = provider_at(f"http://{host}/v1", "responses")
        work = provider.stream(Request(model="m", messages=()), lambda p: None, clock=SystemClock(), silence_timeout=5)
        with pytest.raises(RequestRejected, match=kind):
            asyncio.run(work)


def test_a_404_of_a_model_says_so(fake_provider: Fakes) -> None:
    body = {"error": {"message": "The model `m-1` does not exist", "type": "invalid_request_error", "code": "model_not_found"}}
    error = ask(fake_provider(http_response(404, body)), "responses").error()
    assert error.kind == "model_not_found"
    assert "does not have this model" in str(error)


# ── what it sends, and what it shows ──


@pytest.mark.parametrize(
    ("format", "path"), [("anthropic", "/v1/messages"), ("chat", "/v1/chat/completions"), ("responses", "/v1/responses")]
)
def test_the_request_goes_where_the_format_wants_it_with_the_key_in_its_header(fake_provider: Fakes, format: str, path: str) -> None:
    fake = fake_provider(reply("x"))
    ask(fake, format, temperature=0.5).finish()
    request = fake.requests[0]
    assert (request.path, request.json["stream"], request.json["temperature"]) == (path, True, 0.5)
    assert request.headers["content-type"] == "application/json"
    key = request.headers["x-api-key"] if format == "anthropic" else request.headers["authorization"].removeprefix("Bearer ")
    assert key == "sk-secret-key-1234567890"


def test_a_query_of_the_base_url_stays_at_the_end(fake_provider: Fakes) -> None:
    fake = fake_provider(reply("x"))
    ask(fake, base_url=f"{fake.openai_url}?api-version=2026-01-01").finish()
    assert fake.requests[0].path.startswith("/v1/chat/completions")


def test_this_machine_is_asked_without_a_proxy(fake_provider: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async def on_a_loop_of_its_own() -> str | None:
        provider = provider_at(fake.openai_url)
        return (await provider.stream(Request(model="m", messages=()), lambda p: None, clock=SystemClock(), silence_timeout=5)).stop_reason

    fake = fake_provider(reply("x"))
    assert bridge.spawn(on_a_loop_of_its_own()).result(10) == "end"


def test_options_that_would_break_the_stream_are_refused_before_anything_is_sent(fake_provider: Fakes) -> None:
    fake = fake_provider(reply("x"))
    with pytest.raises(UsageError, match="'stream'"):
        ask(fake, stream=False).future.result(5)
    assert fake.received == []


def test_neither_the_provider_s_repr_nor_its_errors_show_the_key(fake_provider: Fakes) -> None:
    echo = error_response(401, "Incorrect API key provided: sk-secret-key-1234567890")
    asked = ask(fake_provider(echo))
    error = asked.error()
    for text in (repr(asked.provider), repr(asked.provider.headers), str(error), repr(error), repr(error.classification)):
        assert "secret" not in text
    assert repr(asked.provider).startswith("<Provider acme:m-1 at 127.0.0.1:")


def test_headers_of_one_s_own_are_sent_and_never_shown(fake_provider: Fakes) -> None:
    headers = {"X-Portkey-Config": "pc-hunter2-abc", "cf-aig-authorization": "Bearer hunter2hunter2"}
    echo = error_response(400, "unknown config pc-hunter2-abc for hunter2hunter2 with sk-secret-key-1234567890")
    fake = fake_provider(echo)
    asked = ask(fake, headers=headers)
    error = asked.error()
    assert error.detail == "unknown config *** for *** with ***"
    assert fake.received[0].headers["x-portkey-config"] == "pc-hunter2-abc"
    for text in (repr(vars(asked.provider)), str(error), repr(error), repr(error.classification)):
        assert "hunter2" not in text


def test_no_name_that_a_server_gives_and_no_cut_shows_a_secret(fake_provider: Fakes) -> None:
    key, echo = "sekret-key-1234567890", {"x-request-id": "sekret-key-1234567890"}
    stream = data({"model": key, "choices": [{"delta": {"content": "x"}, "finish_reason": key}]})
    finish = ask(fake_provider(http_response(200, stream, headers=echo)), headers={"x-own": key}).finish()
    assert (finish.model, finish.provider_stop_reason, finish.request_id) == ("***", "***", "***")
    body = msgspec.json.encode({"error": {"message": "y" * 490 + key}, "request_id": key})
    for headers in (echo, {}):
        error = ask(fake_provider(http_response(400, body, headers=headers)), headers={"x-own": key}).error()
        assert "sekret" not in repr(error.classification) + str(error)
        assert error.detail.endswith("y***…")


def test_an_error_of_the_sink_is_not_retried(fake_provider: Fakes) -> None:
    fake = fake_provider(reply("x"))

    def broken(pieces: list[Piece]) -> None:
        raise KeyError("sink")

    provider = provider_at(fake.openai_url)
    work = bridge.spawn(provider.stream(Request(model="m", messages=()), broken, clock=SystemClock(), silence_timeout=5))
    with pytest.raises(ProviderError) as caught:
        work.result(10)
    assert (caught.value.kind, caught.value.retryable) == ("program", False)
