"""What an exception means and carries.

Its class is read by name, with the names of its ancestors, so that no library is imported for it; then come its causes, and the
response that it carries (status, headers, body, codes).
"""

from __future__ import annotations

import contextlib
import errno
import re
import socket
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from chatkit.errors import Kind, Stopped
from chatkit.failures.codes import firm_kind, vague_kind, word_set
from chatkit.failures.hints import header_values
from chatkit.failures.patterns import CERTAIN_REFUSAL

MAX_LINKS = 24
"""Exceptions of one chain."""
MAX_TEXT = 65_536

_CLASSES: dict[Kind, str] = {
    "network": """
        APIConnectionError BadStatusLine BrokenResourceError ChunkedEncodingError ClientConnectionError ClientConnectionResetError
        ClientConnectorDNSError ClientConnectorError ClientOSError ClientPayloadError CloseError ClosedResourceError ConnectError
        ConnectionClosedOK ConnectionError ConnectionNotAvailable ConnectionTerminated
        ContentDecodingError ContentLengthError DecodingError EndOfStream EndpointConnectionError HTTPClientError IncompleteRead
        IncompleteReadError InvalidChunkLength JSONDecodeError MaxRetryError MsgspecError NameResolutionError NetworkError
        NewConnectionError ProtocolError ProxyConnectionError ProxyError ReadError RemoteDisconnected RemoteProtocolError
        ResponseStreamingError SSLEOFError SSLZeroReturnError ServerConnectionError ServerDisconnectedError ServiceRequestError
        ServiceResponseError StreamReset TransferEncodingError TransportError WebSocketConnectionClosedError WriteError""",
    "invalid_request": """
        CertificateError ClientConnectorCertificateError CookieConflict InvalidHeader InvalidSchema InvalidURL InvalidUrlClientError
        LocationParseError LocationValueError MissingSchema NoRegionError NonHttpUrlClientError ParamValidationError
        SSLCertVerificationError TooManyRedirects URLSchemeUnknown UnknownEndpointError UnsupportedProtocol""",
    "auth": "LoginRefreshRequired RefreshError",
    "server_error": "APIResponseValidationError ContentTypeError",
}
"""Classes whose names aren't codes: those in `chatkit.failures.codes`, such as ``ReadTimeout``, are found there."""
_KINDS: dict[str, Kind] = {name: kind for kind, names in _CLASSES.items() for name in names.split()}
_NOT_CODES = frozenset({"ValidationError", "APIError", "Error", "Exception", "InternalError", "ModelError"})
"""Names that mean something else as a class than as a code."""

_UNREACHED = word_set("""
    ClientConnectorDNSError ClientConnectorError ConnectError ConnectTimeout ConnectionRefusedError EndpointConnectionError
    NameResolutionError NewConnectionError gaierror""")
"""Classes of a connection that was never made."""

_MISTAKES = TypeError | ValueError | LookupError | ArithmeticError | AssertionError | AttributeError | ImportError | NameError | SyntaxError
_LIMITS = MemoryError | NotImplementedError | RecursionError
_FILES = FileNotFoundError | FileExistsError | IsADirectoryError | NotADirectoryError | PermissionError
_MISUSES = frozenset({"ChatkitError", "StreamConsumed", "StreamClosed", "ResponseNotRead", "RequestNotRead"})

_NETWORK_ERRNOS = frozenset(
    code
    for name in word_set("""
        EADDRNOTAVAIL ECONNABORTED ECONNREFUSED ECONNRESET EHOSTDOWN EHOSTUNREACH ENETDOWN ENETRESET ENETUNREACH ENOBUFS ENOTCONN
        EPIPE EPROTO ESHUTDOWN""")
    if (code := getattr(errno, name, None)) is not None
) | {10050, 10051, 10052, 10053, 10054, 10057, 10058, 10061, 10064, 10065}  # the same on Windows

_HTTP_LIBRARIES = word_set("httpx httpx2 httpcore httpcore2 h11 h2 http requests urllib3 aiohttp botocore")
_BROKEN_JSON = re.compile(
    r"\bInvalid JSON\b|Expecting (?:value|property name|'[,:]' delimiter)|Unterminated string|Extra data: line"
    r"|unexpected end of (?:json|data)",
    re.I,
)
_CUT_STATE = re.compile(r"\bin state\b|\bour state\b|\bclosed\b", re.I)
_JAVASCRIPT_NETWORK = re.compile(
    r"(?:TypeError: )?(?:terminated|fetch failed|failed to fetch|load failed|network ?error\b.{0,60})\.?", re.I
)
_PROXY_STATUS = re.compile(r"\b(40[137])\b")

