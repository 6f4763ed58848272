"""Requests to OpenAI Responses: what of a history is sent, and how."""

from __future__ import annotations

from typing import Any

import pytest

from chatkit.parts import File, Reasoning, Text, ToolCall, ToolResult
from chatkit.providers.openai_chat import ChatCompletions
from chatkit.providers.openai_responses import OpenAIResponses
from tests.providers.requests import LINK, PDF, PNG, message, sent


def test_responses_gets_items_and_keeps_nothing_with_openai() -> None:
    call = ToolCall(tool_call_id="c", tool_name="f", args={"a": 1})
    history = [
        message("system", "S2"),
        message("user", "Hi"),
        message("assistant", "Yes", call),
        message("tool", ToolResult(tool_call_id="c", result="r")),
    ]
    body = sent("responses", *history, message("system", "Later"), system="S1", model="gpt-5")
    assert body["instructions"] == "S1\n\nS2"
    assert body["input"] == [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Yes", "annotations": []}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a":1}'},
        {"type": "function_call_output", "call_id": "c", "output": "r"},
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Later"}]},
    ]
    assert (body["store"], body["include"]) == (False, ["reasoning.encrypted_content"])


@pytest.mark.parametrize(
    ("model", "options", "asked"),
    [
        ("gpt-5", {}, True),
        ("o3", {"store": False}, True),
        ("gpt-5", {"store": True}, False),
        ("gpt-4o-mini", {}, False),
        ("ft:gpt-4.1:me", {}, False),
        ("gpt-5-chat-latest", {}, False),
        ("some-local-model", {}, True),
    ],
)
def test_encrypted_reasoning_is_asked_of_models_that_reason_and_store_nothing(model: str, options: dict[str, Any], asked: bool) -> None:
    assert ("include" in sent("responses", message("user", "Hi"), model=model, options=options)) is asked


def reasoned(**item: Any) -> Reasoning:
    return Reasoning(text="Hm", provider_data={"responses": {"item": {"type": "reasoning", "summary": [], **item}}})


def test_responses_gets_its_own_items_back_as_they_were() -> None:
    search = {"type": "web_search_call", "id": "ws", "status": "completed"}
    told = message(
        "assistant",
        reasoned(id="rs", encrypted_content="enc"),
        Reasoning(text="a second part of the summary"),
        ToolCall(tool_call_id="ws", tool_name="web_search_call", provider_executed=True, provider_data={"responses": {"item": search}}),
        ToolResult(tool_call_id="ws", provider_executed=True),
        Text(text="Ye", provider_data={"responses": {"id": "m1", "phase": "final_answer"}}),
        Text(text="s", provider_data={"responses": {"id": "m1", "phase": "final_answer"}}),
        Text(text="No", refusal=True, provider_data={"responses": {"id": "m2"}}),
        ToolCall(tool_call_id="c", tool_name="f", args={}, provider_data={"responses": {"id": "fc"}}),
        ToolCall(
            tool_call_id="d", tool_name="sh", args={"input": "ls"}, provider_data={"responses": {"id": "ct", "type": "custom_tool_call"}}
        ),
    )
    results = message("tool", ToolResult(tool_call_id="c", result="r"), ToolResult(tool_call_id="d", result="s"))
    yes = [{"type": "output_text", "text": t, "annotations": []} for t in ("Ye", "s")]
    assert sent("responses", message("user", "Hi"), told, results)["input"][1:] == [
        {"type": "reasoning", "summary": [], "id": "rs", "encrypted_content": "enc"},
        search,
        {"type": "message", "role": "assistant", "content": yes, "id": "m1", "phase": "final_answer"},
        {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No"}], "id": "m2"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "id": "fc"},
        {"type": "custom_tool_call", "call_id": "d", "name": "sh", "input": "ls", "id": "ct"},
        {"type": "function_call_output", "call_id": "c", "output": "r"},
        {"type": "custom_tool_call_output", "call_id": "d", "output": "s"},
    ]


def test_reasoning_that_was_neither_encrypted_nor_stored_stays_away_with_the_ids_that_hang_on_it() -> None:
    call = ToolCall(tool_call_id="c", tool_name="f", args={}, provider_data={"responses": {"id": "fc"}})
    history = [message("user", "Hi"), message("assistant", reasoned(id="rs"), call)]
    assert sent("responses", *history)["input"][1:] == [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}]
    stored = sent("responses", *history, options={"store": True})["input"][1:]
    assert [i["id"] for i in stored] == ["rs", "fc"]


def test_reasoning_never_ends_a_turn() -> None:
    history = [message("user", "Hi"), message("assistant", reasoned(id="rs", encrypted_content="enc")), message("user", "?")]
    assert [i["type"] for i in sent("responses", *history)["input"]] == ["message", "message"]


def test_responses_takes_images_pdfs_and_text() -> None:
    link = File(media_type="application/pdf", url="https://h/a.pdf")
    text = File(media_type="text/plain", data=b"Hello")
    assert sent("responses", message("user", "See:", PNG, LINK, PDF, link, text))["input"][0]["content"] == [
        {"type": "input_text", "text": "See:"},
        {"type": "input_image", "image_url": "data:image/png;base64,iVBORw==", "detail": "auto"},
        {"type": "input_image", "image_url": "https://h/x.jpg", "detail": "auto"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
        {"type": "input_file", "file_url": "https://h/a.pdf"},
        {"type": "input_text", "text": "Hello"},
    ]


def test_openai_s_key_is_a_bearer_and_without_one_there_is_no_header() -> None:
    for wire in (OpenAIResponses(), ChatCompletions()):
        assert wire.headers("k") == {"authorization": "Bearer k"}
        assert wire.headers(None) == {}
