"""How long the server asks to wait, in seconds.

The hints are tried in this order: ``retry-after-ms``, ``retry-after``, a field of the body (such as Google's ``RetryInfo``), a
sentence such as "try again in 9m38s", and the reset of the rate limit that is exhausted. A hint that is unreadable, negative,
infinite or in the past is ignored. The server's own ``date`` is preferred to the time that is passed in, since the two clocks
may differ.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

MAX_WAIT = 10 * 366 * 86400.0
"""Seconds. A longer wait is cut to this, so that no date computed from it overflows."""
MAX_HEADERS = 200
MAX_HEADER_CHARACTERS = 1_000

_UNITS = (86400.0, 3600.0, 60.0, 1.0, 1e-3, 1e-6, 1e-9)
_SPAN = re.compile(
    r"(\d{1,18}(?:\.\d{0,18})?)\s?"
    r"(?:(d|days?)|(h|hrs?|hours?)|(m|mins?|minutes?)|(s|secs?|seconds?)|(ms|msecs?|milliseconds?)|([uµ]s)|(ns))(?![a-zA-Z])"
    r"(?:,? and |, |\s)?",
    re.I,
)
_LEAD = re.compile(
    r"(?:try(?:ing)?(?: \w{1,12}){0,4} again|retry(?:ing)?(?: \w{1,12}){0,3}?|wait(?: \w{1,12}){0,2}?|resets?|available(?: again)?)"
    r"\s{1,2}(?:in |after |for |at least |about |approximately |another ){0,3}~?(?=\d)",
    re.I,
)
_BARE = re.compile(r"""retry[-_ ]after["']?(?:\s{0,2}[:=]\s{0,2}|\s{1,2})["']?(\d{1,9}(?:\.\d{1,9})?)(?![\w.])""", re.I)
_RETRY_INFO = re.compile(r"\bretry_delay\s{0,2}\{\s{0,8}(?:seconds:\s?(\d{1,9}))?\s{0,8}(?:nanos:\s?(\d{1,9}))?")
"""Google's RetryInfo, as a protobuf message is printed."""
_FIELD = re.compile(r"\b(r|remaining|t|reset)=(\d{1,12})")


def _valid(seconds: float) -> float | None:
    return min(seconds, MAX_WAIT) if math.isfinite(seconds) and seconds >= 0 else None


def _number(text: str) -> float | None:
    try:
        return float(text) if len(text) <= 64 else None
    except ValueError:
        return None


def _spans(text: str, at: int) -> tuple[float, int]:
    """The sum of up to five spans from `at` on, such as ``1h2m`` or ``1 hour and 2 minutes``, in seconds, and where they end."""
    total = 0.0
    for _ in range(5):
        found = _SPAN.match(text, at)
        if found is None:
            break
        total += float(found[1]) * next(unit for unit, given in zip(_UNITS, found.groups()[1:], strict=True) if given)
        at = found.end()
    return min(round(total, 9), MAX_WAIT), at


def duration_seconds(text: str) -> float | None:
    """A duration, such as Go writes it, in seconds; None if the text is anything else.

    >>> [duration_seconds(t) for t in ("6m0s", "1.574s", "40ms", "1h2m", "soon")]
    [360.0, 1.574, 0.04, 3720.0, None]
    """
    text = text.strip()
    seconds, end = _spans(text, 0)
    return seconds if 0 < end == len(text) <= 64 else None


def _until(moment: datetime, now: datetime) -> float | None:
    """Seconds from now; None for a moment in the past."""
    return _valid(((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds())


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text[:64])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _wait(text: str, now: datetime) -> float | None:
    """The seconds until what a field says: a number of seconds, a duration, a Unix time in s or ms, an RFC 3339 or HTTP date."""
    text = text.strip()
    number = _number(text)
    if number is not None:
        if number >= 1e11:
            number /= 1000.0
        return _valid(number - now.timestamp() if number >= 1e9 else number)
    if (seconds := duration_seconds(text)) is not None:
        return seconds
    try:
        return _until(datetime.fromisoformat(text[:40]), now)
    except (ValueError, OverflowError):
        moment = _http_date(text)
        return None if moment is None else _until(moment, now)


def header_values(headers: object) -> dict[str, str]:
    """Headers of any type as a dict of strings with lower-case names; a value that cannot be one of a header is left out.

    >>> header_values({"Retry-After": 3, b"Date": b"x", None: 1, "a": ["b"]})
    {'retry-after': '3', 'date': 'x', 'a': 'b'}
    """
    pairs: Iterable[Any]
    try:
        items = getattr(headers, "items", None)
        pairs = list(items() if callable(items) else headers if isinstance(headers, list | tuple) else ())[:MAX_HEADERS]
    except Exception:  # a foreign mapping may raise anything
        return {}
    found: dict[str, str] = {}
    for pair in pairs:
        if isinstance(pair, tuple | list) and len(pair) == 2:
            name, value = map(_header_text, pair)
            if name and value is not None:
                found.setdefault(name.strip().lower(), value)
    return found


def _header_text(value: object) -> str | None:
    if isinstance(value, list | tuple) and value:
        value = value[0]
    if isinstance(value, bytes | bytearray):
        return bytes(value[:MAX_HEADER_CHARACTERS]).decode("latin-1")
    if isinstance(value, str):
        return value[:MAX_HEADER_CHARACTERS]
    return repr(value) if isinstance(value, float) or (isinstance(value, int) and abs(value) < 1 << 62) else None


def metadata_values(metadata: object) -> dict[str, str]:
    """The metadata of gRPC as headers: the binary ``RetryInfo`` in it becomes ``retry-after``."""
    pairs = [pair for pair in metadata if isinstance(pair, tuple) and len(pair) == 2] if isinstance(metadata, Iterable) else []
    binary = {name: value[:65_536] for name, value in pairs[:MAX_HEADERS] if isinstance(name, str) and isinstance(value, bytes)}
    infos: list[int | bytes] = [binary.get("google.rpc.retryinfo-bin", b"")]
    for number, detail in _protobuf(binary.get("grpc-status-details-bin", b"")):  # google.rpc.Status: its details are of any type
        if number == 3 and isinstance(detail, bytes):
            fields = dict(_protobuf(detail))
            if isinstance(name := fields.get(1), bytes) and name.endswith(b"google.rpc.RetryInfo"):
                infos.append(fields.get(2, b""))
    waits = [wait for info in infos if (wait := _retry_info(info)) is not None]
    return header_values([("retry-after", wait) for wait in waits] + pairs)


def _retry_info(message: int | bytes) -> float | None:
    """The wait in a `google.rpc.RetryInfo`, whose first field is a duration: seconds and nanoseconds."""
    delay = dict(_protobuf(message)).get(1)
    seconds, nanos = (dict(_protobuf(delay)).get(number, 0) for number in (1, 2)) if isinstance(delay, bytes) else (None, None)
    return _valid(seconds + nanos * 1e-9) if isinstance(seconds, int) and isinstance(nanos, int) else None


def _protobuf(message: int | bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protobuf message with their numbers, up to the first that can't be read."""
    data = memoryview(message if isinstance(message, bytes) else b"")
    value: int | bytes
    with contextlib.suppress(IndexError):
        at = 0
        while at < len(data):
            key, at = _varint(data, at)
            match key & 7:
                case 0:
                    value, at = _varint(data, at)
                case 2:
                    length, at = _varint(data, at)
                    value, at = bytes(data[at : at + length]), at + length
                case _:
                    return
            yield key >> 3, value


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        value |= (data[at + place] & 0x7F) << 7 * place
        if data[at + place] < 0x80:
            return value, at + place + 1
    raise IndexError


def text_hint(text: str) -> float | None:
    """The wait that a sentence asks for, in seconds.

    >>> [text_hint(t) for t in ("Please try again in 9m38s.", "resets in ~7s", "retry_delay { seconds: 34 }", "try again later")]
    [578.0, 7.0, 34.0, None]
    """
    for lead in _LEAD.finditer(text):
        seconds, end = _spans(text, lead.end())
        if end > lead.end():
            return seconds
    if printed := _RETRY_INFO.search(text):
        return _valid(int(printed[1] or 0) + int(printed[2] or 0) * 1e-9)
    bare = _BARE.search(text)
    return _valid(float(bare[1])) if bare else None


def _body_hint(waits: Iterable[tuple[str, Any]], now: datetime) -> float | None:
    for key, value in waits:
        if isinstance(value, Mapping):  # a protobuf duration, spelled out
            seconds, nanos = (_number(str(value.get(name, 0))) for name in ("seconds", "nanos"))
            found = None if seconds is None or nanos is None else _valid(seconds + nanos * 1e-9)
        else:
            found = _wait(str(value)[:64], now)
        if found is not None:
            return found / 1000 if key.endswith("ms") else found
    return None


def _reset_hint(headers: Mapping[str, str], refused: bool, now: datetime) -> float | None:
    """The latest reset of the limits that are exhausted: nothing remains, or (if `refused`) no header says what remains."""
    found: list[float] = []
    for name, value in headers.items():
        if "ratelimit" not in name.replace("rate-limit", "ratelimit"):
            continue
        if "reset" in name:
            if "-unified-" in name:  # Anthropic's windows of a subscription: a status names the one that refuses
                exhausted = name.endswith("-unified-reset") and headers.get(name.replace("reset", "status")) == "rejected"
            else:
                remaining = name.replace("reset", "remaining")
                left = headers.get(remaining, headers.get(remaining.replace("rate-limit", "ratelimit")))
                count = None if left is None else _number(left)
                exhausted = refused if count is None else count <= 0
            seconds = _wait(value, now) if exhausted else None
        else:  # ratelimit: limit=100, remaining=0, reset=5, and "default";r=0;t=5
            fields = dict(_FIELD.findall(value))
            left, reset = fields.get("remaining", fields.get("r")), fields.get("reset", fields.get("t"))
            seconds = _valid(float(reset)) if reset and (left == "0" or (left is None and refused)) else None
        if seconds is not None:
            found.append(seconds)
    return max(found, default=None)


def has_zero_limit(headers: Mapping[str, str]) -> bool:
    """Whether all limits that the headers name are zero: nothing is allowed, however long the wait."""
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
    """The wait that the server asks for, in seconds; None if there is no readable hint.

    `headers` have lower-case names, `waits` are the fields of the body, and `refused` says that a rate limit refused the request:
    then a reset counts although no header says what remains.

    >>> noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    >>> retry_hint({"retry-after": "Fri, 20 Nov 2026 12:00:16 GMT"}, now=noon)
    16.0
    >>> retry_hint({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, now=noon)
    360.0
    """
    theirs = _http_date(headers["date"]) if "date" in headers else None
    now = theirs or (now if now.tzinfo else now.replace(tzinfo=UTC))
    for name in ("retry-after-ms", "x-ms-retry-after-ms", "llm_provider-retry-after-ms"):
        milliseconds = _number(headers.get(name, ""))
        if milliseconds is not None and (seconds := _valid(milliseconds / 1000)) is not None:
            return seconds
    in_headers = [_wait(headers.get(name, ""), now) for name in ("retry-after", "llm_provider-retry-after")]  # LiteLLM passes on the latter
    for hint in (*in_headers, _body_hint(waits, now), text_hint(text)):
        if hint is not None:
            return hint
    return _reset_hint(headers, refused, now)
