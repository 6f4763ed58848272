"""Is it worth another try? One verdict on a failure, from an exception of any library or from the raw response.

Evidence is heard in this order, and the first that speaks wins: the caller's own cancellation; a classification that is attached
already; the typed code in the body; the exception's class; the HTTP status; the text. Codes and classes that only repeat a status
("invalid_request_error", ``BadRequestError``) leave the word to status and text.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from chatkit.errors import RETRYABLE_KINDS, Classification, Kind
from chatkit.failures.codes import code_in_text, firm_kind, quota_of_a_period, status_kind, vague_kind
from chatkit.failures.evidence import Evidence, gather
from chatkit.failures.exceptions import attribute, chain, class_names, is_cancellation
from chatkit.failures.hints import has_zero_limit
from chatkit.failures.redaction import redact
from chatkit.failures.sentences import sentence
from chatkit.failures.wording import (
    exhausts_a_day,
    exhausts_a_minute,
    is_cut_by_peer,
    is_too_large,
    names_zero_limit,
    says_current_quota,
    speaks_for_google,
    text_kind,
)

SHORT_WAIT = 3600.0
"""Seconds. A limit of a day beside which the server asks for no more than this is waited for."""

_REFUSALS: frozenset[Kind] = frozenset({"context_exceeded", "quota", "content_filter", "auth", "model_not_found"})
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
    """Whether a failure is worth another try, what it is, and how long the server asks to wait.

    Parameters
    ----------
    error : BaseException, optional
        An exception of any library: it is read by class name, attributes, text and chain; nothing is imported for it.
    status : int, optional
        The HTTP status; this and the next two come before what the exception carries.
    headers : mapping, optional
        The response's headers.
    body : str, bytes or parsed JSON, optional
        The response's body, or as much of it as came.
    provider : str, optional
        Who failed. A failure that nothing explains is retryable only where this is given.
    now : datetime, optional
        The time of day; the present unless given. The response's own ``date`` comes first.

    Returns
    -------
    Classification
        Never raises, whatever it is given.

    Examples
    --------
    >>> body = '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
    >>> found = classify(status=529, body=body, provider="anthropic")
    >>> found.kind, found.retryable, found.message, found.detail
    ('overloaded', True, 'anthropic is overloaded', 'Overloaded')
    >>> classify(TypeError("no such argument")).kind
    'program'
    """
    if error is not None:
        if is_cancellation(error):
            return classified("canceled", provider, status_code=status)
        attached = next((c for link in chain(error) if isinstance(c := attribute(link.error, "classification"), Classification)), None)
        if attached is not None:
            return attached if attached.provider or not provider else msgspec.structs.replace(attached, provider=provider)
    evidence = gather(error, status, headers, body)
    now = now or datetime.now(UTC)
    named = evidence.named_status if evidence.status is None or evidence.answered_well else None
    hint = evidence.hint(429 in (evidence.status, named), now)
    kind = _refined(_kind(evidence, provider), evidence, hint, provider)
    return Classification(
        retryable=kind in RETRYABLE_KINDS or (kind == "unknown" and provider is not None),
        kind=kind,
        message=sentence(
            kind,
            provider,
            status=evidence.status or named,
            class_name=type(evidence.culprit).__name__ if evidence.culprit else "",
            unreached=evidence.unreached,
            locally=kind == evidence.class_kind == "invalid_request",
        ),
        provider=provider,
        status_code=evidence.status or named,
        retry_after=hint,
        detail=redact(evidence.detail),
        request_id=evidence.request_id,
    )


def is_retryable(error: BaseException) -> bool:
    """Whether another try of what raised this may succeed.

    >>> is_retryable(ConnectionResetError()), is_retryable(KeyError("x")), is_retryable(Exception("?"))
    (True, False, False)
    """
    return classify(error).retryable


def status_code_retryable(status: int) -> bool:
    """Whether an HTTP status alone is worth another try: 408, 429, and any 5xx but 501 and 505.

    >>> [status_code_retryable(s) for s in (200, 400, 408, 429, 499, 501, 503, 529)]
    [False, False, True, True, False, False, True, True]
    """
    return status_kind(status) in RETRYABLE_KINDS


def classified(
    kind: Kind,
    provider: str | None = None,
    *,
    status_code: int | None = None,
    retry_after: float | None = None,
    detail: str = "",
    request_id: str | None = None,
) -> Classification:
    """The classification of what chatkit itself found out, such as a stream that ended without its terminal event.

    Parameters
    ----------
    kind : str
        What it is; whether it is retryable follows.
    provider : str, optional
        Who failed.
    status_code, retry_after, detail, request_id
        As in `Classification`; the detail is blotted here.

    Returns
    -------
    Classification

    Examples
    --------
    >>> classified("network", "openai").message
    'the connection to openai broke'
    """
    return Classification(
        retryable=kind in RETRYABLE_KINDS or (kind == "unknown" and provider is not None),
        kind=kind,
        message=sentence(kind, provider, status=status_code),
        provider=provider,
        status_code=status_code,
        retry_after=retry_after,
        detail=redact(detail),
        request_id=request_id,
    )


def _kind(evidence: Evidence, provider: str | None) -> Kind:
    """The first evidence that speaks."""
    if typed := firm_kind(evidence.codes):
        return typed
    by_class = evidence.class_kind
    if evidence.status is not None and evidence.status >= 400 and by_class in ("program", "network"):
        foreign = type(evidence.culprit).__module__ != "builtins"
        if (by_class == "program" and foreign) or "JSONDecodeError" in class_names(evidence.culprit):
            by_class = None  # a library's error of HTTP that happens to be a ValueError; an error page that is no JSON
    if by_class:
        return by_class
    vague = vague_kind(evidence.codes) or evidence.vague_class
    status = evidence.named_status if evidence.status is None or evidence.answered_well else evidence.status
    if status is not None and (by_status := _by_status(status, evidence, vague, provider)):
        return by_status
    if vague == "invalid_request":
        return text_kind(evidence.words, _REFUSALS | {"rate_limit", "overloaded"}) or vague
    if vague is not None:
        return text_kind(evidence.words, _REFUSALS | {"rate_limit", "overloaded", "timeout", "network", "canceled"}) or vague
    if evidence.payload.shape == "html":
        return "server_error"
    if by_text := text_kind(evidence.words) or code_in_text(evidence.words):
        return by_text
    if evidence.answered_well and not evidence.payload.failed:
        match evidence.payload.shape:
            case "empty" | "json":
                return "server_error"  # a reply without anything in it
            case "events":
                return "network"  # a stream that was cut
    return "unknown"


def _by_status(status: int, evidence: Evidence, vague: Kind | None, provider: str | None) -> Kind | None:
    """What the status says, and what the text says more exactly within it."""
    kind = status_kind(status)
    words = evidence.words
    match kind:
        case "invalid_request" if status < 500:
            if (more := text_kind(words, _REFUSALS)) is not None:
                return more
            if status == 498 and (provider == "groq" or text_kind(words, {"overloaded"})):
                return "overloaded"
            if status == 424 and (vague == "server_error" or text_kind(words, {"server_error"})):
                return "server_error"  # Bedrock and TGI: the model behind them failed
            if status not in _KNOWN_REFUSALS and evidence.headers.get("x-should-retry") == "true":
                return "server_error"  # OpenAI and Anthropic say so of 409
        case "auth":
            more = text_kind(words, {"quota", "content_filter", "rate_limit"}) if status == 403 else text_kind(words, {"quota"})
            return more or kind
        case "server_error":
            more = text_kind(words, {"overloaded"})
            return more or (vague if vague in ("overloaded", "timeout") else kind)
    return kind


def _refined(kind: Kind, evidence: Evidence, hint: float | None, provider: str | None) -> Kind:
    """Rate limits that no wait will lift, quotas that a short wait will, and cancellations that the other side made."""
    words = evidence.words
    short = hint is not None and hint <= SHORT_WAIT
    google = speaks_for_google(words) or (provider or "").startswith(("gemini", "google", "vertex"))
    of_a_day = exhausts_a_day(words) or any(map(exhausts_a_day, evidence.codes))
    if kind == "rate_limit":
        if is_too_large(words):
            return "context_exceeded"
        if evidence.payload.zero or names_zero_limit(words) or has_zero_limit(evidence.headers):
            return "quota"
        if text_kind(words, {"quota"}) or (not short and (of_a_day or (says_current_quota(words) and not google))):
            return "quota"
        if evidence.status == 402 and hint is None:
            return "quota"
        if firm_kind(evidence.codes) is None and text_kind(words, {"overloaded"}):
            return "overloaded"
    elif kind == "quota" and evidence.status in (429, None) and quota_of_a_period(evidence.codes):
        minute = exhausts_a_minute(words) or any(map(exhausts_a_minute, evidence.codes))
        if short or (minute and not of_a_day):
            return "rate_limit"
    elif kind == "canceled" and is_cut_by_peer(words):
        return "network"
    return kind
