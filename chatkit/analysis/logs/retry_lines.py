"""The lines that retrying libraries write: tenacity, stamina, urllib3, botocore."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chatkit.analysis.logs.failure_texts import told_failure
from chatkit.analysis.logs.log_lines import json_in, key_values, read_log_line

TENACITY_MARKS = (" seconds as it raised", " seconds as it returned")
STAMINA_MARKS = ("stamina.retry_scheduled",)
URLLIB3_MARKS = ("after connection broken by ", "Retry: ")
BOTOCORE_MARKS = ("Retry needed, ",)

_NUMBER = re.compile(r"\d{1,12}(?:\.\d{0,20})?(?:e[+-]?\d{1,3})?")
_SECONDS = rf"(?P<seconds>{_NUMBER.pattern})"
_TENACITY = re.compile(rf"\bRetrying \S.{{0,400}}? in {_SECONDS} seconds as it (?P<verb>raised|returned)\b ?(?P<value>.*)", re.S)
_BEHIND = re.compile(r"""(?:(?<=\.)(?:["'][,}\]]{0,9}|\s{1,400}\[[\w.]{1,80}\])|(?:^|\s)\(?[\w-]{1,80}\.py:\d{1,6}\)?)$""")
"""What stands behind a message: the logger (structlog), the place in the source (rich, pytest), the quote of a line in JSON or CSV."""
_LINE_END = re.compile(r"[\r\n]")
_URLLIB3 = re.compile(
    r"\bRetrying \((?:\w{1,80}\(total=.{1,2000}?\)|\d{1,9} attempts remain)\) after connection broken by (?P<failure>.*): ", re.S
)
_URLLIB3_STATUS = re.compile(r"\bRetry: (?=\S)")
_DEBUG_OF_PATH = re.compile(r"\bDEBUG\b.{0,200}\bRetry: (?:/|https?://)\S*$")
_POOL = re.compile(r"\burllib3\.connectionpool\b")
_HOST = re.compile(r"\bhost='([^'\s]{1,200})'")
_BOTOCORE = re.compile(rf"\bRetry needed, (?:action of|retrying request after delay of): {_SECONDS}(?=$|[\s\"'|])")
_STAMINA = "stamina.retry_scheduled"


def tenacity_line(line: str) -> dict[str, Any] | None:
    """What tenacity's ``before_sleep_log`` writes.

    >>> tenacity_line("Retrying app.ask in 2 seconds as it raised TimeoutError: late.")
    {'ts': None, 'operation': 'retry', 'delay_ms': 2000, 'kind': 'timeout', 'error': 'TimeoutError: late'}
    """
    entry = read_log_line(line)
    found = _TENACITY.search(entry.message)
    if found is None:
        return None
    fields: dict[str, Any] = {"ts": entry.moment(found.start()), "operation": "retry", "delay_ms": _milliseconds(found["seconds"])}
    if found["verb"] == "returned":
        return fields | {"error": "it returned what is retried"}  # the value may be a reply: it stays out
    value = _BEHIND.sub("", _LINE_END.split(found["value"], maxsplit=1)[0].strip()).rstrip()
    return fields | told_failure(value.removesuffix("."))


def stamina_line(line: str) -> dict[str, Any] | None:
    """What stamina logs, through structlog or through logging (where a plain layout shows nothing but the event's name).

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
    said = {name: given.get(name, given.get(f"stamina.{name}")) for name in ("retry_num", "wait_for", "caused_by")}
    older = said["retry_num"] is None and (slept := given.get("slept", given.get("backoff"))) is not None
    if older:  # until 23.1: how long it sleeps in all, this wait among it
        said = {"retry_num": given.get("attempt"), "wait_for": slept, "caused_by": given.get("error")}
    fields: dict[str, Any] = {"ts": entry.moment(start), "operation": "retry"}
    if all(value is None for value in said.values()):
        return fields
    number = _number(said["retry_num"])
    fields["attempt"] = int(number) if number.is_integer() else number
    if not older or number == 1:
        fields["delay_ms"] = _milliseconds(said["wait_for"])
    return fields | told_failure(str(said["caused_by"] or "").removesuffix("()"))


def urllib3_line(line: str) -> dict[str, Any] | None:
    """What urllib3 logs of a broken connection, and of a status that is retried. It logs after the wait, and doesn't say it.

    >>> urllib3_line("Retrying (Retry(total=1, connect=None)) after connection broken by 'ReadTimeoutError('late')': /v1")["kind"]
    'timeout'
    """
    entry = read_log_line(line)
    found = _URLLIB3.search(entry.message)
    if found is None:
        found = _URLLIB3_STATUS.search(entry.message)
        if found is None or not (_POOL.search(entry.around(found.start(), found.end())) or _DEBUG_OF_PATH.search(entry.message)):
            return None
        return {"ts": entry.moment(found.start()), "operation": "retry"}
    failure = found["failure"]
    fields: dict[str, Any] = {"ts": entry.moment(found.start()), "operation": "retry"}
    if host := _HOST.search(failure):
        fields["provider"] = host[1]
    return fields | told_failure(failure[1:-1] if failure[:1] in "'\"" and failure[-1:] == failure[:1] else failure)


def botocore_line(line: str) -> dict[str, Any] | None:
    """What botocore logs at DEBUG when it is going to wait: in the modes legacy, standard and adaptive, one line a retry.

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


def _milliseconds(value: object) -> int:
    seconds = _number(value)
    if not 0 <= seconds < 1e12:  # also what is no number
        raise ValueError("a delay is out of range")
    return round(seconds * 1000)
