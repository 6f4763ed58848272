"""What all figures share: the axes to draw on, colours, labels, units, axes of times and counts, and the place of the legend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import cbook, font_manager
from matplotlib import dates as untyped_dates
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator, StrMethodFormatter

from chatkit.analysis.columns import UNKNOWN, Floats, Ints, factorized, moments, spans
from chatkit.errors import UsageError
from chatkit.failures.redaction import redact

dates: Any = untyped_dates  # its functions have no annotations
OK = "#009E73"
GREY = "#707070"
SERIES = ("#0072B2", "#E69F00", "#CC79A7", "#56B4E9", "#D55E00", "#009E73", "#9048F8")
"""The colours of Okabe and Ito, which colour-blind people can tell apart, with violet for their yellow, which is too pale on white."""
_KINDS = {
    "rate_limit": "#E69F00",
    "overloaded": "#D55E00",
    "server_error": "#CC79A7",
    "network": "#56B4E9",
    "timeout": "#0072B2",
    "unknown": GREY,
    "auth": "#B40000",
    "quota": "#E4C06C",
    "context_exceeded": "#782478",
    "model_not_found": "#846CFC",
    "invalid_request": "#842424",
    "content_filter": "#5430C0",
    "canceled": "#C8C8C8",
    "program": "#505050",
}
_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_COARSE_TICKS = (1e-3, 1e-2, 0.1, 1, 10, 60, 600, 3600, 36000, 86400, 864000)
_FINE_TICKS = (0.1, 0.3, 1, 3, 10, 30, 60, 120, 300, 600, 1800, 3600)
MAX_LINEAR_ATTEMPTS = 30
"""An axis of more attempts is logarithmic."""
MAX_POINTS = 500
"""Points of a line, approximately: a screen can't show more of them."""
LETTER_WIDTH = 0.55
"""The approximate width of a letter, as a share of the font size."""
MAX_LEGEND_HEIGHT = 0.7
"""As a share of the axes' height."""
_LEGEND_MARGIN = 0.1
"""Inches."""
_LAYOUT_SHARE = 0.95
"""The approximate share of the axes' present size that a layout engine leaves them."""


# ── axes, colours, labels ──


def axes_for(ax: Axes | None) -> Axes:
    """`ax`, or the axes of a new figure."""
    if ax is None:
        import matplotlib.pyplot as plt

        return plt.subplots(layout="constrained")[1]
    if not isinstance(ax, Axes):
        raise UsageError(f"ax: give matplotlib Axes (as plt.subplots() returns them), not a {type(ax).__name__}")
    return ax


def explain_empty(ax: Axes, why: str) -> Axes:
    """Write in the middle of empty axes why they are empty; axes that show something are left unchanged."""
    if not ax.has_data() and not ax.texts:
        ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center", va="center", wrap=True)
        ax.xaxis.set_major_locator(NullLocator())
        ax.yaxis.set_major_locator(NullLocator())
    return ax


def inches(ax: Axes) -> tuple[float, float]:
    """The approximate width and height of the axes, which a layout engine may still change."""
    box, figure = ax.get_position(), ax.figure
    return box.width * figure.bbox.width / figure.dpi, box.height * figure.bbox.height / figure.dpi


def kind_colour(kind: object) -> str:
    """The colour of a kind of failure, the same in every figure; grey for a kind that isn't chatkit's."""
    return _KINDS.get(kind, GREY) if isinstance(kind, str) else GREY


def series_colours(n: int) -> list[Any]:
    """The colours of `n` lines: those of the user's style if it has its own, otherwise `SERIES`."""
    cycle = mpl.rcParams["axes.prop_cycle"]
    own = cycle.by_key().get("color", []) if cycle != mpl.rcParamsDefault["axes.prop_cycle"] else SERIES
    return [(own or SERIES)[i % len(own or SERIES)] for i in range(n)]


def style_of(artist: Any, given: dict[str, Any], **default: Any) -> dict[str, Any]:
    """The style of an artist: the default, overridden by what the user gave, under any of matplotlib's names for it.

    >>> from matplotlib.lines import Line2D
    >>> style_of(Line2D, {"c": "k", "lw": 2}, color="r", marker="o")
    {'color': 'k', 'marker': 'o', 'linewidth': 2}
    """
    return default | cbook.normalize_kwargs(given, artist)


