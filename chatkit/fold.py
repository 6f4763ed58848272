"""Events to messages: the only place where deltas are joined and withdrawn.

`Transcript` applies events one by one and always knows what the chat looks like now. The rules (who withdraws what) are
here once; views, subscribers and replies all read them off the same fold.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import assert_never

from msgspec.structs import replace

from chatkit.errors import ChatkitError
from chatkit.events import (
    Approval,
    ErrorEvent,
    Event,
    MessagePart,
    Queued,
    QueueUpdate,
    Reset,
    Retry,
    Status,
    StatusWord,
    TitleEvent,
)
from chatkit.parts import Message, Part, Reasoning, Role, Text, ToolCall, ToolResult


class _Buffer:
    """One part in flight: the latest value, and the pieces of its text or arguments."""

    __slots__ = ("event", "pieces")

    def __init__(self, event: MessagePart) -> None:
        self.event = event
        self.pieces: list[str] = []

    def add(self, event: MessagePart) -> None:
        new, old = event.part, self.event.part
        if type(new) is Text or type(new) is Reasoning:
            self.pieces.append(new.text)
            if old.provider_data is not None and new.provider_data is None:
                event = replace(event, part=replace(new, provider_data=old.provider_data))
        elif type(new) is ToolCall and type(old) is ToolCall:
            if new.args is not None:
                self.pieces.clear()
            elif old.args is None:
                self.pieces.append(new.args_delta)
            merged = replace(
                new,
                tool_name=new.tool_name or old.tool_name,
                args=new.args if new.args is not None else old.args,
                provider_executed=new.provider_executed or old.provider_executed,
                provider_data=new.provider_data if new.provider_data is not None else old.provider_data,
            )
            event = replace(event, part=merged)
        self.event = event

    def joined(self) -> MessagePart:
        part = self.event.part
        text = "".join(self.pieces)
        if type(part) is Text or type(part) is Reasoning:
            return replace(self.event, part=replace(part, text=text))
        if type(part) is ToolCall:
            return replace(self.event, part=replace(part, args_delta="" if part.args is not None else text))
        return self.event


class _Flight:
    """The parts in flight, by role, step and index, in the order in which they began."""

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, int, int], _Buffer] = {}

    def __bool__(self) -> bool:
        return bool(self._buffers)

    def add(self, event: MessagePart) -> None:
        key = (event.role, event.step, event.index)
        buffer = self._buffers.get(key)
        if buffer is None or type(buffer.event.part) is not type(event.part):
            buffer = self._buffers[key] = _Buffer(event)
        buffer.add(event)

    def clear(self) -> None:
        self._buffers.clear()

    def supersede(self, message: Message) -> None:
        """Drop what `message` commits."""
        results = {p.tool_call_id for p in message.parts if isinstance(p, ToolResult)}

        def done(event: MessagePart) -> bool:
            part = event.part
            return event.role == message.role and (
                message.role != "tool" or (isinstance(part, ToolResult) and part.tool_call_id in results)
            )

        self._buffers = {key: b for key, b in self._buffers.items() if not done(b.event)}

    def events(self) -> list[MessagePart]:
        """One event a part, in the order of their last pieces."""
        return sorted((b.joined() for b in self._buffers.values()), key=lambda e: e.seq)

    def parts(self) -> Iterator[tuple[MessagePart, Part]]:
        for key in sorted(self._buffers, key=lambda k: (k[1], k[0] == "tool", k[2])):
            event = self._buffers[key].joined()
            yield event, event.part


class Transcript:
    """What a chat looks like after the events so far.

    Attributes
    ----------
    messages : list of Message
        What was committed, by id.
    status : str or None
        The last status.
    title : str
        The last title.
    queue : tuple of Queued
        The messages that wait.
    retry : Retry or None
        The wait that lasts.
    error : ErrorEvent or None
        The failure that ended the last turn.
    approvals : dict of str to Approval
        The questions that wait for a yes or no, by tool call.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.messages: list[Message] = []
        self.status: Status | None = None
        self.title: TitleEvent | None = None
        self.queue: QueueUpdate | None = None
        self.retry: Retry | None = None
        self.error: ErrorEvent | None = None
        self.approvals: dict[str, Approval] = {}
        self._flight = _Flight()
        for event in events:
            self.apply(event)

    @property
    def status_word(self) -> StatusWord:
        return self.status.status if self.status else "waiting"

    @property
    def running(self) -> bool:
        """Whether a turn runs, or is about to."""
        return self.status_word not in ("waiting", "error")

    @property
    def queued(self) -> tuple[Queued, ...]:
        return self.queue.queue if self.queue else ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts in flight of the assistant, joined, in their order."""
        return tuple(part for role, part in self.flight if role == "assistant")

    @property
    def flight(self) -> tuple[tuple[Role, Part], ...]:
        """All parts in flight, joined, in their order, each with whose it is."""
        return tuple((event.role, part) for event, part in self._flight.parts())

    def apply(self, event: Event) -> None:
        """Take in one event, in the order in which they came."""
        if type(event) is MessagePart:
            self.retry = None
            self._flight.add(event)
            return
        match event:
            case MessagePart():
                raise ChatkitError("an event of a class derived from MessagePart")
            case Message():
                self._flight.supersede(event)
                self._store(event)
            case Retry():
                self._flight.clear()
                self.retry = event
            case Status():
                self.status = event
                self.retry = None
                if event.status in ("pending", "running"):
                    self.error = None
            case ErrorEvent():
                self._flight.clear()
                self.retry = None
                self.error = event
            case QueueUpdate():
                self.queue = event
            case Reset():
                self._flight.clear()
                self.retry = self.error = None
                self.messages = [m for m in self.messages if m.id <= event.after_id]
            case TitleEvent():
                self.title = event
            case Approval():
                self.approvals[event.tool_call_id] = event
            case _:
                assert_never(event)

    def _store(self, message: Message) -> None:
        for part in message.parts:
            if isinstance(part, ToolResult):
                self.approvals.pop(part.tool_call_id, None)
        at = bisect_left(self.messages, message.id, key=lambda m: m.id)
        known = at < len(self.messages) and self.messages[at].id == message.id
        self.messages[at : at + known] = [message]

    def replay(self, after_id: int = 0) -> list[Event]:
        """Events that bring a late subscriber to where the chat is now; the live ones follow.

        Parameters
        ----------
        after_id : int, default 0
            The last message that the subscriber has.

        Returns
        -------
        list of Event
            Status, messages by id, queue, title, error, the wait that lasts, open questions, the parts in flight.
        """
        lasting = (self.queue, self.title, self.error, self.retry, *self.approvals.values(), *self._flight.events())
        head: list[Event] = [self.status] if self.status else []
        return head + [m for m in self.messages if m.id > after_id] + [e for e in lasting if e is not None]


def merge(events: Iterable[Event]) -> list[Event]:
    """The same story in fewer events: the pieces of a part become one, which carries the last `seq`.

    Parameters
    ----------
    events : iterable of Event
        Consecutive events of one chat.

    Returns
    -------
    list of Event
        Every other event is kept, in its place; `Transcript` ends up the same.
    """
    merged: list[Event] = []
    flight = _Flight()
    for event in events:
        if type(event) is MessagePart:
            flight.add(event)
            continue
        if flight:
            merged.extend(flight.events())
            flight.clear()
        merged.append(event)
    return merged + flight.events()
