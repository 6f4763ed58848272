"""What an exception means and carries.

Its class and the ancestors are known by their library and name, so that no library is imported for it; then come its causes, and the
response that it carries (status, headers, body, codes).
"""

from __future__ import annotations

import contextlib
import errno
import re
import socket
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import NamedTuple

from chatkit.errors import Kind, Stopped
from chatkit.failures.classes import CLIENTS, Ancestor, ancestry, library_of, meaning, speaks
from chatkit.failures.codes import vague_kind, word_set
from chatkit.failures.hints import header_values, metadata_values
from chatkit.failures.patterns import CERTAIN_REFUSAL, ONLY_TLS
from chatkit.failures.services import SERVICES, service_kind

MAX_LINKS = 24
"""Exceptions of one chain."""
MAX_TEXT = 65_536

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

_FORMATS = word_set("_csv _lzma _pickle configparser copy gzip msgspec pickle shutil struct tarfile xml zipfile zlib")
"""Modules whose errors say that a file, or what is in it, is not as expected."""
_BROKEN_JSON = re.compile(
    r"\bInvalid JSON\b|Expecting (?:value|property name|'[,:]' delimiter)|Unterminated string|Extra data: line"
    r"|unexpected end of (?:json|data)",
    re.I,
)
_CONNECT = re.compile(r"\bConnect call failed\b|\bcouldn't connect to '?https?:|\bAll connection attempts failed", re.I)
"""An OSError without a number, of asyncio, transformers, and anyio."""
_TOO_DEEP = re.compile("while (?:decoding a JSON|deserializing)")
"""The RecursionError of json and of msgspec."""
_CUT_STATE = re.compile(r"\bin state\b|\bour state\b|\bclosed\b", re.I)
_JAVASCRIPT_NETWORK = re.compile(
    r"(?:TypeError: )?(?:terminated|fetch failed|failed to fetch|load failed|network ?error\b.{0,60})\.?", re.I
)
_PROXY_STATUS = re.compile(r"\b(40[137])\b")
_TUNNEL = "Tunnel connection failed: "
"""What http.client says of a proxy, in an OSError without a number."""

_CAUSE_NAMES = ("reason", "orig", "original_exception")
"""Where urllib and urllib3, SQLAlchemy, and praw keep the cause; requests keeps it among the arguments."""
_STATUS_NAMES = ("status_code", "status", "http_status", "statusCode", "code", "errcode")
_BODY_NAMES = ("body", "details", "error", "json_body", "http_body", "response_body", "content")
_CODE_NAMES = ("type", "code", "status", "error_code", "reason")


class Link(NamedTuple):
    """One exception of a chain; `explicit` if it was raised as a cause, not merely being handled at the time."""

    error: BaseException
    explicit: bool
    ancestors: tuple[Ancestor, ...]

    @property
    def is_client(self) -> bool:
        """Whether a client of HTTP or of a provider raised it."""
        return any(cls.library in CLIENTS for cls in self.ancestors)

    @property
    def is_service(self) -> bool:
        """Whether a driver raised it: its attributes and words aren't those of HTTP."""
        return any(cls.library in SERVICES for cls in self.ancestors)


def chain(error: BaseException) -> list[Link]:
    """The exception, its causes, and the members of groups: outermost first, each once, at most `MAX_LINKS`."""
    found: list[Link] = []
    seen: set[int] = set()
    waiting = [(error, True)]
    while waiting and len(found) < MAX_LINKS:
        inner, explicit = waiting.pop(0)
        if id(inner) not in seen:
            seen.add(id(inner))
            found.append(link := Link(inner, explicit, ancestry(inner)))
            waiting.extend(_below(link))
    return found


