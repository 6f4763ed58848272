"""Times of day as logs write them: in a layout's prefix, and as values of JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone

__all__ = ["first_moment", "moments_in"]

_ISO = re.compile(
    r"(?<!\d)(\d{4})([-/])(\d\d)\2(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?: ?(Z\b|UTC\b|[+-]\d\d:?\d\d(?!\d)))?(?!\d)"
)
_AMERICAN = re.compile(r"(?<!\d)(\d\d)/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d)(?!\d)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0), (1e20, 1e-3))
"""A number below the first is a time since 1970 in units of so many microseconds: in seconds until the year 5138."""


def moments_in(value: object) -> list[datetime]:
    """The times of day that a text or a number says, in order, aware where an offset stands beside them.

    Parameters
    ----------
    value : object
        A text with any number of times in it, or a number of seconds, milliseconds, micro- or nanoseconds since 1970.

    Returns
    -------
    list of datetime
        Empty where none is said.

    Examples
    --------
    >>> moments_in("2026-11-20 12:00:00,250 - INFO"), moments_in(1795176000)
    ([datetime.datetime(2026, 11, 20, 12, 0, 0, 250000)], [datetime.datetime(2026, 11, 20, 12, 0, tzinfo=datetime.timezone.utc)])
    """
    found: list[datetime | None] = []
    if isinstance(value, str):
        for iso in _ISO.finditer(value):
            year, _, month, day, hour, minute, second, fraction, offset = iso.groups()
            found.append(_moment(year, month, day, hour, minute, second, fraction or "", offset))
        for american in _AMERICAN.finditer(value):
            month, day, year, hour, minute, second = american.groups()
            found.append(_moment(f"20{year}", month, day, hour, minute, second))
    elif isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _UNITS[-1][0] and math.isfinite(value):
        unit = next(unit for limit, unit in _UNITS if value < limit)
        found.append(_EPOCH + timedelta(microseconds=round(value * unit)))
    return [moment for moment in found if moment is not None]


def first_moment(values: Iterable[object]) -> datetime | None:
    """The first time of day that some of the values say, UTC: one with an offset before one without, which is local time.

    >>> first_moment(["no time", "2026-11-20T12:00:00+02:00"])
    datetime.datetime(2026, 11, 20, 10, 0, tzinfo=datetime.timezone.utc)
    """
    found = [moment for value in values for moment in moments_in(value)]
    for moment in (*(m for m in found if m.tzinfo), *found):
        try:
            return moment.astimezone(UTC)
        except (OverflowError, OSError, ValueError):  # the first and the last day that there are; what the system can't convert
            continue
    return None


def _moment(
    year: str, month: str, day: str, hour: str, minute: str, second: str, fraction: str = "", offset: str | None = None
) -> datetime | None:
    try:
        zone = _zone(offset) if offset else None
        return datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), int(fraction[:6].ljust(6, "0")), tzinfo=zone)
    except ValueError:
        return None


def _zone(offset: str) -> timezone:
    if offset in ("Z", "UTC"):
        return UTC
    ahead = timedelta(hours=int(offset[1:3]), minutes=int(offset[-2:]))
    return timezone(-ahead if offset[0] == "-" else ahead)