def as_label(text: object, limit: int = 28, unknown: str = "unknown") -> str:
    """A text from outside as a label: short, on one line, without keys, mathematics or letters that the font lacks.

    >>> as_label("a price of $5 and $6"), as_label("m" * 99, 9), as_label(None), as_label("_hidden")
    ('a price of \\\\$5 and \\\\$6', 'mmmmmmmm…', 'unknown', ' _hidden')
    """
    if text is None or text is pd.NA or text != text:
        return unknown
    shown = redact(str(text), limit)
    if not shown.isascii():
        fonts = _fonts()
        shown = "".join(c if any(font.get_char_index(ord(c)) for font in fonts) else "?" for c in shown)
    shown = shown.replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown or unknown  # a legend leaves out labels that begin with an underscore


def _fonts() -> list[Any]:
    found = []
    for family in mpl.rcParams["font.family"]:
        try:
            path = font_manager.findfont(FontProperties(family=[family]), fallback_to_default=False)
        except ValueError:
            continue
        found.append(font_manager.get_font(path))
    return found or [font_manager.get_font(font_manager.findfont(FontProperties(family=["DejaVu Sans"])))]


def labelled_groups(df: pd.DataFrame, column: str) -> tuple[Ints, Callable[[int], str]]:
    """The group of each row by a column of text, and the label of each group; rows without a value are the last group."""
    codes, values = factorized(df, column)
    codes = np.where(codes < 0, len(values), codes)
    return codes, lambda code: as_label(values[code]) if code < len(values) else f"unknown {column}"


# ── numbers, spans and shares ──


def seconds(df: pd.DataFrame, column: str) -> Floats:
    """A column of timedeltas in seconds, NaN where unknown."""
    return as_seconds(spans(df, column))


def as_seconds(microseconds: Ints) -> Floats:
    """Microseconds as seconds, NaN where unknown."""
    return np.where(microseconds == UNKNOWN, np.nan, microseconds / 1e6)


def date_numbers(df: pd.DataFrame, column: str = "ts") -> Floats:
    """A column of times as matplotlib's numbers of days, NaN where unknown."""
    return np.asarray(dates.date2num(moments(df, column).view("datetime64[us]")), dtype=np.float64)


def first_and_last(at: Floats) -> tuple[float, float]:
    """The first and the last known time, NaN where none is known."""
    known = at[~np.isnan(at)]
    return (float(known.min()), float(known.max())) if len(known) else (np.nan, np.nan)


def span(value: float) -> str:
    """Seconds as a short text with a unit.

    >>> [span(s) for s in (0, 0.05, 1, 2.5, 90, 60, 5400, 48 * 3600, 1e6)]
    ['0 s', '50 ms', '1 s', '2.5 s', '1.5 min', '1 min', '1.5 h', '48 h', '11.6 d']
    """
    if 5e-7 < value < 0.9995:
        return f"{value * 1000:.3g} ms"
    size, unit = unit_for(value, {"s": 0.0, "min": 60.0, "h": 3600.0, "d": 172801.0})
    number = value / size if value > 5e-7 else 0.0
    return f"{number:,.0f} {unit}" if number >= 100 else f"{number:.3g} {unit}"


def percent(share: float) -> str:
    """A share as a short text, which is 0% or 100% only for exactly 0 or 1.

    >>> [percent(share) for share in (0, 0.0004, 0.034, 0.5, 0.997, 0.9996, 1)]
    ['0%', '<0.1%', '3.4%', '50%', '99.7%', '>99.9%', '100%']
    """
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    return f"{share:.1%}" if 0 < share < 0.1 or 0.99 <= share < 1 else f"{share:.0%}"


def unit_for(most: float, least: dict[str, float] | None = None, keep: str = "") -> tuple[float, str]:
    """The unit for spans of up to `most` seconds, and its length in seconds: s, min, h or d, each from its `least` length on.

    A unit that ends the axis label `keep`, such as ``waited (min)``, is kept, so that two plots on the same axes share it.
    """
    for unit, size in _UNITS.items():
        if keep.endswith(f"({unit})"):
            return size, unit
    least = least or {"s": 0.0, "min": 180.0, "h": 7200.0, "d": 172801.0}
    unit = [unit for unit, start in least.items() if most >= start or not start][-1]
    return _UNITS[unit], unit


# ── axes with ticks of their own ──


def log_spans(axis: Axis, low: float, high: float) -> None:
    """Give an axis of seconds with a logarithmic scale the ticks 1 s, 10 s, 1 min and so on."""
    ticks: Sequence[float] = _FINE_TICKS if high / max(low, 1e-9) < 300 else _COARSE_TICKS
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: span(value)))


