"""A class is known by the library that defines it: namesakes of broken connections are what they are."""

from __future__ import annotations

import csv
import ftplib
import gzip
import imaplib
import io
import json
import pickle
import shutil
import smtplib
import ssl
import struct
import tarfile
import xml.etree.ElementTree as ET
import xmlrpc.client
import zipfile
import zlib

import httpx
import httpx2
import msgspec
import pytest

from chatkit.failures.classes import CLIENTS, TABLE
from chatkit.failures.classification import classify
from tests.failures.exceptions import caused, made, raised

DAMAGED: list[BaseException] = [
    tarfile.ReadError("file could not be opened successfully"),
    shutil.ReadError("not an archive"),
    shutil.Error([("a", "b", "c")]),
    raised(lambda: zipfile.ZipFile(io.BytesIO(b"x"))),
    raised(lambda: zlib.decompress(b"x")),
    raised(lambda: gzip.decompress(b"xx")),
    raised(lambda: struct.unpack("i", b"x")),
    raised(lambda: pickle.loads(b"x")),
    csv.Error("line contains NUL"),
    raised(lambda: ET.fromstring("<a")),
    raised(lambda: json.loads("{")),
    raised(lambda: msgspec.json.decode(b"{")),
    raised(lambda: msgspec.json.decode(b"{}", type=int)),
]


@pytest.mark.parametrize("error", DAMAGED, ids=lambda error: type(error).__name__)
def test_a_damaged_file_of_ones_own_is_no_broken_connection(error: BaseException) -> None:
    assert (classify(error).kind, classify(error).retryable) == ("program", False)


@pytest.mark.parametrize("error", DAMAGED[:10], ids=lambda error: type(error).__name__)
def test_nor_is_it_one_where_a_provider_was_called(error: BaseException) -> None:
    assert classify(error, provider="openai").kind == "program"


def test_broken_json_is_a_cut_stream_only_where_a_provider_sent_it() -> None:
    for error in (raised(lambda: json.loads('{"a')), raised(lambda: msgspec.json.decode(b"{")), ValueError("Unterminated string")):
        assert classify(error, provider="openai").kind == "network"
        assert classify(error, status=200).kind == "network"
        assert classify(error).kind == "program"
    with httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200, text='{"a'))) as client:
        assert classify(raised(client.get("http://x.test").json)).kind == "network"
    assert classify(raised(lambda: msgspec.json.decode(b"{}", type=int)), provider="openai").kind == "program"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (made("pymongo.errors.DuplicateKeyError", "E11000", type(made("pymongo.errors.WriteError")), code=11000), "unknown"),
        (made("telegram.error.BadRequest", "chat not found", type(made("telegram.error.NetworkError"))), "invalid_request"),
        (made("telegram.error.NetworkError", "x"), "network"),
        (made("tornado.httpclient.HTTPClientError", "HTTP 404: Not Found", code=404), "invalid_request"),
        (made("tornado.httpclient.HTTPClientError", "HTTP 503: Busy", code=503), "server_error"),
        (made("webob.exc.HTTPUnauthorized", "", type(made("webob.exc.HTTPClientError")), code=401), "auth"),
        (
            made("opensearchpy.exceptions.NotFoundError", "x", type(made("opensearchpy.exceptions.TransportError")), status_code=404),
            "invalid_request",
        ),
        (made("huggingface_hub.errors.OfflineModeIsEnabled", "x", ConnectionError), "invalid_request"),
        (made("websocket._exceptions.WebSocketConnectionClosedException", "x"), "network"),
        (made("botocore.exceptions.HTTPClientError", "x"), "network"),
        (made("aiohttp.client_exceptions.ServerDisconnectedError", "Server disconnected"), "network"),
        (made("vendor.ServerDisconnectedError", "Server disconnected"), "network"),
        (made("vendor.APITimeoutError", "x"), "timeout"),
        (made("distributed.comm.core.CommClosedError", "x", OSError), "network"),
        (made("twisted.web.error.Error", "x", status=b"404"), "invalid_request"),
        (xmlrpc.client.ProtocolError("x", 401, "Unauthorized", {}), "auth"),
        (xmlrpc.client.ProtocolError("x", 404, "Not Found", {}), "invalid_request"),
        (xmlrpc.client.ProtocolError("x", 503, "Busy", {}), "server_error"),
        (made("selenium.common.exceptions.NoSuchElementException", "can't connect: overloaded"), "unknown"),
        (made("playwright._impl._errors.Error", "net::ERR_CONNECTION_REFUSED at http://x"), "network"),
        (made("amqp.exceptions.NotAllowed", "x", type(made("amqp.exceptions.IrrecoverableConnectionError")), code=530), "invalid_request"),
        (made("litellm.router.RouterRateLimitError", "No deployments available", ValueError), "rate_limit"),
        (made("own.MlflowException", "bad parameter", error_code="INTERNAL_ERROR"), "unknown"),
        (made("own.SomeError", "x", error_code="RATE_LIMIT_EXCEEDED"), "rate_limit"),
        (made("tornado.queues.QueueFull", ""), "unknown"),
        (ssl.SSLError(1, "[SSL] PEM lib (_ssl.c:3900)"), "invalid_request"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 1), [Errno 111] Connect call failed"), "network"),
    ],
)
def test_a_class_is_known_by_its_library_and_a_status_comes_before_a_class_that_says_network(error: BaseException, kind: str) -> None:
    assert classify(error).kind == kind


