"""Where are we: outside a kernel. (Inside one: ``test_kernel.py``.)"""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from chatkit.display.environment import attended, current_cell, display_mode, in_notebook, shows_by_default
from chatkit.display.opening import open_retry_display, open_turn_display
from chatkit.display.terminal import TerminalLine
from chatkit.errors import UsageError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Buttons:
    def stop(self) -> None:
        raise AssertionError("nobody pressed it")

    def retry_now(self) -> None:
        raise AssertionError("nobody pressed it")


def test_a_terminal_at_stderr_is_attended_and_shows_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert attended()
    assert shows_by_default()
    assert isinstance(open_turn_display(Buttons(), model="demo"), TerminalLine)
    assert isinstance(open_retry_display(Buttons(), name="f"), TerminalLine)


@pytest.mark.parametrize("stderr", [io.StringIO(), None], ids=["file", "none"])
def test_elsewhere_nobody_watches_and_nothing_is_shown(monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO | None) -> None:
    monkeypatch.setattr(sys, "stderr", stderr)
    assert not attended()
    assert not shows_by_default()
    assert current_cell() is None
    display = open_turn_display(Buttons(), model="demo")
    display.close()
    assert stderr is None or stderr.getvalue() == ""


def test_a_stderr_that_was_closed_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    assert not attended()


@pytest.mark.parametrize(("word", "mode"), [("off", "off"), ("terminal", "terminal"), (" OFF ", "off"), ("live", "off"), ("static", "off")])
def test_the_variable_decides_where_it_can(monkeypatch: pytest.MonkeyPatch, word: str, mode: str) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setenv("CHATKIT_DISPLAY", word)
    assert display_mode() == mode


def test_an_unknown_word_is_an_error_that_names_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATKIT_DISPLAY", "lvie")
    with pytest.raises(UsageError, match="CHATKIT_DISPLAY='lvie': set it to live, static, terminal or off"):
        shows_by_default()


def test_finding_out_imports_nothing() -> None:
    code = "import sys; from chatkit.display import environment as e; e.attended(); e.shows_by_default(); e.current_cell()"
    code += "; assert not {'IPython', 'ipykernel', 'ipywidgets', 'anywidget', 'markdown_it'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_plain_ipython_shell_is_no_notebook() -> None:
    code = "from IPython.core.interactiveshell import InteractiveShell as S; S.instance()\n"
    code += "from chatkit.display.environment import in_notebook; assert not in_notebook()"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
    assert not in_notebook()


def test_a_module_named_marimo_that_runs_no_notebook_changes_nothing() -> None:
    code = (
        "import marimo, sys; from chatkit.display.environment import display_mode, in_marimo; assert not in_marimo(); print(display_mode())"
    )
    env = {name: value for name, value in os.environ.items() if name != "CHATKIT_DISPLAY"}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True, text=True, env=env)
    assert done.stdout == "off\n"
