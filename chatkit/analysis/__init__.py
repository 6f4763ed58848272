"""The record of retries as DataFrames, aggregates and figures.

>>> import chatkit.analysis as ca
>>> ca.calls(ca.attempts_frame([])).empty
True

`load_retry_log` reads chatkit's own log and the logs of other libraries, and `capture_retries` records the retries of a block of code. Both
give a frame of attempts: one row per attempt, with the columns of `COLUMNS`. `summarize`, `calls`, `outages` and others aggregate such a
frame, `simulate` replays it under another policy and gives a new frame of attempts, and `dashboard`, `plot_backoff` and others draw it.
"""

from __future__ import annotations


def __getattr__(name: str) -> object:
    from chatkit.lazy import load_public

    return load_public(__name__, name)


def __dir__() -> list[str]:
    from chatkit.lazy import public_names

    return public_names(__name__)
