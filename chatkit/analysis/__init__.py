"""The record of retries as DataFrames.

>>> import chatkit.analysis as ca
>>> ca.attempts_frame([]).empty
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chatkit.analysis.frames import COLUMNS, attempts_frame

__all__ = ["COLUMNS", "attempts_frame"]

_HOMES = {"COLUMNS": "frames", "attempts_frame": "frames"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
