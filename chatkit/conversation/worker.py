"""The work on one chat: one turn at a time, begun, interrupted and ended; the title in the background."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from chatkit.bridge import loop as bridge_loop
from chatkit.conversation.hub import Hub, Listener
from chatkit.conversation.run import Settings, run_turn
from chatkit.conversation.titles import fallback_title, generate_title, wants_title
from chatkit.errors import Busy, ChatClosed, ChatkitError, Stopped
from chatkit.events import Reset, Status, StatusWord, TitleEvent
from chatkit.parts import Message, Part
from chatkit.retries.log import AttemptRecord
from chatkit.retries.notice import RetryNotice
from chatkit.retries.wake import Wake

_logger = logging.getLogger("chatkit")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """How a turn ended well, or what was said until it was stopped.

    Attributes
    ----------
    message : Message
    request_id : str or None
    attempts : int
    waited, duration : float
        Seconds.
    """

    message: Message
    request_id: str | None
    attempts: int
    waited: float
    duration: float


class Turn:
    """One turn of a chat, from the moment that it is claimed: the handle that stops it and wakes its waits.

    `instead` says that its question takes the place of the last one, whose answer goes.
    """

    def __init__(self, settings: Settings, *, instead: bool = False) -> None:
        self.settings = settings
        self.instead = instead
        self.records: list[AttemptRecord] = []
        self.wake = Wake()
        self._task: asyncio.Task[object] | None = None
        self._began = settings.clock.monotonic()
        self.stopping = False
        self._over = False
        self._pid = os.getpid()
        self._on_stop: Callable[[], None] | None = None

    def retry_now(self) -> None:
        """End the wait that lasts. From any thread; returns at once."""
        self.wake.set()

    def stop(self) -> None:
        """End the turn; what was said is kept. From any thread; returns at once."""
        bridge_loop().call_soon_threadsafe(self._stop)

    @property
    def alive(self) -> bool:
        """Whether it may still say something: not over, and not left behind by a fork."""
        return not self._over and self._pid == os.getpid()

    def end(self) -> None:
        """It is over: stopping it does nothing from now on."""
        self._over = True

    def _stop(self) -> None:
        if self.stopping or self._over:
            return
        self.stopping = True
        if self._task:
            self._task.cancel()
        if self._on_stop:
            self._on_stop()

    def running(self, on_stop: Callable[[], None]) -> None:
        """The current task does the turn."""
        self._task = asyncio.current_task()
        self._on_stop = on_stop
        if self.stopping and self._task:
            self._task.cancel()
            on_stop()

    def answer(self, message: Message, request_id: str | None) -> Answer:
        return Answer(
            message=message,
            request_id=request_id,
            attempts=len(self.records),
            waited=sum(r.waited_ms for r in self.records) / 1000,
            duration=self.settings.clock.monotonic() - self._began,
        )


class Worker:
    """One chat's turns, one after another.

    Parameters
    ----------
    hub : Hub
        Where everything is said.
    title : str or None
        ``""`` to have one made; None for none at all; else the title.
    """

    def __init__(self, hub: Hub, title: str | None = "") -> None:
        self.hub = hub
        self.records: list[AttemptRecord] = []
        self.title = title or ""
        self._titled = title == ""
        self._fallback = ""
        self._title_task: asyncio.Task[None] | None = None
        if self.title:
            hub.transcript.apply(TitleEvent(chat_id=hub.chat_id, title=self.title))
        self._claim = threading.Lock()
        self._turn: Turn | None = None
        self._closed = False
        self._unanswered: int | None = None  # the last id before a question that got no answer

    @property
    def turn(self) -> Turn | None:
        """The turn that runs."""
        turn = self._turn
        return turn if turn is not None and turn.alive else None

    @property
    def closed(self) -> bool:
        """Whether it takes no more turns."""
        return self._closed

    def claim(self, settings: Settings, *, instead: bool = False) -> Turn:
        """Begin a turn, from any thread; `instead` of the last question and its answer, or after them.

        Raises
        ------
        Busy
            One is running.
        ChatClosed
            The chat was closed.
        """
        with self._claim:
            if self._closed:
                raise ChatClosed("this chat is closed: open a new one with chatkit.Chat(...)")
            if self.turn is not None:
                raise Busy("a turn is running in this chat: wait for it, stop it (chat.stop()), or ask in another chat")
            self._turn = Turn(settings, instead=instead)
            return self._turn

    def release(self, turn: Turn) -> None:
        """The turn is over, or never ran."""
        turn.end()
        with self._claim:
            if self._turn is turn:
                self._turn = None

    def close(self) -> None:
        """End what runs, and take no more."""
        with self._claim:
            self._closed = True
            turn = self._turn
        if turn:
            turn.stop()

    async def run(
        self,
        turn: Turn,
        question: tuple[Part, ...],
        listeners: Sequence[Listener] = (),
        notify: Callable[[RetryNotice], Awaitable[object]] | None = None,
    ) -> Answer:
        """Ask, and answer. On the bridge's loop.

        Parameters
        ----------
        turn : Turn
            From `claim`; it is released here.
        question : tuple of Part
        listeners : sequence of Listener
            They hear this turn alone.
        notify : callable, optional
            Hears of every wait before it begins.

        Raises
        ------
        ProviderError
            The last attempt's failure. The question stays visible; the next turn withdraws it.
        Stopped
            Somebody stopped it; `reply` holds the `Answer` with what was said, or None.
        """
        leave = [self.hub.listen(listener) for listener in listeners]
        hub, settings = self.hub, turn.settings
        try:
            turn.running(lambda: self._status("interrupting"))
            self._withdraw(self._before_last_question() if turn.instead else self._unanswered)
            before = hub.last_id
            hub.commit("user", question)
            titling = self._titled and wants_title(hub.messages, "" if self.title == self._fallback else self.title)
            if titling:
                self.title = self._fallback = fallback_title(hub.messages[-1].text)
                self.announce_title()
            if not turn.stopping:
                self._status("running")
            try:
                message, request_id = await run_turn(
                    hub.messages,
                    settings,
                    hub,
                    turn.wake,
                    chat_id=hub.chat_id,
                    record=lambda r: self._record(turn, r),
                    notify=notify,
                )
            except asyncio.CancelledError:
                said = self._end_interrupted(turn, before)
                if titling and said:
                    self._start_title(settings)
                if not turn.stopping:
                    raise
                task = asyncio.current_task()
                if task is not None:
                    task.uncancel()
                raise Stopped(_stop_words(said), said) from None
            except BaseException:
                self._unanswered = before
                self._end(turn, "error")
                raise
            self._end(turn, "waiting")
            if titling:
                self._start_title(settings)
            return turn.answer(message, request_id)
        finally:
            self.release(turn)
            for end in leave:
                end()

    def _record(self, turn: Turn, record: AttemptRecord) -> None:
        turn.records.append(record)
        self.records.append(record)

    def _end(self, turn: Turn, word: StatusWord) -> None:
        self.release(turn)  # first: who hears that the chat waits may ask at once
        self._status(word)

    def _status(self, word: StatusWord) -> None:
        self.hub.publish((Status(chat_id=self.hub.chat_id, status=word),))

    def _withdraw(self, after: int | None) -> None:
        self._unanswered = None
        if after is not None:
            self.hub.publish((Reset(chat_id=self.hub.chat_id, after_id=after),))

    def _before_last_question(self) -> int | None:
        """The last id before the last question; None where there is no question."""
        before = 0
        found = None
        for message in self.hub.messages:
            if message.is_question:
                found = before
            before = message.id
        return found

    def _end_interrupted(self, turn: Turn, before: int) -> Answer | None:
        last = self.hub.messages[-1]
        said = last if last.role == "assistant" and last.id > before else None
        if said is None:
            self._unanswered = before
        self._end(turn, "waiting")
        return turn.answer(said, turn.records[-1].request_id if turn.records else None) if said else None

    def undo(self) -> tuple[Message, ...]:
        """Remove the last question and what followed it; what was removed is returned. On the bridge's loop."""
        after = self._before_last_question()
        if after is None:
            return ()
        removed = tuple(m for m in self.hub.messages if m.id > after)
        self._withdraw(after)
        self._status("waiting")
        return removed

    def announce_title(self) -> None:
        """Tell whoever listens what the chat is called now."""
        self.hub.publish((TitleEvent(chat_id=self.hub.chat_id, title=self.title),))

    def _start_title(self, settings: Settings) -> None:
        if self.title != (expected := self._fallback):  # renamed during the turn
            return
        text = next(m.text for m in self.hub.messages if m.role == "user")

        async def make() -> None:
            try:
                title = await generate_title(text, settings.provider, clock=settings.clock, chat_id=self.hub.chat_id)
            except ChatkitError as error:
                _logger.debug("no title: %s", error)
                return
            if self.title == expected:  # a rename made meanwhile wins
                self.title = title
                self.announce_title()

        self._title_task = asyncio.create_task(make())


def _stop_words(said: Answer | None) -> str:
    if said is None:
        return "nothing was said yet; the next question replaces this one"
    return "what was said until then is kept, in .reply and in the chat's messages"
