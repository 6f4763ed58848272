"""Rows of attempts for the tests of the aggregates: drawn at random, made into frames of many forms, and aggregated by plain loops."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from chatkit.analysis.frames import frame_of_fields
from chatkit.retries.log import AttemptRecord

__all__ = [
    "LOG",
    "START",
    "Row",
    "at",
    "by_time",
    "by_value",
    "close",
    "first_known",
    "frame",
    "in_other_forms",
    "is_failed",
    "naive_after",
    "naive_calls",
    "plain",
    "quantile",
    "rate",
    "row",
    "row_wait",
    "rows",
    "seconds",
    "times",
    "total",
    "with_index",
]

Row = dict[str, Any]
START = datetime(2026, 11, 20, 9, tzinfo=UTC)
FIELDS = AttemptRecord.__struct_fields__


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def row(**fields: Any) -> Row:
    """A row of which only this is known."""
    return dict.fromkeys(FIELDS) | fields


def frame(rows: Sequence[Row]) -> pd.DataFrame:
    return frame_of_fields({field: [each[field] for each in rows] for field in FIELDS})


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), strategy)


_ms = _maybe(st.sampled_from([0, 1, 20, 333, 1000, 2000, 4003]))
_ROW = st.fixed_dictionaries(
    dict.fromkeys(FIELDS, st.none())
    | {
        "ts": _maybe(st.integers(0, 400).map(lambda n: at(n / 4))),
        "call": _maybe(st.sampled_from("abcdef")),
        "chat": _maybe(st.sampled_from(["x", "y"])),
        "operation": st.sampled_from(["chat", "title"]),
        "provider": _maybe(st.sampled_from(["openai", "anthropic"])),
        "model": _maybe(st.sampled_from(["m1", "m2"])),
        "step": _maybe(st.integers(1, 3)),
        "attempt": _maybe(st.integers(1, 6)),
        "waited_ms": _ms,
        "duration_ms": _ms,
        "outcome": _maybe(st.sampled_from(["ok", "retry", "failed", "abandoned"])),
        "delay_ms": _ms,
        "hint_ms": _ms,
        "kind": _maybe(st.sampled_from(["overloaded", "rate_limit", "auth", "unknown"])),
        "error": _maybe(st.sampled_from(["no", "not now"])),
    }
)


def rows(max_size: int = 14) -> st.SearchStrategy[list[Row]]:
    """Any rows; within a call, time and attempt together tell them apart."""
    place = st.integers(0, 10**6)
    pairs = st.lists(
        st.tuples(_ROW, place), max_size=max_size, unique_by=lambda pair: (pair[0]["call"] or pair[1], pair[0]["ts"], pair[0]["attempt"])
    )
    return pairs.map(lambda drawn: [each for each, _ in drawn])


def in_other_forms(rows: Sequence[Row], rng: random.Random) -> Iterable[pd.DataFrame]:
    """The same attempts: in another order, under other indexes, with other dtypes, and with a column more."""
    shuffled = frame(rng.sample(rows, len(rows)))
    yield shuffled
    yield shuffled.set_index(pd.Index([7] * len(rows)))
    text = shuffled.astype({name: object for name, dtype in shuffled.dtypes.items() if dtype in ("category", "string")})
    yield text.assign(note="mine", attempt=text["attempt"].astype("float64"), step=text["step"].astype("float64"))
    yield shuffled.assign(ts=shuffled["ts"].dt.tz_convert("Asia/Kolkata").dt.as_unit("ns"), waited=shuffled["waited"].dt.as_unit("ns"))
    half = len(rows) // 2
    if half:  # two files, of different words: pandas makes the columns text
        yield pd.concat([shuffled.iloc[half:], shuffled.iloc[:half].copy()])


def plain(df: pd.DataFrame) -> list[Row]:
    """A frame as plain Python: None where null, datetime and timedelta."""
    return [
        {str(name): _plain(value) for name, value in zip(df.columns, values, strict=True)}
        for values in df.itertuples(index=False, name=None)
    ]


def _plain(value: Any) -> Any:
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return value.to_pytimedelta() if isinstance(value, pd.Timedelta) else value


def _span(ms: int | None) -> timedelta | None:
    return None if ms is None else timedelta(milliseconds=ms)


def is_failed(each: Row) -> bool:
    return each["outcome"] in ("retry", "failed", None)


def row_wait(each: Row) -> timedelta | None:
    return _span(each["delay_ms"] if each["waited_ms"] is None else each["waited_ms"])


def in_order(attempts: Iterable[Row]) -> list[Row]:
    """The attempts of a call: by their numbers where each has one of its own, else by time."""
    own = by_time(attempts)
    numbers = [r["attempt"] for r in own]
    return own if None in numbers or len(set(numbers)) < len(own) else sorted(own, key=lambda r: r["attempt"])


def by_time(attempts: Iterable[Row]) -> list[Row]:
    return sorted(attempts, key=lambda r: (r["ts"] is None, r["ts"] or START, r["attempt"] is None, r["attempt"] or 0))


def naive_calls(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each call in their order."""
    return {call: in_order(r for r in rows if r["call"] == call) for call in {r["call"]: 0 for r in rows} if call is not None}


