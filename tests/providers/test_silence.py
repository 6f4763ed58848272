"""Silence, and being cancelled: an attempt that says nothing ends, and a cancel is never swallowed."""

from __future__ import annotations

import asyncio

import pytest

from chatkit import bridge
from chatkit.chattest import FakeClock, http_response, reply
from chatkit.clock import SystemClock
from chatkit.errors import ProviderError
from chatkit.providers.decoding import Piece
from chatkit.providers.encoding import Request
from chatkit.providers.openai_chat import ChatCompletions
from chatkit.providers.openai_chat_stream import ChatDecoder
from chatkit.sse import ServerSentEvent
from tests.providers.attempts import FORMATS, WORDS, Fakes, ask, provider_at, until
from tests.providers.streams import chunk, data


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("after", [None, 0, 2])
def test_a_silence_ends_the_attempt_when_the_guard_says_so(
    fake_provider: Fakes, fake_clock: FakeClock, format: str, after: int | None
) -> None:
    fake = fake_provider(reply(WORDS).stall(after=after))
    asked = ask(fake, format, clock=fake_clock, silence=600)
    fake.wait_for(stalled=1)
    until(lambda: asked.words == (after or 0))
    fake_clock.advance(599)
    assert not asked.future.done()
    fake_clock.advance(2)
    error = asked.error()
    assert (error.kind, error.retryable) == ("timeout", True)
    assert "10 minutes" in str(error)
    fake.wait_for(hang_ups=1)


@pytest.mark.parametrize("format", FORMATS)
def test_pings_do_not_feed_the_guard(fake_provider: Fakes, fake_clock: FakeClock, format: str) -> None:
    fake = fake_provider(reply(WORDS).drip(after=2))
    asked = ask(fake, format, clock=fake_clock, silence=600)
    fake.wait_for(pings=5)
    until(lambda: asked.words == 2)
    fake_clock.advance(601)
    assert asked.error().kind == "timeout"


def test_each_part_arms_the_guard_anew_with_one_timer(fake_provider: Fakes, fake_clock: FakeClock) -> None:
    fake = fake_provider(reply(WORDS).stall(after=2).stall(after=4))
    asked = ask(fake, clock=fake_clock, silence=600)
    fake.wait_for(stalled=1, pieces=2)
    until(lambda: asked.words == 2)
    fake_clock.advance(400)
    assert fake_clock.timers == [200]
    fake.release()
    fake.wait_for(stalled=1, pieces=4)
    until(lambda: asked.words == 4)
    fake_clock.advance(300)  # 700 since the request, 300 since the last part
    assert not asked.future.done()
    assert fake_clock.timers == [300]
    fake.release()
    assert asked.finish().stop_reason == "end"
    assert fake_clock.timers == []


def test_no_guard_is_armed_where_none_is_wanted(fake_provider: Fakes, fake_clock: FakeClock) -> None:
    fake = fake_provider(reply(WORDS).stall(after=2))
    asked = ask(fake, clock=fake_clock, silence=0)
    fake.wait_for(stalled=1)
    assert fake_clock.timers == []
    fake.release()
    asked.finish()


def test_a_finished_reply_waits_a_moment_for_its_usage_and_no_longer(fake_provider: Fakes, fake_clock: FakeClock) -> None:
    stream = [data(chunk({"content": "Hello"})), data(chunk({}, "stop")), b"data: [DONE]\n\n"]
    for silence in (600, 0):
        fake = fake_provider(http_response(200, stream).stall(after=2))
        asked = ask(fake, clock=fake_clock, silence=silence)
        fake.wait_for(stalled=1)
        until(lambda: fake_clock.timers == [10])
        fake_clock.advance(10)
        assert asked.finish().stop_reason == "end"


def test_a_reply_that_is_finished_in_its_first_chunk_waits_no_longer(fake_provider: Fakes, fake_clock: FakeClock) -> None:
    fake = fake_provider(http_response(200, [data(chunk({"content": "Hello"}, "stop")), b"data: [DONE]\n\n"]).stall(after=1))
    asked = ask(fake, clock=fake_clock, silence=600)
    until(lambda: fake_clock.timers == [10])
    fake_clock.advance(10)
    assert asked.finish().stop_reason == "end"


