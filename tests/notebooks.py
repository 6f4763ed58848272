"""``python -m tests.notebooks``: run the notebooks again, and store only what a reader sees."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"


def main(names: list[str]) -> None:
    """Run the notebooks with these names, or all of them."""
    os.environ |= {"CHATKIT_DEMO_SPEED": "inf", "CHATKIT_RETRY_LOG": "off"}
    for path in sorted(FOLDER.glob("*.ipynb")):
        if names and path.stem not in names:
            continue
        notebook = nbformat.read(path, 4)
        notebook.metadata.pop("widgets", None)
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)
        # without the state of widgets, which GitHub can't show, and without the times of the runs
        NotebookClient(notebook, timeout=120, store_widget_state=False, record_timing=False).execute(cwd=str(FOLDER))
        nbformat.write(notebook, path)
        print(path.name)


if __name__ == "__main__":
    main(sys.argv[1:])
