"""`capture_retries`: what is retried while a block of code runs, whoever retries it, as a frame of attempts."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
import pandas as pd

from chatkit.analysis.frames import frame_of_fields
from chatkit.analysis.logs.failure_texts import MAX_ERROR_CHARS
from chatkit.analysis.logs.sdk_records import SdkCalls, hear_sdk, task_or_thread
from chatkit.failures.classification import classify
from chatkit.failures.redaction import redact
from chatkit.retries.log import AttemptRecord, listen, milliseconds, new_call_id, record_fields

_logger = logging.getLogger("chatkit")
_FIELDS = AttemptRecord.__struct_fields__
_SDKS = ("openai", "anthropic")


class Capture:
    """What was captured: `capture_retries` makes it."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._listening = True
        self._states: WeakKeyDictionary[object, str] = WeakKeyDictionary()
        self._lanes: WeakKeyDictionary[object, dict[str, tuple[str, int]]] = WeakKeyDictionary()

    def frame(self) -> pd.DataFrame:
        """The attempts until now, one row each, as `COLUMNS` has them; also while the block runs, and in any thread.

        Returns
        -------
        pandas.DataFrame
            In the order in which the attempts ended.
        """
        rows = list(self._rows)
        return frame_of_fields({field: [row.get(field) for row in rows] for field in _FIELDS})

    def tenacity(self, retry_state: Any) -> None:
        """A hook for tenacity: ``tenacity.retry(..., before_sleep=capture.tenacity)``.

        It hears the attempts after which tenacity waits, not the last one of a call. How long the first took is known; of
        the later ones ``ts`` is when they failed.

        Parameters
        ----------
        retry_state : tenacity.RetryCallState
            What tenacity hands to its hooks.
        """
        self._hear("tenacity", self._of_tenacity, retry_state)

    def stamina(self, details: Any) -> None:
        """A hook for stamina: ``stamina.instrumentation.set_on_retry_hooks([capture.stamina])``.

        It hears the attempts after which stamina waits, not the last one of a call; ``ts`` is when they failed.

        Parameters
        ----------
        details : stamina.instrumentation.RetryDetails
            What stamina hands to its hooks.
        """
        self._hear("stamina", self._of_stamina, details)

    def __repr__(self) -> str:
        rows = list(self._rows)
        whose = Counter(row.get("provider") or "no provider named" for row in rows)
        parts = f" ({', '.join(f'{who}: {number}' for who, number in whose.most_common())})" if whose else ""
        state = "listening" if self._listening else "ended"
        return f"<capture of {len(rows)} attempt{'' if len(rows) == 1 else 's'}{parts}, {state}>"

    def _hear(self, library: str, row_of: Callable[[Any], dict[str, Any]], given: Any) -> None:
        try:
            if self._listening:
                self._rows.append(row_of(given))
        except Exception:
            _logger.exception("capture.%s: what %s hands over can't be read; the retry goes on", library, library)

    def _of_chatkit(self, record: AttemptRecord) -> None:
        self._rows.append(msgspec.structs.asdict(record))

    def _of_tenacity(self, state: Any) -> dict[str, Any]:
        if (call := self._states.get(state)) is None:
            call = self._states[state] = new_call_id()
        now, took = datetime.now(UTC), None
        if state.attempt_number == 1 and state.outcome_timestamp is not None:
            took = max(0.0, state.outcome_timestamp - state.start_time)
            now -= timedelta(seconds=max(0.0, time.monotonic() - state.start_time))
        error = state.outcome.exception()
        return {
            "ts": now,
            "call": call,
            "attempt": int(state.attempt_number),
            "duration_ms": None if took is None else milliseconds(took),
            "delay_ms": milliseconds(state.next_action.sleep),
            **(_failure(error) if error is not None else {"error": "it returned what is retried"}),
            **_RETRY,
        }

    def _of_stamina(self, details: Any) -> dict[str, Any]:
        here, name, number = task_or_thread(), str(details.name), int(details.retry_num)
        if (calls := self._lanes.get(here)) is None:
            calls = self._lanes[here] = {}
        call, last = calls.get(name, ("", 0))
        if number != last + 1 or number == 1:  # stamina says no more of which call it is
            call = new_call_id()
        calls[name] = (call, number)
        return {
            "ts": datetime.now(UTC),
            "call": call,
            "attempt": number,
            "delay_ms": milliseconds(details.wait_for),
            **_failure(details.caused_by),
            **_RETRY,
        }


_RETRY = {"operation": "retry", "outcome": "retry"}


def _failure(error: BaseException) -> dict[str, Any]:
    """What failed, in the words of the exception; who, where an SDK raised it."""
    package = type(error).__module__.partition(".")[0]
    found = classify(error, provider=package if package in _SDKS else None)
    return {
        "provider": found.provider,
        **record_fields(found),
        "error": redact(": ".join(filter(None, (type(error).__name__, found.detail))), MAX_ERROR_CHARS),
    }


@contextmanager
def capture_retries() -> Iterator[Capture]:
    """Hear every retry of this process while the block runs, in any thread and task, as a frame of attempts.

    Heard are chatkit's own attempts, also where its log is off; the calls of the openai and anthropic SDKs, by what they log;
    and what tenacity and stamina retry where `Capture.tenacity` or `Capture.stamina` was handed to them. Nothing is patched:
    an SDK's logger is set to a lower level (and turned on) for the time, and your own handlers get what they got before. Where
    logging itself is turned off (``logging.disable``), the SDKs can't be heard.

    Blocks may nest and overlap; each hears all.

    Yields
    ------
    Capture
        With `frame()`, as long as it is kept.

    Notes
    -----
    Of an SDK's attempt, ``ok`` means that the answer began with a status of success: an SDK doesn't log how a stream ends.
    ``duration`` is known for failures, and for answers that are known not to be streams. A wait (``waited``) is as long as it
    was. A retried call within a retried call (tenacity around an SDK) gives rows for both.

    Examples
    --------
    >>> import chatkit
    >>> with capture_retries() as capture:
    ...     chatkit.retry(lambda: 42)
    42
    >>> capture
    <capture of 1 attempt (no provider named: 1), ended>
    >>> capture.frame()[["operation", "attempt", "outcome"]]
      operation  attempt outcome
    0     retry        1      ok
    """
    capture = Capture()
    with ExitStack() as stack:
        stack.callback(listen(capture._of_chatkit))
        for provider in _SDKS:
            stack.enter_context(hear_sdk(provider, SdkCalls(provider, capture._rows.append).hear))
        try:
            yield capture
        finally:
            capture._listening = False
