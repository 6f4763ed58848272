"""Asking with `wait=True` while a turn of the same chat runs."""

from __future__ import annotations

import asyncio
import io
import signal
from collections.abc import Callable
from typing import Any

import pytest

from chatkit import Busy, Chat, ChatClosed, UnknownOption, UsageError
from chatkit.chattest import FakeProvider, anthropic_overloaded_response, reply
from tests.conversation.chats import open_chat

Make = Callable[..., FakeProvider]


class Terminal(io.StringIO):
    """A stream for the line of a wait, that does something when it says that the turn waits."""

    def __init__(self, then: Callable[[], object]) -> None:
        super().__init__()
        self._then = then

    def write(self, text: str) -> int:
        if "Waiting for the running turn to end" in text:
            self._then()
        return super().write(text)


@pytest.fixture
def shown_to(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    monkeypatch.setenv("CHATKIT_DISPLAY", "terminal")
    return lambda then: monkeypatch.setattr("sys.stderr", Terminal(then))


def said(chat: Chat) -> list[str]:
    return [message.text for message in chat.messages]


@pytest.mark.parametrize("awaited", [False, True])
def test_a_question_waits_for_the_turn_that_runs_and_says_so(fake_provider: Make, shown_to: Any, awaited: bool) -> None:
    fake = fake_provider([anthropic_overloaded_response(), reply("One.").stall(0), reply("Two.")])
    chat = open_chat(fake)
    run = chat.submit("First", show=False)
    fake.wait_for(stalled=1)
    shown_to(fake.release)
    second = asyncio.run(chat.send("Second", wait=True, show=True)) if awaited else chat.ask("Second", wait=True, show=True)
    assert (second.text, second.attempts, run.result(10).text) == ("Two.", 1, "One.")
    assert said(chat) == ["First", "One.", "Second", "Two."]


def test_an_interrupt_ends_the_waiting_and_leaves_the_running_turn_alone(fake_provider: Make, shown_to: Any) -> None:
    fake = fake_provider([reply("One.").stall(0), reply("Two.")])
    chat = open_chat(fake)
    run = chat.submit("First", show=False)
    fake.wait_for(stalled=1)
    shown_to(lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        chat.ask("Second", wait=True, show=True)
    assert (chat.status, said(chat)) == ("running", ["First"])
    fake.release()
    assert run.result(10).text == "One."
    assert chat.ask("Third", wait=True, show=False).text == "Two."


def test_several_wait_in_their_order(fake_provider: Make) -> None:
    fake = fake_provider([reply("1").stall(0), reply("2"), reply("3"), reply("4")])
    chat = open_chat(fake)
    chat.submit("a", show=False)
    fake.wait_for(stalled=1)

    async def all_at_once() -> list[str]:
        asked = [asyncio.create_task(chat.send(prompt, wait=True, show=False)) for prompt in "bcd"]
        asyncio.get_running_loop().call_soon(fake.release)
        return [answer.text for answer in await asyncio.gather(*asked)]

    assert asyncio.run(all_at_once()) == ["2", "3", "4"]
    assert said(chat) == list("a1b2c3d4")


def test_a_chat_that_is_closed_meanwhile_is_not_asked(fake_provider: Make, shown_to: Any) -> None:
    fake = fake_provider([reply("One.").stall(0)])
    chat = open_chat(fake)
    chat.submit("First", show=False)
    fake.wait_for(stalled=1)
    shown_to(chat.close)
    with pytest.raises(ChatClosed):
        chat.ask("Second", wait=True, show=True)


@pytest.mark.parametrize("awaited", [False, True])
def test_on_retry_is_told_that_it_can_not_wait_for_its_own_turn(fake_provider: Make, awaited: bool) -> None:
    fake = fake_provider([anthropic_overloaded_response(), reply("One."), reply("Two.")])
    refused = []

    def on_retry(notice: object) -> None:
        with pytest.raises(UsageError, match="on_retry can't wait for the turn that waits for it") as found:
            chat.ask("Second", wait=True)
        refused.append(found.value)

    chat = open_chat(fake)
    chat.on_retry = on_retry
    run = chat.submit("First", show=False) if awaited else None
    assert (run.result(10) if run else chat.ask("First", show=False)).text == "One."
    assert len(refused) == 1
    assert chat.ask("Third", wait=True, show=False).text == "Two."


def test_without_it_the_error_says_how_to_wait(fake_provider: Make) -> None:
    fake = fake_provider([reply("One.").stall(0)])
    chat = open_chat(fake)
    chat.submit("First", show=False)
    fake.wait_for(stalled=1)
    with pytest.raises(Busy, match=r"run\.result\(\) of what submit returned, or chat\.ask\(\.\.\., wait=True\)"):
        chat.ask("Second")
    with pytest.raises(UnknownOption, match="takes no 'wait'"):
        chat.submit("Second", wait=True)  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="wait='yes': give True or False"):
        chat.ask("Second", wait="yes")  # type: ignore[arg-type]
    chat.close()
