"""Events in batches."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from itertools import pairwise

import pytest

from chatkit import bridge
from chatkit.display.pump import FULL, INTERVAL, SHORTEST, Pump
from chatkit.events import Event, MessagePart, Status
from chatkit.parts import Text


def piece(text: str, seq: int = 1) -> MessagePart:
    return MessagePart(chat_id="c", role="assistant", part=Text(text=text), step=1, attempt=1, index=0, seq=seq)


class Batches:
    """Keeps the batches, and when they came."""

    def __init__(self) -> None:
        self.got: list[tuple[float, list[Event]]] = []
        self.came = threading.Event()

    def __call__(self, batch: list[Event]) -> None:
        self.got.append((time.monotonic(), batch))
        self.came.set()

    @property
    def events(self) -> list[Event]:
        return [event for _, batch in self.got for event in batch]


def drain(pump: Pump) -> None:
    bridge.spawn(pump.drain()).result(5)


def test_the_first_event_after_a_silence_is_delivered_at_once_and_the_next_together_after_the_interval() -> None:
    batches = Batches()
    pump = Pump(batches)
    pump.put(piece("a"))
    assert batches.came.wait(5)
    batches.came.clear()
    for n in range(100):
        pump.put(piece("b", n))
    assert batches.came.wait(5)
    assert [len(batch) for _, batch in batches.got] == [1, 100]
    assert batches.got[1][0] - batches.got[0][0] >= INTERVAL * 0.9


def test_much_text_does_not_wait_for_the_timer_and_still_does_not_come_too_fast() -> None:
    batches = Batches()
    pump = Pump(batches, interval=60)
    pump.put(piece("a"))
    assert batches.came.wait(5)
    for _ in range(3):
        batches.came.clear()
        pump.put(piece("b"))  # arms the timer
        pump.put(piece("x" * FULL))
        assert batches.came.wait(5)
    assert all(later - sooner >= SHORTEST * 0.9 for (sooner, _), (later, _) in pairwise(batches.got))


def test_nothing_is_lost_and_nothing_changes_places_whichever_thread_it_comes_from() -> None:
    batches = Batches()
    pump = Pump(batches)

    def feed(name: int) -> None:
        for seq in range(2000):
            pump.put(piece(str(name), seq))

    threads = [threading.Thread(target=feed, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    drain(pump)
    for name in range(4):
        seqs = [e.seq for e in batches.events if isinstance(e, MessagePart) and e.part == Text(text=str(name))]
        assert seqs == list(range(2000))


def test_the_last_batch_does_not_come_in_one_burst_with_the_one_before() -> None:
    batches = Batches()
    pump = Pump(batches)
    pump.put(piece("a"))
    assert batches.came.wait(5)
    pump.put(Status(chat_id="c", status="waiting"))
    drain(pump)
    assert batches.got[-1][0] - batches.got[0][0] >= SHORTEST * 0.9
    assert batches.events[-1] == Status(chat_id="c", status="waiting")


def test_a_display_that_fails_is_logged_once_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail(batch: list[Event]) -> None:
        raise ValueError("no comm")

    pump = Pump(fail)
    with caplog.at_level(logging.WARNING, "chatkit"):
        pump.put(piece("a"))
        drain(pump)
        pump.put(piece("b"))
        drain(pump)
    assert [record.message for record in caplog.records] == ["the display failed, and shows nothing more of this turn"]


def test_taking_in_an_event_costs_no_more_than_a_few_microseconds() -> None:
    pump = Pump(Batches())
    events = [piece("five ", n) for n in range(20_000)]
    begun = time.thread_time()
    for event in events:
        pump.put(event)
    assert (time.thread_time() - begun) / len(events) < 20e-6
    drain(pump)


def test_it_can_be_fed_from_the_loop_itself() -> None:
    batches = Batches()
    pump = Pump(batches)

    async def feed() -> None:
        for n in range(10):
            pump.put(piece("a", n))
            await asyncio.sleep(0)
        await pump.drain()

    bridge.spawn(feed()).result(5)
    assert len(batches.events) == 10
