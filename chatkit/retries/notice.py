"""What an observer hears of a wait before it begins."""

from __future__ import annotations

import inspect
from datetime import datetime

import msgspec

from chatkit.errors import Classification, Kind, UsageError
from chatkit.events import Retry
from chatkit.retries.log import milliseconds


class RetryNotice(msgspec.Struct, frozen=True, kw_only=True):
    """What an ``on_retry`` callback hears before a wait.

    Attributes
    ----------
    attempt : int
        The attempt that failed, from 1.
    error : BaseException
        What it raised.
    classification : Classification
        What that is; `kind`, `message`, `provider` and `status_code` are its fields.
    delay : float
        The wait that follows, in seconds.
    waited : float
        Seconds waited before this one.
    elapsed : float
        Seconds since the first attempt began.
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
    def kind(self) -> Kind:
        return self.classification.kind

    @property
    def message(self) -> str:
        return self.classification.message

    @property
    def provider(self) -> str | None:
        return self.classification.provider

    @property
    def status_code(self) -> int | None:
        return self.classification.status_code

    def event(self, chat_id: str | None = None) -> Retry:
        """The same as a stream event."""
        c = self.classification
        return Retry(
            chat_id=chat_id,
            attempt=self.attempt,
            delay_ms=milliseconds(self.delay),
            retrying_at=self.retrying_at,
            error=c.message,
            detail=c.detail,
            kind=c.kind,
            provider=c.provider,
            status_code=c.status_code,
        )


def check_observer(on_retry: object, *, awaited: bool = False) -> None:
    """Refuse an ``on_retry`` that would never be called.

    Parameters
    ----------
    on_retry : object
        What the person gave.
    awaited : bool
        Whether an asynchronous one can be awaited there.

    Raises
    ------
    UsageError
        It isn't callable, or asynchronous where nobody awaits it.
    """
    if on_retry is None:
        return
    if not callable(on_retry):
        raise UsageError(f"on_retry={on_retry!r}: give a function that takes a RetryNotice")
    if not awaited and inspect.iscoroutinefunction(on_retry):
        raise UsageError("on_retry is asynchronous, and nobody awaits it here: give a plain function")
