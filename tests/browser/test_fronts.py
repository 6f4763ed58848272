"""Other front ends than Jupyter's own: Voila and marimo, in a real browser."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import jupyterlab as real

pytestmark = pytest.mark.browser
Open = Callable[..., Any]


@pytest.fixture
def served_page(chromium: Any, tmp_path: Path) -> Iterator[Open]:
    """Starts a server with this command, to which its port is added, and opens its page in the browser."""
    with contextlib.ExitStack() as stack:

        def make(*command: str, at: str = "/") -> Any:
            port = real.free_port()
            env = {**real.own_environment(), "CHATKIT_RETRY_LOG": "off", "CHATKIT_DEMO_SPEED": "40"}
            url = f"http://127.0.0.1:{port}"
            stack.enter_context(real.served([*command, f"--port={port}"], url + at, env, tmp_path / "log.txt"))
            page = stack.enter_context(chromium.new_context(viewport={"width": 800, "height": 900})).new_page()
            page.goto(url)
            return page

        yield make


@pytest.fixture
def voila(served_page: Open, tmp_path: Path) -> Open:
    """Opens a notebook with these cells in Voila, with these options."""

    def make(*cells: str, options: tuple[str, ...] = ()) -> Any:
        path = tmp_path / "app.ipynb"
        path.write_text(json.dumps(real.document(*cells)), "utf-8")
        return served_page(
            sys.executable, "-m", "voila", str(path), "--no-browser", "--Voila.ip=127.0.0.1", *options, at="/voila/static/favicon.ico"
        )

    return make


ENDING = "Scripted demo on this machine: no model answered."


def test_the_view_of_a_chat_is_alive_in_voila(voila: Open) -> None:
    page = voila("import chatkit as ck\nchat = ck.Chat('demo:steady')\nchat.view()")
    page.get_by_role("textbox").fill("Why do clients back off?")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Stop").wait_for()
    page.get_by_text(ENDING).wait_for()
    assert page.locator("ol > li").count() == 3


@pytest.mark.parametrize("speed", ["40", "inf"])
def test_a_submitted_reply_is_shown_in_voila_whether_it_ends_before_the_page_or_after(voila: Open, speed: str) -> None:
    page = voila(
        f"import os\nos.environ['CHATKIT_DEMO_SPEED'] = '{speed}'", "import chatkit as ck\nrun = ck.Chat('demo:steady').submit('Why?')"
    )
    page.get_by_text(ENDING).wait_for()
    assert page.get_by_text("model not found").count() == 0


def test_a_kernel_that_voila_started_ahead_shows_the_reply_too(voila: Open) -> None:
    page = voila("import chatkit as ck\nrun = ck.Chat('demo:steady').submit('Why?')", options=("--preheat_kernel=True", "--pool_size=1"))
    page.get_by_text(ENDING).wait_for()


MARIMO = """import marimo
app = marimo.App()

@app.cell
def _():
    import chatkit as ck
    return (ck,)

@app.cell
def _(ck):
    chat = ck.Chat("demo")
    answer = chat.ask("Why do clients back off?")
    return (chat,)

@app.cell
def _(chat, ck):
    results = iter([ConnectionResetError(), "done"])
    def fails_once():
        result = next(results)
        if isinstance(result, Exception):
            raise result
        return result
    assert ck.retry(fails_once) == "done"
    return

@app.cell
def _(chat):
    chat.view()
    return
"""


def test_replies_and_retries_are_seen_in_marimo_while_they_go_on_and_lists_have_numbers(served_page: Open, tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    path.write_text(MARIMO, "utf-8")
    page = served_page(sys.executable, "-m", "marimo", "run", str(path), "--headless", "--no-token", "--host=127.0.0.1", at="/health")
    first = page.locator(".chatkit").first
    first.get_by_text("attempt 2 failed").first.wait_for()
    first.get_by_text("So each client waits").wait_for()
    assert page.get_by_text(ENDING).count() == 0
    page.get_by_text("the connection to the server broke").first.wait_for()
    page.get_by_role("textbox").wait_for()
    assert page.get_by_text(ENDING).count() == 2
    styles = page.locator(".ck-body ol").evaluate_all("lists => lists.map(list => getComputedStyle(list).listStyleType)")
    assert styles == ["decimal", "decimal"]
