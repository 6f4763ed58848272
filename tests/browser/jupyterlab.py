"""A real JupyterLab in a real browser: what the browser tests and the benchmarks drive."""

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
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.request import urlopen

import psutil

from tests.browser import page_scripts as js

__all__ = ["Lab", "Notebook", "chromium", "free_port", "jupyterlab", "served"]

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
]
NOISE = ("Could not restore the debugger state", "Canceled future for create_subshell_request")
"""What JupyterLab itself complains of when a page is left, or a kernel restarted."""
OTHERS = ("Comm not found for comm id",)
"""What it complains of when another page talks to the same kernel."""
ORPHANS = ("Error: widget model not found", "widget model not found")
"""What it complains of, sooner or later, when a page shows a widget whose kernel is gone."""
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}


class Notebook:
    """A notebook in JupyterLab, with a kernel that is ready.

    Parameters
    ----------
    page : playwright.sync_api.Page
        An empty page.
    url : str
        JupyterLab's address.
    path : Path
        The notebook's file, in JupyterLab's folder.
    wrong : list of str
        Where what goes wrong in the page is noted.

    Attributes
    ----------
    page : playwright.sync_api.Page
    path : Path
    wrong : list of str
        Dialogs, exceptions, errors on the console, requests to elsewhere.
    """

    def __init__(self, page: Any, url: str, path: Path, wrong: list[str]) -> None:
        self.page = page
        self.path = path
        self.wrong = wrong
        self._url = url
        self._noise = NOISE
        page.on("dialog", self._on_dialog)
        page.on("pageerror", self._on_exception)
        page.on("console", self._on_console)
        page.on("request", self._on_request)
        self.open()

    def _on_dialog(self, dialog: Any) -> None:
        if dialog.type == "beforeunload":
            dialog.accept()
        else:
            self.wrong.append(f"dialog: {dialog.message}")
            dialog.dismiss()

    def _on_exception(self, error: Any) -> None:
        if not any(noise in str(error) for noise in self._noise):
            self.wrong.append(f"error: {error}")

    def _on_console(self, message: Any) -> None:
        if message.type == "error" and not message.text.startswith(self._noise):
            self.wrong.append(f"console: {message.text}")

    def _on_request(self, request: Any) -> None:
        if not request.url.startswith((self._url, "data:", "blob:")):
            self.wrong.append(f"request: {request.url}")

    def open(self) -> None:
        """Load the page, anew where it was loaded before."""
        self.page.goto(f"{self._url}/doc/tree/{self.path.name}")
        self.page.wait_for_function(js.LOADED, timeout=60_000)
        self.page.evaluate(js.READY)  # running earlier would open a dialog that asks for a kernel

    def open_without_models(self) -> None:
        """Load the page anew, after the kernel that had its widgets is gone."""
        self._noise += ORPHANS
        self.open()

    def beside(self) -> Notebook:
        """The same notebook with the same kernel, in another page of the same browser."""
        self._noise += OTHERS
        return Notebook(self.page.context.new_page(), self._url, self.path, self.wrong)

    def change_theme(self, theme: str) -> None:
        """Take the theme ``light`` or ``dark``, if it has another one."""
        self.page.evaluate(js.CHANGE_THEME, THEMES[theme])
        self.page.wait_for_selector(f"body[data-jp-theme-light='{str(theme == 'light').lower()}']", state="attached")

    def run(self, index: int = 0, *, wait: bool = True) -> None:
        """Run a cell, and wait for its end unless told not to."""
        self.page.evaluate(js.RUN, [index, wait])

    def run_all(self) -> None:
        """Run all cells, one after another, and wait for the end of the last; a cell that fails doesn't stop them."""
        for index in range(len(self.page.evaluate("() => window.panel.content.widgets.map(() => 0)"))):
            self.run(index)

    def execute(self, code: str) -> str:
        """Run code in the kernel, beside the cells; gives what it printed."""
        return str(self.page.evaluate(js.EXECUTE, code))

    def interrupt(self) -> None:
        """What the stop button of the toolbar does."""
        self.page.evaluate("async () => { await window.panel.sessionContext.session.kernel.interrupt(); }")

    def restart(self) -> None:
        """Restart the kernel, as the person does; also while a cell runs."""
        self.page.evaluate(js.RESTART)

    def kill_kernel(self) -> None:
        """Kill the kernel's process, and wait until the server has started another."""
        kernel = self._kernel()
        self.page.evaluate(js.WATCH_STATUS)
        kernel.kill()
        self.page.wait_for_function(js.RESTARTED, timeout=60_000)

    def shut_down_kernel(self) -> None:
        """Shut the kernel down; the notebook has none then."""
        self.page.evaluate("async () => { await window.panel.sessionContext.shutdown(); }")

    def _kernel(self) -> psutil.Process:
        """The kernel's process: known by its connection file, for a busy kernel can't be asked."""
        name = f"kernel-{self.page.evaluate('() => window.panel.sessionContext.session.kernel.id')}.json"
        return next(p for p in psutil.process_iter(["cmdline"]) if any(name in word for word in p.info["cmdline"] or ()))

    def record(self) -> None:
        """From now on keep every text that the first cell's output showed, and when."""
        self.page.evaluate(js.RECORD)

    def seen(self) -> list[dict[str, Any]]:
        """What `record` kept: ``at`` in milliseconds, and ``text``."""
        return list(self.page.evaluate("() => window.seen"))

    def cell(self, index: int = 0) -> Any:
        """A code cell: its input and its output."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(index)

    def output(self, index: int = 0) -> Any:
        """The output area of a cell."""
        return self.cell(index).locator(".jp-OutputArea").first

    def clear(self, index: int = 0) -> None:
        """Clear a cell's output, as the person does."""
        self.page.evaluate(js.CLEAR, index)

    def screenshot(self, path: Path, index: int = 0) -> None:
        """A picture of a cell, whole."""
        self.cell(index).screenshot(path=path)

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
        """The MIME bundles of a cell's outputs as they are saved, their lines joined; without those that were emptied."""
        outputs = [o for o in self.save()["cells"][index]["outputs"] if o.get("data")]
        return [{k: "".join(v) if isinstance(v, list) else v for k, v in o["data"].items()} for o in outputs]


