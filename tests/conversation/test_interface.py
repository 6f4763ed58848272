"""The main job over real HTTP: a reply streams through a failing provider, on all three wire formats."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import os
import signal
import subprocess
import sys
import threading
import traceback
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import chatkit
from chatkit import Busy, Chat, ChatClosed, ProviderError, Reply, RetryNotice, RetryPolicy, Run, Stopped, UnknownOption, UsageError
from chatkit.chattest import (
    FakeClock,
    FakeProvider,
    Response,
    anthropic_error_response,
    anthropic_overloaded_response,
    html_response,
    http_response,
    openai_error_response,
    openai_rate_limit_response,
    reply,
)
from chatkit.conversation.asking import ChatCommands
from chatkit.conversation.view import subscribe
from chatkit.events import ErrorEvent, Event, MessagePart, Reset, Retry, Status
from chatkit.parts import Message
from chatkit.providers.registry import connect
from tests.conversation.chats import MODELS, every_format, open_chat
from tests.watching import watching

Make = Callable[..., FakeProvider]
WORDS = " ".join(f"word{n}" for n in range(40))


@every_format
def test_a_question_gets_a_reply(fake_provider: Make, wire: str) -> None:
    fake = fake_provider([reply("Hello there.")])
    answer = open_chat(fake, wire).ask("Hi")
    assert isinstance(answer, Reply)
    assert (answer.text, answer.stop_reason, answer.attempts, answer.waited) == ("Hello there.", "end", 1, 0)
    assert answer.usage is not None
    assert answer.usage.input_tokens == 12
    assert fake.requests[0].text == "Hi"


@every_format
@pytest.mark.parametrize("fault", ["reset", "cut", "error_frame", "half_close", "broken_json"])
def test_a_stream_that_breaks_after_10_words_gives_the_full_reply_each_word_once(fake_provider: Make, wire: str, fault: str) -> None:
    broken: Response = getattr(reply(WORDS), fault)(10)
    fake = fake_provider([broken, reply(WORDS)])
    chat = open_chat(fake, wire)
    with chat.stream("Count") as stream:
        events = list(stream)
    assert stream.reply.text == WORDS
    assert stream.reply.attempts == 2
    assert len(fake.requests) == 2
    assert [e.attempt for e in events if isinstance(e, Retry)] == [1]
    assert chat.messages[-1].text == WORDS


@every_format
def test_529_for_ten_minutes_waits_1_2_4_to_60_seconds(fake_provider: Make, wire: str) -> None:
    clock = FakeClock()
    overloaded = anthropic_overloaded_response()
    fake = fake_provider(lambda request: overloaded if clock.monotonic() < 600 else reply("At last."))
    with open_chat(fake, wire, clock=clock).stream("Hello?") as stream:
        delays = [event.delay_ms / 1000 for event in stream if isinstance(event, Retry)]
    assert delays[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert set(delays[6:]) == {60}
    assert sum(delays) >= 600
    assert stream.reply.text == "At last."


@every_format
def test_twenty_five_retries_take_no_time_and_no_guard_fires(fake_provider: Make, wire: str) -> None:
    fake = fake_provider([anthropic_overloaded_response()] * 25 + [reply("Done.")])
    answer = open_chat(fake, wire, silence_timeout=5).ask("Hi")
    assert (answer.text, answer.attempts) == ("Done.", 26)
    assert answer.waited == 1 + 2 + 4 + 8 + 16 + 32 + 60 * 19


@every_format
@pytest.mark.parametrize(
    "trouble", [html_response(200), html_response(502), reply(""), reply("x").reset(), reply("x").reset(0), reply("One two three.").cut(0)]
)
def test_trouble_before_the_first_word_is_retried(fake_provider: Make, wire: str, trouble: Response) -> None:
    answer = open_chat(fake_provider([trouble, reply("Fine.")]), wire).ask("Hi")
    assert (answer.text, answer.attempts) == ("Fine.", 2)


@every_format
def test_split_characters_come_out_whole(fake_provider: Make, wire: str) -> None:
    text = "Grüße, 世界, 🦅"
    fake = fake_provider([reply(text).split_characters(), reply(text).split_bytes()])
    chat = open_chat(fake, wire)
    assert chat.ask("Hi").text == text
    assert chat.ask("Again").text == text


@every_format
def test_a_stall_is_ended_by_the_silence_guard_and_retried(fake_provider: Make, wire: str) -> None:
    clock = FakeClock()
    fake = fake_provider([reply(WORDS).stall(3), reply("Better.")])
    chat = open_chat(fake, wire, clock=clock, silence_timeout=30)
    run = chat.submit("Hi")
    fake.wait_for(stalled=1)
    with watching(chat) as seen:
        seen.wait_for_text("word2")
        clock.advance(31)
        assert run.result(10).text == "Better."
    assert [(r.outcome, r.kind) for r in chat.attempts] == [("retry", "timeout"), ("ok", None)]


@every_format
def test_pings_do_not_keep_a_dead_stream_alive(fake_provider: Make, wire: str) -> None:
    clock = FakeClock()
    fake = fake_provider([reply(WORDS).drip(0), reply("Better.")])
    run = open_chat(fake, wire, clock=clock, silence_timeout=30).submit("Hi")
    fake.wait_for(pings=3)
    clock.advance(31)
    assert run.result(10).text == "Better."


def test_five_paid_failures_in_a_row_end_the_turn(fake_provider: Make) -> None:
    fake = fake_provider([reply(WORDS).cut(10)] * 5)
    chat = open_chat(fake)
    with pytest.raises(ProviderError, match="cut off") as caught:
        chat.ask("Hi")
    assert caught.value.attempts == 5
    assert chat.status == "error"
    fake.assert_used_up()


def test_an_empty_reply_is_paid_for_too(fake_provider: Make) -> None:
    fake = fake_provider([reply("")] * 5)
    with pytest.raises(ProviderError) as caught:
        open_chat(fake).ask("Hi")
    assert (caught.value.kind, caught.value.attempts) == ("server_error", 5)


@pytest.mark.parametrize("body", ["", "[not JSON"])
def test_nothing_under_200_and_broken_json_are_paid_for_too(fake_provider: Make, body: str) -> None:
    fake = fake_provider([http_response(200, body)] * 5)
    with pytest.raises(ProviderError) as caught:
        open_chat(fake).ask("Hi")
    assert caught.value.attempts == 5
    fake.assert_used_up()


@every_format
def test_a_server_that_gives_the_same_reason_five_times_ends_the_turn_with_it(fake_provider: Make, wire: str) -> None:
    fake = fake_provider([http_response(500, {"error": {"code": 500, "message": "image input is not supported"}})] * 5)
    with pytest.raises(ProviderError, match="image input is not supported") as caught:
        open_chat(fake, wire).ask("Hi")
    assert caught.value.attempts == 5
    assert "the same answer 5 times in a row" in caught.value.__notes__[0]
    fake.assert_used_up()


def test_a_reply_at_the_token_limit_is_a_reply(fake_provider: Make) -> None:
    answer = open_chat(fake_provider([reply("Half a", stop_reason="length")])).ask("Hi")
    assert (answer.text, answer.stop_reason, answer.attempts) == ("Half a", "length", 1)


def test_history_and_system_prompt_and_options_are_sent(fake_provider: Make) -> None:
    fake = fake_provider([reply("One."), reply("Two.")])
    chat = open_chat(fake, system="Be brief.", options={"temperature": 0.5})
    chat.ask("First")
    chat.ask("Second", options={"top_p": 0.9})
    last = fake.requests[1]
    assert last.system == "Be brief."
    assert last.messages == [("user", "First"), ("assistant", "One."), ("user", "Second")]
    assert (last.json["temperature"], last.json["top_p"]) == (0.5, 0.9)
    assert [m.role for m in chat.messages] == ["user", "assistant", "user", "assistant"]


def test_an_error_that_ends_the_turn_is_classified_and_names_the_attempts(fake_provider: Make) -> None:
    fake = fake_provider([anthropic_overloaded_response(), anthropic_error_response(401, "invalid x-api-key")])
    with pytest.raises(chatkit.AuthError) as caught:
        open_chat(fake).ask("Hi")
    assert (caught.value.kind, caught.value.status_code, caught.value.attempts, caught.value.waited) == ("auth", 401, 2, 1)
    assert "sk-test" not in str(caught.value)


def test_after_a_failure_the_question_stays_until_the_next_one_withdraws_it(fake_provider: Make) -> None:
    fake = fake_provider([openai_error_response(400), reply("Now.")])
    chat = open_chat(fake, "openai")
    with pytest.raises(ProviderError):
        chat.ask("Why?")
    assert [m.text for m in chat.messages] == ["Why?"]
    with chat.stream("Why?") as stream:
        events = list(stream)
    assert isinstance(events[0], Reset)
    assert [m.text for m in chat.messages] == ["Why?", "Now."]
    assert fake.requests[1].messages == [("user", "Why?")]


def test_on_retry_runs_on_the_thread_that_waits(fake_provider: Make) -> None:
    heard: list[tuple[str, int]] = []

    def hear(notice: RetryNotice) -> None:
        heard.append((threading.current_thread().name, notice.attempt))

    fake = fake_provider([anthropic_overloaded_response(), reply("One."), anthropic_overloaded_response(), reply("Two.")] * 2)
    chat = open_chat(fake, on_retry=hear)
    chat.ask("Hi")
    asyncio.run(_send(chat, "Hi"))
    assert heard == [(threading.current_thread().name, 1)] * 2
    chat.submit("Hi").result(10)
    assert heard[2][0].startswith("chatkit-worker")


async def _send(chat: Chat, prompt: str) -> Reply:
    return await chat.send(prompt)


def test_an_awaited_question_gets_the_same_reply(fake_provider: Make) -> None:
    fake = fake_provider([anthropic_overloaded_response(), reply("Hello.")])
    answer = asyncio.run(_send(open_chat(fake), "Hi"))
    assert (answer.text, answer.attempts) == ("Hello.", 2)


def test_a_submitted_question_returns_at_once_and_can_be_awaited(fake_provider: Make) -> None:
    fake = fake_provider([reply("Hello.").stall(0), reply("Hello.")])
    chat = open_chat(fake)
    run = chat.submit("Hi")
    assert not run.done
    assert "running" in repr(run)
    fake.wait_for(stalled=1)
    with pytest.raises(TimeoutError):
        run.result(timeout=0.01)
    fake.release()

    async def main() -> Reply:
        return await run

    assert asyncio.run(main()).text == "Hello."
    assert "Hello." in repr(run)


@pytest.mark.parametrize("second", ["ask", "submit", "stream", "undo"])
def test_a_second_question_while_one_runs_is_busy(fake_provider: Make, second: str) -> None:
    fake = fake_provider([reply("Hello.").stall(0)])
    chat = open_chat(fake)
    run = chat.submit("Hi")
    fake.wait_for(stalled=1)
    with pytest.raises(Busy, match="stop it"):
        getattr(chat, second)(*([] if second == "undo" else ["Again"]))
    with pytest.raises(Busy):
        asyncio.run(_send(chat, "Again"))
    fake.release()
    assert run.result(10).text == "Hello."


def test_stop_keeps_what_was_said_and_the_chat_goes_on(fake_provider: Make) -> None:
    fake = fake_provider([reply(WORDS).stall(3), reply("Next.")])
    chat = open_chat(fake)
    run = chat.submit("Hi")
    with watching(chat) as seen:
        seen.wait_for_text("word2")
    assert chat.stop() is True
    with pytest.raises(Stopped) as caught:
        run.result(10)
    assert caught.value.reply.text == "word0 word1 word2"
    assert caught.value.reply.stop_reason is None
    assert [m.text for m in chat.messages] == ["Hi", "word0 word1 word2"]
    assert [r.outcome for r in chat.attempts] == ["abandoned"]
    assert chat.status == "waiting"
    assert chat.stop() is False
    assert chat.ask("And?").text == "Next."
    assert fake.requests[1].messages == [("user", "Hi"), ("assistant", "word0 word1 word2"), ("user", "And?")]


def test_stop_during_a_wait_says_nothing_and_the_next_question_replaces_this_one(fake_provider: Make) -> None:
    clock = FakeClock(hold=True)
    fake = fake_provider([reply(WORDS).cut(10), reply("Next.")])
    chat = open_chat(fake, clock=clock)
    run = chat.submit("Hi")
    clock.wait_for_pause()
    run.stop()
    with pytest.raises(Stopped) as caught:
        run.result(10)
    assert caught.value.reply is None
    assert [(r.attempt, r.outcome, r.duration_ms) for r in chat.attempts][1:] == [(2, "abandoned", 0)]
    assert chat.ask("And?").text == "Next."
    assert fake.requests[1].messages == [("user", "And?")]


def test_retry_now_ends_the_wait(fake_provider: Make) -> None:
    clock = FakeClock(hold=True)
    fake = fake_provider([anthropic_overloaded_response(), reply("Now.")])
    run = open_chat(fake, clock=clock).submit("Hi")
    clock.wait_for_pause()
    run.retry_now()
    assert run.result(10).waited == 0


def test_ctrl_c_keeps_what_was_said_and_cancels_the_request(fake_provider: Make) -> None:
    fake = fake_provider([reply(WORDS).stall(3), reply("Next.")])

    chat = open_chat(fake)
    previous = signal.getsignal(signal.SIGINT)
    watcher = threading.Thread(
        target=lambda: (_wait_for_text(chat, "word2"), signal.pthread_kill(threading.main_thread().ident, signal.SIGINT))
    )
    watcher.start()
    with pytest.raises(KeyboardInterrupt):
        chat.ask("Hi")
    watcher.join()
    assert signal.getsignal(signal.SIGINT) is previous
    fake.wait_for(hang_ups=1)
    assert [m.text for m in chat.messages] == ["Hi", "word0 word1 word2"]
    assert chat.ask("And?").text == "Next."


def _wait_for_text(chat: Chat, text: str) -> None:
    with watching(chat) as seen:
        seen.wait_for_text(text)


def test_cancelling_an_awaited_question_keeps_what_was_said(fake_provider: Make) -> None:
    fake = fake_provider([reply(WORDS).stall(3)])
    chat = open_chat(fake)

    async def main() -> None:
        task = asyncio.create_task(chat.send("Hi"))
        await asyncio.to_thread(_wait_for_text, chat, "word2")
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert [m.text for m in chat.messages] == ["Hi", "word0 word1 word2"]


def test_undo_removes_the_last_question_and_its_answer(fake_provider: Make) -> None:
    chat = open_chat(fake_provider([reply("One."), reply("Two.")]))
    chat.ask("First")
    chat.ask("Second")
    assert [m.text for m in chat.undo()] == ["Second", "Two."]
    assert [m.text for m in chat.messages] == ["First", "One."]
    chat.undo()
    assert chat.undo() == ()


def test_the_last_reply_is_at_hand_whoever_asked_for_it(fake_provider: Make) -> None:
    script = [reply("One."), openai_error_response(400), reply("Two."), reply("half a sentence").stall(after=1), reply("Other.")]
    fake = fake_provider(script)
    chat = open_chat(fake)
    assert chat.last is None
    one = chat.ask("1")
    with pytest.raises(ProviderError):
        chat.ask("2")
    assert chat.last is one
    with watching(chat) as watch:
        ChatCommands(chat).try_again()
        watch.wait_for(lambda events: Status(chat_id=chat.id, status="waiting") in events)
    assert chat.last == chatkit.last() == "Two."
    with watching(chat) as watch:
        run = chat.submit("3")
        watch.wait_for_text("half")
    run.stop()
    with pytest.raises(Stopped) as caught:
        run.result(5)
    assert chat.last is caught.value.reply
    chat.undo()
    assert chat.last == "Two."
    assert chatkit.chat("4", MODELS["chat"], base_url=fake.openai_url, api_key="k") is chatkit.last()
    assert chat.last == "Two."


def test_what_was_undone_is_forgotten(fake_provider: Make) -> None:
    chat = open_chat(fake_provider([reply("One."), reply("Two.")]))
    gone = weakref.ref(chat.ask("First"))
    chat.undo()
    chat.ask("Second")
    gc.collect()
    assert gone() is None


def test_ids_increase_and_are_never_given_twice(fake_provider: Make) -> None:
    chat = open_chat(fake_provider([reply("One."), reply("Two.")]))
    chat.ask("First")
    first = [m.id for m in chat.messages]
    chat.undo()
    chat.ask("Second")
    assert first == [1, 2]
    assert [m.id for m in chat.messages] == [3, 4]


def test_every_event_comes_in_the_order_of_the_turn(fake_provider: Make) -> None:
    fake = fake_provider([anthropic_overloaded_response(), reply("One two.")])
    with open_chat(fake).stream("Hi") as stream:
        events = list(stream)
    names = [type(e).__name__ if not isinstance(e, Status) else e.status for e in events]
    assert names == ["Message", "running", "Retry", "MessagePart", "MessagePart", "Message", "waiting"]
    parts = [e for e in events if isinstance(e, MessagePart)]
    assert [(p.step, p.attempt, p.index, p.seq) for p in parts] == [(1, 2, 0, 1), (1, 2, 0, 2)]


def test_an_asynchronous_loop_sees_the_same_events(fake_provider: Make) -> None:
    chat = open_chat(fake_provider([anthropic_overloaded_response(), reply(WORDS)]))

    async def main() -> list[Any]:
        async with chat.stream("Hi") as stream:
            return [event async for event in stream]

    events = asyncio.run(main())
    assert "".join(e.part.text for e in events if isinstance(e, MessagePart)) == WORDS
    assert isinstance(events[-2], Message)


def test_a_failed_stream_ends_with_its_error(fake_provider: Make) -> None:
    chat = open_chat(fake_provider([openai_error_response(400)]), "openai")
    events = []
    with chat.stream("Hi") as stream, pytest.raises(ProviderError):
        events.extend(stream)
    assert isinstance(events[-2], ErrorEvent)
    with pytest.raises(ProviderError):
        _ = stream.reply


@pytest.mark.parametrize("how", ["break", "close", "exit"])
def test_leaving_a_stream_interrupts_it(fake_provider: Make, how: str) -> None:
    fake = fake_provider([reply(WORDS).stall(3), reply("Next.")])
    chat = open_chat(fake)
    if how == "exit":
        with chat.stream("Hi"):
            fake.wait_for(stalled=1)
    else:
        stream = chat.stream("Hi")
        for event in stream:
            if isinstance(event, MessagePart):
                break
        if how == "close":
            stream.close()
    fake.wait_for(hang_ups=1)
    assert chat.ask("And?").text == "Next."


def wait_until_over(chat: Chat) -> None:
    with watching(chat) as seen:
        seen.wait_for(lambda events: any(isinstance(e, Status) and e.status == "waiting" for e in events))


def test_a_stream_runs_apart_from_its_reader_and_merges_for_a_slow_one(fake_provider: Make) -> None:
    pieces = [f"{n} " for n in range(5000)]
    chat = open_chat(fake_provider([reply(chunks=pieces)]))
    stream = chat.stream("Count")
    wait_until_over(chat)  # before the first event is read
    events = list(stream)
    parts = [e for e in events if isinstance(e, MessagePart)]
    assert "".join(e.part.text for e in parts) == "".join(pieces)
    assert len(parts) < 2500
    assert [e.seq for e in parts] == sorted(e.seq for e in parts)
    assert parts[-1].seq == 5000


def test_the_reply_of_a_running_stream_is_a_clear_error(fake_provider: Make) -> None:
    fake = fake_provider([reply("Hi").stall(0)])
    with open_chat(fake).stream("Hi") as stream, pytest.raises(UsageError, match="read the events to their end"):
        _ = stream.reply


def test_a_closed_chat_is_a_clear_error_and_can_still_be_read(fake_provider: Make) -> None:
    with open_chat(fake_provider([reply("Hello.")])) as chat:
        chat.ask("Hi")
    with pytest.raises(ChatClosed, match="open a new one"):
        chat.ask("Again")
    assert chat.messages[-1].text == "Hello."


@pytest.mark.parametrize("prompt", ["", "   ", [], [" "], None, 3, b"", object()])
def test_a_prompt_that_cannot_be_asked_is_a_clear_error_and_the_chat_stays_usable(fake_provider: Make, prompt: Any) -> None:
    chat = open_chat(fake_provider([reply("Hello.")]))
    with pytest.raises(UsageError, match=r"give text|neither an image"):
        chat.ask(prompt)
    assert chat.ask("Hi").text == "Hello."


def test_the_values_that_a_person_makes_suggest_as_well() -> None:
    with pytest.raises(UnknownOption, match=r"RetryPolicy\(\) takes no 'max_attempt': did you mean 'max_attempts'\?"):
        RetryPolicy(max_attempt=3)  # type: ignore[call-arg]
    with pytest.raises(UnknownOption, match="did you mean 'media_type'"):
        chatkit.File(mediatype="image/png")  # type: ignore[call-arg]
    with pytest.raises(UnknownOption, match="did you mean 'tool_call_id'"):
        chatkit.ToolResult(call_id="1", result="x")  # type: ignore[call-arg]


def test_unknown_keywords_are_clear_errors_and_the_chat_stays_usable(fake_provider: Make) -> None:
    chat = open_chat(fake_provider([reply("Hello.")]))
    for call in (chat.ask, chat.submit, chat.stream):
        with pytest.raises(UnknownOption, match="takes no 'optoins'"):
            call("Hi", optoins={})
    with pytest.raises(UnknownOption, match="did you mean 'system'"):
        Chat("demo", sistem="Be brief.")
    with pytest.raises(UnknownOption):
        chatkit.chat("Hi", "demo", sistem="Be brief.")
    assert chat.ask("Hi").text == "Hello."


@pytest.mark.parametrize(
    "wrong", [{"system": 3}, {"silence_timeout": -1}, {"silence_timeout": "long"}, {"model": "nobody:x"}, {"model": "claud:x"}]
)
def test_wrong_settings_are_clear_errors(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Chat(**{"model": "demo", **wrong})


def test_an_image_goes_along(fake_provider: Make) -> None:
    fake = fake_provider([reply("A dot.")])
    png = b"\x89PNG\r\n\x1a\n" + bytes(8)
    open_chat(fake).ask(["What is this?", png])
    content = fake.requests[0].json["messages"][0]["content"]
    assert [block["type"] for block in content] == ["text", "image"]


def test_reprs_say_what_matters_and_no_key(fake_provider: Make) -> None:
    chat = open_chat(fake_provider([anthropic_overloaded_response(), reply("Hello there.")]))
    answer = chat.ask("Hi")
    assert repr(answer) == "<Reply 'Hello there.': end, 2 attempts, waited 1 s>"
    assert str(answer) == "Hello there."
    assert repr(chat) == "<Chat with anthropic:claude-x: 2 messages, waiting>"
    assert "sk-test" not in repr(chat) + repr(vars(chat))


def test_the_attempts_of_a_chat_are_there_with_the_log_off(fake_provider: Make) -> None:
    chat = open_chat(fake_provider([openai_rate_limit_response(retry_after=7), reply("Hello.")]), "openai")
    chat.ask("Hi")
    rows = [(r.operation, r.provider, r.model, r.step, r.attempt, r.outcome, r.kind, r.hint_ms, r.waited_ms) for r in chat.attempts]
    assert rows == [
        ("chat", "openai", "gpt-x", 1, 1, "retry", "rate_limit", 7000, 0),
        ("chat", "openai", "gpt-x", 1, 2, "ok", None, None, 7000),
    ]
    assert {r.chat for r in chat.attempts} == {chat.id}
    frame = chat.retries
    assert list(frame["outcome"]) == ["retry", "ok"]
    assert frame["waited"].dt.total_seconds().tolist() == [0, 7]


def test_several_chats_stream_at_once(fake_provider: Make) -> None:
    fake = fake_provider(lambda request: reply(f"{request.text} " * 200))
    runs = {name: open_chat(fake).submit(name) for name in ("one", "two", "three", "four")}
    for name, run in runs.items():
        assert run.result(20).text == f"{name} " * 200


def test_one_question_needs_no_chat() -> None:
    answer = chatkit.chat("Hello", "demo:steady")
    assert answer.stop_reason == "end"


def test_one_question_takes_what_a_chat_takes_and_asks_for_no_title() -> None:
    of_chat = {name: p.default for name, p in inspect.signature(Chat).parameters.items()}
    of_one = {name: p.default for name, p in inspect.signature(chatkit.chat).parameters.items()}
    del of_one["prompt"]
    assert of_one == {**of_chat, "title": None}


def test_one_question_is_asked_with_the_settings_that_are_given(fake_provider: Make) -> None:
    fake, heard = fake_provider([anthropic_overloaded_response(), reply("Brief.")]), list[RetryNotice]()
    answer = chatkit.chat(
        "Hi",
        "anthropic:x",
        system="Be brief.",
        api_key="sk-test",
        base_url=fake.anthropic_url,
        instructions=False,
        options={"temperature": 0.5},
        policy=RetryPolicy(max_elapsed=None),
        context_limit=1000,
        on_retry=heard.append,
        show=False,
        clock=FakeClock(),
    )
    assert (answer.text, answer.waited, len(heard)) == ("Brief.", 1, 1)
    assert answer.usage is not None
    assert answer.usage.context_limit == 1000
    assert (fake.requests[-1].system, fake.requests[-1].json["temperature"]) == ("Be brief.", 0.5)
    assert fake.title_requests == []


def test_a_dropped_chat_finishes_what_it_submitted(fake_provider: Make) -> None:
    run = open_chat(fake_provider([reply(WORDS)])).submit("Hi")
    assert run.result(10).text == WORDS


def test_a_process_that_chatted_ends_without_a_word() -> None:
    program = """
