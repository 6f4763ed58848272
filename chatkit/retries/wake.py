"""Ends a wait between two attempts from outside."""

from __future__ import annotations

import asyncio
import contextlib
import queue

from chatkit.clock import Clock
from chatkit.errors import Stopped


class Wake:
    """Ends a wait early, or the whole loop; every method may be called from any thread.

    A call of `set` counts from the moment that a wait is announced (`arm`) until the wait is over. At other times it does nothing,
    since the button that calls it is gone. Once `stopped` is true, no further attempt begins. There is no lock: an interrupt of the
    main thread, where a button's callback runs, could leave it locked.
    """

    def __init__(self) -> None:
        self.stopped = False
        self._calls: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._async: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def arm(self) -> None:
        """A wait is about to be announced: forget earlier calls of `set`."""
        self._calls = queue.SimpleQueue()

    def set(self) -> None:
        """End the wait that was announced."""
        self._calls.put(None)
        if waiting := self._async:  # read after the call was noted: who begins to wait meanwhile finds the call
            loop, event = waiting
            loop.call_soon_threadsafe(event.set)

    def is_set(self) -> bool:
        """Whether `set` was called since the wait was announced."""
        return not self._calls.empty()

    def wait(self, timeout: float) -> bool:
        """Wait on this thread for a call of `set`, at most so many seconds; whether there was one."""
        with contextlib.suppress(queue.Empty):
            self._calls.put(self._calls.get(timeout=timeout))
        return self.is_set()

    @property
    def waiting(self) -> bool:
        """Whether a coroutine is waiting now."""
        return self._async is not None

    def stop(self) -> None:
        """End the current wait, and the loop with it."""
        self.stopped = True
        self.set()

    def pause(self, clock: Clock, seconds: float) -> None:
        """Wait on this thread; raise `Stopped` if `stop` was called."""
        if not self.stopped:
            clock.pause(seconds, self)
        self._check()

    async def pause_async(self, clock: Clock, seconds: float) -> None:
        """Wait on the running loop; raise `Stopped` if `stop` was called."""
        event = asyncio.Event()
        self._async = (asyncio.get_running_loop(), event)
        if self.is_set():
            event.set()
        try:
            if not self.stopped:
                await clock.pause_async(seconds, event)
        finally:
            self._async = None
        self._check()

    def _check(self) -> None:
        if self.stopped:
            raise Stopped("stopped while waiting for the next attempt")
