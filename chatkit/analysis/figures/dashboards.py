"""The dashboard: six figures of a record on one page."""

from __future__ import annotations

import sys
from importlib import import_module
from io import BytesIO
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from chatkit.analysis.aggregates.per_call import calls
from chatkit.analysis.aggregates.summaries import summarize
from chatkit.analysis.figures.drawing import as_label, percent, seconds, span
from chatkit.analysis.figures.loads import plot_load
from chatkit.analysis.figures.plots import draw_attempts, plot_backoff, plot_kinds, plot_waiting
from chatkit.analysis.figures.timelines import draw_timeline

INCHES = (12.0, 8.0)
PANELS: list[Any] = [["timeline", "timeline", "load"], ["timeline", "timeline", "waiting"], ["kinds", "backoff", "attempts"]]


def dashboard(df: pd.DataFrame, *, title: str | None = None) -> Figure:
    """Draw the timeline, load, time waited, failures, backoff and attempts of a record as one figure, under a line that summarizes it.

    Parameters
    ----------
    df : pandas.DataFrame
        A frame of attempts, recorded or simulated, with the columns of `COLUMNS`.
    title : str, optional
        A title above that line.

    Returns
    -------
    matplotlib.figure.Figure
        A figure of 12 × 8 inches, or larger if the font of your style is larger than 10 points. It is displayed once as the last
        expression of a notebook cell. pyplot doesn't manage it, so you needn't close it; ``savefig`` saves it.

    Raises
    ------
    UsageError
        A column is missing.

    Examples
    --------
    >>> from chatkit.analysis import attempts_frame
    >>> dashboard(attempts_frame([])).get_suptitle()
    'no attempts recorded'
    """
    table = calls(df)
    _let_notebooks_show_figures()
    scale = max(FontProperties(size="medium").get_size_in_points() / 10, 1)  # larger letters need more room
    figure = Figure(figsize=(INCHES[0] * scale, INCHES[1] * scale), layout="constrained")
    panels: dict[str, Axes] = figure.subplot_mosaic(PANELS)
    draw_timeline(df, table, ax=panels["timeline"])
    plot_load(df, ax=panels["load"])
    plot_waiting(df, ax=panels["waiting"])
    plot_kinds(df, ax=panels["kinds"])
    plot_backoff(df, ax=panels["backoff"])
    draw_attempts(table, ax=panels["attempts"])
    names = {
        "timeline": panels["timeline"].get_title() or "calls",
        "load": "requests",
        "waiting": "time spent waiting",
        "kinds": "failures",
        "backoff": "backoff",
        "attempts": "attempts until success",
    }
    for panel, name in names.items():
        panels[panel].set_title(name, fontsize="medium")
    figure.suptitle("\n".join(filter(None, [title and as_label(title, 100), _summary(df)])))
    return figure


def _summary(df: pd.DataFrame) -> str:
    """The record in one line."""
    if df.empty:
        return "no attempts recorded"
    whole = summarize(df, by=None)
    row = whole.iloc[0]
    parts = [_counted(row["calls"], "call")] if row["calls"] else []
    parts.append(_counted(row["attempts"], "attempt" if df["outcome"].notna().any() else "failed attempt"))
    waited = float(np.nan_to_num(seconds(whole, "waited"))[0])
    share = "" if pd.isna(row["waiting_share"]) else f" ({percent(float(row['waiting_share']))} of the calls' time)"
    parts.append(f"{span(waited)} waited{share}")
    if not pd.isna(row["success_rate"]):
        parts.append(f"{percent(float(row['success_rate']))} of {_counted(row['success_of'], 'call')} succeeded")
    return " · ".join(parts)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _let_notebooks_show_figures() -> None:
    """Let a kernel display figures, as its inline backend does once it is loaded; outside a kernel, do nothing."""
    if "ipykernel" not in sys.modules:
        return
    from IPython import get_ipython

    shell: Any = get_ipython()
    if shell is None:
        return
    if mpl.get_backend() in ("inline", "module://matplotlib_inline.backend_inline"):
        import_module("matplotlib_inline.backend_inline")
    formatters = shell.display_formatter.formatters
    if not any(Figure in formatter for formatter in formatters.values()):  # another backend, such as ipympl's
        formatters["image/png"].for_type(Figure, _png)


def _png(figure: Figure) -> bytes:
    file = BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
