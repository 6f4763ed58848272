"""`FakeClock`: time that a test controls. Waits between retries return at once, and timers fire only in `advance`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from chatkit.clock import Flag
from chatkit.errors import UsageError

START = datetime(2026, 11, 20, 9, tzinfo=UTC)
"""The default start of a `FakeClock`."""
PATIENCE = 5.0
"""Real seconds that a test waits at most for something to happen, by default."""
_POLL = 0.005
"""Real seconds between two looks at the `wake` of a held pause, which can't notify."""


class _HeldPause(NamedTuple):
    """A pause that lasts until the test ends it by calling `end`."""

    due: float
    end: Callable[[], object]


class _FakeTimer:
    """A callback that is due at a time of this clock."""

    def __init__(self, due: float, callback: Callable[[], object], loop: asyncio.AbstractEventLoop) -> None:
        self.due = due
        self.loop = loop
        self.ran = threading.Event()
        self.cancelled = False
        self._callback = callback

    def cancel(self) -> None:
        self.cancelled = True

    def run(self) -> None:
        try:
            if not self.cancelled:
                self._callback()
        finally:
            self.ran.set()


class FakeClock:
    """A clock for ``Chat(clock=…)``, ``chatkit.retry(clock=…)`` and any other argument that takes a `chatkit.clock.Clock`.

    Pauses (the waits between retries) return at once, move the time forward, and are recorded. Timers (deadlines, and
    guards against silence) fire only in `advance`, no matter how much time the pauses take. So a test runs through 25 retries
    without waiting, and no guard fires during a healthy reply.

    Parameters
    ----------
    start : datetime, default 2026-11-20 09:00 UTC
        The time of day at the start, with a time zone.
    hold : bool, default False
        Hold each pause until `release` is called, until `advance` passes its end, or until its own `wake` is set.

    Attributes
    ----------
    pauses : list of float
        The seconds of every pause that has begun, in order.
    hold : bool
        Can be changed; the new value applies to the pauses that begin afterwards.

    Raises
    ------
    UsageError
        `start` has no time zone.

    Examples
    --------
    >>> clock = FakeClock()
    >>> for seconds in (1, 2, 4):
    ...     clock.pause(seconds, threading.Event())
    >>> clock.pauses, clock.now().isoformat()
    ([1.0, 2.0, 4.0], '2026-11-20T09:00:07+00:00')
    """

    def __init__(self, start: datetime = START, *, hold: bool = False) -> None:
        if start.tzinfo is None:
            raise UsageError("FakeClock(start=…): give a time with its zone, such as datetime(2026, 11, 20, tzinfo=UTC)")
        self.pauses: list[float] = []
        self.hold = hold
        self._start = start.astimezone(UTC)
        self._elapsed = 0.0
        self._held: list[_HeldPause] = []
        self._timers: list[_FakeTimer] = []
        self._changed = threading.Condition()

    # ── what chatkit calls ──

    def now(self) -> datetime:
        """The time of day, in UTC."""
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Seconds since the start of the clock."""
        return self._elapsed

    def pause(self, seconds: float, wake: Flag) -> None:
        """Let the seconds pass at once; a held pause blocks until it is released or `wake` is set."""
        over = threading.Event()
        held = self._begin_pause(seconds, wake.is_set(), over.set)
        try:
            while held is not None and not over.is_set() and not wake.wait(_POLL):
                pass
        finally:
            self._forget(held)

    async def pause_async(self, seconds: float, wake: asyncio.Event) -> None:
        """The same for a coroutine, which lets other tasks run."""
        loop = asyncio.get_running_loop()
        over = asyncio.Event()
        held = self._begin_pause(seconds, wake.is_set(), lambda: loop.call_soon_threadsafe(over.set))
        if held is None:
            await asyncio.sleep(0)
            return
        waits = [asyncio.ensure_future(over.wait()), asyncio.ensure_future(wake.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            self._forget(held)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> _FakeTimer:
        """Have the running event loop call `callback` when `advance` has moved the time forward by `seconds`."""
        loop = asyncio.get_running_loop()
        with self._changed:
            timer = _FakeTimer(self._elapsed + max(0.0, seconds), callback, loop)
            self._timers = [*self._armed(), timer]
            self._changed.notify_all()
        return timer

    # ── what a test calls ──

    @property
    def timers(self) -> list[float]:
        """The seconds from now until each armed timer is due, in order; 0 for an overdue one."""
        with self._changed:
            return sorted(max(0.0, timer.due - self._elapsed) for timer in self._armed())

    def advance(self, seconds: float, *, timeout: float = PATIENCE) -> None:
        """Move the time forward, and fire the timers that are due, in order of due time. It can be called from any thread.

        A timer's callback runs on the event loop that armed it, and has run when this method returns. If that loop runs on
        this thread, the callback runs in the loop's next iteration instead. Timers that a callback arms fire too if they are
        due by then. Held pauses that are due end.

        Parameters
        ----------
        seconds : float
            0 fires the timers that are overdue.
        timeout : float, default 5.0
            Real seconds in which each timer's loop must run it.

        Raises
        ------
        UsageError
            `seconds` is negative.
        AssertionError
            A loop didn't run its timer in time, because it is blocked.
        """
        if seconds < 0:
            raise UsageError(f"advance({seconds}): time doesn't step back")
        with self._changed:
            target = self._elapsed + seconds
        while (timer := self._take_due(target)) is not None:
            self._fire(timer, timeout)
        with self._changed:
            self._pass_to(target)

    def release(self) -> None:
        """End every pause that is held now; the time moves to the end of the longest."""
        with self._changed:
            if self._held:
                self._pass_to(max(held.due for held in self._held))

    def wait_for_pause(self, count: int = 1, *, timeout: float = PATIENCE) -> float:
        """Wait until `count` pauses have begun since the start of the clock. In a coroutine, call it in a thread.

        Parameters
        ----------
        count : int, default 1
            The number of pauses, including those that are over.
        timeout : float, default 5.0
            Real seconds.

        Returns
        -------
        float
            The seconds of that pause.

        Raises
        ------
        AssertionError
            The pause didn't begin in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.pauses) >= count, timeout):
                raise AssertionError(f"waited {timeout:g} s for pause {count}; there were {self.pauses}")
            return self.pauses[count - 1]

    def wait_for_timer(self, count: int = 1, *, timeout: float = PATIENCE) -> float:
        """Wait until `count` timers are armed, and return the seconds until the next is due. In a coroutine, call it in a thread.

        Raises
        ------
        AssertionError
            The timers weren't armed in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._armed()) >= count, timeout):
                raise AssertionError(f"waited {timeout:g} s for {count} timers; {len(self._armed())} are armed")
            return max(0.0, min(timer.due for timer in self._armed()) - self._elapsed)

    # ── internal ──

    def _armed(self) -> list[_FakeTimer]:
        """The timers that may still fire. Called with the lock held."""
        return [timer for timer in self._timers if not timer.cancelled]

    def _begin_pause(self, seconds: float, awake: bool, end: Callable[[], object]) -> _HeldPause | None:
        """Record a pause; None if it is over at once."""
        seconds = max(0.0, float(seconds))
        held = None
        with self._changed:
            self.pauses.append(seconds)
            if not awake and self.hold:
                held = _HeldPause(self._elapsed + seconds, end)
                self._held.append(held)
            elif not awake:
                self._elapsed += seconds
            self._changed.notify_all()
        return held

    def _forget(self, held: _HeldPause | None) -> None:
        with self._changed:
            if held in self._held:
                self._held.remove(held)

    def _pass_to(self, moment: float) -> None:
        """Move the time forward and end the held pauses that are due. Called with the lock held."""
        self._elapsed = max(self._elapsed, moment)
        for held in [held for held in self._held if held.due <= self._elapsed]:
            self._held.remove(held)
            held.end()

    def _take_due(self, target: float) -> _FakeTimer | None:
        """Remove the first timer that is due by `target`, and move the time to its due time."""
        with self._changed:
            timer = min(self._armed(), key=lambda timer: timer.due, default=None)
            if timer is None or timer.due > target:
                return None
            self._timers.remove(timer)
            self._pass_to(timer.due)
        return timer

    def _fire(self, timer: _FakeTimer, timeout: float) -> None:
        try:
            timer.loop.call_soon_threadsafe(timer.run)
        except RuntimeError:  # the loop is closed, so nothing waits for the timer
            return
        try:
            own_loop = asyncio.get_running_loop() is timer.loop
        except RuntimeError:
            own_loop = False
        if not own_loop and not timer.ran.wait(timeout):
            raise AssertionError("a timer's event loop is blocked, or it has stopped: it didn't run its callback")
