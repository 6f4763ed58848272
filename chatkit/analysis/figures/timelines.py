"""The timeline: a lane per call, with its attempts and waits as bars."""

from __future__ import annotations

from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from chatkit.analysis.aggregates.per_call import calls, failed, require
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
ENDS = {
    "ok": ("o", True, "call ok"),
    "failed": ("X", True, "call failed"),
    "abandoned": ("s", False, "call abandoned"),
    "": (">", False, "end not recorded"),
}
"""The marker of each outcome, whether it is filled, and its name in the legend."""


class Bars(NamedTuple):
    """Bars to draw: the lane, the start and end in seconds, and the kind of failure (None: a success, "": neither)."""

    lane: Ints
    start: Floats
    end: Floats
    kind: np.ndarray[Any, np.dtype[np.object_]]

    def of(self, rows: Any) -> Bars:
        """The bars of these rows."""
        return Bars(*(values[rows] for values in self))

    def and_also(self, others: Bars) -> Bars:
        """These bars and others."""
        return Bars(*(np.concatenate(pair) for pair in zip(self, others, strict=True)))


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
        longest = bool(waited.any())
        rows = np.argsort(-waited, kind="stable")[:lanes]
        shown = known.iloc[rows]
        title = f"{lanes:,} of {len(known):,} calls: " + ("those that waited longest" if longest else "the first")
    if left_out := int(table.attrs.get("rows_without_call", 0)):
        title += f"{'; ' if title else ''}{left_out:,} attempts of no call left out"
    attempts, waits = _bars(df, shown)
    both = attempts.and_also(waits)
    starts, ends = _least(both.lane, both.start, len(shown)), -_least(both.lane, -both.end, len(shown))
    whole = float(ends.max() - starts.min())
    aligned = len(shown) > 1 and float(np.median(ends - starts)) < MIN_SHARE * whole
    if not aligned:  # on an axis of times, the lanes are in the order of their start
        place = np.argsort(np.argsort(starts, kind="stable"))
        attempts, waits = (Bars(place[b.lane], b.start, b.end, b.kind) for b in (attempts, waits))
        order = np.argsort(place)
        shown, starts, ends = shown.iloc[order], starts[order], ends[order]
    else:
        attempts, waits = (Bars(b.lane, b.start - starts[b.lane], b.end - starts[b.lane], b.kind) for b in (attempts, waits))
        starts, ends = starts * 0, ends - starts
    size, unit = unit_for(float(ends.max())) if aligned else (DAY, "")
    low, high = float(starts.min()) / size, float(ends.max()) / size
    width = max(high - low, 1e-3 / size)
    _draw_bars(ax, waits, size, low, width, thin=True)
    _draw_bars(ax, attempts, size, low, width)
    handles = _kind_handles(attempts, waits) + _draw_ends(ax, shown, ends / size + 0.015 * width)
    if aligned:
        ax.set_xlabel(f"time since the call began ({unit})")
    else:
        time_axis(ax, low, high)
    ax.set_xlim(low - 0.02 * width, high + 0.04 * width)
    _lay_out(ax, handles, _names(shown, aligned))
    if title:
        ax.set_title(title, fontsize="medium")
    return ax


def _bars(df: pd.DataFrame, shown: pd.DataFrame) -> tuple[Bars, Bars]:
    """The attempts and the waits of these calls, each of which is a lane."""
    call = factorized(df, "call")
    lane_of = pd.Series(np.arange(len(shown)), index=shown["call"].astype(object))
    of_code = np.full(len(call.values) + 1, -1)
    mine = np.flatnonzero(call.values.isin(list(lane_of.index)))
    of_code[mine] = lane_of[call.values[mine]].to_numpy()
    lane = of_code[call.codes]
    kept = np.flatnonzero((lane >= 0) & df["ts"].notna().to_numpy())
    part, lane = df.iloc[kept], lane[kept]
    order = np.lexsort((part["attempt"].to_numpy(dtype=np.float64, na_value=np.nan), date_numbers(part), lane))
    part, lane = part.iloc[order], lane[order]
    return _attempts_and_waits(part, lane)


