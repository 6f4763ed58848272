"""The log of attempts: one line of JSON per attempt, written when it ends.

It holds numbers and chatkit's own sentences, and never a prompt, a reply, a key, or the text of a provider. There is one file per month,
to which all processes append. A line has about 330 bytes: ten thousand attempts take 3 MB, and nothing is ever removed.
"""

from __future__ import annotations

import atexit
import errno
import logging
import os
import secrets
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from chatkit.clock import Clock
from chatkit.errors import Classification, Kind
from chatkit.failures.redaction import whole_json
from chatkit.files import append_line

VERSION = 1
Outcome = Literal["ok", "retry", "failed", "abandoned"]
_logger = logging.getLogger("chatkit")


class AttemptRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt.

    Attributes
    ----------
    v : int
        The version of the record's format.
    ts : datetime
        The start of the attempt, UTC.
    call : str
        The id of the call: the attempts of one step, title or `chatkit.retry` share it.
    chat : str or None
        The id of the chat.
    operation : str
        ``chat``, ``title`` or ``retry``.
    provider, model : str or None
        The provider and the model that were called.
    step : int or None
        The step of the turn, from 1.
    attempt : int
        The number of the attempt, from 1.
    waited_ms, duration_ms : int
        How long the wait before it was, and how long it took.
    outcome : {"ok", "retry", "failed", "abandoned"}
        ``retry``: it failed, and a wait follows. ``failed``: it failed, and no attempt follows. ``abandoned``: the user stopped
        it, or the process ended.
    delay_ms, hint_ms : int or None
        The wait that follows, as scheduled, and the wait that the server asked for.
    kind, status_code, request_id, error
        The failure; `error` is chatkit's own sentence.
    """

    v: int = VERSION
    ts: datetime
    call: str
    chat: str | None = None
    operation: str
    provider: str | None = None
    model: str | None = None
    step: int | None = None
    attempt: int
    waited_ms: int = 0
    duration_ms: int
    outcome: Outcome
    delay_ms: int | None = None
    hint_ms: int | None = None
    kind: Kind | None = None
    status_code: int | None = None
    request_id: str | None = None
    error: str | None = None


def milliseconds(seconds: float) -> int:
    """Seconds as whole milliseconds, which records and events use."""
    return round(seconds * 1000)


def new_call_id() -> str:
    """A new id for one call."""
    return secrets.token_hex(6)


def default_log_path(month: datetime) -> Path | None:
    """The path of the log: ``CHATKIT_RETRY_LOG``, else one file per month; None if the variable is ``off``."""
    setting = os.environ.get("CHATKIT_RETRY_LOG", "").strip()
    if setting.lower() == "off":
        return None
    if setting:
        return Path(setting).expanduser()
    return log_folder() / f"retries-{month:%Y-%m}.jsonl"


def log_folder() -> Path:
    """The folder of the logs whose path was not set."""
    import platformdirs

    return Path(platformdirs.user_log_dir("chatkit", appauthor=False))


_lock = threading.Lock()
_listeners: dict[object, Callable[[AttemptRecord], object]] = {}
_unwritable: set[Path | None] = set()


def listen(callback: Callable[[AttemptRecord], object]) -> Callable[[], object]:
    """Call a function for every record of this process, also if the log is off; the result ends that, and may be called twice.

    `callback` runs on the thread of the attempt and must return at once. What it raises is logged.
    """
    key = object()
    _listeners[key] = callback
    return lambda: _listeners.pop(key, None)


def write_record(record: AttemptRecord) -> None:
    """Append one line, and call the listeners. If the log can't be written, a warning says so once, and the call goes on."""
    _append(record)
    for listener in list(_listeners.values()):
        try:
            listener(record)
        except Exception:
            _logger.exception("a listener to the retry log raised; the call goes on")


def _append(record: AttemptRecord) -> None:
    line = whole_json(record) + b"\n"
    path: Path | None = None
    with _lock:
        try:
            if (path := default_log_path(record.ts)) is None:
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            append_line(path, line)
        except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: the home of an unknown user
            if path not in _unwritable:
                _unwritable.add(path)
                why = "nothing reads from it" if isinstance(error, OSError) and error.errno == errno.ENXIO else error
                _logger.warning("the retry log %s can't be written (%s); set CHATKIT_RETRY_LOG to another path, or to off", path or "", why)


def record_fields(failure: Classification) -> dict[str, Any]:
    """The fields of an `AttemptRecord` that describe a failure, without those that are unknown."""
    fields = {
        "kind": failure.kind,
        "status_code": failure.status_code,
        "hint_ms": None if failure.retry_after is None else milliseconds(failure.retry_after),
        "request_id": failure.request_id,
        "error": failure.message,
    }
    return {name: value for name, value in fields.items() if value is not None}


_in_flight: set[InFlight] = set()


class InFlight:
    """A running attempt: it is recorded when it ends, and as abandoned if the process ends first.

    `start` is the record as it is known at the start; its outcome is ignored.
    """

    def __init__(self, start: AttemptRecord, clock: Clock) -> None:
        self._start = start
        self._clock = clock
        self._began = clock.monotonic()
        _in_flight.add(self)

    def end(
        self, outcome: Outcome, failure: Classification | None = None, *, delay: float | None = None, request_id: str | None = None
    ) -> AttemptRecord | None:
        """Write the record; None if it was written before. `delay` is the wait that follows, in seconds."""
        try:
            _in_flight.remove(self)
        except KeyError:
            return None
        fields = {"request_id": request_id} | (record_fields(failure) if failure else {})
        record = msgspec.structs.replace(
            self._start,
            duration_ms=milliseconds(self._clock.monotonic() - self._began),
            outcome=outcome,
            delay_ms=None if delay is None else milliseconds(delay),
            **fields,
        )
        write_record(record)
        return record


@atexit.register
def _abandon_all() -> None:
    for attempt in list(_in_flight):
        attempt.end("abandoned")


def _after_fork() -> None:
    """The parent records its own attempts, and one of its threads may have held the lock."""
    global _lock
    _in_flight.clear()
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
