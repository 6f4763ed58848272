"""Requests to Chat Completions: what of a history is sent, and how."""

from __future__ import annotations

from chatkit.parts import File, Reasoning, ToolCall, ToolResult
from chatkit.providers.openai_chat import ChatCompletions
from tests.providers.requests import LINK, PDF, PNG, message, sent
from tests.providers.streams import chunk, data, read


def test_chat_gets_plain_texts_and_asks_for_usage() -> None:
    history = [message("system", "S2"), message("user", "Hi", "you"), message("assistant", "Yes", ", ", "I"), message("system", "Later")]
    body = sent("chat", *history, system="S1")
    assert body["messages"] == [
        {"role": "system", "content": "S1"},
        {"role": "system", "content": "S2"},
        {"role": "user", "content": "Hi\n\nyou"},
        {"role": "assistant", "content": "Yes, I"},
        {"role": "system", "content": "Later"},
    ]
    assert body["stream_options"] == {"include_usage": True}


def test_chat_gets_calls_and_results() -> None:
    call = ToolCall(tool_call_id="c", tool_name="f", args={"a": 1})
    results = message("tool", ToolResult(tool_call_id="c", result={"b": 2}), ToolResult(tool_call_id="d", result="text"))
    assert sent("chat", message("user", "Hi"), message("assistant", call), results)["messages"][1:] == [
        {
            "role": "assistant",
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": '{"b":2}'},
        {"role": "tool", "tool_call_id": "d", "content": "text"},
    ]


def test_chat_leaves_out_empty_messages_and_merges_those_of_one_role() -> None:
    history = [message("user", "One"), message("assistant", Reasoning(text="Hm")), message("assistant"), message("user", "Two")]
    assert sent("chat", *history)["messages"] == [{"role": "user", "content": "One"}, {"role": "user", "content": "Two"}]
    assert sent("chat", message("user", "One"), message("user", "Two"))["messages"] == [{"role": "user", "content": "One\n\nTwo"}]


def test_chat_takes_images_pdfs_text_and_sound() -> None:
    sound, text = File(media_type="audio/wav", data=b"RIFF"), File(media_type="text/csv", data=b"a,b")
    content = sent("chat", message("user", "See:", PNG, LINK, PDF, sound, text))["messages"][0]["content"]
    assert content == [
        {"type": "text", "text": "See:"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
        {"type": "image_url", "image_url": {"url": "https://h/x.jpg"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "text", "text": "a,b"},
    ]


def test_what_a_chat_server_needs_back_goes_to_that_server_only() -> None:
    extra = {"google": {"thought_signature": "s"}}
    entry = {"id": "c", "function": {"name": "f", "arguments": "{}"}, "extra_content": extra}
    details = [{"type": "reasoning.text", "text": "Hm", "signature": "s"}]
    stream = data(chunk({"reasoning": "Hm", "reasoning_details": details}), chunk({"tool_calls": [entry]}), chunk({}, "stop"))
    history = [
        message("user", "Hi"),
        message("assistant", *read("chat", stream).parts),
        message("tool", ToolResult(tool_call_id="c", result="r")),
    ]
    reply = sent("chat", *history)["messages"][1]
    assert reply["reasoning_details"] == details
    assert reply["tool_calls"][0]["extra_content"] == extra
    elsewhere = sent(ChatCompletions("other.example"), *history)["messages"][1]
    assert set(elsewhere) == {"role", "tool_calls"}
    assert set(elsewhere["tool_calls"][0]) == {"id", "type", "function"}


def test_plain_reasoning_goes_back_while_its_tools_run_and_not_with_the_next_question() -> None:
    entry = {"id": "c", "function": {"name": "f", "arguments": "{}"}}
    stream = data(chunk({"reasoning_content": "H"}), chunk({"reasoning_content": "m"}), chunk({"tool_calls": [entry]}), chunk({}, "stop"))
    history = [
        message("user", "Hi"),
        message("assistant", *read("chat", stream).parts),
        message("tool", ToolResult(tool_call_id="c", result="r")),
    ]
    assert sent("chat", *history)["messages"][1]["reasoning_content"] == "Hm"
    assert "reasoning_content" not in sent("chat", *history, message("assistant", "Yes"), message("user", "And?"))["messages"][1]
