"""`Chat.view`: one view of a chat, which any number of cells can show."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from chatkit.bridge import Waiter, call_soon, spawn
from chatkit.conversation.asking import ChatCommands
from chatkit.conversation.hub import Subscriber
from chatkit.errors import ChatkitError

if TYPE_CHECKING:
    from chatkit.conversation.interface import Chat
    from chatkit.display.chat_view import LiveChat
    from chatkit.display.widget import ChatView


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
