"""What ``import`` costs, over an interpreter that does nothing."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.processes import PYTHON, Spent, spent
from benchmarks.table import Row

__all__ = ["import_rows"]

MOST = 10.0
"""Milliseconds."""
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
    """Measure by turns with ``pass``, each in the interpreter that has the package.

    Parameters
    ----------
    rounds : int
        Pairs of runs.
    peers : mapping of str to Path
        Interpreters.
    env : mapping of str to str
        The processes' variables.
    scratch : Path
        Their working directory: empty, so that only what is installed is found.
    """
    cpu, wall = _cost("chatkit", PYTHON, rounds, env, scratch)
    yield Row(
        "import chatkit, over python -c pass", f"{cpu:.1f} ms of CPU, {wall:.1f} ms", must=f"≤ {MOST:g} ms", ok=max(cpu, wall) <= MOST
    )
    for peer, module in MODULES.items():
        if peer in peers:
            cpu, wall = _cost(module, peers[peer], PEER_ROUNDS, env, scratch)
            yield Row(f"… import {module}", "", f"{cpu:,.0f} ms of CPU, {wall:,.0f} ms")


def _cost(module: str, python: Path, rounds: int, env: Mapping[str, str], scratch: Path) -> tuple[float, float]:
    """The median difference, in milliseconds of CPU and on the clock."""

    def run(code: str) -> Spent:
        return spent([python, "-c", code], cwd=scratch, env=env)

    run(f"import {module}")  # compiles what isn't compiled yet
    pairs = [(run("pass"), run(f"import {module}")) for _ in range(rounds)]
    return (
        statistics.median(b.cpu - a.cpu for a, b in pairs) * 1000,
        statistics.median(b.wall - a.wall for a, b in pairs) * 1000,
    )
