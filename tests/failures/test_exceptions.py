"""What exceptions say: of SDKs that are installed, and of libraries that are known by name and shape alone."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Mapping
from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest

from chatkit.errors import Busy, UsageError
from chatkit.failures.classification import classify, is_retryable
from tests.failures.exceptions import caused, in_context, made

OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_body"}
RETRYABLE = {"rate_limit", "overloaded", "server_error", "network", "timeout"}


def response(library: Any, status: int, body: Any = None, headers: dict[str, str] | None = None, *, text: str = "") -> Any:
    request = library.Request("POST", "https://api.test/v1/messages")
    content = {"json": body} if body is not None else {"text": text}
    return library.Response(status, request=request, headers=headers, **content)


def test_errors_of_the_anthropic_sdk_are_read_with_headers_and_body() -> None:
    answer = response(httpx2, 529, OVERLOADED, {"request-id": "req_head", "retry-after": "7"})
    found = classify(anthropic.InternalServerError("Error code: 529", response=answer, body=OVERLOADED), provider="anthropic")
    assert (found.kind, found.status_code, found.retry_after, found.request_id) == ("overloaded", 529, 7.0, "req_head")
    assert (found.message, found.detail) == ("anthropic is overloaded", "Overloaded")


def test_an_error_frame_under_a_200_is_read_from_the_anthropic_sdk() -> None:
    error = anthropic.APIStatusError("x", response=response(httpx2, 200, text="stream"), body=OVERLOADED)
    assert classify(error, provider="anthropic").kind == "overloaded"


def test_errors_of_the_openai_sdk_are_read_with_their_code() -> None:
    body = {"message": "You exceeded your current quota.", "type": "insufficient_quota", "param": None, "code": "insufficient_quota"}
    answer = response(httpx2, 429, {"error": body}, {"x-request-id": "req_1"})
    found = classify(openai.RateLimitError("Error code: 429", response=answer, body=body), provider="openai")
    assert (found.kind, found.status_code, found.request_id, found.detail) == ("quota", 429, "req_1", "You exceeded your current quota.")


REQUEST = httpx2.Request("POST", "https://api.test")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (openai.APITimeoutError(request=REQUEST), "timeout"),
        (openai.APIConnectionError(request=REQUEST), "network"),
        (caused(openai.APIConnectionError(request=REQUEST), httpx2.ReadTimeout("")), "timeout"),
        (caused(openai.APIConnectionError(request=REQUEST), httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED]")), "invalid_request"),
        (caused(openai.APIConnectionError(request=REQUEST), httpx2.LocalProtocolError("Illegal header value b'x\\n'")), "invalid_request"),
        (caused(openai.APIConnectionError(request=REQUEST), httpx2.UnsupportedProtocol("")), "invalid_request"),
        (anthropic.APITimeoutError(request=REQUEST), "timeout"),
        (openai.APIError("x", REQUEST, body={"type": "tokens", "code": "rate_limit_exceeded", "message": "m"}), "rate_limit"),
        (openai.AuthenticationError("x", response=response(httpx2, 401, text=""), body=None), "auth"),
        (openai.PermissionDeniedError("x", response=response(httpx2, 403, text=""), body=None), "auth"),
        (openai.ConflictError("x", response=response(httpx2, 409, text=""), body=None), "invalid_request"),
        (openai.InternalServerError("Error code: 502", response=response(httpx2, 502, text="<html>"), body="<html>"), "server_error"),
        (openai.OpenAIError("The api_key client option must be set either by passing api_key to the client"), "auth"),
        (httpx.HTTPStatusError("x", request=None, response=response(httpx, 503, text="no healthy upstream")), "server_error"),
        (httpx.ReadError(""), "network"),
        (httpx2.RemoteProtocolError(""), "network"),
        (httpx.PoolTimeout(""), "timeout"),
        (httpx.ProxyError("407 Proxy Authentication Required"), "auth"),
        (httpx.ProxyError("502 Bad Gateway"), "network"),
        (httpx.TooManyRedirects(""), "invalid_request"),
        (httpx.InvalidURL("Invalid port: 'x'"), "invalid_request"),
        (httpx.LocalProtocolError("Invalid input ConnectionInputs.SEND_HEADERS in state ConnectionState.CLOSED"), "network"),
        (httpx.ConnectError("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"), "invalid_request"),
        (httpx.ReadError("[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol"), "network"),
        (ssl.SSLCertVerificationError(1, "certificate verify failed: self-signed certificate"), "invalid_request"),
        (ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), "network"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "invalid_request"),
        (socket.gaierror(-2, "Name or service not known"), "network"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "network"),
        (BrokenPipeError(), "network"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "network"),
        (OSError(errno.ETIMEDOUT, "timed out"), "timeout"),
        (TimeoutError(), "timeout"),
        (asyncio.IncompleteReadError(b"", 4), "network"),
        (ExceptionGroup("tasks", [RuntimeError("x"), ConnectionResetError()]), "network"),
        (caused(RuntimeError("gave up"), httpx.ConnectTimeout("")), "timeout"),
        (in_context(RuntimeError("gave up"), httpx.ReadError("")), "network"),
        (caused(ValueError("bad reply"), httpx.ReadError("")), "network"),
    ],
)
def test_an_exception_says_by_class_and_chain_what_it_is(error: BaseException, kind: str) -> None:
    found = classify(error, provider="openai")
    assert (found.kind, found.retryable) == (kind, kind in RETRYABLE)
    assert is_retryable(error) == (kind in RETRYABLE)


def botocore_error(code: str, message: str, status: int) -> BaseException:
    metadata = {"HTTPStatusCode": status, "RequestId": "r-1", "HTTPHeaders": {"x-amzn-requestid": "r-1", "retry-after": "3"}}
    shape = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}
    return made("ClientError", f"An error occurred ({code}) when calling the Converse operation: {message}", response=shape)


class GrpcCode:
    name = "UNAVAILABLE"


REFUSED = made("NewConnectionError", "[Errno 111] Connection refused")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (botocore_error("ThrottlingException", "Rate exceeded", 400), "rate_limit"),
        (botocore_error("ValidationException", "Input is too long for requested model.", 400), "context_exceeded"),
        (botocore_error("ValidationException", "messages: must not be empty", 400), "invalid_request"),
        (botocore_error("AccessDeniedException", "no", 403), "auth"),
        (made("NoCredentialsError", "Unable to locate credentials"), "auth"),
        (made("EndpointConnectionError", 'Could not connect to the endpoint URL: "https://x"'), "network"),
        (made("ReadTimeoutError", "Read timeout on endpoint URL"), "timeout"),
        (made("ConnectionError", "x", OSError), "network"),
        (made("SSLError", "certificate verify failed: unable to get local issuer certificate", OSError), "invalid_request"),
        (made("HTTPError", "429 Client Error", OSError, response=response(httpx, 429, text="")), "rate_limit"),
        (made("MissingSchema", "No scheme supplied", ValueError), "invalid_request"),
        (made("InvalidHeader", "Invalid leading whitespace", ValueError), "invalid_request"),
        (made("ChunkedEncodingError", "Connection broken", OSError), "network"),
        (made("MaxRetryError", "Max retries exceeded", reason=REFUSED), "network"),
        (made("URLError", "<urlopen error>", OSError, reason=socket.gaierror(-2, "unknown")), "network"),
        (made("ServerDisconnectedError", "Server disconnected"), "network"),
        (made("ClientPayloadError", "Response payload is not completed"), "network"),
        (made("ClientConnectorCertificateError", "x", ValueError), "invalid_request"),
        (made("ContentTypeError", "unexpected mimetype: text/html", status=200), "server_error"),
        (made("ClientResponseError", "Too Many Requests", status=429, headers={"Retry-After": "4"}), "rate_limit"),
        (made("ResourceExhausted", "429 Resource exhausted", code=429), "rate_limit"),
        (
            made("ServerError", "503 UNAVAILABLE", code=503, status="UNAVAILABLE", details={"error": {"message": "overloaded"}}),
            "overloaded",
        ),
        (made("RpcError", "", code=lambda: GrpcCode), "server_error"),
        (made("ResponseError", "model 'x' not found (status code: 404)", error="model 'x' not found", status_code=404), "model_not_found"),
        (
            made("SDKError", "API error occurred: Status 429", status_code=429, body='{"message":"Requests rate limit exceeded"}'),
            "rate_limit",
        ),
        (made("ContextWindowExceededError", "too long"), "context_exceeded"),
        (made("ContentPolicyViolationError", "no"), "content_filter"),
        (made("APIUserAbortError", "Request was aborted."), "canceled"),
        (made("HttpError", "x", ValueError, status_code=503), "server_error"),
        (made("TypeError", "fetch failed"), "network"),
        (TypeError("terminated"), "network"),
    ],
)
def test_an_exception_of_a_library_that_is_not_here_is_known_by_name_and_shape(error: BaseException, kind: str) -> None:
    assert classify(error, provider="x").kind == kind


def test_the_request_id_and_the_hint_of_botocore_are_found() -> None:
    found = classify(botocore_error("ThrottlingException", "Rate exceeded", 400))
    assert (found.request_id, found.retry_after, found.status_code, found.detail) == ("r-1", 3.0, 400, "Rate exceeded")


@pytest.mark.parametrize(
    "error",
    [
        TypeError("x"),
        ValueError("rate limit exceeded"),
        KeyError("timeout"),
        ZeroDivisionError(),
        AssertionError(),
        ImportError("no module named httpx"),
        FileNotFoundError(2, "No such file"),
        PermissionError(13, "Permission denied"),
        OSError(errno.ENOSPC, "No space left on device"),
        AttributeError("x"),
        NameError("name 'RateLimitError' is not defined"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        UsageError("x"),
        Busy("x"),
        in_context(KeyError("x"), httpx.ReadTimeout("")),
        caused(RuntimeError("wrapped"), TypeError("x")),
    ],
)
def test_a_mistake_in_code_or_a_missing_file_is_never_retried(error: BaseException) -> None:
    for found in (classify(error), classify(error, provider="openai")):
        assert (found.kind, found.retryable) == ("program", False)


def test_a_key_that_is_no_header_is_an_invalid_request() -> None:
    with (
        httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200))) as client,
        pytest.raises(UnicodeEncodeError) as caught,
    ):
        client.get("http://x.test", headers={"authorization": "Bearer “sk”"})
    assert classify(caught.value).kind == "invalid_request"


def test_the_body_of_an_unread_stream_is_left_unread() -> None:
    class Response:
        status_code = 503
        headers: Mapping[str, str] = {}
        _content_consumed = False

        @property
        def content(self) -> bytes:
            raise AssertionError("this would read from the network")

    assert classify(made("HTTPError", "503", response=Response())).kind == "server_error"
    streamed = httpx.Response(529, stream=httpx.ByteStream(b"{}"), request=httpx.Request("GET", "http://x"))
    assert classify(httpx.HTTPStatusError("x", request=streamed.request, response=streamed)).kind == "overloaded"
