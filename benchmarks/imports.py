"""The cost of ``import``, compared with an interpreter that does nothing."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.processes import PYTHON, Spent, spent
from benchmarks.table import Row

MAX_MS = 10.0
MODULES = {
    "llm": "llm",
    "openai": "openai",
    "anthropic": "anthropic",
    "pydantic-ai": "pydantic_ai",
    "chatlas": "chatlas",
    "litellm": "litellm",
}
PEER_ROUNDS = 5


def import_rows(rounds: int, peers: Mapping[str, Path], env: Mapping[str, str], scratch: Path) -> Iterator[Row]:
    """Measure in turns with ``pass``, each in the interpreter that has the package, in an empty folder so that only installed packages
    are found.
    """
    cpu, wall = _cost("chatkit", PYTHON, rounds, env, scratch)
    yield Row(
        "import chatkit, over python -c pass", f"{cpu:.1f} ms of CPU, {wall:.1f} ms", must=f"≤ {MAX_MS:g} ms", ok=max(cpu, wall) <= MAX_MS
    )
    for peer, module in MODULES.items():
        if peer in peers:
            cpu, wall = _cost(module, peers[peer], PEER_ROUNDS, env, scratch)
            yield Row(f"… import {module}", "", f"{cpu:,.0f} ms of CPU, {wall:,.0f} ms")


def _cost(module: str, python: Path, rounds: int, env: Mapping[str, str], scratch: Path) -> tuple[float, float]:
    """The median difference to ``pass``, in milliseconds of CPU and on the clock."""

    def run(code: str) -> Spent:
        return spent([python, "-c", code], cwd=scratch, env=env)

    run(f"import {module}")  # compiles the modules
    pairs = [(run("pass"), run(f"import {module}")) for _ in range(rounds)]
    return (
        statistics.median(b.cpu - a.cpu for a, b in pairs) * 1000,
        statistics.median(b.wall - a.wall for a, b in pairs) * 1000,
    )
