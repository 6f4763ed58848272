"""A real JupyterLab in a real browser, started for these tests and ended with them.

They are selected with ``-m browser``, and then fail, not skip, where Chromium or Playwright is missing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser import jupyterlab as real
from tests.browser.jupyterlab import Lab, Notebook


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab."""
    env = {**real.own_environment(), "CHATKIT_RETRY_LOG": "off"}
    with real.jupyterlab(tmp_path_factory.mktemp("jupyter"), tmp_path_factory.mktemp("notebooks"), env) as running:
        yield running


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser."""
    with real.chromium() as browser:
        yield browser


@pytest.fixture
def notebook(lab: Lab, chromium: Any, request: pytest.FixtureRequest) -> Iterator[Callable[..., Notebook]]:
    """Opens a notebook with these cells, as often as it is called; `width` and `theme` say how it looks.

    At the end nothing may have gone wrong in any of their pages: no dialog, no error on the console, no request to
    elsewhere.
    """
    wrong: list[str] = []
    with contextlib.ExitStack() as stack:

        def make(*cells: str, width: int = 1000, theme: str = "light") -> Notebook:
            path = lab.write(request.node.name.split("[")[0][:60], *cells)
            return stack.enter_context(lab.opened(Notebook, chromium, path, wrong, width=width, theme=theme))

        yield make
    assert wrong == []