def members(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """The exceptions in a group and in the groups within it, at most `MAX_LINKS`."""
    found: list[BaseException] = []
    waiting: list[BaseException] = [group]
    while waiting and len(found) < MAX_LINKS:
        error = waiting.pop(0)
        if isinstance(error, BaseExceptionGroup):
            waiting[:0] = error.exceptions[:MAX_LINKS]
        else:
            found.append(error)
    return found


def _below(link: Link) -> Iterator[tuple[BaseException, bool]]:
    error = link.error
    cause, context = attribute(error, "__cause__"), attribute(error, "__context__")
    named: list[object] = [cause]
    if isinstance(error, BaseExceptionGroup):
        named += error.exceptions[:MAX_LINKS]
    named += [attribute(error, name) for name in _CAUSE_NAMES]
    if isinstance(arguments := attribute(error, "args"), tuple):
        named += arguments[:3]
    for inner in named:
        if isinstance(inner, BaseException):
            yield inner, link.explicit
    if isinstance(context, BaseException) and cause is None and attribute(error, "__suppress_context__") is not True:
        yield context, False


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


def is_cancellation(error: BaseException) -> bool:
    """Whether the caller stopped the call: asyncio's cancellation, Ctrl-C, a closed generator, our `Stopped`."""
    if isinstance(error, BaseExceptionGroup):
        return not isinstance(error, ExceptionGroup) and any(is_cancellation(member) for member in error.exceptions[:MAX_LINKS])
    if isinstance(error, KeyboardInterrupt | GeneratorExit | SystemExit | Stopped):
        return True
    return not isinstance(error, OSError) and any(cls.__name__ in ("CancelledError", "Cancelled") for cls in type(error).__mro__)


def is_program_error(link: Link) -> bool:
    """Whether it is a mistake in code, or a file that is missing or damaged: the next try would raise the same."""
    error = link.error
    if isinstance(error, _MISTAKES | _LIMITS | _FILES):
        return True
    if any(cls.name in _MISUSES or cls.library in _FORMATS for cls in link.ancestors):
        return True
    return type(error) is OSError and isinstance(error.errno, int) and _os_kind(error) is None


def _os_kind(error: BaseException) -> Kind | None:
    number = attribute(error, "errno")
    if not isinstance(error, OSError) or not isinstance(number, int):
        return None
    if number in (errno.ETIMEDOUT, 10060):
        return "timeout"
    return "network" if number in _NETWORK_ERRNOS or isinstance(error, socket.gaierror | socket.herror) else None


def _link_kind(link: Link, called: bool) -> Kind | None:
    """What the class of one exception means; None for a class that leaves it to the status and the text."""
    error = link.error
    if kind := _os_kind(error) or _service_kind(link):
        return kind
    if (status := proxy_status(link)) and (called or is_of_a_call(link)):
        return "invalid_request" if status == 403 else "auth"
    text = text_of_error(error)[:4_096]
    for ancestor in link.ancestors:
        match ancestor.name:
            case "LocalProtocolError" if speaks(ancestor, called):
                return "network" if _CUT_STATE.search(text) else "invalid_request"
            case "SSLError" if speaks(ancestor, called):
                return "invalid_request" if CERTAIN_REFUSAL.search(text) else "network"
            case "UnicodeError":  # a key with a typographic quote, an invalid host name
                is_header = isinstance(error, UnicodeEncodeError) and _raised_by_client(error)
                return "invalid_request" if is_header or CERTAIN_REFUSAL.search(text) else None
            case "InvalidHeader" if error.args and isinstance(error.args[0], BaseException):
                return None  # requests: of an answer, as urllib3 says
            case "JSONDecodeError" | "DecodeError" | "ExpatError" if ancestor == link.ancestors[0] and ancestor.library not in CLIENTS:
                return "network" if called or _raised_by_client(error) else None
            case "ValueError":  # the standard library raises it for an address, a header, and JSON that was cut
                is_cut = _BROKEN_JSON.search(text) and (called or _raised_by_client(error))
                return "invalid_request" if CERTAIN_REFUSAL.search(text) else "network" if is_cut else None
        if kind := meaning(ancestor, called):
            is_theirs = ancestor.name.startswith("Remote") and not ONLY_TLS.search(text)  # a header of the answer is the server's matter
            return "invalid_request" if kind in ("network", "timeout") and not is_theirs and CERTAIN_REFUSAL.search(text) else kind
    if isinstance(error, RecursionError) and _TOO_DEEP.search(text) and (called or _raised_by_client(error)):
        return "server_error"
    if type(error) is OSError and _CONNECT.search(text):
        return "network"
    if called and isinstance(error, TypeError) and _JAVASCRIPT_NETWORK.fullmatch(text[:120].strip()):
        return "network"
    return None


def proxy_status(link: Link) -> int | None:
    """The status with which a proxy refused to connect to a server: 401 and 407 ask for a password, 403 forbids it."""
    text = text_of_error(link.error)[:40]
    of_a_proxy = text.startswith(_TUNNEL) or any(cls.name == "ProxyError" for cls in link.ancestors)
    found = _PROXY_STATUS.search(text) if of_a_proxy else None
    return int(found[1]) if found else None


def _service_kind(link: Link) -> Kind | None:
    library = next((cls.library for cls in link.ancestors if cls.library in SERVICES), "")
    with contextlib.suppress(Exception):  # a foreign attribute may raise anything
        return service_kind(link.error, library, [cls.name for cls in link.ancestors])
    return None


def is_of_a_call(link: Link) -> bool:
    """Whether it is about a call of a provider or another server of HTTP."""
    return link.is_client or _raised_by_client(link.error)


def _raised_by_client(error: BaseException) -> bool:
    """Whether it passed through a client of HTTP or of a provider: then it is about a request or an answer."""
    step = error.__traceback__
    for _ in range(256):
        if step is None:
            return False
        if (library := library_of(step.tb_frame.f_globals.get("__name__"))) in CLIENTS or library == "xmlrpc":
            return True
        step = step.tb_next
    return False


def class_kind(links: list[Link], called: bool) -> tuple[Kind | None, Link | None]:
    """What the classes of a chain mean, and the exception that decided; `called` says that a provider was called.

    The outermost class that means something wins. Three findings further down are more exact than "the connection failed": a certain
    refusal (a certificate, a scheme, an illegal header), a refused login, and a timeout. A mistake in code decides unless it names
    another failure as its cause.
    """
    found: tuple[Kind | None, Link | None] = (None, None)
    program: Link | None = None
    for link in links:
        kind = _link_kind(link, called)
        if kind is None:
            if program is None and found[0] is None and link.explicit and is_program_error(link):
                program = link
            elif program is not None and link.explicit and not is_program_error(link) and (link.is_client or carried(link).status):
                program = None  # "raise ValueError from" a 503, whose status decides
        elif program is not None and not link.explicit:
            continue
        elif found[0] is None or (found[0] == "network" and kind in ("invalid_request", "auth", "timeout")):
            found = (kind, link)
    return ("program", program) if found[0] is None and program is not None else found


def vague_class_kind(links: list[Link], called: bool) -> Kind | None:
    """What the classes mean that stand for a status, such as ``BadRequestError`` and ``InternalServerError``."""
    return vague_kind(cls.name for link in links for cls in link.ancestors if speaks(cls, called))


def is_unreached(links: list[Link]) -> bool:
    """Whether the connection was never made."""
    return any(cls.name in _UNREACHED for link in links for cls in link.ancestors)


class Carried(NamedTuple):
    """What one exception carries of the response that it stands for."""

    status: int | None
    headers: dict[str, str]
    bodies: list[object]
    codes: list[str]
    request_id: object


def carried(link: Link) -> Carried:
    """What an exception carries, for itself or on its response."""
    error = link.error
    if link.is_service or any(cls.name == "HttpProcessingError" for cls in link.ancestors):  # aiohttp's parser: its 400 is no answer
        return Carried(None, {}, [], [], None)
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
    headers |= header_values(attribute(error, "litellm_response_headers"))
    wait = attribute(error, "retry_after")  # Telegram, Discord
    headers = header_values({"retry-after": wait.total_seconds() if isinstance(wait, timedelta) else wait}) | headers
    if isinstance(metadata, Mapping):
        numbers.append(metadata.get("HTTPStatusCode"))
        headers |= header_values(metadata.get("HTTPHeaders"))
    numbers.append(attribute(attribute(error, "resp"), "status"))  # googleapiclient
    codes = [attribute(error, name) for name in _CODE_NAMES]
    if any(cls.name == "RpcError" for cls in link.ancestors):  # gRPC: code() gives the status
        with contextlib.suppress(Exception):
            codes.append(attribute(error.code(), "name"))  # type: ignore[attr-defined]
        with contextlib.suppress(Exception):
            headers = metadata_values(error.trailing_metadata()) | headers  # type: ignore[attr-defined]
    status = next((status for number in numbers if (status := http_status(number))), None)
    words = [code for code in codes if isinstance(code, str) and 2 < len(code) <= 160]
    return Carried(status, headers, bodies, words, attribute(error, "request_id"))


def http_status(value: object) -> int | None:
    """A number that can be an HTTP status; None for anything else, such as the 0 of a client that got no response."""
    if isinstance(value, bytes | str) and len(value) == 3 and value.isdigit():  # twisted, gcsfs
        value = int(value)
    return int(value) if isinstance(value, int) and not isinstance(value, bool) and 100 <= value < 1000 else None
