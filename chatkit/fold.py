"""Events to messages: the only place where deltas are joined and withdrawn.

`Transcript` applies events one by one and always holds the current state of the chat. The rules for what an event
withdraws are here and nowhere else: views, subscribers and replies all read the same fold.
"""

from __future__ import annotations

import copy
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
    """One part in flight: its latest value, and the pieces of its text or arguments."""

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
    """The parts in flight, by role, step and index."""

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

    def copy(self) -> _Flight:
        """The same parts, which later deltas don't reach."""
        copied = _Flight()
        for event in self.events():
            copied.add(event)
        return copied

    def supersede(self, message: Message) -> None:
        """Drop the parts that `message` commits."""
        results = {p.tool_call_id for p in message.parts if isinstance(p, ToolResult)}

        def done(event: MessagePart) -> bool:
            part = event.part
            return event.role == message.role and (
                message.role != "tool" or (isinstance(part, ToolResult) and part.tool_call_id in results)
            )

        self._buffers = {key: b for key, b in self._buffers.items() if not done(b.event)}

    def events(self) -> list[MessagePart]:
        """One event per part, in the order of their last pieces."""
        return sorted((b.joined() for b in self._buffers.values()), key=lambda e: e.seq)

    def parts(self) -> Iterator[tuple[MessagePart, Part]]:
        for key in sorted(self._buffers, key=lambda k: (k[1], k[0] == "tool", k[2])):
            event = self._buffers[key].joined()
            yield event, event.part


