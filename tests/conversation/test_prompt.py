"""A prompt as parts, the instruction files, and the repaired history of a request."""

from __future__ import annotations

import io
import logging
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkit import Chat, File, Message, Text, ToolCall, ToolResult, UsageError
from chatkit.chattest import FakeProvider, reply
from chatkit.conversation.prompt import MAX_INSTRUCTION_BYTES, as_parts, instruction_files, read_instructions, repair, visible_to_model
from chatkit.parts import Part

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


class Picture:
    """What PIL's images offer to a notebook."""

    def _repr_png_(self) -> bytes:
        return PNG


class Figure:
    """What matplotlib's figures offer."""

    def savefig(self, target: io.BytesIO, **_: Any) -> None:
        target.write(PNG)


@pytest.mark.parametrize("picture", [PNG, bytearray(PNG), memoryview(PNG), Picture(), Figure(), File(media_type="image/png", data=PNG)])
def test_an_image_may_come_in_the_forms_that_a_notebook_has(picture: Any) -> None:
    assert as_parts(["What is this?", picture]) == (Text(text="What is this?"), File(media_type="image/png", data=PNG))
    assert as_parts(picture) == (File(media_type="image/png", data=PNG),)


def test_a_path_is_read_and_keeps_its_name(tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    path.write_bytes(PNG)
    assert as_parts(path) == (File(media_type="image/png", data=PNG, title="plot.png"),)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"%PDF-1.7", "application/pdf"),
    ],
)
def test_the_bytes_say_what_they_are(data: bytes, kind: str) -> None:
    (part,) = as_parts(data)
    assert isinstance(part, File)
    assert part.media_type == kind


def test_a_file_that_cannot_be_read_or_known_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read: No such file"):
        as_parts(tmp_path / "missing.png")
    with pytest.raises(UsageError, match="neither an image nor a PDF"):
        as_parts(b"who knows")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_file_is_neither_waited_for_nor_read_without_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", Path("/dev/zero")):
        with pytest.raises(UsageError, match="it is a pipe, a device or a socket, and not a file"):
            as_parts(path)
        assert read_instructions([path]) == ""
    assert len(caplog.messages) == 2


@pytest.mark.parametrize("prompt", ["", " \n", [], [""]])
def test_an_empty_prompt_is_a_clear_error(prompt: Any) -> None:
    with pytest.raises(UsageError, match="the prompt is empty: give text"):
        as_parts(prompt)


def test_an_image_without_words_is_a_prompt() -> None:
    assert len(as_parts([PNG])) == 1


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_the_files_come_in_their_order_without_comments(tmp_path: Path) -> None:
    first = write(tmp_path / "a" / "AGENTS.md", "Be brief.\n<!-- not this\nnor this -->\nBe kind.")
    second = write(tmp_path / "b" / "AGENTS.md", "Use SI units. <!-- open")
    text = read_instructions([first, tmp_path / "missing" / "AGENTS.md", second, first])
    assert text == "Instructions from AGENTS.md:\n\nBe brief.\n\nBe kind.\n\nInstructions from AGENTS.md:\n\nUse SI units."


def test_a_long_file_is_cut_and_says_so(tmp_path: Path) -> None:
    text = read_instructions([write(tmp_path / "AGENTS.md", "ü" * MAX_INSTRUCTION_BYTES)])
    assert text.count("ü") == MAX_INSTRUCTION_BYTES // 2
    assert text.endswith("[AGENTS.md is longer than 64 KiB: the rest was left out.]")


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    assert read_instructions([write(tmp_path / "AGENTS.md", " <!-- only this --> ")]) == ""


def test_a_file_that_cannot_be_read_is_logged_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "AGENTS.md").mkdir()
    with caplog.at_level(logging.WARNING, "chatkit"):
        assert read_instructions([tmp_path / "AGENTS.md"]) == ""
    assert "can't be read" in caplog.text


def test_they_follow_the_system_prompt_of_every_question_and_can_be_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake_provider: Callable[..., FakeProvider]
) -> None:
    write(tmp_path / "AGENTS.md", "Use SI units.")
    monkeypatch.chdir(tmp_path)
    assert instruction_files()[1] == tmp_path / "AGENTS.md"
    fake = fake_provider([reply("One."), reply("Two.")])
    settings = {"base_url": fake.anthropic_url, "api_key": "k", "system": "Be brief."}
    Chat("anthropic:x", **settings).ask("Hi")  # type: ignore[arg-type]
    Chat("anthropic:x", instructions=False, **settings).ask("Hi")  # type: ignore[arg-type]
    assert fake.requests[0].system == "Be brief.\n\nInstructions from AGENTS.md:\n\nUse SI units."
    assert fake.requests[1].system == "Be brief."
    assert all("SI units" not in request.system for request in fake.title_requests)


NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def message(id: int, role: str, *parts: Part, **fields: object) -> Message:
    return Message(id=id, chat_id="c", role=role, parts=parts, created_at=NOON, **fields)  # type: ignore[arg-type]


def call(id: str) -> ToolCall:
    return ToolCall(tool_call_id=id, tool_name="add", args={"n": 1})


def result(id: str) -> ToolResult:
    return ToolResult(tool_call_id=id, tool_name="add", result=2)


def test_a_sound_history_is_left_alone() -> None:
    history = (
        message(1, "user", Text(text="?")),
        message(2, "assistant", Text(text="!"), call("a")),
        message(3, "tool", result("a")),
        message(4, "assistant", Text(text="2")),
    )
    assert [(m.role, m.parts) for m in repair(history)] == [(m.role, m.parts) for m in history]


def test_an_unanswered_call_gets_an_error_result_after_the_existing_ones() -> None:
    repaired = repair([message(1, "assistant", call("a"), call("b")), message(2, "tool", result("b"))])
    answers = repaired[1].parts
    assert [(p.tool_call_id, p.is_error) for p in answers if isinstance(p, ToolResult)] == [("b", False), ("a", True)]


def test_an_orphaned_result_gets_a_call_also_without_an_assistant_before_it() -> None:
    repaired = repair([message(1, "user", Text(text="?")), message(2, "tool", result("a")), message(3, "user", Text(text="?"))])
    assert [m.role for m in repaired] == ["user", "assistant", "tool", "user"]
    assert repaired[1].parts == (ToolCall(tool_call_id="a", tool_name="add", args={}),)


def test_calls_that_the_provider_ran_itself_need_no_result() -> None:
    ran = ToolCall(tool_call_id="s", tool_name="web_search", args={}, provider_executed=True)
    assert len(repair([message(1, "assistant", ran, Text(text="Found."))])) == 1


def test_arguments_that_are_no_object_become_an_empty_one() -> None:
    broken = ToolCall(tool_call_id="a", tool_name="add", args_delta='{"n": ')
    repaired = repair([message(1, "assistant", broken)])
    assert repaired[0].parts == (ToolCall(tool_call_id="a", tool_name="add", args={}),)


def test_calls_that_a_server_numbers_anew_in_each_reply_are_told_apart() -> None:
    repaired = repair([message(1, "assistant", call("0")), message(2, "tool", result("0"))] * 2)
    ids = [p.tool_call_id for m in repaired for p in m.parts if isinstance(p, ToolCall | ToolResult)]
    assert ids == ["0", "0", ids[2], ids[2]]
    assert ids[2] != "0"


IDS = st.sampled_from(["a", "b", "functions.add:0", "ü"])


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant", "tool"]), st.lists(IDS, max_size=3, unique=True)), max_size=8))
def test_every_call_is_answered_and_every_result_asked_for(script: list[tuple[str, list[str]]]) -> None:
    history = []
    for number, (role, ids) in enumerate(script, 1):
        made: list[Part] = [call(i) for i in ids] if role == "assistant" else [result(i) for i in ids] if role == "tool" else []
        history.append(message(number, role, *(made or [Text(text="x")])))
    repaired = repair(history)
    all_ids = [p.tool_call_id for m in repaired for p in m.parts if isinstance(p, ToolCall)]
    assert len(set(all_ids)) == len(all_ids)
    for at, said in enumerate(repaired):
        asked = [p.tool_call_id for p in said.parts if isinstance(p, ToolCall)]
        assert all(re.fullmatch(r"[A-Za-z0-9_-]*", i) for i in asked)
        after = repaired[at + 1] if at + 1 < len(repaired) else None
        answered = [p.tool_call_id for p in after.parts if isinstance(p, ToolResult)] if after and after.role == "tool" else []
        assert sorted(set(asked)) == sorted(set(answered))
        if said.role == "tool":
            assert repaired[at - 1].role == "assistant"


def test_what_is_for_the_person_alone_is_not_sent() -> None:
    history = [
        message(1, "user"),
        message(2, "assistant", visibility="user"),
        message(3, "user", visibility="model"),
        message(4, "user", compressed=True),
    ]
    assert [m.id for m in visible_to_model(history)] == [1, 3]
