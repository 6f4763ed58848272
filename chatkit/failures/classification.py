"""Is a failure worth another try? One classification, from an exception of any library or from a raw response.

The evidence is heard in this order, and the first that decides wins: a cancellation by the caller; a classification that is
already attached; a typed code in the body; the class of the exception; the HTTP status; the text. Codes and classes that only
repeat a status ("invalid_request_error", ``BadRequestError``) leave the decision to the status and the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from chatkit.errors import RETRYABLE_KINDS, Classification, Kind
from chatkit.failures import patterns
from chatkit.failures.codes import firm_kind, kind_of_code_in_text, may_be_quota_of_a_minute, status_kind, vague_kind
from chatkit.failures.evidence import Evidence, gather
from chatkit.failures.exceptions import (
    Link,
    attribute,
    chain,
    http_status,
    is_cancellation,
    members,
)
from chatkit.failures.hints import has_zero_limit, header_values, retry_hint
from chatkit.failures.patterns import text_kind
from chatkit.failures.redaction import redact
from chatkit.failures.unreached import sentence_of

SHORT_WAIT = 3600.0
"""Seconds. A limit per day is waited for if the server asks for no more than this."""

_REFUSALS: frozenset[Kind] = frozenset({"context_exceeded", "quota", "content_filter", "auth", "model_not_found"})
_LIMITS: frozenset[Kind] = _REFUSALS | {"rate_limit", "overloaded"}
_KNOWN_REFUSALS = frozenset({400, 401, 402, 403, 404, 405, 406, 407, 410, 411, 412, 413, 414, 415, 416, 417, 422, 426, 428, 431, 451})


def classify(
    error: BaseException | None = None,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    body: str | bytes | Any = None,
    provider: str | None = None,
    now: datetime | None = None,
) -> Classification:
    """What a failure is, whether it is worth another try, and how long the server asks to wait.

    Parameters
    ----------
    error : BaseException, optional
        An exception of any library. Its class, attributes and causes are read, and its text, if a client of HTTP or of a provider raised
        it, or another argument is given. Nothing is imported for it. A group is what its worst member is; so is what was raised from a
        group, if that member makes another try pointless.
    status : int, optional
        The HTTP status. This, `headers` and `body` take precedence over what the exception carries.
    headers : mapping, optional
        The headers of the response.
    body : str, bytes or parsed JSON, optional
        The body of the response, or as much of it as was received.
    provider : str, optional
        The provider that failed. A failure that nothing explains is retryable only if this is given, or if it asks for a wait.
    now : datetime, optional
        The current time, by default that of this machine. The ``date`` of the response takes precedence.

    Returns
    -------
    Classification
        It never raises, whatever the arguments are.

    Examples
    --------
    >>> body = '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
    >>> found = classify(status=529, body=body, provider="anthropic")
    >>> found.kind, found.retryable, found.message, found.detail
    ('overloaded', True, 'anthropic is overloaded', 'Overloaded')
    >>> classify(TypeError("no such argument")).kind
    'program'
    """
    if error is not None and status is None and headers is None and body is None and (found := _of_a_group(error, provider, now)):
        return found
    return _of_one(error, status, headers, body, provider, now)


def _of_a_group(error: BaseException, provider: str | None, now: datetime | None) -> Classification | None:
    """What a group is, or what was raised from one whose worst member makes another try pointless; None for any other exception."""
    if is_cancellation(error):
        return None
    for link in chain(error):
        if _attached(link):
            return None
        if isinstance(link.error, BaseExceptionGroup) and link.explicit:
            worst = _worst([_of_one(member, None, None, None, provider, now) for member in members(link.error)])
            if link.error is error or not (worst.retryable or worst.kind == "unknown"):
                return worst
    return None


def _worst(found: list[Classification]) -> Classification:
    """Of the failures of a group, the one that makes another try pointless, else the one that waits longest."""
    explained = [one for one in found if one.kind != "unknown"] or found
    return max(explained, key=lambda one: (not one.retryable, one.retry_after or 0.0))


def _attached(link: Link) -> Classification | None:
    found = attribute(link.error, "classification")
    return found if isinstance(found, Classification) else None


def _of_one(
    error: BaseException | None,
    status: int | None,
    headers: Mapping[str, str] | None,
    body: object,
    provider: str | None,
    now: datetime | None,
) -> Classification:
    """What one failure is."""
    links: list[Link] = []
    if error is not None:
        if is_cancellation(error):
            return classified("canceled", provider, status_code=status)
        links = chain(error)
        if attached := next(filter(None, map(_attached, links)), None):
            return attached if attached.provider or not provider else msgspec.structs.replace(attached, provider=provider)
    evidence = gather(links, http_status(status), header_values(headers), body, provider)
    hint = retry_hint(
        evidence.headers,
        waits=evidence.body.waits,
        text=evidence.text,
        refused=429 in (evidence.response_status, evidence.status),
        now=now or datetime.now(UTC),
    )
    kind = _refined(_kind(evidence, provider), evidence, hint, provider)
    match evidence.fault:
        case "proxy_login":
            status = 407
        case "proxy_refusal":
            status = None  # the provider never heard of it
        case _:
            status = evidence.response_status or evidence.status
    return classified(
        kind,
        provider,
        message=_sentence(kind, provider, status, evidence),
        status_code=status,
        retry_after=hint,
        detail=evidence.detail,
        request_id=evidence.request_id,
    )


def is_retryable(error: BaseException) -> bool:
    """Whether another try may succeed after this exception.

    >>> is_retryable(ConnectionResetError()), is_retryable(KeyError("x")), is_retryable(Exception("?"))
    (True, False, False)
    """
    return classify(error).retryable


def status_code_retryable(status: int) -> bool:
    """Whether an HTTP status alone is worth another try: 408, 429, and every 5xx except 501 and 505.

    >>> [status_code_retryable(s) for s in (200, 400, 408, 429, 499, 501, 503, 529)]
    [False, False, True, True, False, False, True, True]
    """
    return status_kind(status) in RETRYABLE_KINDS


def classified(
    kind: Kind,
    provider: str | None = None,
    *,
    message: str = "",
    status_code: int | None = None,
    retry_after: float | None = None,
    detail: str = "",
    request_id: str | None = None,
) -> Classification:
    """The classification of a failure whose kind is known; `message` is the usual sentence unless given, `detail` is redacted here.

    >>> classified("network", "openai").message
    'the connection to openai broke'
    """
    return Classification(
        retryable=kind in RETRYABLE_KINDS or (kind == "unknown" and (provider is not None or retry_after is not None)),
        kind=kind,
        message=message or _sentence(kind, provider, status_code),
        provider=provider,
        status_code=status_code,
        retry_after=retry_after,
        detail=redact(detail),
        request_id=request_id,
    )


# ── the sentence ──

_SENTENCES: dict[Kind, str] = {
    "rate_limit": "{who} limits the rate of requests",
    "overloaded": "{who} is overloaded",
    "server_error": "{who} failed to answer properly",
    "network": "the connection to {who} broke",
    "timeout": "{who} did not answer in time",
    "unknown": "{who} failed, and nothing says why",
    "auth": "{who} refused the API key",
    "quota": "the account's quota at {who} is used up",
    "context_exceeded": "the request is longer than the model takes",
    "model_not_found": "{who} does not have this model",
    "invalid_request": "{who} refused the request as invalid",
    "content_filter": "the content filter of {who} stopped it",
    "canceled": "the call was canceled",
    "program": "the call failed in its own code",
}


def _sentence(kind: Kind, provider: str | None, status: int | None, evidence: Evidence | None = None) -> str:
    """A sentence about the failure without a full stop, from what is known, never from what a provider wrote."""
    who = redact(provider, 60) if provider else "the server"
    match kind:
        case "network" | "invalid_request" | "auth" if evidence and evidence.fault:
            return sentence_of(evidence.fault, who)
        case "server_error" if status and status >= 500:
            return f"{who} failed with HTTP {status}"
        case "auth" if status == 403:
            return f"{who} does not allow this with the given API key"
        case "unknown" if not provider:
            return "the call failed, and nothing says why"
        case "network" if evidence and evidence.unreached:
            return f"{who} can't be reached"
        case "invalid_request" if evidence and evidence.class_kind == "invalid_request" and not _of_a_service(evidence.culprit):
            return f"no connection to {who} can be made with this address, certificate or header"
        case "program" if evidence and evidence.culprit is not None:
            name = type(evidence.culprit.error).__name__
            return f"the call failed with {'an' if name[:1] in 'AEIOUaeiou' else 'a'} {name}"
    return _SENTENCES[kind].format(who=who)


def _of_a_service(culprit: Link | None) -> bool:
    return culprit is not None and not (culprit.is_client or culprit.ancestors[0].library == "builtins")


# ── the decision ──


def _kind(evidence: Evidence, provider: str | None) -> Kind:
    """The first evidence that decides."""
    if typed := firm_kind(evidence.codes):
        return typed
    by_class = evidence.class_kind
    if (status := evidence.response_status or 0) >= 400 and evidence.culprit is not None:
        nearest = evidence.culprit.ancestors[0]
        if by_class == "network" and (status < 500 or nearest.name == "JSONDecodeError"):
            by_class = None  # a namesake of a broken connection; an error page that is no JSON
        elif by_class == "program" and nearest.library != "builtins":
            by_class = None  # a library's HTTP error that happens to be a ValueError
    if by_class:
        return by_class
    vague = vague_kind(evidence.codes) or evidence.vague_class_kind
    if evidence.status is not None and (by_status := _kind_of_status(evidence.status, evidence, vague, provider)):
        return by_status
    if vague is not None:
        more: frozenset[Kind] = frozenset() if vague == "invalid_request" else frozenset({"timeout", "network", "canceled"})
        return text_kind(evidence.text, _LIMITS | more) or vague
    if not evidence.called:
        return "unknown"
    if evidence.body.shape == "html":
        return "server_error"
    if by_text := text_kind(evidence.text) or kind_of_code_in_text(evidence.text):
        return by_text
    if evidence.answered_well and not evidence.body.failed:
        match evidence.body.shape:
            case "empty" | "json":
                return "server_error"  # a reply without content
            case "events":
                return "network"  # a stream that was cut off
    return "unknown"


def _kind_of_status(status: int, evidence: Evidence, vague: Kind | None, provider: str | None) -> Kind | None:
    """What the status means, or what the text says more exactly."""
    kind, text = status_kind(status), evidence.text
    match kind:
        case "invalid_request" if status < 500:
            if (more := text_kind(text, _REFUSALS)) is not None:
                return more
            if status == 498 and (provider == "groq" or text_kind(text, {"overloaded"})):
                return "overloaded"
            if status == 424 and (vague == "server_error" or text_kind(text, {"server_error"})):
                return "server_error"  # Bedrock and TGI: the model behind them failed
            if status not in _KNOWN_REFUSALS and evidence.headers.get("x-should-retry") == "true":
                return "server_error"  # OpenAI and Anthropic send this header with a 409
        case "auth":
            return text_kind(text, {"quota", "content_filter", "rate_limit"} if status == 403 else {"quota"}) or kind
        case "server_error":
            return text_kind(text, {"overloaded"}) or (vague if vague in ("overloaded", "timeout") else kind)
    return kind


def _refined(kind: Kind, evidence: Evidence, hint: float | None, provider: str | None) -> Kind:
    """Tell apart rate limits that no wait lifts, quotas that a short wait lifts, and cancellations by the other side."""
    text = evidence.text
    short = hint is not None and hint <= SHORT_WAIT
    per_day = any(map(patterns.DAY_LIMIT.search, (text, *evidence.codes)))
    if kind == "rate_limit":
        if patterns.TOO_LARGE.search(text):
            return "context_exceeded"
        if evidence.body.has_zero_limit or patterns.ZERO_LIMIT.search(text) or has_zero_limit(evidence.headers):
            return "quota"
        google = patterns.GOOGLE.search(text) or (provider or "").startswith(("gemini", "google", "vertex"))
        if text_kind(text, {"quota"}) or (not short and (per_day or (patterns.CURRENT_QUOTA.search(text) and not google))):
            return "quota"
        if evidence.response_status == 402 and hint is None:
            return "quota"
        if firm_kind(evidence.codes) is None and text_kind(text, {"overloaded"}):
            return "overloaded"
    elif kind == "quota" and evidence.response_status in (429, None) and may_be_quota_of_a_minute(evidence.codes):
        if short or (not per_day and any(map(patterns.MINUTE_LIMIT.search, (text, *evidence.codes)))):
            return "rate_limit"
    elif kind == "canceled" and patterns.CUT_BY_PEER.search(text):
        return "network"
    return kind