_STATUS_NAMES = ("status_code", "status", "http_status", "statusCode", "code")
_BODY_NAMES = ("body", "details", "error", "json_body", "http_body", "response_body")
_CODE_NAMES = ("type", "code", "status", "error_code", "reason")


class Link(NamedTuple):
    """One exception of a chain; `explicit` if it was raised as a cause, not merely being handled at the time."""

    error: BaseException
    explicit: bool


def chain(error: BaseException) -> list[Link]:
    """The exception, its causes, and the members of groups: outermost first, each once, at most `MAX_LINKS`."""
    found: list[Link] = []
    seen: set[int] = set()
    waiting = [Link(error, True)]
    while waiting and len(found) < MAX_LINKS:
        link = waiting.pop(0)
        if id(link.error) not in seen:
            seen.add(id(link.error))
            found.append(link)
            waiting.extend(_below(link))
    return found


def _below(link: Link) -> Iterator[Link]:
    error = link.error
    cause, context = attribute(error, "__cause__"), attribute(error, "__context__")
    named: list[object] = [cause]
    if isinstance(error, BaseExceptionGroup):
        named += error.exceptions[:MAX_LINKS]
    named.append(attribute(error, "reason"))  # urllib3 and urllib keep the cause here, requests among the arguments
    if isinstance(arguments := attribute(error, "args"), tuple):
        named += arguments[:3]
    for inner in named:
        if isinstance(inner, BaseException):
            yield Link(inner, link.explicit)
    if isinstance(context, BaseException) and cause is None and attribute(error, "__suppress_context__") is not True:
        yield Link(context, False)


def attribute(value: object, name: str) -> object:
    """An attribute, or None: a foreign object may raise anything."""
    try:
        return getattr(value, name, None)
    except Exception:
        return None


def text_of_error(error: BaseException) -> str:
    """The text of the exception, at most `MAX_TEXT` characters; empty if even that raises."""
    try:
        return str(error)[:MAX_TEXT]
    except Exception:
        return ""


def class_names(error: BaseException | None) -> list[str]:
    """The names of its class and the ancestors, nearest first."""
    return [] if error is None else [cls.__name__ for cls in type(error).__mro__[:-1] if cls not in (Exception, BaseException)][:40]


def is_cancellation(error: BaseException) -> bool:
    """Whether the caller stopped the call: asyncio's cancellation, Ctrl-C, a closed generator, our `Stopped`."""
    if isinstance(error, BaseExceptionGroup):
        return not isinstance(error, ExceptionGroup) and any(is_cancellation(member) for member in error.exceptions[:MAX_LINKS])
    if isinstance(error, KeyboardInterrupt | GeneratorExit | SystemExit | Stopped):
        return True
    return not isinstance(error, OSError) and any(name in ("CancelledError", "Cancelled") for name in class_names(error))


def is_program_error(error: BaseException) -> bool:
    """Whether it is a mistake in code, or a file that is missing: the next try would raise the same."""
    if isinstance(error, _MISTAKES | _LIMITS | _FILES) or not _MISUSES.isdisjoint(class_names(error)):
        return True
    return type(error) is OSError and isinstance(error.errno, int) and _os_kind(error) is None


def _os_kind(error: BaseException) -> Kind | None:
    number = attribute(error, "errno")
    if not isinstance(error, OSError) or not isinstance(number, int):
        return None
    if number in (errno.ETIMEDOUT, 10060):
        return "timeout"
    return "network" if number in _NETWORK_ERRNOS or isinstance(error, socket.gaierror | socket.herror) else None


def _link_kind(error: BaseException) -> Kind | None:
    """What the class of one exception means; None for a class that leaves it to the status and the text."""
    if kind := _os_kind(error):
        return kind
    text = text_of_error(error)[:4_096]
    for name in class_names(error):
        if name == "LocalProtocolError":
            return "network" if _CUT_STATE.search(text) else "invalid_request"
        if name == "SSLError":
            return "invalid_request" if CERTAIN_REFUSAL.search(text) else "network"
        if name == "UnicodeError":  # a key with a typographic quote, an invalid host name
            return "invalid_request" if CERTAIN_REFUSAL.search(text) or _raised_by_http(error) else None
        if name == "ProxyError" and _PROXY_STATUS.search(text[:40]):
            return "auth"
        if name == "ValueError":  # the standard library raises it for an address, a header, and JSON that was cut
            return "invalid_request" if CERTAIN_REFUSAL.search(text) else "network" if _BROKEN_JSON.search(text) else None
        if kind := _KINDS.get(name) or (None if name in _NOT_CODES else firm_kind([name])):
            return "invalid_request" if kind in ("network", "timeout") and CERTAIN_REFUSAL.search(text) else kind
    if isinstance(error, TypeError) and _JAVASCRIPT_NETWORK.fullmatch(text[:120].strip()):
        return "network"
    return None


