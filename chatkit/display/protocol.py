"""The display's two doors: events come in through `Display.apply`, the person's wishes go out through `Controls`."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Protocol

from chatkit.events import Event

__all__ = ["Controls", "Display"]


class Controls(Protocol):
    """What a person can ask for. Called from any thread, and must return at once."""

    def stop(self) -> None:
        """End the turn, and keep what was said."""

    def retry_now(self) -> None:
        """End the wait that lasts, and try again."""


class Display(Protocol):
    """Something that shows one turn, or the waits of one call."""

    def apply(self, event: Event) -> None:
        """Take in an event: from any thread, thousands a second. It never fails."""

    def close(self) -> Future[None] | None:
        """The turn is over: show the last of it, and what stays.

        On another thread than the bridge's it returns when that is done (within a tenth of a second or so); on the
        bridge's it returns at once. Either way the future, where there is one, is done when all is shown.
        """
