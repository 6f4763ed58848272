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
    from chatkit.analysis.capture import capture_retries
    from chatkit.analysis.dashboards import dashboard
    from chatkit.analysis.formats import format_names, register_format
    from chatkit.analysis.frames import COLUMNS, attempts_frame
    from chatkit.analysis.grouping import calls
    from chatkit.analysis.hours import by_hour
    from chatkit.analysis.load import load_retry_log
    from chatkit.analysis.loads import plot_load, plot_policies
    from chatkit.analysis.plots import plot_attempts, plot_backoff, plot_kinds, plot_waiting
    from chatkit.analysis.replay import compare_policies, load_over_time, simulate
    from chatkit.analysis.summaries import backoff_curve, by_kind, cost_of_waiting, summarize
    from chatkit.analysis.timelines import plot_timeline
    from chatkit.analysis.windows import outages

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
    "capture": "capture_retries",
    "dashboards": "dashboard",
    "formats": "format_names register_format",
    "frames": "COLUMNS attempts_frame",
    "grouping": "calls",
    "hours": "by_hour",
    "load": "load_retry_log",
    "loads": "plot_load plot_policies",
    "plots": "plot_attempts plot_backoff plot_kinds plot_waiting",
    "replay": "compare_policies load_over_time simulate",
    "summaries": "backoff_curve by_kind cost_of_waiting summarize",
    "timelines": "plot_timeline",
    "windows": "outages",
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
