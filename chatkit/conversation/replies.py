"""What a prompt gives back: a `Reply`, a `Run` that will give one, or a `Stream` of the events that lead to one."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Generator, Iterator
from typing import TYPE_CHECKING, Any, Self

import msgspec

from chatkit.bridge import GRACE, Awaiter, Waiter, Work, ignore_interrupt, on_loop
from chatkit.conversation.hub import Subscription
from chatkit.errors import Stopped, UsageError
from chatkit.events import Event
from chatkit.fold import Transcript
from chatkit.parts import Reasoning, Source, Text, ToolCall
from chatkit.retries.log import AttemptRecord

if TYPE_CHECKING:
    from chatkit.conversation.turn import Turn


class Answer(msgspec.Struct, frozen=True):
    """The transcript of a turn that has an answer, whole or partial, and the seconds that the turn took."""

    transcript: Transcript
    duration: float


class Reply(str):
    """What the model answered: its visible text, and more about it.

    A reply can be used wherever a text can: ``"yes" in reply``, ``reply[:100]``, ``json.dumps(reply)``, as the next prompt. It is equal
    to its text, and empty where the model gave none, but only tool calls for instance. What takes no more than the characters, such as a
    pandas column of strings, keeps only these.

    Attributes
    ----------
    text : str
        The visible text.
    parts : tuple of Part
        All of it: text, reasoning, tool calls, sources, files.
    usage : Usage or None
        The number of tokens; None where the provider does not report it.
    stop_reason : str or None
        ``end``, ``tool_calls``, ``length``, ``content_filter``, ``refusal``, ``pause``; None for an interrupted reply.
    provider_stop_reason : str or None
        The provider's own word for it.
    model : str or None
        The model that answered, as the provider names it.
    request_id : str or None
        The provider's name for the request.
    attempts : int
        How many requests it took.
    waited, duration : float
        Seconds between attempts, and in all.
    """

    def __new__(cls, answer: Answer, records: tuple[AttemptRecord, ...] = (), *, shown_in: object = None) -> Self:
        return super().__new__(cls, answer.transcript.messages[-1].text)

    def __init__(self, answer: Answer, records: tuple[AttemptRecord, ...] = (), *, shown_in: object = None) -> None:
        message = answer.transcript.messages[-1]
        self.text = message.text
        self.parts = message.parts
        self.usage = message.usage
        self.stop_reason = message.stop_reason
        self.provider_stop_reason = message.provider_stop_reason
        self.model = message.model
        self.request_id = records[-1].request_id if records else None
        self.attempts = len(records)
        self.waited = sum(r.waited_ms for r in records) / 1000
        self.duration = answer.duration
        self._transcript = answer.transcript
        self._shown_in = shown_in

    @property
    def reasoning(self) -> str:
        """The model's reasoning, or the summary of it that the provider gives."""
        return "".join(p.text for p in self.parts if isinstance(p, Reasoning))

    @property
    def refusal(self) -> str:
        """The text with which the model declined to answer."""
        return "".join(p.text for p in self.parts if isinstance(p, Text) and p.refusal)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls that the model asks for. `Chat.ask` sends their results back: a `ToolResult` for each."""
        return tuple(p for p in self.parts if isinstance(p, ToolCall) and not p.provider_executed)

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources that the reply cites."""
        return tuple(p for p in self.parts if isinstance(p, Source))

    def __getnewargs__(self) -> tuple[Answer]:  # type: ignore[override]  # for pickle and copy; `str` gives the text here
        return (Answer(self._transcript, self.duration),)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        start = " ".join(self.text.split())
        start = start if len(start) <= 60 else start[:59] + "…"
        attempts = "1 attempt" if self.attempts == 1 else f"{self.attempts} attempts, waited {self.waited:.0f} s"
        return f"<Reply {start!r}: {self.stop_reason or 'interrupted'}, {attempts}>"

    def _bundle(self) -> dict[str, str]:
        from chatkit.display.document import turn_document
        from chatkit.display.writers import bundle

        return bundle(turn_document(self._transcript))

    def _repr_markdown_(self) -> str:
        return self._bundle()["text/markdown"]

    def _ipython_display_(self) -> None:
        """Show the reply, unless the running cell has shown it already as it streamed."""
        from IPython.display import display

        from chatkit.display.environment import current_cell

        if self._shown_in is None or current_cell() != self._shown_in:
            display(self._bundle(), raw=True)  # type: ignore[no-untyped-call]


