"""The guard that ends an attempt which says nothing."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from chatkit.clock import Clock, Timer


class SilenceGuard(msgspec.Struct):
    """Calls `fire` once when nothing was said for so many seconds; 0 or less means never.

    It has one timer: whoever reads sets `since` to the time of the last piece, which costs no more than reading the clock.
    """

    clock: Clock
    seconds: float
    fire: Callable[[], object]
    since: float = 0.0
    fired: bool = False
    timer: Timer | None = None

    def start(self) -> None:
        """Begin anew with all the seconds."""
        self.stop()
        self.since = self.clock.monotonic()
        if self.seconds > 0:
            self.timer = self.clock.call_later(self.seconds, self._due)

    def shorten(self, seconds: float) -> None:
        """Begin anew with at most so many seconds."""
        self.seconds = min(self.seconds, seconds) if self.seconds > 0 else seconds
        self.start()

    def stop(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def _due(self) -> None:
        left = self.since + self.seconds - self.clock.monotonic()
        if left > 1e-6:
            self.timer = self.clock.call_later(left, self._due)
            return
        self.timer = None
        self.fired = True
        self.fire()


def duration(seconds: float) -> str:
    """A number of seconds in words.

    >>> duration(600), duration(60), duration(1.5)
    ('10 minutes', '60 seconds', '1.5 seconds')
    """
    return f"{seconds / 60:g} minutes" if seconds >= 120 and seconds % 60 == 0 else f"{seconds:g} seconds"
