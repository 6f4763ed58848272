from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chatkit
from chatkit import Chat, ProviderError, UsageError, fallback_title
from chatkit.bridge import Waiter, call_soon, spawn
from chatkit.chattest import (
    TITLE_PROMPT,
    FakeClock,
    FakeProvider,
    anthropic_error_response,
    anthropic_overloaded_response,
    reply,
)
from chatkit.conversation.titles import SYSTEM, normalise, wants_title
from chatkit.parts import Message, Text
from tests.conversation.chats import open_chat
from tests.watching import wait_for_title

Make = Callable[..., FakeProvider]
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def message(id: int, role: str, text: str = "Why back off?", **fields: str) -> Message:
    return Message(id=id, chat_id="c", role=role, parts=(Text(text=text),), created_at=NOON, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("", "New Chat"),
        (" \n ", "New Chat"),
        ("one two three four five six", "one two three four five six"),
        ("one two three four five six seven", "one two three four five six…"),
        ("  spaced \n out\ttext ", "spaced out text"),
        ("x" * 100, "x" * 80),
        ("see \x1b]52;c;AA\x07\u202ethis", "see ]52;c;AAthis"),
    ],
)
def test_the_fallback_is_the_first_six_words(text: str, title: str) -> None:
    assert fallback_title(text) == title


@given(st.text())
def test_no_title_is_longer_than_80_characters_or_8_words(text: str) -> None:
    assert 0 < len(fallback_title(text)) <= 80
    assert len(normalise(text)) <= 80
    assert len(normalise(text).split()) <= 8
    assert normalise(normalise(text)) == normalise(text) or normalise(text)[:1] in "\"'` " or normalise(text)[-1:] in "\"'` "


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        ('"Backing off"', "Backing off"),
        ("`code`", "code"),
        (" 'a  b'\n", "a b"),
        ("one two three four five six seven eight nine", "one two three four five six seven eight"),
        ('""', ""),
        ("Back\x1b]52;c;AAAA\x07ing \u202eoff\ud800", "Back]52;c;AAAAing off\ufffd"),
    ],
)
def test_an_answer_is_made_a_title(answer: str, title: str) -> None:
    assert normalise(answer) == title


def test_only_a_chat_with_one_question_and_no_title_of_its_own_wants_one() -> None:
    first = message(1, "user")
    assert wants_title([first], "")
    assert wants_title([first], fallback_title("Why back off?"))
    assert wants_title([message(1, "system"), message(2, "user", visibility="model"), message(3, "user")], "")
    assert not wants_title([first], "My own")
    assert not wants_title([first, message(2, "assistant")], "")
    assert not wants_title([first, message(2, "user")], "")
    assert not wants_title([], "")


def test_the_test_room_recognises_a_title_request() -> None:
    assert SYSTEM.startswith(TITLE_PROMPT)


def titling(chat: Chat) -> list[asyncio.Task[object]]:
    """The titles of the chat that are being generated."""
    return Waiter().wait(call_soon(lambda: [task for task in asyncio.all_tasks() if task.get_name() == f"title of {chat.id}"]))


def wait_for_end(tasks: list[asyncio.Task[object]]) -> None:
    async def over() -> None:
        await asyncio.gather(*tasks)

    Waiter().wait(spawn(over()))


@pytest.mark.parametrize("model", ["anthropic:claude-x", "openai:gpt-x", "openai-compat:llama"])
def test_the_first_reply_is_followed_by_a_title(fake_provider: Make, model: str) -> None:
    fake = fake_provider([reply("Because.")], title="Backing off politely")
    url = fake.anthropic_url if model.startswith("anthropic") else fake.openai_url
    chat = Chat(model, base_url=url, api_key="k", clock=FakeClock())
    chat.ask("Why do clients back off before they try again?")
    assert wait_for_title(chat) == "Backing off politely"
    assert chat.title == "Backing off politely"
    (asked,) = fake.title_requests
    assert asked.text == "Why do clients back off before they try again?"
    assert "tools" not in asked.json


def test_until_it_comes_the_chat_has_the_fallback(fake_provider: Make) -> None:
    fake = fake_provider([reply("Because.")], title=reply("Later").stall(0))
    chat = open_chat(fake, title="")
    chat.ask("Why do clients back off before they try again?")
    assert chat.title == "Why do clients back off before…"
    fake.wait_for(stalled=1)
    fake.release()
    assert wait_for_title(chat) == "Later"


def test_a_title_never_asks_beside_the_first_request(fake_provider: Make) -> None:
    fake = fake_provider([anthropic_overloaded_response(), reply("Because.")])
    chat = open_chat(fake, title="")
    chat.ask("Why?")
    wait_for_title(chat)
    assert [r.is_title for r in fake.received] == [False, False, True]