def naive_after(rows: Sequence[Row], *, measured: bool = False) -> list[timedelta | None]:
    """The wait that each row caused."""
    waits: list[timedelta | None] = []
    for each in rows:
        wait = None
        if is_failed(each):
            own = naive_calls(rows).get(each["call"], [])
            place = next((i for i, other in enumerate(own) if other is each), len(own))
            following = own[place + 1] if place + 1 < len(own) else None
            if following and (None in (following["attempt"], each["attempt"]) or following["attempt"] == each["attempt"] + 1):
                wait = _span(following["waited_ms"])
            if wait is None and each["waited_ms"] is None and not measured:
                wait = _span(each["delay_ms"])
        waits.append(wait)
    return waits


NOTHING = timedelta()
OPENAI, ANTHROPIC = {"provider": "openai"}, {"provider": "anthropic"}
LOG = [
    # saved by its waits: 1 s and 4 s (a hint), 10 s in all
    row(**OPENAI, call="a", ts=at(0), attempt=1, waited_ms=0, duration_ms=1000, outcome="retry", delay_ms=1000, kind="overloaded"),
    row(
        **OPENAI,
        call="a",
        ts=at(2),
        attempt=2,
        waited_ms=1000,
        duration_ms=1000,
        outcome="retry",
        delay_ms=4000,
        hint_ms=4000,
        kind="rate_limit",
    ),
    row(**OPENAI, call="a", ts=at(7), attempt=3, waited_ms=4000, duration_ms=3000, outcome="ok"),
    # at once, 5 s
    row(**OPENAI, call="b", ts=at(1), attempt=1, waited_ms=0, duration_ms=5000, outcome="ok"),
    # waited in vain, 3 s in all
    row(**OPENAI, call="c", ts=at(3), attempt=1, waited_ms=0, duration_ms=1000, outcome="retry", delay_ms=1000, kind="overloaded"),
    row(**OPENAI, call="c", ts=at(5), attempt=2, waited_ms=1000, duration_ms=1000, outcome="failed", kind="auth"),
    # given up by a person, 2.5 s in all
    row(**ANTHROPIC, call="d", ts=at(10), attempt=1, waited_ms=0, duration_ms=2000, outcome="retry", delay_ms=1000, kind="network"),
    row(**ANTHROPIC, call="d", ts=at(12.5), attempt=2, waited_ms=500, duration_ms=0, outcome="abandoned"),
    # the log ends here
    row(**ANTHROPIC, call="e", ts=at(20), attempt=1, waited_ms=0, duration_ms=1000, outcome="retry", delay_ms=1000, kind="network"),
    # the log of another library
    row(ts=at(30), attempt=1, delay_ms=2000, kind="timeout"),
    row(ts=at(33), attempt=2),
]


def total(waits: list[timedelta | None]) -> timedelta | None:
    known = [wait for wait in waits if wait is not None]
    return sum(known, NOTHING) if known or not waits else None


def quantile(values: list[timedelta], level: float) -> timedelta | None:
    if not values:
        return None
    micros = np.quantile([value / timedelta(microseconds=1) for value in values], level)
    return timedelta(microseconds=float(micros))


def rate(part: float | timedelta, whole: float | timedelta) -> float | None:
    return part / whole if whole else None  # type: ignore[operator]


def times(own: list[Row]) -> tuple[timedelta | None, timedelta | None]:
    """What a call waited, and how long it took."""
    waited = total([row_wait(r) for r in own])
    worked = total([None if r["duration_ms"] is None else timedelta(milliseconds=r["duration_ms"]) for r in own])
    first, last = own[0], own[-1]
    if None in (first["ts"], last["ts"], last["duration_ms"]) or (last["waited_ms"] is None and last["delay_ms"] is not None):
        return waited, None
    lead = timedelta(milliseconds=first["waited_ms"] or 0)
    whole = last["ts"] + timedelta(milliseconds=last["duration_ms"]) - first["ts"] + lead
    return waited, max(whole, (waited or NOTHING) + (worked or NOTHING))


def first_known(own: list[Row], field: str) -> Any:
    return next((r[field] for r in own if r[field] is not None), None)


def by_value(values: Any) -> list[Any]:
    """Different values in their order, null last."""
    return sorted(set(values), key=lambda value: (value is None, value or ""))


def close(found: list[Row], expected: list[Row]) -> bool:
    """Equal, but for the last digits of a float and a microsecond of rounding."""
    return len(found) == len(expected) and all(
        a.keys() == b.keys() and all(_near(a[name], b[name]) for name in a) for a, b in zip(found, expected, strict=True)
    )


def _near(a: Any, b: Any) -> bool:
    if isinstance(a, timedelta) and isinstance(b, timedelta):
        return abs(a - b) <= timedelta(microseconds=1)
    return bool(a == pytest.approx(b)) if isinstance(a, float) and isinstance(b, float) else bool(a == b)


def with_index(df: pd.DataFrame) -> list[Row]:
    return plain(df.reset_index())
