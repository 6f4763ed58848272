"""The inside of a measured process: it runs one named variant for each line that it reads, and says what that cost."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Mapping

__all__ = ["serve"]


def serve(variants: Mapping[str, Callable[[str], Callable[[], tuple[int, int]]]]) -> None:
    """Answer ``variant url`` on standard input with a line of JSON on standard output, until the input ends.

    Parameters
    ----------
    variants : mapping of str to callable
        Each gets the URL and gives the call to measure, which gives the number of deltas or events that it saw, and of
        the characters. What it takes to make the call (a client, a chat) isn't measured.
    """
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints stays out of the answers
    print(json.dumps(sorted(variants)), file=answers, flush=True)
    for line in sys.stdin:
        name, url = line.split()
        call = variants[name](url)
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        seen, characters = call()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        print(json.dumps({"cpu": cpu, "wall": wall, "seen": seen, "characters": characters}), file=answers, flush=True)
