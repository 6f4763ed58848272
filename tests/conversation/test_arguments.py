"""What a chat and its turns are given for the model: parameters by name, and the provider's own options."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import chatkit
from chatkit import Chat, ProviderError, UnknownOption, UsageError
from chatkit.chattest import FakeProvider, openai_error_response, reply
from chatkit.conversation.asking import ChatCommands
from chatkit.parts import Message
from tests.conversation.chats import MODELS, open_chat
from tests.watching import watching

Make = Callable[..., FakeProvider]


def sent(fake: FakeProvider, *keys: str) -> dict[str, Any]:
    """What the last request has under these keys."""
    body = json.loads(fake.requests[-1].content)
    return {key: body[key] for key in keys if key in body}


def test_the_common_parameters_have_names_in_a_chat_and_in_a_turn(fake_provider: Make) -> None:
    fake = fake_provider([reply("One."), reply("Two."), reply("Three.")])
    chat = open_chat(fake, "openai", temperature=0, max_tokens=50)
    chat.ask("Hi")
    chat.ask("Hi", temperature=1, options={"top_p": 0.5})
    chatkit.chat("Hi", MODELS["chat"], base_url=fake.openai_url, api_key="k", seed=7, stop="x")
    bodies = [json.loads(request.content) for request in fake.requests]
    assert [(b.get("temperature"), b.get("max_output_tokens"), b.get("top_p")) for b in bodies[:2]] == [(0, 50, None), (1, 50, 0.5)]
    assert (bodies[2]["seed"], bodies[2]["stop"]) == (7, ["x"])
    assert chat.options == {"temperature": 0, "max_output_tokens": 50}


def test_a_parameter_that_can_t_be_sent_is_refused_before_anything_is_stored(fake_provider: Make) -> None:
    chat = open_chat(fake_provider([reply("Hello.")]))
    with pytest.raises(UsageError, match="seed=1: the Messages API has no such parameter"):
        chat.ask("Hi", seed=1)
    with pytest.raises(UsageError, match="options has 'temperature', which is also given by name"):
        chat.ask("Hi", temperature=0, options={"temperature": 1})
    with pytest.raises(UsageError, match="the Responses API has no such parameter"):
        Chat("openai:gpt-x", api_key="k", stop="END")
    assert not chat.messages


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"tools": []}, r"takes no 'tools': options=\{'tools': \[...\]\} describes tools .* chat.ask\(ToolResult\(...\)\) answers them"),
        ({"top_p": 1}, r"takes no 'top_p': the provider's own parameters go into options, such as options=\{'top_p': ...\}"),
        ({"temprature": 1}, "did you mean 'temperature'"),
        ({"max_completion_token": 1}, "the provider's own parameters go into options"),
        ({"reasoning_effort": "low"}, "did you mean 'reasoning'"),
    ],
)
def test_an_unknown_keyword_says_where_it_belongs(given: dict[str, Any], says: str) -> None:
    for call in (Chat, partial(chatkit.chat, "Hi"), partial(Chat("demo").ask, "Hi")):
        with pytest.raises(UnknownOption, match=says):
            call(**given)


def test_a_keyword_of_another_call_is_not_taken_for_one_of_the_provider() -> None:
    chat = Chat("demo")
    with pytest.raises(UnknownOption, match=r"takes no 'wait': only ask\(\) and send\(\) wait for a turn that is running\. It takes"):
        chat.submit("Hi", wait=True)  # type: ignore[call-arg]
    with pytest.raises(UnknownOption, match=r"takes no 'show': stream\(\) shows nothing\. It takes"):
        chat.stream("Hi", show=True)  # type: ignore[call-arg]


@pytest.mark.parametrize("show", [1, 0, "yes"])
def test_show_is_true_or_false(show: Any) -> None:
    for call in (partial(Chat, "demo"), partial(Chat("demo").ask, "Hi")):
        with pytest.raises(UsageError, match=f"show={show!r}: give True or False"):
            call(show=show)


def test_of_several_unknown_keywords_the_first_is_explained() -> None:
    given = {"temprature": 1, **dict.fromkeys("abcdefgh")}
    with pytest.raises(UnknownOption, match="takes no 'temprature', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h': did you mean 'temperature'"):
        Chat("demo").ask("Hi", **given)


@pytest.mark.parametrize(
    ("of_chat", "of_turn", "written"),
    [
        ({"reasoning": "high"}, {"reasoning": "none"}, {"thinking": {"type": "disabled"}}),
        ({"reasoning": "high"}, {"reasoning": 2048}, {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        ({"reasoning": 2048}, {"reasoning": "low"}, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
        ({"reasoning": "high"}, {"reasoning": None}, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
        ({"options": {"output_config": {"format": "f"}}}, {"reasoning": "none"},
         {"thinking": {"type": "disabled"}, "output_config": {"format": "f"}}),
    ],
)  # fmt: skip
def test_the_reasoning_of_a_turn_leaves_nothing_of_that_of_the_chat(
    fake_provider: Make, of_chat: dict[str, Any], of_turn: dict[str, Any], written: dict[str, Any]
) -> None:
    fake = fake_provider([reply("One.")])
    open_chat(fake, **of_chat).ask("Hi", **of_turn)
    assert sent(fake, "thinking", "output_config") == written


@pytest.mark.parametrize(
    ("of_chat", "of_turn", "written"),
    [
        ({"options": {"max_tokens": 100}}, {"max_tokens": 50}, {"max_completion_tokens": 50}),
        ({"max_tokens": 100}, {"options": {"max_tokens": 50}}, {"max_tokens": 50}),
        ({"max_tokens": 100}, {"options": {"max_completion_tokens": 50}}, {"max_completion_tokens": 50}),
        ({"max_tokens": 100}, {"max_tokens": 50}, {"max_completion_tokens": 50}),
        ({"max_tokens": 100}, {"options": {"max_tokens": None}}, {}),
    ],
)
def test_the_limit_of_a_turn_takes_the_place_of_that_of_the_chat_under_either_name(
    fake_provider: Make, of_chat: dict[str, Any], of_turn: dict[str, Any], written: dict[str, int]
) -> None:
    fake = fake_provider([reply("One.")])
    open_chat(fake, "chat", "azure:gpt-x", **of_chat).ask("Hi", **of_turn)
    assert sent(fake, "max_tokens", "max_completion_tokens") == written


def test_a_parameter_and_the_option_of_its_name_are_the_same_thing_twice(fake_provider: Make) -> None:
    chat = open_chat(fake_provider([]), "chat", "azure:gpt-x")
    for call in (partial(chat.ask, "Hi"), partial(open_chat, fake_provider([]), "chat", "azure:gpt-x")):
        with pytest.raises(UsageError, match="options has 'max_tokens', which is also given by name"):
            call(max_tokens=50, options={"max_tokens": 100})


def test_try_again_in_the_view_asks_with_what_was_given(fake_provider: Make) -> None:
    fake = fake_provider([openai_error_response(400), reply("Now.")])
    chat = open_chat(fake, "chat", seed=1)
    options = {"top_p": 0.5}
    with pytest.raises(ProviderError):
        chat.ask("Hi", seed=7, options=options)
    options["top_p"] = 1
    with watching(chat) as watch:
        ChatCommands(chat).try_again()
        watch.wait_for(lambda events: any(isinstance(e, Message) and e.text == "Now." for e in events))
    assert sent(fake, "seed", "top_p") == {"seed": 7, "top_p": 0.5}
