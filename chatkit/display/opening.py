"""The doors of the display: what opens one, the events that come in, and the commands that go out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from chatkit.bridge import Work
from chatkit.display.environment import display_mode, stdout_is_terminal
from chatkit.display.messages import CommandName
from chatkit.events import Event


class Display(Protocol):
    """Something that shows one turn, or the waits of one call."""

    def apply(self, event: Event) -> None:
        """Take in an event: from any thread, thousands per second. It never fails."""

    def close(self) -> Work[None] | None:
        """The turn is over: show the end of it, and what stays.

        On any thread but the bridge's it returns when that is done (within a tenth of a second or so); there it returns
        at once. Either way the work, where there is one, is done when all is shown.
        """


class RunningCommands(Protocol):
    """What a person can ask of something that runs. Called from any thread; returns at once."""

    def stop(self) -> None:
        """End it, and keep the partial reply."""

    def retry_now(self) -> None:
        """End the wait that is under way, and try again."""


class Commands(RunningCommands, Protocol):
    """What a person can ask of a turn or of a chat. A `ChatkitError` is a refusal, and its message says why."""

    @property
    def available(self) -> tuple[CommandName, ...]:
        """The commands that there are: no other is called."""

    def try_again(self, show: Callable[[Commands], Display] | None = None) -> None:
        """Ask once more what got no answer, and show it in the display that `show` opens."""

    def send(self, text: str) -> None:
        """Ask this."""

    def replace(self, text: str) -> None:
        """Ask this in place of the last prompt, whose answer is removed."""

    def promote(self, id: int) -> None:
        """Let this queued message go first, and interrupt the turn for it."""

    def delete(self, id: int) -> None:
        """Remove this message from the queue."""

    def edit(self, id: int, text: str) -> None:
        """Change the text of this queued message."""


def open_turn_display(commands: Commands, *, model: str, prompt: str = "", reply_name: str = "") -> Display:
    """Show one turn in whatever way fits the place; call it in the cell that the output belongs to.

    `reply_name` is where a person finds the reply that Try again brings. Raises `UsageError` where ``CHATKIT_DISPLAY`` holds an
    unknown word.
    """
    match display_mode():
        case "live":
            from chatkit.display.view import LiveTurn

            return LiveTurn(commands, model=model, prompt=prompt, reply_name=reply_name)
        case "static":
            from chatkit.display.document import turn_document
            from chatkit.display.outputs import StaticDisplay

            return StaticDisplay(partial(turn_document, model=model, prompt=prompt))
        case "terminal":
            from chatkit.display.terminal import TerminalDisplay, TerminalLine

            return TerminalDisplay() if stdout_is_terminal() else TerminalLine()
        case "off":
            return NoDisplay()


def open_retry_display(commands: RunningCommands, *, name: str) -> Display:
    """Show the waits of one call of `chatkit.retry` under the function's name; where there are none, nothing.

    The error that ended the call is applied to it as an event, of kind ``canceled`` where a person stopped it. Raises
    `UsageError` where ``CHATKIT_DISPLAY`` holds an unknown word.
    """
    match display_mode():
        case "live":
            from chatkit.display.view import LiveRetry

            return LiveRetry(commands, name=name)
        case "static":
            from chatkit.display.document import retry_document
            from chatkit.display.outputs import StaticDisplay

            return StaticDisplay(partial(retry_document, name=name))
        case "terminal":
            from chatkit.display.terminal import TerminalLine

            return TerminalLine()
        case "off":
            return NoDisplay()


class NoDisplay:
    """A display that shows nothing."""

    def apply(self, event: Event) -> None:
        pass

    def close(self) -> None:
        pass
