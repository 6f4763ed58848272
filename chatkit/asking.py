"""A question on its way: its turn, its display, and the future of its reply."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chatkit.bridge import Awaiter, Caller, Waiter, spawn
from chatkit.display.environment import current_cell
from chatkit.errors import Stopped
from chatkit.events import Event
from chatkit.parts import Part, text_of
from chatkit.replies import Reply
from chatkit.retries.notice import RetryNotice
from chatkit.service.hub import Listener
from chatkit.service.worker import Answer, Turn, Worker

if TYPE_CHECKING:
    from chatkit.display.protocol import Display

__all__ = ["Question"]


class _Shown:
    """A display as a listener of the hub."""

    def __init__(self, display: Display) -> None:
        self._display = display

    def push(self, events: Sequence[Event]) -> None:
        for event in events:
            self._display.apply(event)


class Question:
    """One question of a chat, asked at once.

    Parameters
    ----------
    worker : Worker
        The chat's.
    turn : Turn
        Claimed from it; it is released when the turn ends.
    parts : tuple of Part
        What is asked.
    caller : Caller
        Where callbacks run.
    on_retry : callable or None
        Hears of every wait.
    model : str
        The label for the display.
    shown : bool
        Whether it is shown.
    listeners : sequence of Listener
        They hear this turn as well.
    detached : bool
        Nobody waits: the display is closed when the turn ends, not by the waiting caller.

    Attributes
    ----------
    future : concurrent.futures.Future of Reply
    """

    def __init__(
        self,
        worker: Worker,
        turn: Turn,
        parts: tuple[Part, ...],
        caller: Caller,
        *,
        on_retry: Callable[[RetryNotice], object] | None,
        model: str,
        shown: bool,
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
        self._cell = current_cell() if shown else None
        if shown:
            from chatkit.display.opening import open_chat_display

            self._display = open_chat_display(turn, model=model, question=text_of(parts))
            self._listeners.append(_Shown(self._display))
        self.future: concurrent.futures.Future[Reply] = spawn(self._work())

    async def _work(self) -> Reply:
        try:
            return self._reply(await self._worker.run(self.turn, self._parts, self._listeners, self._notify))
        except Stopped as stopped:
            if isinstance(stopped.reply, Answer):
                stopped.reply = self._reply(stopped.reply)
            raise
        finally:
            if self._detached and self._display and (shown := self._display.close()):
                await asyncio.wrap_future(shown)  # the reply is there when it can be seen

    async def _notify(self, notice: RetryNotice) -> None:
        if self._on_retry:
            await self._caller.call(self._on_retry, notice)

    def _reply(self, answer: Answer) -> Reply:
        return Reply(answer, tuple(self.turn.records), shown_in=self._cell)

    def wait(self, waiter: Waiter) -> Reply:
        """Wait plainly; an interrupt stops the turn."""
        try:
            return waiter.wait(self.future, interrupt=self.turn.stop)
        finally:
            if self._display:
                self._display.close()

    async def wait_async(self, awaiter: Awaiter) -> Reply:
        """Wait awaiting; cancelling stops the turn."""
        try:
            return await awaiter.wait(self.future, interrupt=self.turn.stop)
        finally:
            if self._display:
                self._display.close()