Opened = TypeVar("Opened", bound=Notebook)


class Lab:
    """A running JupyterLab.

    Attributes
    ----------
    url : str
        Its address.
    root : Path
        Its folder.
    """

    def __init__(self, url: str, root: Path) -> None:
        self.url = url
        self.root = root

    def write(self, name: str, *cells: str) -> Path:
        """A notebook with these code cells; its name begins so, and is nobody else's."""
        path = self.root / f"{name}-{len(list(self.root.iterdir()))}.ipynb"
        path.write_text(json.dumps(document(*cells)), "utf-8")
        return path

    @contextlib.contextmanager
    def opened(
        self,
        kind: Callable[[Any, str, Path, list[str]], Opened],
        browser: Any,
        path: Path,
        wrong: list[str],
        *,
        width: int = 1000,
        theme: str = "light",
    ) -> Iterator[Opened]:
        """A notebook in a page of its own; its kernel ends with it.

        Parameters
        ----------
        kind : type
            `Notebook`, or a class of that kind.
        browser : playwright.sync_api.Browser
            What `chromium` gave.
        path : Path
            What `write` gave.
        wrong : list of str
            Where what goes wrong in the page is noted.
        width : int, default 1000
            The window's, in pixels.
        theme : str, default "light"
            Or ``dark``.
        """
        with browser.new_context(viewport={"width": width, "height": 900}) as context:
            notebook = kind(context.new_page(), self.url, path, wrong)
            try:
                notebook.change_theme(theme)
                yield notebook
            finally:
                notebook.change_theme("light")  # it is a setting of the person's
                notebook.shut_down_kernel()


@contextlib.contextmanager
def jupyterlab(home: Path, root: Path, env: Mapping[str, str]) -> Iterator[Lab]:
    """JupyterLab, started here and ended here.

    Parameters
    ----------
    home : Path
        An empty folder for its settings.
    root : Path
        A folder for notebooks.
    env : mapping of str to str
        Its variables and its kernels'.
    """
    config = home / "labconfig"
    config.mkdir()
    quiet = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
    (config / "default_setting_overrides.json").write_text(json.dumps(quiet))
    foreign = {"@voila-dashboards/jupyterlab-preview": True}  # Voila is installed for its own tests; its extension takes a second per page
    (config / "page_config.json").write_text(json.dumps({"disabledExtensions": foreign}))
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    port = free_port()
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", f"--ServerApp.root_dir={root}"]
    options += ["--IdentityProvider.token=", "--ServerApp.password=", "--LabApp.expose_app_in_browser=True"]
    url = f"http://127.0.0.1:{port}"
    own = {**env, **dict.fromkeys(names, str(home))}
    with served([sys.executable, "-m", "jupyterlab", *options], f"{url}/api/status", own, home / "log.txt"):
        yield Lab(url, root)


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextlib.contextmanager
def served(command: Sequence[str], url: str, env: Mapping[str, str], log: Path) -> Iterator[None]:
    """A server, started here and ended here, once it answers at `url`; what it writes goes into `log`."""
    with log.open("w") as written:
        server = subprocess.Popen(command, env=env, stdout=written, stderr=subprocess.STDOUT)
        try:
            _wait_until(lambda: _answers(url), 30)
            yield
        finally:
            server.terminate()  # its kernels end with it
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


@contextlib.contextmanager
def chromium(*flags: str) -> Iterator[Any]:
    """The browser: Debian's, or the one that Playwright installed.

    Parameters
    ----------
    *flags : str
        More of its command line.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), headless=True, args=[*FLAGS, *flags])
        yield browser
        browser.close()


def own_environment() -> dict[str, str]:
    """This process's variables, without what the person has set for chatkit."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CHATKIT_")}


def document(*cells: str) -> dict[str, Any]:
    """A notebook with these code cells."""
    made: list[dict[str, Any]] = [
        {"cell_type": "code", "id": f"cell-{i}", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
        for i, source in enumerate(cells)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}


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
