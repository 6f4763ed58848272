"""Clocks: the system's here, one for tests in `chatkit.chattest`.

A *pause* is a wait that is expected to pass, such as the back-off before a retry; a *timer* is a deadline that is expected not to
be reached. The clock for tests lets pauses pass at once, and fires timers only when the test advances it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Protocol

POLL = 0.05
"""Seconds after which a blocked caller wakes up, on every platform, so that an interrupt takes effect."""


class Timer(Protocol):
    """A scheduled callback."""

    def cancel(self) -> None:
        """Do not call it."""


class Flag(Protocol):
    """What ends a pause early, such as a `threading.Event`."""

    def is_set(self) -> bool:
        """Whether it was set."""

    def wait(self, timeout: float) -> bool:
        """Block until it is set, at most so many seconds; whether it was set."""


class Clock(Protocol):
    """A source of time, and what waits for it."""

    def now(self) -> datetime:
        """The time of day, in UTC."""

    def monotonic(self) -> float:
        """Seconds since a fixed moment; they never go back."""

    def pause(self, seconds: float, wake: Flag) -> None:
        """Block until the seconds have passed or `wake` is set. An interrupt ends it at once."""

    async def pause_async(self, seconds: float, wake: asyncio.Event) -> None:
        """The same for a coroutine. Cancelling ends it at once."""

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """Let the running event loop call `callback` after that many seconds."""


class SystemClock:
    """The clock of the operating system."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def pause(self, seconds: float, wake: Flag) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not wake.wait(min(left, POLL)):
            pass

    async def pause_async(self, seconds: float, wake: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(seconds):
                await wake.wait()
        except TimeoutError:
            pass

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        return asyncio.get_running_loop().call_later(seconds, callback)


@contextlib.asynccontextmanager
async def deadline(clock: Clock, seconds: float) -> AsyncIterator[None]:
    """Cancel the block when that many seconds of the clock have passed, and raise a `TimeoutError` instead."""
    task = asyncio.current_task()
    assert task is not None
    expired = False

    def expire() -> None:
        nonlocal expired
        expired = True
        task.cancel()

    timer = clock.call_later(seconds, expire)
    try:
        yield
    except asyncio.CancelledError:
        if expired and task.uncancel() == 0:
            raise TimeoutError(f"not done within {seconds:g} s") from None
        raise
    finally:
        timer.cancel()
