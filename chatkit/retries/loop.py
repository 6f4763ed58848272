"""The retry loop: the bookkeeping of attempts, and two thin drivers (blocking and asynchronous).

The loop knows neither a display nor a provider: an observer is called before every wait, and a `Wake` ends a wait early.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import random
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

import msgspec
from msgspec.structs import asdict, replace

from chatkit.clock import Clock
from chatkit.errors import Classification, ProviderError, provider_error
from chatkit.failures.classification import classified, classify
from chatkit.retries.backoff import Decision, GiveUp, RetryPolicy
from chatkit.retries.log import AttemptRecord, InFlight, Outcome, milliseconds, new_call_id
from chatkit.retries.notice import RetryNotice
from chatkit.retries.wake import Wake

T = TypeVar("T")
EARLY, LATE = 0.05, 1.0
"""Seconds by which a wait may differ from what was announced: timers are not exact, and a busy machine is late."""
_logger = logging.getLogger("chatkit")
_draws = random.SystemRandom()
"""Not the module's own numbers, which the caller may have seeded."""


class RetriedCall(msgspec.Struct, frozen=True, kw_only=True):
    """The call that is retried, as the log names it."""

    operation: str
    chat: str | None = None
    provider: str | None = None
    model: str | None = None
    step: int | None = None


class RetryLoop:
    """The attempts of one call, one after another: it begins, ends and records each, and decides what follows.

    `limit` is in seconds (`RetryPolicy.elapsed_limit`). `observe` is called before every wait; what it raises is logged, and it may
    return an awaitable where the loop is asynchronous. `ended` is called after a wait that was not as long as announced, with its
    notice and its milliseconds. `record` gets every `AttemptRecord`, also if the log is off. `on` takes an error
    and says whether to try again, instead of the classification; a cancellation is never tried again.

    The attempt sets `paid` as soon as it costs something, and `request_id`. `failure` is the failure that ended the loop, of kind
    ``canceled`` if it was stopped; None while the loop runs and after a success.
    """

    def __init__(
        self,
        call: RetriedCall,
        *,
        policy: RetryPolicy,
        limit: float | None,
        clock: Clock,
        observe: Callable[[RetryNotice], object] | None = None,
        ended: Callable[[RetryNotice, int], object] | None = None,
        record: Callable[[AttemptRecord], object] | None = None,
        on: Callable[[BaseException], object] | None = None,
    ) -> None:
        self.call = call
        self.clock = clock
        self.attempt = 0
        self.paid = False
        self.request_id: str | None = None
        self.waited = 0.0
        self.failure: Classification | None = None
        self._decision = Decision(policy, limit)
        self._observe = observe
        self._ended = ended
        self._record = record
        self._on = on
        self._call_id = new_call_id()
        self._began: float | None = None
        self._last_wait = 0.0
        self._wait_began: float | None = None
        self._in_flight: InFlight | None = None

    def begin(self) -> None:
        """Begin the next attempt, and end the wait before it."""
        now = self.clock.monotonic()
        if self._began is None:
            self._began = now
        if self._wait_began is not None:
            self._last_wait = now - self._wait_began
            self.waited += self._last_wait
            self._wait_began = None
        self.attempt += 1
        self.paid = False
        self.request_id = None
        start = AttemptRecord(
            **asdict(self.call),
            ts=self.clock.now(),
            call=self._call_id,
            attempt=self.attempt,
            waited_ms=milliseconds(self._last_wait),
            duration_ms=0,
            outcome="abandoned",
        )
        self._in_flight = InFlight(start, self.clock)

    def opened(self, request_id: str | None) -> None:
        """The provider answered the attempt, with this request id."""
        self.request_id = request_id

    def succeeded(self) -> None:
        """The attempt returned its value."""
        self._end("ok")

    def abandoned(self) -> None:
        """The attempt was stopped; or the wait, then the attempt that would have followed is recorded."""
        if self._wait_began is not None:
            self.begin()
        self.failure = classified("canceled", self.call.provider)
        self._end("abandoned")

    def failed(self, error: BaseException) -> RetryNotice:
        """The attempt raised an error: return the notice of the next wait, or raise the error, with a note unless it interrupts."""
        if not isinstance(error, Exception | asyncio.CancelledError) or (isinstance(error, asyncio.CancelledError) and _cancelled()):
            self.abandoned()
            raise error
        if isinstance(error, asyncio.CancelledError):  # nobody cancelled this call, so the other side did: a broken connection
            broken = provider_error(classified("network", self.call.provider, detail="the other side cancelled the call"))
            broken.__cause__, error = error, broken
        failure = self._judged(error, classify(error, provider=self.call.provider, now=self.clock.now()))
        paid = self.paid or (isinstance(error, ProviderError) and error.paid)
        delay = self._decision.after(failure, elapsed=self._elapsed(), paid=paid, draw=_draws.random())
        if isinstance(delay, GiveUp):
            self._end("failed", failure)
            raise self._final(error, failure, delay)
        self._end("retry", failure, delay=delay)
        return RetryNotice(
            attempt=self.attempt,
            error=error,
            classification=failure,
            delay=delay,
            waited=self.waited,
            elapsed=self._elapsed(),
            retrying_at=self.clock.now() + timedelta(seconds=delay),
        )

    def _judged(self, error: BaseException, failure: Classification) -> Classification:
        if self._on is None or failure.kind == "canceled":
            return failure
        try:
            return replace(failure, retryable=bool(self._on(error)))
        except BaseException:  # what the caller's own filter raises is the caller's to see
            self._end("failed", failure)
            raise

    def wait(self, notice: RetryNotice, wake: Wake) -> None:
        """Tell the observer, then wait on this thread for the next attempt."""
        with self._waiting(notice, wake):
            self._observed(notice)
            wake.pause(self.clock, notice.delay)

    async def wait_async(self, notice: RetryNotice, wake: Wake) -> None:
        """The same on the running event loop."""
        with self._waiting(notice, wake):
            observed = self._observed(notice)
            if inspect.isawaitable(observed):
                with _logged():
                    await observed
            await wake.pause_async(self.clock, notice.delay)

    def _observed(self, notice: RetryNotice) -> object:
        with _logged():
            return self._observe(notice) if self._observe else None
        return None

    @contextlib.contextmanager
    def _waiting(self, notice: RetryNotice, wake: Wake) -> Iterator[None]:
        """The block is a wait, which `wake` can end."""
        wake.arm()
        self._wait_began = self.clock.monotonic()
        try:
            yield
        except BaseException:
            self.abandoned()
            raise
        waited = self.clock.monotonic() - self._wait_began
        if self._ended and not -EARLY <= waited - notice.delay <= LATE:
            self._ended(notice, milliseconds(waited))

    def _elapsed(self) -> float:
        return self.clock.monotonic() - (self._began or 0.0)

    def _end(self, outcome: Outcome, failure: Classification | None = None, *, delay: float | None = None) -> None:
        in_flight, self._in_flight = self._in_flight, None
        record = in_flight.end(outcome, failure, delay=delay, request_id=self.request_id) if in_flight else None
        if record is not None and self._record:
            self._record(record)

    def _final(self, error: BaseException, failure: Classification, end: GiveUp) -> BaseException:
        """The error to raise at the end."""
        why = end.why
        if end.reset_after is not None:
            reset = f"until {self.clock.now() + timedelta(seconds=end.reset_after):%Y-%m-%d %H:%M:%S} UTC"
            why = f"{why}, {reset}"
            failure = replace(failure, message=f"{failure.message} {reset}")
            if isinstance(error, ProviderError):
                cause, error = error, provider_error(failure)
                error.__cause__ = cause
        self.failure = failure
        if isinstance(error, ProviderError):
            error.attempts, error.waited = self.attempt, self.waited
        times = "1 attempt" if self.attempt == 1 else f"{self.attempt} attempts"
        error.add_note(f"chatkit: gave up after {times} and {self._elapsed():.1f} s" + (f": {why}" if why else ""))
        return error


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    """Log what an observer raises."""
    try:
        yield
    except Exception:
        _logger.exception("on_retry raised; the retry goes on")


