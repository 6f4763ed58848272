"""The scripted provider of ``Chat("demo")``: what it says, how it fails, and that it is always the same."""

from __future__ import annotations

import asyncio
import gc
import math
import re
from datetime import UTC, datetime

import pytest

from chatkit.bridge import spawn
from chatkit.chattest import TITLE_PROMPT, FakeClock
from chatkit.chattest.recorded import Headers, RecordedRequest
from chatkit.errors import ProviderError, UsageError
from chatkit.parts import Message, Role, Text
from chatkit.providers.decoding import Piece
from chatkit.providers.demo import LABEL, VARIANTS, WORDS_PER_SECOND, DemoScript, answer, connect_demo, demo_server, demo_title, topics
from chatkit.providers.encoding import Request
from chatkit.providers.http import Provider

*TOPICS, OTHER = topics()
FALLBACK = OTHER.text
WHY = "Why do clients back off?"


def said(*texts: str) -> tuple[Message, ...]:
    """A conversation in which user and assistant take turns."""
    now = datetime(2026, 11, 20, tzinfo=UTC)
    roles: list[Role] = ["user", "assistant"]
    return tuple(Message(id=i, chat_id="c", role=roles[i % 2], parts=(Text(text=text),), created_at=now) for i, text in enumerate(texts))


async def attempt(provider: Provider, messages: tuple[Message, ...], pieces: list[Piece], system: str = "") -> None:
    request = Request(model=provider.model, messages=messages, system=system)
    await provider.stream(request, pieces.extend, clock=FakeClock(), silence_timeout=600)


def ask(provider: Provider, *texts: str, system: str = "") -> str:
    """One attempt: what came of it, the failure's kind included."""
    pieces: list[Piece] = []
    failure = ""
    try:
        spawn(attempt(provider, said(*texts), pieces, system)).result(10)
    except ProviderError as error:
        failure = f"<{error.kind} {error.status_code} {error.retry_after}>"
    return "".join(part.text for _, part in pieces if isinstance(part, Text)) + failure


def fast(variant: str = "") -> Provider:
    return connect_demo(variant, speed=math.inf)


OVERLOADED = "<overloaded 529 None>"


def test_the_default_fails_twice_at_the_first_question_and_then_answers() -> None:
    provider = fast()
    first, second, third = (ask(provider, WHY) for _ in range(3))
    assert first == OVERLOADED
    assert second.endswith("<network None None>")
    assert len(second.removesuffix("<network None None>").split()) == 8
    assert third == answer(WHY)
    assert third.startswith(second.removesuffix("<network None None>"))


def test_later_questions_of_a_chat_fail_once_every_other_time() -> None:
    provider = fast()
    second, third = (WHY, "Because.", "Really?"), (WHY, "Because.", "Really?", "Yes.", "And without jitter?")
    assert [ask(provider, *second) for _ in range(2)] == [OVERLOADED, answer("Really?")]
    assert ask(provider, *third) == answer("And without jitter?")
    assert ask(provider, *third, "So.", "Hello") == OVERLOADED


def test_a_question_that_was_answered_begins_its_script_anew() -> None:
    provider = fast()
    rounds = [[ask(provider, WHY) for _ in range(3)] for _ in range(2)]
    assert rounds[0] == rounds[1]


def test_another_question_does_not_take_up_the_script_of_the_one_before() -> None:
    provider = fast()
    assert ask(provider, WHY) == OVERLOADED
    assert [ask(provider, "Hello"), ask(provider, WHY)] == [OVERLOADED, OVERLOADED]


def test_chats_do_not_share_a_script() -> None:
    one, other = fast(), fast()
    assert [ask(one, WHY), ask(other, WHY)] == [OVERLOADED, OVERLOADED]


def test_two_chats_that_are_asked_the_same_get_the_same() -> None:
    one, other = fast(), fast()
    assert [ask(one, WHY) for _ in range(3)] == [ask(other, WHY) for _ in range(3)]


PLANS = {
    "steady": ["reply"],
    "overloaded": [OVERLOADED] * 3 + ["reply"],
    "cut": ["cut", "cut", "reply"],
    "ratelimit": ["<rate_limit 429 3.0>", "reply"],
    "down": [OVERLOADED] * 8,
}


@pytest.mark.parametrize(("variant", "plan"), PLANS.items())
def test_a_variant_fails_as_its_name_says(variant: str, plan: list[str]) -> None:
    provider = fast(variant)
    whole = answer(WHY)
    for expected in plan:
        got = ask(provider, WHY)
        if expected == "reply":
            assert got == whole
        elif expected == "cut":
            words = got.removesuffix("<network None None>")
            assert words != got
            assert len(words.split()) == len(whole.split()) // 2
        else:
            assert got == expected


def recorded(text: str) -> RecordedRequest:
    content = b'{"stream": true, "messages": [{"role": "user", "content": "%s"}]}' % text.encode()
    return RecordedRequest(1, "POST", "/chat1/v1/messages", Headers(), content)


@pytest.mark.parametrize(("speed", "seconds"), [(WORDS_PER_SECOND, 20.0), (2 * WORDS_PER_SECOND, 10.0), (math.inf, 0.0)])
def test_the_slow_reply_takes_twenty_seconds_unless_the_demo_is_made_faster(speed: float, seconds: float) -> None:
    response = DemoScript("slow", speed).respond(recorded(WHY))
    assert response.delay * response.pieces == pytest.approx(seconds)


