"""How long the server asks to wait: its hints, in order, as seconds.

``retry-after-ms``, ``retry-after``, what the body asks for (Google's ``RetryInfo``), "try again in 9m38s" in the text, and the
reset of the rate limit that is exhausted. What can't be read, is negative, infinite or past says nothing. Pure: the time of day is
handed in, and the server's own ``date`` is taken for it where there is one, since the two clocks may differ.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

LONGEST = 10 * 366 * 86400.0
"""Seconds; a longer wait is cut to this, so that no date that is made of it overflows."""

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_GO = re.compile(r"(\d{1,18}(?:\.\d{0,18})?)(ms|us|µs|ns|d|h|m|s)")
_SPAN = re.compile(
    r"(\d{1,12}(?:\.\d{1,12})?)\s?(?:(ms|msecs?|milliseconds?)|(d|days?)|(h|hrs?|hours?)|(m|mins?|minutes?)|(s|secs?|seconds?))(?![a-zA-Z])"
    r"(?:,? and |, |\s)?",
    re.I,
)
_SPAN_UNITS = (1e-3, 86400.0, 3600.0, 60.0, 1.0)
_LEAD = re.compile(
    r"(?:try(?:ing)?(?: \w{1,12}){0,4} again|retry(?:ing)?(?: \w{1,12}){0,3}?|wait(?: \w{1,12}){0,2}?|resets?|available(?: again)?)"
    r"\s{1,2}(?:in |after |for |at least |about |approximately |another ){0,3}(?=\d)",
    re.I,
)
_BARE = re.compile(r"""retry[-_ ]after["']?(?:\s{0,2}[:=]\s{0,2}|\s{1,2})["']?(\d{1,9}(?:\.\d{1,9})?)(?![\w.])""", re.I)
_FIELD = re.compile(r"\b(r|remaining|t|reset)=(\d{1,12})")


def _span(value: float) -> float | None:
    return min(value, LONGEST) if math.isfinite(value) and value >= 0 else None


def _number(text: str) -> float | None:
    try:
        return float(text) if len(text) <= 64 else None
    except ValueError:
        return None


def duration_seconds(text: str) -> float | None:
    """A duration as Go writes it, in seconds; None where it isn't one.

    >>> [duration_seconds(t) for t in ("6m0s", "1.574s", "40ms", "1h2m", "soon")]
    [360.0, 1.574, 0.04, 3720.0, None]
    """
    text = text.strip()
    total, at = 0.0, 0
    while at < len(text) <= 64:
        found = _GO.match(text, at)
        if found is None:
            return None
        total += float(found[1]) * _UNITS[found[2]]
        at = found.end()
    return _span(round(total, 9)) if 0 < at == len(text) else None


def _until(moment: datetime, now: datetime) -> float | None:
    """Seconds from now; None for the past."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return _span((moment - now).total_seconds())


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text[:64])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _span_or_moment(text: str, now: datetime) -> float | None:
    """Seconds, a duration, a moment of the Unix epoch in seconds or milliseconds, RFC 3339, or an HTTP date."""
    text = text.strip()
    number = _number(text)
    if number is not None:
        if number >= 1e11:
            number /= 1000.0
        return _span(number - now.timestamp()) if number >= 1e9 else _span(number)
    if (span := duration_seconds(text)) is not None:
        return span
    try:
        return _until(datetime.fromisoformat(text[:40]), now)
    except (ValueError, OverflowError):
        moment = _http_date(text)
        return None if moment is None else _until(moment, now)


def header_values(headers: object) -> dict[str, str]:
    """Headers of any kind as a dict of strings with lower-case names; what has no sense as a header is left out.

    >>> header_values({"Retry-After": 3, b"Date": b"x", None: 1, "a": ["b"]})
    {'retry-after': '3', 'date': 'x', 'a': 'b'}
    """
    pairs: Iterable[Any]
    try:
        items = getattr(headers, "items", None)
        pairs = list(items())[:200] if callable(items) else list(headers)[:200] if isinstance(headers, list | tuple) else ()
    except Exception:
        return {}
    found: dict[str, str] = {}
    for pair in pairs:
        if isinstance(pair, tuple | list) and len(pair) == 2:
            name, value = (_header_text(part) for part in pair)
            if name and value is not None:
                found.setdefault(name.strip().lower(), value)
    return found


def _header_text(value: object) -> str | None:
    if isinstance(value, list | tuple) and value:
        value = value[0]
    if isinstance(value, bytes | bytearray):
        return bytes(value[:1_000]).decode("latin-1")
    if isinstance(value, str):
        return value[:1_000]
    return repr(value) if isinstance(value, float) or (isinstance(value, int) and abs(value) < 1 << 62) else None


def text_hint(text: str) -> float | None:
    """The wait that a sentence asks for, in seconds.

    >>> [text_hint(t) for t in ("Please try again in 9m38s.", "Please retry after 60 seconds.", "try again in 20ms", "try again later")]
    [578.0, 60.0, 0.02, None]
    """
    text = text[:16_384]
    for lead in _LEAD.finditer(text):
        total, at = 0.0, lead.end()
        for _ in range(5):
            found = _SPAN.match(text, at)
            if found is None:
                break
            unit = next(u for u, given in zip(_SPAN_UNITS, found.groups()[1:], strict=True) if given)
            total += float(found[1]) * unit
            at = found.end()
        if at > lead.end():
            return _span(round(total, 9))
    bare = _BARE.search(text)
    return _span(float(bare[1])) if bare else None


def _body_hint(waits: Iterable[tuple[str, Any]], now: datetime) -> float | None:
    for key, value in waits:
        if isinstance(value, Mapping):  # a protobuf duration, spelled out
            parts = [_number(str(value.get(name, 0))) for name in ("seconds", "nanos")]
            found = None if None in parts else _span((parts[0] or 0.0) + (parts[1] or 0.0) * 1e-9)
        else:
            found = _span_or_moment(str(value)[:64], now)
        if found is not None:
            return found / 1000 if key.endswith("ms") else found
    return None


def _reset_hint(headers: Mapping[str, str], refused: bool, now: datetime) -> float | None:
    """The latest reset of the limits that are exhausted: nothing remains, or (with 429) it isn't said what remains."""
    found: list[float] = []
    for name, value in headers.items():
        if "ratelimit" not in name.replace("rate-limit", "ratelimit"):
            continue
        if "reset" in name:
            if "-unified-" in name:  # Anthropic's windows of a subscription: the one that refuses is named by a status
                exhausted = name.endswith("-unified-reset") and headers.get(name.replace("reset", "status")) == "rejected"
            else:
                remaining = name.replace("reset", "remaining")
                left = headers.get(remaining, headers.get(remaining.replace("rate-limit", "ratelimit")))
                count = None if left is None else _number(left)
                exhausted = refused if count is None else count <= 0
            span = _span_or_moment(value, now) if exhausted else None
        else:  # ratelimit: limit=100, remaining=0, reset=5, and "default";r=0;t=5
            fields = dict(_FIELD.findall(value))
            left, reset = fields.get("remaining", fields.get("r")), fields.get("reset", fields.get("t"))
            span = _span(float(reset)) if reset and (left == "0" or (left is None and refused)) else None
        if span is not None:
            found.append(span)
    return max(found, default=None)


def has_zero_limit(headers: Mapping[str, str]) -> bool:
    """Whether the headers name limits of zero alone: nothing is allowed, however long one waits."""
    limits = [value.strip() for name, value in headers.items() if "ratelimit" in name and "limit" in name.replace("ratelimit", "")]
    return bool(limits) and all(limit == "0" for limit in limits)


def retry_hint(
    headers: Mapping[str, str],
    *,
    waits: Iterable[tuple[str, Any]] = (),
    text: str = "",
    refused: bool = False,
    now: datetime,
) -> float | None:
    """The wait that the server asks for.

    Parameters
    ----------
    headers : mapping
        Headers with lower-case names, as `header_values` gives them.
    waits : iterable of (str, object)
        What the body asks for, as `chatkit.failures.payload` found it.
    text : str
        The body's words.
    refused : bool
        Whether a rate limit refused the request: a reset beside which nothing says what remains counts then.
    now : datetime
        The time of day, for servers that don't tell theirs; without a zone it is UTC.

    Returns
    -------
    float or None
        Seconds, 0 or more; None where the server asks for nothing that can be read.

    Examples
    --------
    >>> noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    >>> retry_hint({"retry-after": "Fri, 20 Nov 2026 12:00:16 GMT"}, now=noon)
    16.0
    >>> retry_hint({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, now=noon)
    360.0
    """
    theirs = _http_date(headers["date"]) if "date" in headers else None
    now = theirs or (now if now.tzinfo else now.replace(tzinfo=UTC))
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        milliseconds = _number(headers.get(name, "nan"))
        if milliseconds is not None and (span := _span(milliseconds / 1000)) is not None:
            return span
    if (span := _span_or_moment(headers.get("retry-after", "?"), now)) is not None:
        return span
    if (span := _body_hint(waits, now)) is not None:
        return span
    if (span := text_hint(text)) is not None:
        return span
    return _reset_hint(headers, refused, now)
