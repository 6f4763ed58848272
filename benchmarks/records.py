"""Generated attempts of one month: several providers, a daily rhythm, outages and permanent failures, from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from chatkit.analysis.frames import COLUMNS
from chatkit.retries.log import AttemptRecord

Ints = npt.NDArray[np.int64]

START = np.datetime64("2026-10-01T00:00:00", "us")
DAYS = 30
SECOND = 1_000_000
"""In microseconds, the unit of all times here."""
OUTAGES = 60
"""Per provider and month."""
CHUNK = 250_000
"""The number of lines that are generated; a longer log repeats them."""
MODELS = [
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-haiku-4-5"),
    ("openai", "gpt-5-mini"),
    ("openai", "gpt-5"),
    ("openai-compat", "llama-3.3-70b-instruct"),
]
FAILURES = [
    ("overloaded", 529, "{} is overloaded"),
    ("rate_limit", 429, "{} limits the rate of requests"),
    ("server_error", 500, "{} had an error of its own"),
    ("network", None, "the connection to {} broke"),
    ("timeout", None, "{} did not answer in time"),
]
PERMANENT = ("context_exceeded", 400, "the conversation is longer than the model of {} can read")


def attempts(rows: int, seed: int = 0) -> pd.DataFrame:
    """Generate `rows` attempts with the columns and dtypes of `chatkit.analysis.COLUMNS`, in the order in which they ended. A call has
    about 1.5 attempts.
    """
    rng = np.random.default_rng(seed)
    began = _arrivals(rows, rng)
    model = rng.choice(len(MODELS), rows, p=[0.35, 0.2, 0.25, 0.1, 0.1])
    names = _names(rng, rows)
    outages = {provider: _outages(rng) for provider in sorted({provider for provider, _ in MODELS})}
    rounds, left = [], 0
    now, open_calls, waited = began.copy(), np.arange(rows), np.zeros(rows, np.int64)
    for attempt in range(1, 60):
        down = np.zeros(len(open_calls), bool)
        trouble = np.zeros(len(open_calls), np.int64)
        for provider, (starts, ends, kinds) in outages.items():
            theirs = np.array([name == provider for name, _ in MODELS])[model[open_calls]]
            window = np.searchsorted(starts, now[open_calls], "right") - 1
            inside = theirs & (window >= 0) & (now[open_calls] < ends[window])
            down |= inside
            trouble[inside] = kinds[window[inside]]
        luck = rng.random(len(open_calls))
        failed = np.where(down, luck < 0.93, luck < 0.02)
        trouble = np.where(down, trouble, rng.integers(0, len(FAILURES), len(open_calls)))
        permanent = (luck > 0.997) & (attempt == 1)  # permanent failures
        left_alone = failed & (rng.random(len(open_calls)) < 0.004 * attempt)  # the user stops the call
        took = (rng.lognormal(np.where(failed, -0.7, 1.1), 0.6) * SECOND).astype(np.int64) // 1000 * 1000
        hint = np.where(failed & (trouble == 1) & (rng.random(len(open_calls)) < 0.7), rng.integers(1, 31, len(open_calls)) * SECOND, -1)
        delay = np.maximum(min(2 ** (attempt - 1), 60) * SECOND, hint)
        outcome = np.select([permanent, left_alone, failed], [2, 3, 1], 0)
        rounds.append(
            {
                "row": open_calls, "attempt": np.full(len(open_calls), attempt), "ts": now[open_calls], "waited": waited[open_calls],
                "took": took, "outcome": outcome, "delay": delay, "hint": hint, "trouble": np.where(permanent, len(FAILURES), trouble),
            }
        )  # fmt: skip
        left += len(open_calls)
        again = outcome == 1
        late = rng.integers(0, 20_000, len(open_calls)) // 1000 * 1000
        waited[open_calls] = delay + late
        now[open_calls] += took + delay + late
        open_calls = open_calls[again]
        if not len(open_calls):
            break
    told = {name: np.concatenate([part[name] for part in rounds]) for name in rounds[0]}
    order = np.argsort(told["ts"] + told["took"], kind="stable")[:rows]
    return _frame({name: values[order] for name, values in told.items()}, model, names, rng)


def write_log(path: Path, lines: int, seed: int = 0) -> None:
    """Write a log of `lines` lines, each as chatkit writes it (about 330 bytes)."""
    generated = list(_lines(attempts(min(CHUNK, lines), seed)))
    with path.open("wb") as file:
        for begin in range(0, lines, CHUNK):
            file.writelines(generated[: lines - begin])


def _arrivals(calls: int, rng: np.random.Generator) -> Ints:
    """The start times of the calls: three times as many by day as by night."""
    hours = np.arange(DAYS * 24)
    weight = 1 + 2 * np.exp(-(((hours % 24) - 14) ** 2) / 18)
    hour = rng.choice(hours, calls, p=weight / weight.sum())
    moments: Ints = np.sort(START.astype(np.int64) + ((hour + rng.random(calls)) * 3600 * SECOND).astype(np.int64) // 1000 * 1000)
    return moments


def _outages(rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """The start, end and failure of a provider's outages, which take minutes and sometimes an hour."""
    starts = np.sort(START.astype(np.int64) + rng.integers(0, DAYS * 86_400, OUTAGES) * SECOND)
    ends = starts + (rng.lognormal(6.6, 0.9, OUTAGES) * SECOND).astype(np.int64)
    return starts, np.minimum(ends, np.append(starts[1:], ends[-1])), rng.choice(3, OUTAGES, p=[0.5, 0.35, 0.15])


