"""Changes that are delivered in batches."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from itertools import pairwise

import pytest

from chatkit import bridge
from chatkit.display.batcher import INTERVAL, MAX_TEXT, SHORTEST, Batcher


class Deliveries:
    """Counts the changes of each batch, and notes when it came."""

    def __init__(self) -> None:
        self.changes = 0
        self.got: list[tuple[float, int]] = []
        self.came = threading.Event()
        self._counting = threading.Lock()

    def change(self, batcher: Batcher, size: int = 0) -> None:
        with self._counting:
            self.changes += 1
        batcher.changed(size)

    def __call__(self) -> None:
        with self._counting:
            self.got.append((time.monotonic(), self.changes))
            self.changes = 0
        self.came.set()


def drain(batcher: Batcher) -> None:
    bridge.spawn(batcher.drain()).result(5)


def test_the_first_change_after_a_silence_is_delivered_at_once_and_the_next_together() -> None:
    deliveries = Deliveries()
    batcher = Batcher(deliveries, interval=60)
    deliveries.change(batcher)
    assert deliveries.came.wait(5)
    for _ in range(100):
        deliveries.change(batcher)
    drain(batcher)
    assert [count for _, count in deliveries.got] == [1, 100]


def test_a_change_soon_after_another_is_delivered_after_the_interval() -> None:
    deliveries = Deliveries()
    batcher = Batcher(deliveries)
    for _ in range(2):
        deliveries.came.clear()
        deliveries.change(batcher)
        assert deliveries.came.wait(5)
    (first, _), (second, _) = deliveries.got
    assert second - first >= INTERVAL * 0.9


def test_much_text_does_not_wait_for_the_timer_and_still_does_not_come_too_fast() -> None:
    deliveries = Deliveries()
    batcher = Batcher(deliveries, interval=60)
    batcher.changed()
    assert deliveries.came.wait(5)
    for _ in range(3):
        deliveries.came.clear()
        batcher.changed(1)  # arms the timer
        batcher.changed(MAX_TEXT)
        assert deliveries.came.wait(5)
    assert all(later - sooner >= SHORTEST * 0.9 for (sooner, _), (later, _) in pairwise(deliveries.got))


def test_no_change_is_lost_whichever_thread_it_comes_from() -> None:
    deliveries = Deliveries()
    batcher = Batcher(deliveries)

    def feed() -> None:
        for _ in range(2000):
            deliveries.change(batcher)

    threads = [threading.Thread(target=feed) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    drain(batcher)
    assert sum(count for _, count in deliveries.got) == 8000


def test_the_last_batch_does_not_come_in_one_burst_with_the_one_before() -> None:
    deliveries = Deliveries()
    batcher = Batcher(deliveries)
    batcher.changed()
    assert deliveries.came.wait(5)
    batcher.changed()
    drain(batcher)
    assert len(deliveries.got) == 2
    assert deliveries.got[-1][0] - deliveries.got[0][0] >= SHORTEST * 0.9


def test_where_nothing_changed_nothing_is_delivered() -> None:
    deliveries = Deliveries()
    drain(Batcher(deliveries))
    assert deliveries.got == []


def test_a_change_from_within_a_delivery_is_delivered_by_itself() -> None:
    left = [3]
    done = threading.Event()

    def deliver() -> None:
        left[0] -= 1
        if left[0]:
            batcher.changed()
        else:
            done.set()

    batcher = Batcher(deliver)
    batcher.changed()
    assert done.wait(5)


def test_a_display_that_fails_is_logged_once_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ValueError("no comm")

    batcher = Batcher(fail)
    with caplog.at_level(logging.WARNING, "chatkit"):
        batcher.changed()
        drain(batcher)
        batcher.changed()
        drain(batcher)
    assert [record.message for record in caplog.records] == ["the display failed, and shows nothing more of this turn"]


def test_it_can_be_told_of_changes_on_the_loop_itself() -> None:
    deliveries = Deliveries()
    batcher = Batcher(deliveries)

    async def feed() -> None:
        for _ in range(10):
            deliveries.change(batcher)
            await asyncio.sleep(0)
        await batcher.drain()

    bridge.spawn(feed()).result(5)
    assert sum(count for _, count in deliveries.got) == 10
