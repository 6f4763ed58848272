from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import pytest

from chatkit.chattest import FakeClock
from chatkit.clock import SystemClock, deadline


def test_a_pause_ends_when_it_is_woken() -> None:
    wake = threading.Event()
    wake.set()
    SystemClock().pause(3600, wake)  # would outlast the suite


def test_a_short_pause_lasts_as_long_as_it_says() -> None:
    clock = SystemClock()
    began = clock.monotonic()
    clock.pause(0.02, threading.Event())
    assert clock.monotonic() - began >= 0.02


async def _pause(clock: SystemClock, seconds: float, *, woken: bool) -> None:
    wake = asyncio.Event()
    if woken:
        wake.set()
    await clock.pause_async(seconds, wake)


def test_an_awaited_pause_ends_when_it_is_woken_and_when_it_is_over() -> None:
    asyncio.run(_pause(SystemClock(), 3600, woken=True))
    asyncio.run(_pause(SystemClock(), 0.01, woken=False))


def test_now_is_in_utc() -> None:
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_a_deadline_becomes_a_timeout_when_the_clock_passes_it() -> None:
    clock = FakeClock()

    async def late() -> None:
        async with deadline(clock, 10):
            clock.advance(11)
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError, match="not done within 10 s"):
        asyncio.run(late())


def test_a_deadline_leaves_what_is_done_in_time_alone() -> None:
    clock = FakeClock()

    async def early() -> int:
        async with deadline(clock, 10):
            await asyncio.sleep(0)
        clock.advance(11)
        await asyncio.sleep(0)
        return 1

    assert asyncio.run(early()) == 1


def test_a_deadline_does_not_swallow_the_callers_cancellation() -> None:
    clock = FakeClock()

    async def forever() -> None:
        async with deadline(clock, 10):
            await asyncio.Event().wait()

    async def cancelled() -> None:
        task = asyncio.create_task(forever())
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
