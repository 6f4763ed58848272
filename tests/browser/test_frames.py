"""Frames of attempts in JupyterLab."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.test_gallery import PICTURES

pytestmark = pytest.mark.browser

ATTEMPTS = """
import chatkit as ck
chat = ck.Chat("demo", title=None, show=False)
chat.ask("Why do clients back off?", show=False)
chat.retries
"""
LOG = """
import chatkit.analysis as ca
log = ca.load_retry_log(FILE)
log
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_an_attempt_failed_with_and_how_long_it_took_is_seen_without_scrolling(
    notebook: Callable[..., Any], theme: str, tmp_path: Path
) -> None:
    file = Path(__file__).parents[2] / "notebooks" / "data" / "week.jsonl.gz"
    nb = notebook(
        ATTEMPTS,
        LOG.replace("FILE", repr(str(file))),
        "ca.by_kind(log)",
        "ca.outages(log).head(3)",
        "ca.calls(log).tail(3)",
        width=700,
        theme=theme,
    )
    nb.run_all()
    for cell in range(5):
        nb.screenshot(Path(PICTURES or tmp_path) / f"frame-{cell}-{theme}.png", cell)
    area = nb.output(0).bounding_box()
    for heading in ("attempt", "outcome", "kind", "error", "waited", "duration"):
        box = nb.output(0).get_by_role("columnheader", name=heading, exact=True).bounding_box()
        assert box["x"] + box["width"] <= area["x"] + area["width"]
    assert nb.output(0).get_by_role("row").nth(1).bounding_box()["height"] < 40  # no cell is broken into lines
    assert "NaN" not in nb.output(0).inner_text()
