"""`Chat.view`: the living view of a chat, opened once, and what a person can ask of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from chatkit.bridge import Waiter, call_soon, on_loop, spawn
from chatkit.conversation.hub import Each
from chatkit.conversation.worker import Worker
from chatkit.display.messages import CommandName
from chatkit.errors import UsageError
from chatkit.parts import Message, Part, Text

if TYPE_CHECKING:
    from chatkit.display.view import LiveChat as ChatDisplay
    from chatkit.display.widget import ChatView as ShownChat

_CLOSED = "This chat is closed."


class Viewer:
    """The view of one chat, in as many cells as a person likes.

    Parameters
    ----------
    worker : Worker
        The chat's.
    model : str
        The model's label.
    ask : callable
        Asks a question (a text, or parts) and returns at once; ``instead=True`` in place of the last one.
    """

    def __init__(self, worker: Worker, model: str, ask: Callable[..., object]) -> None:
        self._worker, self._model = worker, model
        self._controls = _Wishes(worker, ask)
        self._opening = threading.Lock()
        self._display: ChatDisplay | None = None
        self._widget: ShownChat | None = None

    def widget(self) -> ShownChat:
        """The widget, made at first use, and anew where it was closed.

        Raises
        ------
        UsageError
            On the bridge's own thread, which would wait for itself.
        """
        if on_loop():
            raise UsageError("a view can't be opened on chatkit's own thread")
        with self._opening:
            if self._widget is None:
                self._widget = self._opened()
            return self._widget

    def _opened(self) -> ShownChat:
        from chatkit.display.view import LiveChat as ChatDisplay

        hub = self._worker.hub
        leave: Callable[[], None] | None = None

        def closed() -> None:  # from any thread, and without the lock: Python calls it where it collects garbage
            if self._display is display:
                self._display = self._widget = None
            if leave is not None:
                call_soon(leave)

        self._display = display = ChatDisplay(self._controls, model=self._model, closed=closed)

        async def subscribe() -> Callable[[], None]:
            leave = hub.listen(Each(display.apply), 0)
            try:
                await display.settled()
            except BaseException:
                leave()
                raise
            return leave

        leave = Waiter().wait(spawn(subscribe()))
        if self._worker.closed:
            display.end(_CLOSED)
        return display.open()

    def end(self) -> None:
        """The chat was closed: nothing can be asked any more, and the view says so."""
        if (display := self._display) is not None:
            display.end(_CLOSED)


class _Wishes:
    """What a person can ask of the chat."""

    available: tuple[CommandName, ...] = ("stop", "retry", "again", "send", "replace")

    def __init__(self, worker: Worker, ask: Callable[..., object]) -> None:
        self._worker = worker
        self._ask = ask

    def stop(self) -> None:
        if turn := self._worker.turn:
            turn.stop()

    def retry_now(self) -> None:
        if turn := self._worker.turn:
            turn.retry_now()

    def try_again(self, show: object = None) -> None:
        if self._worker.turn is None and self._worker.hub.transcript.error is None:
            raise UsageError("the last question has its answer")  # a second click, which came late
        self._ask(list(self._last().parts), instead=True)

    def send(self, text: str) -> None:
        self._ask(text)

    def replace(self, text: str) -> None:
        if not text.strip():
            raise UsageError("the message is empty")
        files: list[Part] = [part for part in self._last().parts if not isinstance(part, Text)]
        self._ask([Text(text=text), *files], instead=True)

    def _refuse(self, *_: object) -> None:
        raise UsageError("this chat has no queue")

    promote = delete = edit = _refuse

    def _last(self) -> Message:
        last = next((m for m in reversed(self._worker.hub.messages) if m.is_question), None)
        if last is None:
            raise UsageError("nothing was asked yet")
        return last
