"""The pytest plugin, as a user's tests get it when chatkit is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import chatkit.chattest

THEIRS = """
import socket, threading

import httpx

from chatkit.chattest import reply

made, clients = [], []


def test_uses_both(fake_provider, fake_clock):
    made.append(fake_provider(["Hello!"], title="T"))
    made.append(fake_provider())
    assert "Hello!" in httpx.post(made[0].url + "/v1/messages", json={}).text
    fake_clock.pause(3, threading.Event())
    assert fake_clock.pauses == [3.0]


def test_gets_new_ones(fake_clock):
    assert [fake.closed for fake in made] == [True, True]
    assert fake_clock.pauses == []


def test_leaves_a_request_behind(fake_provider):
    fake = fake_provider(reply("one two").stall(after=1))
    clients.append(socket.create_connection(("127.0.0.1", int(fake.url.rpartition(":")[2]))))
    clients[0].sendall(b"POST /v1/messages HTTP/1.1\\r\\n\\r\\n")
    fake.wait_for(stalled=1)


def test_tidies_up():
    clients[0].close()
"""


def test_the_plugin_is_registered_where_pytest_looks() -> None:
    assert [point.value for point in entry_points(group="pytest11", name="chatkit")] == ["chatkit.chattest.fixtures"]


def test_the_fixtures_close_what_they_made_and_fail_a_test_that_leaves_a_request_behind(tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text(THEIRS)
    options = ["-q", "-W", "error", "-p", "no:cacheprovider", "-p", "chatkit.chattest.fixtures", "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )
    assert "left open when the test ended: <RecordedRequest 1 POST /v1/messages: stalled, 1 pieces sent>" in done.stdout
    assert "4 passed, 1 error" in done.stdout


def test_loading_the_plugin_imports_nothing_heavy() -> None:
    code = "import pytest, sys; before = set(sys.modules); import chatkit.chattest.fixtures; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "['chatkit', 'chatkit.chattest', 'chatkit.chattest.fixtures']"


def test_every_public_name_is_there_and_listed() -> None:
    for name in chatkit.chattest.__all__:
        assert getattr(chatkit.chattest, name).__doc__
    assert set(chatkit.chattest.__all__) <= set(dir(chatkit.chattest))
    assert not hasattr(chatkit.chattest, "nothing")
