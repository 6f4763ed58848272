from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chatkit import Classification, ProviderError, RetryPolicy, Stopped
from chatkit.chattest import FakeClock
from chatkit.errors import provider_error
from chatkit.retries.log import AttemptRecord
from chatkit.retries.loop import RetriedCall, RetryLoop, drive, drive_async
from chatkit.retries.notice import RetryNotice
from chatkit.retries.wake import Wake

OVERLOADED = Classification(retryable=True, kind="overloaded", message="anthropic is overloaded", provider="anthropic", status_code=529)


def hinted(seconds: float) -> Classification:
    return Classification(retryable=True, kind="rate_limit", message="openai limits the rate", retry_after=seconds)


class Bench:
    """A loop with its records and notices, and a function that plays a script."""

    def __init__(self, *script: Any, policy: RetryPolicy | None = None, limit: float | None = None, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.records: list[AttemptRecord] = []
        self.notices: list[RetryNotice] = []
        self.ended: list[tuple[int, int]] = []
        self.wake = Wake()
        self.script: Iterator[Any] = iter(script)
        self.observe: Callable[[RetryNotice], object] = self.notices.append
        self.loop = RetryLoop(
            RetriedCall(operation="retry", provider="anthropic"),
            policy=policy or RetryPolicy(),
            limit=limit,
            clock=self.clock,
            observe=lambda notice: self.observe(notice),
            ended=lambda notice, waited_ms: self.ended.append((notice.attempt, waited_ms)),
            record=self.records.append,
        )

    def play(self) -> Any:
        line = next(self.script)
        if isinstance(line, BaseException):
            raise line
        return line

    async def play_async(self) -> Any:
        return self.play()

    def run(self, how: str) -> Any:
        if how == "plain":
            return drive(self.loop, self.play, self.wake)
        return asyncio.run(drive_async(self.loop, self.play_async, self.wake))


both = pytest.mark.parametrize("how", ["plain", "awaited"])


@both
def test_a_value_comes_after_the_failures_and_every_attempt_is_recorded(how: str) -> None:
    bench = Bench(provider_error(OVERLOADED), ConnectionResetError(), "done")
    assert bench.run(how) == "done"
    assert bench.clock.pauses == [1, 2]
    assert [(r.attempt, r.outcome, r.waited_ms, r.delay_ms, r.kind) for r in bench.records] == [
        (1, "retry", 0, 1000, "overloaded"),
        (2, "retry", 1000, 2000, "network"),
        (3, "ok", 2000, None, None),
    ]
    assert len({r.call for r in bench.records}) == 1
    assert bench.loop.waited == 3


@both
def test_the_last_error_itself_is_raised_with_a_note(how: str) -> None:
    mine = ConnectionResetError("mine")
    bench = Bench(TimeoutError(), mine, policy=RetryPolicy(max_attempts=2))
    with pytest.raises(ConnectionResetError) as caught:
        bench.run(how)
    assert caught.value is mine
    assert caught.value.__notes__ == ["chatkit: gave up after 2 attempts and 1.0 s: max_attempts=2"]
    assert bench.records[-1].outcome == "failed"


@both
def test_a_provider_error_knows_how_often_and_how_long(how: str) -> None:
    bench = Bench(*(provider_error(OVERLOADED) for _ in range(3)), policy=RetryPolicy(max_attempts=3))
    with pytest.raises(ProviderError) as caught:
        bench.run(how)
    assert (caught.value.attempts, caught.value.waited) == (3, 3)


@both
def test_a_hint_above_the_ceiling_names_the_time_of_reset(how: str) -> None:
    bench = Bench(provider_error(hinted(1200)))
    with pytest.raises(ProviderError, match="until 2026-11-20 09:20:00 UTC") as caught:
        bench.run(how)
    assert "hint_ceiling=300" in caught.value.__notes__[0]


@both
def test_the_failure_that_ended_the_loop_is_kept_as_it_was_classified(how: str) -> None:
    bench = Bench(TimeoutError(), ConnectionResetError(), policy=RetryPolicy(max_attempts=2))
    with pytest.raises(ConnectionResetError):
        bench.run(how)
    assert bench.loop.failure is not None
    assert (bench.loop.failure.kind, bench.loop.failure.provider) == ("network", "anthropic")
    late = Bench(provider_error(hinted(1200)))
    with pytest.raises(ProviderError) as caught:
        late.run(how)
    assert caught.value.classification is late.loop.failure
    stopped = Bench(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        stopped.run(how)
    assert stopped.loop.failure is not None
    assert stopped.loop.failure.kind == "canceled"
    well = Bench(TimeoutError(), "done")
    well.run(how)
    assert well.loop.failure is None


@both
def test_the_numbers_that_the_caller_seeded_stay_the_same(how: str) -> None:
    before = random.getstate()
    Bench(TimeoutError(), "done", policy=RetryPolicy(jitter="full")).run(how)
    assert random.getstate() == before


@both
def test_program_errors_are_never_tried_again(how: str) -> None:
    bench = Bench(TypeError("mine"))
    with pytest.raises(TypeError):
        bench.run(how)
    assert bench.clock.pauses == []


@both
def test_an_observer_that_raises_is_logged_and_stops_nothing(how: str, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(TimeoutError(), "done")

    def broken(_: RetryNotice) -> None:
        raise RuntimeError("mine")

    bench.observe = broken
    assert bench.run(how) == "done"
    assert "on_retry raised" in caplog.text


def test_an_awaitable_observer_is_awaited_and_may_fail_too(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(TimeoutError(), "done")
    heard = []

    async def slowly(notice: RetryNotice) -> None:
        heard.append(notice.attempt)
        raise RuntimeError("mine")

    bench.observe = slowly
    assert bench.run("awaited") == "done"
    assert heard == [1]
    assert "on_retry raised" in caplog.text


@both
def test_the_notice_tells_all_before_the_wait(how: str) -> None:
    bench = Bench(TimeoutError("slow"), provider_error(OVERLOADED), "done")
    bench.run(how)
    first, second = bench.notices
    assert (first.attempt, first.kind, first.delay, first.waited) == (1, "timeout", 1, 0)
    assert (second.attempt, second.kind, second.delay, second.waited, second.elapsed) == (2, "overloaded", 2, 1, 1)
    assert second.status_code == 529
    assert second.message == "anthropic is overloaded"
    event = second.event("c1")
    assert (event.attempt, event.delay_ms, event.kind, event.provider) == (2, 2000, "overloaded", "anthropic")
    assert event.retrying_at == second.retrying_at


def test_an_hour_of_failures_takes_no_time() -> None:
    bench = Bench(*(provider_error(OVERLOADED) for _ in range(70)), "done")
    assert bench.run("awaited") == "done"
    assert bench.clock.pauses == [1, 2, 4, 8, 16, 32] + [60] * 64


def in_thread(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Run it beside the test; its value or error is in the list when the thread has ended."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


@both
def test_retry_now_ends_a_wait_at_once(how: str) -> None:
    bench = Bench(TimeoutError(), TimeoutError(), TimeoutError(), "done", clock=FakeClock(hold=True))
    thread, outcome = in_thread(lambda: bench.run(how))
    for count in (1, 2):
        bench.clock.wait_for_pause(count)
        bench.wake.set()
    bench.clock.wait_for_pause(3)
    bench.clock.release()
    thread.join(5)
    assert outcome == ["done"]
    assert [r.waited_ms for r in bench.records] == [0, 0, 0, 4000]
    assert bench.ended == [(1, 0), (2, 0)]  # the third was as long as it was announced


@both
def test_stop_ends_a_wait_and_records_the_attempt_that_it_would_have_led_to(how: str) -> None:
    bench = Bench(TimeoutError(), "never", clock=FakeClock(hold=True))
    thread, outcome = in_thread(lambda: bench.run(how))
    bench.clock.wait_for_pause()
    bench.wake.stop()
    thread.join(5)
    assert isinstance(outcome[0], Stopped)
    assert [(r.attempt, r.outcome, r.duration_ms) for r in bench.records] == [(1, "retry", 0), (2, "abandoned", 0)]


@both
def test_an_interrupt_in_an_attempt_passes_through_and_is_recorded(how: str) -> None:
    bench = Bench(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        bench.run(how)
    assert [(r.attempt, r.outcome) for r in bench.records] == [(1, "abandoned")]


def test_cancelling_ends_a_wait_and_is_not_swallowed() -> None:
    bench = Bench(TimeoutError(), "never", clock=FakeClock(hold=True))

    async def main() -> None:
        task = asyncio.create_task(drive_async(bench.loop, bench.play_async, bench.wake))
        await asyncio.to_thread(bench.clock.wait_for_pause)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert [(r.attempt, r.outcome) for r in bench.records] == [(1, "retry"), (2, "abandoned")]


def test_cancelling_ends_an_attempt_and_is_not_swallowed() -> None:
    bench = Bench()

    async def main() -> None:
        began = asyncio.Event()

        async def attempt() -> None:
            began.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(drive_async(bench.loop, attempt, bench.wake))
        await began.wait()
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert [(r.attempt, r.outcome) for r in bench.records] == [(1, "abandoned")]


@both
def test_a_cancellation_that_the_peer_made_is_a_network_error(how: str) -> None:
    bench = Bench(asyncio.CancelledError(), "done")
    assert bench.run(how) == "done"
    assert bench.records[0].kind == "network"


def test_the_record_says_which_request_an_attempt_was() -> None:
    bench = Bench()

    async def attempt() -> str:
        bench.loop.request_id = "req_1"
        return "done"

    asyncio.run(drive_async(bench.loop, attempt, bench.wake))
    assert bench.records[0].request_id == "req_1"


@both
def test_a_click_while_the_observer_still_hears_of_the_wait_counts(how: str) -> None:
    bench = Bench(TimeoutError(), "done", clock=FakeClock(hold=True))
    bench.observe = lambda _: bench.wake.set()
    assert bench.run(how) == "done"
    assert bench.records[1].waited_ms == 0


@both
def test_a_click_before_the_wait_was_announced_means_nothing(how: str) -> None:
    bench = Bench(TimeoutError(), "done")
    bench.wake.set()
    assert bench.run(how) == "done"
    assert bench.records[1].waited_ms == 1000


@both
def test_an_interrupt_in_the_observer_is_recorded_too(how: str) -> None:
    bench = Bench(TimeoutError(), "never")

    def interrupted(_: RetryNotice) -> None:
        raise KeyboardInterrupt

    bench.observe = interrupted
    with pytest.raises(KeyboardInterrupt):
        bench.run(how)
    assert [(r.attempt, r.outcome) for r in bench.records] == [(1, "retry"), (2, "abandoned")]
