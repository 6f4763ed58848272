"""What the forms of a retry have in common, and what `retry_context` has alone."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import chatkit
from chatkit import RetryNotice, Stopped, UsageError
from chatkit.chattest import FakeClock

Work = Callable[[], object]


def called(work: Work, **given: Any) -> object:
    return chatkit.retry(work, **given)


def decorated(work: Work, **given: Any) -> object:
    return chatkit.retry(**given)(work)()


def in_a_block(work: Work, **given: Any) -> object:
    for attempt in chatkit.retry_context(**given):
        with attempt:
            return work()
    return None


def awaited(work: Work, **given: Any) -> object:
    async def fn() -> object:
        return work()

    async def main() -> object:
        return await chatkit.retry(fn, **given)

    return asyncio.run(main())


def awaited_from_a_decorated_function(work: Work, **given: Any) -> object:
    @chatkit.retry(**given)
    async def fn() -> object:
        return work()

    return asyncio.run(fn())


def in_an_awaited_block(work: Work, **given: Any) -> object:
    async def main() -> object:
        async for attempt in chatkit.retry_context(**given):
            async with attempt:
                await asyncio.sleep(0)
                return work()
        return None

    return asyncio.run(main())


def in_a_plain_block_of_an_awaited_loop(work: Work, **given: Any) -> object:
    async def main() -> object:
        async for attempt in chatkit.retry_context(**given):
            with attempt:
                await asyncio.sleep(0)
                return work()
        return None

    return asyncio.run(main())


AWAITED = [awaited, awaited_from_a_decorated_function, in_an_awaited_block, in_a_plain_block_of_an_awaited_loop]
every_form = pytest.mark.parametrize("form", [called, decorated, in_a_block, *AWAITED])


class Script:
    """Work that does one line of a script after another."""

    def __init__(self, *lines: object) -> None:
        self.lines = list(lines)

    def __call__(self) -> object:
        line = self.lines.pop(0)
        if isinstance(line, BaseException):
            raise line
        return line


def frames_of(error: BaseException) -> set[str]:
    """The files through which a traceback passes, without asyncio's, whose loop is above a coroutine."""
    return {f.filename for f in traceback.extract_tb(error.__traceback__) if "asyncio" not in f.filename}


@every_form
def test_it_is_tried_again_until_there_is_a_value(form: Any, fake_clock: FakeClock) -> None:
    heard: list[RetryNotice] = []
    assert form(Script(ConnectionResetError(), TimeoutError(), "done"), on_retry=heard.append, clock=fake_clock) == "done"
    assert [(n.attempt, n.kind, n.delay) for n in heard] == [(1, "network", 1), (2, "timeout", 2)]
    assert fake_clock.pauses == [1, 2]


