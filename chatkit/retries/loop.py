"""The retry loop: a bookkeeper of attempts, and two thin drivers (plain and awaited).

The loop knows no display and no provider: an observer hears of every wait before it begins, a `Wake` ends a wait early.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from chatkit.clock import Clock
from chatkit.errors import Classification, ProviderError, provider_error
from chatkit.failures.classification import classified, classify
from chatkit.retries.backoff import RetryPolicy
from chatkit.retries.decision import Decision, GiveUp
from chatkit.retries.log import AttemptRecord, InFlight, Outcome, milliseconds, new_call_id, write_record
from chatkit.retries.notice import RetryNotice
from chatkit.retries.wake import Wake

T = TypeVar("T")
_logger = logging.getLogger("chatkit")


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What is retried, as the record names it."""

    operation: str
    chat: str | None = None
    provider: str | None = None
    model: str | None = None
    step: int | None = None


class RetryLoop:
    """The attempts of one call, one after another: begins, ends and records each, and asks the decision what follows.

    Parameters
    ----------
    call : Call
        What is retried.
    policy : RetryPolicy
    limit : float or None
        Seconds in all (`RetryPolicy.elapsed_limit`).
    clock : Clock
    observe : callable, optional
        Gets a `RetryNotice` before every wait; one that raises is logged and stops nothing. It may return an awaitable
        where the loop is awaited.
    record : callable, optional
        Gets every `AttemptRecord`, also with the log off.
    """

    def __init__(
        self,
        call: Call,
        *,
        policy: RetryPolicy,
        limit: float | None,
        clock: Clock,
        observe: Callable[[RetryNotice], object] | None = None,
        record: Callable[[AttemptRecord], object] | None = None,
    ) -> None:
        self.call = call
        self.clock = clock
        self.attempt = 0
        self.paid = False  # set by the attempt once it has cost something
        self.request_id: str | None = None  # set by the attempt
        self.waited = 0.0
        self._decision = Decision(policy, limit)
        self._observe = observe
        self._record = record
        self._name = new_call_id()
        self._began: float | None = None
        self._last_wait = 0.0
        self._pause_began: float | None = None
        self._in_flight: InFlight | None = None

    def begin(self) -> None:
        """A new attempt starts now."""
        now = self.clock.monotonic()
        if self._began is None:
            self._began = now
        if self._pause_began is not None:
            self._end_pause()
        self.attempt += 1
        self.paid = False
        self.request_id = None
        self._in_flight = InFlight(self._start(), self.clock)

    def opened(self, request_id: str | None) -> None:
        """The attempt is answered, under this name of the provider's."""
        self.request_id = request_id

    def succeeded(self) -> None:
        """The attempt gave its value."""
        self._close("ok")

    def abandoned(self) -> None:
        """The person or the process ended the attempt in flight; or the wait, then the attempt it led to is recorded."""
        if self._pause_began is not None:
            self._end_pause()
            self.attempt += 1
            record = self._start()
            write_record(record)
            if self._record:
                self._record(record)
        else:
            self._close("abandoned")

    def failed(self, error: BaseException) -> RetryNotice:
        """The attempt raised: give what follows, or raise the error itself with a note where it is over."""
        failure = classify(error, provider=self.call.provider, now=self.clock.now())
        paid = self.paid or (isinstance(error, ProviderError) and error.paid)
        step = self._decision.after(failure, elapsed=self._elapsed(), paid=paid, draw=random.random())
        if isinstance(step, GiveUp):
            self._close("failed", failure)
            raise self._noted(error, failure, step)
        self._close("retry", failure, delay=step.delay)
        return RetryNotice(
            attempt=self.attempt,
            error=error,
            classification=failure,
            delay=step.delay,
            waited=self.waited,
            elapsed=self._elapsed(),
            retrying_at=self.clock.now() + timedelta(seconds=step.delay),
        )

    def observe(self, notice: RetryNotice) -> object:
        """Tell the observer."""
        try:
            return self._observe(notice) if self._observe else None
        except Exception:
            _logger.exception("on_retry raised; the retry goes on")
            return None

    def pausing(self) -> None:
        """The wait begins now."""
        self._pause_began = self.clock.monotonic()

    def _end_pause(self) -> None:
        assert self._pause_began is not None
        self._last_wait = self.clock.monotonic() - self._pause_began
        self.waited += self._last_wait
        self._pause_began = None

    def _elapsed(self) -> float:
        return self.clock.monotonic() - (self._began or 0.0)

    def _start(self) -> AttemptRecord:
        call = self.call
        return AttemptRecord(
            ts=self.clock.now(),
            call=self._name,
            chat=call.chat,
            operation=call.operation,
            provider=call.provider,
            model=call.model,
            step=call.step,
            attempt=self.attempt,
            waited_ms=milliseconds(self._last_wait),
            duration_ms=0,
            outcome="abandoned",
        )

    def _close(self, outcome: Outcome, failure: Classification | None = None, *, delay: float | None = None) -> None:
        if self._in_flight is None:
            return
        self._in_flight.start = replace(self._in_flight.start, request_id=self.request_id)
        record = self._in_flight.end(outcome, failure, delay=delay)
        self._in_flight = None
        if record is not None and self._record:
            self._record(record)

    def _noted(self, error: BaseException, failure: Classification, end: GiveUp) -> BaseException:
        why = end.why
        if end.reset_after is not None:
            reset = f"until {self.clock.now() + timedelta(seconds=end.reset_after):%Y-%m-%d %H:%M:%S} UTC"
            why = f"{why}, {reset}"
            if isinstance(error, ProviderError):
                cause, error = error, provider_error(replace(failure, message=f"{failure.message} {reset}"))
                error.__cause__ = cause
        if isinstance(error, ProviderError):
            error.attempts, error.waited = self.attempt, self.waited
        times = "1 attempt" if self.attempt == 1 else f"{self.attempt} attempts"
        error.add_note(f"chatkit: gave up after {times} and {self._elapsed():.1f} s" + (f": {why}" if why else ""))
        return error


