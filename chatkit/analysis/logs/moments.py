"""Times of day as logs write them: in a layout's prefix, and as values of JSON."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone

_TIME = r"(\d\d):(\d\d):(\d\d)"
_NAMES = r"A?[ECMP][SD]T|[CEW]ES?T|[BHIJK]ST|NZ[SD]T|MSK"
"""Zones of which several may have the same name."""
_REST = rf"(?:[.,](\d{{1,9}}))?(?: ?((?:Z|UTC|GMT|{_NAMES})\b|[+-]\d\d:?\d\d(?!\d)|(?<=\d)[+-]\d\d(?![\d:-])))?(?!\d)"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = f"({'|'.join(_MONTHS)})"
_ISO = re.compile(rf"(?<!\d)(\d{{4}})([-/])(\d\d)\2(\d\d)[T ]{_TIME}{_REST}")
_NAMED = re.compile(rf"(?<!\d)(\d\d)([ /-]){_MONTH}\2(20\d\d)[ :]{_TIME}{_REST}")
_CTIME = re.compile(rf"\b{_MONTH} ([ \d]\d) {_TIME} (20\d\d)(?![\d-])")
_AMERICAN = re.compile(rf"(?<!\d)(\d\d)/(\d\d)/(?:(\d\d) {_TIME}(?!\d| [AP]M)|(20\d\d) {_TIME} ([AP])M\b)")
"""Four digits of a year behind two numbers stand for a day in one country and for a month in another, unless AM or PM tells."""
_NUMBER = re.compile(r"\d{9,20}(?:\.\d{1,9})?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0), (1e20, 1e-3))
"""A number below the first is a time since 1970 in units of so many microseconds: in seconds until the year 5138."""


def moments_in(value: object) -> list[datetime]:
    """The times of day that a text or a number says, in order, aware where an offset stands beside them.

    Parameters
    ----------
    value : object
        A text with any number of times in it; a number of seconds, milliseconds, micro- or nanoseconds since 1970, also as text;
        an object of JSON that holds one of these.

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
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value) if "." in value else int(value)
    if isinstance(value, Mapping):  # as loguru and databases write a time
        return [moment for part in value.values() if not isinstance(part, Mapping) for moment in moments_in(part)]
    if isinstance(value, str):
        for year, _, month, day, *rest in _ISO.findall(value):
            found.append(_moment(year, month, day, *rest))
        for day, _, month, year, *rest in _NAMED.findall(value):
            found.append(_moment(year, month, day, *rest))
        for month, day, *rest, year in _CTIME.findall(value):
            found.append(_moment(year, month, day, *rest))
        for month, day, short, *rest, half in _AMERICAN.findall(value):
            found.append(_moment(f"20{short}", month, day, *rest[:3]) if short else _of_half(half, rest[3], month, day, *rest[4:]))
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


def _moment(year: str, month: str, day: str, hour: str, minute: str, second: str, fraction: str = "", offset: str = "") -> datetime | None:
    try:
        zone = _zone(offset) if offset else None
        number = _MONTHS.index(month) + 1 if month in _MONTHS else int(month)
        return datetime(int(year), number, int(day), int(hour), int(minute), int(second), int(fraction[:6].ljust(6, "0")), tzinfo=zone)
    except ValueError:
        return None


def _of_half(half: str, year: str, month: str, day: str, hour: str, minute: str, second: str) -> datetime | None:
    """With an hour from 1 to 12, before noon or after."""
    if not 1 <= int(hour) <= 12:
        return None
    return _moment(year, month, day, str(int(hour) % 12 + 12 * (half == "P")), minute, second)


def _zone(offset: str) -> timezone | None:
    """None for this machine's own."""
    if offset in ("Z", "UTC", "GMT"):
        return UTC
    if offset.isalpha():
        if offset in time.tzname:
            return None
        raise ValueError("another zone, which may be any of that name")
    ahead = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:].lstrip(":") or 0))
    return timezone(-ahead if offset[0] == "-" else ahead)
