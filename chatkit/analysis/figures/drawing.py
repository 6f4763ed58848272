"""The manners of every figure: whose axes, colours that all can tell apart, foreign words, spans and moments on an axis."""

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

from chatkit.analysis.arrays import UNKNOWN, Floats, Ints, moments, spans
from chatkit.analysis.arrays import words as column_words
from chatkit.errors import UsageError
from chatkit.failures.redaction import redact

dates: Any = untyped_dates  # no function of it has types
OK = "#009E73"
GREY = "#707070"
SERIES = ("#0072B2", "#E69F00", "#CC79A7", "#56B4E9", "#D55E00", "#009E73", "#9048F8")
"""Okabe and Ito's colours, which the colour-blind tell apart; a violet for their yellow, which white paper swallows."""
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
_SPANS = (1e-3, 1e-2, 0.1, 1, 10, 60, 600, 3600, 36000, 86400, 864000)
_MORE_SPANS = (0.1, 0.3, 1, 3, 10, 30, 60, 120, 300, 600, 1800, 3600)
MANY = 30
LETTER = 0.55
"""How wide a letter is, to the size of the font, about."""
SEGMENTS = 500
"""Points of a line, at most about: what is more can't be told apart on a screen."""


def axes_for(ax: Axes | None) -> Axes:
    """`ax`, or the axes of a new figure."""
    if ax is None:
        import matplotlib.pyplot as plt

        return plt.subplots(layout="constrained")[1]
    if not isinstance(ax, Axes):
        raise UsageError(f"ax: give matplotlib Axes (as plt.subplots() returns them), not a {type(ax).__name__}")
    return ax


def kind_colour(kind: object) -> str:
    """The colour that a kind of failure has in every figure; grey where it is none of chatkit's."""
    return _KINDS.get(kind, GREY) if isinstance(kind, str) else GREY


def series_colours(n: int) -> list[Any]:
    """Colours of `n` lines: the person's own cycle where their style has one, else Okabe and Ito's."""
    cycle = mpl.rcParams["axes.prop_cycle"]
    own = cycle.by_key().get("color", []) if cycle != mpl.rcParamsDefault["axes.prop_cycle"] else SERIES
    return [(own or SERIES)[i % len(own or SERIES)] for i in range(n)]


def words(text: object, limit: int = 28, unknown: str = "unknown") -> str:
    """A foreign name, fit for a label: short, on one line, no keys, no mathematics, no letter that the font lacks.

    >>> words("a price of $5 and $6"), words("m" * 99, 9), words(None), words("_hidden")
    ('a price of \\\\$5 and \\\\$6', 'mmmmmmmm…', 'unknown', ' _hidden')
    """
    if text is None or text is pd.NA or text != text:
        return unknown
    clean = redact(str(text), limit)
    fonts = _fonts()
    shown = "".join(c if any(font.get_char_index(ord(c)) for font in fonts) else "?" for c in clean) if not clean.isascii() else clean
    shown = shown.replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown or unknown  # a legend leaves out what begins with a line


def _fonts() -> list[Any]:
    found = []
    for family in mpl.rcParams["font.family"]:
        try:
            path = font_manager.findfont(FontProperties(family=[family]), fallback_to_default=False)
        except ValueError:
            continue
        found.append(font_manager.get_font(path))
    return found or [font_manager.get_font(font_manager.findfont(FontProperties(family=["DejaVu Sans"])))]


def nothing(ax: Axes, why: str) -> Axes:
    """Say in the middle of empty axes why they are empty; axes that show something are left alone."""
    if not ax.has_data() and not ax.texts:
        ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center", va="center", wrap=True)
        ax.xaxis.set_major_locator(NullLocator())
        ax.yaxis.set_major_locator(NullLocator())
    return ax


def inches(ax: Axes) -> tuple[float, float]:
    """Width and height of the axes, about: a layout may still change them."""
    box, figure = ax.get_position(), ax.figure
    return box.width * figure.bbox.width / figure.dpi, box.height * figure.bbox.height / figure.dpi


def seconds(df: pd.DataFrame, column: str) -> Floats:
    """A column of timedeltas in seconds; nan where unknown."""
    return as_seconds(spans(df, column))


def as_seconds(microseconds: Ints) -> Floats:
    """Microseconds as seconds; nan where unknown."""
    return np.where(microseconds == UNKNOWN, np.nan, microseconds / 1e6)


def days(df: pd.DataFrame, column: str = "ts") -> Floats:
    """A column of times as matplotlib's numbers of days; nan where unknown."""
    return np.asarray(dates.date2num(moments(df, column).view("datetime64[us]")), dtype=np.float64)


def looks(artist: Any, given: dict[str, Any], **own: Any) -> dict[str, Any]:
    """How an artist looks: a figure's own choice, and over it what a person gave, by any name that matplotlib has for it.

    >>> from matplotlib.lines import Line2D
    >>> looks(Line2D, {"c": "k", "lw": 2}, color="r", marker="o")
    {'color': 'k', 'marker': 'o', 'linewidth': 2}
    """
    return own | cbook.normalize_kwargs(given, artist)


