from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import inspect
import json
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import chatkit
from chatkit import RetryNotice, RetryPolicy, UnknownOption, UsageError
from chatkit.chattest import FakeClock
from chatkit.retries.loop import RetriedCall
from chatkit.retrying.run import RetryRun
from chatkit.retrying.settings import Keywords


class Flaky:
    """Fails so often, then gives its value."""

    def __init__(self, failures: int, error: BaseException | None = None) -> None:
        self.left = failures
        self.error = error or ConnectionResetError("gone")
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self.error
        return "done"


async def awaited(flaky: Flaky) -> str:
    return flaky()


def test_an_asynchronous_function_gives_an_awaitable_on_the_callers_own_loop(fake_clock: FakeClock) -> None:
    flaky, loops = Flaky(2), []

    async def fn() -> str:
        loops.append(asyncio.get_running_loop())
        return flaky()

    async def main() -> tuple[str, asyncio.AbstractEventLoop]:
        return await chatkit.retry(fn, clock=fake_clock), asyncio.get_running_loop()

    value, loop = asyncio.run(main())
    assert value == "done"
    assert set(loops) == {loop}
    assert fake_clock.pauses == [1, 2]


def test_what_a_plain_function_returns_as_an_awaitable_is_awaited_there_as_well(fake_clock: FakeClock) -> None:
    flaky = Flaky(2)

    async def main() -> str:
        return await chatkit.retry(lambda: awaited(flaky), clock=fake_clock)

    assert asyncio.run(main()) == "done"
    assert fake_clock.pauses == [1, 2]


def test_a_plain_function_may_fail_before_it_returns_its_awaitable(fake_clock: FakeClock) -> None:
    outer, inner = Flaky(1), Flaky(1)

    def fn() -> Any:
        outer()
        return awaited(inner)

    async def main() -> str:
        return await chatkit.retry(fn, clock=fake_clock)

    assert asyncio.run(main()) == "done"
    assert fake_clock.pauses == [1, 2]


def test_an_object_whose_call_is_asynchronous_is_awaited(fake_clock: FakeClock) -> None:
    class Client:
        async def __call__(self) -> str:
            return "done"

    async def main() -> str:
        return await chatkit.retry(Client(), clock=fake_clock)

    assert asyncio.run(main()) == "done"


def test_where_nobody_watches_it_ends_within_180_seconds(fake_clock: FakeClock) -> None:
    with pytest.raises(ConnectionResetError) as caught:
        chatkit.retry(Flaky(1000), clock=fake_clock)
    assert fake_clock.pauses == [1, 2, 4, 8, 16, 32, 60]
    assert "max_elapsed=180" in caught.value.__notes__[0]


def test_the_numbers_can_be_given(fake_clock: FakeClock) -> None:
    with pytest.raises(ConnectionResetError):
        chatkit.retry(Flaky(1000), max_attempts=3, clock=fake_clock)
    assert fake_clock.pauses == [1, 2]
    assert chatkit.retry(Flaky(40), max_elapsed=None, clock=FakeClock()) == "done"
    with pytest.raises(ConnectionResetError):
        chatkit.retry(Flaky(1000), policy=RetryPolicy(max_elapsed=3), clock=FakeClock())


def test_an_unexplained_failure_is_tried_again_only_for_a_provider(fake_clock: FakeClock) -> None:
    with pytest.raises(RuntimeError):
        chatkit.retry(Flaky(1, RuntimeError("?")), clock=fake_clock)
    assert fake_clock.pauses == []
    assert chatkit.retry(Flaky(1, RuntimeError("?")), provider="openai", clock=fake_clock) == "done"


def test_the_very_same_error_of_a_server_is_tried_five_times(fake_clock: FakeClock) -> None:
    request = httpx.Request("POST", "http://127.0.0.1/v1/chat/completions")
    response = httpx.Response(500, json={"error": {"message": "image input is not supported"}}, request=request)
    flaky = Flaky(1000, httpx.HTTPStatusError("Server error", request=request, response=response))
    with pytest.raises(httpx.HTTPStatusError) as caught:
        chatkit.retry(flaky, max_elapsed=None, clock=fake_clock)
    assert flaky.calls == 5
    assert "the same answer 5 times in a row" in caught.value.__notes__[0]
    again = Flaky(1000, RuntimeError("the very same"))
    with pytest.raises(RuntimeError):
        chatkit.retry(again, provider="mine", max_elapsed=None, clock=fake_clock)
    assert again.calls == 5


def test_a_program_error_is_raised_at_once_as_it_is(fake_clock: FakeClock) -> None:
    flaky = Flaky(1, KeyError("mine"))
    with pytest.raises(KeyError):
        chatkit.retry(flaky, clock=fake_clock)
    assert flaky.calls == 1


