"""The time that the kernel's stop button takes, during a wait and during a stalled stream, in plain and in awaited cells."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.kernels import Kernel
from benchmarks.processes import PYTHON
from benchmarks.table import Row
from chatkit.chattest import FakeProvider, Response, anthropic_overloaded_response, openai_rate_limit_response, reply

MAX_SECONDS = 0.3
"""For the slowest of all interrupts."""
TIMES = 12
WORDS_BEFORE_STALL = 10
MAX_REQUEST_SECONDS = 10.0
SETTLE = 0.15
STEP = 0.037
"""Seconds from the start of the wait to the interrupt: `SETTLE` and one more `STEP` each time, which covers every phase of a polling
interval.
"""

CELLS = {"plain": 'chat.ask("Count.")', "awaited": 'await chat.send("Count.")'}
CHAT = """
import chatkit as ck
chat = ck.Chat("anthropic:loopback-1", api_key="none", base_url="{url}", title=None)
"""
AGENT = """
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
agent = Agent(OpenAIChatModel("loopback-1", provider=OpenAIProvider(base_url="{url}", api_key="none")))
"""
AGENT_CELL = 'await agent.run("Count.")'
RETRY_AFTER = 20


def interrupt_rows(peers: Mapping[str, Path], env: Mapping[str, str], scratch: Path) -> Iterator[Row]:
    """Interrupt `TIMES` cells of each kind in one chat, which must stay usable after each interrupt."""
    others = {"plain": _bare(env, scratch), "awaited": _agent(peers["pydantic-ai"], env, scratch) if "pydantic-ai" in peers else ""}
    waiting: Response = anthropic_overloaded_response(retry_after=RETRY_AFTER)
    stalled = reply(" ".join(f"word{n}" for n in range(40))).stall(after=WORDS_BEFORE_STALL)
    for name, response in (("a retry's wait", waiting), ("a stalled stream", stalled)):
        for kind, cell in CELLS.items():
            with FakeProvider(response) as fake, Kernel(PYTHON, cwd=scratch, env=env) as kernel:
                kernel.run(CHAT.format(url=fake.anthropic_url))
                took = [_interrupted(kernel, cell, fake, number, stalls=response is stalled) for number in range(1, TIMES + 1)]
                if response is stalled:
                    fake.wait_for(hang_ups=TIMES)  # each request was cancelled
            worst = max(took)
            yield Row(
                f"interrupt during {name}, {kind} cell, worst of {TIMES}",
                f"{worst:.2f} s ({min(took):.2f}–{worst:.2f})",
                others[kind] if response is waiting else "",
                must=f"≤ {MAX_SECONDS} s",
                ok=worst <= MAX_SECONDS,
            )


def _interrupted(kernel: Kernel, cell: str, fake: FakeProvider, number: int, *, stalls: bool) -> float:
    """Seconds from the interrupt to the cell's end."""
    begun = kernel.begin(cell)
    if stalls:
        fake.wait_for(requests=number, pieces=WORDS_BEFORE_STALL, stalled=1, timeout=MAX_REQUEST_SECONDS)
    else:
        fake.wait_for(requests=number, timeout=MAX_REQUEST_SECONDS)
    time.sleep(SETTLE + STEP * number)
    began = time.monotonic()
    kernel.interrupt()
    execution = kernel.finish(begun)
    if execution.error not in ("KeyboardInterrupt", "CancelledError"):
        raise RuntimeError(f"an interrupted cell ended with {execution.status} {execution.error}")
    return execution.ended - began


def _bare(env: Mapping[str, str], scratch: Path) -> str:
    """The floor: a cell that sleeps. What it measures is the kernel's own work, above all the traceback, and most of that the first
    time.
    """
    took = []
    with Kernel(PYTHON, cwd=scratch, env=env) as kernel:
        for number in range(1, TIMES + 1):
            cell = kernel.begin("import time; time.sleep(60)")
            time.sleep(SETTLE + STEP * number)
            began = time.monotonic()
            kernel.interrupt()
            took.append(kernel.finish(cell).ended - began)
    return f"a bare time.sleep: {max(took):.2f} s ({min(took):.2f}–{max(took):.2f})"


def _agent(python: Path, env: Mapping[str, str], scratch: Path) -> str:
    """The same for pydantic-ai, once: its client waits as long as the server asks."""
    try:
        with FakeProvider(openai_rate_limit_response(retry_after=RETRY_AFTER)) as fake, Kernel(python, cwd=scratch, env=env) as kernel:
            kernel.run(AGENT.format(url=fake.openai_url))
            cell = kernel.begin(AGENT_CELL)
            fake.wait_for(requests=1, timeout=MAX_REQUEST_SECONDS)
            time.sleep(SETTLE)
            began = time.monotonic()
            kernel.interrupt()
            return f"pydantic-ai, once: {kernel.finish(cell).ended - began:.1f} s"
    except (RuntimeError, TimeoutError, AssertionError) as error:
        print(f"pydantic-ai: {error}", file=sys.stderr)
        return ""
