"""A question on its way: its turn, its display, and the future of its reply."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from chatkit.bridge import Awaiter, Caller, Waiter, spawn
from chatkit.conversation.hub import Each, Listener
from chatkit.conversation.replies import Reply
from chatkit.conversation.worker import Answer, Turn, Worker
from chatkit.display.environment import current_cell
from chatkit.errors import Stopped
from chatkit.parts import Part
from chatkit.retries.notice import RetryNotice

if TYPE_CHECKING:
    from chatkit.display.opening import Commands as TurnControls
    from chatkit.display.opening import Display

_logger = logging.getLogger("chatkit")


Opener = Callable[["TurnControls"], "Display"]
"""Opens the display of a turn."""


def display_opener(model: str, question: str) -> Opener:
    """Opens the display that fits the place.

    Parameters
    ----------
    model : str
        The model's label.
    question : str
        What is asked.
    """

    def show(controls: TurnControls) -> Display:
        from chatkit.display.opening import open_turn_display

        return open_turn_display(controls, model=model, prompt=question)

    return show


class _Wishes:
    available: tuple[Any, ...] = ("stop", "retry", "again")

    """What a person can ask of a question's turn."""

    def __init__(self, turn: Turn, again: Callable[[Opener], object]) -> None:
        self.stop, self.retry_now = turn.stop, turn.retry_now
        self._again = again

    def try_again(self, show: Opener | None = None) -> None:
        if show:
            self._again(show)

    def _refuse(self, *_: object) -> None:
        raise NotImplementedError

    send = replace = promote = delete = edit = _refuse


class Question:
    """One question of a chat: shown at once, asked by `start` or by waiting for it.

    Parameters
    ----------
    worker : Worker
        The chat's.
    turn : Turn
        Claimed from it; it is released when the turn ends, or the display can't be opened.
    parts : tuple of Part
        What is asked.
    caller : Caller
        Where callbacks run.
    on_retry : callable or None
        Hears of every wait.
    show : callable, optional
        Opens the display that shows it.
    again : callable
        Asks the same once more, in a display that its argument opens.
    listeners : sequence of Listener
        They hear this turn as well.
    detached : bool
        Nobody waits: the display is closed when the turn ends, not by the waiting caller.

    Attributes
    ----------
    future : concurrent.futures.Future of Reply
        There once it is started.
    """

    def __init__(
        self,
        worker: Worker,
        turn: Turn,
        parts: tuple[Part, ...],
        caller: Caller,
        *,
        on_retry: Callable[[RetryNotice], object] | None,
        show: Opener | None,
        again: Callable[[Opener], object],
        listeners: Sequence[Listener] = (),
        detached: bool = False,
    ) -> None:
        self.turn = turn
        self._worker = worker
        self._parts = parts
        self._caller = caller
        self._on_retry = on_retry
        self._listeners = list(listeners)
        self._detached = detached
        self._display: Display | None = None
        self._cell = current_cell() if show else None
        if show:
            try:
                self._display = show(_Wishes(turn, again))
            except BaseException:
                worker.release(turn)
                raise
            self._listeners.append(Each(self._display.apply))
        self.future: concurrent.futures.Future[Reply]

    def start(self) -> concurrent.futures.Future[Reply]:
        """Begin; the future has the reply."""
        self.future = spawn(self._work())
        return self.future

    async def _work(self) -> Reply:
        try:
            return self._reply(await self._worker.run(self.turn, self._parts, self._listeners, self._notify))
        except Stopped as stopped:
            if isinstance(stopped.reply, Answer):
                stopped.reply = self._reply(stopped.reply)
            raise
        finally:
            if self._detached and (shown := self._close()):
                await asyncio.wrap_future(shown)  # the reply is there when it can be seen

    def _close(self) -> concurrent.futures.Future[None] | None:
        """End the display; one that fails costs nobody a reply."""
        try:
            return self._display.close() if self._display else None
        except Exception:
            _logger.exception("the display failed at the end of a turn")
            return None

    async def _notify(self, notice: RetryNotice) -> None:
        if self._on_retry:
            await self._caller.call(self._on_retry, notice)

    def _reply(self, answer: Answer) -> Reply:
        return Reply(answer, self._worker.hub.transcript.last_turn(), shown_in=self._cell)

    def wait(self, waiter: Waiter) -> Reply:
        """Start, and wait plainly; an interrupt stops the turn."""
        try:
            return waiter.wait(self.start(), interrupt=self.turn.stop)
        except BaseException:
            self.turn.stop()  # wherever the interrupt came
            raise
        finally:
            self._close()

    async def wait_async(self, awaiter: Awaiter) -> Reply:
        """Start, and wait awaiting; cancelling stops the turn."""
        try:
            return await awaiter.wait(self.start(), interrupt=self.turn.stop)
        finally:
            self._close()
