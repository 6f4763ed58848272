"""How long the figures take on a million attempts, and how large the pictures are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.records import attempts
from benchmarks.table import Row, spread
from chatkit.analysis.figures.dashboards import dashboard
from chatkit.analysis.figures.loads import plot_load
from chatkit.analysis.figures.plots import plot_attempts, plot_backoff, plot_kinds, plot_waiting
from chatkit.analysis.figures.timelines import plot_timeline

__all__ = ["drawing_rows"]

ROWS = 1_000_000
MOST = 5.0
"""Seconds."""
LARGEST = 300
"""Kilobytes."""
PLOTS: tuple[Callable[..., Axes], ...] = (plot_timeline, plot_load, plot_waiting, plot_kinds, plot_backoff, plot_attempts)


def drawing_rows(rounds: int, scratch: Path) -> Iterator[Row]:
    """Measure in this process, on the clock, from the frame to the file.

    Parameters
    ----------
    rounds : int
        How often each figure is drawn.
    scratch : Path
        Where the pictures are written.
    """
    log = attempts(ROWS)
    path = scratch / "figure.png"
    times, size = _drawn(dashboard, log, rounds, path)
    yield Row(f"dashboard() of {ROWS:,} attempts, to a file", spread(times, "s", 2), must=f"< {MOST:g} s", ok=max(times) < MOST)
    yield Row("… its PNG", f"{size:.0f} kB", must=f"< {LARGEST} kB", ok=size < LARGEST)
    for plot in PLOTS:
        times, size = _drawn(lambda log, plot=plot: _alone(plot, log), log, rounds, path)
        yield Row(f"… {plot.__name__}()", f"{spread(times, 's', 2)}, {size:.0f} kB", must=f"< {MOST:g} s", ok=max(times) < MOST)


def _alone(plot: Callable[..., Axes], log: pd.DataFrame) -> Figure:
    """A figure that pyplot doesn't hold."""
    figure = Figure(layout="constrained")
    plot(log, ax=figure.subplots())
    return figure


def _drawn(draw: Callable[[pd.DataFrame], Figure], log: pd.DataFrame, rounds: int, path: Path) -> tuple[list[float], float]:
    """Seconds of each round, and kilobytes."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        draw(log).savefig(path)
        times.append(time.perf_counter() - start)
    return times, path.stat().st_size / 1000
