"""A person's way into a wait: end it early, or end the loop."""

from __future__ import annotations

import asyncio
import threading

from chatkit.clock import Clock
from chatkit.errors import Stopped


class Wake:
    """Ends a wait early, or the whole loop, from any thread.

    It counts from the moment that a wait is announced (`arm`) until it is over; at other times waking does nothing:
    a click on a button that is gone means nothing.

    Attributes
    ----------
    stopped : bool
        Somebody asked for the end: no further attempt begins.
    """

    def __init__(self) -> None:
        self.stopped = False
        self._lock = threading.Lock()
        self._flag = threading.Event()
        self._async: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def arm(self) -> None:
        """A wait is about to be announced: forget what was clicked before."""
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
        """Whether a coroutine waits on it now."""
        return self._async is not None

    def stop(self) -> None:
        """End the wait that lasts, and the loop with it."""
        self.stopped = True
        self.set()

    def pause(self, clock: Clock, seconds: float) -> None:
        """Wait on this thread."""
        if not self.stopped:
            clock.pause(seconds, self._flag)
        self._check()

    async def pause_async(self, clock: Clock, seconds: float) -> None:
        """Wait on the running loop."""
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
            raise Stopped("stopped while it waited to try again")