class Run:
    """A turn that runs in the background. Its view shows it; `result`, or ``await run``, waits for the reply."""

    def __init__(self, turn: Turn, work: Work[Reply]) -> None:
        self._turn = turn
        self._work = work

    @property
    def done(self) -> bool:
        """Whether the turn has ended, with a reply or an error."""
        return self._work.done()

    def result(self, timeout: float | None = None) -> Reply:
        """Wait for the reply.

        An interrupt of the cell ends only the waiting; `stop` ends the run.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait; no limit unless given.

        Raises
        ------
        ProviderError, Stopped
            The turn failed, or was stopped.
        TimeoutError
            The turn is still running.
        """
        return self._work.result(timeout)

    def __await__(self) -> Generator[Any, None, Reply]:
        return Awaiter().wait(self._work, interrupt=ignore_interrupt).__await__()

    def stop(self) -> None:
        """Stop the turn, and keep the partial reply. Returns at once."""
        self._turn.stop()

    def retry_now(self) -> None:
        """End the current wait between two attempts."""
        self._turn.retry_now()

    def __repr__(self) -> str:
        if not self._work.done():
            return "<Run: running; .result() waits for the reply>"
        try:
            return f"<Run: {self._work.outcome()!r}>"
        except BaseException as error:
            return f"<Run: {type(error).__name__}: {error}>"


class Stream:
    """The events of one turn as they arrive, for ``for`` and ``async for`` loops.

    The turn begins with the call and does not wait for its reader: for a slow one the deltas are merged, and nothing is lost.
    Leaving the loop or the ``with`` block interrupts the turn, as `close` does. At the end of the events a failure is raised;
    otherwise `reply` is available.
    """

    def __init__(self, turn: Turn, work: Work[Reply], events: Subscription) -> None:
        self._turn = turn
        self._work = work
        self._events = events
        self._closed = False
        work.begin(events.end)

    @property
    def reply(self) -> Reply:
        """The reply, once the events have ended.

        Raises
        ------
        UsageError
            The turn is still running.
        ProviderError, Stopped
            The turn failed, or was stopped.
        """
        if not self._work.done():
            raise UsageError("the reply isn't there yet: read the events to their end first")
        return self._work.outcome()

    def __iter__(self) -> Iterator[Event]:
        try:
            for batch in self._events:
                yield from batch
        except BaseException:  # the reader left the loop, or was interrupted
            self.close()
            raise
        self._raise()

    async def __aiter__(self) -> AsyncIterator[Event]:
        try:
            async for batch in self._events:
                for event in batch:
                    yield event
        except BaseException:
            self._stop()
            raise
        self._raise()

    def _raise(self) -> None:
        try:
            self._work.outcome()
        except Stopped:
            if not self._closed:
                raise

    def _stop(self) -> None:
        self._closed = True
        if not self._work.done():
            self._turn.stop()

    def retry_now(self) -> None:
        """End the current wait between two attempts."""
        self._turn.retry_now()

    def close(self) -> None:
        """Interrupt the turn if it is running; the chat keeps the partial reply."""
        self._stop()
        if not on_loop():  # where the garbage collector may close a loop over the events
            Waiter().serve(self._work, ignore_interrupt, timeout=GRACE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop()
        with contextlib.suppress(Exception):
            await Awaiter().wait(self._work, interrupt=ignore_interrupt)

    def __repr__(self) -> str:
        return f"<Stream: {'ended' if self._work.done() else 'running'}; loop over it for the events>"
