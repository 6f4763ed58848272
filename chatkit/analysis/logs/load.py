"""Logs of retries as one frame: chatkit's own, and those that other libraries wrote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from functools import partial
from typing import Any

import pandas as pd

from chatkit.analysis.frames import GrowingFrame
from chatkit.analysis.logs.blocks import Unpacked, pieces_of
from chatkit.analysis.logs.event_rows import account_of_events
from chatkit.analysis.logs.formats import format_names, line_formats
from chatkit.analysis.logs.periods import bounds
from chatkit.analysis.logs.progress import Bar
from chatkit.analysis.logs.reading import Account, Reading
from chatkit.analysis.logs.sources import FileSource, default_logs, files_of, is_file
from chatkit.errors import UsageError
from chatkit.failures.redaction import redact

TOLD = 100
"""Sources that the frame's attrs list."""
COUNTS = ("rows", "lines", "damaged", "other", "filtered")


def load_retry_log(
    source: Any = None, *, format: str = "auto", since: Any = None, until: Any = None, progress: bool = True
) -> pd.DataFrame:
    """A log of retries as a DataFrame: one row an attempt, in the order of the log.

    What can be read is read: a damaged line is counted and its neighbours are whole. A log that is being written is read to the size
    that it has.

    Parameters
    ----------
    source : str, Path, file object, list, anything with `attempts`, or None
        - a path; a glob (``**`` too); a folder, of which the ``.jsonl``, ``.log``, ``.json``, ``.ndjson``, ``.sse`` and ``.txt`` files are
          read, also with ``.gz`` or ``.zst``, but not its folders; a list of these. Files of a folder or a glob are read sorted by name, a
          list in its order, one after the other: the frame isn't sorted by time.
        - a file of gzip or zstd, whatever its name; of one that breaks off, what is there.
        - an open file, text or binary; it is read from where it stands, and stays open.
        - a list of `chatkit.AttemptRecord`, stream events, what ``on_retry`` heard, or dicts of them; a chat, a reply.
        - None: chatkit's own log of this machine, all months and processes, or the file that ``CHATKIT_RETRY_LOG`` names.
    format : str
        A name of `format_names`. With ``"auto"`` each line goes to the first format that claims it. A line that none claims is another
        program's, and in a file with a record of chatkit, which is chatkit's log, it is damaged.
    since, until : str, datetime, Timestamp, date or timedelta, optional
        Only attempts that began in [since, until). A time without a zone is UTC; a timedelta or ``"24h"`` means so long ago. Rows without
        a time are left out as well.
    progress : bool
        Show a bar where there is much to read (over 16 MB), by bytes of the files; it is gone at the end.

    Returns
    -------
    pandas.DataFrame
        With the columns and dtypes of `COLUMNS`, as `attempts_frame` explains them. Logs of other libraries hold failed attempts
        alone, and what they don't say is missing. ``frame.attrs["log"]`` counts ``lines`` (not the blank ones) and what became of
        them: ``rows``, ``filtered``, ``damaged`` and ``other`` (no format claims them); ``unfinished`` counts files whose last line
        was cut off. It says the same of each of ``sources``, with its ``format``, ``bytes``, whether it is ``truncated`` (an archive
        that breaks off), ``why`` lines are damaged, and the numbers of the ``first_damaged``.

    Raises
    ------
    FileNotFoundError
        A path, or what a glob or folder should hold, isn't there.
    UsageError
        No line fits any format; `source` is something else; the log is switched off; a time that can't be read.

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
    accounts: list[Account] = []
    files, events = _sorted_out(source)
    if events is not None:
        accounts.append(account_of_events(events, type(source).__name__, add))
    with Bar(sum(file.size for file in files), progress) as bar:
        for file in files:
            account = Account(file.name)
            accounts.append(account)
            _read(file, Reading(account, formats, ours, add), bar)
    counts = {name: sum(getattr(account, name) for account in accounts) for name in COUNTS}
    if not counts["rows"] + counts["filtered"] and any(account.complete for account in accounts):
        raise _nothing_fits(accounts, format)
    result = frame.take()
    result.attrs["log"] = _told(accounts, counts)
    return result


def _read(file: FileSource, reading: Reading, bar: Bar) -> None:
    account = reading.account

    def came(size: int) -> None:
        account.bytes += size
        bar.advance(size)

    with closing(file.blocks(came)) as blocks:
        unpacked = Unpacked(blocks)
        for piece, whole in pieces_of(unpacked):
            reading.take(piece, whole)
    account.truncated = unpacked.truncated or file.truncated


def _sorted_out(source: Any) -> tuple[list[FileSource], Iterable[Any] | None]:
    """The files, or the events, that are meant."""
    if source is None:
        return default_logs(), None
    if is_file(source):
        return files_of(source), None
    if hasattr(source, "attempts"):
        return [], source.attempts
    if isinstance(source, pd.DataFrame | dict) or not isinstance(source, Iterable):
        raise UsageError(f"load_retry_log() can't read a {type(source).__name__}: give paths, open files, a list of events, or a chat")
    items = list(source)
    if not items or not any(map(is_file, items)):
        return [], items
    return files_of(items), None


def _told(accounts: Sequence[Account], counts: dict[str, int]) -> dict[str, Any]:
    told: dict[str, Any] = {**counts, "unfinished": sum(account.unfinished for account in accounts)}
    told["sources"] = [account.told() for account in accounts[:TOLD]]
    if len(accounts) > TOLD:
        told["sources_not_listed"] = len(accounts) - TOLD
    return told


def _nothing_fits(accounts: Sequence[Account], format: str) -> UsageError:
    one = next(account for account in accounts if account.complete)
    if not one.first:
        return UsageError(
            f"load_retry_log() found no retry in the {one.source}: {one.complete:,} of its items can't be read: {dict(one.why)}"
        )
    more = f" (and {len(accounts) - 1} more)" if len(accounts) > 1 else ""
    tried = "no format knows" if format == "auto" else f"the format {format!r} doesn't know"
    why: Counter[str] = Counter()
    for account in accounts:
        why.update(account.why)
    reasons = f", most often: {why.most_common(1)[0][0]}" if why else ""
    first = redact(one.first.decode("utf-8", "ignore"), 80) or one.first[:20]
    return UsageError(
        f"load_retry_log() found no retry in {one.source}{more}: {tried} any of its {one.complete:,} lines{reasons}. "
        f"The first begins {first!r}. Give format= one of {', '.join(format_names())}, or teach it yours with register_format()."
    )
