"""Builders of the error responses that the vendors send, with their bodies and headers.

Shapes and words: the vendors' error references, and bodies that people reported. `error_response` takes the shape of the
format that was asked; the others have their vendor's, wherever they are sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from chatkit.chattest.response import Failure, Response, merged

Vendor = Literal["anthropic", "openai"]

_ANTHROPIC: dict[int, tuple[str, str]] = {
    400: ("invalid_request_error", "messages: at least one message is required"),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "Your credit balance is too low to access the Anthropic API."),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "model: claude-nothing"),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed your organization's rate limit. Please try again later."),
    500: ("api_error", "Internal server error"),
    504: ("timeout_error", "Request timed out"),
    529: ("overloaded_error", "Overloaded"),
}
_OPENAI: dict[int, tuple[str, str | None, str]] = {
    400: ("invalid_request_error", None, "Invalid value for 'messages'."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: ("invalid_request_error", "unsupported_country_region_territory", "Country, region, or territory not supported"),
    404: ("invalid_request_error", "model_not_found", "The model `gpt-nothing` does not exist or you do not have access to it."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached on requests per min (RPM): Limit 500, Used 500, Requested 1."),
    500: ("server_error", None, "The server had an error while processing your request. Sorry about that!"),
    503: ("server_error", None, "The server is currently overloaded with other requests. Sorry about that!"),
}
_OVERLOADED = 529


def error_body(failure: Failure, vendor: Vendor, status: int, request_id: str) -> dict[str, Any]:
    """The JSON of an error, what was left open filled in as the vendor would for that status."""
    if (failure.vendor or vendor) == "anthropic":
        kind, message = _ANTHROPIC.get(status, ("api_error" if status >= 500 else "invalid_request_error", f"Error {status}"))
        error = {"type": failure.type or kind, "message": failure.message or message}
        return {"type": "error", "error": error, "request_id": request_id}
    default = _OPENAI.get(503 if status == _OVERLOADED else status)
    kind, code, message = default or ("server_error" if status >= 500 else "invalid_request_error", None, f"Error {status}")
    code = failure.code if failure.code is not None or failure.type is not None else code
    return {"error": {"message": failure.message or message, "type": failure.type or kind, "param": failure.param, "code": code}}


def _failed(
    vendor: Vendor | None,
    status: int,
    message: str | None,
    *,
    type: str | None = None,
    code: str | None = None,
    param: str | None = None,
    retry_after: float | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    hint = {} if retry_after is None else {"retry-after": _seconds(retry_after)}
    failure = Failure(vendor=vendor, type=type, message=message, code=code, param=param)
    return Response(content=failure, status=status, headers=merged(merged((), hint), headers))


def _seconds(number: float) -> str:
    return f"{number:.6f}".rstrip("0").rstrip(".")  # never 1e+06


def error_response(
    status: int = 500,
    message: str | None = None,
    *,
    type: str | None = None,
    code: str | None = None,
    retry_after: float | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An error of any status, in the shape of the format that the request's path asks for.

    Parameters
    ----------
    status : int, default 500
        HTTP status; what isn't given follows from it.
    message, type, code : str, optional
        The provider's words; `code` is sent in OpenAI's formats alone.
    retry_after : float, optional
        Seconds, as a ``retry-after`` header.
    headers : mapping, optional
        Further headers.

    Returns
    -------
    Response

    Examples
    --------
    >>> error_response(429, retry_after=2).headers
    (('retry-after', '2'),)
    """
    return _failed(None, status, message, type=type, code=code, retry_after=retry_after, headers=headers)


def anthropic_error_response(
    status: int = 500,
    message: str | None = None,
    *,
    type: str | None = None,
    retry_after: float | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Anthropic's error of any status: ``{"type": "error", "error": {"type", "message"}, "request_id"}``.

    >>> anthropic_error_response(401).status
    401
    """
    return _failed("anthropic", status, message, type=type, retry_after=retry_after, headers=headers)


def anthropic_overloaded_response(
    message: str | None = None, *, retry_after: float | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Anthropic's 529, ``overloaded_error``.

    >>> anthropic_overloaded_response().status
    529
    """
    return _failed("anthropic", _OVERLOADED, message, retry_after=retry_after, headers=headers)


def anthropic_rate_limit_response(
    message: str | None = None, *, retry_after: float | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Anthropic's 429, ``rate_limit_error``.

    >>> anthropic_rate_limit_response(retry_after=1_000_000).headers, anthropic_rate_limit_response(retry_after=0.25).headers
    ((('retry-after', '1000000'),), (('retry-after', '0.25'),))
    """
    return _failed("anthropic", 429, message, retry_after=retry_after, headers=headers)


def openai_error_response(
    status: int = 500,
    message: str | None = None,
    *,
    type: str | None = None,
    code: str | None = None,
    param: str | None = None,
    retry_after: float | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """OpenAI's error of any status: ``{"error": {"message", "type", "param", "code"}}``.

    >>> openai_error_response(429, "You exceeded your current quota.", type="insufficient_quota", code="insufficient_quota").status
    429
    """
    return _failed("openai", status, message, type=type, code=code, param=param, retry_after=retry_after, headers=headers)


def openai_rate_limit_response(
    message: str | None = None, *, retry_after: float | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """OpenAI's 429, ``rate_limit_exceeded``; with `retry_after` its text says "Please try again in 20s." as well.

    >>> openai_rate_limit_response(retry_after=20).headers
    (('retry-after', '20'),)
    """
    if message is None and retry_after is not None:
        message = f"{_OPENAI[429][2]} Please try again in {_seconds(retry_after)}s."
    return _failed("openai", 429, message, retry_after=retry_after, headers=headers)


def openai_server_error_response(
    status: int = 500, message: str | None = None, *, retry_after: float | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """OpenAI's 500, ``server_error``, or its 503 for an overloaded server.

    >>> openai_server_error_response(503).status
    503
    """
    return _failed("openai", status, message, retry_after=retry_after, headers=headers)
