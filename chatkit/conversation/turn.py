"""One turn of a chat: the handle that starts and stops it, and the steps that answer its prompt."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec.structs import replace

from chatkit import bridge
from chatkit.clock import Clock
from chatkit.conversation.arguments import Given
from chatkit.conversation.hub import Subscriber
from chatkit.conversation.prompt import repair, visible_to_model
from chatkit.conversation.replies import Answer, Reply
from chatkit.display.environment import current_cell
from chatkit.errors import Stopped
from chatkit.events import ErrorEvent, Event, MessagePart, Status
from chatkit.fold import Transcript
from chatkit.parts import Part, Role
from chatkit.providers.decoding import Finish, Piece
from chatkit.providers.encoding import Request
from chatkit.providers.http import Provider
from chatkit.retries.backoff import RetryPolicy
from chatkit.retries.log import AttemptRecord
from chatkit.retries.loop import RetriedCall, RetryLoop, drive_async
from chatkit.retries.notice import RetryNotice
from chatkit.retries.wake import Wake

if TYPE_CHECKING:
    from chatkit.display.opening import Display

_logger = logging.getLogger("chatkit")


class Sink(Protocol):
    """Where the steps of a turn leave their events and messages: a `Hub`."""

    @property
    def chat_id(self) -> str: ...

    @property
    def transcript(self) -> Transcript: ...

    def publish(self, *events: Event) -> None: ...

    def commit(self, role: Role, parts: tuple[Part, ...], **fields: Any) -> None: ...


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a turn runs with, as it was when the turn was claimed. Limits are in seconds, the context in tokens."""

    provider: Provider
    system: str
    options: dict[str, Any]
    policy: RetryPolicy
    elapsed_limit: float | None
    silence_timeout: float
    context_limit: int | None
    clock: Clock
    notify: Callable[[RetryNotice], Awaitable[object]] | None


