"""Figures of the load on a provider: requests over time, and policies by the load that they cause and the time that calls lose."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import ticker
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.text import Annotation, Text

from chatkit.analysis.aggregates.over_time import bin_length, load_over_time
from chatkit.analysis.aggregates.per_call import require
from chatkit.analysis.columns import Floats
from chatkit.analysis.figures.drawing import (
    LETTER_WIDTH,
    as_label,
    axes_for,
    date_numbers,
    explain_empty,
    first_and_last,
    inches,
    log_spans,
    percent,
    place_legend,
    seconds,
    series_colours,
    span,
    style_of,
    time_axis,
    unit_for,
)
from chatkit.errors import UsageError

BIN_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
"""Lengths of a bin from which the default is chosen."""
MAX_BINS = 400
"""Bins that are drawn."""
MAX_GIVEN_BINS = 10_000
"""Bins of a length that the user gives."""
MAX_LINEAR_RATIO = 20
"""An axis on which the largest value is more times the smallest is logarithmic."""
MAX_NAMES = 6
"""Policies that a title names."""
NO_BREAK = "\xa0"
_POINT = 6.0
"""Half the width of a point with its margin, in typographic points."""
_MARGIN = 2.0
"""Around a label, in typographic points."""
_GRID = 48
"""The number of places to try for a label, across and up."""
_OUTSIDE_COST = 1e3
"""The cost of a typographic point outside the axes, in square points of overlap."""


def plot_load(
    df: pd.DataFrame,
    *,
    every: str | float | timedelta | None = None,
    ax: Axes | None = None,
    label: str = "requests",
    color: Any = None,
) -> Axes:
    """Draw the number of requests over time, with the failed ones in a darker shade.

    Parameters
    ----------
    df : pandas.DataFrame
        Attempts, recorded or simulated; needs what `load_over_time` needs.
    every : str, float or timedelta, optional
        The length of a bin, as `load_over_time` takes it: ``"10s"``, ``"5min"``, or seconds. The default is at least a second, and long
        enough for at most 400 bins.
    ax : matplotlib.axes.Axes, optional
        The axes to draw on; a new figure by default. Axes that show a load already keep their unit, so that policies can be compared.
    label : str, default "requests"
        The name of this load in the legend.
    color : matplotlib colour, optional
        The colour of this load; by default the next one of the user's style, or of a palette that colour-blind people can tell apart.

    Returns
    -------
    matplotlib.axes.Axes
        The x axis is the time in UTC, the y axis the requests per second, minute, hour or day. If there are more than 800 bins, only the
        highest of every few is drawn, and the label of the x axis says so.

    Raises
    ------
    UsageError
        A column is missing, or `every` is not a length of time or makes more than 10,000 bins.

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
    begin, end = first_and_last(date_numbers(df))
    if np.isnan(begin):
        return explain_empty(ax, "no requests recorded")
    size = bin_length(_bin_seconds((end - begin) * 86400) if every is None else every, "plot_load") / 1e6
    if (end - begin) * 86400 > MAX_GIVEN_BINS * size:
        wide = _bin_seconds((end - begin) * 86400)
        raise UsageError(
            f"plot_load(every={every!r}): that makes more than {MAX_GIVEN_BINS:,} bins: give at least {wide} s, or leave it out"
        )
    load = load_over_time(df, size)
    at = date_numbers(load.reset_index())
    few = -(-len(at) // MAX_BINS) if len(at) > 2 * MAX_BINS else 1
    starts = np.arange(0, len(at), few)
    edges = np.append(at[starts], at[-1] + size / 86400)
    highest = (np.maximum.reduceat(load[name].to_numpy(dtype=np.float64), starts) for name in ("requests", "failed"))
    rate, failed = (np.append(bins, 0) / size for bins in highest)
    factor, unit = _per(float(rate.max()), unit_so_far)
    color = color or series_colours(len(ax.lines) + 1)[-1]
    name = as_label(label)
    ax.fill_between(edges, rate * factor, step="post", color=color, alpha=0.2, lw=0, label=name)
    ax.fill_between(
        edges, failed * factor, step="post", color=color, alpha=0.6, lw=0, label="failed" if label == "requests" else f"{name}: failed"
    )
    ax.step(edges, rate * factor, where="post", color=color, lw=0.6)
    ax.set_ylabel(f"requests per {unit}")
    ax.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,g}"))
    time_axis(ax, edges[0], edges[-1], f"time (UTC), by {span(size)}" + (f": the highest of each {span(few * size)}" if few > 1 else ""))
    handles, names = ax.get_legend_handles_labels()
    ax.set_ylim(bottom=0)
    place_legend(ax, handles[::2] + handles[1::2], names[::2] + names[1::2], columns=2)
    return ax