@pytest.mark.parametrize(
    "name", ["ReadError", "ConnectError", "MyConnectionError", "ValidationError", "RateLimitError", "Timeout", "TransportError"]
)
def test_a_name_of_ones_own_says_nothing_unless_a_provider_was_called(name: str) -> None:
    assert classify(made(f"own.{name}", "x")).kind == "unknown"
    assert classify(made(f"own.{name}", "x", ConnectionError)).kind == "network"
    if name not in ("MyConnectionError", "ValidationError"):
        assert classify(made(f"own.{name}", "x"), provider="openai").retryable
        assert classify(made(f"own.{name}", "x"), status=200).retryable


def test_every_name_of_the_table_is_known_by_its_library_alone() -> None:
    for (library, name), kind in TABLE.items():
        if library not in ("builtins", "imaplib"):
            assert classify(made(f"{library}.somewhere.{name}")).kind == kind, (library, name)
        assert classify(made(f"own.{name}")).kind in ("unknown", "network", "timeout")
    assert "tarfile" not in CLIENTS


@pytest.mark.parametrize(
    "text",
    ["cell overload", "can't connect the nodes", "request timed out of range", "too many requests to the stack", "500 rows", "<html>"],
)
def test_words_of_ones_own_say_nothing_unless_a_provider_was_called(text: str) -> None:
    assert classify(Exception(text)).kind == "unknown"
    assert classify(ValueError(text)).kind == "program"
    if text not in ("500 rows", "<html>"):
        assert classify(Exception(text), provider="openai").retryable
        assert classify(made("anthropic.AnthropicError", text)).retryable
        assert classify(caused(RuntimeError(text), httpx.HTTPError(""))).retryable


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (smtplib.SMTPResponseException(450, b"busy"), "server_error"),
        (smtplib.SMTPConnectError(421, b"later"), "server_error"),
        (smtplib.SMTPDataError(554, b"spam"), "invalid_request"),
        (smtplib.SMTPAuthenticationError(535, b"bad"), "auth"),
        (smtplib.SMTPRecipientsRefused({"a@x": (450, b"x"), "b@x": (550, b"x")}), "invalid_request"),
        (smtplib.SMTPRecipientsRefused({"a@x": (451, b"x")}), "server_error"),
        (smtplib.SMTPServerDisconnected("Connection unexpectedly closed"), "network"),
        (ftplib.error_temp("421 Too many connections"), "server_error"),
        (ftplib.error_perm("550 No such file"), "invalid_request"),
        (ftplib.error_perm("530 Login incorrect"), "auth"),
        (imaplib.IMAP4.abort("socket error: EOF"), "network"),
        (imaplib.IMAP4.error("SELECT failed"), "invalid_request"),
    ],
)
def test_mail_and_ftp_count_their_codes_the_other_way_round(error: BaseException, kind: str) -> None:
    assert classify(error).kind == kind


def test_a_broken_header_of_an_answer_is_the_servers_fault() -> None:
    for library in (httpx, httpx2):
        for text in ("illegal header line: bytearray(b'x y')", "Invalid header value b'x'"):
            assert classify(library.RemoteProtocolError(text), provider="openai").kind == "network"
        assert classify(library.LocalProtocolError("Illegal header value b'x\\n'"), provider="openai").kind == "invalid_request"
    theirs = made("urllib3.exceptions.InvalidHeader", "Content-Length contained multiple unmatching values")
    ours = made("requests.exceptions.InvalidHeader", "Invalid leading whitespace", ValueError)
    assert classify(ours).kind == "invalid_request"
    ours.args = (theirs,)
    assert classify(ours).kind == "server_error"
    answer = made("aiohttp.client_exceptions.ClientResponseError", "400, message: Invalid header value", status=400)
    assert classify(
        caused(answer, made("aiohttp.http_exceptions.InvalidHeader", "", type(made("aiohttp.http_exceptions.BadHttpMessage"))))
    ).retryable


def test_the_status_of_a_parser_is_not_that_of_an_answer() -> None:
    cut = made("aiohttp.http_exceptions.ContentLengthError", "", type(made("aiohttp.http_exceptions.HttpProcessingError")), code=400)
    payload = caused(made("aiohttp.client_exceptions.ClientPayloadError", "Response payload is not completed"), cut)
    assert (classify(payload).kind, classify(payload).status_code) == ("network", None)
