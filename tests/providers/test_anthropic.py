"""Requests to Anthropic Messages: what of a history is sent, and how."""

from __future__ import annotations

import pytest

from chatkit.parts import File, Reasoning, Text, ToolCall, ToolResult
from chatkit.providers.anthropic import AnthropicMessages
from chatkit.providers.openai_chat import ChatCompletions
from tests.providers.requests import LINK, MARK, PDF, PNG, message, sent, unmarked
from tests.providers.streams import ORIGIN


def test_anthropic_gets_alternating_roles_and_no_empty_message() -> None:
    body = sent(
        "anthropic",
        message("user", "One"),
        message("user", "Two", ""),
        message("assistant"),
        message("assistant", "  \n"),
        message("assistant", "Three"),
        message("assistant", "Four"),
        message("system", "Be kind."),
        message("user", "Five"),
    )
    assert [(m["role"], [b["text"] for b in m["content"]]) for m in body["messages"]] == [
        ("user", ["One", "Two"]),
        ("assistant", ["Three", "Four"]),
        ("user", ["Be kind.", "Five"]),
    ]


def test_anthropic_caching_marks_the_last_system_text_and_the_last_two_messages() -> None:
    history = [message("system", "S2"), message("user", "A"), message("assistant", "B"), message("user", "C", "D")]
    body = sent("anthropic", *history, system="S1")
    assert body["system"] == [{"type": "text", "text": "S1"}, {"type": "text", "text": "S2", "cache_control": MARK}]
    marked = [[b.get("cache_control") for b in m["content"]] for m in body["messages"]]
    assert marked == [[None], [MARK], [None, MARK]]


def test_anthropic_marks_no_block_that_may_not_carry_a_mark() -> None:
    thought = Reasoning(text="Hm", provider_data={"anthropic": {"signature": "s"}})
    block = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    search = ToolCall(tool_call_id="s", tool_name="web_search", provider_executed=True, provider_data={"anthropic": {"block": block}})
    body = sent("anthropic", message("user", "Hi"), message("assistant", thought, "Yes", search, stop_reason="pause"))
    assert [("cache_control" in b) for b in body["messages"][1]["content"]] == [False, True, False]


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        ("claude-opus-4-1", 32_000),
        ("claude-3-7-sonnet-latest", 32_000),
        ("claude-3-5-haiku-latest", 8_192),
        ("claude-3-opus-20240229", 4_096),
        ("us.anthropic.claude-3-haiku-20240307-v1:0", 4_096),
        ("anthropic/claude-2.1", 4_096),
        ("unknown", 32_000),
    ],
)
def test_anthropic_gets_a_limit_and_nobody_else_does(model: str, limit: int) -> None:
    question = message("user", "Hi")
    assert sent("anthropic", question, model=model)["max_tokens"] == limit
    assert not [k for f in ("chat", "responses") for k in sent(f, question, model=model) if "max" in k]


def test_a_limit_that_the_person_set_is_sent_under_each_format_s_name() -> None:
    question = message("user", "Hi")
    assert sent("anthropic", question, max_output_tokens=9)["max_tokens"] == 9
    assert sent("anthropic", question, options={"max_tokens": 7})["max_tokens"] == 7
    assert sent("chat", question, max_output_tokens=9)["max_tokens"] == 9
    assert sent(ChatCompletions("api.openai.com", "max_completion_tokens"), question, max_output_tokens=9)["max_completion_tokens"] == 9
    assert sent("responses", question, max_output_tokens=9)["max_output_tokens"] == 9


def test_anthropic_gets_calls_results_thinking_and_citations_back_as_they_were() -> None:
    search = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}}
    found = {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"encrypted_content": "e"}]}
    cites = [{"type": "web_search_result_location", "encrypted_index": "i"}]
    told = message(
        "assistant",
        Reasoning(text="Hm", provider_data={"anthropic": {"signature": "sig"}}),
        Reasoning(provider_data={"anthropic": {"redacted": "xx"}}),
        ToolCall(tool_call_id="s", tool_name="web_search", args={}, provider_executed=True, provider_data={"anthropic": {"block": search}}),
        ToolResult(tool_call_id="s", result="shown", provider_executed=True, provider_data={"anthropic": {"block": found}}),
        Text(text="Yes", provider_data={"anthropic": {"citations": cites}}),
        ToolCall(tool_call_id="c", tool_name="f", args={"a": 1}),
        ToolCall(tool_call_id="d", tool_name="g", args_delta="{cut"),
    )
    results = message(
        "tool", ToolResult(tool_call_id="c", result={"b": 2}), ToolResult(tool_call_id="d", result="No such file", is_error=True)
    )
    messages = unmarked(sent("anthropic", message("user", "Hi"), told, results, message("user", "And?"))["messages"])
    assert messages[1]["content"] == [
        {"type": "thinking", "thinking": "Hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "xx"},
        search,
        found,
        {"type": "text", "text": "Yes", "citations": cites},
        {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "d", "name": "g", "input": {}},
    ]
    assert messages[2] == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "c", "content": '{"b":2}'},
            {"type": "tool_result", "tool_use_id": "d", "content": "No such file", "is_error": True},
            {"type": "text", "text": "And?"},
        ],
    }


def test_anthropic_gets_nothing_that_an_interrupt_left_half_done() -> None:
    search = ToolCall(
        tool_call_id="s", tool_name="w", provider_executed=True, provider_data={"anthropic": {"block": {"type": "server_tool_use"}}}
    )
    unsigned = Reasoning(text="cut off")
    elsewhere = Reasoning(text="unsigned", provider_data={"anthropic": {"origin": "another.example"}})
    last = Reasoning(text="last", provider_data={"anthropic": {"signature": "s"}})
    body = sent("anthropic", message("user", "Hi"), message("assistant", unsigned, elsewhere, search, "Yes", last), message("user", "?"))
    assert unmarked(body["messages"])[1]["content"] == [{"type": "text", "text": "Yes"}]
    assert [m["role"] for m in sent("anthropic", message("user", "Hi"), message("assistant", last), message("user", "?"))["messages"]] == [
        "user"
    ]


def test_unsigned_thinking_goes_back_to_the_server_that_sent_it() -> None:
    thought = Reasoning(text="Hm", provider_data={"anthropic": {"origin": ORIGIN}})
    body = sent("anthropic", message("user", "Hi"), message("assistant", thought, "Yes"))
    assert body["messages"][1]["content"][0] == {"type": "thinking", "thinking": "Hm", "signature": ""}


def test_anthropic_goes_on_from_a_paused_turn() -> None:
    block = {"type": "server_tool_use", "id": "s", "name": "w", "input": {}}
    search = ToolCall(tool_call_id="s", tool_name="w", provider_executed=True, provider_data={"anthropic": {"block": block}})
    body = sent("anthropic", message("user", "Hi"), message("assistant", search, stop_reason="pause"))
    assert body["messages"][1]["content"] == [block]


def test_anthropic_takes_images_pdfs_and_text() -> None:
    text = File(media_type="text/plain", data=b"Hello", title="n.txt")
    content = unmarked(sent("anthropic", message("user", "See:", PNG, LINK, PDF, text))["messages"])[0]["content"]
    assert content == [
        {"type": "text", "text": "See:"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}},
        {"type": "image", "source": {"type": "url", "url": "https://h/x.jpg"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}, "title": "a.pdf"},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Hello"}, "title": "n.txt"},
    ]


def test_anthropic_s_key_and_version_are_headers() -> None:
    assert AnthropicMessages().headers("k") == {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    assert AnthropicMessages().headers(None) == {"anthropic-version": "2023-06-01"}
