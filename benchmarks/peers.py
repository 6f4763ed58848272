"""The environments of the other libraries ("peers"): one per line of ``peers.txt``, created on first use and kept."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.processes import PYTHON

LIST = Path(__file__).with_name("peers.txt")
NAMES = {"pydantic-ai-slim": "pydantic-ai"}
"""The names of the peers that differ from those of their distributions."""


class _Line(NamedTuple):
    name: str
    distribution: str
    requirements: list[str]


def default_folder() -> Path:
    """The folder of the environments, unless the command line names another."""
    from platformdirs import user_cache_path

    return user_cache_path("chatkit") / "benchmark-peers"


class Peers(Mapping[str, Path]):
    """The interpreter of each peer by name. A peer whose environment can't be created is left out, and `say` gets the reason; with None
    as the folder there are no peers.
    """

    def __init__(self, folder: Path | None, say: Callable[[str], object] = print) -> None:
        self._pythons: dict[str, Path] = {}
        self.versions: dict[str, str] = {}
        if folder is None:
            return
        for line in _lines():
            try:
                self._pythons[line.name] = python = environment_with(folder / line.name, line.requirements, say)
                self.versions[line.name] = _version(python, line.distribution)
            except (OSError, subprocess.CalledProcessError) as error:
                say(f"{line.name} is left out: {error}")

    def __getitem__(self, name: str) -> Path:
        return self._pythons[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._pythons)

    def __len__(self) -> int:
        return len(self._pythons)


def _lines() -> list[_Line]:
    lines = []
    for text in LIST.read_text(encoding="utf-8").splitlines():
        if requirements := text.partition("#")[0].split():
            distribution = re.split(r"[\[<>=!~;]", requirements[0])[0]
            lines.append(_Line(NAMES.get(distribution, distribution), distribution, requirements))
    return lines


def environment_with(folder: Path, requirements: list[str], say: Callable[[str], object]) -> Path:
    """The interpreter of an environment with these requirements, which is created again if the list or this Python has changed."""
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    mark = folder / "made-from.txt"
    wanted = hashlib.sha256(json.dumps([sys.version, str(PYTHON), requirements]).encode()).hexdigest()
    if mark.exists() and mark.read_text(encoding="utf-8") == wanted:
        return python
    say(f"creating an environment with {' '.join(requirements)} …")
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "-qq", *requirements], check=True)
    mark.write_text(wanted, encoding="utf-8")
    return python


def _version(python: Path, distribution: str) -> str:
    code = f"import importlib.metadata as m; print(m.version({distribution!r}))"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
