"""A real JupyterLab in a real browser, started for these tests and ended with them.

They are selected with ``-m browser``, and then fail, not skip, where Chromium or Playwright is missing.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
]
LOADED = """() => {
  window.panel = [...(window.jupyterapp?.shell.widgets('main') ?? [])].find((w) => w.sessionContext);
  return window.panel && document.querySelector('.jp-Notebook .jp-Cell');
}"""
NOISE = ("Could not restore the debugger state",)
"""What JupyterLab itself complains of when a page is left."""
READY = """async () => {
  await window.panel.context.ready;
  await window.panel.sessionContext.ready;
  await window.panel.sessionContext.session.kernel.info;
}"""
RUN = """async ([index, wait]) => {
  window.panel.content.activeCellIndex = index;
  const done = window.jupyterapp.commands.execute('notebook:run-cell');
  if (wait) await done;
}"""
EXECUTE = """async (code) => {
  let out = '';
  const request = window.panel.sessionContext.session.kernel.requestExecute({ code, store_history: false });
  request.onIOPub = ({ header, content }) => {
    if (header.msg_type === 'stream') out += content.text;
    if (header.msg_type === 'error') out += `${content.ename}: ${content.evalue}`;
  };
  await request.done;
  return out.trim();
}"""
RECORD = """() => {
  const root = document.querySelector('.jp-Notebook');
  const begun = performance.now();
  window.seen = [];
  const look = () => {
    const text = document.querySelector('.jp-OutputArea')?.innerText ?? '';
    if (text !== window.seen.at(-1)?.text) window.seen.push({ at: performance.now() - begun, text });
  };
  new MutationObserver(look).observe(root, { childList: true, subtree: true, characterData: true, attributes: true });
  look();
}"""


class Notebook:
    """A notebook in JupyterLab, with a kernel that is ready."""

    def __init__(self, page: Any, url: str, path: Path) -> None:
        self.page = page
        self.path = path
        self._url = url
        self.open()

    def open(self) -> None:
        """Load the page, anew where it was loaded before."""
        self.page.goto(f"{self._url}/doc/tree/{self.path.name}")
        self.page.wait_for_function(LOADED, timeout=60_000)
        self.page.evaluate(READY)  # running earlier would open a dialog that asks for a kernel

    def run(self, index: int = 0, *, wait: bool = True) -> None:
        """Run a cell, and wait for its end unless told not to."""
        self.page.evaluate(RUN, [index, wait])

    def execute(self, code: str) -> str:
        """Run code in the kernel, beside the cells; gives what it printed."""
        return str(self.page.evaluate(EXECUTE, code))

    def record(self) -> None:
        """From now on keep every text that the first cell's output showed, and when."""
        self.page.evaluate(RECORD)

    def seen(self) -> list[dict[str, Any]]:
        """What `record` kept: ``at`` in milliseconds, and ``text``."""
        return list(self.page.evaluate("() => window.seen"))

    def output(self, index: int = 0) -> Any:
        """The output area of a cell."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(index).locator(".jp-OutputArea").first

    def save(self) -> dict[str, Any]:
        """Save it, and read what is on disk then."""
        self.page.evaluate("async () => { await window.panel.context.save(); }")
        return dict(json.loads(self.path.read_text("utf-8")))

    def change_on_disk(self) -> None:
        """Save it, and change the file as another program would: it is not trusted then."""
        document = self.save()
        document["metadata"]["changed"] = True
        self.path.write_text(json.dumps(document), "utf-8")

    def bundles(self, index: int = 0) -> list[dict[str, str]]:
        """The MIME bundles of a cell's outputs as they are saved, their lines joined."""
        outputs = [o for o in self.save()["cells"][index]["outputs"] if "data" in o]
        return [{k: "".join(v) if isinstance(v, list) else v for k, v in o["data"].items()} for o in outputs]


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """JupyterLab's address, and its folder."""
    home, root = tmp_path_factory.mktemp("jupyter"), tmp_path_factory.mktemp("notebooks")
    settings = home / "labconfig" / "default_setting_overrides.json"
    settings.parent.mkdir()
    settings.write_text(json.dumps({"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}))
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CHATKIT_")}
    environment |= {**dict.fromkeys(names, str(home)), "CHATKIT_RETRY_LOG": "off"}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", f"--ServerApp.root_dir={root}"]
    options += ["--IdentityProvider.token=", "--ServerApp.password=", "--LabApp.expose_app_in_browser=True"]
    url = f"http://127.0.0.1:{port}"
    with (home / "log.txt").open("w") as log:
        server = subprocess.Popen([sys.executable, "-m", "jupyterlab", *options], env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait_until(lambda: _answers(f"{url}/api/status"), 60)
            yield url, root
        finally:
            server.terminate()  # the kernels end with it
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser: Debian's, or the one that Playwright installed."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def notebook(lab: tuple[str, Path], chromium: Any, request: pytest.FixtureRequest) -> Iterator[Callable[..., Notebook]]:
    """Opens a notebook with these cells; `width` and `theme` say how it looks.

    At the end nothing may have gone wrong in the page: no dialog, no error on the console, no request to elsewhere.
    """
    url, root = lab
    wrong: list[str] = []
    with contextlib.ExitStack() as stack:

        def make(*cells: str, width: int = 1000, theme: str = "light") -> Notebook:
            context = stack.enter_context(chromium.new_context(viewport={"width": width, "height": 900}))
            page = context.new_page()
            page.on("dialog", lambda d: d.accept() if d.type == "beforeunload" else (wrong.append(f"dialog: {d.message}"), d.dismiss()))
            page.on("pageerror", lambda e: wrong.append(f"error: {e}"))
            page.on("console", lambda m: wrong.append(f"console: {m.text}") if m.type == "error" and not m.text.startswith(NOISE) else None)
            page.on("request", lambda r: wrong.append(f"request: {r.url}") if not r.url.startswith((url, "data:", "blob:")) else None)
            path = root / f"{request.node.name.split('[')[0][:60]}-{len(list(root.iterdir()))}.ipynb"
            path.write_text(json.dumps(_document(cells)), "utf-8")
            made = Notebook(page, url, path)
            stack.callback(_shut_down, page)
            if theme == "dark":
                stack.callback(_change_theme, page, "Light")  # it is a setting of the person's
                _change_theme(page, "Dark")
            return made

        yield make
    assert wrong == []


def _document(cells: tuple[str, ...]) -> dict[str, Any]:
    made = [
        {"cell_type": "code", "id": f"cell-{i}", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
        for i, source in enumerate(cells)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}


def _shut_down(page: Any) -> None:
    page.evaluate("async () => { await window.panel.sessionContext.shutdown(); }")


def _change_theme(page: Any, theme: str) -> None:
    page.evaluate("(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme: `JupyterLab ${theme}` })", theme)
    page.wait_for_selector(f"body[data-jp-theme-light='{str(theme == 'Light').lower()}']", state="attached")


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _wait_until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for another process, which tells nobody that it is ready."""
    end, never = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < end, "it didn't come up"
        never.wait(0.1)
