"""What the openai and anthropic SDKs log, heard as records while it happens: which call, which attempt, why, how long."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

from chatkit.analysis.logs.failure_texts import MAX_ERROR_CHARS, failure_of_text
from chatkit.analysis.logs.retry_lines import sdk_retry
from chatkit.errors import Classification
from chatkit.failures.classification import classify
from chatkit.failures.redaction import redact
from chatkit.retries.log import milliseconds, new_call_id, record_fields

Hear = Callable[[logging.LogRecord], object]
LEVEL = logging.DEBUG - 1
"""What a logger is set to while it is heard: a level that nobody else sets, so that it is known as ours."""

_logger = logging.getLogger("chatkit")
_lock = threading.Lock()


class _Post(logging.Filter):
    """The one filter on an SDK's logger: it hears every record, and lets pass what would have passed without it."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._logger = logging.getLogger(name)
        self._level = logging.NOTSET  # the person's own
        self._off = False  # the person's logger is, as ``dictConfig`` leaves those that it isn't told of
        self._hearers: tuple[Hear, ...] = ()

    def filter(self, record: logging.LogRecord) -> bool:
        for hear in self._hearers:
            try:
                hear(record)
            except Exception:
                _logger.exception("capture_retries(): a record of %s can't be read; the call goes on", record.name)
        return not self._off and record.levelno >= self._threshold()

    def add(self, hear: Hear) -> None:
        with _lock:
            if not self._hearers:
                self._logger.filters.insert(0, self)  # before the person's own, which see no record that they wouldn't have seen
            self._hearers = (*self._hearers, hear)
            if self._logger.disabled:
                self._off, self._logger.disabled = True, False
            if self._logger.level != LEVEL and self._logger.getEffectiveLevel() > LEVEL:
                self._level = self._logger.level
                self._logger.setLevel(LEVEL)

    def remove(self, hear: Hear) -> None:
        with _lock:
            self._hearers = tuple(other for other in self._hearers if other is not hear)
            if self._hearers:
                return
            if self._logger.level == LEVEL:  # else somebody set another meanwhile: theirs stays
                self._logger.setLevel(self._level)
            if self._off:
                self._logger.disabled = True
            self._logger.removeFilter(self)
            self._off = False

    def _threshold(self) -> int:
        """The level from which the person wants records now."""
        own = self._level if self._logger.level == LEVEL else self._logger.level
        return own or (self._logger.parent.getEffectiveLevel() if self._logger.parent else logging.NOTSET)


_posts: dict[str, _Post] = {}  # made when first asked for: a logger that exists may be turned off by ``dictConfig``


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def hear_sdk(provider: str, hear: Hear) -> Callable[[], None]:
    """Hear every record of an SDK, whatever its logger's level; what is returned ends it and leaves the logger as it was.

    Parameters
    ----------
    provider : {"openai", "anthropic"}
        Whose SDK; it need not be installed.
    hear : callable
        Gets each record on the thread that logs it.
    """
    with _lock:
        post = _posts.get(provider) or _Post(f"{provider}._base_client")
        _posts[provider] = post

    def heard(record: logging.LogRecord) -> None:  # the same as no other, so that it can be taken out again
        hear(record)

    post.add(heard)
    return lambda: post.remove(heard)


def lane() -> object:
    """In what the present code runs one after another: the asyncio task, else the thread."""
    with suppress(RuntimeError):  # no loop runs in this thread
        if (task := asyncio.current_task()) is not None:
            return task
    return threading.current_thread()


class _Attempt:
    """An attempt that was begun and hasn't ended."""

    def __init__(self, ts: datetime, model: str | None, streams: bool | None, pause_began: float | None, first: bool) -> None:
        self.ts, self.began, self.sent = ts, time.monotonic(), False
        self.model, self.streams = model, streams
        self._pause_began, self._first = pause_began, first

    def send(self, ts: datetime) -> None:
        self.ts, self.began, self.sent = ts, time.monotonic(), True

    @property
    def waited(self) -> int | None:
        if self._pause_began is None:
            return 0 if self._first else None
        return milliseconds(self.began - self._pause_began)


class _Lane:
    """Where one task or thread is in its calls with one SDK."""

    def __init__(self) -> None:
        self.call = ""
        self.key: str | None = None
        self.number = 0
        self.pause_began: float | None = None
        self.attempt: _Attempt | None = None
        self.row: dict[str, Any] | None = None


