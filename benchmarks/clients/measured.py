"""The main loop of a measured process, which runs one named variant per line of input and reports its cost."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Mapping


def serve(variants: Mapping[str, Callable[[str], Callable[[], tuple[int, int]]]]) -> None:
    """Answer each line ``variant url`` on standard input with a line of JSON on standard output. A variant takes the URL and returns the
    call to measure, which returns the number of deltas or events and of characters; creating the call (a client, a chat) isn't
    measured.
    """
    answers, sys.stdout = sys.stdout, sys.stderr  # so that output of a library doesn't mix with the answers
    print(json.dumps(sorted(variants)), file=answers, flush=True)
    for line in sys.stdin:
        name, url = line.split()
        call = variants[name](url)
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        seen, characters = call()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        print(json.dumps({"cpu": cpu, "wall": wall, "seen": seen, "characters": characters}), file=answers, flush=True)