@every_form
def test_every_attempt_is_in_the_log(form: Any, fake_clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATKIT_RETRY_LOG", str(tmp_path / "log.jsonl"))
    with pytest.raises(KeyError):
        form(Script(TimeoutError(), KeyError("x")), clock=fake_clock)
    frame = chatkit.analysis.load_retry_log(tmp_path / "log.jsonl")
    assert list(frame.outcome) == ["retry", "failed"]
    assert frame.call.nunique() == 1


@every_form
def test_the_last_error_itself_ends_it_with_a_note(form: Any, fake_clock: FakeClock) -> None:
    last = KeyError("mine")
    with pytest.raises(KeyError) as caught:
        form(Script(KeyError("first"), last), on=KeyError, max_attempts=2, clock=fake_clock)
    assert caught.value is last
    assert last.__notes__ == ["chatkit: gave up after 2 attempts and 1.0 s: max_attempts=2"]
    assert last.__context__ is None


@every_form
@pytest.mark.parametrize("kind", [KeyError, KeyboardInterrupt, SystemExit])
def test_an_error_shows_the_frames_of_the_person_alone(form: Any, kind: type[BaseException], fake_clock: FakeClock) -> None:
    with pytest.raises(kind) as caught:
        form(Script(TimeoutError(), kind()), clock=fake_clock)
    assert frames_of(caught.value) == {__file__}
    assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "__call__"


@every_form
def test_an_interrupt_of_a_wait_shows_the_frames_of_the_person_alone(form: Any, fake_clock: FakeClock) -> None:
    def interrupted(_: RetryNotice) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        form(Script(TimeoutError(), "never"), on_retry=interrupted, clock=fake_clock)
    assert frames_of(caught.value) == {__file__}


@pytest.mark.parametrize("form", AWAITED)
def test_cancelling_ends_the_attempt_and_is_not_swallowed(form: Any, fake_clock: FakeClock) -> None:
    def cancelled() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        form(cancelled, clock=fake_clock)
    assert fake_clock.pauses == []


def test_every_loop_over_a_block_begins_anew(fake_clock: FakeClock) -> None:
    attempts, numbers = chatkit.retry_context(clock=fake_clock), []
    for _ in range(2):
        for attempt in attempts:
            with attempt:
                numbers.append(attempt.number)
                if attempt.number < 3:
                    raise TimeoutError
    assert numbers == [1, 2, 3] * 2
    assert fake_clock.pauses == [1, 2] * 2


def test_what_stands_beside_the_block_is_not_tried_again(fake_clock: FakeClock) -> None:
    def main() -> None:
        for attempt in chatkit.retry_context(clock=fake_clock):
            with attempt:
                pass
            raise TimeoutError

    with pytest.raises(TimeoutError):
        main()
    assert fake_clock.pauses == []


def test_a_loop_without_a_block_is_a_clear_error() -> None:
    with pytest.raises(UsageError, match="`with attempt:`"):
        list(chatkit.retry_context())


def test_an_awaited_block_in_a_plain_loop_is_a_clear_error() -> None:
    async def main() -> None:
        for attempt in chatkit.retry_context():
            async with attempt:
                pass

    with pytest.raises(UsageError, match="async for"):
        asyncio.run(main())


@every_form
def test_an_observer_that_can_t_be_called_is_a_clear_error_before_anything_is_called(form: Any) -> None:
    with pytest.raises(UsageError, match="on_retry=5: give a function"):
        form(Script("never"), on_retry=5)


def test_a_block_refuses_what_retry_refuses() -> None:
    async def hear(_: RetryNotice) -> None: ...

    for wrong in ({"max_attempt": 3}, {"on": 3}, {"policy": 5}, {"max_attempts": 0}):
        with pytest.raises(UsageError):
            chatkit.retry_context(**wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="nobody awaits it here"):
        next(iter(chatkit.retry_context(on_retry=hear)))


def test_an_awaited_block_awaits_its_observer(fake_clock: FakeClock) -> None:
    heard = []

    async def hear(notice: RetryNotice) -> None:
        await asyncio.sleep(0)
        heard.append(notice.attempt)

    assert in_an_awaited_block(Script(TimeoutError(), "done"), on_retry=hear, clock=fake_clock) == "done"
    assert heard == [1]


@pytest.mark.parametrize("during", ["attempt", "wait"])
def test_stop_ends_an_awaited_block(during: str) -> None:
    clock = FakeClock(hold=True)

    async def main() -> None:
        async for attempt in chatkit.retry_context(clock=clock):
            stopping = asyncio.create_task(stop(attempt))
            async with attempt:
                if during == "attempt":
                    await asyncio.Event().wait()
                raise TimeoutError
        await stopping

    async def stop(attempt: Any) -> None:
        if during == "wait":
            await asyncio.to_thread(clock.wait_for_pause)
        attempt.run.stop()

    with pytest.raises(Stopped):
        asyncio.run(main())


def test_a_stop_between_two_awaited_attempts_is_heard(fake_clock: FakeClock) -> None:
    async def main() -> None:
        async for attempt in chatkit.retry_context(clock=fake_clock):
            with attempt:
                raise TimeoutError
            attempt.run.stop()
            await asyncio.sleep(0)

    with pytest.raises(Stopped):
        asyncio.run(main())
    assert fake_clock.pauses == []


def test_an_asynchronous_block_may_be_left_at_any_point(fake_clock: FakeClock) -> None:
    async def main() -> list[int]:
        left = []
        async for attempt in chatkit.retry_context(clock=fake_clock):
            with attempt:
                left.append(attempt.number)
                break
        async for attempt in chatkit.retry_context(clock=fake_clock):
            with attempt:
                raise TimeoutError
            left.append(attempt.number)
            break
        for _ in range(5):
            await asyncio.sleep(0)
        return [*left, len(asyncio.all_tasks())]

    assert asyncio.run(main()) == [1, 1, 1]
