"""Time, as a value that is handed in: the real one here, one for tests in `chatkit.chattest`.

Two kinds of waiting are kept apart. A *pause* is a wait that is meant to pass (the back-off of a retry); a *timer* is a
deadline or a guard that is meant not to fire. A test's clock lets pauses pass at once and fires timers only when told.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Protocol

POLL = 0.05
"""Seconds between two looks of a waiting caller: an interrupt takes effect within this, on every platform."""


class Timer(Protocol):
    """A callback that is due later."""

    def cancel(self) -> None:
        """Forget it."""


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> datetime:
        """The time of day, in UTC."""

    def monotonic(self) -> float:
        """Seconds since some moment; never steps back."""

    def pause(self, seconds: float, wake: threading.Event) -> None:
        """Block until the seconds have passed or `wake` is set; an interrupt ends it at once."""

    async def pause_async(self, seconds: float, wake: asyncio.Event) -> None:
        """The same for a coroutine; cancelling ends it at once."""

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """Have the running event loop call `callback` after so many seconds."""


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def pause(self, seconds: float, wake: threading.Event) -> None:
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
    """Cancel the block when so many seconds of the clock have passed.

    Raises
    ------
    TimeoutError
        In place of the cancellation.
    """
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
