"""The display's two doors: events come in through `Display.apply`, the person's wishes go out through its controls."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from chatkit.display.wire import Command, Offer, RetryNow, Stop
from chatkit.events import Event


class Controls(Protocol):
    """What a person can ask for while something runs. Called from any thread, and must return at once."""

    def stop(self) -> None:
        """End the turn, and keep what was said."""

    def retry_now(self) -> None:
        """End the wait that lasts, and try again."""


class TurnControls(Controls, Protocol):
    """What a person can ask of one turn."""

    def try_again(self, show: Callable[[TurnControls], Display]) -> None:
        """Ask once more what got no answer, and show it in the display that `show` opens.

        Raises
        ------
        ChatkitError
            It can't be asked now; the message says why.
        """


class ChatControls(Controls, Protocol):
    """What a person can ask of a whole chat. What raises a `ChatkitError` was refused, and its message says why."""

    @property
    def offers(self) -> tuple[Offer, ...]:
        """What there is: nothing else is called."""

    def try_again(self) -> None:
        """Ask once more what got no answer."""

    def send(self, text: str) -> None:
        """Ask this."""

    def replace(self, text: str) -> None:
        """Ask this in place of the last question, whose answer goes."""

    def promote(self, id: int) -> None:
        """Let this queued message go first, and interrupt for it."""

    def delete(self, id: int) -> None:
        """Take this message out of the queue."""

    def edit(self, id: int, text: str) -> None:
        """Change the text of this queued message."""


class Display(Protocol):
    """Something that shows one turn, or the waits of one call."""

    def apply(self, event: Event) -> None:
        """Take in an event: from any thread, thousands a second. It never fails."""

    def close(self) -> Future[None] | None:
        """The turn is over: show the last of it, and what stays.

        On another thread than the bridge's it returns when that is done (within a tenth of a second or so); on the
        bridge's it returns at once. Either way the future, where there is one, is done when all is shown.
        """


def obey(command: Command, controls: Controls) -> None:
    """Stop, or retry now; other commands aren't for what runs."""
    match command:
        case Stop():
            controls.stop()
        case RetryNow():
            controls.retry_now()
        case _:
            pass
