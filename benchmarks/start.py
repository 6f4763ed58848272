"""The time from the start of a process to the first part of a reply, from a server that is already running."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.processes import PYTHON, Server, spent
from benchmarks.table import Row, spread

MAX_SECONDS = 0.6
PEER_ROUNDS = 3

CHAT = """
import sys, time
import chatkit as ck
chat = ck.Chat("anthropic:loopback-1", api_key="none", base_url=sys.argv[1], title=None)
"""
ASK = """
assert chat.ask("Count.").text
print(time.monotonic(), time.process_time())
"""
FIRST_PART = """
with chat.stream("Count.") as events:
    for event in events:
        if event.__class__.__name__ == "MessagePart":
            print(time.monotonic(), time.process_time())
            break
"""
CLIENTS = {
    "llm": "import llm; llm.get_models()",
    "openai": "import openai; openai.OpenAI(api_key='none')",
    "anthropic": "import anthropic; anthropic.Anthropic(api_key='none')",
    "chatlas": "import chatlas; chatlas.ChatOpenAICompletions(model='loopback-1', api_key='none')",
}


def start_rows(rounds: int, peers: Mapping[str, Path], env: Mapping[str, str], scratch: Path) -> Iterator[Row]:
    """Measure new processes: ``ask`` for a reply of one delta, and the first part that ``stream`` yields. The peers only create a
    client object.
    """
    with Server() as server:
        for name, mode, code in (("ask returns a reply of one delta", "one", ASK), ("the first part of stream", "words", FIRST_PART)):
            wall, cpu = _times(PYTHON, CHAT + code, rounds, env, scratch, f"{server.url}/{mode}")
            figure = f"{spread(wall, 's', 2)}, {statistics.median(cpu):.2f} s of CPU"
            yield Row(f"process start until {name}", figure, must=f"≤ {MAX_SECONDS} s", ok=statistics.median(wall) <= MAX_SECONDS)
        for peer, code in CLIENTS.items():
            if peer in peers:
                try:
                    wall, cpu = _times(
                        peers[peer], f"import time; {code}; print(time.monotonic(), time.process_time())", PEER_ROUNDS, env, scratch
                    )
                except RuntimeError as error:
                    print(f"{peer}: {error}", file=sys.stderr)
                    continue
                yield Row(f"… {peer}: a client object alone", "", f"{spread(wall, 's', 2)}, {statistics.median(cpu):.2f} s of CPU")


def _times(python: Path, code: str, rounds: int, env: Mapping[str, str], scratch: Path, *arguments: str) -> tuple[list[float], list[float]]:
    """Seconds from the start of a process to the line that it prints, on the clock and of CPU. The first process is not counted."""
    wall, cpu = [], []
    for _ in range(rounds + 1):
        began = time.monotonic()  # all processes of a machine share this clock
        ended, used = map(float, spent([python, "-c", code, *arguments], cwd=scratch, env=env).output.split())
        wall.append(ended - began)
        cpu.append(used)
    return wall[1:], cpu[1:]
