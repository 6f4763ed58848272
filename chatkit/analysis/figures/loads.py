"""Figures of load: requests over time, and policies compared by the load that they make and the time that they lose."""

from __future__ import annotations

import textwrap
from datetime import timedelta
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D

from chatkit.analysis.aggregates.over_time import bin_length, load_over_time
from chatkit.analysis.aggregates.per_call import require
from chatkit.analysis.arrays import Floats
from chatkit.analysis.figures.drawing import (
    LETTER,
    axes_for,
    days,
    ends,
    inches,
    log_spans,
    looks,
    nothing,
    percent,
    seconds,
    series_colours,
    span,
    unit_for,
    wall_clock,
    words,
)
from chatkit.analysis.figures.labels import free_legend, label_points
from chatkit.errors import UsageError

EVERY = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
"""Widths of a bin of the load, in seconds."""
MOST_BINS = 400
LEGIBLE_BINS = 10_000
FAR_APART = 20
"""The largest to the smallest, on an axis that is logarithmic beyond it."""
MOST_NAMES = 6
NO_BREAK = "\xa0"


def plot_load(
    df: pd.DataFrame,
    *,
    every: str | float | timedelta | None = None,
    ax: Axes | None = None,
    label: str = "requests",
    color: Any = None,
) -> Axes:
    """Draw how many requests were made over time, those that failed darker.

    Parameters
    ----------
    df : pandas.DataFrame
        Attempts, recorded or simulated; needs what `load_over_time` needs.
    every : str, float or timedelta, optional
        The width of a bin, as `load_over_time` takes it: ``"10s"``, ``"5min"``, or seconds. Unless given, at least a second, and so
        wide that at most 400 bins are drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure unless given. Axes that hold a load already keep their unit, so that policies can be compared.
    label : str
        The name of this load in the legend.
    color : optional
        Any colour that matplotlib knows.

    Returns
    -------
    matplotlib.axes.Axes
        Time in UTC to the right; requests per second, minute, hour or day upwards. Of more than 800 bins, the highest of each few
        are drawn, and the axis says of how long.

    Raises
    ------
    UsageError
        A column is missing, or `every` is no width, or makes more than 10,000 bins.

    Examples
    --------
    >>> from chatkit.analysis import attempts_frame
    >>> plot_load(attempts_frame([])).get_xlabel()
    'time (UTC)'
    """
    require(df, "ts", "outcome", what="plot_load()")
    ax = axes_for(ax)
    unit_so_far = ax.get_ylabel() if ax.has_data() and ax.get_ylabel().startswith("requests per ") else ""
    ax.set(xlabel="time (UTC)", ylabel=ax.get_ylabel() or "requests per second")
    begin, end = ends(days(df))
    if np.isnan(begin):
        return nothing(ax, "no requests recorded")
    size = bin_length(_every((end - begin) * 86400) if every is None else every, "plot_load") / 1e6
    if (end - begin) * 86400 > LEGIBLE_BINS * size:
        wide = _every((end - begin) * 86400)
        raise UsageError(f"plot_load(every={every!r}): that makes more than {LEGIBLE_BINS:,} bins; give more, such as {wide} s, or nothing")
    load = load_over_time(df, size)
    at = days(load.reset_index())
    few = -(-len(at) // MOST_BINS) if len(at) > 2 * MOST_BINS else 1
    starts = np.arange(0, len(at), few)
    edges = np.append(at[starts], at[-1] + size / 86400)
    highest = (np.maximum.reduceat(load[name].to_numpy(dtype=np.float64), starts) for name in ("requests", "failed"))
    rate, failed = (np.append(bins, 0) / size for bins in highest)
    factor, unit = _per(float(rate.max()), unit_so_far)
    color = color or series_colours(len(ax.lines) + 1)[-1]
    name = words(label)
    ax.fill_between(edges, rate * factor, step="post", color=color, alpha=0.2, lw=0, label=name)
    ax.fill_between(
        edges, failed * factor, step="post", color=color, alpha=0.6, lw=0, label="failed" if label == "requests" else f"{name}: failed"
    )
    ax.step(edges, rate * factor, where="post", color=color, lw=0.6)
    ax.set_ylabel(f"requests per {unit}")
    ax.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,g}"))
    wall_clock(ax, edges[0], edges[-1], f"time (UTC), by {span(size)}" + (f": the highest of each {span(few * size)}" if few > 1 else ""))
    handles, names = ax.get_legend_handles_labels()
    ax.set_ylim(bottom=0)
    free_legend(ax, handles[::2] + handles[1::2], names[::2] + names[1::2], columns=2)
    return ax


