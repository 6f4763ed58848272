"""What all three formats do alike with a history and with options."""

from __future__ import annotations

from typing import Any

import pytest

from chatkit.errors import UsageError
from chatkit.parts import File, Reasoning, Source, Text, ToolCall, ToolResult
from tests.providers.requests import message, sent
from tests.providers.streams import ORIGIN

FORMATS = ["anthropic", "chat", "responses"]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("option", "value"), [("stream", False), ("n", 2), ("messages", []), ("input", "x"), ("model", "other")])
def test_an_option_that_would_break_the_stream_or_the_conversation_is_refused(format: str, option: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"options can't set '{option}'"):
        sent(format, message("user", "Hi"), options={option: value})


@pytest.mark.parametrize("format", FORMATS)
def test_options_are_merged_over_the_body_and_none_takes_a_key_out(format: str) -> None:
    body = sent(format, message("user", "Hi"), options={"temperature": 0, "stream": True, "n": 1, "store": None, "stream_options": None})
    assert (body["temperature"], body["stream"], body["model"]) == (0, True, "m-1")
    assert "store" not in body
    assert "stream_options" not in body


@pytest.mark.parametrize("format", FORMATS)
def test_options_that_are_no_json_are_a_clear_error(format: str) -> None:
    with pytest.raises(UsageError, match="options must be JSON"):
        sent(format, message("user", "Hi"), options={"x": object()})


@pytest.mark.parametrize("format", FORMATS)
def test_half_a_surrogate_pair_breaks_no_request_wherever_it_stands(format: str) -> None:
    half = "\ud83d"
    call = ToolCall(tool_call_id="c", tool_name="f", args={half: [half]})
    history = [message("user", f"Hi {half}"), message("assistant", call), message("tool", ToolResult(tool_call_id="c", result={"r": half}))]
    body = str(sent(format, *history, system=half, options={"x": {half: half}}))
    assert "\ufffd" in body
    body.encode()


@pytest.mark.parametrize("format", FORMATS)
def test_no_file_is_sent_that_the_format_has_no_place_for(format: str) -> None:
    with pytest.raises(UsageError, match="can't carry a file of type 'video/mp4'"):
        sent(format, message("user", File(media_type="video/mp4", data=b"x")))


@pytest.mark.parametrize("format", FORMATS)
def test_what_belongs_to_another_family_is_not_sent_to_this_one(format: str) -> None:
    foreign = {
        "anthropic": {"signature": "anthropic-mark", "citations": [{"x": "anthropic-mark"}], "block": {"type": "anthropic-mark"}},
        "chat": {"origin": ORIGIN, "key": "reasoning_content", "extra_content": "chat-mark", "details": ["chat-mark"]},
        "responses": {"id": "responses-mark", "item": {"id": "responses-mark", "encrypted_content": "e"}, "phase": "responses-mark"},
    }
    marks = {family: own for family, own in foreign.items() if family != format}
    told = message(
        "assistant",
        Reasoning(text="Hidden thought", provider_data=marks),
        Text(text="Yes", provider_data=marks),
        ToolCall(tool_call_id="s", tool_name="web_search", args={}, provider_executed=True, provider_data=marks),
        ToolResult(tool_call_id="s", result="found", provider_executed=True, provider_data=marks),
        Source(url="https://source.example"),
        ToolCall(tool_call_id="c", tool_name="f", args={"a": 1}, provider_data=marks),
    )
    body = str(sent(format, message("user", "Hi"), told, message("tool", ToolResult(tool_call_id="c", result="r"))))
    assert "Yes" in body
    for word in ("-mark", "Hidden thought", "web_search", "found", "source.example"):
        assert word not in body
