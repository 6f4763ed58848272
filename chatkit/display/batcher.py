"""A view brought up to date in batches: every 50 ms, or when 4 kB of text have come together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from chatkit import bridge

INTERVAL = 0.05
"""Seconds between batches. One message per token would cost fifteen times the bytes, and wedge a browser."""
MAX_TEXT = 4096
"""Characters of text that don't wait for the timer."""
SHORTEST = 0.01
"""Seconds between batches even so, and before the last: Jupyter Server drops messages above 1,000 per second."""

_logger = logging.getLogger("chatkit")


class Batcher:
    """Calls `deliver` on the bridge's loop for many changes at a time.

    What it raises is logged, and ends the deliveries: a display that fails must not stop the turn that it shows.
    """

    def __init__(self, deliver: Callable[[], None], *, interval: float = INTERVAL) -> None:
        self._deliver = deliver
        self._interval = interval
        self._loop = bridge.loop()
        self._size = 0
        self._due = False  # there is something to deliver
        self._armed = self._hurried = self._broken = False
        self._timer: asyncio.TimerHandle | None = None
        self._last = float("-inf")

    def changed(self, size: int = 0) -> None:
        """Have a change delivered, from any thread, with so many characters of text."""
        self._due = True
        self._size += size
        if not self._armed:
            self._armed = True
            self._loop.call_soon_threadsafe(self._arm)
        elif self._size >= MAX_TEXT and not self._hurried:
            self._hurried = True
            self._loop.call_soon_threadsafe(self._arm)

    def _arm(self) -> None:
        now = self._loop.time()
        if self._timer is not None:
            self._timer.cancel()
        if now - self._last >= self._interval:
            self._flush()  # the first change after a silence is shown at once
        else:
            due = self._last + SHORTEST if self._hurried else now + self._interval
            self._timer = self._loop.call_at(due, self._flush)

    def _flush(self) -> None:
        self._timer = None
        if not self._due or self._broken:
            self._armed = self._hurried = False
            return
        self._due = self._armed = self._hurried = False  # before the delivery: a change from now on arms anew
        self._size = 0
        try:
            self._deliver()
        except Exception:
            self._broken = True
            _logger.warning("the display failed, and shows nothing more of this turn", exc_info=True)
        self._last = self._loop.time()

    async def drain(self) -> None:
        """Deliver what is left, on the loop: after the last batch, and never in one burst with it."""
        await asyncio.sleep(max(0.0, self._last + SHORTEST - self._loop.time()))
        if self._timer is not None:
            self._timer.cancel()
        self._flush()
