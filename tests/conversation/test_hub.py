from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from chatkit.bridge import Waiter, spawn
from chatkit.chattest import FakeClock
from chatkit.conversation.hub import SLOW, Hub, Subscription
from chatkit.events import Event, MessagePart, QueueUpdate, Retry, Status
from chatkit.fold import Transcript
from chatkit.parts import Message, Text


def on_the_loop(work: Callable[[], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        return await work()

    return Waiter().wait(spawn(run()))


def piece(seq: int, text: str = "x") -> MessagePart:
    return MessagePart(chat_id="c", role="assistant", part=Text(text=text), step=1, attempt=1, index=0, seq=seq)


class Listening:
    def __init__(self) -> None:
        self.batches: list[list[Event]] = []

    def push(self, events: Sequence[Event]) -> None:
        self.batches.append(list(events))

    @property
    def events(self) -> list[Event]:
        return [event for batch in self.batches for event in batch]


def test_a_late_listener_gets_what_it_missed_and_then_what_is_live_with_nothing_between() -> None:
    hub, early, late = Hub("c", FakeClock()), Listening(), Listening()

    async def work() -> None:
        hub.listen(early)
        hub.commit("user", (Text(text="?"),))
        hub.publish((Status(chat_id="c", status="running"),))
        hub.publish((piece(1, "a"), piece(2, "b")))
        hub.listen(late, 0)
        hub.publish((piece(3, "c"),))
        await asyncio.sleep(0)
        hub.commit("assistant", hub.parts())

    on_the_loop(work)
    assert Transcript(late.events).messages == Transcript(early.events).messages == list(hub.messages)
    assert [type(e) for e in late.events] == [Status, Message, MessagePart, MessagePart, Message]
    assert hub.messages[-1].text == "abc"


def test_a_listener_says_which_message_it_has() -> None:
    hub, late = Hub("c", FakeClock()), Listening()

    async def work() -> None:
        for text in "abc":
            hub.commit("user", (Text(text=text),))
        hub.listen(late, 2)

    on_the_loop(work)
    assert [e.id for e in late.events if isinstance(e, Message)] == [3]


def test_a_listener_that_left_hears_no_more_and_keeps_what_came_before() -> None:
    hub, listening = Hub("c", FakeClock()), Listening()

    async def work() -> None:
        leave = hub.listen(listening)
        hub.publish((piece(1),))
        leave()
        leave()
        hub.publish((piece(2),))

    on_the_loop(work)
    assert [e.seq for e in listening.events if isinstance(e, MessagePart)] == [1]


def test_pieces_of_one_turn_of_the_loop_go_out_together_and_all_else_at_once() -> None:
    hub, listening = Hub("c", FakeClock()), Listening()

    async def work() -> None:
        hub.listen(listening)
        for seq in range(1, 101):
            hub.publish((piece(seq),))
        assert listening.batches == []
        await asyncio.sleep(0)
        assert len(listening.batches) == 1
        hub.publish((piece(101),))
        retry = Retry(chat_id="c", attempt=1, delay_ms=1000, retrying_at=FakeClock().now(), error="it broke")
        hub.publish((retry,))
        assert listening.batches[1] == [piece(101), retry]

    on_the_loop(work)


def test_an_empty_queue_is_told_too() -> None:
    hub, listening = Hub("c", FakeClock()), Listening()

    async def work() -> None:
        hub.publish((QueueUpdate(chat_id="c"),))
        hub.listen(listening, 0)

    on_the_loop(work)
    assert listening.events == [QueueUpdate(chat_id="c")]


def test_a_slow_reader_loses_nothing_and_what_waits_stays_small() -> None:
    subscription = Subscription()
    for seq in range(1, 20 * SLOW):
        subscription.push((piece(seq, f"{seq} "),))
    subscription.end()
    events = [event for batch in subscription for event in batch]
    assert len(events) <= SLOW + 1
    assert "".join(e.part.text for e in events if isinstance(e, MessagePart)) == "".join(f"{seq} " for seq in range(1, 20 * SLOW))


def test_a_plain_reader_on_another_thread_gets_everything_in_order() -> None:
    subscription, got = Subscription(), []

    def read() -> None:
        for batch in subscription:
            got.extend(batch)

    thread = threading.Thread(target=read)
    thread.start()
    for seq in range(1, 500):
        subscription.push((piece(seq),))
    subscription.end()
    thread.join(5)
    assert [e.seq for e in got] == list(range(1, 500))


def test_an_awaiting_reader_gets_everything_in_order() -> None:
    subscription = Subscription()

    async def read() -> list[int]:
        return [e.seq async for batch in subscription for e in batch]

    def write() -> None:
        for seq in range(1, 500):
            subscription.push((piece(seq),))
        subscription.end()

    thread = threading.Thread(target=write)
    thread.start()
    assert asyncio.run(read()) == list(range(1, 500))
    thread.join()
