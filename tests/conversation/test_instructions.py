from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from chatkit import Chat
from chatkit.chattest import FakeProvider, reply
from chatkit.conversation.instructions import MOST, instruction_files, read_instructions


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
    text = read_instructions([write(tmp_path / "AGENTS.md", "ü" * MOST)])
    assert text.count("ü") == MOST // 2
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
