"""One chat's events: the transcript that they make, the subscribers that get them, and how a late one catches up.

A hub lives on the bridge's loop. Only a `Subscription` crosses threads, and it alone batches.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
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


class Subscription:
    """A queue between a hub and one reader on any thread, in a plain or an asynchronous loop.

    The events of one iteration of the bridge's loop are handed over together: a lock and a wake-up per delta would cost more than
    the delta. A slow reader loses nothing: the deltas that wait for it are merged, so that the queue stays as small as the reply.
    """

    def __init__(self) -> None:
        self._pushed: list[Event] = []
        self._changed = threading.Condition()
        self._waiting: list[Event] = []
        self._limit = MAX_WAITING
        self._ended = False
        self._reader: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def push(self, event: Event) -> None:
        """Take in an event: this is the `Subscriber`."""
        if not self._pushed:
            asyncio.get_running_loop().call_soon(self._hand_over)
        self._pushed.append(event)

    def _hand_over(self) -> None:
        with self._changed:
            self._waiting += self._pushed
            self._pushed.clear()
            if len(self._waiting) > self._limit:
                self._waiting = merge(self._waiting)
                self._limit = MAX_WAITING + len(self._waiting)
            self._notify()

    def end(self) -> None:
        """No more events will come."""
        self._ended = True
        self._hand_over()

    def _notify(self) -> None:
        self._changed.notify_all()
        if self._reader:
            loop, event = self._reader
            if not event.is_set():
                with contextlib.suppress(RuntimeError):  # the reader's loop has ended, and the reader with it
                    loop.call_soon_threadsafe(event.set)

    def _take(self) -> tuple[list[Event], bool]:
        """What waits, and whether it is the last."""
        batch, self._waiting, self._limit = self._waiting, [], MAX_WAITING
        return batch, self._ended

    def __iter__(self) -> Iterator[list[Event]]:
        """The events in batches, until the end. Interruptible."""
        ended = False
        while not ended:
            with self._changed:
                while not (self._waiting or self._ended):
                    self._changed.wait(POLL)
                batch, ended = self._take()
            yield batch

    async def __aiter__(self) -> AsyncIterator[list[Event]]:
        """The same for a coroutine. It wakes its loop every now and then, so that the kernel's interrupt is noticed."""
        wake, ended = asyncio.Event(), False
        self._reader = (asyncio.get_running_loop(), wake)
        while not ended:
            with self._changed:
                wake.clear()
                batch, ended = self._take()
            if batch:
                yield batch
            elif not ended:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL):
                        await wake.wait()
