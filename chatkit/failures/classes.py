"""The classes of libraries: what each means, by the library that defines it and its name.

No library is imported for it: a class says which module defines it. A name alone tells little, since ``ReadError`` is a broken
connection in httpx, and a damaged archive in tarfile. ``python -m tests.failures.real_classes`` holds every name here against the library.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

from chatkit.errors import Kind
from chatkit.failures.codes import firm_kind, word_set

_CLIENTS: tuple[tuple[str, dict[Kind, str]], ...] = (
    (
        "httpx httpx2 httpcore httpcore2",
        {
            "network": """
                CloseError ConnectError ConnectionNotAvailable DecodingError NetworkError ProtocolError ProxyError ReadError
                RemoteProtocolError TransportError WriteError""",
            "invalid_request": "CookieConflict InvalidURL TooManyRedirects UnsupportedProtocol",
        },
    ),
    ("h11", {"network": "RemoteProtocolError"}),
    ("h2", {"network": "ProtocolError StreamClosedError"}),
    (
        "requests niquests curl_cffi",
        {
            "network": """
                ChunkedEncodingError ConnectionError ContentDecodingError DNSError IncompleteRead JSONDecodeError ProxyError SSLError""",
            "invalid_request": """
                CertificateVerifyError CookieConflictError InvalidHeader InvalidSchema InvalidURL MissingSchema TooManyRedirects""",
            "server_error": "RetryError",
        },
    ),
    (
        "urllib3 urllib3_future",
        {
            "network": """
                DecodeError IncompleteRead InvalidChunkLength MaxRetryError NameResolutionError NewConnectionError ProtocolError ProxyError
                SSLError""",
            "invalid_request": "LocationParseError LocationValueError URLSchemeUnknown",
            "server_error": "HeaderParsingError InvalidHeader",  # of an answer
            "timeout": "TimeoutError",
        },
    ),
    ("http", {"network": "BadStatusLine IncompleteRead LineTooLong RemoteDisconnected", "invalid_request": "InvalidURL"}),
    ("urllib", {"network": "ContentTooShortError"}),
    ("httplib2", {"network": "ServerNotFoundError"}),
    ("socks", {"network": "GeneralProxyError ProxyConnectionError ProxyError", "auth": "SOCKS5AuthError"}),
    ("ssl", {"network": "SSLEOFError SSLError SSLZeroReturnError", "invalid_request": "SSLCertVerificationError"}),
    (
        "aiohttp",
        {
            "network": """
                ClientConnectionError ClientConnectionResetError ClientConnectorDNSError ClientConnectorError ClientOSError
                ClientPayloadError ServerConnectionError ServerDisconnectedError WebSocketError""",
            "invalid_request": """
                ClientConnectorCertificateError InvalidURL InvalidUrlClientError NonHttpUrlClientError ServerFingerprintMismatch
                TooManyRedirects""",
            "server_error": "BadHttpMessage ContentLengthError ContentTypeError TransferEncodingError",
        },
    ),
    ("tornado", {"network": "HTTPStreamClosedError StreamClosedError WebSocketClosedError", "timeout": "HTTPTimeoutError"}),
    ("websockets", {"network": "ConnectionClosed InvalidMessage ProtocolError ProxyError", "invalid_request": "InvalidURI"}),
    (
        "websocket",
        {
            "network": "WebSocketAddressException WebSocketConnectionClosedException WebSocketProtocolException WebSocketProxyException",
            "timeout": "WebSocketTimeoutException",
        },
    ),
    ("grpc", {"timeout": "FutureTimeoutError"}),
    ("pycurl", {}),
    (
        "botocore aiobotocore boto3 s3transfer",
        {
            "network": """
                ConnectionClosedError ConnectionError EndpointConnectionError HTTPClientError IncompleteReadError ProxyConnectionError
                ResponseStreamingError SSLError""",
            "invalid_request": "NoRegionError ParamValidationError UnknownEndpointError",
            "auth": "LoginRefreshRequired",
        },
    ),
    ("azure", {"network": "IncompleteReadError ServiceRequestError ServiceResponseError", "invalid_request": "TooManyRedirectsError"}),
    ("google googleapiclient", {"network": "TransportError", "auth": "RefreshError"}),
    ("huggingface_hub", {"invalid_request": "OfflineModeIsEnabled"}),
    (
        "anthropic openai groq together litellm",
        {
            "network": "APIConnectionError WebSocketConnectionClosedError",
            "server_error": "APIResponseValidationError",
            "rate_limit": "RouterRateLimitError RouterRateLimitErrorBasic",
        },
    ),
    ("langchain_core", {"network": "ModelConnectionError", "rate_limit": "ModelRateLimitError", "timeout": "ModelTimeoutError"}),
    ("cohere instructor mistralai ollama replicate", {}),
    ("elastic_transport elasticsearch opensearchpy", {"network": "ConnectionError"}),
    ("gql", {"network": "TransportConnectionFailed"}),
    ("slack_sdk stripe", {"network": "APIConnectionError"}),
    ("fsspec gcsfs s3fs", {}),
)
"""Clients of HTTP and of providers: what they say in words counts too, and their classes whose names are codes, such as ``ReadTimeout``,
are found in `chatkit.failures.codes`.
"""


_OTHERS: tuple[tuple[str, dict[Kind, str]], ...] = (
    ("builtins", {"network": "ConnectionError", "timeout": "TimeoutError"}),
    ("asyncio", {"network": "IncompleteReadError", "timeout": "TimeoutError"}),
    ("concurrent", {"timeout": "TimeoutError"}),
    ("socket", {"network": "gaierror herror", "timeout": "timeout"}),
    ("subprocess", {"timeout": "TimeoutExpired"}),
    ("anyio", {"network": "BrokenResourceError ClosedResourceError ConnectionFailed EndOfStream IncompleteRead"}),
    ("trio", {"network": "BrokenResourceError ClosedResourceError", "timeout": "TooSlowError"}),
    ("multiprocessing", {"timeout": "TimeoutError", "auth": "AuthenticationError"}),
    (
        "twisted",
        {
            "network": """
                ConnectError ConnectionAborted ConnectionClosed ConnectionDone ConnectionLost DNSLookupError PartialDownloadError
                RequestTransmissionFailed ResponseFailed ResponseNeverReceived""",
            "timeout": "TCPTimedOutError TimeoutError",
            "invalid_request": "ProcessDone ProcessTerminated SchemeNotSupported",
        },
    ),
    ("smtplib", {"network": "SMTPServerDisconnected"}),
    ("imaplib", {"network": "abort", "invalid_request": "error readonly"}),
    (
        "redis valkey",
        {
            "auth": "AuthenticationError AuthorizationError NoPermissionError",
            "network": "ConnectionError",
            "timeout": "TimeoutError",
            "overloaded": "BusyLoadingError MaxConnectionsError",
            "server_error": "ClusterDownError MasterDownError TryAgainError WatchError",
        },
    ),
    ("pymongo", {"network": "ConnectionFailure", "timeout": "NetworkTimeout ServerSelectionTimeoutError WaitQueueTimeoutError"}),
    ("sqlalchemy", {"timeout": "TimeoutError", "network": "DisconnectionError"}),
    ("psycopg psycopg_pool", {"timeout": "ConnectionTimeout PoolTimeout", "overloaded": "TooManyRequests"}),
    (
        "psycopg2",  # an error that it didn't read from a server has no pgcode
        {
            "server_error": "AdminShutdown CrashShutdown DeadlockDetected SerializationFailure TransactionRollbackError",
            "overloaded": "CannotConnectNow InsufficientResources LockNotAvailable TooManyConnections",
            "network": "ConnectionDoesNotExist ConnectionException ConnectionFailure",
        },
    ),
    ("mysql", {"timeout": "ConnectionTimeoutError ReadTimeoutError WriteTimeoutError"}),
    ("clickhouse_driver", {"network": "NetworkError", "timeout": "SocketTimeoutError"}),
    ("cassandra", {"network": "NoHostAvailable", "timeout": "OperationTimedOut Timeout", "overloaded": "Unavailable"}),
    ("pika", {"network": "AMQPConnectionError", "auth": "AuthenticationError ProbableAccessDeniedError ProbableAuthenticationError"}),
    (
        "aiormq",
        {
            "auth": "AuthenticationError ProbableAuthenticationError",
            "invalid_request": """
                ConnectionCommandInvalid ConnectionNotAllowed ConnectionNotImplemented ConnectionSyntaxError IncompatibleProtocolError""",
        },
    ),
    (
        "amqp kombu",
        {
            "network": "ConnectionError OperationalError RecoverableChannelError",
            "auth": "AccessRefused",
            "invalid_request": "ContentTooLarge IrrecoverableChannelError IrrecoverableConnectionError",
        },
    ),
    ("aiokafka kafka", {"timeout": "KafkaTimeoutError"}),
    ("celery", {"timeout": "TimeoutError"}),
    (
        "telegram",
        {
            "network": "NetworkError",
            "timeout": "TimedOut",
            "rate_limit": "RetryAfter",
            "invalid_request": "BadRequest Conflict",
            "auth": "Forbidden InvalidToken",
        },
    ),
    ("discord", {"auth": "LoginFailure", "rate_limit": "RateLimited"}),
    ("prawcore", {"network": "RequestException"}),
    ("nats", {"network": "ConnectionClosedError NoServersError StaleConnectionError"}),
    ("distributed", {"network": "CommClosedError"}),
    ("paramiko", {"network": "NoValidConnectionsError", "auth": "AuthenticationException", "invalid_request": "BadHostKeyException"}),
    ("playwright", {"timeout": "TimeoutError"}),
    ("selenium", {"timeout": "TimeoutException"}),
    ("zmq", {"timeout": "Again"}),
    ("msgspec pandas polars pyarrow pydantic_core sklearn", {}),
)
"""Everything else: only these classes count, and their words don't."""

