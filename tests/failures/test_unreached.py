"""Why a connection can't be made is said as what it is, and never as something that a provider said."""

from __future__ import annotations

import socket
import ssl
import urllib.error
from typing import Any

import httpx
import pytest

from chatkit import classify
from tests.failures.exceptions import caused, in_context, made

REFUSED = ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 11434)")
NO_HOST = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
WRONG_VERSION = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)")
UNTRUSTED = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate")
ALERT = r"illegal status line: bytearray(b'\x15\x03\x03\x00\x02\x02P')"


def through_requests(why: BaseException) -> BaseException:
    """What requests raises where this is why a proxy makes no connection."""
    inner = made("urllib3.exceptions.ProxyError", "Unable to connect to proxy")
    outer = made("requests.exceptions.ProxyError", "HTTPSConnectionPool(host='api.example.com', port=443): Max retries exceeded", OSError)
    return caused(outer, caused(inner, why))


@pytest.mark.parametrize(
    ("error", "retryable", "sentence"),
    [
        (REFUSED, True, "connection refused. Is ollama running?"),
        (caused(httpx.ConnectError("All connection attempts failed"), REFUSED), True, "connection refused. Is ollama running?"),
        (urllib.error.URLError(REFUSED), True, "connection refused. Is ollama running?"),
        (caused(httpx.ConnectError("x"), NO_HOST), True, "unknown host: ollama can't be found."),
        (
            caused(httpx.ConnectError(str(WRONG_VERSION)), WRONG_VERSION),
            False,
            "ollama doesn't speak TLS: write http:// in place of https://",
        ),
        (caused(httpx.ConnectError(str(UNTRUSTED)), UNTRUSTED), False, "the certificate of ollama can't be verified"),
        (httpx.RemoteProtocolError(ALERT), False, "ollama speaks only TLS: write https:// in place of http://"),
        (httpx.ProxyError("407 Proxy Authentication Required"), False, "the proxy asks for a user name and a password"),
        (httpx.ProxyError("401 Unauthorized"), False, "the proxy asks for a user name and a password"),
        (httpx.ProxyError("403 Forbidden"), False, "the proxy doesn't allow connections to this address"),
        (urllib.error.URLError(OSError("Tunnel connection failed: 403 Forbidden")), False, "the proxy doesn't allow connections"),
        (through_requests(OSError("Tunnel connection failed: 407 Proxy ")), False, "the proxy asks for a user name and a password"),
        (through_requests(REFUSED), True, "the proxy can't be reached."),
        (through_requests(NO_HOST), True, "the proxy can't be reached."),
        (in_context(ConnectionResetError(104, "reset"), REFUSED), True, "the connection to ollama broke"),
        (in_context(RuntimeError("no answer"), REFUSED), True, "connection refused. Is ollama running?"),
        (ConnectionResetError(104, "Connection reset by peer"), True, "the connection to ollama broke"),
        (OSError(113, "No route to host"), True, "the connection to ollama broke"),
    ],
)
def test_a_fault_of_a_connection_is_called_what_it_is(error: BaseException, retryable: bool, sentence: str) -> None:
    found = classify(error, provider="ollama")
    assert found.message.startswith(sentence)
    assert found.retryable is retryable
    assert found.unreached is None


@pytest.mark.parametrize(
    ("response", "sentence"),
    [
        ({"status": 400, "body": "Client sent an HTTP request to an HTTPS server."}, "acme speaks only TLS"),
        ({"status": 400, "body": "<html><center>The plain HTTP request was sent to HTTPS port</center></html>"}, "acme speaks only TLS"),
        ({"status": 407, "body": ""}, "the proxy asks for a user name and a password"),
        ({"status": 502, "body": "dial tcp 10.0.0.1:80: connect: connection refused"}, "acme failed with HTTP 502"),
        ({"status": 400, "body": "wrong version number"}, "acme refused the request as invalid"),
    ],
)
def test_what_a_server_says_of_its_own_connections_is_its_own_matter(response: dict[str, Any], sentence: str) -> None:
    assert classify(**response, provider="acme").message.startswith(sentence)


def test_a_proxy_that_asks_for_a_password_is_a_407_and_no_other_status_of_it_is_the_provider_s() -> None:
    for answer, status in (("407 Proxy Authentication Required", 407), ("401 Unauthorized", 407), ("403 Forbidden", None)):
        assert classify(httpx.ProxyError(answer), provider="acme").status_code == status
    assert classify(httpx.ProxyError("403 Forbidden"), provider="acme").kind == "invalid_request"
