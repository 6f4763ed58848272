"""From when until when: what a person says of a period, in microseconds since 1970."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from chatkit.errors import UsageError

_SPAN = re.compile(r"\d\s*[a-z]", re.I)
"""A span has a number with a unit; mere digits are a year or a date."""
_UNIT = re.compile(r"(?<=\d)(\s*)([dhs])(?![a-z])", re.I)
_UNITS = {"d": "D", "h": "h", "s": "s"}
"""As pandas wants them written; it warns of the other case."""


def bounds(since: Any, until: Any) -> tuple[int | None, int | None]:
    """Both ends of [since, until), None where it is open.

    Parameters
    ----------
    since, until : str, datetime, Timestamp, date, timedelta or None
        A timedelta, or text such as ``"24h"``, means so long before now; a time without a zone is UTC.

    Raises
    ------
    UsageError
        One of them can't be read, or they are the wrong way round.

    Examples
    --------
    >>> bounds("1970-01-01 00:00:01", None)
    (1000000, None)
    """
    now = pd.Timestamp.now("UTC")
    begin, end = _ticks("since", since, now), _ticks("until", until, now)
    if begin is not None and end is not None and begin > end:
        raise UsageError(f"since={since!r} lies after until={until!r}: exchange them")
    return begin, end


def _ticks(name: str, value: Any, now: pd.Timestamp) -> int | None:
    if value is None:
        return None
    try:
        moment = _moment(value, now)
    except (ValueError, TypeError, OverflowError):
        moment = None
    if moment is None or pd.isna(moment):
        raise UsageError(f"{name}={value!r}: give a time ('2026-11-20 09:00', a datetime) or how long ago it is ('24h', a timedelta)")
    # rounded up: what a column of microseconds holds is at or after a time exactly if it is at or after this
    return -((pd.Timestamp(0, tz="UTC") - moment) // pd.Timedelta(microseconds=1))


def _moment(value: Any, now: pd.Timestamp) -> pd.Timestamp | None:
    if isinstance(value, timedelta | np.timedelta64):
        return now - pd.Timedelta(value)
    if isinstance(value, bool | int | float):  # seconds ago, or since 1970? Nobody knows
        return None
    if isinstance(value, str) and _SPAN.search(value):
        try:
            iso = value.strip().startswith("P")
            return now - pd.Timedelta(value if iso else _UNIT.sub(lambda unit: _UNITS[unit[2].lower()], value))
        except ValueError:
            pass  # "20 Nov 2026"
    moment = pd.Timestamp(value)
    if isinstance(value, str) and moment.tzinfo is None:
        moment = pd.Timestamp(value, tz="UTC")  # "now" is told in local time unless a zone is given
    return moment.tz_localize("UTC") if moment.tzinfo is None else moment
