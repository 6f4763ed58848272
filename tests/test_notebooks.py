"""The stored notebooks contain only what a reader sees."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import msgspec
import pytest

from chatkit import AttemptRecord
from tests import sample_log
from tests.notebooks import FOLDER


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_widgets_and_times_and_with_every_cell_run(path: Path) -> None:
    notebook = json.loads(path.read_text("utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert "widgets" not in notebook["metadata"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert not any("execution" in cell["metadata"] for cell in code)
    assert path.stat().st_size < 500_000


def sources(name: str) -> list[str]:
    notebook = json.loads((FOLDER / f"{name}.ipynb").read_text("utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_the_first_notebook_shows_the_live_view_and_a_cell_that_is_a_prompt() -> None:
    cells = sources("01_quickstart")
    assert "chat.view()" in cells
    assert any(cell.startswith("%%chat") for cell in cells)


def test_no_cell_of_a_notebook_waits_for_the_demo_in_silence() -> None:
    for path in FOLDER.glob("*.ipynb"):
        for cell in sources(path.stem):
            asks_the_demo = any(call in cell for call in ("ck.chat(", '"demo', "'demo"))
            assert not (asks_the_demo and "show=False" in cell and "demo:steady" not in cell), cell


def test_the_log_that_ships_is_what_the_retry_loop_writes() -> None:
    kept = gzip.decompress(sample_log.PATH.read_bytes()).splitlines()
    assert [msgspec.json.decode(line, type=AttemptRecord) for line in kept] == sample_log.week()
