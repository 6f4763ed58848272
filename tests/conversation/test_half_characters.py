"""Half a surrogate pair, whoever says it, breaks neither this request nor the next, nor what is shown."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatkit import Chat, File, Text, ToolCall, ToolResult
from chatkit.chattest import FakeClock, FakeProvider, http_response, reply
from chatkit.events import encode_event
from chatkit.retries.log import AttemptRecord
from tests.conversation.chats import every_format, open_chat

Make = Callable[..., FakeProvider]
HALF = "\ud83d"


@every_format
def test_arguments_with_half_a_character_break_no_later_request(fake_provider: Make, wire: str) -> None:
    call = ToolCall(tool_call_id="a", tool_name="f", args_delta='{"x": "\\ud83d", "y": "\\ud83d\\ude00"}')
    fake = fake_provider([reply("", tool_calls=[call]), reply("Fine."), reply("Again.")])
    chat = open_chat(fake, wire)
    assert chat.ask("Hi").tool_calls[0].args == {"x": "\ufffd", "y": "😀"}
    assert chat.ask(ToolResult(tool_call_id="a", result={"r": [HALF]})).text == "Fine."
    assert chat.ask("Again?").text == "Again."
    for message in chat.messages:
        encode_event(message)


@every_format
def test_a_person_may_say_it_anywhere(fake_provider: Make, wire: str, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    fake = fake_provider([reply("One."), reply("Two.")])
    chat = open_chat(fake, wire, title="", system=f"S{HALF}", options={"x": HALF})
    assert chat.ask([f"Hi {HALF}", Text(text="\ud83d\ude00"), path, File(media_type="image/png", url=f"https://h/{HALF}")]).text == "One."
    assert chat.ask("And?").text == "Two."
    assert chat.messages[0].text == "Hi \ufffd 😀"
    for message in chat.messages:
        encode_event(message)
    chat.title.encode()
    json.dumps(chat._repr_mimebundle_(), ensure_ascii=False).encode()


@every_format
def test_a_reply_with_half_a_character_can_be_answered(fake_provider: Make, wire: str) -> None:
    frames: dict[str, list[Any]] = {
        "chat": [{"model": HALF, "choices": [{"delta": {"content": f"a{HALF}"}, "finish_reason": "stop"}]}],
        "anthropic": [
            {"type": "message_start", "message": {"id": "m", "model": HALF, "content": []}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": f"a{HALF}"}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
            {"type": "message_stop"},
        ],
        "openai": [
            {"type": "response.output_text.delta", "output_index": 0, "delta": f"a{HALF}"},
            {"type": "response.completed", "response": {"status": "completed", "model": HALF}},
        ],
    }
    body = b"".join(b"data: " + json.dumps(frame).encode() + b"\n\n" for frame in frames[wire])
    fake = fake_provider([http_response(200, body), reply("Two.")])
    chat = open_chat(fake, wire)
    first = chat.ask("Hi")
    assert (first.text, first.model) == ("a\ufffd", "\ufffd")
    assert chat.ask("And?").text == "Two."


def test_the_log_of_retries_takes_any_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fake_provider: Make) -> None:
    monkeypatch.setenv("CHATKIT_RETRY_LOG", str(tmp_path / "log.jsonl"))
    fake = fake_provider([reply("One.")])
    chat = Chat(f"openai-compat:m{HALF}", base_url=fake.openai_url, title=None, show=False, clock=FakeClock())
    assert chat.ask("Hi").text == "One."
    assert isinstance(chat.attempts[0], AttemptRecord)
    assert b"m\xef\xbf\xbd" in (tmp_path / "log.jsonl").read_bytes()