def _cancelled() -> bool:
    """Whether the caller cancelled the current task."""
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no event loop runs here
        return False
    return task is not None and task.cancelling() > 0


def drive(loop: RetryLoop, attempt: Callable[[], T], wake: Wake) -> T:
    """Call a function until it returns a value or the loop gives up; this blocks, and an interrupt passes through at once.

    If the value is awaitable, the attempt is still open: pass it to `drive_async` as `begun`.
    """
    while True:
        loop.begin()
        try:
            value = attempt()
        except BaseException as error:
            notice = loop.failed(error)
        else:
            if not inspect.isawaitable(value):
                loop.succeeded()
            return value
        loop.wait(notice, wake)


async def drive_async(loop: RetryLoop, attempt: Callable[[], Awaitable[T]], wake: Wake, *, begun: Awaitable[T] | None = None) -> T:
    """The same for an asynchronous function, on the running event loop; `begun` is a first attempt that has begun already."""
    while True:
        if begun is None:
            loop.begin()
        try:
            given: Any = begun if begun is not None else attempt()
            value: T = await given if inspect.isawaitable(given) else given  # a plain function may return its value this time
        except BaseException as error:
            notice = loop.failed(error)
        else:
            loop.succeeded()
            return value
        begun = None
        await loop.wait_async(notice, wake)
