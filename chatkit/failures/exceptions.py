"""What an exception says by its class: by name over its ancestors, so that no library is imported, and down its chain of causes."""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Iterator
from typing import NamedTuple

from chatkit.errors import Kind, Stopped
from chatkit.failures.codes import firm_kind, vague_kind

LINKS = 24
TEXT = 65_536


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CLASSES: dict[Kind, str] = {
    "timeout": """
        ConnectTimeout ConnectTimeoutError ConnectionTimeoutError PoolTimeout ReadTimeout ReadTimeoutError ServerTimeoutError
        SocketTimeoutError Timeout TimeoutError TimeoutException WriteTimeout APITimeoutError APIConnectionTimeoutError
        ServiceRequestTimeoutError ServiceResponseTimeoutError HeadersTimeoutError BodyTimeoutError""",
    "network": """
        APIConnectionError BadStatusLine BrokenResourceError ChunkedEncodingError ClientConnectionError ClientConnectionResetError
        ClientConnectorDNSError ClientConnectorError ClientOSError ClientPayloadError CloseError ClosedResourceError ConnectError
        ConnectionClosed ConnectionClosedError ConnectionClosedOK ConnectionError ConnectionNotAvailable ConnectionTerminated
        ContentDecodingError ContentLengthError DecodingError EndOfStream EndpointConnectionError HTTPClientError IncompleteRead
        IncompleteReadError InvalidChunkLength JSONDecodeError MaxRetryError MsgspecError NameResolutionError NetworkError
        NewConnectionError ProtocolError ProxyConnectionError ProxyError ReadError RemoteDisconnected RemoteProtocolError
        ResponseStreamingError SSLEOFError SSLZeroReturnError ServerConnectionError ServerDisconnectedError ServiceRequestError
        ServiceResponseError StreamReset TransferEncodingError TransportError WebSocketConnectionClosedError WriteError""",
    "invalid_request": """
        CertificateError ClientConnectorCertificateError CookieConflict InvalidHeader InvalidSchema InvalidURL InvalidUrlClientError
        LocationParseError LocationValueError MissingSchema NoRegionError NonHttpUrlClientError ParamValidationError
        SSLCertVerificationError TooManyRedirects URLSchemeUnknown UnknownEndpointError UnsupportedProtocol""",
    "auth": "CredentialsError LoginRefreshRequired RefreshError SSOTokenLoadError TokenRetrievalError UnauthorizedSSOTokenError",
    "server_error": "APIResponseValidationError ContentTypeError",
    "canceled": "APIUserAbortError AbortError",
}
_KINDS: dict[str, Kind] = {name: kind for kind, names in _CLASSES.items() for name in _names(names)}
_NOT_CODES = frozenset({"ValidationError", "APIError", "Error", "Exception", "InternalError", "ModelError"})
"""Names that mean something else as a class than as a code."""

_REACHING = _names("""
    ClientConnectorDNSError ClientConnectorError ConnectError ConnectTimeout ConnectionRefusedError EndpointConnectionError
    NameResolutionError NewConnectionError gaierror""")

_PROGRAM = (
    TypeError,
    ValueError,
    LookupError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    MemoryError,
    NameError,
    NotImplementedError,
    RecursionError,
    SyntaxError,
    FileNotFoundError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)
_PROGRAM_NAMES = frozenset({"ChatkitError", "StreamConsumed", "StreamClosed", "ResponseNotRead", "RequestNotRead"})

_NETWORK_ERRNOS = frozenset(
    code
    for name in _names("""
        EADDRNOTAVAIL ECONNABORTED ECONNREFUSED ECONNRESET EHOSTDOWN EHOSTUNREACH ENETDOWN ENETRESET ENETUNREACH ENOBUFS ENOTCONN
        EPIPE EPROTO ESHUTDOWN""")
    if (code := getattr(errno, name, None)) is not None
) | {10050, 10051, 10052, 10053, 10054, 10057, 10058, 10061, 10064, 10065}  # the same on Windows

