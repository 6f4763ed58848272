"""The time and memory of loading a log, compared with ``pandas.read_json``, and of a log that is larger than most computers' memory."""

from __future__ import annotations

import json
import shutil
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.processes import PYTHON, ROOT, spent
from benchmarks.records import write_log
from benchmarks.table import Row, spread

LINES, MANY_LINES = 500_000, 10_000_000
ROUNDS = 5
MIN_SPEEDUP = 3.0
"""Compared with `pandas.read_json`."""
MAX_MORE_MB = 150
"""Above the memory at the start."""
MAX_TOTAL_MB = 3000
MIN_FREE_DISK_BYTES = 5e9
"""For the long log."""

PREPARE = """
import contextlib, io, json, sys, time
import pandas
import chatkit.analysis
"""
RUN = """
def megabytes():
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) / 1000 for line in status if line.startswith("VmHWM"))
    except OSError:
        import resource
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
with contextlib.redirect_stderr(io.StringIO()) as shown:
    before, began = megabytes(), time.process_time()
    frame = load(sys.argv[1])
    cpu = time.process_time() - began
print(json.dumps([cpu, megabytes() - before, megabytes(), len(frame), "reading" in shown.getvalue()]))
"""
OURS = PREPARE + "load = lambda path: chatkit.analysis.load_retry_log(path)" + RUN
THEIRS = PREPARE + "load = lambda path: pandas.read_json(path, lines=True)" + RUN
DECODED = (
    PREPARE
    + """
import msgspec
from chatkit.retries.log import AttemptRecord
def load(path):
    decode, count = msgspec.json.Decoder(AttemptRecord).decode, 0
    with open(path, "rb") as file:
        for line in file:
            decode(line)
            count += 1
    return range(count)
"""
    + RUN
)


class _Load(NamedTuple):
    """Seconds of CPU, megabytes above the start and in total, rows, and whether a progress bar was shown."""

    cpu: float
    more: float
    peak: float
    rows: int
    bar: bool


def loading_rows(scratch: Path, env: dict[str, str]) -> Iterator[Row]:
    """Measure new processes in turns. The logs, 165 MB and then 3.4 GB, are written to `scratch`."""
    log = scratch / "loading.jsonl"
    write_log(log, LINES)
    rounds = [[_load(code, log, env) for code in (OURS, THEIRS, DECODED)] for _ in range(ROUNDS)]
    log.unlink()
    ours, theirs, floor = zip(*rounds, strict=True)
    ratio = statistics.median(b.cpu / a.cpu for a, b, _ in rounds)
    yield Row(
        f"load {LINES:,} lines, CPU",
        spread([one.cpu for one in ours], "s", 2),
        f"read_json: {spread([one.cpu for one in theirs], 's', 2)}",
        f"{ratio:.1f} × faster",
        f"≥ {MIN_SPEEDUP:g} × faster",
        ratio >= MIN_SPEEDUP and all(one.rows == LINES for one in ours),
    )
    yield Row("… its lines decoded by msgspec, and thrown away", "", spread([one.cpu for one in floor], "s", 2))
    more = [one.more for one in ours]
    yield Row(
        f"load {LINES:,} lines, memory above the start",
        spread(more, "MB"),
        f"read_json: {spread([one.more for one in theirs], 'MB')}",
        must=f"≤ {MAX_MORE_MB} MB",
        ok=statistics.median(more) <= MAX_MORE_MB,
    )
    figure = f"load {MANY_LINES:,} lines, memory in all"
    if shutil.disk_usage(scratch).free < MIN_FREE_DISK_BYTES:
        yield Row(figure, "not measured: the disk is too full for the log")
        return
    write_log(log, MANY_LINES)
    size = log.stat().st_size
    many = _load(OURS, log, env)
    log.unlink()
    yield Row(
        figure,
        f"{many.peak:,.0f} MB, {many.cpu:.0f} s of CPU",
        f"the log: {size / 1e6:,.0f} MB",
        must=f"≤ {MAX_TOTAL_MB:,} MB, with a bar",
        ok=many.peak <= MAX_TOTAL_MB and many.rows == MANY_LINES and many.bar,
    )


def _load(code: str, log: Path, env: dict[str, str]) -> _Load:
    return _Load(*json.loads(spent([PYTHON, "-c", code, log], cwd=ROOT, env=env).output))
