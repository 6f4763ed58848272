"""The lines of the service that chatkit's retrying comes from: the log of its server, and its stream of events."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from chatkit.analysis.logs.failure_texts import told_failure
from chatkit.analysis.logs.log_lines import json_in, key_values, read_log_line
from chatkit.analysis.logs.moments import first_moment
from chatkit.errors import KINDS

SERVICE_MARKS = ("retrying LLM stream",)
SSE_MARKS = ('"retry"', '"retrying_at"', '"retryingAt"')
LEAST_WAIT = 1_000_000
"""Nanoseconds: nobody waits for less than a millisecond."""
_MESSAGE = SERVICE_MARKS[0]
_UNITS = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "μs": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4, "h": 3.6e6}
_DURATION = re.compile(r"(\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(ns|us|µs|μs|ms|s|m|h)")
_RETRY_EVENT = re.compile(r'"type"\s*:\s*"retry"|"retrying_?[aA]t"\s*:')


def service_line(line: str) -> dict[str, Any] | None:
    """A line that says "retrying LLM stream", in JSON or as ``key=value``, its fields beside the message or in ``fields``.

    >>> service_line('{"ts": "2026-11-20T12:00:00Z", "msg": "retrying LLM stream", "fields": {"attempt": 7, "delay": "1m4s"}}')["delay_ms"]
    64000
    """
    entry = read_log_line(line)
    start = entry.message.find(_MESSAGE)
    if start < 0:
        return None
    if entry.message.strip() == _MESSAGE and entry.fields:
        inner = entry.fields.get("fields")
        given: Mapping[str, Any] = {**entry.fields, **inner} if isinstance(inner, dict) else entry.fields
    else:
        given = key_values(entry.message)
        if not ("attempt" in given or f'"{_MESSAGE}"' in entry.message):
            return None
    if given.get("attempt") is None or given.get("delay") is None:
        raise ValueError("a retry of the service without attempt or delay")
    fields: dict[str, Any] = {
        "ts": entry.moment(start),
        "operation": "chat",
        "attempt": _whole(given["attempt"]),
        "delay_ms": _go_milliseconds(given["delay"]),
    }
    return fields | _names(given) | told_failure(_error_text(given.get("error")))


def sse_line(line: str) -> dict[str, Any] | None:
    """A ``retry`` event of a server-sent stream, flat as chatkit writes it or nested and in either spelling.

    >>> event = '{"type": "retry", "attempt": 1, "delay_ms": 2000, "retrying_at": "2026-11-20T12:00:02Z", "error": "openai is overloaded"}'
    >>> sse_line("data: " + event)["ts"].isoformat()
    '2026-11-20T12:00:00+00:00'
    """
    if _RETRY_EVENT.search(line) is None:
        return None
    found = json_in(line.strip())
    if found is None:
        if line.lstrip("\ufeff \t").startswith(("data:", "{")):
            raise ValueError("the JSON of a retry event ends early, or is garbled")
        return None
    event = found[1]
    inner = event.get("retry")
    given = {**event, **inner} if isinstance(inner, dict) else event
    kind = event.get("type", "retry" if given.keys() & {"retrying_at", "retryingAt"} else None)  # it may stand before, as ``event: retry``
    if kind != "retry":
        return None  # another event, which quotes one
    delay = given.get("delay_ms", given.get("delayMs"))
    if delay is None or given.get("attempt") is None:
        raise ValueError("a retry event without attempt or delay")
    if isinstance(delay, bool) or not isinstance(delay, int | float) or not 0 <= delay < 1e12:
        raise ValueError("a retry event's delay is no number of milliseconds")
    retrying_at = first_moment([given.get("retrying_at", given.get("retryingAt"))])
    fields: dict[str, Any] = {
        "ts": retrying_at - timedelta(milliseconds=delay) if retrying_at else None,
        "operation": "chat",
        "attempt": given["attempt"],
        "delay_ms": round(delay),
        "outcome": "retry",
    }
    fields |= told_failure(_error_text(given.get("error")))
    fields |= _names(given)
    if given.get("kind") in KINDS and given["kind"] != "unknown":  # another writer's words for kinds aren't ours
        fields["kind"] = given["kind"]
    status = given.get("status_code", given.get("statusCode"))
    if isinstance(status, int) and 100 <= status < 1000:
        fields["status_code"] = status
    return fields


def _names(given: Mapping[str, Any]) -> dict[str, str]:
    """Whose failure it is, where that is a text or a number."""
    keys = (("chatId", "chat"), ("chat_id", "chat"), ("provider", "provider"), ("model", "model"))
    return {field: str(name) for key, field in keys if isinstance(name := given.get(key), str | int)}


def _error_text(error: object) -> str:
    """A text, or what Go's wrapped errors look like in JSON: a list from the outermost to the cause."""
    if isinstance(error, dict):
        return _error_text(error.get("msg") or error.get("message") or error.get("error"))
    if isinstance(error, list):
        return ": ".join(filter(None, map(_error_text, error[:8])))
    return error if isinstance(error, str) else ""


def _whole(value: object) -> object:
    """A number, of text where the line was text."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10 else value


def _go_milliseconds(delay: object) -> int:
    """A duration of Go: ``1m4s``, a number of nanoseconds, or of seconds (as zap writes it) where nanoseconds would be no wait at all."""
    text = str(delay).strip()
    if text.isdecimal() or (isinstance(delay, float) and 0 <= delay < 1e21):
        number = float(text)
        return round(number / 1e6 if number >= LEAST_WAIT else number * 1e3)
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.removeprefix("+"):
        raise ValueError("a delay that is no duration")
    return round(sum(float(number) * _UNITS[unit] for number, unit in parts))
