"""One chat's events: the transcript that they make, the subscribers that get them, and how a late one catches up.

A hub lives on the bridge's loop. Only a `Subscription` crosses threads, and it alone batches.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from chatkit.clock import POLL, Clock
from chatkit.events import Event
from chatkit.fold import Transcript, merge
from chatkit.parts import Message, Part, Role

_logger = logging.getLogger("chatkit")

MAX_WAITING = 1000
"""Events that may wait for a reader before their deltas are merged."""

Subscriber = Callable[[Event], object]
"""Gets every event, in order, on the loop's thread; it must return at once."""


class Hub:
    """The transcript of one chat and its subscribers; `clock` dates the messages."""

    def __init__(self, chat_id: str, clock: Clock) -> None:
        self.chat_id = chat_id
        self.transcript = Transcript()
        self._clock = clock
        self._subscribers: list[Subscriber] = []
        self._last_id = 0  # an id is never given twice, also after an undo

    def publish(self, *events: Event) -> None:
        """Fold each event into the transcript, and give it to every subscriber."""
        for event in events:
            self.transcript.apply(event)
            for subscriber in tuple(self._subscribers):
                try:
                    subscriber(event)
                except Exception:
                    self._subscribers.remove(subscriber)
                    _logger.exception("a subscriber of %s failed and gets no more events; the turn goes on", self.chat_id)

    def commit(self, role: Role, parts: tuple[Part, ...], **fields: Any) -> None:
        """Store one message under the next id; `fields` are further fields of `Message`. With a store, a transaction begins here."""
        self._last_id += 1
        now = self._clock.now()
        self.publish(Message(id=self._last_id, chat_id=self.chat_id, role=role, parts=parts, created_at=now, **fields))

    def subscribe(self, subscriber: Subscriber, after_id: int | None = None) -> Callable[[], None]:
        """Add a subscriber, and return what removes it.

        Unless `after_id` is None, what the subscriber missed comes first: the messages after that id (0 for all) and the state
        of the chat. The live events follow, without a gap or a duplicate.
        """
        self._subscribers.append(subscriber)
        if after_id is not None:
            for missed in self.transcript.replay(after_id):
                subscriber(missed)

        def leave() -> None:
            with contextlib.suppress(ValueError):  # it failed before, or left already
                self._subscribers.remove(subscriber)

        return leave

    def forget_subscribers(self) -> None:
        """In a forked process: their displays and threads are the other's, and their locks may be locked for ever."""
        self._subscribers.clear()


class Subscription:
    """A queue between a hub and one reader on any thread, in a plain or an asynchronous loop.

    The events of one iteration of the bridge's loop are handed over together: a wake-up per delta would cost more than the delta.
    A slow reader loses nothing: the deltas that wait for it are merged, so that what waits stays as small as the reply. There is
    no lock, which an interrupt of the reader could leave locked: `_slot` holds what waits, and who takes it has it alone.
    """

    def __init__(self) -> None:
        self._pushed: list[Event] = []
        self._slot: queue.SimpleQueue[tuple[list[Event], bool]] = queue.SimpleQueue()  # the events, and whether they are the last
        self._limit = MAX_WAITING
        self._reader: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def push(self, event: Event) -> None:
        """Take in an event: this is the `Subscriber`."""
        if not self._pushed:
            asyncio.get_running_loop().call_soon(self._hand_over)
        self._pushed.append(event)

    def _hand_over(self, last: bool = False) -> None:
        try:
            waiting, ended = self._slot.get_nowait()
        except queue.Empty:
            waiting, ended, self._limit = [], False, MAX_WAITING
        waiting += self._pushed
        self._pushed.clear()
        if len(waiting) > self._limit:
            waiting = merge(waiting)
            self._limit = MAX_WAITING + len(waiting)
        self._slot.put((waiting, last or ended))
        if self._reader:
            loop, event = self._reader
            if not event.is_set():
                with contextlib.suppress(RuntimeError):  # the reader's loop has ended, and the reader with it
                    loop.call_soon_threadsafe(event.set)

    def end(self) -> None:
        """No more events will come."""
        self._hand_over(last=True)

    def __iter__(self) -> Iterator[list[Event]]:
        """The events in batches, until the end. Interruptible."""
        last = False
        while not last:
            try:
                batch, last = self._slot.get(timeout=POLL)
            except queue.Empty:
                continue
            yield batch

    async def __aiter__(self) -> AsyncIterator[list[Event]]:
        """The same for a coroutine. It wakes its loop every now and then, so that the kernel's interrupt is noticed."""
        wake, last = asyncio.Event(), False
        self._reader = (asyncio.get_running_loop(), wake)
        while not last:
            wake.clear()
            try:
                batch, last = self._slot.get_nowait()
            except queue.Empty:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL):
                        await wake.wait()
            else:
                yield batch
