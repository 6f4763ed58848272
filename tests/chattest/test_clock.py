"""The clock for tests: pauses return at once, and timers fire only in `advance`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest

from chatkit.bridge import spawn
from chatkit.chattest import FakeClock
from chatkit.clock import Clock
from chatkit.errors import UsageError

START = datetime(2026, 11, 20, 9, tzinfo=UTC)


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def arm(clock: FakeClock, seconds: float, callback: Callable[[], object]) -> Callable[[], None]:
    """Arm a timer on the bridge's loop; the result is a function that cancels it."""

    async def arm_there() -> Callable[[], None]:
        return clock.call_later(seconds, callback).cancel

    return spawn(arm_there()).result(5)


def test_it_is_a_clock() -> None:
    clock: Clock = FakeClock()
    assert (clock.now(), clock.monotonic()) == (START, 0.0)


def test_it_starts_where_it_is_told_and_speaks_utc() -> None:
    assert FakeClock(datetime(2027, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))).now() == datetime(2027, 1, 1, tzinfo=UTC)
    assert FakeClock(datetime(2027, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))).now().tzinfo is UTC
    with pytest.raises(UsageError, match="with its zone"):
        FakeClock(datetime(2027, 1, 1))


def test_pauses_return_at_once_move_the_time_and_are_recorded() -> None:
    clock = FakeClock()
    for _ in range(25):
        clock.pause(60, threading.Event())
    asyncio.run(clock.pause_async(0.5, asyncio.Event()))
    assert clock.pauses == [60.0] * 25 + [0.5]
    assert clock.now() == START + timedelta(seconds=1500.5)


def test_a_pause_that_is_woken_before_it_begins_takes_no_time() -> None:
    clock, wake = FakeClock(), threading.Event()
    wake.set()

    async def woken() -> None:
        event = asyncio.Event()
        event.set()
        await clock.pause_async(4, event)

    clock.pause(2, wake)
    asyncio.run(woken())
    assert (clock.pauses, clock.monotonic()) == ([2.0, 4.0], 0.0)


def test_an_async_pause_gives_other_tasks_their_turn() -> None:
    clock, order = FakeClock(), list[str]()

    async def main() -> None:
        async def other() -> None:
            order.append("other")

        task = asyncio.ensure_future(other())
        await clock.pause_async(1, asyncio.Event())
        order.append("after the pause")
        await task

    asyncio.run(main())
    assert order == ["other", "after the pause"]


def test_pauses_never_fire_a_timer_however_long_they_are() -> None:
    clock, fired = FakeClock(), list[int]()
    arm(clock, 600, lambda: fired.append(1))
    for _ in range(25):
        clock.pause(60, threading.Event())
    spawn(asyncio.sleep(0)).result(5)
    assert fired == []
    assert clock.timers == [0.0]
    clock.advance(0)
    assert fired == [1]


def test_advance_fires_what_is_due_in_order_of_due_time_and_has_fired_it_when_it_returns() -> None:
    clock, fired = FakeClock(), list[str]()
    arm(clock, 20, lambda: fired.append("b"))
    arm(clock, 10, lambda: fired.append("a"))
    arm(clock, 20, lambda: fired.append("c"))
    arm(clock, 30.1, lambda: fired.append("d"))
    assert clock.timers == [10.0, 20.0, 20.0, 30.1]
    clock.advance(9.9)
    assert fired == []
    clock.advance(20.1)
    assert fired == ["a", "b", "c"]
    assert clock.monotonic() == 30.0
    clock.advance(1)
    assert fired[3:] == ["d"]


def test_a_timer_runs_on_the_loop_that_armed_it_and_sees_the_time_at_which_it_was_due() -> None:
    clock, seen = FakeClock(), list[tuple[str, float]]()
    arm(clock, 5, lambda: seen.append((threading.current_thread().name, clock.monotonic())))
    clock.advance(100)
    assert seen == [("chatkit-io", 5.0)]


def test_a_timer_that_a_timer_arms_fires_within_the_same_advance() -> None:
    clock, fired = FakeClock(), list[float]()

    def again() -> None:
        fired.append(clock.monotonic())
        clock.call_later(10, again)

    arm(clock, 10, again)
    clock.advance(35)
    assert fired == [10.0, 20.0, 30.0]


def test_a_cancelled_timer_never_fires() -> None:
    clock, fired = FakeClock(), list[int]()
    cancel = arm(clock, 5, lambda: fired.append(1))
    cancel()
    assert clock.timers == []
    clock.advance(10)
    assert fired == []


def test_a_timer_cancelled_by_an_earlier_one_never_fires() -> None:
    clock, fired = FakeClock(), list[int]()
    cancel = arm(clock, 6, lambda: fired.append(1))
    arm(clock, 5, cancel)
    clock.advance(10)
    assert fired == []


