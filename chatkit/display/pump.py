"""Events of any thread, handed on in batches: every 50 ms, or when 4 kB of text have come together."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from chatkit import bridge
from chatkit.events import Event, MessagePart
from chatkit.parts import Reasoning, Text

INTERVAL = 0.05
"""Seconds between batches. A message a token would cost fifteen times the bytes, and wedge a browser."""
FULL = 4096
"""Characters of text that don't wait for the timer."""
SHORTEST = 0.01
"""Seconds between batches even so, and before the last: Jupyter Server drops what comes faster than 1,000 a second."""

_logger = logging.getLogger("chatkit")


class Pump:
    """Collects events, and delivers them on the bridge's loop.

    Parameters
    ----------
    deliver : callable
        Takes a list of events, in order. What it raises is logged, and ends the deliveries: a display that fails must
        not stop the turn that it shows.
    interval : float
        Seconds between batches.
    """

    def __init__(self, deliver: Callable[[list[Event]], None], *, interval: float = INTERVAL) -> None:
        self._deliver = deliver
        self._interval = interval
        self._loop = bridge.loop()
        self._events: deque[Event] = deque()
        self._size = 0
        self._armed = False
        self._hurried = False
        self._timer: asyncio.TimerHandle | None = None
        self._last = float("-inf")
        self._broken = self._more = False

    def put(self, event: Event) -> None:
        """Take in an event, from any thread."""
        self._events.append(event)
        if type(event) is MessagePart:
            part = event.part
            if type(part) is Text or type(part) is Reasoning:
                self._size += len(part.text)
        if not self._armed:
            self._armed = True
            self._loop.call_soon_threadsafe(self._arm)
        elif self._size >= FULL and not self._hurried:
            self._hurried = True
            self._loop.call_soon_threadsafe(self._arm)

    def again(self) -> None:
        """On the loop: deliver soon once more, also where nothing comes; there is work left."""
        self._more = True
        if not self._armed:
            self._armed = True
            self._timer = self._loop.call_later(self._interval, self._flush)

    def _arm(self) -> None:
        now = self._loop.time()
        if self._timer is not None:
            self._timer.cancel()
        if now - self._last >= self._interval:
            self._flush()  # the first event after a silence is shown at once
        else:
            due = self._last + SHORTEST if self._hurried else now + self._interval
            self._timer = self._loop.call_at(due, self._flush)

    def _flush(self) -> None:
        self._armed = self._hurried = False  # before the queue is emptied: what comes from now on arms anew
        self._timer = None
        self._size = 0
        batch = []
        while self._events:
            batch.append(self._events.popleft())
        if self._broken or not (batch or self._more):
            return
        self._more = False
        try:
            self._deliver(batch)
        except Exception:
            self._broken = True
            _logger.warning("the display failed, and shows nothing more of this turn", exc_info=True)
        self._last = self._loop.time()

    async def drain(self) -> None:
        """On the loop: deliver what is left, after the batch before and never in one burst with it."""
        await asyncio.sleep(max(0.0, self._last + SHORTEST - self._loop.time()))
        if self._timer is not None:
            self._timer.cancel()
        self._flush()
