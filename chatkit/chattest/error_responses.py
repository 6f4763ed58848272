"""Functions that build the vendors' error responses, with their bodies and headers.

The shapes and texts come from the vendors' error references and from reported bodies. `error_response` has the shape of
the requested format; the others have the shape of their vendor on every path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chatkit.chattest.response import ErrorBody, Response, Vendor, merged

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


def error_body(error: ErrorBody, vendor: Vendor, status: int, request_id: str) -> dict[str, Any]:
    """The JSON of an error; what the test left out is filled in as the vendor does for that status."""
    if (error.vendor or vendor) == "anthropic":
        type, message = _ANTHROPIC.get(status, ("api_error" if status >= 500 else "invalid_request_error", f"Error {status}"))
        details = {"type": error.type or type, "message": error.message or message}
        return {"type": "error", "error": details, "request_id": request_id}
    default = _OPENAI.get(503 if status == _OVERLOADED else status)
    type, code, message = default or ("server_error" if status >= 500 else "invalid_request_error", None, f"Error {status}")
    code = code if error.code is None and error.type is None else error.code
    return {"error": {"message": error.message or message, "type": error.type or type, "param": error.param, "code": code}}


def _error(error: ErrorBody, status: int, retry_after: float | None, headers: Mapping[str, str] | None) -> Response:
    hint = {} if retry_after is None else {"retry-after": _seconds(retry_after)}
    return Response(content=error, status=status, headers=merged(merged((), hint), headers))


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
    """An error of any status, in the shape of the format that the request's path belongs to.

    Parameters
    ----------
    status : int, default 500
        HTTP status, from which the default message, type and code follow.
    message, type, code : str, optional
        The fields of the provider's error; only OpenAI's formats send `code`.
    retry_after : float, optional
        Seconds, sent as a ``retry-after`` header.
    headers : mapping, optional
        More headers.

    Returns
    -------
    Response

    Examples
    --------
    >>> error_response(429, retry_after=2).headers
    (('retry-after', '2'),)
    """
    return _error(ErrorBody(type=type, message=message, code=code), status, retry_after, headers)


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
    return _error(ErrorBody(vendor="anthropic", type=type, message=message), status, retry_after, headers)


def anthropic_overloaded_response(
    message: str | None = None, *, retry_after: float | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Anthropic's 529, ``overloaded_error``.

    >>> anthropic_overloaded_response().status
    529
    """
    return anthropic_error_response(_OVERLOADED, message, retry_after=retry_after, headers=headers)


def anthropic_rate_limit_response(
    message: str | None = None, *, retry_after: float | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Anthropic's 429, ``rate_limit_error``.

    >>> anthropic_rate_limit_response(retry_after=1_000_000).headers, anthropic_rate_limit_response(retry_after=0.25).headers
    ((('retry-after', '1000000'),), (('retry-after', '0.25'),))
    """
    return anthropic_error_response(429, message, retry_after=retry_after, headers=headers)


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
    return _error(ErrorBody(vendor="openai", type=type, message=message, code=code, param=param), status, retry_after, headers)


def openai_rate_limit_response(
    message: str | None = None, *, retry_after: float | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """OpenAI's 429, ``rate_limit_exceeded``. With `retry_after`, its message ends with "Please try again in 20s."

    >>> openai_rate_limit_response(retry_after=20).headers
    (('retry-after', '20'),)
    """
    if message is None and retry_after is not None:
        message = f"{_OPENAI[429][2]} Please try again in {_seconds(retry_after)}s."
    return openai_error_response(429, message, retry_after=retry_after, headers=headers)


def openai_server_error_response(
    status: int = 500, message: str | None = None, *, retry_after: float | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """OpenAI's ``server_error``: 500, or 503 for an overloaded server.

    >>> openai_server_error_response(503).status
    503
    """
    return openai_error_response(status, message, retry_after=retry_after, headers=headers)
