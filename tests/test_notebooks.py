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


def test_the_log_that_ships_is_what_the_retry_loop_writes() -> None:
    kept = gzip.decompress(sample_log.PATH.read_bytes()).splitlines()
    assert [msgspec.json.decode(line, type=AttemptRecord) for line in kept] == sample_log.week()