def _every(length: float) -> int:
    """The width of a bin, for a record of so many seconds.

    >>> _every(0), _every(1000), _every(86400), _every(1e9)
    (1, 5, 300, 2592000)
    """
    days = (int(length) // 86400 // (MOST_BINS - 2) + 1) * 86400
    return next((width for width in EVERY if length < width * (MOST_BINS - 2)), days)


def _per(most: float, label: str) -> tuple[float, str]:
    """The unit of a rate of so many a second, unless the axes have one already."""
    units = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
    return next(
        ((factor, unit) for unit, factor in units.items() if label == f"requests per {unit}" or (most * factor >= 1 and not label)),
        (86400.0, "day"),
    )


def plot_policies(compared: pd.DataFrame, *, ax: Axes | None = None, **points: Any) -> Axes:
    """Draw policies compared: the time that calls lost against the load on the recovering server.

    Parameters
    ----------
    compared : pandas.DataFrame
        What `compare_policies` gives: a row a policy. Needs ``lost_p50``, ``lost_p95``, ``peak_load``, ``calls`` and ``gave_up``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure unless given.
    **points
        For the points, as `matplotlib.axes.Axes.plot` takes it.

    Returns
    -------
    matplotlib.axes.Axes
        The median of the time that a delayed call lost to the right, with a thin line to its 95th percentile; upwards the most
        requests within a second that a provider got once it was up. A label names each policy, and what share of the calls it gave up.
        Times or loads far apart have a logarithmic axis. Policies under which no delayed call succeeded are named in the title.

    Raises
    ------
    UsageError
        A column is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> spans = pd.to_timedelta([60, 80], unit="s")
    >>> compared = pd.DataFrame({"lost_p50": spans, "lost_p95": spans, "peak_load": [90, 8], "calls": 100, "gave_up": [0, 25]}, ["a", "b"])
    >>> [text.get_text() for text in plot_policies(compared).texts]
    ['better', 'a', 'b (gave up 25%)']
    """
    require(compared, "lost_p50", "lost_p95", "peak_load", "calls", "gave_up", what="plot_policies()")
    ax = axes_for(ax)
    ax.set(xlabel="time lost by a delayed call: median, line to p95", ylabel="peak load (requests per second)")
    middle, high = seconds(compared, "lost_p50"), seconds(compared, "lost_p95")
    peak = compared["peak_load"].to_numpy(dtype=np.float64, na_value=np.nan)
    gave_up = (compared["gave_up"] / compared["calls"]).to_numpy(dtype=np.float64, na_value=0)
    labels = [
        words(name) + (f" (gave up {percent(share)})" if share > 0 else "") for name, share in zip(compared.index, gave_up, strict=True)
    ]
    known = ~np.isnan(middle) & ~np.isnan(peak)
    if not known.any():
        return nothing(ax, "no policies compared" if compared.empty else _without_time_lost(labels, gave_up, 40))
    high = np.fmax(middle, high)
    shortest, longest = float(middle[known].min()), float(high[known].max())
    far_apart = shortest > 0 and longest / shortest > FAR_APART
    size, unit = (1.0, "") if far_apart else unit_for(longest)
    middle, high = middle / size, high / size
    for i, colour in enumerate(series_colours(len(compared))):
        if known[i]:
            ax.plot([middle[i], high[i]], [peak[i]] * 2, color=colour, lw=1, zorder=1.8)
            ax.plot(middle[i], peak[i], **looks(Line2D, points, color=colour, marker="o", markersize=8, linestyle="none"))
    if far_apart:
        ax.set_xscale("log")
        ax.set_xlim(shortest / 2, longest * 2)
        log_spans(ax.xaxis, shortest / 2, longest * 2)
    else:
        ax.set_xlabel(f"{ax.get_xlabel()} ({unit})")
        ax.set_xlim(0, longest / size * 1.1 or 1)
    least, most = float(peak[known].min()), float(peak[known].max())
    if least > 0 and most / least > FAR_APART:
        ax.set_yscale("log")
        ax.set_ylim(least / 2, most * 2)
    else:
        ax.set_ylim(0, most * 1.15 + 1e-9)
    ax.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,g}"))
    ink = mpl.rcParams["text.color"]
    arrow = {"arrowstyle": "->", "color": ink}
    ax.annotate("better", (0.01, 0.02), (0.08, 0.09), "axes fraction", fontsize="small", style="italic", color=ink, arrowprops=arrow)
    shown = [label for label, drawn in zip(labels, known, strict=True) if drawn]
    label_points(ax, middle[known], peak[known], high[known], shown, (0.2, 0.15))
    if not known.all():
        letters = 0.9 * inches(ax)[0] * 72 / (LETTER * FontProperties(size="small").get_size_in_points())
        left_out = [label for label, shown in zip(labels, known, strict=True) if not shown]
        ax.set_title(_without_time_lost(left_out, gave_up[~known], int(letters)), fontsize="small")
    return ax


def _without_time_lost(labels: list[str], gave_up: Floats, letters: int) -> str:
    """Which policies have no time lost, and why, in lines of so many letters."""
    told = []
    for why, mine in (("no delayed call succeeded", gave_up > 0), ("no call was delayed", gave_up <= 0)):
        names = [label.replace(" ", NO_BREAK) for label, one in zip(labels, mine, strict=True) if one]
        if names:
            more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
            told.append(textwrap.fill(f"{why}: {', '.join(names[:MOST_NAMES])}{more}", max(letters, 20)))
    return "\n".join(told).replace(NO_BREAK, " ")
