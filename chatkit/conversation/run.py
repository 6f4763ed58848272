"""One turn of one step: a request with its retries, streamed into a sink and committed at the end.

The sink is the only way out: it stores what is said and tells whoever listens. Whatever ends the turn, the sink knows:
a reply is committed, an interrupt commits what was said, an error withdraws the attempt and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from chatkit.clock import Clock
from chatkit.conversation.prompt import repair, visible_to_model
from chatkit.events import ErrorEvent, Event, MessagePart
from chatkit.parts import Message, Part, Role
from chatkit.providers.decoding import Finish, Piece
from chatkit.providers.encoding import Request
from chatkit.providers.http import Provider
from chatkit.retries.backoff import RetryPolicy
from chatkit.retries.log import AttemptRecord
from chatkit.retries.loop import RetriedCall, RetryLoop, drive_async
from chatkit.retries.notice import RetryNotice
from chatkit.retries.wake import Wake


class Sink(Protocol):
    """Where a turn leaves what it says."""

    def publish(self, events: Sequence[Event]) -> None:
        """Tell whoever listens."""

    def parts(self) -> tuple[Part, ...]:
        """What is in flight, joined."""

    def commit(self, role: Role, parts: tuple[Part, ...], *, model: str | None = None, finish: Finish | None = None) -> Message:
        """Store one message, and tell whoever listens; `finish` is how a reply ended, absent where it was interrupted."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a turn is run with.

    Attributes
    ----------
    provider : Provider
        Whom to ask.
    system : str
        The system prompt.
    options : dict
        Passed through to the provider.
    policy : RetryPolicy
        The numbers of the retries.
    limit : float or None
        Seconds of retrying in all; None for no limit.
    silence_timeout : float
        Seconds without a part after which an attempt counts as dead; 0 for never.
    clock : Clock
        Tells the time.
    context_limit : int or None
        The model's context window in tokens, where the provider doesn't say.
    """

    provider: Provider
    system: str = ""
    options: dict[str, Any] = {}
    policy: RetryPolicy
    limit: float | None
    silence_timeout: float
    clock: Clock
    context_limit: int | None = None


async def run_turn(
    history: Sequence[Message],
    settings: Settings,
    sink: Sink,
    wake: Wake,
    *,
    chat_id: str,
    record: Callable[[AttemptRecord], object],
    notify: Callable[[RetryNotice], Awaitable[object]] | None = None,
) -> tuple[Message, str | None]:
    """Answer the last message of the history.

    Parameters
    ----------
    history : sequence of Message
        The chat, with the message to answer.
    settings : Settings
    sink : Sink
    wake : Wake
        Ends a wait early.
    chat_id : str
    record : callable
        Gets the record of every attempt.
    notify : callable, optional
        Hears of every wait before it begins.

    Returns
    -------
    message : Message
        The committed reply.
    request_id : str or None
        The provider's name for the request that gave it.

    Raises
    ------
    ProviderError
        The last attempt's failure; an `ErrorEvent` was published.
    asyncio.CancelledError
        The turn was interrupted; what was said is committed.
    """
    provider, step, seq = settings.provider, 1, 0
    messages = repair(visible_to_model(history))
    request = Request(model=provider.model, messages=messages, system=settings.system, options=settings.options)

    async def observe(notice: RetryNotice) -> None:
        if notify:
            await notify(notice)

    def withdraw(notice: RetryNotice) -> Awaitable[object]:
        sink.publish((notice.event(chat_id),))
        return observe(notice)

    loop = RetryLoop(
        RetriedCall(operation="chat", chat=chat_id, provider=provider.name, model=provider.model, step=step),
        policy=settings.policy,
        limit=settings.limit,
        clock=settings.clock,
        observe=withdraw,
        record=record,
    )

    async def attempt() -> Finish:
        number = loop.attempt

        def take(pieces: list[Piece]) -> None:
            nonlocal seq
            loop.paid = True
            events: list[Event] = []
            for index, part in pieces:
                seq += 1
                events.append(MessagePart(chat_id=chat_id, role="assistant", part=part, step=step, attempt=number, index=index, seq=seq))
            sink.publish(events)

        return await provider.stream(request, take, clock=settings.clock, silence_timeout=settings.silence_timeout, opened=loop.opened)

    try:
        finish = await drive_async(loop, attempt, wake)
    except asyncio.CancelledError:
        if said := sink.parts():
            sink.commit("assistant", said, model=provider.model)
        raise
    except Exception:
        assert loop.failure is not None
        sink.publish((ErrorEvent.of(loop.failure, chat_id),))
        raise
    if finish.usage is not None and finish.usage.context_limit is None and settings.context_limit is not None:
        finish = replace(finish, usage=replace(finish.usage, context_limit=settings.context_limit))
    message = sink.commit("assistant", sink.parts(), model=finish.model or provider.model, finish=finish)
    return message, loop.request_id
