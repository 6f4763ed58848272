"""The time that `simulate` and `compare_policies` take."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

import pandas as pd

from benchmarks.records import attempts
from benchmarks.table import Row, spread
from chatkit import RetryPolicy
from chatkit.analysis import compare_policies, load_over_time, simulate

CLIENTS = 10_000
OUTAGE_SECONDS = 600.0
ROWS = 1_000_000
MAX_SECONDS = 1.0
"""For the simulation of all clients through the outage."""


def simulating_rows(rounds: int) -> Iterator[Row]:
    """Measure each function `rounds` times in this process, on the clock."""
    outage = pd.DataFrame({"provider": ["anthropic"], "started": [0.0], "ended": [OUTAGE_SECONDS], "kind": ["overloaded"]})
    for policy, name in ((RetryPolicy(), "deterministic"), (RetryPolicy(jitter="full"), "full jitter")):
        frame, times = _measured(partial(simulate, outage, policy, clients=CLIENTS), rounds)
        herd = load_over_time(frame[frame["outcome"] == "ok"])["requests"].max()
        yield Row(
            f"simulate {CLIENTS:,} clients through {OUTAGE_SECONDS / 60:.0f} minutes, {name}",
            f"{spread(times, 's', 2)}; {len(frame):,} requests, {herd:,} in one second as it is back",
            must=f"≤ {MAX_SECONDS:g} s",
            ok=statistics.median(times) <= MAX_SECONDS,
        )
    log = attempts(ROWS)
    frame, times = _measured(lambda: simulate(log, RetryPolicy(jitter="full")), rounds)
    yield Row(f"simulate: replay {ROWS:,} recorded attempts", f"{spread(times, 's', 2)}; {len(frame):,} requests")
    policies = [RetryPolicy(), RetryPolicy(jitter="full"), RetryPolicy(max_attempts=5)]
    compared, times = _measured(lambda: compare_policies(log, policies), rounds)
    yield Row(f"compare_policies: {len(compared)} over {ROWS:,} recorded attempts", spread(times, "s", 2))
    load, times = _measured(lambda: load_over_time(log), rounds)
    yield Row(f"load_over_time of {ROWS:,} attempts, by the second", f"{spread(times, 's', 2)}; {len(load):,} seconds")


def _measured(run: Callable[[], pd.DataFrame], rounds: int) -> tuple[pd.DataFrame, list[float]]:
    """The result, and the seconds of each run."""
    frame, times = run(), []
    for _ in range(rounds):
        begin = time.perf_counter()
        frame = run()
        times.append(time.perf_counter() - begin)
    return frame, times
