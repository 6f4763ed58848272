"""What an observer hears of a wait before it begins."""

from __future__ import annotations

from datetime import datetime

import msgspec

from chatkit.errors import Classification, Kind
from chatkit.events import Retry
from chatkit.retries.log import milliseconds

__all__ = ["RetryNotice"]


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