def named(df: pd.DataFrame, column: str) -> tuple[Ints, Callable[[int], str]]:
    """The group of each row, and what makes a group's label; rows without a word are a group of their own, the last."""
    codes, values = column_words(df, column)
    codes = np.where(codes < 0, len(values), codes)
    return codes, lambda code: words(values[code]) if code < len(values) else f"unknown {column}"


def ends(at: Floats) -> tuple[float, float]:
    """The first and the last moment that is known; nan where none is."""
    known = at[~np.isnan(at)]
    return (float(known.min()), float(known.max())) if len(known) else (np.nan, np.nan)


def span(value: float) -> str:
    """Seconds in words.

    >>> [span(s) for s in (0, 0.05, 1, 2.5, 90, 60, 5400, 48 * 3600, 1e6)]
    ['0 s', '50 ms', '1 s', '2.5 s', '1.5 min', '1 min', '1.5 h', '48 h', '11.6 d']
    """
    if 5e-7 < value < 0.9995:
        return f"{value * 1000:.3g} ms"
    size, unit = unit_for(value, {"s": 0.0, "min": 60.0, "h": 3600.0, "d": 172801.0})
    number = value / size if value > 5e-7 else 0.0
    return f"{number:,.0f} {unit}" if number >= 100 else f"{number:.3g} {unit}"


def percent(share: float) -> str:
    """A share in words: never all where something is left, never nothing where something is.

    >>> [percent(share) for share in (0, 0.0004, 0.034, 0.5, 0.997, 0.9996, 1)]
    ['0%', '<0.1%', '3.4%', '50%', '99.7%', '>99.9%', '100%']
    """
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    return f"{share:.1%}" if 0 < share < 0.1 or 0.99 <= share < 1 else f"{share:.0%}"


def unit_for(most: float, least: dict[str, float] | None = None, keep: str = "") -> tuple[float, str]:
    """The unit for spans up to so many seconds, and its length in seconds: s, min, h or d.

    Parameters
    ----------
    most : float
        Seconds.
    least : dict, optional
        From which length on a unit is used.
    keep : str
        The label of an axis: a unit that it names in its brackets is kept, so that two plots share one scale.
    """
    for unit, size in _UNITS.items():
        if keep.endswith(f"({unit})"):
            return size, unit
    least = least or {"s": 0.0, "min": 180.0, "h": 7200.0, "d": 172801.0}
    unit = [unit for unit, start in least.items() if most >= start or not start][-1]
    return _UNITS[unit], unit


def log_spans(axis: Axis, low: float, high: float) -> None:
    """Ticks of an axis with a logarithmic scale in seconds: 1 s, 10 s, 1 min."""
    ticks: Sequence[float] = _MORE_SPANS if high / max(low, 1e-9) < 300 else _SPANS
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: span(value)))


def count_axis(ax: Axes, most: int) -> bool:
    """Make the x axis one of attempts, in whole numbers, logarithmic where there are many; tells whether it is."""
    if most <= MANY:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        return False
    ax.set_xscale("log")
    digits, powers = ((1, 2, 5) if most < 300 else (1,)), range(0, 9, 1 if most < 100_000 else 2)
    ax.xaxis.set_major_locator(FixedLocator([digit * 10**power for power in powers for digit in digits]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    return True


class _Apart(untyped_dates.AutoDateLocator):
    """Ticks whose words don't run into each other: none just before the first of a month, and where there is no room every other one."""

    def __call__(self) -> Any:
        ticks: Any = np.asarray(dates.AutoDateLocator.__call__(self))
        if len(ticks) < 2:
            return ticks
        gaps = np.diff(ticks)
        ticks = ticks[np.append(gaps > 0.6 * gaps.max(), True)]
        axis: Any = self.axis
        step = float(gaps.max()) * 86400
        letters = 6 if step >= 59 else 8 if step >= 1 else 10
        wide = (letters * LETTER + 1) * axis.get_major_ticks(1)[0].label1.get_size() / 72
        view = abs(axis.get_view_interval()[1] - axis.get_view_interval()[0]) * 86400
        return ticks if step / view * inches(axis.axes)[0] >= wide else ticks[::2]


def wall_clock(ax: Axes, low: float, high: float, label: str = "time (UTC)") -> None:
    """Make the x axis one of times, in UTC whatever the machine's zone; `low` to `high` are drawn, in matplotlib's days."""
    ax.xaxis_date(UTC)
    least = 3 if inches(ax)[0] > 4.7 else 2
    apart: Any = _Apart  # whose matplotlib has no types
    locator = apart(tz=UTC, minticks=least, maxticks=2 * least + 1)  # a narrower choice finds no steps for some spans
    for frequency in (dates.MINUTELY, dates.SECONDLY):
        locator.intervald[frequency] = [1, 2, 5, 10, 15, 30]  # without the 2, ten minutes may have a single tick
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
    ax.set_xlabel(label, loc="left")  # the day, or the year of the days, stands at the right
    if high - low < 1 / 86400:  # matplotlib would show four years around a single moment
        ax.update_datalim([(low - 5 / 86400, np.nan), (high + 5 / 86400, np.nan)], updatey=False)
        ax.autoscale_view(scaley=False)
