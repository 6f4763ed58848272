"""The record of retries as DataFrames, answers and figures.

>>> import chatkit.analysis as ca
>>> ca.calls(ca.attempts_frame([])).empty
True

`load_retry_log` reads chatkit's own log and those of other libraries, `capture_retries` listens to a block of code: both give one row an
attempt, as `COLUMNS` has it. `summarize`, `calls`, `outages` … answer questions about such a frame, `simulate` replays it under another
policy and gives a frame of the same kind, and `plot_backoff` …, `dashboard` draw it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chatkit.analysis.aggregates.grouping import calls
    from chatkit.analysis.aggregates.hours import by_hour
    from chatkit.analysis.aggregates.summaries import backoff_curve, by_kind, cost_of_waiting, summarize
    from chatkit.analysis.aggregates.windows import outages
    from chatkit.analysis.figures.dashboards import dashboard
    from chatkit.analysis.figures.loads import plot_load, plot_policies
    from chatkit.analysis.figures.plots import plot_attempts, plot_backoff, plot_kinds, plot_waiting
    from chatkit.analysis.figures.timelines import plot_timeline
    from chatkit.analysis.frames import COLUMNS, attempts_frame
    from chatkit.analysis.logs.capture import capture_retries
    from chatkit.analysis.logs.formats import format_names, register_format
    from chatkit.analysis.logs.load import load_retry_log
    from chatkit.analysis.replay.simulation import compare_policies, load_over_time, simulate

__all__ = [
    "COLUMNS",
    "attempts_frame",
    "backoff_curve",
    "by_hour",
    "by_kind",
    "calls",
    "capture_retries",
    "compare_policies",
    "cost_of_waiting",
    "dashboard",
    "format_names",
    "load_over_time",
    "load_retry_log",
    "outages",
    "plot_attempts",
    "plot_backoff",
    "plot_kinds",
    "plot_load",
    "plot_policies",
    "plot_timeline",
    "plot_waiting",
    "register_format",
    "simulate",
    "summarize",
]

_HOMES = {
    "figures.dashboards": "dashboard",
    "figures.loads": "plot_load plot_policies",
    "figures.plots": "plot_attempts plot_backoff plot_kinds plot_waiting",
    "figures.timelines": "plot_timeline",
    "frames": "COLUMNS attempts_frame",
    "logs.capture": "capture_retries",
    "logs.formats": "format_names register_format",
    "logs.load": "load_retry_log",
    "aggregates.grouping": "calls",
    "aggregates.hours": "by_hour",
    "aggregates.summaries": "backoff_curve by_kind cost_of_waiting summarize",
    "aggregates.windows": "outages",
    "replay.simulation": "compare_policies load_over_time simulate",
}
_HOME_OF = {name: f"{__name__}.{home}" for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
