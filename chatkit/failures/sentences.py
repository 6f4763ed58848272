"""The sentence that a person reads: from what is known, never from what a provider wrote."""

from __future__ import annotations

from typing import assert_never

from chatkit.errors import Kind
from chatkit.failures.redaction import redact


def sentence(
    kind: Kind,
    provider: str | None = None,
    *,
    status: int | None = None,
    class_name: str = "",
    unreached: bool = False,
    locally: bool = False,
) -> str:
    """One sentence about a failure, without a full stop.

    Parameters
    ----------
    kind : str
        What failed.
    provider : str, optional
        Who.
    status : int, optional
        The HTTP status.
    class_name : str
        The exception's class, where code is at fault.
    unreached : bool
        Whether the connection was never made.
    locally : bool
        Whether it failed before anything was sent.

    Returns
    -------
    str

    Examples
    --------
    >>> sentence("overloaded", "anthropic")
    'anthropic is overloaded'
    >>> sentence("network", unreached=True)
    "the server can't be reached"
    """
    who = redact(provider, 60) if provider else "the server"
    match kind:
        case "rate_limit":
            return f"{who} limits the rate of requests"
        case "overloaded":
            return f"{who} is overloaded"
        case "server_error":
            return f"{who} failed" + (f" with HTTP {status}" if status and status >= 500 else " to answer properly")
        case "network":
            return f"{who} can't be reached" if unreached else f"the connection to {who} broke"
        case "timeout":
            return f"{who} did not answer in time"
        case "unknown":
            return f"{who} failed, and nothing says why" if provider else "the call failed, and nothing says why"
        case "auth":
            return f"{who} does not allow this with the given API key" if status == 403 else f"{who} refused the API key"
        case "quota":
            return f"the account's quota at {who} is used up"
        case "context_exceeded":
            return "the request is longer than the model takes"
        case "model_not_found":
            return f"{who} does not have this model"
        case "invalid_request":
            if locally:
                return f"no connection to {who} can be made with this address, certificate or header"
            return f"{who} refused the request as invalid"
        case "content_filter":
            return f"the content filter of {who} stopped it"
        case "canceled":
            return "the call was canceled"
        case "program":
            return f"the call failed with {_article(class_name)} {class_name}" if class_name else "the call failed in its own code"
        case _:
            assert_never(kind)


def _article(word: str) -> str:
    return "an" if word[:1] in "AEIOUaeiou" else "a"
