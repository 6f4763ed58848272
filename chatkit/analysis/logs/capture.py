"""`capture_retries`: the attempts that are made while a block of code runs, whichever library retries, as a frame."""

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
_SDKS = ("openai", "anthropic")


class Capture:
    """The attempts that `capture_retries` has heard."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._listening = True
        self._tenacity_calls: WeakKeyDictionary[object, str] = WeakKeyDictionary()
        self._stamina_calls: WeakKeyDictionary[object, dict[str, tuple[str, int]]] = WeakKeyDictionary()

    def frame(self) -> pd.DataFrame:
        """The attempts until now, one row per attempt, with the columns of `COLUMNS`; also while the block runs, and in any thread.

        Returns
        -------
        pandas.DataFrame
            In the order in which the attempts ended.
        """
        rows = list(self._rows)
        return frame_of_fields({field: [row.get(field) for row in rows] for field in AttemptRecord.__struct_fields__})

    def tenacity(self, retry_state: Any) -> None:
        """A hook for tenacity: ``tenacity.retry(..., before_sleep=capture.tenacity)``.

        It hears the attempts after which tenacity waits, so not the last one of a call. The duration of the first attempt is known; of
        the later ones, ``ts`` is the time at which they failed.

        Parameters
        ----------
        retry_state : tenacity.RetryCallState
            The state that tenacity passes to its hooks.
        """
        self._hear("tenacity", self._of_tenacity, retry_state)

    def stamina(self, details: Any) -> None:
        """A hook for stamina: ``stamina.instrumentation.set_on_retry_hooks([capture.stamina])``.

        It hears the attempts after which stamina waits, so not the last one of a call; ``ts`` is the time at which they failed.

        Parameters
        ----------
        details : stamina.instrumentation.RetryDetails
            The details that stamina passes to its hooks.
        """
        self._hear("stamina", self._of_stamina, details)

    def __repr__(self) -> str:
        rows = list(self._rows)
        providers = Counter(row.get("provider") or "no provider named" for row in rows)
        parts = f" ({', '.join(f'{provider}: {number}' for provider, number in providers.most_common())})" if providers else ""
        state = "listening" if self._listening else "ended"
        return f"<capture of {len(rows)} attempt{'' if len(rows) == 1 else 's'}{parts}, {state}>"

    def _hear(self, library: str, row_of: Callable[[Any], dict[str, Any]], given: Any) -> None:
        try:
            if self._listening:
                self._rows.append(row_of(given) | _RETRY)
        except Exception:
            _logger.exception("capture.%s: what %s passes to its hook can't be read; the retry goes on", library, library)

    def _of_chatkit(self, record: AttemptRecord) -> None:
        self._rows.append(msgspec.structs.asdict(record))

    def _of_tenacity(self, state: Any) -> dict[str, Any]:
        call = self._tenacity_calls.setdefault(state, new_call_id())
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
            **({"error": "it returned what is retried"} if error is None else _failure(error)),
        }

    def _of_stamina(self, details: Any) -> dict[str, Any]:
        name, number = str(details.name), int(details.retry_num)
        calls = self._stamina_calls.setdefault(task_or_thread(), {})
        call, last = calls.get(name, ("", 0))
        if number != last + 1 or number == 1:  # stamina does not tell which call it is
            call = new_call_id()
        calls[name] = (call, number)
        return {
            "ts": datetime.now(UTC),
            "call": call,
            "attempt": number,
            "delay_ms": milliseconds(details.wait_for),
            **_failure(details.caused_by),
        }


_RETRY = {"operation": "retry", "outcome": "retry"}


def _failure(error: BaseException) -> dict[str, Any]:
    """The failure in the words of the exception, and the provider, where its SDK raised it."""
    package = type(error).__module__.partition(".")[0]
    found = classify(error, provider=package if package in _SDKS else None)
    return {
        "provider": found.provider,
        **record_fields(found),
        "error": redact(": ".join(filter(None, (type(error).__name__, found.detail))), MAX_ERROR_CHARS),
    }


@contextmanager
def capture_retries() -> Iterator[Capture]:
    """Capture every retry of this process while the block runs, in any thread and task, as a frame of attempts.

    It captures chatkit's own attempts, also where its log is off; the calls of the openai and anthropic SDKs, by their log records;
    and what tenacity and stamina retry, if they were given `Capture.tenacity` or `Capture.stamina` as a hook. Nothing is patched:
    the logger of an SDK is set to a lower level (and turned on) meanwhile, and your own handlers get the same records as before.
    Where logging itself is turned off (``logging.disable``), the SDKs cannot be heard.

    Blocks may nest and overlap; each captures everything.

    Yields
    ------
    Capture
        Its `frame()` also works after the block.

    Notes
    -----
    For an attempt of an SDK, ``ok`` means that the response began with a status of success: an SDK does not log how a stream ends.
    ``duration`` is known for failures, and for responses that are known not to be streams. ``waited`` is the measured length of a wait.
    A retried call within a retried call (tenacity around an SDK) gives rows for both.

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
