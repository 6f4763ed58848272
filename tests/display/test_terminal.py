"""The countdown and the reply in a terminal."""

from __future__ import annotations

import gc
import io
import re
import sys
import weakref
from datetime import UTC, datetime
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from msgspec.structs import replace
from traitlets.config import Config

from chatkit.display.terminal import TerminalDisplay, TerminalLine
from chatkit.events import ErrorEvent, MessagePart, Retry, Status
from chatkit.parts import Message, Reasoning, Text
from tests.display.screen import Screen

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def retry(seconds: float = 4, error: str = "anthropic is overloaded", attempt: int = 3) -> Retry:
    return Retry(chat_id="c", attempt=attempt, delay_ms=round(seconds * 1000), retrying_at=NOW, error=error)


def still(screen: Screen) -> TerminalLine:
    """A line whose time stands still, so that a busy machine shows the same countdown."""
    return TerminalLine(screen, now=lambda: 100.0)


def part(text: str) -> MessagePart:
    return MessagePart(chat_id="c", role="assistant", part=Text(text=text), step=1, attempt=1, index=0, seq=1)


def test_a_wait_is_one_line_that_is_rewritten_and_gone_when_the_wait_is_over() -> None:
    screen, now = Screen(), 100.0
    line = TerminalLine(screen, now=lambda: now)
    line.apply(retry(10))
    assert screen.rows == ["Retrying in 10 s… (attempt 3 failed: anthropic is overloaded)"]
    now = 101.5
    line.draw()
    assert screen.rows == ["Retrying in 9 s… (attempt 3 failed: anthropic is overloaded)"]
    now = 111
    line.draw()
    assert screen.rows == ["Retrying now… (attempt 3 failed: anthropic is overloaded)"]
    line.apply(part("Hi"))
    assert screen.rows == [""]
    line.draw()
    assert screen.rows == [""]


def test_it_ticks_by_itself_on_the_bridges_loop() -> None:
    screen, now = Screen(wanted="Retrying in 1 s…"), 100.0
    line = TerminalLine(screen, now=lambda: now)
    line.apply(retry(1.01))
    assert screen.rows == ["Retrying in 2 s… (attempt 3 failed: anthropic is overloaded)"]
    now = 100.5
    assert screen.drawn.wait(5)
    line.close()
    assert screen.rows == [""]


@pytest.mark.parametrize(
    "event", [Status(chat_id="c", status="waiting"), ErrorEvent(message="x"), part("x")], ids=lambda e: type(e).__name__
)
def test_the_line_goes_with_the_first_part_the_error_and_the_end(event: Status | ErrorEvent | MessagePart) -> None:
    screen = Screen()
    line = TerminalLine(screen)
    line.apply(retry())
    line.apply(event)
    assert screen.rows == [""]


def test_a_narrow_terminal_gets_a_shorter_line_that_never_wraps() -> None:
    screen = Screen()
    line = TerminalLine(screen)
    line.apply(retry(error="x" * 500))
    assert len(screen.rows[0]) == 79
    assert screen.rows[0].endswith("…")


