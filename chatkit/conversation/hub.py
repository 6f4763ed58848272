"""One chat's events: what is stored, who listens, and how a late listener catches up.

A hub lives on the bridge's loop; only `Subscription` crosses threads. Events cross in batches: everything that one turn
of the loop brought goes over at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Protocol

from chatkit.clock import POLL, Clock
from chatkit.events import Event, MessagePart
from chatkit.fold import Transcript, merge
from chatkit.parts import Message, Part, Role
from chatkit.providers.decoding import Finish

_logger = logging.getLogger("chatkit")

SLOW = 1000
"""Events that may wait for a reader before its deltas are merged."""


class Listener(Protocol):
    """Somebody who is told of every event, in order, on the loop's thread."""

    def push(self, events: Sequence[Event]) -> None:
        """Take these over; returns at once."""


class Each:
    """A listener that hands events on one by one.

    Parameters
    ----------
    take : callable
        Gets every event.
    """

    def __init__(self, take: Callable[[Event], object]) -> None:
        self._take = take

    def push(self, events: Sequence[Event]) -> None:
        for event in events:
            self._take(event)


class Hub:
    """The transcript of one chat and its listeners.

    Parameters
    ----------
    chat_id : str
    clock : Clock
        Dates the messages.
    """

    def __init__(self, chat_id: str, clock: Clock) -> None:
        self.chat_id = chat_id
        self.transcript = Transcript()
        self._clock = clock
        self._listeners: list[Listener] = []
        self._pending: list[Event] = []
        self._scheduled = False
        self._last_id = 0

    @property
    def messages(self) -> tuple[Message, ...]:
        """What is stored, by id."""
        return tuple(self.transcript.messages)

    @property
    def last_id(self) -> int:
        """The id that was given last; ids are never given twice."""
        return self._last_id

    def parts(self) -> tuple[Part, ...]:
        """The parts in flight, joined."""
        return self.transcript.parts

    def publish(self, events: Sequence[Event]) -> None:
        """Take events into the transcript and tell every listener.

        Parts go out together with all that this turn of the loop brings; everything else goes out now, after them.
        """
        apply = self.transcript.apply
        for event in events:
            apply(event)
        if not self._listeners:
            return
        self._pending.extend(events)
        if type(events[-1]) is not MessagePart:
            self._flush()
        elif not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        if self._pending:
            batch, self._pending = self._pending, []
            for listener in tuple(self._listeners):
                try:
                    listener.push(batch)
                except Exception:
                    self._listeners.remove(listener)
                    _logger.exception("a listener of %s failed, and hears no more; the turn goes on", self.chat_id)

    def commit(self, role: Role, parts: tuple[Part, ...], *, model: str | None = None, finish: Finish | None = None) -> Message:
        """Store one message under the next id; `finish` is how a reply ended, absent where it was interrupted."""
        self._last_id += 1
        message = Message(
            id=self._last_id,
            chat_id=self.chat_id,
            role=role,
            parts=parts,
            created_at=self._clock.now(),
            model=model,
            usage=finish.usage if finish else None,
            stop_reason=finish.stop_reason if finish else None,
            provider_stop_reason=finish.provider_stop_reason if finish else None,
        )
        self.publish((message,))
        return message

    def listen(self, listener: Listener, after_id: int | None = None) -> Callable[[], None]:
        """Add a listener: what it missed comes first, then what is live, with nothing between.

        Parameters
        ----------
        listener : Listener
        after_id : int, optional
            The last message that it has (0 for none); None where it wants the live events alone.

        Returns
        -------
        callable
            Ends it.
        """
        self._flush()
        self._listeners.append(listener)
        if after_id is not None and (missed := self.transcript.replay(after_id)):
            listener.push(missed)

        def leave() -> None:
            if listener in self._listeners:
                self._flush()
                self._listeners.remove(listener)

        return leave


class Subscription:
    """A queue between the hub and one reader on any thread, plain or awaited.

    A slow reader loses nothing: the deltas that wait for it are merged, so that what waits stays as small as what was said.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[Event] = []
        self._limit = SLOW
        self._ended = False
        self._reader: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def push(self, events: Sequence[Event]) -> None:
        with self._changed:
            self._waiting.extend(events)
            if len(self._waiting) > self._limit:
                self._waiting = merge(self._waiting)
                self._limit = SLOW + len(self._waiting)
            self._notify()

    def end(self) -> None:
        """No more will come."""
        with self._changed:
            self._ended = True
            self._notify()

    def _notify(self) -> None:
        self._changed.notify_all()
        if self._reader:
            loop, event = self._reader
            if not event.is_set():
                with contextlib.suppress(RuntimeError):  # the reader's loop has ended, and the reader with it
                    loop.call_soon_threadsafe(event.set)

    def _take(self) -> list[Event]:
        batch, self._waiting = self._waiting, []
        self._limit = SLOW
        return batch

    def __iter__(self) -> Iterator[list[Event]]:
        """The events in batches, until the end. Interruptible."""
        while True:
            with self._changed:
                while not self._waiting and not self._ended:
                    self._changed.wait(POLL)
                batch = self._take()
                ended = self._ended
            if batch:
                yield batch
            elif ended:
                return

    async def __aiter__(self) -> AsyncIterator[list[Event]]:
        """The same for a coroutine; it keeps its loop turning, so that the kernel's interrupt is noticed."""
        wake = asyncio.Event()
        with self._changed:
            self._reader = (asyncio.get_running_loop(), wake)
        while True:
            with self._changed:
                wake.clear()
                batch = self._take()
                ended = self._ended
            if batch:
                yield batch
            elif ended:
                return
            else:
                try:
                    async with asyncio.timeout(POLL):
                        await wake.wait()
                except TimeoutError:
                    pass
