"""`load_retry_log`: logs, or attempts that are held in memory, as one frame."""

from __future__ import annotations

import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from chatkit.analysis.frames import GrowingFrame
from chatkit.analysis.logs.formats import format_names, line_formats
from chatkit.analysis.logs.reading import AddRows, LogReader, SourceReport
from chatkit.analysis.logs.record_lines import RecordRow, read_value, reason_of
from chatkit.analysis.logs.sources import LogFile, default_logs, files_of, is_file
from chatkit.errors import UsageError
from chatkit.failures.redaction import redact
from chatkit.retries.log import AttemptRecord
from chatkit.retries.notice import RetryNotice

MAX_SOURCES_LISTED = 100
"""Sources whose reports the frame's attrs hold."""
MIN_BAR_BYTES = 16 << 20
"""Less is read before a bar could be seen; and without a bar, the outputs of notebooks stay the same from run to run."""
_BATCH_EVENTS = 1 << 14
"""Events that become rows at once."""
_COUNTS = ("rows", "lines", "damaged", "other", "filtered", "unfinished")
_SPAN = re.compile(r"\d\s*[a-z]", re.I)
"""A span has a number with a unit; digits without a unit are a year or a date."""
_SPAN_UNIT = re.compile(r"(?<=\d)(\s*)([dhs])(?![a-z])", re.I)
_PANDAS_UNITS = {"d": "D", "h": "h", "s": "s"}
"""The case of letters that pandas wants; it warns of the other."""


def load_retry_log(
    source: Any = None, *, format: str = "auto", since: Any = None, until: Any = None, progress: bool = True
) -> pd.DataFrame:
    """A log of retries as a DataFrame: one row per attempt, in the order of the log.

    Damage costs only the lines that it touches: a damaged line is counted, and the lines around it are read. A log that is being written
    is read up to the size that it has at the start.

    Parameters
    ----------
    source : str, Path, file object, list, anything with `attempts`, or None
        - a path; a glob (``**`` too); a folder, of which the ``.jsonl``, ``.log``, ``.json``, ``.ndjson``, ``.sse`` and ``.txt`` files are
          read, also with ``.gz`` or ``.zst``, but not the folders in it; a list of these. The files of a folder or a glob are sorted by
          name, those of a list are read in its order, one after the other: the frame is not sorted by time. A pipe or a device is read
          only where its own path is given; in a folder it is left out with a warning.
        - a file that gzip or zstd compressed, whatever its name; of an archive that breaks off, the part that is there.
        - a file object, text or binary; it is read from its current position, and stays open.
        - a list of `chatkit.AttemptRecord`, stream events, what ``on_retry`` receives, or dicts of them; a chat.
        - None: chatkit's own log on this machine, of all months and processes, or the file that ``CHATKIT_RETRY_LOG`` names. There is
          one file per month, with about 330 bytes per attempt.
    format : str
        One of `format_names`. With ``"auto"``, each line is read by the first format that claims it. A line that no format claims belongs
        to another program; but in a file with a record of chatkit, which makes it a log of chatkit, it is damaged.
    since, until : str, datetime, Timestamp, date or timedelta, optional
        Only attempts that began in [since, until). A time without a zone is UTC; a timedelta or ``"24h"`` means so long before now. Rows
        without a time are left out as well.
    progress : bool
        Show a progress bar where there is much to read (over 16 MB), by bytes of the files; it disappears at the end.

    Returns
    -------
    pandas.DataFrame
        With the columns and dtypes of `COLUMNS`, as `attempts_frame` explains them. Logs of other libraries hold only failed attempts,
        and values that they do not log are missing. ``frame.attrs["log"]`` counts the ``lines`` (without blank ones) and what became of
        them: ``rows``, ``filtered``, ``damaged`` and ``other`` (which no format claims); ``unfinished`` counts files whose last line
        was cut off. It has the same for each of the ``sources``, with its ``format``, its ``bytes``, whether it is ``truncated`` (an
        archive that breaks off), ``why`` lines are damaged, and the numbers of the ``first_damaged`` lines.

    Raises
    ------
    FileNotFoundError
        A path does not exist, or a glob or a folder has no file.
    UsageError
        No line fits any format; `source` is something else; the log is switched off; a time cannot be read.

    Examples
    --------
    >>> import io
    >>> log = io.StringIO("Retrying request to /chat/completions in 0.5 seconds\\nlistening on port 80\\n")
    >>> frame = load_retry_log(log)
    >>> frame["delay"].dt.total_seconds().tolist()
    [0.5]
    >>> frame.attrs["log"]["other"]
    1
    """
    since_ticks, until_ticks = bounds(since, until)
    formats = line_formats(None if format == "auto" else str(format))
    ours = {"auto": None, "chatkit": True}.get(format, False)
    frame = GrowingFrame(foreign=True)
    add = partial(frame.add, since=since_ticks, until=until_ticks)
    reports: list[SourceReport] = []
    files, events = _files_or_events(source)
    if events is not None:
        reports.append(_read_events(events, type(source).__name__, add))
    with _progress_bar(sum(file.size for file in files), progress) as advance:
        for file in files:
            report = SourceReport(file.name)
            reports.append(report)
            reader = LogReader(report, formats, ours, add)
            for piece, ended in file.pieces(advance):
                reader.take(piece, ended)
            report.bytes, report.truncated = file.bytes_read, file.truncated
    if not any(report.rows or report.filtered for report in reports) and any(report.complete for report in reports):
        raise _no_retry_found(reports, format)
    result = frame.take()
    result.attrs["log"] = {name: sum(getattr(report, name) for report in reports) for name in _COUNTS}
    result.attrs["log"]["sources"] = [report.as_dict() for report in reports[:MAX_SOURCES_LISTED]]
    if len(reports) > MAX_SOURCES_LISTED:
        result.attrs["log"]["sources_not_listed"] = len(reports) - MAX_SOURCES_LISTED
    return result