class Transcript:
    """The state of a chat after the events so far.

    Attributes
    ----------
    messages : list of Message
        The committed messages, by id.
    status : Status or None
        The last status.
    title : TitleEvent or None
        The last title.
    queue : QueueUpdate or None
        The messages that wait.
    retry : Retry or None
        The wait that is under way.
    last_wait : Retry or None
        The last turn's wait that no attempt has followed; it stays where the turn was stopped during it.
    error : ErrorEvent or None
        The failure that ended the last turn.
    approvals : dict of str to Approval
        The tool calls that wait for a yes or no, by their id.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.messages: list[Message] = []
        self.status: Status | None = None
        self.title: TitleEvent | None = None
        self.queue: QueueUpdate | None = None
        self.retry: Retry | None = None
        self.last_wait: Retry | None = None
        self.error: ErrorEvent | None = None
        self.approvals: dict[str, Approval] = {}
        self._flight = _Flight()
        self._waits: dict[int, tuple[Retry, ...]] = {}  # by the message that was the last one then
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
        """The assistant's parts in flight, joined, in their order."""
        return tuple(part for role, part in self.flight if role == "assistant")

    @property
    def flight(self) -> tuple[tuple[Role, Part], ...]:
        """All parts in flight, joined, in their order, each with its role."""
        return tuple((event.role, part) for event, part in self._flight.parts())

    @property
    def waits(self) -> list[Retry]:
        """The waits of the last turn that another attempt followed."""
        prompt = self.prompt()
        return [wait for id, waits in self._waits.items() if prompt is None or id >= prompt.id for wait in waits]

    def waits_after(self, messages: Iterable[Message]) -> list[Retry]:
        """The waits that another attempt followed, after each of these messages and before the next one."""
        return [wait for message in messages for wait in self._waits.get(message.id, ())]

    def prompt(self) -> Message | None:
        """The last message that a person sent."""
        return next((m for m in reversed(self.messages) if m.is_question), None)

    def answer(self) -> list[Part]:
        """The visible parts that followed the last prompt: the committed ones, then those in flight."""
        parts = [part for _, part in self.flight]
        for message in reversed(self.messages):
            if message.is_question:
                break
            if message.role in ("assistant", "tool") and message.visibility != "model":
                parts[:0] = message.parts
        return parts

    def copy(self) -> Transcript:
        """The same state, which later events don't reach."""
        copied = copy.copy(self)
        copied.messages, copied._waits, copied.approvals = list(self.messages), dict(self._waits), dict(self.approvals)
        copied._flight = self._flight.copy()
        return copied

    def last_turn(self) -> Transcript:
        """The state of the last turn alone, from its prompt on; later events don't reach it."""
        prompt = self.prompt()
        return self.copy() if prompt is None else self.since(prompt.id)

    def since(self, first: int) -> Transcript:
        """The state from the message with this id on; later events don't reach it."""
        part = self.copy()
        part.messages = part.messages[bisect_left(part.messages, first, key=lambda m: m.id) :]
        part._waits = {id: waits for id, waits in part._waits.items() if id >= first}
        return part

    def apply(self, event: Event) -> None:
        """Fold one event into the state, in the order of the stream."""
        if type(event) is MessagePart:
            if self.last_wait is not None:
                self._end_wait()
            self._flight.add(event)
            return
        match event:
            case MessagePart():
                raise ChatkitError("an event of a class derived from MessagePart")
            case Message():
                if event.is_question or event.role == "assistant":
                    self._end_wait()
                self._flight.supersede(event)
                self._store(event)
            case Retry():
                if event.waited_ms is None or self.last_wait is None or self.last_wait.attempt != event.attempt:
                    self._end_wait()
                    self._flight.clear()
                self.retry = self.last_wait = event
            case Status():
                self.status = event
                self.retry = None
                if event.status in ("pending", "running"):
                    self.error = None
            case ErrorEvent():
                self.retry = None
                if event.kind != "canceled":  # a person who stops the turn stops it during the wait
                    self._end_wait()
                self._flight.clear()
                self.error = event
            case QueueUpdate():
                self.queue = event
            case Reset():
                self._flight.clear()
                self.retry = self.error = self.last_wait = None
                self._waits = {id: waits for id, waits in self._waits.items() if id <= event.after_id}
                self.messages = [m for m in self.messages if m.id <= event.after_id]
            case TitleEvent():
                self.title = event
            case Approval():
                self.approvals[event.tool_call_id] = event
            case _:
                assert_never(event)

    def _end_wait(self) -> None:
        """Another attempt, or the end of the turn, followed the last wait."""
        if self.last_wait is not None:
            after = self.messages[-1].id if self.messages else 0
            self._waits[after] = (*self._waits.get(after, ()), self.last_wait)
        self.retry = self.last_wait = None

    def _store(self, message: Message) -> None:
        for part in message.parts:
            if isinstance(part, ToolResult):
                self.approvals.pop(part.tool_call_id, None)
        at = bisect_left(self.messages, message.id, key=lambda m: m.id)
        known = at < len(self.messages) and self.messages[at].id == message.id
        self.messages[at : at + known] = [message]

    def replay(self, after_id: int = 0) -> list[Event]:
        """The events that bring a late subscriber to the current state; the live ones follow.

        Parameters
        ----------
        after_id : int, default 0
            The last message that the subscriber has.

        Returns
        -------
        list of Event
            The status, the messages by id and the waits between them, the queue, the title, the wait that is under way, the
            error, the approvals that are asked for, and the parts in flight.
        """
        head: list[Event] = [self.status] if self.status else []
        head += self._waits.get(after_id, ())
        for message in self.messages:
            if message.id > after_id:
                head += [message, *self._waits.get(message.id, ())]
        stopped = self.status if self.last_wait is not self.retry else None  # once more: it ended the wait that is told before it
        lasting = (self.queue, self.title, self.last_wait, stopped, self.error, *self.approvals.values(), *self._flight.events())
        return head + [e for e in lasting if e is not None]


def merge(events: Iterable[Event]) -> list[Event]:
    """The same stream in fewer events: the deltas of a part become one, which carries the last `seq`.

    Parameters
    ----------
    events : iterable of Event
        Consecutive events of one chat.

    Returns
    -------
    list of Event
        Every other event is kept, in its place; a `Transcript` of them is the same.
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