def _names(rng: np.random.Generator, count: int) -> npt.NDArray[np.object_]:
    names: npt.NDArray[np.object_] = np.array([f"{number:012x}" for number in rng.integers(0, 2**48, count)], dtype=object)
    return names


def _frame(told: dict[str, Ints], model: Ints, names: npt.NDArray[np.object_], rng: np.random.Generator) -> pd.DataFrame:
    row, trouble, fine = told["row"], told["trouble"], told["outcome"] == 0
    count = len(row)
    by_person = told["outcome"] == 3
    providers = [provider for provider, _ in MODELS]
    unhappy = ~(fine | by_person)
    provider = np.array([sorted(set(providers)).index(name) for name in providers])[model[row]]
    words = [word.format(name) for _, _, word in [*FAILURES, PERMANENT] for name in sorted(set(providers))]
    word = np.where(unhappy, trouble * len(set(providers)) + provider, -1)
    status = np.array([code or -1 for _, code, _ in [*FAILURES, PERMANENT]])[trouble]
    waits = told["outcome"] == 1
    columns: dict[str, Any] = {
        "ts": pd.DatetimeIndex(told["ts"].view("datetime64[us]")).tz_localize("UTC"),
        "call": pd.array(names[row], dtype="string"),
        "chat": _words(row // 12 % max(count // 12, 1), [f"chat-{number:05d}" for number in range(max(count // 12, 1))]),
        "operation": _words(np.zeros(count, np.int64), ["chat"]),
        "provider": _words(provider, sorted(set(providers))),
        "model": _words(model[row], [name for _, name in MODELS]),
        "step": pd.array(row % 3 + 1, dtype="Int32"),
        "attempt": pd.array(told["attempt"], dtype="Int32"),
        "waited": _spans(told["waited"], np.ones(count, bool)),
        "duration": _spans(told["took"], np.ones(count, bool)),
        "outcome": _words(told["outcome"], ["ok", "retry", "failed", "abandoned"]),
        "delay": _spans(told["delay"], waits),
        "hint": _spans(told["hint"], waits & (told["hint"] > 0)),
        "kind": _words(np.where(unhappy, trouble, -1), [kind for kind, _, _ in [*FAILURES, PERMANENT]]),
        "status_code": pd.array(pd.Series(status, dtype="Int16").mask(~unhappy | (status < 0)), dtype="Int16"),
        "request_id": pd.array(["req_0" + name + name for name in _names(rng, count)], dtype="string"),
        "error": _words(word, words),
        "v": pd.array(np.ones(count, np.int64), dtype="Int16"),
    }
    return pd.DataFrame(columns, columns=list(COLUMNS))


def _words(codes: Ints, words: list[str]) -> pd.Categorical:
    return pd.Categorical.from_codes(codes, categories=words)


def _spans(values: Ints, known: npt.NDArray[np.bool_]) -> pd.TimedeltaIndex:
    return pd.TimedeltaIndex(np.where(known, values, np.iinfo(np.int64).min).view("timedelta64[us]"))


def _lines(frame: pd.DataFrame) -> Iterator[bytes]:
    """The rows as lines of the log."""
    told: dict[str, pd.Series[Any]] = {"v": frame["v"], "ts": frame["ts"].dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
    for field in AttemptRecord.__struct_fields__[2:]:
        values = frame[field.removesuffix("_ms")]
        told[field] = (values // pd.Timedelta(milliseconds=1)).astype("Int64") if field.endswith("_ms") else values
    columns = [values.astype(object).where(values.notna(), None).tolist() for values in told.values()]
    for line in zip(*columns, strict=True):
        yield msgspec.json.encode(dict(zip(told, line, strict=True))) + b"\n"
