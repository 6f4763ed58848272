"""The silence guard: an attempt that gives nothing for too long is dead."""

from __future__ import annotations

from collections.abc import Callable

from chatkit.clock import Clock, Timer


class SilenceGuard:
    """One timer and a timestamp: a part re-arms it for the price of reading the clock.

    Parameters
    ----------
    clock : Clock
        Tells the time, and fires.
    seconds : float
        How much silence is too much; 0 or less for any.
    fire : callable
        Called once, on the loop, when it was silent for that long.

    Attributes
    ----------
    fired : bool
    since : float
        When something was said last: whoever reads sets it, by the same clock.
    """

    def __init__(self, clock: Clock, seconds: float, fire: Callable[[], object]) -> None:
        self.fired = False
        self._clock = clock
        self._seconds = seconds
        self._fire = fire
        self.since = 0.0
        self._timer: Timer | None = None

    def start(self) -> None:
        """Arm it, anew if it was armed before."""
        self.stop()
        self.since = self._clock.monotonic()
        if self._seconds > 0:
            self._timer = self._clock.call_later(self._seconds, self._due)

    def shorten(self, seconds: float) -> None:
        """From now on, wait at most this long."""
        self._seconds = min(self._seconds, seconds) if self._seconds > 0 else seconds
        self.start()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> None:
        left = self.since + self._seconds - self._clock.monotonic()
        if left > 1e-6:
            self._timer = self._clock.call_later(left, self._due)
            return
        self._timer = None
        self.fired = True
        self._fire()
