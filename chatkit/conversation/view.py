"""What the displays of a chat ask of it, and `Chat.view`: one view of a chat, which any number of cells can show."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from chatkit.bridge import Waiter, call_soon, spawn
from chatkit.conversation.hub import Subscriber
from chatkit.conversation.turn import Turn
from chatkit.display.environment import shows_by_default
from chatkit.display.messages import CommandName
from chatkit.errors import ChatkitError, UsageError
from chatkit.parts import Part, Text, text_of

if TYPE_CHECKING:
    from chatkit.conversation.interface import Chat
    from chatkit.display.chat_view import LiveChat
    from chatkit.display.opening import Commands, Display
    from chatkit.display.widget import ChatView

Opener = Callable[["Commands"], "Display"]
Show = bool | Opener | None
"""Whether a turn is shown, or what opens its display; None for what fits the place."""


def display_opener(show: Show, model: str, prompt: tuple[Part, ...], reply_name: str) -> Opener | None:
    """What opens the display of a turn, whose reply a person finds under this name; None where nothing is shown."""
    if show is None:
        show = shows_by_default()
    if show is False:
        return None
    from chatkit.display.opening import open_turn_display  # not loaded where nothing is shown

    return partial(open_turn_display, model=model, prompt=text_of(prompt), reply_name=reply_name) if show is True else show


class ChatCommands:
    """What the buttons of a display ask of a chat, or of the one turn that is shown; that turn was asked with these options."""

    def __init__(self, chat: Chat, turn: Turn | None = None, options: Mapping[str, Any] | None = None) -> None:
        self.available: tuple[CommandName, ...] = ("stop", "retry", "again") if turn else ("stop", "retry", "again", "send", "replace")
        self._chat, self._turn, self._options = chat, turn, options

    def stop(self) -> None:
        (self._turn or self._chat).stop()

    def retry_now(self) -> None:
        if turn := self._turn or self._chat._worker.turn:
            turn.retry_now()

    def try_again(self, show: Opener | None = None) -> None:
        """Ask once more what got no answer: the turn's prompt in a display that `show` opens, or the chat's last prompt."""
        if self._turn is not None:
            self._chat._start(self._turn.prompt, show=show, options=self._options)
        elif self._chat._worker.turn is None and self._chat._hub.transcript.error is None:
            raise UsageError("the last prompt has its answer")  # a second click, which came late
        else:
            self._chat._start(self._last_prompt(), show=False, replaces=True)

    def send(self, text: str) -> None:
        self._chat._start(text, show=False)

    def replace(self, text: str) -> None:
        """Ask this in place of the last prompt, with the files of that."""
        if not text.strip():
            raise UsageError("the message is empty")
        others = [part for part in self._last_prompt() if not isinstance(part, Text)]
        self._chat._start([Text(text=text), *others], show=False, replaces=True)

    def _last_prompt(self) -> tuple[Part, ...]:
        if prompt := self._chat._worker.last_prompt():
            return prompt
        raise UsageError("nothing was asked yet")

    def _refuse(self, *_: object) -> None:
        raise UsageError("this chat has no queue")

    promote = delete = edit = _refuse


def subscribe(chat: Chat, subscriber: Subscriber, after_id: int = 0) -> Callable[[], object]:
    """Give a subscriber the events of a chat, first those after a message; what is returned ends it. Both from any thread."""
    leave = Waiter().wait(call_soon(lambda: chat._hub.subscribe(subscriber, after_id)))

    def end() -> None:
        with contextlib.suppress(ChatkitError):  # Python is ending, and with it the loop
            call_soon(leave)

    return end


class Viewer:
    """Opens the view of one chat."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._opening = threading.Lock()
        self._display: LiveChat | None = None
        self._widget: ChatView | None = None

    def widget(self) -> ChatView:
        """The widget: the same one until it is closed."""
        with self._opening:
            if self._widget is None:
                self._widget = self._open()
            return self._widget

    def _open(self) -> ChatView:
        from chatkit.display.chat_view import LiveChat

        def closed() -> None:  # on any thread, and without the lock: the garbage collector may call it
            if self._display is display:
                self._display = self._widget = None
            leave()

        display = LiveChat(ChatCommands(self._chat), model=self._chat.model, label=self._chat._prompted()[0], closed=closed)
        leave = subscribe(self._chat, display.apply)
        try:
            Waiter().wait(spawn(display.settled()))
        except BaseException:
            leave()
            raise
        self._display = display
        if self._chat._worker.closed:
            display.end()
        return display.open()

    def relabel(self, label: str) -> None:
        """A turn begins: the view says with which model and which instructions."""
        if (display := self._display) is not None:
            display.label = label

    def end(self) -> None:
        """The chat was closed: the view says so, and nothing can be asked in it any more."""
        if (display := self._display) is not None:
            display.end()
