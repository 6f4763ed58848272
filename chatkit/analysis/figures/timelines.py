"""The timeline: a lane per call, with its attempts and waits as bars."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from chatkit.analysis.aggregates.per_call import calls, failed
from chatkit.analysis.columns import Floats, Ints, factorized
from chatkit.analysis.figures.drawing import (
    GREY,
    LETTER_WIDTH,
    OK,
    as_label,
    axes_for,
    date_numbers,
    explain_empty,
    inches,
    kind_colour,
    labelled_groups,
    seconds,
    time_axis,
    unit_for,
)
from chatkit.errors import UsageError

DAY = 86400.0
PLACES = 2000
"""The resolution of the x axis: bars with the same start and end at this resolution are drawn once."""
MIN_SHARE = 0.02
"""The least median duration of the calls, as a share of the whole record, for an axis of times."""
MIN_LANES = 6
"""With fewer lanes, the axes have room for so many."""
MAX_KINDS = 7
"""Kinds of failures in the legend."""
MAX_PROVIDERS = 12
"""Lanes of a log without calls."""
BAR, WAIT = 0.36, 0.11
"""Half the height of an attempt and of a wait, in lanes."""
SUCCESS, NEITHER = "attempt ok", ""
"""In place of a kind of failure, for an attempt that succeeded and for one that was abandoned."""
ENDS = {
    "ok": ("o", True, "call ok"),
    "failed": ("X", True, "call failed"),
    "abandoned": ("s", False, "call abandoned"),
    "": (">", False, "end not recorded"),
}
"""The marker of each outcome, whether it is filled, and its name in the legend."""


def plot_timeline(df: pd.DataFrame, *, lanes: int = 40, ax: Axes | None = None) -> Axes:
    """Draw each call as a lane: attempts as bars, waits as thin bars, coloured by the kind of failure, with a marker for the outcome.

    Parameters
    ----------
    df : pandas.DataFrame
        A frame of attempts, with the columns that `calls` needs.
    lanes : int, default 40
        The most calls to draw. If there are more, those that waited longest are drawn, and the title says so.
    ax : matplotlib.axes.Axes, optional
        The axes to draw on; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        The x axis is the time in UTC, or, if the bars would be too short to be seen, the time since each call began. Attempts are drawn at
        least a point wide. For a log without calls there is a lane per provider instead, with a bar per failed attempt.

    Raises
    ------
    UsageError
        A column is missing, or `lanes` is less than 1.

    Examples
    --------
    >>> from chatkit.analysis import attempts_frame
    >>> plot_timeline(attempts_frame([])).texts[0].get_text()
    'no attempts recorded'
    """
    return draw_timeline(df, calls(df), lanes=lanes, ax=ax)


def draw_timeline(df: pd.DataFrame, table: pd.DataFrame, *, lanes: int = 40, ax: Axes | None = None) -> Axes:
    """`plot_timeline` with the result of `calls`."""
    if not isinstance(lanes, int) or lanes < 1:
        raise UsageError(f"plot_timeline(lanes={lanes!r}): give 1 or more")
    ax = axes_for(ax)
    ax.set(xlabel="time (UTC)", ylabel="calls")
    known = table[table["started"].notna()]
    if known.empty:
        return _without_calls(df, ax)
    waited = np.nan_to_num(seconds(known, "waited"))
    shown, title = known, ""
    if len(known) > lanes:
        shown = known.iloc[np.argsort(-waited, kind="stable")[:lanes]]
        title = f"{lanes:,} of {len(known):,} calls: " + ("those that waited longest" if waited.any() else "the first")
    if left_out := int(table.attrs.get("rows_without_call", 0)):
        title += f"{'; ' if title else ''}{left_out:,} attempts of no call left out"
    bars = _bars(*_rows_of(df, shown))
    starts, ends = bars.groupby("lane")["start"].min().to_numpy(), bars.groupby("lane")["end"].max().to_numpy()
    whole = float(ends.max() - starts.min())
    aligned = len(shown) > 1 and float(np.median(ends - starts)) < MIN_SHARE * whole
    if aligned:
        began = starts[bars["lane"]]
        bars, ends = bars.assign(start=bars["start"] - began, end=bars["end"] - began), ends - starts
    else:  # on an axis of times, the lanes are in the order of their start
        order = np.argsort(starts, kind="stable")
        bars, shown, ends = bars.assign(lane=np.argsort(order)[bars["lane"]]), shown.iloc[order], ends[order]
    size, unit = unit_for(float(ends.max())) if aligned else (DAY, "")
    width = _draw(ax, bars, size, unit)
    handles = _kind_handles(bars) + _draw_ends(ax, shown, ends / size + 0.015 * width)
    _lay_out(ax, handles, _names(shown, aligned))
    if title:
        ax.set_title(title, fontsize="medium")
    return ax


def _rows_of(df: pd.DataFrame, shown: pd.DataFrame) -> tuple[pd.DataFrame, Ints]:
    """The rows of these calls, sorted by call, time and attempt, and the lane of each row."""
    call = factorized(df, "call")
    lane = np.append(pd.Index(shown["call"].astype(object)).get_indexer(call.values), -1)[call.codes]
    kept = np.flatnonzero((lane >= 0) & df["ts"].notna().to_numpy())
    rows, lane = df.iloc[kept], lane[kept]
    order = np.lexsort((rows["attempt"].to_numpy(dtype=np.float64, na_value=np.nan), date_numbers(rows), lane))
    return rows.iloc[order], lane[order]


def _bars(rows: pd.DataFrame, lane: Ints) -> pd.DataFrame:
    """The bars of rows sorted by lane and time: lane, start and end in seconds, kind of failure, and whether the bar is a wait.

    A wait lies before its attempt, or, if only the plan is known, after the failed attempt.
    """
    start = date_numbers(rows) * DAY
    end = start + np.nan_to_num(seconds(rows, "duration"))
    waited, delay = seconds(rows, "waited"), seconds(rows, "delay")
    outcome, kind = factorized(rows, "outcome"), factorized(rows, "kind")
    kinds = np.append(kind.values.to_numpy(dtype=object), "unknown")[kind.codes]
    kinds[outcome.among("abandoned")] = NEITHER
    kinds[outcome.among("ok")] = SUCCESS
    cause = np.where(np.diff(lane, prepend=-1) != 0, NEITHER, np.roll(kinds, 1))
    cause[cause == SUCCESS] = NEITHER
    attempts = pd.DataFrame({"lane": lane, "start": start, "end": end, "kind": kinds, "is_wait": False})
    before = attempts.assign(start=start - waited, end=start, kind=cause, is_wait=True)[waited > 0]
    after = attempts.assign(start=end, end=end + delay, is_wait=True)[np.isnan(waited) & (delay > 0) & failed(rows)]
    return pd.concat([attempts, before, after], ignore_index=True)


def _draw(ax: Axes, bars: pd.DataFrame, size: float, unit: str = "") -> float:
    """Draw the bars on an axis of times, or of a unit of so many seconds since each call began; it returns the width of the axis."""
    low, high = float(bars["start"].min()) / size, float(bars["end"].max()) / size
    width = max(high - low, 1e-3 / size)
    _draw_bars(ax, bars[bars["is_wait"]], size, low, width, WAIT, linewidths=0.0, alpha=0.65)
    _draw_bars(ax, bars[~bars["is_wait"]], size, low, width, BAR, linewidths=1.0)
    if unit:
        ax.set_xlabel(f"time since the call began ({unit})")
    else:
        time_axis(ax, low, high)
    ax.set_xlim(low - 0.02 * width, high + 0.04 * width)
    return width


def _draw_bars(ax: Axes, bars: pd.DataFrame, size: float, low: float, width: float, half: float, **style: Any) -> None:
    """Draw bars as one collection; of several with the same place and colour, only the first."""
    colours = {kind: OK if kind == SUCCESS else kind_colour(kind) for kind in bars["kind"].unique()}
    drawn = bars.assign(start=bars["start"] / size, end=bars["end"] / size, colour=bars["kind"].map(colours))
    places = drawn[["lane", "colour"]].assign(**{x: ((drawn[x] - low) / width * PLACES).round() for x in ("start", "end")})
    drawn = drawn[~places.duplicated()]
    corners = (("start", -half), ("end", -half), ("end", half), ("start", half))
    vertices = np.stack([np.stack([drawn[x], drawn["lane"] + up], axis=-1) for x, up in corners], axis=1)
    ax.add_collection(PolyCollection(list(vertices), facecolors=drawn["colour"], edgecolors=drawn["colour"], **style), autolim=False)


def _kind_handles(bars: pd.DataFrame) -> list[Any]:
    """The legend entries of the colours: the most frequent kinds, a success, a wait."""
    found = bars.loc[~bars["is_wait"], "kind"].value_counts()
    failures = found.index.drop([SUCCESS, NEITHER], errors="ignore")
    handles: list[Any] = [Patch(color=kind_colour(kind), label=as_label(kind, 18)) for kind in failures[:MAX_KINDS]]
    if len(failures) > MAX_KINDS:
        handles.append(Patch(color=GREY, label=f"{len(failures) - MAX_KINDS:,} other kinds"))
    if SUCCESS in found:
        handles.append(Patch(color=OK, label=SUCCESS))
    if bars["is_wait"].any():
        handles.append(Line2D([], [], color=GREY, lw=2, alpha=0.65, label="wait"))
    return handles


def _draw_ends(ax: Axes, shown: pd.DataFrame, at: Floats) -> list[Any]:
    """Draw the markers of the outcomes, which differ in shape as well as in colour, and give their legend entries."""
    ink = mpl.rcParams["text.color"]
    outcome = shown["outcome"].astype(object).where(shown["outcome"].notna(), "").to_numpy()
    handles: list[Any] = []
    for end, (marker, filled, label) in ENDS.items():
        lanes = np.flatnonzero(outcome == end)
        if len(lanes):
            colour = OK if end == "ok" else ink
            look: dict[str, Any] = {"ls": "none", "marker": marker, "ms": 5, "mew": 1, "color": colour, "mfc": colour if filled else "none"}
            handles += ax.plot(at[lanes], lanes, **look, label=label, clip_on=False)
    return handles


def _names(shown: pd.DataFrame, aligned: bool) -> list[str]:
    """The names of the lanes, from what tells them apart: the model or provider, the step, and, if the axis doesn't show it, the start."""
    parts: list[list[str]] = []
    for column in ("model", "provider"):
        if shown[column].nunique(dropna=False) > 1:
            parts.append([as_label(name, 17) for name in shown[column]])
            break
    if aligned or not parts:
        began = shown["started"].dt.tz_convert("UTC")
        form = "%H:%M:%S" if began.dt.date.nunique() == 1 else "%b %d %H:%M"
        parts.insert(0, list(began.dt.strftime(form)))
    if len(parts) < 2 and shown["step"].nunique() > 1:
        parts.append(["" if pd.isna(step) else f"step {step:.0f}" for step in shown["step"]])
    return [" ".join(filter(None, name)) for name in zip(*parts, strict=True)]


