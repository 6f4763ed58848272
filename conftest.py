"""Fixtures for all tests: no retry log and no keys of the machine's user reach a test, and `data` finds the recorded data."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("chatkit", deadline=None, max_examples=60)
settings.load_profile("chatkit")


@pytest.fixture(autouse=True)
def _own_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the user's own settings from the environment, and turn the retry log off."""
    for name in list(os.environ):
        if name.startswith("CHATKIT_") and name not in ("CHATKIT_DATA", "CHATKIT_DEMO_SPEED"):
            monkeypatch.delenv(name)
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENAI_COMPAT_API_KEY", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CHATKIT_RETRY_LOG", "off")
    monkeypatch.setenv("CHATKIT_DEMO_SPEED", "inf")


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of recorded streams and errors, which ``CHATKIT_DATA`` names."""
    folder = os.environ.get("CHATKIT_DATA")
    if not folder:
        pytest.skip("CHATKIT_DATA is unset: it names the folder with the recorded streams and provider errors")
    path = Path(folder)
    if not path.is_dir():
        pytest.fail(f"CHATKIT_DATA={folder} is not a folder")
    return path


class _BrokenTerminal(io.StringIO):
    """A terminal that can't be written to."""

    def isatty(self) -> bool:
        return True

    def write(self, _: str) -> int:
        raise RuntimeError("odd")


@pytest.fixture
def broken_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The display is a terminal, and every write to it fails."""
    monkeypatch.setenv("CHATKIT_DISPLAY", "terminal")
    monkeypatch.setattr("sys.stderr", _BrokenTerminal())
