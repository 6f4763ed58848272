"""An address at which no server answers: what is said of it, and how long it is tried."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator

import pytest

from chatkit import Chat, RetryNotice, RetryPolicy, TransientError, bridge
from chatkit.chattest import FakeClock, FakeProvider, reply
from chatkit.clock import SystemClock
from chatkit.errors import ProviderError
from chatkit.providers.encoding import Request
from tests.providers.attempts import provider_at


@pytest.fixture
def vacant() -> str:
    """An address of this machine where nothing listens; by name, as other tests have had servers at its ports' numbers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"localhost:{server.getsockname()[1]}"


@contextlib.contextmanager
def serving(*answers: bytes) -> Iterator[str]:
    """A server that says these bytes, each when it heard something, and closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            for answer in answers or (b"",):
                await reader.read(1_000)
                writer.write(answer)
        writer.close()

    async def start() -> asyncio.Server:
        return await asyncio.start_server(serve, "127.0.0.1", 0)

    server = bridge.spawn(start()).result(5)
    yield f"localhost:{server.sockets[0].getsockname()[1]}"
    bridge.call_soon(server.close).result(5)


@contextlib.contextmanager
def serving_tls() -> Iterator[str]:
    """A server that takes TLS alone. It has no certificate, so it answers a handshake with an alert."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                with contextlib.closing(connection), contextlib.suppress(ssl.SSLError):
                    context.wrap_socket(connection, server_side=True)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"localhost:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


async def failure(base_url: str) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await provider_at(base_url).stream(Request(model="m", messages=()), lambda p: None, clock=SystemClock(), silence_timeout=5)
    return caught.value


def failure_at(base_url: str) -> ProviderError:
    return bridge.spawn(failure(base_url)).result(10)


def failure_behind(proxy: str, base_url: str, monkeypatch: pytest.MonkeyPatch) -> ProviderError:
    for variable in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, f"http://{proxy}")
    return asyncio.run(failure(base_url))  # another loop has another client, which reads the variables


def chat_at(address: str, clock: FakeClock, heard: list[RetryNotice], policy: RetryPolicy | None = None) -> Chat:
    return Chat("openai-compat:m", base_url=f"http://{address}/v1", policy=policy, clock=clock, on_retry=heard.append, title=None)


def test_a_server_that_is_not_running_is_named(vacant: str) -> None:
    error = failure_at(f"http://{vacant}/v1")
    assert str(error) == f"connection refused. Is the server at {vacant} running?"
    assert (error.kind, error.detail, error.classification.unreached) == ("network", "", vacant)


@pytest.mark.parametrize(("host", "named"), [("no-such-host.invalid", "no-such-host.invalid"), ("Müsli.invalid", "xn--msli-0ra.invalid")])
def test_an_unknown_host_is_named(host: str, named: str) -> None:
    error = failure_at(f"http://{host}/v1")
    assert error.classification.message.startswith(f"unknown host: the server at {named}:80 can't be found.")
    assert error.retryable


def test_a_host_that_no_resolver_takes_is_an_address_to_correct() -> None:
    assert failure_at("http://\N{SNOWMAN}.invalid/v1").kind == "invalid_request"


def test_a_proxy_that_is_not_running_is_no_server(vacant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    error = failure_behind(vacant, "http://10.0.0.1/v1", monkeypatch)
    assert error.classification.message == f"connection refused. Is the proxy at {vacant} running?"


def test_a_proxy_that_refuses_a_connection_is_no_provider_that_refuses_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n") as proxy:
        error = failure_behind(proxy, "https://10.0.0.1/v1", monkeypatch)
    assert str(error) == "the proxy doesn't allow connections to this address"
    assert (error.kind, error.status_code, error.detail) == ("invalid_request", None, "")


def test_a_server_behind_a_proxy_is_named_for_what_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(b"HTTP/1.1 200 Connection established\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n") as proxy:
        error = failure_behind(proxy, "https://10.0.0.1/v1", monkeypatch)
    assert error.classification.message == "the server at 10.0.0.1:443 doesn't speak TLS: write http:// in place of https://"


def test_https_at_a_plain_port_and_http_at_a_port_of_tls_are_told_apart() -> None:
    with serving(b"HTTP/1.1 400 Bad Request\r\n\r\n") as plain:
        error = failure_at(f"https://{plain}/v1")
    assert error.classification.message == f"the server at {plain} doesn't speak TLS: write http:// in place of https://"
    assert not error.retryable
    with serving_tls() as of_tls:
        assert failure_at(f"http://{of_tls}/v1").retryable  # one connection may be dropped for any reason
        error = failure_at(f"http://{of_tls}/v1")
    assert error.classification.message == f"the server at {of_tls} speaks only TLS: write https:// in place of http://"
    assert not error.retryable
    with serving() as silent:
        assert failure_at(f"http://{silent}/v1").retryable
        error = failure_at(f"http://{silent}/v1")
    assert error.classification.message == "the connection to acme broke"
    assert error.retryable


def test_a_server_of_this_machine_that_never_answered_is_given_up_after_a_minute_and_half_of_it_loudly(vacant: str) -> None:
    clock, heard = FakeClock(), list[RetryNotice]()
    with pytest.raises(TransientError, match=f"Is the server at {vacant} running") as caught:
        chat_at(vacant, clock, heard).ask("Hello")
    assert clock.pauses == [1, 2, 4, 8, 16, 29]
    assert [notice.event().unreached for notice in heard] == ["", "", "", "", "", vacant]
    assert "for a minute; max_elapsed=None tries on" in caught.value.__notes__[0]


@pytest.mark.parametrize("policy", [RetryPolicy(max_elapsed=200), RetryPolicy(max_attempts=9)])
def test_it_is_tried_as_long_as_the_person_said(vacant: str, policy: RetryPolicy) -> None:
    clock, heard = FakeClock(), list[RetryNotice]()
    with pytest.raises(TransientError):
        chat_at(vacant, clock, heard, policy).ask("Hello")
    assert sum(clock.pauses) > 100
    assert heard[-1].event().unreached == vacant


def test_a_server_that_answered_once_is_waited_for() -> None:
    with FakeProvider(reply("Hi.")) as fake:
        address = fake.openai_url.removeprefix("http://").removesuffix("/v1")
        clock, heard = FakeClock(), list[RetryNotice]()
        chat = chat_at(address, clock, heard)
        chat.ask("Hello")
    with pytest.raises(TransientError, match=f"Is the server at {address} running"):
        chat.ask("And now?")
    assert clock.pauses == [1, 2, 4, 8, 16, 32, 60]
    assert not any(notice.event().unreached for notice in heard)