@pytest.mark.parametrize("silence", [600, 0])
def test_a_server_that_talks_on_after_the_finish_has_ten_seconds_in_all(
    fake_provider: Fakes, fake_clock: FakeClock, silence: float
) -> None:
    stream = [data(chunk({"content": "Hello"})), data(chunk({}, "stop")), *[data(chunk({"content": " again"}))] * 3]
    fake = fake_provider(http_response(200, stream).stall(after=2).stall(after=3).stall(after=4))
    asked = ask(fake, clock=fake_clock, silence=silence)
    until(lambda: fake_clock.timers == [10])
    for pieces in (2, 3):
        fake.wait_for(stalled=1, pieces=pieces)
        until(lambda pieces=pieces: asked.words == pieces - 1)  # type: ignore[misc]
        fake_clock.advance(4)
        fake.release()
    until(lambda: asked.words == 3)
    assert fake_clock.timers == [2]
    fake_clock.advance(2)
    assert asked.finish().stop_reason == "end"


def test_a_cancel_that_nobody_here_asked_for_is_a_network_error(fake_provider: Fakes) -> None:
    class Cancelled(ChatDecoder):
        def feed(self, event: ServerSentEvent) -> list[Piece]:
            raise asyncio.CancelledError

    class Wire(ChatCompletions):
        def decoder(self, provider: str) -> ChatDecoder:
            return Cancelled(provider)

    provider = provider_at(fake_provider(reply("x")).openai_url, wire=Wire())
    work = bridge.spawn(provider.stream(Request(model="m", messages=()), lambda p: None, clock=SystemClock(), silence_timeout=5))
    with pytest.raises(ProviderError) as caught:
        work.result(10)
    assert (caught.value.kind, caught.value.retryable) == ("network", True)


def test_a_cancel_that_came_before_the_attempt_stays_one(fake_provider: Fakes) -> None:
    fake = fake_provider(reply("x"))

    async def cancelled_first() -> bool:
        provider = provider_at(fake.openai_url)

        async def ask_after_a_cancel() -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await provider.stream(Request(model="m", messages=()), lambda p: None, clock=SystemClock(), silence_timeout=5)

        task = asyncio.ensure_future(ask_after_a_cancel())
        await asyncio.wait({task})
        return task.cancelled()

    assert bridge.spawn(cancelled_first()).result(10)


def test_a_cancel_of_the_caller_stays_one_and_closes_the_connection(fake_provider: Fakes, fake_clock: FakeClock) -> None:
    fake = fake_provider(reply(WORDS).stall(after=2))

    async def cancelled() -> tuple[bool, int]:
        provider = provider_at(fake.openai_url)
        task = asyncio.ensure_future(
            provider.stream(Request(model="m", messages=()), lambda p: None, clock=fake_clock, silence_timeout=600)
        )
        await asyncio.to_thread(fake.wait_for, stalled=1)
        task.cancel()
        await asyncio.wait({task})
        return task.cancelled(), task.cancelling()

    assert bridge.spawn(cancelled()).result(10) == (True, 1)
    assert fake_clock.timers == []
    fake.wait_for(hang_ups=1)


def test_a_guard_that_fired_leaves_no_cancel_behind(fake_provider: Fakes, fake_clock: FakeClock) -> None:
    fake = fake_provider(reply(WORDS).stall())

    async def twice() -> tuple[str, int]:
        provider = provider_at(fake.openai_url)

        def pass_the_time() -> None:
            fake.wait_for(stalled=1)
            fake_clock.advance(601)

        work = asyncio.ensure_future(asyncio.to_thread(pass_the_time))
        try:
            await provider.stream(Request(model="m", messages=()), lambda p: None, clock=fake_clock, silence_timeout=600)
        except ProviderError as error:
            kind = error.kind
        await work
        task = asyncio.current_task()
        assert task is not None
        return kind, task.cancelling()

    assert bridge.spawn(twice()).result(10) == ("timeout", 0)
