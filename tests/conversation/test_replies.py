from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from chatkit import Chat, Reply, RetryPolicy, UsageError, title
from chatkit.analysis import attempts_frame
from chatkit.chattest import FakeClock, FakeProvider, anthropic_overloaded_response, reply


@pytest.fixture
def chat(fake_provider: Callable[..., FakeProvider]) -> Iterator[Chat]:
    answers = [anthropic_overloaded_response(), reply("Yes: clients back off."), reply("As before.")]
    url = fake_provider(answers).anthropic_url
    with Chat("anthropic:claude-x", api_key="sk-test", base_url=url, title=None, clock=FakeClock(), policy=RetryPolicy()) as chat:
        yield chat


@pytest.fixture
def answer(chat: Chat) -> Reply:
    return chat.ask("Do clients back off?")


def test_a_reply_is_its_text_wherever_a_text_can_be(answer: Reply) -> None:
    assert "back off" in answer
    assert len(answer) == len(answer.text) == 22
    assert answer[:3] == "Yes"
    assert answer == "Yes: clients back off."
    assert answer.lower().split(":")[0] == "yes"
    assert json.loads(json.dumps({"reply": answer})) == {"reply": answer.text}
    assert f"{answer}" == str(answer) == answer.text
    assert {type(f"{answer}"), type(str(answer)), type(answer.text)} == {str}


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda answer: pickle.loads(pickle.dumps(answer))], ids=["copy", "deep", "pickle"]
)
def test_a_copy_of_a_reply_is_equal_and_whole(answer: Reply, copied: Callable[[Reply], Reply]) -> None:
    other = copied(answer)
    assert other == answer
    assert (repr(other), other.parts, other.usage, other.attempts, other.waited, other.duration) == (
        repr(answer), answer.parts, answer.usage, answer.attempts, answer.waited, answer.duration
    )  # fmt: skip
    assert other._repr_markdown_() == answer._repr_markdown_()


@pytest.mark.parametrize("wrap", [lambda answer: answer, lambda answer: np.str_(answer)], ids=["reply", "numpy"])
def test_a_reply_and_a_text_of_numpy_can_be_the_next_prompt(chat: Chat, answer: Reply, wrap: Callable[[Reply], str]) -> None:
    chat.ask(wrap(answer))
    asked = chat.messages[-2].text
    assert (asked, type(asked)) == (answer.text, str)


@pytest.mark.parametrize("wrap", [lambda answer: answer, lambda answer: np.str_(answer)], ids=["reply", "numpy"])
def test_a_reply_and_a_text_of_numpy_can_be_an_option_and_be_named(
    fake_provider: Callable[..., FakeProvider], answer: Reply, wrap: Callable[[Reply], str]
) -> None:
    text = wrap(answer)
    fake = fake_provider([reply("One."), reply("Two.")])
    with Chat("anthropic:claude-x", api_key="k", base_url=fake.anthropic_url, title=text) as chat:
        chat.ask("Why?", options={"metadata": {"user_id": text}})
        chat.ask("Why \ud83d?", options={"metadata": {"user_id": text + "\ud83d"}})
        assert (type(chat.title), repr(chat)[: len("<Chat 'Yes: cli")]) == (str, "<Chat 'Yes: cli")
        chat.title = text
        assert type(chat.title) is str
    assert fake.requests[0].json["metadata"] == {"user_id": answer.text}
    assert title(text, "anthropic:claude-x", api_key="k", base_url=fake.anthropic_url) == "A scripted title"


def test_a_reply_has_no_attempts_for_a_frame_and_says_so(answer: Reply) -> None:
    with pytest.raises(UsageError, match="give AttemptRecord values, or anything with attempts"):
        attempts_frame(answer)  # type: ignore[arg-type]


@pytest.mark.parametrize("copied", [copy.deepcopy, pickle.dumps])
def test_a_chat_that_is_pickled_or_copied_says_what_to_do_instead(chat: Chat, answer: Reply, copied: Callable[[object], object]) -> None:
    for what in (chat, chat.ask, [chat]):
        with pytest.raises(UsageError, match=r"open one in each process, and pickle .*chat\.messages.*chat\.retries"):
            copied(what)
    with pytest.raises(UsageError):
        copy.copy(chat)
    kept = (chat.messages, chat.attempts, answer)
    assert pickle.loads(pickle.dumps(kept)) == kept
    assert len(pickle.loads(pickle.dumps(chat.retries))) == 2
