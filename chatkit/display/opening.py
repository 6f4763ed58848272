"""Which display fits this place, and opening it."""

from __future__ import annotations

from chatkit.display.environment import display_mode
from chatkit.display.protocol import Controls, Display, TurnControls
from chatkit.events import Event


class _Nothing:
    """A display where nobody looks."""

    def apply(self, event: Event) -> None:
        pass

    def close(self) -> None:
        pass


def open_chat_display(controls: TurnControls, *, model: str, question: str = "") -> Display:
    """Show one turn of a chat, in whatever way fits: call it in the cell that the output belongs to.

    Parameters
    ----------
    controls : TurnControls
        What the person's buttons call.
    model : str
        The model's label.
    question : str, default ""
        What was asked: shown where no answer comes.

    Returns
    -------
    Display
        Feed it every event of the turn, then close it.

    Raises
    ------
    UsageError
        ``CHATKIT_DISPLAY`` holds an unknown word.
    """
    match display_mode():
        case "live":
            from chatkit.display.live import LiveChat

            return LiveChat(controls, model=model, question=question)
        case "static":
            from chatkit.display.static_output import StaticChat

            return StaticChat(model=model, question=question)
        case "terminal":
            from chatkit.display.terminal import TerminalLine

            return TerminalLine()
        case "off":
            return _Nothing()


def open_retry_display(controls: Controls, *, name: str) -> Display:
    """Show the waits of one call of `chatkit.retry`; where there are none, nothing.

    Parameters
    ----------
    controls : Controls
        What the person's buttons call.
    name : str
        What the person calls the thing that is retried: the function's name.

    Returns
    -------
    Display
        Feed it the retry events, and the error that ended the call (of kind ``canceled`` where the person stopped it);
        then close it.

    Raises
    ------
    UsageError
        ``CHATKIT_DISPLAY`` holds an unknown word.
    """
    match display_mode():
        case "live":
            from chatkit.display.live import LiveRetry

            return LiveRetry(controls, name=name)
        case "static":
            from chatkit.display.static_output import StaticRetry

            return StaticRetry(name=name)
        case "terminal":
            from chatkit.display.terminal import TerminalLine

            return TerminalLine()
        case "off":
            return _Nothing()
