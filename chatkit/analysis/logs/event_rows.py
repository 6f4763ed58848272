"""Events and records that somebody holds in memory, as rows of the frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

from chatkit.analysis.columns import Values
from chatkit.analysis.logs.formats import line_formats
from chatkit.analysis.logs.reading import Account
from chatkit.analysis.logs.record_lines import Row, read_value, reason_of
from chatkit.errors import UsageError
from chatkit.retries.log import AttemptRecord
from chatkit.retries.notice import RetryNotice

BATCH = 1 << 14
"""Events that become rows at once."""


def account_of_events(events: Iterable[Any], name: str, add: Callable[[dict[str, Values]], int]) -> Account:
    """Append the rows of some events, and tell what became of them: each counts as a line.

    Parameters
    ----------
    events : iterable
        `AttemptRecord`, stream events, `RetryNotice`, dicts of them, or anything with `attempts`.
    name : str
        What the account calls them.
    add : callable
        Takes rows, sorted by field; gives how many of them were filtered out.

    Raises
    ------
    UsageError
        One of them is something else.
    """
    account = Account(name)
    account.formats["events"] = 1
    rows = _rows(_flat(events), account)
    while batch := list(islice(rows, BATCH)):
        filtered = add({field: [row.get(field) for row in batch] for field in Row.__struct_fields__})
        account.filtered += filtered
        account.rows += len(batch) - filtered
    account.lines = account.rows + account.filtered + account.damaged + account.other
    account.complete = account.damaged
    return account


def _flat(events: Iterable[Any]) -> Iterator[Any]:
    for event in events:
        if hasattr(event, "attempts"):
            yield from event.attempts
        else:
            yield event


def _rows(events: Iterable[Any], account: Account) -> Iterator[Mapping[str, Any]]:
    """The fields of each that is a row; the account hears of the others."""
    (stream,) = line_formats("sse")
    for number, event in enumerate(events, 1):
        if not isinstance(event, Mapping | msgspec.Struct):
            raise UsageError(
                f"load_retry_log(): give AttemptRecord values, retry events or dicts of them, or only paths; found a {type(event).__name__}"
            )
        try:
            fields = _record_of(event)
            if fields is None:
                fields = stream.parse("data: " + msgspec.json.encode(_event_of(event)).decode())
        except (ValueError, TypeError, RecursionError, msgspec.MsgspecError) as error:
            reason = reason_of(error) if isinstance(error, msgspec.ValidationError | RecursionError) else "not readable as an event"
            account.add_damaged(number, reason)
            continue
        if fields is None:
            account.other += 1
        else:
            yield fields


def _record_of(event: Any) -> Mapping[str, Any] | None:
    """The fields of a record; None of anything else that may be an event."""
    if isinstance(event, AttemptRecord) or (isinstance(event, Mapping) and not event.keys() & {"type", "retrying_at"}):
        return msgspec.structs.asdict(read_value(event))
    return None


def _event_of(event: Any) -> Any:
    """What the stream would say."""
    if isinstance(event, Mapping):
        if "classification" in event:
            return RetryNotice(**event).event()
        return {"type": "retry", **event}
    return event.event() if isinstance(event, RetryNotice) else event
