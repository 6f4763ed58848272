"""The view of a chat of which only its events are left: a recording, a gallery, a test."""

from __future__ import annotations

from collections.abc import Iterable

from chatkit import bridge
from chatkit.display.chat_view import LiveChat
from chatkit.display.messages import CommandName
from chatkit.display.widget import ChatView
from chatkit.errors import UsageError
from chatkit.events import Event


class NoCommands:
    """The commands of a chat of which only its events are left: they are offered, and refused."""

    def __init__(self, available: tuple[CommandName, ...]) -> None:
        self.available = available

    def _refuse(self, *_: object) -> None:
        raise UsageError("these are recorded events: there is no chat behind them")

    stop = retry_now = try_again = send = replace = promote = delete = edit = _refuse


def show_events(events: Iterable[Event], *, model: str = "demo", commands: tuple[CommandName, ...] = (), age: float = 0.0) -> ChatView:
    """The view of a chat of which only its events are left.

    Parameters
    ----------
    events : iterable of Event
        What happened, in order; `chatkit.events` has the classes.
    model : str
        The model's label.
    commands : tuple of str
        The buttons of the view: ``stop``, ``retry``, ``again``, ``send``, ``replace``, ``queue``, ``promote``, ``delete``,
        ``edit``. When they are pressed, they say that there is no chat.
    age : float
        Seconds since the last of the events.

    Examples
    --------
    >>> from chatkit.events import Status
    >>> view = show_events([Status(chat_id="c", status="running")])
    >>> view.state.snapshot()["status"]
    'answering'
    """
    live = LiveChat(NoCommands(commands), model=model, closed=lambda: None)
    for event in events:
        live.apply(event)
    bridge.Waiter().wait(bridge.spawn(live.settled()))
    live.rewind(age)
    return live.open()