def _raised_by_http(error: BaseException) -> bool:
    """Whether an HTTP library raised it: then it was a header that could not be encoded."""
    step = error.__traceback__ if isinstance(error, UnicodeEncodeError) else None
    for _ in range(64):
        if step is None:
            return False
        if str(step.tb_frame.f_globals.get("__name__")).partition(".")[0] in _HTTP_LIBRARIES:
            return True
        step = step.tb_next
    return False


def class_kind(links: list[Link]) -> tuple[Kind | None, BaseException | None]:
    """What the classes of a chain mean, and the exception that decided.

    The outermost class that means something wins. Two findings further down are more exact than "the connection failed": a
    certain refusal (a certificate, a scheme, an illegal header), and a timeout. A mistake in code decides unless it names another
    failure as its cause.
    """
    found: tuple[Kind | None, BaseException | None] = (None, None)
    program: BaseException | None = None
    for link in links:
        kind = _link_kind(link.error)
        if kind is None:
            if program is None and found[0] is None and link.explicit and is_program_error(link.error):
                program = link.error
        elif program is not None and not link.explicit:
            continue
        elif found[0] is None or (found[0] == "network" and kind in ("invalid_request", "timeout")):
            found = (kind, link.error)
    return ("program", program) if found[0] is None and program is not None else found


def vague_class_kind(links: list[Link]) -> Kind | None:
    """What the classes mean that stand for a status, such as ``BadRequestError`` and ``InternalServerError``."""
    return vague_kind(name for link in links for name in class_names(link.error) if name not in _NOT_CODES)


def is_unreached(links: list[Link]) -> bool:
    """Whether the connection was never made."""
    return any(not _UNREACHED.isdisjoint(class_names(link.error)) for link in links)


class Carried(NamedTuple):
    """What one exception carries of the response that it stands for."""

    status: int | None
    headers: dict[str, str]
    bodies: list[object]
    codes: list[str]
    request_id: object


def carried(error: BaseException) -> Carried:
    """What an exception carries, for itself or on its response."""
    response = attribute(error, "response")
    if response is None:
        response = attribute(error, "raw_response")
    metadata: object = None
    bodies: list[object] = []
    for name in _BODY_NAMES:
        value = attribute(error, name)
        if isinstance(value, str | bytes | Mapping | list) and value:
            bodies.append({"error": value} if isinstance(value, Mapping) and name in ("body", "error") and "error" not in value else value)
    if isinstance(response, Mapping):  # botocore
        metadata = response.get("ResponseMetadata")
        bodies.append({key: value for key, value in response.items() if key != "ResponseMetadata"})
    elif attribute(response, "_content_consumed") is not False:  # requests: reading the body of a stream would wait for the network
        bodies += [value for value in [attribute(response, "content")] if isinstance(value, str | bytes)]
    numbers = [attribute(owner, name) for owner in (error, response) for name in _STATUS_NAMES]
    headers = {**header_values(attribute(error, "headers")), **header_values(attribute(response, "headers"))}
    if isinstance(metadata, Mapping):
        numbers.append(metadata.get("HTTPStatusCode"))
        headers |= header_values(metadata.get("HTTPHeaders"))
    numbers.append(attribute(attribute(error, "resp"), "status"))  # googleapiclient
    status = next((status for number in numbers if (status := http_status(number))), None)
    return Carried(status, headers, bodies, _codes(error), attribute(error, "request_id"))


def http_status(value: object) -> int | None:
    """A number that can be an HTTP status; None for anything else, such as the 0 of a client that got no response."""
    return int(value) if isinstance(value, int) and not isinstance(value, bool) and 100 <= value < 1000 else None


def _codes(error: BaseException) -> list[str]:
    found = [attribute(error, name) for name in _CODE_NAMES]
    if "RpcError" in class_names(error):  # gRPC: code() gives the status
        with contextlib.suppress(Exception):
            found.append(attribute(error.code(), "name"))  # type: ignore[attr-defined]
    return [value for value in found if isinstance(value, str) and 2 < len(value) <= 160]
