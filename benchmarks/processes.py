"""The processes of a run: the loopback server, and the measured workers."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

PYTHON = Path(sys.executable)
ROOT = Path(__file__).parents[1]
"""The folder that contains the package ``benchmarks``."""
MAX_PROCESS_SECONDS = 120.0
KEPT_VARIABLES = ("CHATKIT_DATA", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "USERPROFILE")


def environment(scratch: Path) -> dict[str, str]:
    """The environment variables of every measured process: no keys, no proxies, and none of the user's own settings. chatkit's retry log
    is on, as it is by default, and goes to `scratch`.
    """
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    settings = {
        "CHATKIT_RETRY_LOG": str(scratch / "retries.jsonl"),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # without it, the import waits for a download
        "LLM_USER_PATH": str(scratch),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    return kept | settings


class Server:
    """The running loopback server."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [PYTHON, "-m", "benchmarks.server"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # the server stops at the end of its input


class Cost(NamedTuple):
    """The cost of one call of a variant: seconds of CPU and on the clock, the deltas that it saw, and their characters."""

    cpu: float
    wall: float
    seen: int
    characters: int


class Worker:
    """A measured process that keeps running: see `benchmarks.clients.measured`."""

    def __init__(self, python: Path, module: str, *arguments: str, env: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [python, "-m", module, *arguments], cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.variants: list[str] = json.loads(self._read())

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker has ended with {self._process.wait(MAX_PROCESS_SECONDS)}; its output is above")
        return line

    def run(self, variant: str, url: str) -> Cost:
        """Run one variant once."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{variant} {url}\n")
        self._process.stdin.flush()
        return Cost(**json.loads(self._read()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._process.communicate(timeout=MAX_PROCESS_SECONDS)


class Spent(NamedTuple):
    """What a whole process used, in seconds of CPU and on the clock, and its output."""

    cpu: float
    wall: float
    output: str


def spent(command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str]) -> Spent:
    """Run a process to its end; RuntimeError if it failed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=MAX_PROCESS_SECONDS, check=False)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{command[-1]!r} failed: {done.stderr.strip().splitlines()[-1:]}")
    return Spent(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall, done.stdout)