def test_a_rename_made_meanwhile_wins(fake_provider: Make) -> None:
    fake = fake_provider([reply("Because.")], title=reply("Generated").stall(0))
    chat = open_chat(fake, title="")
    chat.ask("Why?")
    fake.wait_for(stalled=1)
    chat.title = "Mine"
    assert wait_for_title(chat) == "Mine"
    (task,) = titling(chat)
    fake.release()
    wait_for_end([task])
    assert chat.title == "Mine"


def test_a_rename_during_the_turn_wins(fake_provider: Make) -> None:
    fake = fake_provider([reply("Because.").stall(after=1)], title=reply("Generated"))
    chat = open_chat(fake, title="")
    run = chat.submit("Why?")
    fake.wait_for(stalled=1)
    chat.title = "Mine"
    fake.release()
    assert run.result().text == "Because."
    assert chat.title == "Mine"
    assert titling(chat) == []
    assert fake.title_requests == []


@pytest.mark.parametrize("title", ["Mine", None])
def test_a_given_title_or_none_asks_for_none(fake_provider: Make, title: str | None) -> None:
    fake = fake_provider([reply("Because."), reply("So.")])
    chat = open_chat(fake, title=title)
    chat.ask("Why?")
    chat.ask("And?")
    assert chat.title == (title or "")
    assert fake.title_requests == []


def test_a_failing_title_neither_fails_nor_delays_the_turn(fake_provider: Make) -> None:
    fake = fake_provider([reply("Because."), reply("So.")], title=anthropic_error_response(400, "no titles here"))
    chat = open_chat(fake, title="")
    assert chat.ask("Why?").text == "Because."
    assert chat.ask("And?").text == "So."
    wait_for_end(titling(chat))
    assert chat.title == "Why?"
    assert len(fake.title_requests) == 1


def test_a_title_is_retried_silently_and_stays_out_of_the_chats_attempts(fake_provider: Make) -> None:
    fake = fake_provider([reply("Because.")], title=[anthropic_overloaded_response(), "Second try"])
    chat = open_chat(fake, title="")
    chat.ask("Why?")
    assert wait_for_title(chat) == "Second try"
    assert len(chat.attempts) == 1


def test_a_title_on_its_own(fake_provider: Make) -> None:
    fake = fake_provider(title=[anthropic_overloaded_response(), '"A quoted  title"'])
    assert chatkit.title("Why?", "anthropic:x", base_url=fake.anthropic_url, api_key="k", clock=FakeClock()) == "A quoted title"


def test_a_title_that_fails_raises_or_falls_back(fake_provider: Make) -> None:
    fake = fake_provider(title=lambda request: anthropic_overloaded_response())
    where = {"model": "anthropic:x", "base_url": fake.anthropic_url, "api_key": "k"}
    clock = FakeClock()
    with pytest.raises(ProviderError, match="overloaded"):
        chatkit.title("Why?", **where, clock=clock)  # type: ignore[arg-type]
    assert sum(clock.pauses) <= 10
    assert chatkit.title("Why do clients?", **where, fallback=True, clock=FakeClock()) == "Why do clients?"  # type: ignore[arg-type]


def test_a_title_that_takes_too_long_is_a_timeout(fake_provider: Make) -> None:
    fake = fake_provider(title=reply("Never").stall(0))
    clock = FakeClock()
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            chatkit.title("Why?", "anthropic:x", base_url=fake.anthropic_url, api_key="k", clock=clock)
        except ProviderError as error:
            failed.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    fake.wait_for(stalled=1)
    clock.advance(11)
    thread.join(5)
    assert isinstance(failed[0], ProviderError)
    assert failed[0].kind == "timeout"


def test_an_empty_title_is_an_error(fake_provider: Make) -> None:
    fake = fake_provider(title='""')
    with pytest.raises(ProviderError, match="empty"):
        chatkit.title("Why?", "anthropic:x", base_url=fake.anthropic_url, api_key="k", clock=FakeClock())


@pytest.mark.parametrize("text", ["", "  ", None])
def test_nothing_cannot_be_named(text: str) -> None:
    with pytest.raises(UsageError, match="nothing to name"):
        chatkit.title(text, "demo")


def test_another_first_question_after_a_failed_one_gets_its_own_title(fake_provider: Make) -> None:
    fake = fake_provider([anthropic_error_response(400), reply("Because.")], title="Second thoughts")
    chat = open_chat(fake, title="")
    with pytest.raises(ProviderError):
        chat.ask("Why?")
    assert chat.title == "Why?"
    chat.ask("How?")
    assert wait_for_title(chat) == "Second thoughts"
    assert fake.title_requests[0].text == "How?"


def test_an_interrupted_first_reply_is_titled_too(fake_provider: Make) -> None:
    fake = fake_provider([reply("One two three.").stall(2)], title="Cut short")
    chat = open_chat(fake, title="")
    with chat.stream("Why?") as events:
        for event in events:
            if event.type == "message_part":
                break
    assert wait_for_title(chat) == "Cut short"
