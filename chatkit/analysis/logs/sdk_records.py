"""The attempts of the openai and anthropic SDKs, as their log records show them while they happen."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

from chatkit.analysis.logs.failure_texts import MAX_ERROR_CHARS, failure_of_text
from chatkit.analysis.logs.retry_lines import sdk_retry
from chatkit.errors import Classification
from chatkit.failures.classification import classify
from chatkit.failures.redaction import redact
from chatkit.retries.log import milliseconds, new_call_id, record_fields

HearRecord = Callable[[logging.LogRecord], object]
_TAP_LEVEL = logging.DEBUG - 1
"""The level of a logger while it is heard. Nobody else sets it, so that it is known as ours."""

_logger = logging.getLogger("chatkit")
_lock = threading.Lock()


class _LoggerTap(logging.Filter):
    """The one filter on the logger of an SDK: it hands on every record, and lets those pass that would have passed without it."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._logger = logging.getLogger(name)
        self._users_level = logging.NOTSET
        self._disabled_by_user = False  # as ``dictConfig`` leaves a logger that its configuration does not name
        self._listeners: tuple[HearRecord, ...] = ()

    def filter(self, record: logging.LogRecord) -> bool:
        for hear in self._listeners:
            try:
                hear(record)
            except Exception:
                _logger.exception("capture_retries(): a record of %s can't be read; the call goes on", record.name)
        return not self._disabled_by_user and record.levelno >= self._threshold()

    def add(self, hear: HearRecord) -> None:
        if not self._listeners:
            self._logger.filters.insert(0, self)  # before the filters of the user, which see no more records than without this one
        self._listeners = (*self._listeners, hear)
        if self._logger.disabled:
            self._disabled_by_user, self._logger.disabled = True, False
        if self._logger.level != _TAP_LEVEL and self._logger.getEffectiveLevel() > _TAP_LEVEL:
            self._users_level = self._logger.level
            self._logger.setLevel(_TAP_LEVEL)

    def remove(self, hear: HearRecord) -> None:
        self._listeners = tuple(other for other in self._listeners if other is not hear)
        if self._listeners:
            return
        if self._logger.level == _TAP_LEVEL:  # otherwise the user has set another level meanwhile, which stays
            self._logger.setLevel(self._users_level)
        if self._disabled_by_user:
            self._disabled_by_user, self._logger.disabled = False, True
        self._logger.removeFilter(self)

    def _threshold(self) -> int:
        """The lowest level that the user wants to see now."""
        own = self._users_level if self._logger.level == _TAP_LEVEL else self._logger.level
        return own or (self._logger.parent.getEffectiveLevel() if self._logger.parent else logging.NOTSET)


_taps: dict[str, _LoggerTap] = {}  # made when they are first needed: `dictConfig` turns off loggers that exist before it


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def hear_sdk(provider: str, hear: HearRecord) -> Iterator[None]:
    """Call a function with every record of an SDK, on the thread that logs it, whatever the level of the logger is.

    The SDK need not be installed, and its logger is left as it was.
    """
    with _lock:
        tap = _taps.get(provider) or _LoggerTap(f"{provider}._base_client")
        _taps[provider] = tap
        tap.add(hear)
    try:
        yield
    finally:
        with _lock:
            tap.remove(hear)


def task_or_thread() -> object:
    """The asyncio task in which the caller runs, otherwise the thread: within it, attempts follow one another."""
    with suppress(RuntimeError):  # no loop runs in this thread
        if (task := asyncio.current_task()) is not None:
            return task
    return threading.current_thread()


@dataclass
class _SdkAttempt:
    """An attempt that has begun and not ended."""

    ts: datetime
    model: str | None
    streams: bool | None
    wait_began: float | None
    is_first: bool
    began: float
    sent: bool = False

    @property
    def waited_ms(self) -> int | None:
        if self.wait_began is None:
            return 0 if self.is_first else None
        return milliseconds(self.began - self.wait_began)


@dataclass
class _SdkCall:
    """The current call of one task or thread."""

    id: str = ""
    idempotency_key: str | None = None
    attempts: int = 0
    wait_began: float | None = None
    attempt: _SdkAttempt | None = None
    row: dict[str, Any] | None = None


