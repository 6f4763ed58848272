"""What is sent before the messages is shown: the system prompt, and the instructions from files."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatkit import Chat, bridge
from chatkit.chattest import FakeProvider, reply
from tests.comms import Wire, view_of
from tests.watching import watching

Make = Callable[..., FakeProvider]
TEXT = "Use SI units."
SENT = f"Instructions from AGENTS.md:\n\n{TEXT}"
SHOWN = f"demo:steady · AGENTS.md ({len(SENT)} characters)"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def test_the_system_prompt_is_the_text_that_is_sent(folder: Path, fake_provider: Make) -> None:
    (folder / "AGENTS.md").write_text(TEXT, "utf-8")
    fake = fake_provider([reply("Hello.")])
    chat = Chat("openai:gpt-x", system="Be brief.", base_url=fake.openai_url, title=None, show=False)
    chat.ask("Hi")
    assert chat.system_prompt == f"Be brief.\n\n{SENT}" == json.loads(fake.requests[0].content)["instructions"]


def test_without_instructions_it_is_the_system_prompt_alone(folder: Path) -> None:
    (folder / "AGENTS.md").write_text(TEXT, "utf-8")
    chat = Chat("demo:steady", system="Be brief.", instructions=False)
    assert chat.system_prompt == "Be brief."
    assert "AGENTS" not in repr(chat)


def test_the_repr_and_the_transcript_show_the_file_and_its_size(folder: Path) -> None:
    chat = Chat("demo:steady", title=None)
    assert repr(chat) == "<Chat with demo:steady: 0 messages, waiting>"
    (folder / "AGENTS.md").write_text(TEXT, "utf-8")
    assert repr(chat) == f"<Chat with {SHOWN}: 0 messages, waiting>"
    assert SHOWN in chat._repr_mimebundle_()["text/html"]


def test_the_view_s_header_shows_them_and_follows_them_with_every_turn(
    folder: Path, wires: list[Wire], outputs: list[dict[str, Any]], fake_provider: Make
) -> None:
    fake = fake_provider([reply("One."), reply("Two.")])
    chat = Chat("anthropic:x", base_url=fake.anthropic_url, api_key="k", title=None)
    chat.view()
    assert view_of(wires).front_end.state["label"] == "anthropic:x"
    (folder / "AGENTS.md").write_text(TEXT, "utf-8")
    with watching(chat) as watch:
        view_of(wires).click("send", text="Hi?")
        watch.wait_for_text("One.")
    chat.ask("And?", show=False)
    assert chat._viewer._display is not None
    bridge.spawn(chat._viewer._display.settled()).result(5)
    state = view_of(wires).front_end.state
    assert state["label"] == f"anthropic:x · AGENTS.md ({len(SENT)} characters)"
    assert "AGENTS" not in state["news"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps the working directory of a process")
def test_a_working_directory_that_was_deleted_has_no_instructions(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "gone").mkdir()
    monkeypatch.chdir(folder / "gone")
    (folder / "gone").rmdir()
    chat = Chat("demo:steady", title=None, show=False)
    assert repr(chat) == "<Chat with demo:steady: 0 messages, waiting>"
    assert chat.ask("Hello").stop_reason == "end"
