from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chatkit.bridge import Waiter, spawn
from chatkit.chattest import FakeClock
from chatkit.conversation.hub import MAX_WAITING, Hub, Subscription
from chatkit.events import Event, MessagePart, QueueUpdate, Retry, Status
from chatkit.fold import Transcript
from chatkit.parts import Message, Text


def on_the_loop(work: Callable[[], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        return await work()

    return Waiter().wait(spawn(run()))


def piece(seq: int, text: str = "x") -> MessagePart:
    return MessagePart(chat_id="c", role="assistant", part=Text(text=text), step=1, attempt=1, index=0, seq=seq)


class Subscribed:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)


def test_a_late_subscriber_gets_what_it_missed_and_then_what_is_live_with_nothing_between() -> None:
    hub, early, late = Hub("c", FakeClock()), Subscribed(), Subscribed()

    async def work() -> None:
        hub.subscribe(early)
        hub.commit("user", (Text(text="?"),))
        hub.publish(Status(chat_id="c", status="running"))
        hub.publish(piece(1, "a"), piece(2, "b"))
        hub.subscribe(late, 0)
        hub.publish(piece(3, "c"))
        await asyncio.sleep(0)
        hub.commit("assistant", hub.transcript.parts)

    on_the_loop(work)
    assert Transcript(late.events).messages == Transcript(early.events).messages == hub.transcript.messages
    assert [type(e) for e in late.events] == [Status, Message, MessagePart, MessagePart, Message]
    assert hub.transcript.messages[-1].text == "abc"


def test_a_subscriber_says_which_message_it_has() -> None:
    hub, late = Hub("c", FakeClock()), Subscribed()

    async def work() -> None:
        for text in "abc":
            hub.commit("user", (Text(text=text),))
        hub.subscribe(late, 2)

    on_the_loop(work)
    assert [e.id for e in late.events if isinstance(e, Message)] == [3]


def test_a_subscriber_that_left_gets_no_more_and_keeps_what_came_before() -> None:
    hub, subscribed = Hub("c", FakeClock()), Subscribed()

    async def work() -> None:
        leave = hub.subscribe(subscribed)
        hub.publish(piece(1))
        leave()
        leave()
        hub.publish(piece(2))

    on_the_loop(work)
    assert [e.seq for e in subscribed.events if isinstance(e, MessagePart)] == [1]


def test_every_subscriber_gets_every_event_at_once() -> None:
    hub, first, second = Hub("c", FakeClock()), Subscribed(), Subscribed()

    async def work() -> None:
        hub.subscribe(first)
        hub.subscribe(second)
        hub.publish(piece(1), piece(2))
        assert first.events == second.events == [piece(1), piece(2)]

    on_the_loop(work)


def test_a_subscriber_that_fails_gets_no_more_and_costs_the_others_nothing(caplog: pytest.LogCaptureFixture) -> None:
    hub, subscribed = Hub("c", FakeClock()), Subscribed()

    async def work() -> None:
        hub.subscribe(lambda event: 1 / 0)
        hub.subscribe(subscribed)
        hub.publish(piece(1))
        hub.publish(piece(2))

    on_the_loop(work)
    assert subscribed.events == [piece(1), piece(2)]
    assert caplog.text.count("a subscriber of c failed") == 1


def test_an_empty_queue_is_told_too() -> None:
    hub, subscribed = Hub("c", FakeClock()), Subscribed()

    async def work() -> None:
        hub.publish(QueueUpdate(chat_id="c"))
        hub.subscribe(subscribed, 0)

    on_the_loop(work)
    assert subscribed.events == [QueueUpdate(chat_id="c")]


def push(subscription: Subscription, count: int) -> None:
    """Push so many pieces, each in an iteration of the loop of its own, and end."""

    async def work() -> None:
        for seq in range(1, count + 1):
            subscription.push(piece(seq, f"{seq} "))
            await asyncio.sleep(0)
        subscription.end()

    on_the_loop(work)


def test_the_events_of_one_iteration_of_the_loop_are_handed_over_together() -> None:
    subscription = Subscription()
    retry = Retry(chat_id="c", attempt=1, delay_ms=1000, retrying_at=FakeClock().now(), error="it broke")

    async def work() -> None:
        for seq in range(1, 101):
            subscription.push(piece(seq))
        subscription.push(retry)
        await asyncio.sleep(0)
        assert next(iter(subscription)) == [*(piece(seq) for seq in range(1, 101)), retry]

    on_the_loop(work)


def test_a_slow_reader_loses_nothing_and_what_waits_stays_small() -> None:
    subscription = Subscription()
    push(subscription, 20 * MAX_WAITING)
    events = [event for batch in subscription for event in batch]
    assert len(events) <= MAX_WAITING + 1
    assert "".join(e.part.text for e in events if isinstance(e, MessagePart)) == "".join(
        f"{seq} " for seq in range(1, 20 * MAX_WAITING + 1)
    )


def test_a_plain_reader_on_another_thread_gets_everything_in_order() -> None:
    subscription, got = Subscription(), []

    def read() -> None:
        for batch in subscription:
            got.extend(batch)

    thread = threading.Thread(target=read)
    thread.start()
    push(subscription, 499)
    thread.join(5)
    assert [e.seq for e in got] == list(range(1, 500))


def test_an_awaiting_reader_gets_everything_in_order() -> None:
    subscription = Subscription()

    async def read() -> list[int]:
        return [e.seq async for batch in subscription for e in batch]

    thread = threading.Thread(target=push, args=(subscription, 499))
    thread.start()
    assert asyncio.run(read()) == list(range(1, 500))
    thread.join()