def count_axis(ax: Axes, most: int) -> bool:
    """Make the x axis one of whole numbers of attempts, logarithmic if there are many; it returns whether it is logarithmic."""
    if most <= MAX_LINEAR_ATTEMPTS:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        return False
    ax.set_xscale("log")
    digits, powers = ((1, 2, 5) if most < 300 else (1,)), range(0, 9, 1 if most < 100_000 else 2)
    ax.xaxis.set_major_locator(FixedLocator([digit * 10**power for power in powers for digit in digits]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    return True


class _DateLocator(untyped_dates.AutoDateLocator):
    """matplotlib's ticks without one shortly before the first day of a month, such as Nov 29 before Dec 01, whose labels would overlap."""

    def __call__(self) -> Any:
        ticks: Any = np.asarray(dates.AutoDateLocator.__call__(self))
        gaps = np.diff(ticks)
        return ticks[np.append(gaps > 0.6 * gaps.max(), True)] if len(gaps) else ticks


def time_axis(ax: Axes, low: float, high: float, label: str = "time (UTC)") -> None:
    """Make the x axis one of times in UTC, whatever the machine's zone; `low` and `high` are the drawn range in matplotlib's days."""
    ax.xaxis_date(UTC)
    least = 3 if inches(ax)[0] > 4.7 else 2
    untyped: Any = _DateLocator
    locator = untyped(tz=UTC, minticks=least, maxticks=2 * least + 1)  # with a narrower choice, some ranges have no fitting ticks
    for frequency in (dates.MINUTELY, dates.SECONDLY):
        locator.intervald[frequency] = [1, 2, 5, 10, 15, 30]  # without the 2, a range of ten minutes may have a single tick
    ax.xaxis.set_major_locator(locator)
    day, clock, exact = "%b %d", "%H:%M", "%H:%M:%S.%f"
    ax.xaxis.set_major_formatter(
        dates.ConciseDateFormatter(
            locator,
            tz=UTC,
            formats=["%Y", "%b", day, clock, clock, exact],
            zero_formats=["", "%Y", day, day, clock, exact],
            offset_formats=["", "%Y", "%Y", *[f"{day}, %Y"] * 3],
        )
    )
    ax.set_xlabel(label, loc="left")  # the formatter writes the day or the year at the right
    if high - low < 1 / 86400:  # around a single moment, matplotlib would show four years
        ax.update_datalim([(low - 5 / 86400, np.nan), (high + 5 / 86400, np.nan)], updatey=False)
        ax.autoscale_view(scaley=False)


# ── the legend ──


def place_legend(ax: Axes, handles: Sequence[Any], names: Sequence[str], columns: int = 1) -> None:
    """Put the legend into the freer upper corner, and extend the y axis upwards until the legend covers no line or band."""
    legend = ax.legend(handles, names, loc="upper left", ncols=columns, fontsize="small")
    box, dpi = legend.get_window_extent(), ax.figure.dpi
    wide, tall = (
        (length / dpi + _LEGEND_MARGIN) / (_LAYOUT_SHARE * whole) for length, whole in zip((box.width, box.height), inches(ax), strict=True)
    )
    drawn = [(line.get_xydata(), line.get_drawstyle() == "default") for line in ax.lines]
    drawn += [(path.vertices, False) for each in ax.collections for path in each.get_paths()]
    across, up = (axis.get_transform() for axis in (ax.xaxis, ax.yaxis))
    left, right = across.transform(np.array(ax.get_xlim()))
    bottom = up.transform(np.array(ax.get_ylim()))[0]
    highest, below = bottom, [bottom, bottom]
    for points, slanting in drawn:
        x, y = np.asarray(points, dtype=np.float64).T
        x, y = (across.transform(x) - left) / (right - left), up.transform(y)
        for corner, inside in enumerate((x <= wide, x >= 1 - wide)):
            near = inside.copy()
            near[:-1] |= inside[1:]  # the point before the corner, from which a step reaches into it
            near[1:] |= inside[:-1] & slanting  # the point after it, to which a slanting line goes
            below[corner] = np.fmax(below[corner], np.nanmax(y, initial=bottom, where=near))
        highest = np.fmax(highest, np.nanmax(y, initial=bottom))
    legend.set_loc("upper right" if below[1] < below[0] else "upper left")
    top = max((highest - bottom) * 1.05, (min(below) - bottom) / (1 - min(tall, MAX_LEGEND_HEIGHT)))
    ax.set_ylim(top=float(up.inverted().transform(bottom + (top or 1))))