def _files_or_events(source: Any) -> tuple[list[LogFile], Iterable[Any] | None]:
    if source is None:
        return default_logs(), None
    if is_file(source):
        return files_of(source), None
    if hasattr(source, "attempts"):
        return [], source.attempts
    if isinstance(source, pd.DataFrame | dict) or not isinstance(source, Iterable):
        raise UsageError(f"load_retry_log() can't read a {type(source).__name__}: give paths, open files, a list of events, or a chat")
    items = list(source)
    return (files_of(items), None) if any(map(is_file, items)) else ([], items)


def _no_retry_found(reports: Sequence[SourceReport], format: str) -> UsageError:
    one = next(report for report in reports if report.complete)
    if not one.first:
        return UsageError(
            f"load_retry_log() found no retry in the {one.source}: {one.damaged:,} of its items can't be read: {dict(one.why)}"
        )
    more = f" (and {len(reports) - 1} more)" if len(reports) > 1 else ""
    tried = "no format knows" if format == "auto" else f"the format {format!r} doesn't know"
    reasons = sum((report.why for report in reports), Counter[str]())
    reason = f", most often: {reasons.most_common(1)[0][0]}" if reasons else ""
    first = redact(one.first.decode("utf-8", "ignore"), 80) or one.first[:20]
    return UsageError(
        f"load_retry_log() found no retry in {one.source}{more}: {tried} any of its {one.lines:,} lines{reason}. "
        f"The first begins {first!r}. Give format= one of {', '.join(format_names())}, or teach it yours with register_format()."
    )


@contextmanager
def _progress_bar(total: int, wanted: bool) -> Iterator[Callable[[int], object]]:
    """A function that moves a progress bar by so many bytes; whatever goes wrong with the bar stops nothing."""
    bar: Any = None
    if wanted and total > MIN_BAR_BYTES and sys.stderr is not None:
        with suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tqdm warns where the front end shows no widgets
            from tqdm.auto import tqdm

            bar = tqdm(total=total, unit="B", unit_scale=True, desc="reading", leave=False)

    def advance(size: int) -> None:
        if bar is not None:
            with suppress(Exception):
                bar.update(size)

    try:
        yield advance
    finally:
        if bar is not None:
            with suppress(Exception):
                bar.close()


def _read_events(events: Iterable[Any], name: str, add: AddRows) -> SourceReport:
    """Append the rows of events and records; in the report, each counts as a line."""
    report = SourceReport(name)
    report.formats["events"] = 1
    rows = _rows_of_events(_flat(events), report)
    while batch := list(islice(rows, _BATCH_EVENTS)):
        filtered = add({field: [row.get(field) for row in batch] for field in RecordRow.__struct_fields__})
        report.add_rows(len(batch), filtered)
    report.complete = report.damaged > 0
    return report


def _flat(events: Iterable[Any]) -> Iterator[Any]:
    for event in events:
        yield from event.attempts if hasattr(event, "attempts") else (event,)


def _rows_of_events(events: Iterable[Any], report: SourceReport) -> Iterator[Mapping[str, Any]]:
    """The fields of each event that is a row; the others are counted in the report."""
    for number, event in enumerate(events, 1):
        if not isinstance(event, Mapping | msgspec.Struct):
            raise UsageError(
                f"load_retry_log(): give AttemptRecord values, retry events or dicts of them, or only paths; found a {type(event).__name__}"
            )
        try:
            fields = _fields_of_event(event)
        except (ValueError, TypeError, RecursionError, msgspec.MsgspecError) as error:
            reason = reason_of(error) if isinstance(error, msgspec.ValidationError | RecursionError) else "not readable as an event"
            report.add_damaged(number, reason)
            continue
        if fields is None:
            report.other += 1
        else:
            yield fields


def _fields_of_event(event: Any) -> Mapping[str, Any] | None:
    """The fields of a record or of a retry event, which may be given as dicts; None for another event."""
    if isinstance(event, AttemptRecord) or (isinstance(event, Mapping) and not event.keys() & {"type", "retrying_at"}):
        return msgspec.structs.asdict(read_value(event))
    if isinstance(event, Mapping):
        event = RetryNotice(**event) if "classification" in event else {"type": "retry", **event}
    if isinstance(event, RetryNotice):
        event = event.event()
    (stream,) = line_formats("sse")
    return stream.parse("data: " + msgspec.json.encode(event).decode())


def bounds(since: Any, until: Any) -> tuple[int | None, int | None]:
    """Both ends of [since, until) in microseconds since 1970, None where it is open.

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
    # rounded up: a time in a column of microseconds lies at or after the moment exactly where it lies at or after this
    return -((pd.Timestamp(0, tz="UTC") - moment) // pd.Timedelta(microseconds=1))


def _moment(value: Any, now: pd.Timestamp) -> pd.Timestamp | None:
    if isinstance(value, timedelta | np.timedelta64):
        return now - pd.Timedelta(value)
    if isinstance(value, bool | int | float):  # it may be seconds ago, or seconds since 1970
        return None
    if isinstance(value, str) and _SPAN.search(value):
        with suppress(ValueError):  # "20 Nov 2026"
            iso = value.strip().startswith("P")
            return now - pd.Timedelta(value if iso else _SPAN_UNIT.sub(lambda unit: _PANDAS_UNITS[unit[2].lower()], value))
    moment = pd.Timestamp(value)
    if isinstance(value, str) and moment.tzinfo is None:
        moment = pd.Timestamp(value, tz="UTC")  # pandas reads "now" as local time unless it is given a zone
    return moment.tz_localize("UTC") if moment.tzinfo is None else moment
