"""The CPU time of the client's process for a stream of 4,000 deltas, compared with reading the same bytes and discarding them."""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from benchmarks.processes import PYTHON, Cost, Server, Worker
from benchmarks.table import Row, spread
from benchmarks.texts import DELTAS, text_of

WARM_UP = 3
MAX_RATIO_TO_FLOOR = 2.0
MIN_RATIO_TO_OPENAI = 5.0
"""The cost of the openai SDK divided by that of chatkit."""
PATHS = {"Anthropic": "/words/v1/messages", "Chat Completions": "/words/v1/chat/completions"}
PEERS = {
    "openai": ("Chat Completions",),
    "anthropic": ("Anthropic",),
    "pydantic-ai": ("Chat Completions",),
    "litellm": ("Chat Completions",),
}
Key = tuple[str, str]


def stream_rows(rounds: int, peers: Mapping[str, Path], env: Mapping[str, str]) -> Iterator[Row]:
    """Measure every variant once per round, after `WARM_UP` rounds that are not counted."""
    with ExitStack() as stack:
        server = stack.enter_context(Server())
        ours = stack.enter_context(Worker(PYTHON, "benchmarks.clients.chatkit_stream", env=env))
        runs: dict[Key, Callable[[], Cost]] = {}
        for format, path in PATHS.items():
            for variant in ("floor", "ask", "stream", "json"):
                runs[format, variant] = _run(ours, variant, server.url + path)
        for peer in PEERS.keys() & peers.keys():
            theirs = stack.enter_context(Worker(peers[peer], "benchmarks.clients.peer_stream", peer, env=env))
            for format in PEERS[peer]:
                runs[format, peer] = _run(theirs, peer, server.url + PATHS[format])
        costs: dict[Key, list[float]] = defaultdict(list)
        for number in range(WARM_UP + rounds):
            for key, run in list(runs.items()):
                if (cost := _checked(key, run, runs)) and number >= WARM_UP:
                    costs[key].append(cost.cpu * 1000)
    yield from _rows(costs)


def _run(worker: Worker, variant: str, url: str) -> Callable[[], Cost]:
    return lambda: worker.run(variant, url)


def _checked(key: Key, run: Callable[[], Cost], runs: dict[Key, Callable[[], Cost]]) -> Cost | None:
    """One run; a peer that fails is left out of the following rounds."""
    try:
        cost = run()
    except RuntimeError as error:
        if key[1] not in PEERS:
            raise
        print(f"{key[1]}: {error}", file=sys.stderr)
        del runs[key]
        return None
    if key[1] != "floor" and cost.characters != len(text_of()):
        raise RuntimeError(f"{key[1]} saw {cost.characters} characters of {len(text_of())}")
    return cost


def _rows(costs: Mapping[Key, list[float]]) -> Iterator[Row]:
    medians = {key: statistics.median(values) for key, values in costs.items()}
    for format in PATHS:
        floor = (format, "floor")
        for variant, name in (("ask", "chat.ask"), ("stream", "chat.stream")):
            key = format, variant
            ratio = medians[key] / medians[floor]
            yield Row(
                f"stream {DELTAS:,} deltas, {format}: {name}",
                spread(costs[key], "ms"),
                f"bare httpx {spread(costs[floor], 'ms')}",
                f"{ratio:.2f} ×",
                f"≤ {MAX_RATIO_TO_FLOOR:g} ×",
                ratio <= MAX_RATIO_TO_FLOOR,
            )
        slower = max(("ask", "stream"), key=lambda variant: medians[format, variant])
        ours = medians[format, slower]
        for name in ("json", *PEERS):
            if (format, name) in costs:
                ratio = medians[format, name] / ours
                must = name == "openai"
                yield Row(
                    f"… against {'httpx + json' if name == 'json' else name}",
                    spread(costs[format, slower], "ms"),
                    spread(costs[format, name], "ms"),
                    f"{ratio:.1f} × less",
                    f"≥ {MIN_RATIO_TO_OPENAI:g} × less" if must else "",
                    ratio >= MIN_RATIO_TO_OPENAI if must else None,
                )