def _bin_seconds(length: float) -> int:
    """The length of a bin in seconds, for a record of so many seconds.

    >>> _bin_seconds(0), _bin_seconds(1000), _bin_seconds(86400), _bin_seconds(1e9)
    (1, 5, 300, 2592000)
    """
    days = (int(length) // 86400 // (MAX_BINS - 2) + 1) * 86400
    return next((width for width in BIN_SECONDS if length < width * (MAX_BINS - 2)), days)


def _per(most: float, label: str) -> tuple[float, str]:
    """The seconds and the name of the unit of a rate of up to `most` per second; the unit of the axes' `label` is kept."""
    for unit, size in {"second": 1.0, "minute": 60.0, "hour": 3600.0}.items():
        if label == f"requests per {unit}" or (most * size >= 1 and not label):
            return size, unit
    return 86400.0, "day"


def plot_policies(compared: pd.DataFrame, *, ax: Axes | None = None, **points: Any) -> Axes:
    """Draw compared policies: the time that calls lost against the load on the recovering server.

    Parameters
    ----------
    compared : pandas.DataFrame
        The result of `compare_policies`: one row per policy. Needs ``lost_p50``, ``lost_p95``, ``peak_load``, ``calls`` and ``gave_up``.
    ax : matplotlib.axes.Axes, optional
        The axes to draw on; a new figure by default.
    **points
        Keyword arguments of `matplotlib.axes.Axes.plot`, for the points.

    Returns
    -------
    matplotlib.axes.Axes
        The x axis is the median of the time that a delayed call lost, with a thin line to the 95th percentile; the y axis is the highest
        number of requests in one second that a provider got while it was up. A label names each policy, and the share of calls that it
        gave up. An axis is logarithmic if its values differ by more than a factor of 20. The title names the policies under which no
        delayed call succeeded.

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
        as_label(name) + (f" (gave up {percent(share)})" if share > 0 else "") for name, share in zip(compared.index, gave_up, strict=True)
    ]
    known = ~np.isnan(middle) & ~np.isnan(peak)
    if not known.any():
        return explain_empty(ax, "no policies compared" if compared.empty else _without_time_lost(labels, gave_up, 40))
    high = np.fmax(middle, high)
    shortest, longest = float(middle[known].min()), float(high[known].max())
    far_apart = shortest > 0 and longest / shortest > MAX_LINEAR_RATIO
    size, unit = (1.0, "") if far_apart else unit_for(longest)
    middle, high = middle / size, high / size
    for i, colour in enumerate(series_colours(len(compared))):
        if known[i]:
            ax.plot([middle[i], high[i]], [peak[i]] * 2, color=colour, lw=1, zorder=1.8)
            ax.plot(middle[i], peak[i], **style_of(Line2D, points, color=colour, marker="o", markersize=8, linestyle="none"))
    if far_apart:
        ax.set_xscale("log")
        ax.set_xlim(shortest / 2, longest * 2)
        log_spans(ax.xaxis, shortest / 2, longest * 2)
    else:
        ax.set_xlabel(f"{ax.get_xlabel()} ({unit})")
        ax.set_xlim(0, longest / size * 1.1 or 1)
    least, most = float(peak[known].min()), float(peak[known].max())
    if least > 0 and most / least > MAX_LINEAR_RATIO:
        ax.set_yscale("log")
        ax.set_ylim(least / 2, most * 2)
    else:
        ax.set_ylim(0, most * 1.15 + 1e-9)
    ax.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,g}"))
    ink = mpl.rcParams["text.color"]
    arrow = {"arrowstyle": "->", "color": ink}
    ax.annotate("better", (0.01, 0.02), (0.08, 0.09), "axes fraction", fontsize="small", style="italic", color=ink, arrowprops=arrow)
    shown = [label for label, drawn in zip(labels, known, strict=True) if drawn]
    _label_points(ax, middle[known], peak[known], high[known], shown, (0.2, 0.15))
    if not known.all():
        letters = 0.9 * inches(ax)[0] * 72 / (LETTER_WIDTH * FontProperties(size="small").get_size_in_points())
        left_out = [label for label, shown in zip(labels, known, strict=True) if not shown]
        ax.set_title(_without_time_lost(left_out, gave_up[~known], int(letters)), fontsize="small")
    return ax


def _without_time_lost(labels: list[str], gave_up: Floats, letters: int) -> str:
    """The policies without a time lost, and why, in lines of so many letters."""
    lines = []
    for why, mine in (("no delayed call succeeded", gave_up > 0), ("no call was delayed", gave_up <= 0)):
        names = [label.replace(" ", NO_BREAK) for label, one in zip(labels, mine, strict=True) if one]
        if names:
            more = f" and {len(names) - MAX_NAMES:,} more" if len(names) > MAX_NAMES else ""
            lines.append(textwrap.fill(f"{why}: {', '.join(names[:MAX_NAMES])}{more}", max(letters, 20)))
    return "\n".join(lines).replace(NO_BREAK, " ")


def _label_points(ax: Axes, x: Floats, y: Floats, ends: Floats, labels: Sequence[str], corner: tuple[float, float]) -> None:
    """Write each label beside its point, or farther off with a line to the point.

    `ends` are the x coordinates where the lines from the points to the right end. The `corner` at the lower left, as shares of the axes,
    stays free.
    """
    line = {"arrowstyle": "-", "lw": 0.6, "color": mpl.rcParams["text.color"], "shrinkB": 4}
    notes = [
        ax.annotate(label, (px, py), (0, 12), textcoords="offset points", ha="center", va="center", fontsize="small", arrowprops=line)
        for label, px, py in zip(labels, x, y, strict=True)
    ]
    ax.add_artist(_Places(notes, np.column_stack([x, y]), np.column_stack([ends, y]), corner))


class _Places(Artist):
    """An invisible artist that is drawn before the labels and moves each of them to its place."""

    def __init__(self, notes: list[Annotation], points: Floats, ends: Floats, corner: tuple[float, float]) -> None:
        super().__init__()
        self.set_zorder(-1)
        self.set_in_layout(False)
        self._notes, self._points, self._ends, self._corner = notes, points, ends, corner

    def draw(self, renderer: Any) -> None:
        """Place the labels; all lengths are typographic points from the lower left corner of the axes."""
        axes: Any = self.axes
        to_points = 72 / axes.figure.dpi
        frame = axes.bbox
        size = np.array([frame.width, frame.height]) * to_points
        points, ends = ((axes.transData.transform(data) - frame.p0) * to_points for data in (self._points, self._ends))
        corner = np.array([[0, 0, *(size * self._corner)]])
        taken = np.concatenate([corner, np.hstack([points - _POINT, points + _POINT]), np.hstack([points - 2, ends + 2])])
        for i in np.argsort(-points[:, 0], kind="stable"):  # the points at the right have the fewest free places
            note = self._notes[i]
            box = Text.get_window_extent(note, renderer)
            half = np.array([box.width, box.height]) * to_points / 2 + _MARGIN
            centres = _candidates(points[i], half, size)
            boxes = np.hstack([centres - half, centres + half])
            beyond = (np.maximum(-boxes[:, :2], 0) + np.maximum(boxes[:, 2:] - size, 0)).sum(axis=1)
            best = int(np.argmin(_overlap(boxes, taken) + _OUTSIDE_COST * beyond))  # the first of several is the nearest
            taken = np.concatenate([taken, boxes[best : best + 1]])
            note.set_position((centres[best] - points[i]).tolist())
            if note.arrow_patch is not None:
                note.arrow_patch.set_visible(bool(np.any(np.abs(centres[best] - points[i]) > half + _POINT + 3)))


def _candidates(point: Floats, half: Floats, size: Floats) -> Floats:
    """Possible centres of a label: right of the point, left, above, below, then anywhere, the nearest first."""
    near = np.array([(1, 0), (-1, 0), (0, 1), (0, -1)]) * (half + _POINT) + point
    across, up = (np.linspace(half[i], max(size[i] - half[i], half[i]), _GRID) for i in (0, 1))
    anywhere = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    gap = np.maximum(np.abs(anywhere - point) - half, 0)
    found: Floats = np.concatenate([near, anywhere[np.argsort(np.hypot(*gap.T), kind="stable")]])
    return found


def _overlap(boxes: Floats, taken: Floats) -> Floats:
    """The area that each box shares with the taken boxes."""
    low = np.maximum(boxes[:, None, :2], taken[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], taken[None, :, 2:])
    area: Floats = np.prod(np.maximum(high - low, 0), axis=2).sum(axis=1)
    return area