CERTAIN_REFUSAL = re.compile(
    r"CERTIFICATE_|certificate (?:verify|has|is|required|unknown|signed)|self[- ]signed certificate|unable to get (?:local )?issuer"
    r"|unable to verify the (?:first|leaf)|hostname mismatch|doesn't match certificate|wrong[ _]version[ _]number|UNSUPPORTED_PROTOCOL"
    r"|TLSV1_ALERT_PROTOCOL_VERSION|TLSV1_ALERT_UNKNOWN_CA|NO_PROTOCOLS_AVAILABLE|record[ _]layer[ _]failure|x509:|\bunknown ca\b"
    r"|SELF_SIGNED_CERT|UNABLE_TO_VERIFY_LEAF|UNABLE_TO_GET_ISSUER|CERT_HAS_EXPIRED|ERR_TLS_CERT|first record does not look like a TLS"
    r"|gave HTTP response to HTTPS client|HTTP request was sent to HTTPS port|\[SSL: HTTP_REQUEST\]"
    r"|illegal header|invalid header (?:value|name|field)"
    r"|missing an? '?http|unsupported protocol|unsupported protocol scheme|no connection adapters|no scheme supplied|unknown url type"
    r"|ERR_INVALID_URL|ERR_INVALID_CHAR|failed to parse url|'idna' codec",
    re.I,
)
"""What fails while connecting and will fail again: certificates, versions of TLS, schemes, illegal headers."""

_HTTP_LIBRARIES = _names("httpx httpx2 httpcore httpcore2 h11 h2 http requests urllib3 aiohttp botocore")
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


class Link(NamedTuple):
    """One exception of a chain, and whether it was named as the cause (not merely handled at the time)."""

    error: BaseException
    explicit: bool


def chain(error: BaseException) -> list[Link]:
    """The exception, what caused it, and the members of groups: outermost first, each once, at most `LINKS`."""
    found: list[Link] = []
    seen: set[int] = set()
    waiting = [Link(error, True)]
    while waiting and len(found) < LINKS:
        link = waiting.pop(0)
        if id(link.error) in seen:
            continue
        seen.add(id(link.error))
        found.append(link)
        waiting.extend(_below(link))
    return found


def _below(link: Link) -> Iterator[Link]:
    error = link.error
    cause = attribute(error, "__cause__")
    if isinstance(cause, BaseException):
        yield Link(cause, link.explicit)
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions[:LINKS]:
            yield Link(member, link.explicit)
    reason = attribute(error, "reason")  # urllib3 and urllib name what happened here, requests among the arguments
    arguments = attribute(error, "args")
    for inner in (reason, *(arguments[:3] if isinstance(arguments, tuple) else ())):
        if isinstance(inner, BaseException):
            yield Link(inner, link.explicit)
    context = attribute(error, "__context__")
    if isinstance(context, BaseException) and cause is None and attribute(error, "__suppress_context__") is not True:
        yield Link(context, False)


def attribute(value: object, name: str) -> object:
    """An attribute, or None: foreign objects may raise whatever they like when asked."""
    try:
        return getattr(value, name, None)
    except Exception:
        return None


def text_of_error(error: BaseException) -> str:
    """What the exception says, at most `TEXT` characters; nothing where even that raises."""
    try:
        return str(error)[:TEXT]
    except Exception:
        return ""


def class_names(error: BaseException | None) -> list[str]:
    """The names of its class and their ancestors, nearest first."""
    return [] if error is None else [cls.__name__ for cls in type(error).__mro__[:-1] if cls not in (Exception, BaseException)][:40]


def is_cancellation(error: BaseException) -> bool:
    """Whether the caller stopped the call: asyncio's cancellation, Ctrl-C, a closed generator, our `Stopped`."""
    if isinstance(error, BaseExceptionGroup):
        return not isinstance(error, ExceptionGroup) and any(is_cancellation(member) for member in error.exceptions[:LINKS])
    if isinstance(error, KeyboardInterrupt | GeneratorExit | SystemExit | Stopped):
        return True
    return not isinstance(error, OSError) and any(name in ("CancelledError", "Cancelled") for name in class_names(error))