def _attempts_and_waits(part: pd.DataFrame, lane: Ints) -> tuple[Bars, Bars]:
    """The bars of rows sorted by lane and time. A wait lies before its attempt, or, if only the plan is known, after the failed attempt."""
    start = date_numbers(part) * DAY
    end = start + np.nan_to_num(seconds(part, "duration"))
    outcome, kind = factorized(part, "outcome"), factorized(part, "kind")
    kinds = np.append(kind.values.to_numpy(dtype=object), "unknown")[kind.codes]
    kinds[outcome.among("abandoned")] = ""
    kinds[outcome.among("ok")] = None
    attempts = Bars(lane, start, end, kinds)
    waited, delay = seconds(part, "waited"), seconds(part, "delay")
    first = np.diff(lane, prepend=-1) != 0
    cause = np.where(first, "", np.roll(kinds, 1))
    cause[[one is None for one in cause]] = ""
    before = Bars(lane, start - np.nan_to_num(waited), start, cause).of(waited > 0)
    after = Bars(lane, end, end + np.nan_to_num(delay), kinds).of(np.isnan(waited) & (delay > 0) & failed(part))
    return attempts, before.and_also(after)


def _least(groups: Ints, values: Floats, count: int) -> Floats:
    least = np.full(count, np.inf)
    np.minimum.at(least, groups, values)
    return least


def _draw_bars(ax: Axes, bars: Bars, size: float, low: float, width: float, *, thin: bool = False) -> None:
    """Draw bars as one collection, and those with the same place and colour only once."""
    kinds, names = pd.factorize(bars.kind, use_na_sentinel=False)
    inks, palette = pd.factorize(np.array([OK if name is None or name != name else kind_colour(name) for name in names], dtype=object))
    ink = inks[kinds]
    left, right = (np.rint((x / size - low) / width * PLACES).astype(np.int64) for x in (bars.start, bars.end))
    _, first = np.unique(np.column_stack([bars.lane, ink, left, right]), axis=0, return_index=True)
    first.sort()  # later bars are drawn above
    half, edge, alpha = (WAIT, 0.0, 0.65) if thin else (BAR, 1.0, 1.0)
    x0, x1, y = bars.start[first] / size, bars.end[first] / size, bars.lane[first]
    corners = np.stack([np.stack([x, y + side * half], axis=-1) for x, side in ((x0, -1), (x1, -1), (x1, 1), (x0, 1))], axis=1)
    painted = palette[ink[first]]
    drawn = PolyCollection(list(corners), facecolors=painted, edgecolors=painted, linewidths=edge, alpha=alpha)
    ax.add_collection(drawn, autolim=False)


def _kind_handles(attempts: Bars, waits: Bars) -> list[Any]:
    """The legend entries of the colours: the most frequent kinds, a success, a wait."""
    found = pd.Series(attempts.kind).value_counts(dropna=False)
    failures = [kind for kind in found.index if isinstance(kind, str) and kind]
    handles: list[Any] = [Patch(color=kind_colour(kind), label=as_label(kind, 18)) for kind in failures[:MAX_KINDS]]
    if len(failures) > MAX_KINDS:
        handles.append(Patch(color=GREY, label=f"{len(failures) - MAX_KINDS:,} other kinds"))
    if len(failures) < found.drop("", errors="ignore").size:
        handles.append(Patch(color=OK, label="attempt ok"))
    if len(waits.lane):
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
    require(df, "ts", "provider", what="plot_timeline()")
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
    attempts, waits = _attempts_and_waits(part.iloc[order], lane[order])
    low = float(min(attempts.start.min(), waits.start.min(initial=np.inf))) / DAY
    high = float(max(attempts.end.max(), waits.end.max(initial=-np.inf))) / DAY
    width = max(high - low, 1e-3 / DAY)
    _draw_bars(ax, waits, DAY, low, width, thin=True)
    _draw_bars(ax, attempts, DAY, low, width)
    time_axis(ax, low, high)
    ax.set_xlim(low - 0.02 * width, high + 0.04 * width)
    ax.set_ylabel("providers")
    ax.set_title(f"{len(part):,} failed attempts, which the log gives to no call", fontsize="medium")
    _lay_out(ax, _kind_handles(attempts, waits), labels)
    return ax
