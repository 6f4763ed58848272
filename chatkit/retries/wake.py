"""Ends a wait between two attempts from outside."""

from __future__ import annotations

import asyncio
import threading

from chatkit.clock import Clock
from chatkit.errors import Stopped


class Wake:
    """Ends a wait early, or the whole loop; every method may be called from any thread.

    A call of `set` counts from the moment that a wait is announced (`arm`) until the wait is over. At other times it does nothing,
    since the button that calls it is gone. Once `stopped` is true, no further attempt begins.
    """

    def __init__(self) -> None:
        self.stopped = False
        self._lock = threading.Lock()
        self._flag = threading.Event()
        self._async: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def arm(self) -> None:
        """A wait is about to be announced: forget earlier calls of `set`."""
        with self._lock:
            self._flag.clear()

    def set(self) -> None:
        """End the wait that was announced."""
        with self._lock:
            self._flag.set()
            if self._async:
                loop, event = self._async
                loop.call_soon_threadsafe(event.set)

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
            clock.pause(seconds, self._flag)
        self._check()

    async def pause_async(self, clock: Clock, seconds: float) -> None:
        """Wait on the running loop; raise `Stopped` if `stop` was called."""
        event = asyncio.Event()
        with self._lock:
            self._async = (asyncio.get_running_loop(), event)
            if self._flag.is_set():
                event.set()
        try:
            if not self.stopped:
                await clock.pause_async(seconds, event)
        finally:
            with self._lock:
                self._async = None
        self._check()

    def _check(self) -> None:
        if self.stopped:
            raise Stopped("stopped while waiting for the next attempt")