@pytest.mark.parametrize("on", [KeyError, (ValueError, LookupError), lambda error: "mine" in str(error)])
def test_on_says_what_is_tried_again_whatever_it_is_called(on: Any, fake_clock: FakeClock) -> None:
    assert chatkit.retry(Flaky(2, KeyError("mine")), on=on, clock=fake_clock) == "done"
    assert fake_clock.pauses == [1, 2]
    flaky = Flaky(1, ConnectionResetError("gone"))
    with pytest.raises(ConnectionResetError):
        chatkit.retry(flaky, on=on, clock=fake_clock)
    assert flaky.calls == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(), asyncio.CancelledError(), concurrent.futures.CancelledError()])
def test_on_never_tries_again_what_was_stopped(error: BaseException, fake_clock: FakeClock) -> None:
    flaky, asked = Flaky(1, error), []

    def on(error: BaseException) -> bool:
        asked.append(type(error))
        return not isinstance(error, chatkit.ProviderError)  # a cancellation by the other side is a broken connection

    with pytest.raises((type(error), chatkit.ProviderError)):
        chatkit.retry(flaky, on=on, clock=fake_clock)
    assert flaky.calls == 1
    assert set(asked) <= {chatkit.TransientError}


def test_the_limits_hold_for_what_on_lets_through(fake_clock: FakeClock) -> None:
    with pytest.raises(KeyError) as caught:
        chatkit.retry(Flaky(9, KeyError("x")), on=KeyError, max_attempts=3, clock=fake_clock)
    assert "max_attempts=3" in caught.value.__notes__[0]


def test_what_on_raises_is_the_callers_to_see(fake_clock: FakeClock) -> None:
    def on(error: BaseException) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        chatkit.retry(Flaky(1), on=on, clock=fake_clock)


@pytest.mark.parametrize("on", [3, "KeyError", (), (KeyError, 3), int, awaited])
def test_what_on_can_not_be_is_said(on: Any) -> None:
    with pytest.raises(UsageError, match="exception class"):
        chatkit.retry(Flaky(0), on=on)


def test_without_a_function_it_is_a_decorator(fake_clock: FakeClock) -> None:
    flaky = Flaky(2, KeyError("x"))

    @chatkit.retry(on=KeyError, clock=fake_clock)
    def named(prefix: str, *, suffix: str) -> str:
        """Its own words."""
        return prefix + flaky() + suffix

    assert named("<", suffix=">") == "<done>"
    assert (named.__name__, named.__doc__) == ("named", "Its own words.")
    assert fake_clock.pauses == [1, 2]


def test_arguments_are_passed_on(fake_clock: FakeClock) -> None:
    flaky = Flaky(2)

    def fn(*args: int) -> str:
        return f"{args} {flaky()}"

    async def fn_async(number: int) -> str:
        return fn(number)

    async def main() -> str:
        return await chatkit.retry(fn_async, 3, clock=fake_clock)

    assert chatkit.retry(fn, 1, 2, clock=fake_clock) == "(1, 2) done"
    flaky.left = 1
    assert asyncio.run(main()) == "(3,) done"
    assert fake_clock.pauses == [1, 2, 1]


def test_a_function_that_lacks_its_arguments_is_told_of_both_forms() -> None:
    def ask(question: str) -> str:
        return question

    given: list[tuple[Any, ...]] = [(), ("a", "b")]
    for wrong in given:
        with pytest.raises(UsageError, match=r"ask\(question.*retry\(ask, x\).*@retry\(\), with parentheses"):
            chatkit.retry(ask, *wrong)
    with pytest.raises(UnknownOption) as caught:
        chatkit.retry(ask, question="q")  # type: ignore[call-overload]
    assert "retry(lambda: fn(x, keyword=value))" in caught.value.__notes__[0]


def test_a_decorated_method_knows_its_object(fake_clock: FakeClock) -> None:
    class Client:
        flaky = Flaky(2)

        @chatkit.retry(max_attempts=5, on=(ConnectionError,), clock=fake_clock)
        def ask(self, question: str) -> str:
            return question + self.flaky()

        @staticmethod
        @chatkit.retry(clock=fake_clock)
        def told(question: str) -> str:
            return question

    assert Client().ask("well ") == "well done"
    assert Client.told("well") == "well"


def test_a_decorated_asynchronous_function_stays_one(fake_clock: FakeClock) -> None:
    flaky = Flaky(2)

    class Client:
        @chatkit.retry(clock=fake_clock)
        async def ask(self, question: str) -> str:
            return question + flaky()

    assert inspect.iscoroutinefunction(Client.ask)
    assert asyncio.run(Client().ask("well ")) == "well done"
    assert fake_clock.pauses == [1, 2]


