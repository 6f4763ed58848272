"""How long to wait before the next attempt, and when to give up: a decision from numbers and classifications alone, without a clock."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from chatkit.errors import RETRYABLE_KINDS, Classification, Suggesting, UsageError
from chatkit.failures.body import without_addresses
from chatkit.failures.patterns import text_kind
from chatkit.failures.unreached import is_this_machine

FIRST_DELAY = 1.0
MAX_DELAY = 60.0
MAX_UNATTENDED = 180.0
"""Seconds of retrying where nobody can watch it and stop it."""
MAX_UNREACHED = 60.0
"""Seconds of retrying where no server of this machine has ever answered."""


def delay(n: int) -> float:
    """The wait after failure `n`, counted from 0: 1, 2, 4 … seconds, at most 60. It is deterministic.

    Parameters
    ----------
    n : int
        The number of failures in a row before this one; 0 for the first failure.

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
    return min(FIRST_DELAY * 2.0 ** min(n, 16), MAX_DELAY)


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True, metaclass=Suggesting):
    """The numbers of a retry loop.

    Attributes
    ----------
    max_attempts : int or None
        The number of attempts; None for no limit.
    max_elapsed : float, None or "auto"
        Seconds from the start of the first attempt to the end of the next wait; None for no limit. ``"auto"`` is no limit
        where a user can watch and stop it (a notebook with a front end, a terminal), and 180 s elsewhere. Where it is ``"auto"`` and
        `max_attempts` is None, a minute is enough for a server of a chat on this machine that has never answered: it isn't running.
    max_paid_failures : int
        Failures in a row of attempts that were paid for: their stream was cut off, or ended without its terminal event, or the
        reply was empty. It also limits failures in a row that nothing explains (kind ``unknown``), and answers in a row by which a
        server gives the same reason why it failed ("image input is not supported"). Answers that may be those of an outage are not
        counted: those that ask for a wait, those that only say that something failed, and those with a status above 500 whose words
        aren't those of a refusal ("is not supported").
    hint_ceiling : float
        Seconds. A server that asks for a longer wait ends the retry with an error that names the time of reset.
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
        """`max_elapsed` in seconds; None for no limit. `attended` says whether a user can watch it and stop it."""
        if self.max_elapsed == "auto":
            return None if attended else MAX_UNATTENDED
        return self.max_elapsed

    def scheduled(self, failures: int, hint: float | None, draw: float = 1.0) -> float:
        """The wait in seconds after this number of failures in a row (1 or more); `draw` is a random number in [0, 1]."""
        wait = delay(failures - 1)
        if self.jitter == "full":
            wait *= draw
        elif self.jitter == "equal":
            wait *= 0.5 + draw / 2
        return max(wait, hint or 0.0)


class GiveUp(msgspec.Struct, frozen=True):
    """No further attempt. `why` is a clause for the user, empty if the failure explains itself.

    `reset_after` is set if the server asks for a longer wait than is allowed, in seconds.
    """

    why: str = ""
    reset_after: float | None = None


def reason_of(failure: Classification) -> str:
    """Why a server failed, in its own words, to be compared with its next answer; empty if it may be an outage, which passes.

    Words with digits are left out: they are request ids and times, which differ from answer to answer.

    >>> def answer(detail): return Classification(retryable=True, kind="server_error", message="", status_code=500, detail=detail)
    >>> reason_of(answer("req_7: image input is not supported")), reason_of(answer("Internal server error"))
    ('image input is not supported', '')
    """
    if failure.kind != "server_error" or failure.retry_after is not None:
        return ""
    text = without_addresses(failure.detail)
    reason = " ".join(word for word in text.split() if not _DIGIT.search(word))
    of_an_outage = (failure.status_code or 0) > 500 and text_kind(text) is None  # 502, 503 …: unless its words are those of a refusal
    return "" if of_an_outage or _STATUS_ALONE.fullmatch(reason) or text_kind(text, RETRYABLE_KINDS) else reason


_DIGIT = re.compile(r"\d")
_STATUS_ALONE = re.compile(r"(?:[\W_]|error|status|code|http)*+", re.I)


class Decision:
    """Decides after every failed attempt of one call; `limit` is in seconds, None for no limit."""

    def __init__(self, policy: RetryPolicy, limit: float | None) -> None:
        self.policy = policy
        self.limit = limit
        self.failures = 0
        self._paid = 0
        self._unexplained = 0
        self._reason = ""
        self._repeated = 0

    def after(self, failure: Classification, *, elapsed: float, paid: bool, draw: float = 1.0) -> float | GiveUp:
        """The wait before the next attempt in seconds, or `GiveUp`.

        `elapsed` is in seconds from the start of the first attempt, `draw` a random number in [0, 1].
        """
        self.failures += 1
        self._paid = self._paid + 1 if paid else 0
        self._unexplained = self._unexplained + 1 if failure.kind == "unknown" else 0
        before, self._reason = self._reason, reason_of(failure)
        self._repeated = (self._repeated if self._reason == before else 0) + 1 if self._reason else 0
        policy, hint = self.policy, failure.retry_after
        if not failure.retryable:
            return GiveUp()
        if hint is not None and hint > policy.hint_ceiling:
            return GiveUp(f"the server asks to wait {hint:.0f} s, longer than hint_ceiling={policy.hint_ceiling:.0f} s", reset_after=hint)
        if self._paid >= policy.max_paid_failures:
            return GiveUp(f"{self._paid} attempts in a row were paid for, but cut off or empty")
        if self._unexplained >= policy.max_paid_failures:
            return GiveUp(f"{self._unexplained} failures in a row that nothing explains")
        if self._repeated >= policy.max_paid_failures:
            return GiveUp(f"the server gave the same answer {self._repeated} times in a row")
        if policy.max_attempts is not None and self.failures >= policy.max_attempts:
            return GiveUp(f"max_attempts={policy.max_attempts}")
        wait = policy.scheduled(self.failures, hint, draw)
        if self._most_likely_a_mistake(failure):
            if elapsed >= MAX_UNREACHED:
                return GiveUp(f"nothing answered at {failure.unreached} for a minute; max_elapsed=None tries on")
            return min(wait, MAX_UNREACHED - elapsed)
        if self.limit is not None and elapsed + wait > self.limit:
            return GiveUp(f"the next wait of {wait:.0f} s would end after max_elapsed={self.limit:.0f} s")
        return wait

    def _most_likely_a_mistake(self, failure: Classification) -> bool:
        """Whether a server of this machine isn't running, and the caller hasn't said how long to wait for it."""
        unlimited = self.policy.max_elapsed == "auto" and self.policy.max_attempts is None
        return unlimited and failure.unreached is not None and is_this_machine(failure.unreached.rpartition(":")[0].strip("[]"))