@pytest.mark.parametrize(("setting", "delay"), [("", 0.025), ("80", 0.0125), ("inf", 0.0)])
def test_the_environment_sets_the_words_a_second(monkeypatch: pytest.MonkeyPatch, setting: str, delay: float) -> None:
    monkeypatch.setenv("CHATKIT_DEMO_SPEED", setting)
    assert DemoScript("steady").respond(recorded(WHY)).delay == delay


@pytest.mark.parametrize("setting", ["fast", "0", "-1", "nan"])
def test_a_speed_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.setenv("CHATKIT_DEMO_SPEED", setting)
    with pytest.raises(UsageError, match="words per second"):
        connect_demo()


def test_a_reply_that_was_stopped_begins_its_script_anew() -> None:
    provider = connect_demo(speed=1)
    assert ask(provider, WHY) == OVERLOADED

    async def stopped() -> None:
        """The second attempt, left at its first word."""
        began = asyncio.Event()
        request = Request(model="flaky", messages=said(WHY))
        stream = provider.stream(request, lambda pieces: began.set(), clock=FakeClock(), silence_timeout=600)
        task = asyncio.ensure_future(stream)
        await began.wait()
        task.cancel()
        await asyncio.wait([task])

    spawn(stopped()).result(10)
    fake = demo_server().fake
    fake.wait_for(hang_ups=1)
    assert ask(provider, WHY) == OVERLOADED


def test_an_unknown_variant_names_the_nearest_and_all_that_there_are() -> None:
    with pytest.raises(
        UsageError, match=r"no demo:overload: did you mean demo:overloaded\? There are demo:flaky, demo:steady, demo:overloaded,"
    ):
        connect_demo("overload")
    with pytest.raises(UsageError, match=r"no demo:xyz\. There are demo:flaky"):
        connect_demo("xyz")


def test_it_is_called_what_the_person_wrote() -> None:
    assert [(p.name, p.label, p.model) for p in (fast(), fast("steady"))] == [("demo", "demo", "flaky"), ("demo", "demo:steady", "steady")]


def test_a_title_request_never_fails_and_leaves_the_script_alone() -> None:
    provider = fast("down")
    assert ask(provider, WHY, system=TITLE_PROMPT + ".") == "Why clients back off"
    assert ask(fast("overloaded"), "Compare pandas with polars", system=TITLE_PROMPT) == "Compare pandas with polars"


def test_a_provider_that_is_forgotten_leaves_nothing_behind() -> None:
    before = len(demo_server().scripts)
    provider = fast()
    assert len(demo_server().scripts) == before + 1
    del provider
    gc.collect()
    assert len(demo_server().scripts) <= before


def test_no_key_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-secret")
    ask(fast("steady"), WHY)
    headers = demo_server().fake.received[-1].headers
    assert not {"x-api-key", "authorization"} & set(headers)


QUESTIONS = {
    WHY: "Why clients back off",
    "And without jitter?": "What jitter does",
    "What is a thundering herd?": "The thundering herd",
    "When should I retry?": "When a retry is worth it",
    "What does 429 mean?": "Rate limits and overload",
    "Show me the events": "How a reply streams",
    "Where do titles come from?": "How chats get their titles",
    "Take your time": "Stopping a reply",
    "Really?": "Whether it really helps",
    "Hello!": "Hello from the demo",
}


@pytest.mark.parametrize(("question", "topic"), QUESTIONS.items())
def test_a_question_is_answered_by_the_topic_that_its_words_name(question: str, topic: str) -> None:
    assert demo_title(question) == topic
    assert answer(question) == next(t.text for t in TOPICS if t.title == topic) + "\n\n" + LABEL


@pytest.mark.parametrize("question", ["What is the capital of France?", "History of this theme", "", "Zeig mir die Züge"])
def test_any_other_question_is_told_that_this_is_a_script_and_how_to_ask_a_model(question: str) -> None:
    assert answer(question) == f"{FALLBACK}\n\n{LABEL}"
    assert "ANTHROPIC_API_KEY" in FALLBACK


@pytest.mark.parametrize("text", [*(topic.text for topic in TOPICS), FALLBACK])
def test_every_answer_has_its_length_its_markdown_and_says_that_no_model_answered(text: str) -> None:
    whole = f"{text}\n\n{LABEL}"
    assert 60 <= len(whole.split()) <= 120
    assert text.startswith("**")
    assert re.search(r"^(?:- |1\. |\| |```)", text, re.MULTILINE)
    assert "no model answered" in LABEL


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Could you please tell me about the tallest trees of the world, and why?", "Tallest trees of the world and why"),
        ("pandas", "Pandas"),
        ("what is it", "It"),
        ("?!", "A question without words"),
        ("Zeig mir die Züge nach Köln", "Zeig mir die Züge nach Köln"),
        ("x" * 300, "X" + "x" * 59),
    ],
)
def test_other_titles_are_the_questions_own_words(question: str, expected: str) -> None:
    assert demo_title(question) == expected


def test_the_answers_speak_of_names_that_exist() -> None:
    import chatkit

    names = {name for topic in TOPICS for name in re.findall(r"\bck\.(\w+)", topic.text)} | set(re.findall(r"\bck\.(\w+)", FALLBACK))
    assert {"Chat", "RetryPolicy", "chat", "is_retryable", "title"} == names
    assert names <= set(dir(chatkit))
    assert set(re.findall(r"demo:(\w+)", "".join(topic.text for topic in TOPICS))) <= set(VARIANTS)