class Calls:
    """The calls with one SDK, by what it logs. Tasks and threads are kept apart.

    Parameters
    ----------
    provider : str
        Whose SDK.
    add : callable
        Takes a row, the fields of a record. A failure is added as ``failed`` and changed to ``retry`` when the SDK says that
        it waits, so that what was added is right whenever it is looked at.
    """

    def __init__(self, provider: str, add: Callable[[dict[str, Any]], object]) -> None:
        self._provider = provider
        self._add = add
        self._lanes: WeakKeyDictionary[object, _Lane] = WeakKeyDictionary()

    def hear(self, record: logging.LogRecord) -> None:
        """Read one record; those that say nothing of attempts are passed over, and nothing of them is kept."""
        message = record.msg
        if not isinstance(message, str):
            return
        here = lane()
        if (at := self._lanes.get(here)) is None:
            at = self._lanes[here] = _Lane()
        ts = datetime.fromtimestamp(record.created, UTC)
        arguments = record.args if isinstance(record.args, tuple) else ()
        if message.startswith("Request options") and isinstance(record.args, Mapping):
            self._announced(at, ts, record.args)
        elif message.startswith("Building HTTP request"):
            self._begin(at, ts, taken=next((a for a in arguments if isinstance(a, int)), None))
        elif message.startswith("Sending HTTP Request"):
            if at.attempt is None or at.attempt.sent:
                self._begin(at, ts)
            assert at.attempt is not None
            at.attempt.send(ts)
        elif message.startswith(("HTTP Response", "HTTP Request")):
            self._answered(at, arguments)
        elif message.startswith("request_id"):
            if at.row is not None and arguments and isinstance(arguments[0], str) and len(arguments[0]) <= 128:
                at.row.setdefault("request_id", redact(arguments[0]))
        elif message.startswith("Encountered"):
            self._raised(at, record, arguments)
        elif message.startswith("Retrying request") and (said := sdk_retry(record.getMessage())):
            self._retrying(at, ts, *said)

    def _announced(self, at: _Lane, ts: datetime, options: Mapping[str, object]) -> None:
        """An attempt is prepared: of all that its options hold, the model is kept, and by which key retries are known."""
        key, body, headers = options.get("idempotency_key"), options.get("json_data"), options.get("headers")
        model = body.get("model") if isinstance(body, Mapping) else None
        streams = bool(body.get("stream")) if isinstance(body, Mapping) else None
        if isinstance(headers, Mapping) and any(str(name).lower() == "x-stainless-raw-response" for name in headers):
            streams = None  # the caller may read the body later
        self._begin(
            at,
            ts,
            key=key if isinstance(key, str) else None,
            model=redact(model, MAX_ERROR_CHARS) if isinstance(model, str) else None,
            streams=streams,
        )

    def _begin(
        self,
        at: _Lane,
        ts: datetime,
        *,
        taken: int | None = None,
        key: str | None = None,
        model: str | None = None,
        streams: bool | None = None,
    ) -> None:
        goes_on = at.pause_began is not None and taken != 0 and (key is None or key == at.key)
        if not goes_on:
            at.call, at.number, at.pause_began = new_call_id(), 0, None
        at.key = key
        at.number = at.number + 1 if taken is None else taken + 1
        at.attempt = _Attempt(ts, model, streams, at.pause_began, first=not taken)
        at.pause_began = at.row = None

    def _answered(self, at: _Lane, arguments: tuple[object, ...]) -> None:
        status = next((a for a in arguments if isinstance(a, int) and 100 <= a < 1000), None)
        if at.attempt is None or status is None:
            return
        if 200 <= status < 300:
            self._end(at, "ok", timed=at.attempt.streams is False)  # the answer is whole: else it may stream on for long
            return
        headers = next((a for a in arguments if isinstance(a, Mapping)), None)
        self._end(at, "failed", classify(status=status, headers=headers, provider=self._provider))

    def _raised(self, at: _Lane, record: logging.LogRecord, arguments: tuple[object, ...]) -> None:
        if at.attempt is None:
            return  # the status of an answer, which was heard before
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if error is not None:
            self._end(at, "failed", classify(error, provider=self._provider))
        elif arguments and isinstance(arguments[0], str):
            self._end(at, "failed")
            assert at.row is not None
            at.row |= failure_of_text("", arguments[0])

    def _end(self, at: _Lane, outcome: str, failure: Classification | None = None, *, timed: bool = True) -> None:
        attempt, at.attempt = at.attempt, None
        assert attempt is not None
        row = {
            "ts": attempt.ts,
            "call": at.call,
            "model": attempt.model,
            "attempt": at.number,
            "waited_ms": attempt.waited,
            "duration_ms": milliseconds(time.monotonic() - attempt.began) if timed else None,
            "outcome": outcome,
        }
        at.row = self._told(row, failure)

    def _retrying(self, at: _Lane, ts: datetime, delay_ms: int, retry: int | None) -> None:
        if at.row is None or at.row["outcome"] != "failed":  # the attempt itself wasn't heard: capturing began later
            at.attempt = None
            known = retry is not None and retry > 1 and at.call
            at.call = at.call if known else new_call_id()
            at.number = retry or 1
            at.row = self._told({"ts": ts, "call": at.call if retry else None, "attempt": retry, "outcome": "failed"}, None)
        at.row["delay_ms"] = delay_ms
        at.row["outcome"] = "retry"
        at.row = None
        at.pause_began = time.monotonic()

    def _told(self, row: dict[str, Any], failure: Classification | None) -> dict[str, Any]:
        row |= {"operation": "retry", "provider": self._provider}
        if failure is not None:
            row |= record_fields(failure)
        self._add(row)
        return row
