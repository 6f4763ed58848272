"""The vendors' own clients read the scripted streams, and raise their own exceptions for the scripted errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import openai
import pytest

from chatkit.chattest import (
    FakeProvider,
    Response,
    anthropic_error_response,
    anthropic_overloaded_response,
    anthropic_rate_limit_response,
    error_response,
    openai_error_response,
    openai_rate_limit_response,
    openai_server_error_response,
    reply,
)
from chatkit.parts import ToolCall, Usage

Factory = Callable[..., FakeProvider]
TEXT = "Grüße, 世界: clients back off 🎈."
THOUGHT = "Let me think about it."
CALLS: list[Any] = [("search", {"query": "full jitter", "pages": [1, 2]}), ToolCall(tool_call_id="mine_7", tool_name="stop")]
USAGE = Usage(input_tokens=40, output_tokens=9, cache_read_tokens=30, cache_creation_tokens=7, reasoning_tokens=4)
WHOLE = reply(TEXT, reasoning=THOUGHT, tool_calls=CALLS, usage=USAGE)
HELLO: Any = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def claude() -> Iterator[Callable[[FakeProvider], anthropic.Anthropic]]:
    clients: list[anthropic.Anthropic] = []

    def make(fake: FakeProvider) -> anthropic.Anthropic:
        clients.append(anthropic.Anthropic(api_key="sk-ant-x", base_url=fake.anthropic_url, max_retries=0))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def gpt() -> Iterator[Callable[[FakeProvider], openai.OpenAI]]:
    clients: list[openai.OpenAI] = []

    def make(fake: FakeProvider) -> openai.OpenAI:
        clients.append(openai.OpenAI(api_key="sk-x", base_url=fake.openai_url, max_retries=0))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def check_message(message: Any) -> None:
    thinking, text, search, stop = message.content
    assert (thinking.thinking, text.text) == (THOUGHT, TEXT)
    assert thinking.signature
    assert (search.name, search.input, stop.id, stop.name, stop.input) == (
        "search",
        {"query": "full jitter", "pages": [1, 2]},
        "mine_7",
        "stop",
        {},
    )
    assert search.id.startswith("toolu_")
    assert message.stop_reason == "tool_use"
    usage = message.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (40, 9, 30, 7)


def test_the_anthropic_client_reads_reasoning_text_tool_calls_and_usage_of_a_stream(fake_provider: Factory, claude: Any) -> None:
    with claude(fake_provider(WHOLE)).messages.stream(model="claude-x", max_tokens=9, messages=HELLO) as stream:
        events = list(stream)
        message = stream.get_final_message()
    check_message(message)
    assert message.model == "claude-x"
    assert [e.text for e in events if e.type == "text"] == ["Grüße,", " 世界:", " clients", " back", " off", " 🎈."]


def test_the_anthropic_client_reads_the_raw_events_in_their_legal_order(fake_provider: Factory, claude: Any) -> None:
    with claude(fake_provider(reply("a b"))).messages.create(model="m", max_tokens=9, messages=HELLO, stream=True) as stream:
        types = [event.type for event in stream]
    assert types == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_the_anthropic_client_reads_a_reply_that_is_not_streamed(fake_provider: Factory, claude: Any) -> None:
    check_message(claude(fake_provider(WHOLE)).messages.create(model="m", max_tokens=9, messages=HELLO))


def check_completion(completion: Any) -> None:
    choice = completion.choices[0]
    search, stop = choice.message.tool_calls
    assert (choice.message.content, choice.message.reasoning_content, choice.finish_reason) == (TEXT, THOUGHT, "tool_calls")
    assert (search.function.name, search.function.arguments) == ("search", '{"query":"full jitter","pages":[1,2]}')
    assert (stop.id, stop.function.name, stop.function.arguments) == ("mine_7", "stop", "")
    usage = completion.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (77, 9, 86)
    assert (usage.prompt_tokens_details.cached_tokens, usage.completion_tokens_details.reasoning_tokens) == (30, 4)


def test_the_openai_client_reads_a_stream_of_chat_completions(fake_provider: Factory, gpt: Any) -> None:
    client = gpt(fake_provider(WHOLE))
    with client.chat.completions.stream(model="gpt-x", messages=HELLO, stream_options={"include_usage": True}) as stream:
        pieces = [event.delta for event in stream if event.type == "content.delta"]
        completion = stream.get_final_completion()
    check_completion(completion)
    assert (completion.model, "".join(pieces)) == ("gpt-x", TEXT)


def test_chat_completions_report_usage_only_to_those_who_ask(fake_provider: Factory, gpt: Any) -> None:
    chunks = list(gpt(fake_provider("Hi")).chat.completions.create(model="m", messages=HELLO, stream=True))
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


def test_the_openai_client_reads_a_chat_completion_that_is_not_streamed(fake_provider: Factory, gpt: Any) -> None:
    check_completion(gpt(fake_provider(WHOLE)).chat.completions.create(model="m", messages=HELLO))


def check_response(response: Any) -> None:
    reasoning, message, search, stop = response.output
    assert (reasoning.summary[0].text, message.content[0].text, response.output_text) == (THOUGHT, TEXT, TEXT)
    assert (search.name, search.arguments, search.status) == ("search", '{"query":"full jitter","pages":[1,2]}', "completed")
    assert (stop.call_id, stop.name, stop.arguments) == ("mine_7", "stop", "")
    usage = response.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (77, 9, 86)
    assert (usage.input_tokens_details.cached_tokens, usage.output_tokens_details.reasoning_tokens) == (30, 4)
    assert response.status == "completed"


def test_the_openai_client_reads_a_stream_of_responses(fake_provider: Factory, gpt: Any) -> None:
    with gpt(fake_provider(WHOLE)).responses.stream(model="gpt-x", input="Hello", instructions="Be brief.") as stream:
        events = list(stream)
        response = stream.get_final_response()
    check_response(response)
    assert (response.model, response.instructions) == ("gpt-x", "Be brief.")
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == TEXT
    assert [e.sequence_number for e in events] == list(range(len(events)))


def test_the_openai_client_reads_a_response_that_is_not_streamed(fake_provider: Factory, gpt: Any) -> None:
    check_response(gpt(fake_provider(WHOLE)).responses.create(model="m", input="Hello"))


STOPS = [
    ("end", "end_turn", "stop", "completed"),
    ("length", "max_tokens", "length", "incomplete"),
    ("content_filter", "refusal", "content_filter", "incomplete"),
    ("pause", "pause_turn", "stop", "completed"),
]


@pytest.mark.parametrize(("reason", "claudes", "chats", "status"), STOPS)
def test_a_stop_reason_is_said_in_each_vendors_word(
    fake_provider: Factory, claude: Any, gpt: Any, reason: Any, claudes: str, chats: str, status: str
) -> None:
    fake = fake_provider(reply("Said.", stop_reason=reason))
    with claude(fake).messages.stream(model="m", max_tokens=9, messages=HELLO) as stream:
        assert stream.get_final_message().stop_reason == claudes
    chunks = list(gpt(fake).chat.completions.create(model="m", messages=HELLO, stream=True))
    assert chunks[-1].choices[0].finish_reason == chats
    last = list(gpt(fake).responses.create(model="m", input="Hello", stream=True))[-1]
    assert (last.type, last.response.status) == (f"response.{status}", status)


def test_a_refusal_is_a_refusal_in_each_format(fake_provider: Factory, claude: Any, gpt: Any) -> None:
    fake = fake_provider(reply("I can't help with that.", stop_reason="refusal"))
    with claude(fake).messages.stream(model="m", max_tokens=9, messages=HELLO) as stream:
        assert stream.get_final_message().stop_reason == "refusal"
    with gpt(fake).chat.completions.stream(model="m", messages=HELLO) as stream:
        assert stream.get_final_completion().choices[0].message.refusal == "I can't help with that."
    with gpt(fake).responses.stream(model="m", input="Hello") as stream:
        assert stream.get_final_response().output[0].content[0].refusal == "I can't help with that."


def test_an_empty_reply_is_a_valid_stream_that_says_nothing(fake_provider: Factory, claude: Any, gpt: Any) -> None:
    fake = fake_provider(reply(""))
    with claude(fake).messages.stream(model="m", max_tokens=9, messages=HELLO) as stream:
        assert stream.get_final_message().content == []
    with gpt(fake).chat.completions.stream(model="m", messages=HELLO) as stream:
        assert not stream.get_final_completion().choices[0].message.content
    with gpt(fake).responses.stream(model="m", input="Hello") as stream:
        assert stream.get_final_response().output == []


@pytest.mark.parametrize("spoil", [Response.split_bytes, Response.split_characters])
def test_the_clients_read_streams_whose_characters_are_split(fake_provider: Factory, claude: Any, gpt: Any, spoil: Any) -> None:
    fake = fake_provider(spoil(WHOLE))
    with claude(fake).messages.stream(model="m", max_tokens=9, messages=HELLO) as stream:
        check_message(stream.get_final_message())
    with gpt(fake).chat.completions.stream(model="m", messages=HELLO, stream_options={"include_usage": True}) as stream:
        check_completion(stream.get_final_completion())
    with gpt(fake).responses.stream(model="m", input="Hello") as stream:
        check_response(stream.get_final_response())


ANTHROPIC_ERRORS = [
    (anthropic_overloaded_response(), anthropic.OverloadedError, "overloaded_error"),
    (anthropic_rate_limit_response(retry_after=3), anthropic.RateLimitError, "rate_limit_error"),
    (anthropic_error_response(), anthropic.InternalServerError, "api_error"),
    (anthropic_error_response(400, "Bad."), anthropic.BadRequestError, "invalid_request_error"),
    (anthropic_error_response(401), anthropic.AuthenticationError, "authentication_error"),
    (anthropic_error_response(404), anthropic.NotFoundError, "not_found_error"),
    (anthropic_error_response(400, type="billing_error"), anthropic.BadRequestError, "billing_error"),
    (error_response(529), anthropic.OverloadedError, "overloaded_error"),
    (error_response(418), anthropic.APIStatusError, "invalid_request_error"),
]


@pytest.mark.parametrize(("response", "kind", "type"), ANTHROPIC_ERRORS)
def test_the_anthropic_client_knows_its_vendors_errors(fake_provider: Factory, claude: Any, response: Any, kind: Any, type: str) -> None:
    with pytest.raises(kind) as caught:
        claude(fake_provider(response)).messages.create(model="m", max_tokens=9, messages=HELLO)
    assert caught.value.body["error"]["type"] == type
    assert caught.value.request_id == caught.value.body["request_id"] == "req_fake0001"
    assert caught.value.response.headers.get("retry-after") == ("3" if response.status == 429 else None)


OPENAI_ERRORS = [
    (openai_rate_limit_response(retry_after=20), openai.RateLimitError, "requests", "rate_limit_exceeded"),
    (openai_server_error_response(), openai.InternalServerError, "server_error", None),
    (openai_server_error_response(503), openai.InternalServerError, "server_error", None),
    (openai_error_response(401), openai.AuthenticationError, "invalid_request_error", "invalid_api_key"),
    (openai_error_response(404), openai.NotFoundError, "invalid_request_error", "model_not_found"),
    (
        openai_error_response(429, type="insufficient_quota", code="insufficient_quota"),
        openai.RateLimitError,
        "insufficient_quota",
        "insufficient_quota",
    ),
    (error_response(529), openai.InternalServerError, "server_error", None),
]


@pytest.mark.parametrize(("response", "kind", "type", "code"), OPENAI_ERRORS)
def test_the_openai_client_knows_its_vendors_errors(
    fake_provider: Factory, gpt: Any, response: Any, kind: Any, type: str, code: Any
) -> None:
    client = gpt(fake_provider(response))
    for ask in (client.chat.completions.create, client.responses.create):
        with pytest.raises(kind) as caught:
            ask(model="m", stream=True, **({"messages": HELLO} if ask == client.chat.completions.create else {"input": "Hello"}))
        assert (caught.value.type, caught.value.code) == (type, code)
        assert caught.value.request_id.startswith("req_fake")


def test_the_openai_rate_limit_says_the_wait_in_header_and_text_and_only_if_there_is_one(fake_provider: Factory, gpt: Any) -> None:
    client = gpt(fake_provider([openai_rate_limit_response(retry_after=1.5), openai_rate_limit_response()]))
    said = []
    for _ in range(2):
        with pytest.raises(openai.RateLimitError) as caught:
            client.responses.create(model="m", input="Hello")
        said.append((caught.value.response.headers.get("retry-after"), "try again in 1.5s" in caught.value.message))
    assert said == [("1.5", True), (None, False)]


def test_an_error_frame_is_an_error_to_the_vendors_clients(fake_provider: Factory, claude: Any, gpt: Any) -> None:
    fake = fake_provider(reply(TEXT).error_frame(after=2))
    with (
        pytest.raises(anthropic.APIStatusError, match="overloaded_error"),
        claude(fake).messages.stream(model="m", max_tokens=9, messages=HELLO) as stream,
    ):
        stream.get_final_message()
    with pytest.raises(openai.APIError, match="overloaded"):
        list(gpt(fake).chat.completions.create(model="m", messages=HELLO, stream=True))
    failed = list(gpt(fake).responses.create(model="m", input="Hello", stream=True))[-2:]
    assert [e.type for e in failed] == ["error", "response.failed"]
    assert failed[1].response.error.code == "server_error"


def test_both_clients_list_a_model(fake_provider: Factory, claude: Any, gpt: Any) -> None:
    fake = fake_provider()
    assert [m.id for m in claude(fake).models.list()] == [m.id for m in gpt(fake).models.list()] == ["fake"]
    assert fake.requests == []
    assert [r.path.partition("?")[0] for r in fake.received] == ["/v1/models", "/v1/models"]
