"""Wait or give up: what follows a failed attempt, from the numbers alone."""

from __future__ import annotations

import msgspec

from chatkit.errors import Classification
from chatkit.retries.backoff import RetryPolicy


class Wait(msgspec.Struct, frozen=True):
    """Wait so many seconds, then try again."""

    delay: float


class GiveUp(msgspec.Struct, frozen=True):
    """It is over; `why` is a clause for a person, empty where the failure speaks for itself.

    `reset_after` is set where the server asked for a longer wait than is allowed.
    """

    why: str = ""
    reset_after: float | None = None


class Decision:
    """Wait or give up: the numbers of one call, without a clock.

    Parameters
    ----------
    policy : RetryPolicy
    limit : float or None
        Seconds in all; None for no limit.
    """

    def __init__(self, policy: RetryPolicy, limit: float | None) -> None:
        self.policy = policy
        self.limit = limit
        self.failures = 0
        self._paid = 0
        self._unexplained = 0

    def after(self, failure: Classification, *, elapsed: float, paid: bool, draw: float = 1.0) -> Wait | GiveUp:
        """What follows a failed attempt.

        Parameters
        ----------
        failure : Classification
        elapsed : float
            Seconds since the first attempt began.
        paid : bool
            Whether the attempt was paid for.
        draw : float
            The jitter's luck, in [0, 1].
        """
        self.failures += 1
        self._paid = self._paid + 1 if paid else 0
        self._unexplained = self._unexplained + 1 if failure.kind == "unknown" else 0
        policy = self.policy
        if not failure.retryable:
            return GiveUp()
        if failure.retry_after is not None and failure.retry_after > policy.hint_ceiling:
            why = f"the server asks to wait {failure.retry_after:.0f} s, longer than hint_ceiling={policy.hint_ceiling:.0f} s"
            return GiveUp(why, reset_after=failure.retry_after)
        if self._paid >= policy.max_paid_failures:
            return GiveUp(f"{self._paid} attempts in a row streamed or came back empty, and were paid for")
        if self._unexplained >= policy.max_paid_failures:
            return GiveUp(f"{self._unexplained} failures in a row that nothing explains")
        if policy.max_attempts is not None and self.failures >= policy.max_attempts:
            return GiveUp(f"max_attempts={policy.max_attempts}")
        wait = policy.scheduled(self.failures, failure.retry_after, draw)
        if self.limit is not None and elapsed + wait > self.limit:
            return GiveUp(f"the next wait of {wait:.0f} s would end after max_elapsed={self.limit:.0f} s")
        return Wait(wait)