import asyncio, chatkit
async def main():
    await asyncio.gather(*(chatkit.Chat("demo:steady", title=None).send("Hello") for _ in range(4)))
asyncio.run(main())
chatkit.chat("Hello", "demo:steady")
"""
    run = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


@pytest.mark.parametrize("last_word", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_a_callback_that_ends_its_thread_takes_no_other_chat_along(fake_provider: Make, last_word: type[BaseException]) -> None:
    def ends(_: RetryNotice) -> None:
        raise last_word

    slow = fake_provider([reply("Fine.").stall(0)])
    innocent = open_chat(slow).submit("Hi")
    slow.wait_for(stalled=1)
    run = open_chat(fake_provider([anthropic_overloaded_response(), reply("Never mind.")]), on_retry=ends).submit("Hi")
    assert run.result(10).text == "Never mind."
    slow.release()
    assert innocent.result(10).text == "Fine."


@pytest.mark.parametrize("how", ["break", "raise", "timeout"])
def test_an_asynchronous_reader_whose_loop_ends_interrupts_the_turn(fake_provider: Make, how: str) -> None:
    fake = fake_provider([reply(WORDS).stall(3), reply("Next.")])
    chat = open_chat(fake)

    async def read() -> None:
        async for event in chat.stream("Hi"):
            if isinstance(event, MessagePart) and how == "break":
                break
            if isinstance(event, MessagePart) and how == "raise":
                raise LookupError
            if isinstance(event, MessagePart):
                asyncio.current_task().cancel()  # type: ignore[union-attr] - as a timeout does

    with contextlib.suppress(LookupError, asyncio.CancelledError):
        asyncio.run(read())
    fake.wait_for(hang_ups=1)
    wait_until_over(chat)
    assert [m.role for m in chat.messages] == ["user", "assistant"]
    assert chat.ask("And?").text == "Next."


def test_stopping_a_run_that_is_over_changes_nothing(fake_provider: Make) -> None:
    fake = fake_provider([reply("One."), reply("Two.").stall(0)])
    chat = open_chat(fake)
    first = chat.submit("Hi")
    first.result(10)
    first.stop()
    second = chat.submit("Hi")
    fake.wait_for(stalled=1)
    first.stop()
    with watching(chat) as seen:
        assert seen.events[0] == Status(chat_id=chat.id, status="running")
    fake.release()
    assert second.result(10).text == "Two."
    assert first.result(10).text == "One."


def test_a_stop_right_after_the_commit_keeps_the_reply(fake_provider: Make) -> None:
    chat = open_chat(fake_provider([reply(WORDS)]))
    runs: list[Run] = []

    def stop(event: Event) -> None:  # on the loop, at the very moment
        if isinstance(event, Message) and event.role == "assistant":
            runs[0].stop()

    subscribe(chat, stop)
    runs.append(chat.submit("Hi"))
    assert runs[0].result(10).text == WORDS
    assert chat.status == "waiting"


def test_an_interrupted_attempt_says_which_request_it_was(fake_provider: Make) -> None:
    fake = fake_provider([reply(WORDS).stall(3)])
    chat = open_chat(fake)
    run = chat.submit("Hi")
    with watching(chat) as seen:
        seen.wait_for_text("word2")
    run.stop()
    with pytest.raises(Stopped) as caught:
        run.result(10)
    assert chat.attempts[-1].request_id == caught.value.reply.request_id == "req_fake0001"


async def _async_observer(_: RetryNotice) -> None: ...


@pytest.mark.parametrize(
    "wrong",
    [
        {"options": [1]},
        {"options": "x"},
        {"policy": "x"},
        {"clock": 5},
        {"title": 5},
        {"on_retry": "x"},
        {"on_retry": _async_observer},
        {"silence_timeout": -1},
    ],
)
def test_settings_of_the_wrong_type_are_clear_errors_also_in_a_traceback_with_locals(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="give") as caught:
        Chat("anthropic:x", api_key="sk-ant-secret-key", **wrong)
    text = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "give" in text
    assert "sk-ant" not in text.replace('api_key="sk-ant-secret-key"', "")  # the line of the test itself


SECRET = "hunter" + "2hunter2"


@pytest.mark.parametrize(
    "wrong",
    [
        {"options": [1]},
        {"policy": "x"},
        {"system": 5},
        {"show_me": True},
        {"apikey": SECRET},
        {"model": "nobody:x"},
        {"model": "openai-compat:x", "base_url": None},
        {"api_key": SECRET + "\n"},
        {"api_key": SECRET.encode()},
        {"api_key": [SECRET]},
        {"headers": {"x-key": SECRET + "\n"}},
        {"headers": {"x-key": SECRET.encode()}},
        {"headers": {"x key": SECRET}},
        {"headers": [("x-key", SECRET)]},
        {"headers": SECRET},
        {"base_url": f"http://me:{SECRET}@host:port"},
        {"base_url": f"ftp://me:{SECRET}@host"},
        {"base_url": f"https://me:{SECRET}@host"},
        {"base_url": "http://10.0.0.1", "insecure": None},
        {"base_url": "http://10.0.0.1"},
    ],
)
@pytest.mark.parametrize("function", [Chat, partial(chatkit.chat, "Hello"), partial(chatkit.title, "Hello")])
def test_no_refused_argument_shows_a_secret_in_a_traceback_with_locals(function: Callable[..., Any], wrong: dict[str, Any]) -> None:
    given = {"model": "openai-compat:x", "api_key": SECRET, "headers": {"x-key": SECRET}, "base_url": "https://host/v1", **wrong}
    text = ""
    try:
        function(**given)
    except (UsageError, TypeError) as error:
        at = error.__traceback__
        assert at is not None
        text = "".join(traceback.TracebackException(type(error), error, at.tb_next, capture_locals=True).format())
    assert text
    assert SECRET not in text
    assert "NoText" not in text.rpartition("Error: ")[2]


def test_a_key_of_the_environment_is_not_shown_where_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_COMPAT_API_KEY", SECRET + "\n")
    with pytest.raises(UsageError, match="OPENAI_COMPAT_API_KEY has white space") as caught:
        Chat("openai-compat:x", base_url="https://host/v1")
    assert SECRET not in "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())


def test_options_of_the_wrong_type_and_titles_that_are_none_leave_the_chat_usable(fake_provider: Make) -> None:
    chat = open_chat(fake_provider([reply("Hello.")]))
    with pytest.raises(UsageError, match="give a dictionary"):
        chat.ask("Hi", options=[1])  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="take it out of options"):
        chat.ask("Hi", options={"model": None})
    with pytest.raises(UsageError, match="give a text"):
        chat.title = 5  # type: ignore[assignment]
    assert chat.ask("Hi").text == "Hello."


@every_format
def test_the_key_is_not_in_what_a_debugger_prints(wire: str) -> None:
    provider = connect(MODELS[wire], base_url="https://api.example.com", api_key="sk-test")
    assert "sk-test" not in repr(vars(provider))


def test_undo_after_a_failure_leaves_a_chat_that_waits(fake_provider: Make) -> None:
    chat = open_chat(fake_provider([openai_error_response(400)]), "openai")
    with pytest.raises(ProviderError):
        chat.ask("Hi")
    chat.undo()
    assert (chat.messages, chat.status) == ((), "waiting")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_is_not_kept_busy_by_its_parents_turn(fake_provider: Make) -> None:
    program = """
import os, sys
from chatkit import Chat
from chatkit.chattest import FakeProvider, reply
fake = FakeProvider([reply("a").stall(0), reply("b")]).start()
chat = Chat("anthropic:x", base_url=fake.anthropic_url, api_key="k", title=None)
run = chat.submit("Hi")
fake.wait_for(stalled=1)
pid = os.fork()
if pid == 0:
    os._exit(0 if chat.ask("Again").text == "b" else 1)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
fake.release()
assert run.result(10).text == "a"
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=60)


@pytest.mark.usefixtures("broken_terminal")
def test_a_display_that_fails_costs_nobody_a_reply(fake_provider: Make) -> None:
    chat = open_chat(fake_provider([anthropic_overloaded_response(), reply("Hello.")]))
    assert chat.ask("Hi", show=True).text == "Hello."
