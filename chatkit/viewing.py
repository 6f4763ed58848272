"""`Chat.view`: the living view of a chat, opened once, and what a person can ask of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chatkit.bridge import Waiter, call_soon, spawn
from chatkit.display.wire import Offer
from chatkit.errors import UsageError
from chatkit.parts import Message, Part, Text
from chatkit.service.hub import Each
from chatkit.service.worker import Worker

if TYPE_CHECKING:
    from chatkit.display.whole_chat import ChatDisplay, ShownChat

__all__ = ["Viewer"]


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
        self._hub, self._model = worker.hub, model
        self._controls = _Wishes(worker, ask)
        self._display: ChatDisplay | None = None
        self._leave: Callable[[], None] | None = None

    def widget(self) -> ShownChat:
        """The widget, made at first use, and anew where it was closed."""
        from chatkit.display.whole_chat import ChatDisplay

        if self._display is None:
            display = ChatDisplay(self._controls, model=self._model, closed=self._closed)

            async def subscribe() -> Callable[[], None]:
                leave = self._hub.listen(Each(display.apply), 0)
                await display.settled()
                return leave

            self._leave = Waiter().wait(spawn(subscribe()))
            self._display = display
            return display.open()
        widget = self._display.widget
        assert widget is not None
        return widget

    def end(self, why: str) -> None:
        """Nothing can be asked any more, and the view says why."""
        if self._display is not None:
            self._display.end(why)

    def _closed(self) -> None:
        leave, self._leave, self._display = self._leave, None, None
        if leave is not None:
            call_soon(leave)


class _Wishes:
    """What a person can ask of the chat."""

    offers: tuple[Offer, ...] = ("stop", "retry", "again", "send", "replace")

    def __init__(self, worker: Worker, ask: Callable[..., object]) -> None:
        self._worker = worker
        self._ask = ask

    def stop(self) -> None:
        if turn := self._worker.turn:
            turn.stop()

    def retry_now(self) -> None:
        if turn := self._worker.turn:
            turn.retry_now()

    def try_again(self) -> None:
        self._ask(list(self._last().parts), instead=True)

    def send(self, text: str) -> None:
        self._ask(text)

    def replace(self, text: str) -> None:
        if not text.strip():
            raise UsageError("the message is empty")
        files: list[Part] = [part for part in self._last().parts if not isinstance(part, Text)]
        self._ask([Text(text=text), *files], instead=True)

    def promote(self, id: int) -> None:
        raise UsageError("this chat has no queue")

    def delete(self, id: int) -> None:
        raise UsageError("this chat has no queue")

    def edit(self, id: int, text: str) -> None:
        raise UsageError("this chat has no queue")

    def _last(self) -> Message:
        last = next((m for m in reversed(self._worker.hub.messages) if m.role == "user"), None)
        if last is None:
            raise UsageError("nothing was asked yet")
        return last