LIBRARIES = (*_CLIENTS, *_OTHERS)
CLIENTS = frozenset(library for libraries, _ in _CLIENTS for library in libraries.split())
TABLE: dict[tuple[str, str], Kind] = {
    (library, name): kind
    for libraries, kinds in LIBRARIES
    for library in libraries.split()
    for kind, names in kinds.items()
    for name in names.split()
}
_BY_NAME: dict[str, Kind] = {name: kind for (library, name), kind in reversed(TABLE.items()) if library in CLIENTS}
_UNIQUE = word_set("APIConnectionError APITimeoutError ServerDisconnectedError")
"""Names that mean the same wherever they stand: those of a generator of SDKs, and one of aiohttp."""
_NOT_CODES = word_set("APIError Error Exception InternalError ModelError QueueFull ValidationError")
"""Names that mean something else as a class than as a code."""
_NO_CLIENTS = frozenset(sys.stdlib_module_names).union(library for libraries, _ in _OTHERS for library in libraries.split()) - CLIENTS
"""Libraries of which only the classes in the table count, whoever calls them."""


class Ancestor(NamedTuple):
    """A class of an exception, or one that it derives from: the library that defines it, and its name."""

    library: str
    name: str


def ancestry(error: BaseException) -> tuple[Ancestor, ...]:
    """Its class and the ancestors, nearest first."""
    classes = type(error).__mro__[:40]
    return tuple(Ancestor(library_of(cls.__module__), cls.__name__) for cls in classes if cls not in (Exception, BaseException, object))


def library_of(module: object) -> str:
    """The library of a module: its first name.

    >>> library_of("requests.exceptions")
    'requests'
    """
    return module.partition(".")[0] if isinstance(module, str) else ""


def meaning(ancestor: Ancestor, called: bool) -> Kind | None:
    """What a class means by itself; `called` says that a provider was called, so that the name of an unknown library's class counts."""
    if kind := TABLE.get(ancestor):
        return kind
    if speaks(ancestor, called):
        if ancestor.library not in CLIENTS and (kind := _BY_NAME.get(ancestor.name)):
            return kind
        return firm_kind([ancestor.name])
    return None


def speaks(ancestor: Ancestor, called: bool) -> bool:
    """Whether the name of a class can be that of a provider's error."""
    if ancestor.name in _NOT_CODES or ancestor.library in _NO_CLIENTS:
        return False
    return called or ancestor.library in CLIENTS or ancestor.name in _UNIQUE
