"""The lines in which libraries and services say that they retry, one function per library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from chatkit.analysis.logs.failure_texts import failure_of_text
from chatkit.analysis.logs.log_lines import first_moment, json_in, key_values, read_log_line
from chatkit.errors import KINDS

# ── openai, anthropic ──

_SDK_RETRY = re.compile(
    r"\bRetrying request (?:to (?P<path>\S{1,2000}) )?in (?P<seconds>\d{1,9}(?:\.\d{1,9})?) seconds"
    r"(?: \(retry (?P<retry>\d{1,9}) of [^)\s]{1,40}\))?(?=$|[\s\"'|(])"
)
_SDK_RETRY_START = re.compile(r"\bRetrying request (?:to |in )")
_SDK_LOGGER = re.compile(r"\b(\w{1,60})\._base_client\b(?!\.py)")
_ANTHROPIC_PATH = re.compile(r"^/v1/(?:models|files|skills)\b|/v1/(?:messages|complete)\b|anthropic|claude", re.I)
_OPENAI_PATH = re.compile(r"/(?:chat/completions|completions|responses|embeddings)\b")
_SDK_SECONDS = re.compile(r"\d+\.\d{6}")
"""The SDKs print seconds with six digits, and hardly any other program does."""


def sdk_line(line: str, *, anthropic: bool) -> dict[str, Any] | None:
    """A retry of the anthropic SDK; or of the openai SDK and those that are generated as it is (groq …).

    >>> sdk_line("INFO:openai._base_client:Retrying request in 0.465733 seconds (retry 1 of 2)", anthropic=False)
    {'ts': None, 'operation': 'retry', 'provider': 'openai', 'delay_ms': 466, 'attempt': 1}
    >>> sdk_line("Retrying request to /v1/messages in 0.930000 seconds", anthropic=True)  # of an older version
    {'ts': None, 'operation': 'retry', 'provider': 'anthropic', 'delay_ms': 930}
    """
    entry = read_log_line(line)
    start = _SDK_RETRY_START.search(entry.message)
    if start is None:
        return None
    found = _SDK_RETRY.search(entry.message, start.start())
    package = _SDK_LOGGER.search(entry.around(start.start(), found.end() if found else start.end()))
    path = found["path"] or "" if found else ""
    is_anthropic = package[1] == "anthropic" if package else _ANTHROPIC_PATH.search(path) is not None
    if is_anthropic is not anthropic:
        return None
    if found is None:
        if package is None:
            return None  # any program may log "Retrying request in a moment"
        raise ValueError("the line of a retry ends before its delay")
    seconds, retry = found["seconds"], found["retry"]
    looks_generated = _SDK_SECONDS.fullmatch(seconds) and (path.startswith(("/", "http")) if path else retry)
    if package is None and not (looks_generated or is_anthropic or _OPENAI_PATH.search(path)):
        return None  # another program's request
    fields: dict[str, Any] = {"ts": entry.moment(found.start()), "operation": "retry"}
    fields["provider"] = package[1] if package else "anthropic" if is_anthropic else "openai"
    fields["delay_ms"] = _milliseconds(seconds)
    if retry:
        fields["attempt"] = int(retry)  # the first retry follows the first attempt
    return fields


def sdk_retry(message: str) -> tuple[int, int | None] | None:
    """The delay in milliseconds that a message of an SDK announces, and the number of the retry from 1, where it is given.

    >>> sdk_retry("Retrying request in 0.465733 seconds (retry 1 of 2)"), sdk_retry("HTTP Response: POST 200")
    ((466, 1), None)
    """
    found = _SDK_RETRY.match(message)
    return None if found is None else (_milliseconds(found["seconds"]), int(found["retry"]) if found["retry"] else None)


# ── tenacity, stamina, urllib3, botocore ──

_NUMBER = re.compile(r"\d{1,12}(?:\.\d{0,20})?(?:e[+-]?\d{1,3})?")
_SECONDS = rf"(?P<seconds>{_NUMBER.pattern})"
_TENACITY = re.compile(rf"\bRetrying \S.{{0,400}}? in {_SECONDS} seconds as it (?P<verb>raised|returned)\b ?(?P<value>.*)", re.S)
_AFTER_MESSAGE = re.compile(r"""(?:(?<=\.)(?:["'][,}\]]{0,9}|\s{1,400}\[[\w.]{1,80}\])|(?:^|\s)\(?[\w-]{1,80}\.py:\d{1,6}\)?)$""")
"""What follows a message: the quote that ends it in JSON or CSV, the logger (structlog), the place in the source (rich, pytest)."""
_LINE_END = re.compile(r"[\r\n]")
_STAMINA = "stamina.retry_scheduled"
_URLLIB3 = re.compile(
    # the second form is that of the versions before 1.9
    r"\bRetrying \((?:\w{1,80}\(total=.{1,2000}?\)|\d{1,9} attempts remain)\) after connection broken by ",
    re.S,
)
_URLLIB3_STATUS = re.compile(r"\bRetry: (?=\S)")
_URLLIB3_DEBUG = re.compile(r"\bDEBUG\b.{0,200}\bRetry: (?:/|https?://)\S*$")
_URLLIB3_LOGGER = re.compile(r"\burllib3\.connectionpool\b")
_URLLIB3_HOST = re.compile(r"\bhost='([^'\s]{1,200})'")
_BOTOCORE = re.compile(rf"\bRetry needed, (?:action of|retrying request after delay of): {_SECONDS}(?=$|[\s\"'|])")


def tenacity_line(line: str) -> dict[str, Any] | None:
    """A line of tenacity's ``before_sleep_log``.

    >>> tenacity_line("Retrying app.ask in 2 seconds as it raised TimeoutError: late.")
    {'ts': None, 'operation': 'retry', 'delay_ms': 2000, 'kind': 'timeout', 'error': 'TimeoutError: late'}
    """
    entry = read_log_line(line)
    found = _TENACITY.search(entry.message)
    if found is None:
        return None
    fields: dict[str, Any] = {"ts": entry.moment(found.start()), "operation": "retry", "delay_ms": _milliseconds(found["seconds"])}
    if found["verb"] == "returned":
        return fields | {"error": "it returned what is retried"}  # the value may be a reply, which does not belong here
    value = _AFTER_MESSAGE.sub("", _LINE_END.split(found["value"], maxsplit=1)[0].strip()).rstrip()
    return fields | failure_of_text(value.removesuffix("."))


def stamina_line(line: str) -> dict[str, Any] | None:
    """A line of stamina, through structlog or through logging (of which a plain layout shows only the name of the event).

    >>> stamina_line("[warning] stamina.retry_scheduled caused_by=TimeoutError() retry_num=1 wait_for=0.5")
    {'ts': None, 'operation': 'retry', 'attempt': 1, 'delay_ms': 500, 'kind': 'timeout', 'error': 'TimeoutError'}
    """
    entry = read_log_line(line)
    start = entry.message.find(_STAMINA)
    if start < 0:
        return None
    given: Mapping[str, Any] = {**key_values(entry.message), **entry.fields}
    if not given and f'"{_STAMINA}"' in entry.message and json_in(entry.message) is None:
        raise ValueError("the JSON of a retry ends early, or is garbled")
    number, wait, cause = (given.get(name, given.get(f"stamina.{name}")) for name in ("retry_num", "wait_for", "caused_by"))
    older = number is None and (slept := given.get("slept", given.get("backoff"))) is not None
    if older:  # up to 23.1, which give the time of all waits together, this one included
        number, wait, cause = given.get("attempt"), slept, given.get("error")
    fields: dict[str, Any] = {"ts": entry.moment(start), "operation": "retry"}
    if number is None and wait is None and cause is None:
        return fields
    attempt = _number(number)
    fields["attempt"] = int(attempt) if attempt.is_integer() else attempt
    if not older or attempt == 1:
        fields["delay_ms"] = _milliseconds(wait)
    return fields | failure_of_text(str(cause or "").removesuffix("()"))


def urllib3_line(line: str) -> dict[str, Any] | None:
    """A line of urllib3 about a broken connection, or about a status that is retried. It logs after the wait, and not how long it was.

    >>> urllib3_line("Retrying (Retry(total=1, connect=None)) after connection broken by 'ReadTimeoutError('late')': /v1")["kind"]
    'timeout'
    """
    entry = read_log_line(line)
    found = _URLLIB3.search(entry.message)
    failure, colon, _ = entry.message[found.end() :].rpartition(": ") if found else ("", "", "")
    if found is None or not colon:
        found = _URLLIB3_STATUS.search(entry.message)
        if found is None or not (_URLLIB3_LOGGER.search(entry.around(found.start(), found.end())) or _URLLIB3_DEBUG.search(entry.message)):
            return None
        return {"ts": entry.moment(found.start()), "operation": "retry"}
    fields: dict[str, Any] = {"ts": entry.moment(found.start()), "operation": "retry"}
    if host := _URLLIB3_HOST.search(failure):
        fields["provider"] = host[1]
    return fields | failure_of_text(failure[1:-1] if failure[:1] in "'\"" and failure[-1:] == failure[:1] else failure)


def botocore_line(line: str) -> dict[str, Any] | None:
    """A line of botocore at DEBUG before a wait: one per retry, in each of the modes legacy, standard and adaptive.

    >>> botocore_line("botocore.retries.standard [DEBUG] Retry needed, retrying request after delay of: 0.25")
    {'ts': None, 'operation': 'retry', 'delay_ms': 250}
    """
    entry = read_log_line(line)
    found = _BOTOCORE.search(entry.message)
    if found is None:
        return None
    return {"ts": entry.moment(found.start()), "operation": "retry", "delay_ms": _milliseconds(found["seconds"])}


def _number(value: object) -> float:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a number is missing")
    return float(value)


def _milliseconds(seconds: object) -> int:
    number = _number(seconds)
    if not 0 <= number < 1e12:  # NaN is refused as well
        raise ValueError("a delay is out of range")
    return round(number * 1000)


# ── the service, and streams of events ──

_SERVICE = "retrying LLM stream"
_MIN_WAIT_NANOSECONDS = 1_000_000
"""Nobody waits for less than a millisecond."""
_GO_UNITS = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "μs": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4, "h": 3.6e6}
_GO_DURATION = re.compile(r"(\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(ns|us|µs|μs|ms|s|m|h)")
_RETRY_EVENT = re.compile(r'"type"\s*:\s*"retry"|"retrying_?[aA]t"\s*:')


def service_line(line: str) -> dict[str, Any] | None:
    """A line with "retrying LLM stream", in JSON or as ``key=value``, whose fields stand beside the message or in ``fields``.

    >>> service_line('{"ts": "2026-11-20T12:00:00Z", "msg": "retrying LLM stream", "fields": {"attempt": 7, "delay": "1m4s"}}')["delay_ms"]
    64000
    """
    entry = read_log_line(line)
    start = entry.message.find(_SERVICE)
    if start < 0:
        return None
    if entry.message.strip() == _SERVICE and entry.fields:
        inner = entry.fields.get("fields")
        given: Mapping[str, Any] = {**entry.fields, **inner} if isinstance(inner, dict) else entry.fields
    else:
        given = key_values(entry.message)
        if not ("attempt" in given or f'"{_SERVICE}"' in entry.message):
            return None
    if given.get("attempt") is None or given.get("delay") is None:
        raise ValueError("a retry of the service without attempt or delay")
    attempt = given["attempt"]
    if isinstance(attempt, str) and re.fullmatch("[0-9]{1,9}", attempt):  # of a line of text
        attempt = int(attempt)
    fields = {"ts": entry.moment(start), "operation": "chat", "attempt": attempt, "delay_ms": _go_milliseconds(given["delay"])}
    return fields | _names(given) | failure_of_text(_error_text(given.get("error")))


def event_line(line: str) -> dict[str, Any] | None:
    """A ``retry`` event of a server-sent stream: flat, as chatkit writes it, or nested, in either spelling, as the service does.

    >>> event = '{"type": "retry", "attempt": 1, "delay_ms": 2000, "retrying_at": "2026-11-20T12:00:02Z", "error": "openai is overloaded"}'
    >>> event_line("data: " + event)["ts"].isoformat()
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
    kind = event.get("type", "retry" if given.keys() & {"retrying_at", "retryingAt"} else None)  # the line before may be ``event: retry``
    if kind != "retry" or given.get("waited_ms") is not None:
        return None  # another event, which quotes one; or the end of a wait that was told before
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
    fields |= failure_of_text(_error_text(given.get("error"))) | _names(given)
    if given.get("kind") in KINDS and given["kind"] != "unknown":  # another program has other kinds
        fields["kind"] = given["kind"]
    status = given.get("status_code", given.get("statusCode"))
    if isinstance(status, int) and 100 <= status < 1000:
        fields["status_code"] = status
    return fields


def _names(given: Mapping[str, Any]) -> dict[str, str]:
    """The chat, the provider and the model, where they are texts or numbers."""
    keys = (("chatId", "chat"), ("chat_id", "chat"), ("provider", "provider"), ("model", "model"))
    return {field: str(name) for key, field in keys if isinstance(name := given.get(key), str | int)}


def _error_text(error: object) -> str:
    """A text; or Go's wrapped errors, in JSON a list from the outermost to the cause."""
    if isinstance(error, dict):
        return _error_text(error.get("msg") or error.get("message") or error.get("error"))
    if isinstance(error, list):
        return ": ".join(filter(None, map(_error_text, error[:8])))
    return error if isinstance(error, str) else ""


def _go_milliseconds(delay: object) -> int:
    """A duration of Go: ``1m4s``, a number of nanoseconds (slog), or one of seconds (zap) where nanoseconds would be no wait at all."""
    text = str(delay).strip()
    if text.isdecimal() or (isinstance(delay, float) and 0 <= delay < 1e21):
        number = float(text)
        return round(number / 1e6 if number >= _MIN_WAIT_NANOSECONDS else number * 1e3)
    parts = _GO_DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.removeprefix("+"):
        raise ValueError("a delay that is no duration")
    return round(sum(float(number) * _GO_UNITS[unit] for number, unit in parts))