def test_a_decorator_refuses_what_retry_refuses() -> None:
    def generator() -> Any:
        yield 1

    with pytest.raises(UsageError, match="generator"):
        chatkit.retry()(generator)
    with pytest.raises(UnknownOption):
        chatkit.retry(onn=KeyError)  # type: ignore[call-overload]


def test_its_attempts_are_in_the_log(fake_clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.jsonl"
    monkeypatch.setenv("CHATKIT_RETRY_LOG", str(path))
    chatkit.retry(Flaky(1), provider="openai", clock=fake_clock)
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [(r["operation"], r["provider"], r["attempt"], r["outcome"]) for r in rows] == [
        ("retry", "openai", 1, "retry"),
        ("retry", "openai", 2, "ok"),
    ]


def test_cancelling_the_awaitable_is_not_taken_for_a_stop(fake_clock: FakeClock) -> None:
    async def main() -> None:
        began = asyncio.Event()

        async def fn() -> None:
            began.set()
            await asyncio.Event().wait()

        task = asyncio.ensure_future(chatkit.retry(fn, clock=fake_clock))
        await began.wait()
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())


@pytest.mark.parametrize("wrong", [3, None, "f"])
def test_what_cannot_be_called_is_a_clear_error(wrong: Any) -> None:
    with pytest.raises(UsageError, match="needs a function, not a"):
        chatkit.retry(wrong)


def test_a_coroutine_is_told_apart_from_its_function() -> None:
    coroutine = awaited(Flaky(0))
    with pytest.raises(UsageError, match="give the function itself"):
        chatkit.retry(coroutine)  # type: ignore[call-overload]
    coroutine.close()


def test_an_unknown_keyword_is_a_clear_error() -> None:
    with pytest.raises(UnknownOption, match="did you mean 'max_attempts'"):
        chatkit.retry(Flaky(0), max_attempt=3)


@pytest.mark.parametrize("function", [chatkit.retry, chatkit.retry_context])
def test_an_editor_knows_every_keyword(function: Callable[..., Any]) -> None:
    keywords = {p.name: p for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY}
    assert list(keywords) == list(Keywords.__annotations__)
    assert (keywords["name"].annotation, keywords["name"].default) == ("str | None", None)
    assert keywords["max_elapsed"].default == "auto"
    assert len(typing.get_overloads(chatkit.retry)) == 3


def test_a_stop_that_comes_too_late_hits_nothing_that_follows(fake_clock: FakeClock) -> None:
    async def done() -> int:
        run.stop()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return 1  # although it was stopped

    async def main() -> tuple[int, int]:
        value = await run.run_async(done)
        run.stop()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        return value, task.cancelling()

    run = RetryRun(RetriedCall(operation="retry"), policy=RetryPolicy(max_elapsed=None), clock=fake_clock)
    assert asyncio.run(main()) == (1, 0)


def test_a_plain_function_may_have_its_value_at_hand_later(fake_clock: FakeClock) -> None:
    first = [True]

    async def broken() -> int:
        raise ConnectionResetError

    def cached() -> Any:
        return broken() if first and first.pop() else 42

    async def main() -> Any:
        return await chatkit.retry(cached, clock=fake_clock)

    assert asyncio.run(main()) == 42


def test_a_class_is_called_not_awaited(fake_clock: FakeClock) -> None:
    class Client:
        async def __call__(self) -> str:
            return "done"

    assert isinstance(chatkit.retry(Client, clock=fake_clock), Client)


def test_what_would_never_be_tried_again_is_a_clear_error() -> None:
    def pages() -> Any:
        yield 1

    async def hear(_: RetryNotice) -> None: ...

    with pytest.raises(UsageError, match="can't try a generator again"):
        chatkit.retry(pages)
    with pytest.raises(UsageError, match="nobody awaits it here"):
        chatkit.retry(Flaky(0), on_retry=hear)
    for wrong in ({"policy": 5}, {"max_attempts": "x"}, {"max_attempts": 1.5}, {"max_elapsed": "x"}):
        with pytest.raises(UsageError, match="give"):
            chatkit.retry(Flaky(0), **wrong)


@pytest.mark.usefixtures("broken_terminal")
def test_a_display_that_fails_loses_neither_the_value_nor_the_callback(fake_clock: FakeClock) -> None:
    heard: list[int] = []
    assert chatkit.retry(Flaky(2), show=True, on_retry=lambda n: heard.append(n.attempt), clock=fake_clock) == "done"
    assert heard == [1, 2]
