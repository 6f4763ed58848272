"""The time that the aggregates of `chatkit.analysis` take for a million attempts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Literal

import pandas as pd

from benchmarks.records import attempts
from benchmarks.table import Row, spread
from chatkit.analysis import backoff_curve, by_hour, by_kind, calls, cost_of_waiting, outages, summarize
from chatkit.analysis.aggregates.per_call import by_call, caused_waits

ROWS = 1_000_000
MAX_SECONDS = 1.0
EDGES: tuple[Literal["first"], Literal["last"]] = ("first", "last")
AGGREGATES: dict[str, Callable[[pd.DataFrame], object]] = {
    "calls": calls,
    "summarize": summarize,
    "summarize by provider and model": lambda log: summarize(log, by=["provider", "model"]),
    "outages": outages,
    "by_kind": by_kind,
    "by_hour": lambda log: by_hour(log, tz="Europe/Vienna"),
    "backoff_curve": backoff_curve,
    "cost_of_waiting": cost_of_waiting,
    "caused_waits": lambda log: caused_waits(log, by_call(log)),
}


def aggregate_rows(rounds: int) -> Iterator[Row]:
    """Measure each aggregate `rounds` times in this process, on the clock."""
    log = attempts(ROWS)
    shuffled = log.sample(frac=1, random_state=0)
    many = f"{ROWS:,} attempts of {len(calls(log)):,} calls"
    if not _same(calls(log), _calls_by_pandas(log)):
        raise AssertionError("pandas has another result, so the two can't be compared")
    ours, theirs = _seconds(calls, log, rounds), _seconds(_calls_by_pandas, log, max(rounds // 5, 1))
    yield Row(
        f"calls() of {many}",
        spread(ours, "s", 2),
        f"the same answer by pandas: {spread(theirs, 's', 2)}",
        f"{statistics.median(theirs) / statistics.median(ours):.1f} ×",
        f"< {MAX_SECONDS:g} s",
        max(ours) < MAX_SECONDS,
    )
    for name, aggregate in list(AGGREGATES.items())[1:]:
        times = _seconds(aggregate, log, rounds)
        yield Row(f"… {name}", spread(times, "s", 2), must=f"< {MAX_SECONDS:g} s", ok=max(times) < MAX_SECONDS)
    times = _seconds(calls, shuffled, rounds)
    yield Row("… calls(), the rows shuffled", spread(times, "s", 2), must=f"< {MAX_SECONDS:g} s", ok=max(times) < MAX_SECONDS)


def _calls_by_pandas(log: pd.DataFrame) -> pd.DataFrame:
    """The same result as that of `calls`, computed in the fastest way with plain pandas."""
    rows = log.dropna(subset="call").sort_values(["ts", "attempt"])
    by_call = rows.groupby("call", sort=False)
    first, last = (rows.drop_duplicates("call", keep=keep).set_index("call") for keep in EDGES)
    found = first[["chat", "operation", "provider", "model", "step"]].assign(
        started=first["ts"],
        ended=last["ts"] + last["duration"],
        attempts=by_call.size(),
        outcome=last["outcome"].where(last["outcome"] != "retry"),
        waited=rows["waited"].fillna(rows["delay"]).groupby(rows["call"], sort=False).sum(),
        worked=by_call["duration"].sum(),
    )
    bad = rows[rows["outcome"].isin(["retry", "failed"]) | rows["outcome"].isna()]
    failures = {edge: bad.drop_duplicates("call", keep=edge).set_index("call") for edge in EDGES}
    for field in ("kind", "error"):
        for edge, rows_of in failures.items():
            found[f"{edge}_{field}"] = rows_of[field]
    return found.reset_index().sort_values(["started", "call"], ignore_index=True)


def _same(ours: pd.DataFrame, theirs: pd.DataFrame) -> bool:
    """Whether both frames hold the same values, whatever their dtypes."""
    return list(ours) == list(theirs) and all(
        ((mine == other) | (mine.isna() & other.isna())).all()
        for mine, other in ((ours[name].astype(object), theirs[name].astype(object)) for name in ours)
    )


def _seconds(aggregate: Callable[[pd.DataFrame], object], log: pd.DataFrame, rounds: int) -> list[float]:
    aggregate(log)
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        aggregate(log)
        times.append(time.perf_counter() - begin)
    return times