def is_program_error(error: BaseException) -> bool:
    """Whether it is a mistake in code, or a file that isn't as expected: the same again if it is tried again."""
    if isinstance(error, _PROGRAM) or not _PROGRAM_NAMES.isdisjoint(class_names(error)):
        return True
    number = attribute(error, "errno")
    return type(error) is OSError and isinstance(number, int) and _os_kind(error, number) is None


def _os_kind(error: OSError, number: int) -> Kind | None:
    if isinstance(error, socket.gaierror | socket.herror):
        return "network"
    if number in (errno.ETIMEDOUT, 10060):
        return "timeout"
    return "network" if number in _NETWORK_ERRNOS else None


def _link_kind(error: BaseException, text: str) -> Kind | None:
    """What one exception's class says; None for a class that leaves it to status and text."""
    number = attribute(error, "errno")
    if isinstance(error, OSError) and isinstance(number, int) and (kind := _os_kind(error, number)):
        return kind
    for name in class_names(error):
        if name == "LocalProtocolError":
            return "network" if _CUT_STATE.search(text) else "invalid_request"
        if name == "SSLError":
            return "invalid_request" if CERTAIN_REFUSAL.search(text) else "network"
        if name == "UnicodeError":  # a key with a typographic quote, a host that is no name
            return "invalid_request" if CERTAIN_REFUSAL.search(text) or _raised_by_http(error) else None
        if name == "ProxyError" and _PROXY_STATUS.search(text[:40]):
            return "auth"
        if name == "ValueError":  # what the standard library says of an address, a header, or JSON that was cut
            return "invalid_request" if CERTAIN_REFUSAL.search(text) else "network" if _BROKEN_JSON.search(text) else None
        if kind := _KINDS.get(name):
            return "invalid_request" if kind in ("network", "timeout") and CERTAIN_REFUSAL.search(text) else kind
        if name not in _NOT_CODES and (kind := firm_kind([name])):
            return kind
    if isinstance(error, TypeError) and _JAVASCRIPT_NETWORK.fullmatch(text[:120].strip()):
        return "network"
    return None


def _raised_by_http(error: BaseException) -> bool:
    """Whether an HTTP library raised it: what it couldn't encode was a header, then."""
    if not isinstance(error, UnicodeEncodeError):
        return False
    step = error.__traceback__
    for _ in range(64):
        if step is None:
            return False
        if str(step.tb_frame.f_globals.get("__name__")).partition(".")[0] in _HTTP_LIBRARIES:
            return True
        step = step.tb_next
    return False


def class_kind(links: list[Link]) -> tuple[Kind | None, BaseException | None]:
    """What the classes of a chain say, and which exception said it.

    The outermost that speaks wins. Two findings lie deeper and are more exact than "the connection failed": a refusal that
    is certain (a certificate, a scheme, an illegal header), and a timeout. A mistake in code speaks for itself unless it
    names another failure as its cause.
    """
    found: tuple[Kind | None, BaseException | None] = (None, None)
    program: BaseException | None = None
    for link in links:
        kind = _link_kind(link.error, text_of_error(link.error)[:4_096])
        if kind is None:
            if program is None and found[0] is None and link.explicit and is_program_error(link.error):
                program = link.error
            continue
        if program is not None and not link.explicit:
            continue
        if found[0] is None or (found[0] == "network" and kind in ("invalid_request", "timeout")):
            found = (kind, link.error)
    if found[0] is None and program is not None:
        return "program", program
    return found


def vague_class_kind(links: list[Link]) -> Kind | None:
    """What classes say that stand for a status, such as ``BadRequestError`` and ``InternalServerError``."""
    return vague_kind(name for link in links for name in class_names(link.error) if name not in _NOT_CODES)


def could_not_reach(links: list[Link]) -> bool:
    """Whether the connection was never made."""
    return any(not _REACHING.isdisjoint(class_names(link.error)) for link in links)
