"""How long to wait before the next attempt, and when to give up: numbers only."""

from __future__ import annotations

from typing import Literal

import msgspec

from chatkit.errors import UsageError

FIRST = 1.0
CEILING = 60.0
UNATTENDED = 180.0
"""Seconds of retrying where nobody can watch and stop it."""


def delay(n: int) -> float:
    """The wait after failure `n`, counted from 0: 1, 2, 4 … seconds, at most 60. Deterministic.

    Parameters
    ----------
    n : int
        How many attempts failed before this one in a row; 0 for the first failure.

    Returns
    -------
    float
        Seconds.

    Raises
    ------
    UsageError
        `n` is negative.

    Examples
    --------
    >>> [delay(n) for n in range(8)]
    [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    >>> delay(100_000)
    60.0
    """
    if n < 0:
        raise UsageError(f"delay({n}): failures are counted from 0")
    return min(FIRST * 2.0 ** min(n, 16), CEILING)


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of a retry loop.

    Attributes
    ----------
    max_attempts : int or None
        Attempts in all; None for no limit.
    max_elapsed : float, None or "auto"
        Seconds in all, from the first attempt to the end of the next wait; None for no limit. ``"auto"`` is no limit
        where a person can watch and stop (a notebook with a front end, a terminal), and 180 s where nobody can.
    max_paid_failures : int
        Failures in a row of attempts that were paid for: they streamed and broke, ended without their terminal event,
        or came back empty. It bounds failures that nothing explains (kind ``unknown``) as well.
    hint_ceiling : float
        A server's hint above so many seconds ends the retry with an error that names the time of reset.
    jitter : {"none", "full", "equal"}
        ``full`` draws the wait from 0 to `delay`, ``equal`` from its half to the whole; a server's hint stays a minimum.

    Examples
    --------
    >>> RetryPolicy(max_attempts=3).max_paid_failures
    5
    """

    max_attempts: int | None = None
    max_elapsed: float | Literal["auto"] | None = "auto"
    max_paid_failures: int = 5
    hint_ceiling: float = 300.0
    jitter: Literal["none", "full", "equal"] = "none"

    def __post_init__(self) -> None:
        if self.max_attempts is not None and (not isinstance(self.max_attempts, int) or self.max_attempts < 1):
            raise UsageError(f"max_attempts={self.max_attempts!r}: give 1 or more, or None for no limit")
        if self.max_elapsed not in (None, "auto") and not (isinstance(self.max_elapsed, int | float) and self.max_elapsed >= 0):
            raise UsageError(f"max_elapsed={self.max_elapsed!r}: give seconds, None for no limit, or 'auto'")
        if not isinstance(self.max_paid_failures, int) or self.max_paid_failures < 1:
            raise UsageError(f"max_paid_failures={self.max_paid_failures}: give 1 or more")
        if not (isinstance(self.hint_ceiling, int | float) and self.hint_ceiling >= 0):
            raise UsageError(f"hint_ceiling={self.hint_ceiling}: give seconds")
        if self.jitter not in ("none", "full", "equal"):
            raise UsageError(f"jitter={self.jitter!r}: give 'none', 'full' or 'equal'")

    def elapsed_limit(self, attended: bool) -> float | None:
        """`max_elapsed` in seconds, or None, once it is known whether somebody watches."""
        if self.max_elapsed == "auto":
            return None if attended else UNATTENDED
        return self.max_elapsed

    def scheduled(self, failures: int, hint: float | None, draw: float = 1.0) -> float:
        """The wait after so many failures in a row (1 or more), in seconds; `draw` in [0, 1] is the jitter's luck."""
        wait = delay(failures - 1)
        if self.jitter == "full":
            wait *= draw
        elif self.jitter == "equal":
            wait *= 0.5 + draw / 2
        return max(wait, hint or 0.0)
