"""Figures of waits, backoff, failures and attempts: each takes a frame of attempts and, optionally, axes, and returns the axes."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D

from chatkit.analysis.aggregates.per_call import calls, require, row_waits
from chatkit.analysis.aggregates.summaries import backoff_curve, by_kind
from chatkit.analysis.figures.drawing import (
    GREY,
    MAX_POINTS,
    SERIES,
    as_label,
    as_seconds,
    axes_for,
    count_axis,
    date_numbers,
    explain_empty,
    first_and_last,
    inches,
    kind_colour,
    labelled_groups,
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

MAX_LINES = 6
MAX_BARS = 10
MIN_BARS = 4
"""With fewer bars, the axes have room for so many."""
MAX_BAR_RATIO = 25
"""A bar of the backoff is cut off below so small a fraction of its median; with full jitter, the 5th percentile is a tenth of it."""


def plot_waiting(df: pd.DataFrame, *, ax: Axes | None = None, **line: Any) -> Axes:
    """Draw how the time spent waiting grew, with a step line per provider.

    Parameters
    ----------
    df : pandas.DataFrame
        A frame of attempts; needs ``ts``, ``provider``, ``waited`` and ``delay``. A wait counts when it is over; a wait of which only the
        plan is known (``waited`` is null, as in other libraries' logs) counts at the failure before it.
    ax : matplotlib.axes.Axes, optional
        The axes to draw on; a new figure by default.
    **line
        Keyword arguments of `matplotlib.axes.Axes.step`, for the lines.

    Returns
    -------
    matplotlib.axes.Axes
        The x axis is the time in UTC, the y axis the sum of all waits so far, in seconds, minutes, hours or days. The six providers with
        the longest sums (fewer if the axes are low) have a line each, and all others share a line.

    Raises
    ------
    UsageError
        A column is missing.

    Examples
    --------
    >>> from chatkit.analysis import attempts_frame
    >>> plot_waiting(attempts_frame([])).get_xlabel()
    'time (UTC)'
    """
    require(df, "ts", "provider", "waited", "delay", what="plot_waiting()")
    ax = axes_for(ax)
    wait, at = as_seconds(row_waits(df)), date_numbers(df)
    begin, end = first_and_last(at)
    known = (wait > 0) & ~np.isnan(at)
    ax.set(xlabel="time (UTC)", ylabel=ax.get_ylabel() or "waited, in all")
    if not known.any():
        return explain_empty(ax, "no waits recorded")
    codes, name_of = labelled_groups(df, "provider")
    order = np.flatnonzero(known)[np.argsort(at[known], kind="stable")]
    codes, wait, at = codes[order], wait[order], at[order]
    totals = np.bincount(codes, wait)
    ranked = np.argsort(-totals, kind="stable")[: np.count_nonzero(totals)]
    letter = FontProperties(size="small").get_size_in_points() / 72
    lines = int(np.clip(inches(ax)[1] / (3 * letter) - 1, 2, MAX_LINES))  # then the legend takes at most half of the height
    groups = [([code], name_of(code)) for code in ranked[:lines]]
    if rest := list(ranked[lines:]):
        groups.append((rest, f"{len(rest):,} others"))
    size, unit = unit_for(max(float(totals[members].sum()) for members, _ in groups), keep=ax.get_ylabel())
    for (members, name), colour in zip(groups, series_colours(len(groups)), strict=True):
        mine = np.isin(codes, members)
        x, y = at[mine], np.cumsum(wait[mine])
        if len(x) > MAX_POINTS:
            grid = np.linspace(x[0], x[-1], MAX_POINTS)
            x, y = grid, y[np.searchsorted(x, grid, side="right") - 1]
        style = style_of(Line2D, line, color=colour, label=f"{name}: {span(float(y[-1]))}", where="post")
        ax.step(np.concatenate([[begin], x, [end]]), np.concatenate([[0], y, [y[-1]]]) / size, **style)
    ax.set_ylabel(f"waited, in all ({unit})")
    time_axis(ax, begin, end)
    ax.set_ylim(bottom=0)
    place_legend(ax, *ax.get_legend_handles_labels())
    return ax


def plot_backoff(df: pd.DataFrame, *, ax: Axes | None = None, **points: Any) -> Axes:
    """Draw how long the waits after the first, second and later failures were, beside chatkit's backoff: 1, 2, 4 … 60 s.

    Parameters
    ----------
    df : pandas.DataFrame
        A frame of attempts, with the columns that `backoff_curve` needs.
    ax : matplotlib.axes.Axes, optional
        The axes to draw on; a new figure by default.
    **points
        Keyword arguments of `matplotlib.axes.Axes.errorbar`, for the observed waits.

    Returns
    -------
    matplotlib.axes.Axes
        The x axis is the number of the failed attempt, the y axis the wait on a logarithmic scale. Points are medians, and bars reach from
        the 5th to the 95th percentile, but are cut off far below the median. Waits that a server asked for are drawn apart. Where a log
        only has planned waits, the point is their median and hollow.

    Raises
    ------
    UsageError
        A column is missing.

    Examples
    --------
    >>> from chatkit.analysis import attempts_frame
    >>> plot_backoff(attempts_frame([])).get_ylabel()
    'wait: median, p5–p95'
    """
    curve = backoff_curve(df)
    ax = axes_for(ax)
    ax.set(xlabel="failed attempt", ylabel="wait: median, p5–p95")
    if curve.empty:
        return explain_empty(ax, "no waits recorded")
    theory = curve.drop_duplicates("attempt").sort_values("attempt")
    numbers = theory["attempt"].to_numpy(dtype=np.int64)
    many = count_axis(ax, int(numbers[-1]))
    scale = list(seconds(_thinned(theory), "theory"))
    ax.plot(
        _thinned(theory)["attempt"].to_numpy(dtype=np.int64),
        scale,
        ls="--",
        marker="_" if len(numbers) == 1 else "",
        color=mpl.rcParams["text.color"],
        lw=1,
        label="theory: 1, 2, 4 … 60 s",
        zorder=3 if many else 1.5,
    )
    series = {False: ("o", SERIES[0], "no hint", -0.1), True: ("D", SERIES[4], "server's hint", 0.1)}
    for hinted, (marker, colour, name, aside) in series.items():
        part = curve[curve["hinted"] == hinted].sort_values("attempt")
        if part.empty:
            continue
        known, unknown = int(part["measured"].sum()), int(part.loc[part["measured"] == 0, "waits"].sum())
        part = _thinned(part)
        x = part["attempt"].to_numpy(dtype=np.float64) + (0 if many else aside)
        middle, low, high = (seconds(part, column) for column in ("actual", "actual_p05", "actual_p95"))
        unmeasured = np.isnan(middle)
        style: dict[str, Any] = {"color": colour, "marker": marker, "linestyle": "none"}
        if not unmeasured.all():
            reach = np.nan_to_num([middle - low, high - middle]).clip(min=0)
            whisker: Any = None if many else reach
            measured = style | {"label": f"{name} ({known:,})", "capsize": 2}
            measured |= {"linestyle": "-", "markersize": 2} if many else {}
            (drawn, *_) = ax.errorbar(x, np.where(middle > 0, middle, np.nan), yerr=whisker, **style_of(Line2D, points, **measured))
            if many:
                ax.fill_between(x, low, high, color=drawn.get_color(), alpha=0.25, lw=0)
        if unmeasured.any():
            scheduled = seconds(part, "scheduled")[unmeasured]
            hollow = style | {"markerfacecolor": "none", "markeredgewidth": 1, "label": f"{name}, as scheduled ({unknown:,})"}
            ax.errorbar(x[unmeasured], scheduled, **style_of(Line2D, points, **hollow))
            scale += list(scheduled)
        scale += [*np.fmax(low, middle / MAX_BAR_RATIO), *middle, *high]
    shown = np.array([value for value in scale if value > 0])
    ax.set_yscale("log")
    ax.set_ylim(bottom=float(shown.min()) / 1.6)
    if len(numbers) == 1 and not many:
        ax.set_xlim(numbers[0] - 1, numbers[0] + 1)
    place_legend(ax, *ax.get_legend_handles_labels())
    ax.set_ylim(top=max(ax.get_ylim()[1], float(shown.max()) * 1.6))
    log_spans(ax.yaxis, *ax.get_ylim())
    return ax


def _thinned(curve: pd.DataFrame) -> pd.DataFrame:
    """The curve without the rows that a logarithmic axis of attempts can't show apart."""
    if len(curve) <= MAX_POINTS:
        return curve
    return curve.iloc[np.unique(np.geomspace(1, len(curve), MAX_POINTS).astype(np.int64)) - 1]


def plot_kinds(df: pd.DataFrame, *, ax: Axes | None = None, **bars: Any) -> Axes:
    """Draw how many attempts failed, with a bar per kind of failure, the most frequent at the top.

    Parameters
    ----------
    df : pandas.DataFrame
        A frame of attempts, with the columns that `by_kind` needs.
    ax : matplotlib.axes.Axes, optional
        The axes to draw on; a new figure by default.
    **bars
        Keyword arguments of `matplotlib.axes.Axes.barh`, for the bars.

    Returns
    -------
    matplotlib.axes.Axes
        The x axis is the number of failed attempts. The label of a bar is this number, its share, and the sum of the waits that the
        failures caused.

    Raises
    ------
    UsageError
        A column is missing.

    Examples
    --------
    >>> from chatkit.analysis import attempts_frame
    >>> plot_kinds(attempts_frame([])).get_xlabel()
    'failed attempts'
    """
    kinds = by_kind(df).sort_values("attempts", ascending=False, kind="stable")
    ax = axes_for(ax)
    ax.set_xlabel("failed attempts")
    if kinds.empty:
        return explain_empty(ax, "no failed attempts recorded")
    count = kinds["attempts"].to_numpy(dtype=np.int64)
    waited = np.nan_to_num(seconds(kinds, "waited"))
    names = [as_label(kind, 20, unknown="not said") for kind in kinds.index[:MAX_BARS]]
    colours = [kind_colour(kind) for kind in kinds.index[:MAX_BARS]]
    if len(kinds) > MAX_BARS:
        names.append(f"{len(kinds) - MAX_BARS:,} others")
        colours.append(GREY)
        count = np.append(count[:MAX_BARS], count[MAX_BARS:].sum())
        waited = np.append(waited[:MAX_BARS], waited[MAX_BARS:].sum())
    places = np.arange(len(names))
    style: dict[str, Any] = {"color": colours, "height": 0.7}
    drawn = ax.barh(places, count, **(style | bars))
    total = int(count.sum())
    labels = [f"{n:,} ({percent(n / total)})" + (f", {span(w)}" if w else "") for n, w in zip(count, waited, strict=True)]
    ax.bar_label(drawn, labels, padding=3, fontsize="small")
    ax.set_yticks(places, names)
    spare = max(MIN_BARS - len(names), 0) / 2
    ax.set_ylim(len(names) - 0.5 + spare, -0.5 - spare)
    letter = 0.6 * FontProperties(size="small").get_size_in_points() / 72
    room = max(map(len, labels)) * letter / max(inches(ax)[0] - 0.2, 1)
    ax.set_xlim(0, float(count.max()) / max(1 - room, 0.4))
    if waited.any():
        ax.set_xlabel("failed attempts (share), time waited")
    ax.xaxis.set_major_locator(ticker.MaxNLocator(nbins=4, integer=True))
    ax.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
    return ax


def plot_attempts(df: pd.DataFrame, *, by: str | None = None, ax: Axes | None = None, **line: Any) -> Axes:
    """Draw how many attempts calls take until they succeed, as a survival curve.

    Parameters
    ----------
    df : pandas.DataFrame
        A frame of attempts, with the columns that `calls` needs.
    by : str, optional
        A column of `calls`, such as ``provider`` or ``model``. The six of its values with the most calls have a line each.
    ax : matplotlib.axes.Axes, optional
        The axes to draw on; a new figure by default.
    **line
        Keyword arguments of `matplotlib.axes.Axes.step`, for the lines.

    Returns
    -------
    matplotlib.axes.Axes
        The x axis is the number of attempts, the y axis the share of calls without a success after so many attempts, on a logarithmic
        scale if it falls below 5 %. The curve is over the calls whose end is known, and the legend has their number. A call that failed
        for good never succeeds; one that was abandoned counts until then, so the curve is a Kaplan-Meier estimate, and the legend says so
        ("est."). It ends level at the share of calls that never succeed.

    Raises
    ------
    UsageError
        A column is missing, or `by` is not a column of `calls`.

    Examples
    --------
    >>> from chatkit.analysis import attempts_frame
    >>> plot_attempts(attempts_frame([])).get_xlabel()
    'attempts'
    """
    return draw_attempts(calls(df), by=by, ax=ax, **line)


def draw_attempts(table: pd.DataFrame, *, by: str | None = None, ax: Axes | None = None, **line: Any) -> Axes:
    """`plot_attempts` for the result of `calls`."""
    if by is not None:
        require(table, by, what="plot_attempts(by=…)")
    ax = axes_for(ax)
    ax.set(xlabel="attempts", ylabel="calls without success")
    known = table[table["outcome"].isin(["ok", "failed", "abandoned"])]
    if (known["outcome"] == "abandoned").all():
        return explain_empty(ax, "no call with a known end recorded")
    codes, name_of = (np.zeros(len(known), np.int64), str) if by is None else labelled_groups(known, by)
    ranked = np.argsort(-np.bincount(codes), kind="stable")[:MAX_LINES]
    took = known["attempts"].to_numpy(dtype=np.int64)
    won, left = ((known["outcome"] == end).to_numpy(dtype=bool) for end in ("ok", "abandoned"))
    most = int(took.max())
    low = 1.0
    for code, colour in zip(ranked, series_colours(len(ranked)), strict=True):
        mine = codes == code
        share = survival(took[mine], won[mine], left[mine], most)
        low = min(low, float(share[share > 0].min()))
        x = np.arange(most + 1)
        if most > MAX_POINTS:
            x = np.unique(np.geomspace(1, most, MAX_POINTS).astype(np.int64))
        name = f"{mine.sum():,} call{'s' if mine.sum() > 1 else ''}"
        name = name if by is None else f"{name_of(code)}: {name}"
        succeeded = "succeed (est.)" if left[mine].any() else "succeeded"
        label = f"{name}, {f'{percent(float(share[-1]))} never' if share[-1] else 'all'} {succeeded}"
        style = style_of(Line2D, line, color=colour, label=label, marker="o" if most <= 15 else "", markersize=4, where="post")
        ax.step(x, share[x], **style)
    if low < 0.05:
        ax.set_yscale("log", nonpositive="clip")
        ax.set_ylim(bottom=low / 2)
        ax.yaxis.set_minor_locator(ticker.NullLocator())
    else:
        ax.set_ylim(bottom=0)
    ax.yaxis.set_major_locator(ticker.FixedLocator([10.0**-n if low < 0.05 else n / 5 for n in range(6)]))
    ax.yaxis.set_major_formatter(ticker.FuncFormatter(lambda share, _: f"{share * 100:g}%"))
    if count_axis(ax, most):
        ax.set_xlim(1, most * 1.1)
    place_legend(ax, *ax.get_legend_handles_labels())
    return ax


def survival(took: Any, won: Any, left: Any, most: int) -> Any:
    """The share of calls without a success after 0, 1 … `most` attempts; the last attempt of a call that `left` doesn't count.

    >>> survival(np.array([1, 1, 2, 3]), np.array([True, True, True, False]), np.zeros(4, bool), 3).tolist()
    [1.0, 0.5, 0.25, 0.25]
    >>> survival(np.array([1, 1, 2, 2]), np.array([True, False, True, False]), np.array([False, True, False, False]), 2).tolist()
    [1.0, 0.6666666666666667, 0.33333333333333337]
    """
    successes, gone = (np.bincount(took[which], minlength=most + 1)[: most + 1] for which in (won, left))
    tried = len(took) - (np.cumsum(successes) - successes) - np.cumsum(gone)
    return np.cumprod(1 - successes / np.maximum(tried, 1))