class Turn:
    """The handle of one turn, which the chat's worker does on the bridge's loop: the prompt, and what was given with it.

    `opener` is called by `caller`, in whose cell the display is then; `opened` is true when that is done. With `replaces`, the
    prompt takes the place of the last one, whose answer is removed. With `waits`, it begins when the running turn is over.
    """

    def __init__(
        self,
        prompt: tuple[Part, ...],
        given: Given,
        settings: Settings,
        caller: bridge.Caller,
        *,
        replaces: bool = False,
        waits: bool = False,
    ) -> None:
        self.prompt = prompt
        self.given = given
        self.settings = settings
        self.replaces = replaces
        self.waits = waits
        self._ended = asyncio.Event()
        self.subscribers: list[Subscriber] = []
        self.opener: Callable[[], Display | None] | None = None
        self.opened = self.stopping = False
        self._caller = caller
        self._records: list[AttemptRecord] = []
        self._first = 0
        self._wake = Wake()
        self._display: Display | None = None
        self._cell: object = None
        self._task: asyncio.Task[object] | None = None
        self._on_stop: Callable[[], None] | None = None
        self._began = settings.clock.monotonic()
        self._pid = os.getpid()

    async def open(self) -> None:
        """The current task does the turn. Have the display opened."""
        self._task = asyncio.current_task()
        if self.stopping:
            raise Stopped("stopped before it began")
        if self.opener:
            try:
                await self._caller.call(self._open, self.opener)
            except asyncio.CancelledError:
                if not (self.opened and self.stopping):
                    raise
        if self._display:
            self.subscribers.append(self._display.apply)

    async def wait_for(self, other: Turn, chat_id: str) -> None:
        """Wait until another turn is over, and show that."""
        if self._display:
            self._display.apply(Status(chat_id=chat_id, status="pending"))
        try:
            await other._ended.wait()
        except asyncio.CancelledError:
            if not self.stopping:
                raise
            raise Stopped("stopped before it began") from None

    def claim(self, records: list[AttemptRecord]) -> None:
        """The chat is this turn's from now on: it adds its attempts to these records."""
        self._records, self._first = records, len(records)
        self._began = self.settings.clock.monotonic()

    def _open(self, opener: Callable[[], Display | None]) -> None:
        self._display = opener()
        self._cell = current_cell() if self._display else None
        self.opened = True

    async def close(self) -> None:
        """End the display, and wait until all is shown; a display that fails doesn't cost the reply."""
        try:
            if self._display and (shown := self._display.close()):
                await asyncio.wait([shown.task], timeout=bridge.GRACE)
        except Exception:
            _logger.exception("the display failed at the end of a turn")

    def stop(self) -> None:
        """Stop the turn, and keep the partial reply. From any thread; returns at once."""
        bridge.loop().call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if self.stopping or self.over:
            return
        self.stopping = True
        if self._task is not None:
            self._task.cancel()
        if self._on_stop is not None:
            self._on_stop()

    def retry_now(self) -> None:
        """End the current wait. From any thread; returns at once."""
        self._wake.set()

    @property
    def over(self) -> bool:
        """Whether the turn has ended."""
        return self._ended.is_set()

    @property
    def alive(self) -> bool:
        """Whether the turn has still to end in this process: a fork does not take it along."""
        return not self.over and self._pid == os.getpid()

    def running(self, on_stop: Callable[[], None]) -> None:
        """Have `on_stop` called once when the turn is stopped."""
        self._on_stop = on_stop
        if self.stopping and self._task is not None:  # stopped as its display opened
            self._task.cancel()
            on_stop()

    def end(self) -> None:
        """The turn is over; stopping it does nothing from now on."""
        self._ended.set()

    def reply(self, transcript: Transcript) -> Reply:
        """The reply at the end of the turn, of which this is the transcript."""
        answer = Answer(transcript, self.settings.clock.monotonic() - self._began)
        return Reply(answer, tuple(self._records[self._first :]), shown_in=self._cell)

    async def answer(self, sink: Sink) -> None:
        """Answer the last message of the sink's transcript, and commit the answer there.

        A failure is published as an `ErrorEvent` and raised. When the task is cancelled, the partial answer is committed.
        """
        s, provider, chat_id, step, seq = self.settings, self.settings.provider, sink.chat_id, 1, 0

        def observe(notice: RetryNotice) -> object:
            sink.publish(notice.event(chat_id))
            return s.notify(notice) if s.notify else None

        loop = RetryLoop(
            RetriedCall(operation="chat", chat=chat_id, provider=provider.name, model=provider.model, step=step),
            policy=s.policy,
            limit=s.elapsed_limit,
            clock=s.clock,
            observe=observe,
            ended=lambda notice, waited_ms: sink.publish(replace(notice.event(chat_id), waited_ms=waited_ms)),
            record=self._records.append,
        )
        messages = repair(visible_to_model(sink.transcript.messages))
        request = Request(model=provider.model, messages=messages, system=s.system, options=s.options)

        def take(pieces: list[Piece]) -> None:
            nonlocal seq
            loop.paid = True
            events, number = [], loop.attempt
            for index, part in pieces:
                seq += 1
                events.append(MessagePart(chat_id=chat_id, role="assistant", part=part, step=step, attempt=number, index=index, seq=seq))
            sink.publish(*events)

        def attempt() -> Awaitable[Finish]:
            return provider.stream(request, take, clock=s.clock, silence_timeout=s.silence_timeout, opened=loop.opened)

        try:
            finish = await drive_async(loop, attempt, self._wake)
        except asyncio.CancelledError:
            if partial := sink.transcript.parts:
                sink.commit("assistant", partial, model=provider.model)
            raise
        except Exception:
            assert loop.failure is not None
            sink.publish(ErrorEvent.of(loop.failure, chat_id))
            raise
        usage = finish.usage
        if usage is not None and usage.context_limit is None:
            usage = replace(usage, context_limit=s.context_limit)
        # Here a step ends. With tools, its calls are run, and their results committed with it; the next step follows.
        sink.commit(
            "assistant",
            sink.transcript.parts,
            model=finish.model or provider.model,
            usage=usage,
            stop_reason=finish.stop_reason,
            provider_stop_reason=finish.provider_stop_reason,
        )
