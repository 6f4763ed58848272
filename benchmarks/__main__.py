"""Measure what chatkit promises, print one table, and exit with 1 if a promise isn't kept."""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.peers import Peers, default_folder
from benchmarks.processes import environment
from benchmarks.table import Row, render

PARTS = ("stream", "traffic", "view", "import", "start", "interrupt", "faults", "backoff", "data", "analysis")


def main() -> int:
    """Run the parts that the command line names, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"the parts to measure: {', '.join(PARTS)}; all by default")
    parser.add_argument("--no-peers", action="store_true", help="don't measure the other libraries")
    parser.add_argument(
        "--peers-folder", type=Path, help="the folder of the other libraries' environments; by default in your cache folder"
    )
    parser.add_argument("--rounds", type=int, default=15, help="how often each cost is measured (default: %(default)s)")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no {', '.join(sorted(unknown))}: choose from {', '.join(PARTS)}")
    parts = options.parts or PARTS
    peers = Peers(None if options.no_peers else options.peers_folder or default_folder(), _say)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for part in parts:
            _say(f"measuring {part} …")
            rows += _measured(part, _measure(part, options.rounds, peers, Path(folder)))
    print(_machine(peers), render(rows), sep="\n\n")
    return 1 if any(row.ok is False for row in rows) else 0


def _measure(part: str, rounds: int, peers: Peers, scratch: Path) -> Callable[[], Iterable[Row]]:
    """The function that measures a part. Modules are imported only when needed, so that none of them costs time or memory in another
    part.
    """
    env = environment(scratch)
    match part:
        case "stream":
            from benchmarks.stream import stream_rows

            return lambda: stream_rows(rounds, peers, env)
        case "traffic":
            from benchmarks.traffic import traffic_rows

            return lambda: traffic_rows(peers, env, scratch)
        case "view":
            from benchmarks.view import view_rows

            return lambda: view_rows(rounds, env, scratch)
        case "import":
            from benchmarks.imports import import_rows

            return lambda: import_rows(rounds * 2, peers, env, scratch)
        case "start":
            from benchmarks.start import start_rows

            return lambda: start_rows(rounds, peers, env, scratch)
        case "interrupt":
            from benchmarks.interrupt import interrupt_rows

            return lambda: interrupt_rows(peers, env, scratch)
        case "faults":
            from benchmarks.faults import fault_rows

            return lambda: fault_rows(peers, env)
        case "backoff":
            from benchmarks.backoff import backoff_rows

            return backoff_rows
        case "data":
            from benchmarks.data import data_rows

            return data_rows
        case _:
            from benchmarks.aggregating import aggregate_rows
            from benchmarks.drawing import drawing_rows
            from benchmarks.loading import loading_rows
            from benchmarks.simulating import simulating_rows

            few = max(rounds // 3, 1)  # one round of all these takes half a minute
            return lambda: itertools.chain(
                loading_rows(scratch, env), aggregate_rows(few), simulating_rows(few), drawing_rows(few, scratch)
            )


def _measured(part: str, measure: Callable[[], Iterable[Row]]) -> list[Row]:
    """The rows of one part. A part that can't be measured becomes a failed row, and the other parts still run."""
    rows: list[Row] = []
    try:
        rows += measure()
    except Exception as error:
        traceback.print_exc()
        rows.append(Row(part, f"{type(error).__name__}: {error}".splitlines()[0], must="to be measured", ok=False))
    return rows


def _machine(peers: Peers) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in peers.versions.items())
    load = ", ".join(f"{mean:.1f}" for mean in os.getloadavg())
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, load {load}, Python {platform.python_version()}"
    return machine + (f"; peers: {versions}" if versions else "")


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