def test_no_color_is_honoured_and_without_it_the_line_is_dim(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    dim, plain = Screen(), Screen()
    TerminalLine(dim).apply(retry())
    monkeypatch.setenv("NO_COLOR", "1")
    TerminalLine(plain).apply(retry())
    assert "\x1b[2m" in dim.getvalue()
    assert "\x1b" not in plain.getvalue()


def test_a_server_that_is_most_likely_not_there_is_told_once_on_a_line_that_stays() -> None:
    screen = Screen()
    line = still(screen)
    line.apply(retry(16))
    for _ in range(2):
        line.apply(replace(retry(29), unreached="127.0.0.1:11434"))
    line.close()
    said = "Nothing has answered at 127.0.0.1:11434 so far. Check that the server is running, and that the address is right."
    assert screen.rows == [said, ""]


def test_what_a_provider_says_cannot_steer_the_terminal() -> None:
    screen = Screen(tty=False)
    display = TerminalDisplay(screen, line=TerminalLine(screen))
    display.apply(part("a\x1b]0;owned\x07b\x9b31m\u202ec\r\n"))
    display.apply(retry(error="\x1b[2Jgone\nnext"))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", screen.getvalue())
    assert "(attempt 3 failed: [2Jgone next)" in screen.getvalue()


def test_where_the_stream_is_no_terminal_each_wait_is_a_line_of_its_own() -> None:
    screen = Screen(tty=False)
    line = still(screen)
    line.apply(retry(1, attempt=1))
    line.apply(part("x"))
    line.apply(retry(2, attempt=2))
    line.close()
    assert screen.getvalue().splitlines() == [
        "Retrying in 1 s… (attempt 1 failed: anthropic is overloaded)",
        "Retrying in 2 s… (attempt 2 failed: anthropic is overloaded)",
    ]


@pytest.fixture(params=["xterm", "dumb"], ids=["rendered", "plain"])
def terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal for which rich renders the text, and one that shows it as it comes."""
    monkeypatch.setenv("TERM", request.param)
    monkeypatch.setenv("COLUMNS", "60")


@pytest.mark.usefixtures("terminal")
def test_a_reply_streams_and_what_is_withdrawn_is_said() -> None:
    screen = Screen()
    display = TerminalDisplay(screen, line=still(screen))
    display.apply(MessagePart(chat_id="c", role="assistant", part=Reasoning(text="hm"), step=1, attempt=1, index=0, seq=1))
    for text in ("Hello ", "wo"):
        display.apply(part(text))
    display.apply(retry(1, "the stream was cut off", attempt=1))
    assert screen.rows == [
        "Hello wo",
        "— withdrawn: the stream was cut off —",
        "Retrying in 1 s… (attempt 1 failed: the stream was cut off)",
    ]
    display.apply(retry(2, attempt=2))
    display.apply(part("Hello world"))
    display.apply(Message(id=2, chat_id="c", role="assistant", parts=(Text(text="Hello world"),), created_at=NOW, stop_reason="end"))
    display.close()
    retries = "Retried twice, after 1 s and 2 s: the stream was cut off; anthropic is overloaded"
    assert screen.rows == ["Hello wo", "— withdrawn: the stream was cut off —", "Hello world", retries, ""]


@pytest.mark.usefixtures("terminal")
def test_an_error_is_said_on_a_line_of_its_own() -> None:
    screen = Screen()
    display = TerminalDisplay(screen, line=TerminalLine(screen))
    display.apply(part("Hel"))
    display.apply(ErrorEvent(message="openai refused the key", kind="auth", status_code=401))
    display.close()
    assert screen.rows == ["Hel", "— withdrawn: openai refused the key —", "openai refused the key (HTTP 401)", ""]


def test_what_another_program_reads_is_the_reply_once_it_is_certain() -> None:
    screen, line = Screen(tty=False), Screen(tty=False)
    display = TerminalDisplay(screen, line=still(line), whole=True)
    display.apply(part("Hello *wo"))
    display.apply(retry(1, "the stream was cut off", attempt=1))
    display.apply(part("Hello *world*"))
    assert screen.getvalue() == ""
    display.apply(Message(id=2, chat_id="c", role="assistant", parts=(Text(text="Hello *world*"),), created_at=NOW, stop_reason="length"))
    display.close()
    assert screen.getvalue() == "Hello *world*\n"
    assert line.getvalue().splitlines()[-2:] == [
        "Cut off: the limit on output tokens was reached.",
        "Retried once, after 1 s: the stream was cut off",
    ]


@pytest.mark.usefixtures("terminal")
def test_a_reply_that_runs_beside_another_waits_until_it_is_whole() -> None:
    screen = Screen()
    first, second = (TerminalDisplay(screen, line=TerminalLine(screen)) for _ in range(2))
    first.apply(part("One\n\n"))
    second.apply(part("Two"))
    first.apply(part("three"))
    first.close()
    assert "Two" not in screen.getvalue()
    second.close()
    assert [row for row in screen.rows if row] == [
        "One",
        "three",
        "Stopped: the reply is incomplete.",
        "Two",
        "Stopped: the reply is incomplete.",
    ]
    third = TerminalDisplay(screen, line=TerminalLine(screen))
    third.apply(part("Four\n\n"))
    third.apply(retry(1, "the stream was cut off"))
    assert "— withdrawn" in screen.getvalue()
    third.close()


def test_a_reply_that_ran_beside_another_does_not_keep_it() -> None:
    screen = Screen()
    first, second = (TerminalDisplay(screen, line=TerminalLine(screen)) for _ in range(2))
    first.close()
    second.close()
    gone = weakref.ref(first)
    del first
    gc.collect()
    assert gone() is None


@pytest.mark.usefixtures("terminal")
def test_a_reply_that_was_held_back_never_begins_in_the_middle_of_another() -> None:
    screen = Screen()
    first, second = (TerminalDisplay(screen, line=TerminalLine(Screen())) for _ in range(2))
    first.apply(part("One, the"))
    first._draw()
    second.apply(part("Two\n"))
    second.apply(Message(id=2, chat_id="d", role="assistant", parts=(Text(text="Two\n"),), created_at=NOW))
    first.apply(part(" first"))
    first.close()
    second.close()
    assert [row for row in screen.rows if row] in (["Two", "One, the first"], ["One, the", "Two", " first"])  # rendered; as it comes


def test_in_the_ipython_of_a_terminal_a_reply_is_shown_once_and_again_where_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    for stream in (sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    try:
        for cell in ("import chatkit; chatkit.chat('Why?', 'demo:steady')", "_", "chatkit.chat('Why?', 'demo:steady'); 1"):
            shell.run_cell(cell, store_history=True).raise_error()
            screen = Screen()
            screen.write(capsys.readouterr().out)  # a busy machine draws the last line more than once, in place
            assert "\n".join(screen.rows).count("no model answered") == 1, cell
    finally:
        InteractiveShell.clear_instance()


@pytest.mark.usefixtures("terminal")
def test_a_reply_goes_on_where_its_terminal_is_closed() -> None:
    screen = Screen()
    display = TerminalDisplay(screen, line=TerminalLine(Screen()))
    display.apply(part("Hello "))
    screen.close()
    display.apply(part("world"))
    display.apply(Message(id=2, chat_id="c", role="assistant", parts=(Text(text="Hello world"),), created_at=NOW))
    display.close()


def test_a_stream_that_was_closed_or_knows_no_such_letters_stops_nothing() -> None:
    closed = Screen()
    line = TerminalLine(closed)
    closed.close()
    line.apply(retry())
    line.close()
    bytes_ = io.BytesIO()
    ascii_only = io.TextIOWrapper(bytes_, encoding="ascii")
    line = TerminalLine(ascii_only, now=lambda: 100.0)
    line.apply(retry())
    assert bytes_.getvalue() == b"Retrying in 4 s? (attempt 3 failed: anthropic is overloaded)\n"
