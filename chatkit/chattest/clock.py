"""`FakeClock`: time that a test owns. Waits between retries pass by themselves, guards fire only when told."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from chatkit.errors import UsageError

START = datetime(2026, 11, 20, 9, tzinfo=UTC)
"""Where a `FakeClock` begins, unless told otherwise."""
PATIENCE = 5.0
"""Seconds that a test waits at most for something to happen."""
_LOOK = 0.005
"""Seconds between two looks at a held pause's `wake`, which can't notify."""


class _Held:
    """A pause that waits for the test."""

    def __init__(self, seconds: float, due: float) -> None:
        self.seconds = seconds
        self.due = due
        self.over = threading.Event()
        self.notify: Callable[[], object] = self.over.set


class _Timer:
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
    """A clock for ``Chat(clock=…)``, ``chatkit.retry(clock=…)`` and whatever else takes a `chatkit.clock.Clock`.

    Pauses (the waits between retries) return at once and move the time forward, and are recorded. Timers (deadlines,
    silence guards) never fire by themselves, however much time the pauses let pass: only `advance` fires them. So a test
    lives through 25 retries in no time, and a guard never fires on a healthy reply.

    Parameters
    ----------
    start : datetime, default 2026-11-20 09:00 UTC
        The time of day at its beginning.
    hold : bool, default False
        Hold each pause until `release`, until `advance` passes its end, or until its own `wake` is set.

    Attributes
    ----------
    pauses : list of float
        The seconds of every pause that was begun, in order.
    hold : bool
        May be changed; it counts for the pauses that begin afterwards.

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
        self._held: list[_Held] = []
        self._timers: list[tuple[float, int, _Timer]] = []
        self._serial = itertools.count()
        self._changed = threading.Condition()

    # ── the clock ──

    def now(self) -> datetime:
        """The time of day, in UTC."""
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Seconds since the clock's beginning."""
        return self._elapsed

    def pause(self, seconds: float, wake: threading.Event) -> None:
        """Let the seconds pass at once; a held pause blocks until it is released or `wake` is set."""
        held = self._begin(seconds, wake.is_set())
        try:
            while held is not None and not held.over.is_set() and not wake.wait(_LOOK):
                pass
        finally:
            self._end(held)

    async def pause_async(self, seconds: float, wake: asyncio.Event) -> None:
        """The same for a coroutine; other tasks get their turn."""
        loop = asyncio.get_running_loop()
        stirred = asyncio.Event()
        held = self._begin(seconds, wake.is_set(), lambda: loop.call_soon_threadsafe(stirred.set))
        if held is None:
            await asyncio.sleep(0)
            return
        waits = [asyncio.ensure_future(stirred.wait()), asyncio.ensure_future(wake.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            self._end(held)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> _Timer:
        """Have the running event loop call `callback` when `advance` has passed so many seconds."""
        loop = asyncio.get_running_loop()
        with self._changed:
            timer = _Timer(self._elapsed + max(0.0, seconds), callback, loop)
            heapq.heappush(self._timers, (timer.due, next(self._serial), timer))
            self._changed.notify_all()
        return timer

    # ── the test ──

    @property
    def timers(self) -> list[float]:
        """How many seconds from now the timers are due that wait, the next one first; 0 for one that is overdue."""
        with self._changed:
            return [max(0.0, due - self._elapsed) for due, _, timer in sorted(self._timers) if not timer.cancelled]

    def advance(self, seconds: float, *, timeout: float = PATIENCE) -> None:
        """Move the time forward, and fire the timers that are due, in order of due time. From any thread.

        A timer's callback runs on the loop that armed it. It has run when this returns, unless it is this thread's own loop:
        then it runs when the loop gets its turn. Timers that a callback arms fire too, if they are due by then. Held
        pauses whose time has come end.

        Parameters
        ----------
        seconds : float
            0 fires what is overdue.
        timeout : float, default 5.0
            Real seconds that each timer's loop is given to run it.

        Raises
        ------
        UsageError
            Time doesn't step back.
        AssertionError
            A loop didn't run its timer in time: it is blocked.
        """
        if seconds < 0:
            raise UsageError(f"advance({seconds}): time doesn't step back")
        with self._changed:
            target = self._elapsed + seconds
        while (timer := self._next_due(target)) is not None:
            self._fire(timer, timeout)
        with self._changed:
            self._pass_to(target)

    def release(self) -> None:
        """Let every pause pass that is held now; the time moves to the end of the longest."""
        with self._changed:
            if self._held:
                self._pass_to(max(held.due for held in self._held))

    def wait_for_pause(self, count: int = 1, *, timeout: float = PATIENCE) -> float:
        """Wait until so many pauses have begun since the clock's beginning. From a coroutine: in a thread.

        Parameters
        ----------
        count : int, default 1
            Pauses, those included that are over.
        timeout : float, default 5.0
            Real seconds.

        Returns
        -------
        float
            The seconds of that pause.

        Raises
        ------
        AssertionError
            It didn't happen in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.pauses) >= count, timeout):
                raise AssertionError(f"waited {timeout:g} s for pause {count}; there were {self.pauses}")
            return self.pauses[count - 1]

    def wait_for_timer(self, count: int = 1, *, timeout: float = PATIENCE) -> float:
        """Wait until so many timers are armed, and return in how many seconds the next is due. From a coroutine: in a thread.

        Raises
        ------
        AssertionError
            It didn't happen in time.
        """

        def armed() -> list[float]:
            return [due for due, _, timer in sorted(self._timers) if not timer.cancelled]

        with self._changed:
            if not self._changed.wait_for(lambda: len(armed()) >= count, timeout):
                raise AssertionError(f"waited {timeout:g} s for {count} timers; {len(armed())} are armed")
            return max(0.0, armed()[0] - self._elapsed)

    # ── inside; the lock is held where that is said ──

    def _begin(self, seconds: float, awake: bool, notify: Callable[[], object] | None = None) -> _Held | None:
        """Record a pause; what is returned has to be waited for."""
        seconds = max(0.0, float(seconds))
        with self._changed:
            self.pauses.append(seconds)
            held = None
            if self.hold and not awake:
                held = _Held(seconds, self._elapsed + seconds)
                held.notify = notify or held.notify
                self._held.append(held)
            elif not awake:
                self._elapsed += seconds
            self._changed.notify_all()
        return held

    def _end(self, held: _Held | None) -> None:
        with self._changed:
            if held in self._held:
                self._held.remove(held)

    def _pass_to(self, moment: float) -> None:
        """Move the time forward and end the held pauses that are due (with the lock)."""
        self._elapsed = max(self._elapsed, moment)
        for held in [h for h in self._held if h.due <= self._elapsed]:
            self._held.remove(held)
            held.notify()

    def _next_due(self, target: float) -> _Timer | None:
        with self._changed:
            while self._timers and self._timers[0][0] <= target:
                timer = heapq.heappop(self._timers)[2]
                if not timer.cancelled:
                    self._pass_to(timer.due)
                    return timer
        return None

    def _fire(self, timer: _Timer, timeout: float) -> None:
        try:
            timer.loop.call_soon_threadsafe(timer.run)
        except RuntimeError:  # its loop is closed: nobody is left to call
            return
        try:
            own = asyncio.get_running_loop() is timer.loop
        except RuntimeError:
            own = False
        if not own and not timer.ran.wait(timeout):
            raise AssertionError("a timer's event loop is blocked, or it has stopped: it didn't run its callback")
