"""The time that the plots of `chatkit.analysis` take for a million attempts, and the size of their files."""

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

ROWS = 1_000_000
MAX_SECONDS = 5.0
MAX_KILOBYTES = 300
PLOTS: tuple[Callable[..., Axes], ...] = (plot_timeline, plot_load, plot_waiting, plot_kinds, plot_backoff, plot_attempts)


def drawing_rows(rounds: int, scratch: Path) -> Iterator[Row]:
    """Draw each plot `rounds` times in this process, and measure on the clock from the DataFrame to the PNG file."""
    log = attempts(ROWS)
    path = scratch / "figure.png"
    times, size = _drawn(dashboard, log, rounds, path)
    yield Row(
        f"dashboard() of {ROWS:,} attempts, to a file", spread(times, "s", 2), must=f"< {MAX_SECONDS:g} s", ok=max(times) < MAX_SECONDS
    )
    yield Row("… its PNG", f"{size:.0f} kB", must=f"< {MAX_KILOBYTES} kB", ok=size < MAX_KILOBYTES)
    for plot in PLOTS:
        times, size = _drawn(lambda log, plot=plot: _alone(plot, log), log, rounds, path)
        yield Row(
            f"… {plot.__name__}()", f"{spread(times, 's', 2)}, {size:.0f} kB", must=f"< {MAX_SECONDS:g} s", ok=max(times) < MAX_SECONDS
        )


def _alone(plot: Callable[..., Axes], log: pd.DataFrame) -> Figure:
    """A figure that pyplot doesn't keep."""
    figure = Figure(layout="constrained")
    plot(log, ax=figure.subplots())
    return figure


def _drawn(draw: Callable[[pd.DataFrame], Figure], log: pd.DataFrame, rounds: int, path: Path) -> tuple[list[float], float]:
    """The seconds of each round, and the kilobytes of the file."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        draw(log).savefig(path)
        times.append(time.perf_counter() - start)
    return times, path.stat().st_size / 1000
