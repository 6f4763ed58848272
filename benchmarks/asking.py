"""How long the questions take on a million attempts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import pandas as pd

from benchmarks.records import attempts
from benchmarks.table import Row, spread
from chatkit.analysis import backoff_curve, by_hour, by_kind, calls, cost_of_waiting, outages, summarize
from chatkit.analysis.questions.grouping import waits_after

__all__ = ["asking_rows"]

ROWS = 1_000_000
MOST = 1.0
"""Seconds."""
QUESTIONS: dict[str, Callable[[pd.DataFrame], object]] = {
    "calls": calls,
    "summarize": summarize,
    "summarize by provider and model": lambda log: summarize(log, by=["provider", "model"]),
    "outages": outages,
    "by_kind": by_kind,
    "by_hour": lambda log: by_hour(log, tz="Europe/Vienna"),
    "backoff_curve": backoff_curve,
    "cost_of_waiting": cost_of_waiting,
    "waits_after": waits_after,
}


def asking_rows(rounds: int) -> Iterator[Row]:
    """Measure in this process, on the clock.

    Parameters
    ----------
    rounds : int
        How often each question is asked.
    """
    log = attempts(ROWS)
    shuffled = log.sample(frac=1, random_state=0)
    many = f"{ROWS:,} attempts of {len(calls(log)):,} calls"
    ours, theirs = _seconds(calls, log, rounds), _seconds(_grouped_by_pandas, log, max(rounds // 5, 1))
    yield Row(
        f"calls() of {many}",
        spread(ours, "s", 2),
        f"a part of it by groupby().agg(): {spread(theirs, 's', 2)}",
        f"{statistics.median(theirs) / statistics.median(ours):.1f} ×",
        f"< {MOST:g} s",
        max(ours) < MOST,
    )
    for name, ask in list(QUESTIONS.items())[1:]:
        times = _seconds(ask, log, rounds)
        yield Row(f"… {name}", spread(times, "s", 2), must=f"< {MOST:g} s", ok=max(times) < MOST)
    times = _seconds(calls, shuffled, rounds)
    yield Row("… calls(), the rows shuffled", spread(times, "s", 2), must=f"< {MOST:g} s", ok=max(times) < MOST)


def _grouped_by_pandas(log: pd.DataFrame) -> pd.DataFrame:
    """The columns of `calls` that pandas has a word for."""
    by_call = log.sort_values(["ts", "attempt"]).groupby("call", sort=False)
    return by_call.agg(
        provider=("provider", "first"),
        started=("ts", "first"),
        attempts=("attempt", "size"),
        outcome=("outcome", "last"),
        waited=("waited", "sum"),
        worked=("duration", "sum"),
    )


def _seconds(ask: Callable[[pd.DataFrame], object], log: pd.DataFrame, rounds: int) -> list[float]:
    ask(log)
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        ask(log)
        times.append(time.perf_counter() - begin)
    return times