def test_advancing_on_the_timers_own_loop_fires_at_the_loops_next_turn() -> None:
    clock, fired = FakeClock(), list[int]()

    async def main() -> None:
        clock.call_later(5, lambda: fired.append(1))
        clock.advance(5)
        assert fired == []
        await asyncio.sleep(0)

    asyncio.run(main())
    assert fired == [1]


def test_a_timer_whose_loop_is_closed_is_forgotten() -> None:
    clock = FakeClock()

    async def main() -> None:
        clock.call_later(5, lambda: None)

    asyncio.run(main())
    clock.advance(10)
    assert clock.timers == []


def test_time_does_not_step_back() -> None:
    with pytest.raises(UsageError, match="step back"):
        FakeClock().advance(-1)


def test_a_held_pause_lasts_until_it_is_released(aside: ThreadPoolExecutor) -> None:
    clock = FakeClock(hold=True)
    pausing = aside.submit(clock.pause, 8, threading.Event())
    assert clock.wait_for_pause() == 8.0
    assert not pausing.done()
    assert clock.monotonic() == 0.0
    clock.release()
    pausing.result(5)
    assert clock.monotonic() == 8.0


def test_a_held_pause_returns_when_it_is_woken_and_no_time_has_passed(aside: ThreadPoolExecutor) -> None:
    clock, wake = FakeClock(hold=True), threading.Event()
    pausing = aside.submit(clock.pause, 8, wake)
    clock.wait_for_pause()
    wake.set()
    pausing.result(5)
    clock.release()
    assert clock.monotonic() == 0.0


async def pause_there(clock: FakeClock, seconds: float, wakes: list[asyncio.Event]) -> None:
    wakes.append(asyncio.Event())
    await clock.pause_async(seconds, wakes[-1])


def held_async(clock: FakeClock, seconds: float) -> tuple[Future[None], asyncio.Event]:
    wakes: list[asyncio.Event] = []
    pausing = spawn(pause_there(clock, seconds, wakes))
    clock.wait_for_pause()
    return pausing, wakes[0]


def test_a_held_async_pause_ends_by_release_by_its_wake_and_by_advance() -> None:
    async def set_there(event: asyncio.Event) -> None:
        event.set()

    released, woken, advanced = FakeClock(hold=True), FakeClock(hold=True), FakeClock(hold=True)
    pausing, _ = held_async(released, 4)
    released.release()
    pausing.result(5)
    pausing, wake = held_async(woken, 4)
    spawn(set_there(wake)).result(5)
    pausing.result(5)
    pausing, _ = held_async(advanced, 4)
    advanced.advance(3)
    assert not pausing.done()
    advanced.advance(1)
    pausing.result(5)
    assert [c.monotonic() for c in (released, woken, advanced)] == [4.0, 0.0, 4.0]


def test_cancelling_a_held_async_pause_ends_it() -> None:
    clock = FakeClock(hold=True)
    pausing, _ = held_async(clock, 4)
    pausing.cancel()
    spawn(asyncio.sleep(0)).result(5)
    clock.release()
    assert clock.monotonic() == 0.0


def test_several_held_pauses_are_released_together(aside: ThreadPoolExecutor) -> None:
    clock = FakeClock(hold=True)
    pausing = [aside.submit(clock.pause, seconds, threading.Event()) for seconds in (2, 8, 4)]
    clock.wait_for_pause(3)
    clock.release()
    for pause in pausing:
        pause.result(5)
    assert (sorted(clock.pauses), clock.monotonic()) == ([2.0, 4.0, 8.0], 8.0)


def test_holding_can_begin_and_end_in_the_middle_of_a_test(aside: ThreadPoolExecutor) -> None:
    clock = FakeClock()
    clock.pause(1, threading.Event())
    clock.hold = True
    pausing = aside.submit(clock.pause, 2, threading.Event())
    assert clock.wait_for_pause(2) == 2.0
    clock.hold = False
    clock.pause(4, threading.Event())
    assert not pausing.done()
    clock.release()
    pausing.result(5)


def test_waiting_for_a_pause_or_a_timer_that_does_not_come_fails() -> None:
    clock = FakeClock()
    with pytest.raises(AssertionError, match="pause 1"):
        clock.wait_for_pause(timeout=0.01)
    with pytest.raises(AssertionError, match="1 timers; 0 are armed"):
        clock.wait_for_timer(timeout=0.01)


def test_a_test_can_wait_until_a_timer_is_armed(aside: ThreadPoolExecutor) -> None:
    clock = FakeClock()
    waiting = aside.submit(clock.wait_for_timer)
    arm(clock, 10, lambda: None)
    assert waiting.result(5) == 10.0


def test_a_blocked_loop_is_named_as_the_cause() -> None:
    clock, blocks, unblock = FakeClock(), threading.Event(), threading.Event()
    arm(clock, 1, lambda: None)

    async def block() -> None:
        blocks.set()
        unblock.wait(5)

    blocking = spawn(block())
    assert blocks.wait(5)
    with pytest.raises(AssertionError, match="blocked"):
        clock.advance(1, timeout=0.01)
    unblock.set()
    blocking.result(5)