class SdkCalls:
    """The calls of one SDK, followed by its log records, apart for each task and thread.

    Parameters
    ----------
    provider : {"openai", "anthropic"}
    add : callable
        Takes a row, the fields of a record. A failure is added as ``failed``, and changed to ``retry`` when the SDK announces a wait, so
        that the rows are right at any time.
    """

    def __init__(self, provider: str, add: Callable[[dict[str, Any]], object]) -> None:
        self._provider = provider
        self._add = add
        self._calls: WeakKeyDictionary[object, _SdkCall] = WeakKeyDictionary()

    def hear(self, record: logging.LogRecord) -> None:
        """Follow one record; nothing is kept of a record that does not concern attempts."""
        message = record.msg
        if not isinstance(message, str):
            return
        call = self._calls.setdefault(task_or_thread(), _SdkCall())
        ts = datetime.fromtimestamp(record.created, UTC)
        arguments = record.args if isinstance(record.args, tuple) else ()
        if message.startswith("Request options") and isinstance(record.args, Mapping):
            self._prepare(call, ts, record.args)
        elif message.startswith("Building HTTP request"):
            self._begin(call, ts, retries_taken=next((a for a in arguments if isinstance(a, int)), None))
        elif message.startswith("Sending HTTP Request"):
            if call.attempt is None or call.attempt.sent:
                self._begin(call, ts)
            assert call.attempt is not None
            call.attempt.ts, call.attempt.began, call.attempt.sent = ts, time.monotonic(), True
        elif message.startswith(("HTTP Response", "HTTP Request")):
            self._answered(call, arguments)
        elif message.startswith("request_id"):
            if call.row is not None and arguments and isinstance(arguments[0], str) and len(arguments[0]) <= 128:
                call.row.setdefault("request_id", redact(arguments[0]))
        elif message.startswith("Encountered"):
            self._raised(call, record, arguments)
        elif message.startswith("Retrying request") and (announced := sdk_retry(record.getMessage())):
            self._retrying(call, ts, *announced)

    def _prepare(self, call: _SdkCall, ts: datetime, options: Mapping[str, object]) -> None:
        """Begin an attempt by its options, of which only the model and the key that its retries share are kept."""
        key, body, headers = options.get("idempotency_key"), options.get("json_data"), options.get("headers")
        model = streams = None
        if isinstance(body, Mapping):
            model, streams = body.get("model"), bool(body.get("stream"))
        if isinstance(headers, Mapping) and any(str(name).lower() == "x-stainless-raw-response" for name in headers):
            streams = None  # the caller may read the body later
        self._begin(call, ts, key=key if isinstance(key, str) else None)
        assert call.attempt is not None
        call.attempt.model = redact(model, MAX_ERROR_CHARS) if isinstance(model, str) else None
        call.attempt.streams = streams

    def _begin(self, call: _SdkCall, ts: datetime, *, retries_taken: int | None = None, key: str | None = None) -> None:
        goes_on = call.wait_began is not None and retries_taken != 0 and (key is None or key == call.idempotency_key)
        if not goes_on:
            call.id, call.attempts, call.wait_began = new_call_id(), 0, None
        call.idempotency_key = key
        call.attempts = call.attempts + 1 if retries_taken is None else retries_taken + 1
        call.attempt = _SdkAttempt(ts, None, None, call.wait_began, not retries_taken, time.monotonic())
        call.wait_began = call.row = None

    def _answered(self, call: _SdkCall, arguments: tuple[object, ...]) -> None:
        status = next((a for a in arguments if isinstance(a, int) and 100 <= a < 1000), None)
        if call.attempt is None or status is None:
            return
        if 200 <= status < 300:
            self._end(call, "ok", timed=call.attempt.streams is False)  # an answer that is not known to be whole may stream on for long
            return
        headers = next((a for a in arguments if isinstance(a, Mapping)), None)
        self._end(call, "failed", classify(status=status, headers=headers, provider=self._provider))

    def _raised(self, call: _SdkCall, record: logging.LogRecord, arguments: tuple[object, ...]) -> None:
        if call.attempt is None:
            return  # it is about the status of an answer, which was heard before
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if error is not None:
            self._end(call, "failed", classify(error, provider=self._provider))
        elif arguments and isinstance(arguments[0], str):
            self._end(call, "failed")
            assert call.row is not None
            call.row |= failure_of_text("", arguments[0])

    def _end(self, call: _SdkCall, outcome: str, failure: Classification | None = None, *, timed: bool = True) -> None:
        attempt, call.attempt = call.attempt, None
        assert attempt is not None
        row = {
            "ts": attempt.ts,
            "call": call.id,
            "model": attempt.model,
            "attempt": call.attempts,
            "waited_ms": attempt.waited_ms,
            "duration_ms": milliseconds(time.monotonic() - attempt.began) if timed else None,
            "outcome": outcome,
        }
        if failure is not None:
            row |= record_fields(failure)
        self._add_row(call, row)

    def _retrying(self, call: _SdkCall, ts: datetime, delay_ms: int, retry: int | None) -> None:
        announced = {"delay_ms": delay_ms, "outcome": "retry"}
        if call.row is not None and call.row["outcome"] == "failed":
            call.row |= announced
        else:  # the attempt itself was not heard: capturing began later
            if not (call.id and retry is not None and retry > 1):
                call.id = new_call_id()
            call.attempts = retry or 1
            self._add_row(call, {"ts": ts, "call": call.id if retry else None, "attempt": retry, **announced})
        call.attempt = call.row = None
        call.wait_began = time.monotonic()

    def _add_row(self, call: _SdkCall, row: dict[str, Any]) -> None:
        call.row = row | {"operation": "retry", "provider": self._provider}
        self._add(call.row)
