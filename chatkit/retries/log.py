"""The record of every attempt: one JSON line each, written when it ends.

It holds numbers and chatkit's own words: never a prompt, a reply, a key, or what a provider said.
"""

from __future__ import annotations

import atexit
import itertools
import logging
import os
import secrets
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from chatkit.clock import Clock
from chatkit.errors import Classification, Kind

VERSION = 1
Outcome = Literal["ok", "retry", "failed", "abandoned"]
_logger = logging.getLogger("chatkit")


class AttemptRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt.

    Attributes
    ----------
    v : int
        Version of the record.
    ts : datetime
        Its start, UTC.
    call : str
        The call that it belongs to: the attempts of one step, title or `chatkit.retry` share it.
    chat : str or None
        The chat's id.
    operation : str
        ``chat``, ``title`` or ``retry``.
    provider, model : str or None
        Whom it asked.
    step : int or None
        Step of the turn, from 1.
    attempt : int
        From 1.
    waited_ms, duration_ms : int
        The wait before it, as it was; how long it took.
    outcome : {"ok", "retry", "failed", "abandoned"}
        ``retry``: failed, and a wait follows. ``failed``: failed for good. ``abandoned``: ended by the person or the process.
    delay_ms, hint_ms : int or None
        The wait that follows, as scheduled, and what the server asked for.
    kind, status_code, request_id, error
        The failure, in chatkit's words.
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
    """Whole milliseconds, as the record and the events have them."""
    return round(seconds * 1000)


def new_call_id() -> str:
    """A name for one call."""
    return secrets.token_hex(6)


def default_log_path(month: datetime) -> Path | None:
    """Where this process logs: ``CHATKIT_RETRY_LOG`` (a path, or ``off``), else a file a process and month.

    Parameters
    ----------
    month : datetime
        A moment of that month, UTC.

    Returns
    -------
    Path or None
        None where the log is off.
    """
    setting = os.environ.get("CHATKIT_RETRY_LOG", "")
    if setting.strip().lower() == "off":
        return None
    if setting:
        return Path(setting).expanduser()
    return log_folder() / f"retries-{month:%Y-%m}-{os.getpid()}.jsonl"


def log_folder() -> Path:
    """Where the files are that nobody named."""
    import platformdirs

    return Path(platformdirs.user_log_dir("chatkit", appauthor=False))


_lock = threading.Lock()
_listeners: tuple[Callable[[AttemptRecord], object], ...] = ()
_torn: set[Path] = set()
_unwritable: set[Path | None] = set()


def listen(callback: Callable[[AttemptRecord], object]) -> Callable[[], None]:
    """Have every record of this process told, also where the log is off.

    Parameters
    ----------
    callback : callable
        Gets the record, on the thread that made the attempt; it must not wait. What it raises is logged, and stops no call.

    Returns
    -------
    callable
        Ends it. Doing it twice is harmless.
    """
    global _listeners

    def told(record: AttemptRecord) -> None:  # one that is the same as no other, so that it can be taken out again
        callback(record)

    with _lock:
        _listeners = (*_listeners, told)

    def stop() -> None:
        global _listeners
        with _lock:
            _listeners = tuple(listener for listener in _listeners if listener is not told)

    return stop


def write_record(record: AttemptRecord) -> None:
    """Append one line and tell who listens. A log that can't be written is said once, and never stops a call."""
    _append(record)
    for tell in _listeners:
        try:
            tell(record)
        except Exception:
            _logger.exception("a listener to the record of retries raised; the call goes on")


def _append(record: AttemptRecord) -> None:
    line = msgspec.json.encode(record) + b"\n"
    path: Path | None = None
    with _lock:
        try:
            if (path := default_log_path(record.ts)) is None:
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                start = b"\n" if path in _torn else b""
                _torn.discard(path)
                if os.write(handle, start + line) != len(start + line):  # the disk filled up within the line
                    _torn.add(path)
                    raise OSError("no space left for the whole line")
            finally:
                os.close(handle)
        except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a home folder that nobody has
            if path not in _unwritable:
                _unwritable.add(path)
                _logger.warning(
                    "the retry log %s can't be written (%s); set CHATKIT_RETRY_LOG to another path, or to off", path or "", error
                )


_in_flight: dict[int, InFlight] = {}
_serial = itertools.count()


class InFlight:
    """An attempt that runs; it is recorded when it ends, and as abandoned where the process ends first.

    Parameters
    ----------
    start : AttemptRecord
        What is known at the start (its outcome is overwritten).
    clock : Clock
        Tells the duration.
    """

    def __init__(self, start: AttemptRecord, clock: Clock) -> None:
        self.start = start
        self._clock = clock
        self._began = clock.monotonic()
        self._serial = next(_serial)
        _in_flight[self._serial] = self

    def end(self, outcome: Outcome, failure: Classification | None = None, *, delay: float | None = None) -> AttemptRecord | None:
        """Write the line; None where it was written before.

        Parameters
        ----------
        outcome : str
            How it ended.
        failure : Classification, optional
            Why.
        delay : float, optional
            The wait that follows, in seconds.
        """
        if _in_flight.pop(self._serial, None) is None:
            return None
        record = msgspec.structs.replace(
            self.start,
            duration_ms=milliseconds(self._clock.monotonic() - self._began),
            outcome=outcome,
            delay_ms=None if delay is None else milliseconds(delay),
            hint_ms=None if failure is None or failure.retry_after is None else milliseconds(failure.retry_after),
            kind=failure.kind if failure else None,
            status_code=failure.status_code if failure else None,
            request_id=(failure.request_id if failure else None) or self.start.request_id,
            error=failure.message if failure else None,
        )
        write_record(record)
        return record


@atexit.register
def _abandon_all() -> None:
    for attempt in list(_in_flight.values()):
        attempt.end("abandoned")


def _after_fork() -> None:
    """The parent's attempts are the parent's to record, and another thread of it may have held the lock."""
    global _lock
    _in_flight.clear()
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