def _lay_out(ax: Axes, handles: list[Any], names: list[str]) -> None:
    """Lay out the lanes from the top down, with names if they fit, and a legend above them that covers no lane."""
    wide, tall = (length * 72 * 0.9 for length in inches(ax))
    size = FontProperties(size="small").get_size_in_points()
    name_size = FontProperties(size=mpl.rcParams["ytick.labelsize"]).get_size_in_points()
    lanes = max(len(names), MIN_LANES)
    named = 0.8 * tall / lanes >= 1.1 * name_size
    if named:  # long names take some of the axes' width
        wide -= max(max(map(len, names)) * LETTER_WIDTH * name_size - 50, 0)
    columns = int(wide // ((max(len(str(handle.get_label())) for handle in handles) * LETTER_WIDTH + 3.5) * size))
    columns = max(1, min(len(handles), columns))
    rows = -(-len(handles) // columns)
    room = min((rows * 1.45 + 1.1) * size / tall, 0.5)
    spare = (lanes - len(names)) / 2
    ax.set_ylim(len(names) - 0.4 + spare, -0.6 - spare - lanes * room / (1 - room))
    if named:
        ax.set_yticks(np.arange(len(names)), names)
    else:
        ax.set_yticks([])
    ax.legend(handles=handles, loc="upper left", ncols=columns, fontsize="small", borderaxespad=0.3, columnspacing=1.2)


def _without_calls(df: pd.DataFrame, ax: Axes) -> Axes:
    """Draw a lane per provider with a bar per failed attempt, for a log that names no calls."""
    part = df[failed(df) & df["ts"].notna().to_numpy()]
    if part.empty:
        return explain_empty(ax, "no attempts recorded" if df.empty else "no times of failed attempts recorded")
    codes, name_of = labelled_groups(part, "provider")
    counts = np.bincount(codes)
    ranked = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    lane_of = np.full(len(counts), min(len(ranked), MAX_PROVIDERS) - 1)
    lane_of[ranked[: MAX_PROVIDERS - 1]] = np.arange(len(ranked[: MAX_PROVIDERS - 1]))
    lane = lane_of[codes]
    labels = [name_of(code) for code in ranked[:MAX_PROVIDERS]]
    if len(ranked) > MAX_PROVIDERS:
        labels[-1] = f"{len(ranked) - MAX_PROVIDERS + 1:,} others"
    order = np.lexsort((date_numbers(part), lane))
    bars = _bars(part.iloc[order], lane[order])
    _draw(ax, bars, DAY)
    ax.set_ylabel("providers")
    ax.set_title(f"{len(part):,} failed attempts, which the log gives to no call", fontsize="medium")
    _lay_out(ax, _kind_handles(bars), labels)
    return ax
