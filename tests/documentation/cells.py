"""``python -m tests.documentation.cells PAGE URL``: run the cells of a page, one after the other, as IPython does; an error ends it.

A server that the page expects on this machine is looked for at the URL.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

_BLOCK = re.compile(r"^```(?:python|ipython)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LOCAL = re.compile(r'"ollama:[\w.]+"(?!, base_url)')


def cells_of(page: Path) -> list[str]:
    """The blocks of Python of a page."""
    return _BLOCK.findall(page.read_text("utf-8"))


def main(page: Path, url: str) -> None:
    """Run them."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    for cell in cells_of(page):
        shell.run_cell(_LOCAL.sub(rf'\g<0>, base_url="{url}"', cell), store_history=True).raise_error()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
