"""Results of tools that a person hands back: what is sent, stored, shown and withdrawn."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from chatkit import Chat, Message, ProviderError, Reasoning, Source, Text, ToolCall, ToolResult, UsageError
from chatkit.chattest import FakeProvider, Response, anthropic_error_response, openai_error_response, reply
from chatkit.conversation.asking import ChatCommands
from chatkit.conversation.view import subscribe
from chatkit.display.document import ToolUse, chat_document
from tests.conversation.chats import every_format, open_chat

Make = Callable[..., FakeProvider]
A, B = ToolCall(tool_call_id="a", tool_name="add", args={"n": 1}), ToolCall(tool_call_id="b", tool_name="add", args={"n": 2})
ASKED = reply("Let me see.", tool_calls=[A, B])
RESULT_A, RESULT_B = ToolResult(tool_call_id="a", result="one"), ToolResult(tool_call_id="b", result={"n": 2}, is_error=True)


def dialogue(fake: FakeProvider) -> list[tuple[str, ...]]:
    """The last request in the same words for every format: who said what, each call and result with its id."""
    body = fake.requests[-1].json
    said: list[tuple[str, ...]] = []
    for m in body.get("messages") or body["input"]:
        kind = m.get("type", "message")
        if kind == "function_call":
            said.append(("call", m["call_id"]))
        elif kind == "function_call_output":
            said.append(("result", m["call_id"], m["output"]))
        elif m.get("role") == "tool":
            said.append(("result", m["tool_call_id"], m["content"]))
        else:
            content = m.get("content") or []
            for block in [{"text": content}] if isinstance(content, str) else content:
                match block.get("type"):
                    case "tool_use":
                        said.append(("call", block["id"]))
                    case "tool_result":
                        said.append(("result", block["tool_use_id"], block["content"]))
                    case _:
                        said.append((m["role"], block["text"]))
            said += [("call", c["id"]) for c in m.get("tool_calls", ())]
    return said


CALLED = [("user", "Add."), ("assistant", "Let me see."), ("call", "a"), ("call", "b")]
ANSWERED = [*CALLED, ("result", "a", "one"), ("result", "b", '{"n":2}')]


@every_format
def test_results_are_sent_once_as_results(fake_provider: Make, wire: str) -> None:
    fake = fake_provider([ASKED, reply("Three.")])
    chat = open_chat(fake, wire)
    assert chat.ask("Add.").stop_reason == "tool_calls"
    assert chat.ask([RESULT_A, RESULT_B]).text == "Three."
    assert dialogue(fake) == ANSWERED
    assert [m.role for m in chat.messages] == ["user", "assistant", "tool", "tool", "assistant"]
    assert chat.messages[2].parts == (ToolResult(tool_call_id="a", tool_name="add", result="one"),)


@every_format
def test_a_text_beside_a_result_is_a_message_after_it(fake_provider: Make, wire: str) -> None:
    fake = fake_provider([ASKED, reply("Three.")])
    chat = open_chat(fake, wire)
    chat.ask("Add.")
    chat.ask(["Go on.", RESULT_A, RESULT_B])
    assert dialogue(fake) == [*ANSWERED, ("user", "Go on.")]
    assert [m.role for m in chat.messages][2:] == ["tool", "tool", "user", "assistant"]


@every_format
def test_a_call_that_gets_no_result_is_told_so_after_the_others(fake_provider: Make, wire: str) -> None:
    fake = fake_provider([ASKED, reply("One.")])
    chat = open_chat(fake, wire)
    chat.ask("Add.")
    chat.ask(RESULT_B)
    results = dialogue(fake)[4:]
    assert results[0] == ("result", "b", '{"n":2}')
    assert results[1][:2] == ("result", "a")
    assert "was not run" in results[1][2]


@every_format
def test_a_result_that_comes_late_or_again_follows_a_copy_of_its_call(fake_provider: Make, wire: str) -> None:
    fake = fake_provider([ASKED, reply("Fine."), reply("One.")])
    chat = open_chat(fake, wire)
    chat.ask("Add.")
    chat.ask("Never mind.")
    chat.ask(RESULT_A)
    said = dialogue(fake)
    (_, copied), (_, answered, text) = said[-2:]
    assert (said[-3], text) == (("assistant", "Fine."), "one")
    assert copied == answered
    assert copied not in ("a", "b")


@every_format
def test_a_result_whose_call_nobody_knows_gets_one(fake_provider: Make, wire: str) -> None:
    fake = fake_provider([reply("What for?")])
    chat = open_chat(fake, wire, title="")
    assert chat.ask(ToolResult(tool_call_id="x.1", result=7)).text == "What for?"
    assert dialogue(fake) == [("call", "x_1"), ("result", "x_1", "7")]
    assert chat.title == ""


@every_format
def test_an_empty_end_after_results_is_an_end_and_no_failure(fake_provider: Make, wire: str) -> None:
    fake = fake_provider([ASKED, reply("")])
    chat = open_chat(fake, wire)
    chat.ask("Add.")
    last = chat.ask([RESULT_A, RESULT_B])
    assert (last.text, last.stop_reason, last.attempts) == ("", "end", 1)


@every_format
def test_an_empty_end_after_a_text_is_a_failure_still(fake_provider: Make, wire: str) -> None:
    fake = fake_provider([ASKED, reply(""), reply("Three.")])
    chat = open_chat(fake, wire)
    chat.ask("Add.")
    assert chat.ask([RESULT_A, RESULT_B, "Go on."]).attempts == 2


@pytest.mark.parametrize("part", [A, Reasoning(text="Hm"), Source(url="https://h")])
def test_what_only_a_model_says_is_no_prompt(part: Any) -> None:
    chat = Chat("demo:steady", title=None, show=False)
    with pytest.raises(UsageError, match=f"a prompt can't hold a {type(part).__name__}: give text"):
        chat.ask(["Look:", part])
    assert chat.messages == ()


@pytest.mark.parametrize("result", [object(), [{"x": object()}], float])
def test_a_result_that_is_no_json_is_refused_before_anything_is_stored(result: Any) -> None:
    chat = Chat("demo:steady", title=None, show=False)
    with pytest.raises(UsageError, match="the result of the call 'a' must be a text or JSON"):
        chat.ask(ToolResult(tool_call_id="a", result=result))
    assert chat.messages == ()


def refusal(wire: str) -> Response:
    return anthropic_error_response(400) if wire == "anthropic" else openai_error_response(400)


@pytest.mark.parametrize("prompt", [[RESULT_A, RESULT_B], [RESULT_A, RESULT_B, "Go on."]], ids=["results", "results and a text"])
@every_format
def test_results_that_got_no_answer_are_withdrawn_alone_and_can_be_tried_again(fake_provider: Make, wire: str, prompt: Any) -> None:
    fake = fake_provider([ASKED, refusal(wire), refusal(wire), reply("Three.")])
    chat = open_chat(fake, wire)
    chat.ask("Add.")
    with pytest.raises(ProviderError):
        chat.ask(prompt)
    with pytest.raises(ProviderError):
        chat.ask([RESULT_A, RESULT_B])
    assert [m.role for m in chat.messages] == ["user", "assistant", "tool", "tool"]
    events = chat.stream(prompt)
    list(events)
    assert events.reply.text == "Three."
    assert dialogue(fake)[:6] == ANSWERED
    removed = chat.undo()
    assert [m.role for m in removed][:2] == ["tool", "tool"]
    assert [m.role for m in chat.messages] == ["user", "assistant"]
    assert len(chat.undo()) == 2


def test_try_again_in_the_view_sends_the_results_again(fake_provider: Make) -> None:
    fake = fake_provider([ASKED, refusal("chat"), reply("Three.")])
    chat = open_chat(fake, "chat")
    chat.ask("Add.")
    with pytest.raises(ProviderError):
        chat.ask([RESULT_A, RESULT_B])
    over = threading.Event()
    leave = subscribe(chat, lambda event: over.set() if isinstance(event, Message) and event.text == "Three." else None)
    ChatCommands(chat).try_again()
    assert over.wait(10)
    leave()
    assert dialogue(fake) == ANSWERED
    assert [m.role for m in chat.messages] == ["user", "assistant", "tool", "tool", "assistant"]


def test_a_reply_to_results_shows_the_results_and_what_followed(fake_provider: Make) -> None:
    fake = fake_provider([ASKED, reply("Three.")])
    chat = open_chat(fake, "chat")
    chat.ask("Add.")
    shown = chat.ask([RESULT_A, RESULT_B])._repr_markdown_()
    assert "add gave: one" in shown
    assert "Three." in shown
    assert "Let me see." not in shown


def test_the_transcript_shows_each_call_with_its_result(fake_provider: Make) -> None:
    fake = fake_provider([ASKED, reply("Three.")])
    chat = open_chat(fake, "chat")
    chat.ask("Add.")
    chat.ask([RESULT_A, RESULT_B])
    document = chat_document(chat._hub.transcript, model="m")
    uses = [piece for piece in document if isinstance(piece, ToolUse)]
    assert [(use.name, use.call is not None, use.result is not None) for use in uses] == [("add", True, True)] * 2
    assert Text(text="Three.") in document
