"""What an observer gets before a wait."""

from __future__ import annotations

import inspect
from datetime import datetime

import msgspec

from chatkit.errors import Classification, Classified, UsageError
from chatkit.events import Retry, event_fields
from chatkit.retries.log import milliseconds

LONG_UNREACHED = 30.0
"""Seconds after which an address that has never answered is told to be a mistake."""


class RetryNotice(Classified, msgspec.Struct, frozen=True, kw_only=True):
    """What an ``on_retry`` callback gets before a wait.

    Attributes
    ----------
    attempt : int
        The attempt that failed, from 1.
    error : BaseException
        What it raised.
    classification : Classification
        What the failure is; `kind`, `message`, `provider` and `status_code` are fields of it.
    delay : float
        The wait that follows, in seconds.
    waited : float
        Seconds waited before this wait.
    elapsed : float
        Seconds since the start of the first attempt.
    retrying_at : datetime
        When the next attempt begins, UTC.
    """

    attempt: int
    error: BaseException
    classification: Classification
    delay: float
    waited: float
    elapsed: float
    retrying_at: datetime

    @property
    def message(self) -> str:
        return self.classification.message

    def event(self, chat_id: str | None = None) -> Retry:
        """The notice as a stream event."""
        return Retry(
            chat_id=chat_id,
            attempt=self.attempt,
            delay_ms=milliseconds(self.delay),
            retrying_at=self.retrying_at,
            error=self.message,
            unreached=(self.elapsed >= LONG_UNREACHED and self.classification.unreached) or "",
            **event_fields(self.classification),
        )


def check_observer(on_retry: object, *, awaited: bool = False) -> None:
    """Raise `UsageError` for an ``on_retry`` that isn't callable, or asynchronous unless it will be `awaited`."""
    if on_retry is None:
        return
    if not callable(on_retry):
        raise UsageError(f"on_retry={on_retry!r}: give a function that takes a RetryNotice")
    if not awaited and inspect.iscoroutinefunction(on_retry):
        raise UsageError("on_retry is asynchronous, and nobody awaits it here: give a plain function")
