"""Instruction files: what a person wants every model to know, from ``AGENTS.md``.

Two places, in this order: chatkit's folder in the person's configuration directory, then the working directory.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path

NAME = "AGENTS.md"
MOST = 64 * 1024
"""Bytes that are taken of a file."""
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_logger = logging.getLogger("chatkit")


def instruction_files() -> tuple[Path, ...]:
    """Where instruction files are looked for."""
    import platformdirs

    return Path(platformdirs.user_config_dir("chatkit", appauthor=False)) / NAME, Path.cwd() / NAME


def read_instructions(files: Sequence[Path]) -> str:
    """The text of the files that exist, each under its name.

    Parameters
    ----------
    files : sequence of Path
        In the order in which they are given to the model. One that can't be read is logged and left out.

    Returns
    -------
    str
        HTML comments are removed; of a file over 64 KiB the beginning is taken, and the cut is named.
    """
    texts = []
    for path in dict.fromkeys(files):
        try:
            with path.open("rb") as file:
                raw = file.read(MOST + 1)
        except FileNotFoundError:
            continue
        except OSError as error:
            _logger.warning("the instructions in %s can't be read: %s", path, error.strerror)
            continue
        text = _COMMENT.sub("", raw[:MOST].decode("utf-8", "ignore")).strip()
        cut = f"\n\n[{path.name} is longer than {MOST // 1024} KiB: the rest was left out.]" if len(raw) > MOST else ""
        if text:
            texts.append(f"Instructions from {path.name}:\n\n{text}{cut}")
    return "\n\n".join(texts)