def drive(loop: RetryLoop, attempt: Callable[[], T], wake: Wake) -> T:
    """Run a plain function until it gives a value or the loop gives up. Blocks; interrupts pass through at once.

    Parameters
    ----------
    loop : RetryLoop
    attempt : callable
        One attempt.
    wake : Wake
        Ends a wait early, or the loop.

    Returns
    -------
    object
        What `attempt` gave. Where that is awaitable, the attempt is still open: hand it to `drive_async` as `begun`.

    Raises
    ------
    Stopped
        `wake` was stopped.
    """
    while True:
        loop.begin()
        try:
            value = attempt()
        except (Exception, asyncio.CancelledError) as error:
            notice = loop.failed(_peers(error))
        except BaseException:
            loop.abandoned()
            raise
        else:
            if not inspect.isawaitable(value):
                loop.succeeded()
            return value
        wake.arm()
        loop.pausing()
        try:
            loop.observe(notice)
            wake.pause(loop.clock, notice.delay)
        except BaseException:
            loop.abandoned()
            raise


async def drive_async(loop: RetryLoop, attempt: Callable[[], Awaitable[T]], wake: Wake, *, begun: Awaitable[T] | None = None) -> T:
    """Run an asynchronous function until it gives a value or the loop gives up, on the running event loop.

    Parameters
    ----------
    loop : RetryLoop
    attempt : callable
        Gives the awaitable of one attempt.
    wake : Wake
        Ends a wait early.
    begun : awaitable, optional
        The first attempt, which a plain function began and handed out.
    """
    while True:
        if begun is None:
            loop.begin()
        try:
            given: Any = begun if begun is not None else attempt()
            value: T = await given if inspect.isawaitable(given) else given  # a plain function may have it at hand now
        except Exception as error:
            notice = loop.failed(error)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                loop.abandoned()
                raise
            notice = loop.failed(_peers(error))  # nobody cancelled us: it was the other side
        except BaseException:
            loop.abandoned()
            raise
        else:
            loop.succeeded()
            return value
        begun = None
        wake.arm()
        loop.pausing()
        try:
            await _told(loop.observe(notice))
            await wake.pause_async(loop.clock, notice.delay)
        except BaseException:
            loop.abandoned()
            raise


async def _told(telling: object) -> None:
    """Wait for an observer that is asynchronous."""
    if inspect.isawaitable(telling):
        try:
            await telling
        except Exception:
            _logger.exception("on_retry raised; the retry goes on")


def _peers(error: BaseException) -> BaseException:
    """A cancellation that the caller did not ask for was the peer's: a broken connection."""
    if not isinstance(error, asyncio.CancelledError):
        return error
    broken = provider_error(classified("network", detail="the other side cancelled the call"))
    broken.__cause__ = error
    return broken
