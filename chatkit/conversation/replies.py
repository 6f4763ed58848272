"""What a question gives back: a `Reply`, a `Run` that will give one, a `Stream` of the events that lead to one."""

from __future__ import annotations

import concurrent.futures
import contextlib
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any, Self

from chatkit.bridge import GRACE, Awaiter, Waiter, ignore_interrupt
from chatkit.conversation.hub import Subscription
from chatkit.conversation.worker import Answer, Turn
from chatkit.errors import Stopped, UsageError
from chatkit.events import Event
from chatkit.fold import Transcript
from chatkit.parts import Part, Reasoning, Source, StopReason, Text, ToolCall, Usage


class Reply:
    """What the model answered.

    Attributes
    ----------
    text : str
        The visible text.
    parts : tuple of Part
        All of it: text, reasoning, tool calls, sources, files.
    usage : Usage or None
        Tokens; None where the provider didn't say.
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

    def __init__(self, answer: Answer, turn: Transcript, *, shown_in: object = None) -> None:
        message = answer.message
        self.text = message.text
        self.parts: tuple[Part, ...] = message.parts
        self.usage: Usage | None = message.usage
        self.stop_reason: StopReason | None = message.stop_reason
        self.provider_stop_reason = message.provider_stop_reason
        self.model = message.model
        self.request_id = answer.request_id
        self.attempts = answer.attempts
        self.waited = answer.waited
        self.duration = answer.duration
        self._turn = turn
        self._shown_in = shown_in

    @property
    def reasoning(self) -> str:
        """The model's thinking, or its summary."""
        return "".join(p.text for p in self.parts if isinstance(p, Reasoning))

    @property
    def refusal(self) -> str:
        """The model's words for declining to answer."""
        return "".join(p.text for p in self.parts if isinstance(p, Text) and p.refusal)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls that the model wants made."""
        return tuple(p for p in self.parts if isinstance(p, ToolCall) and not p.provider_executed)

    @property
    def sources(self) -> tuple[Source, ...]:
        """What the reply cites."""
        return tuple(p for p in self.parts if isinstance(p, Source))

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        start = " ".join(self.text.split())
        start = start if len(start) <= 60 else start[:59] + "…"
        tries = "1 attempt" if self.attempts == 1 else f"{self.attempts} attempts, waited {self.waited:.0f} s"
        return f"<Reply {start!r}: {self.stop_reason or 'interrupted'}, {tries}>"

    def _bundle(self) -> dict[str, str]:
        from chatkit.display.document import turn_document
        from chatkit.display.writers import bundle

        return bundle(turn_document(self._turn))

    def _repr_markdown_(self) -> str:
        return self._bundle()["text/markdown"]

    def _ipython_display_(self) -> None:
        """Show it, unless the cell that ends with it has shown it already."""
        from IPython.display import display

        from chatkit.display.environment import current_cell

        if self._shown_in is None or current_cell() != self._shown_in:
            display(self._bundle(), raw=True)  # type: ignore[no-untyped-call]


class Run:
    """A turn that goes on by itself: ask it for the result, or let its view show it.

    It can be awaited too: ``reply = await run``.
    """

    def __init__(self, turn: Turn, future: concurrent.futures.Future[Reply]) -> None:
        self._turn = turn
        self._future = future

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self._future.done()

    def result(self, timeout: float | None = None) -> Reply:
        """Wait for the reply.

        An interrupt ends the waiting, not the run: use `stop` for that.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait; as long as it takes unless given.

        Raises
        ------
        ProviderError, Stopped
            What ended the run.
        TimeoutError
            It still runs.
        """
        return Waiter().wait(self._future, interrupt=ignore_interrupt, timeout=timeout)

    def __await__(self) -> Generator[Any, None, Reply]:
        return Awaiter().wait(self._future, interrupt=ignore_interrupt).__await__()

    def stop(self) -> None:
        """End it; what was said is kept. Returns at once."""
        self._turn.stop()

    def retry_now(self) -> None:
        """End the wait that lasts."""
        self._turn.retry_now()

    def __repr__(self) -> str:
        if not self._future.done():
            return "<Run: running; .result() waits for the reply>"
        if self._future.cancelled():
            return "<Run: cancelled>"
        error = self._future.exception()
        return f"<Run: {type(error).__name__}: {error}>" if error else f"<Run: {self._future.result()!r}>"


class Stream:
    """The events of one turn, as they come, for plain and for asynchronous loops.

    The turn begins at the call and runs apart from its reader: a slow reader finds deltas merged, never lost. Leaving the
    loop, the ``with`` block, or `close` interrupts it. When the events have ended, a failure is raised, and `reply` is there.
    """

    def __init__(self, turn: Turn, future: concurrent.futures.Future[Reply], events: Subscription) -> None:
        self._turn = turn
        self._future = future
        self._events = events
        self._closed = False
        future.add_done_callback(lambda _: events.end())

    @property
    def reply(self) -> Reply:
        """The reply, once the events have ended.

        Raises
        ------
        UsageError
            The turn still runs.
        ProviderError, Stopped
            What ended it instead.
        """
        if not self._future.done():
            raise UsageError("the reply isn't there yet: read the events to their end first")
        return self._future.result()

    def __iter__(self) -> Iterator[Event]:
        ended = False
        try:
            for batch in self._events:
                yield from batch
            ended = True
        finally:
            if not ended:
                self.close()
        self._raise()

    async def __aiter__(self) -> AsyncIterator[Event]:
        ended = False
        try:
            async for batch in self._events:
                for event in batch:
                    yield event
            ended = True
        finally:
            if not ended:
                self._stop()
        self._raise()

    def _raise(self) -> None:
        try:
            self._future.result()
        except Stopped:
            if not self._closed:
                raise

    def _stop(self) -> None:
        self._closed = True
        if not self._future.done():
            self._turn.stop()

    def retry_now(self) -> None:
        """End the wait that lasts."""
        self._turn.retry_now()

    def close(self) -> None:
        """Interrupt the turn if it runs; what was said is kept in the chat."""
        self._stop()
        concurrent.futures.wait([self._future], GRACE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop()
        with contextlib.suppress(Exception):
            await Awaiter().wait(self._future, interrupt=ignore_interrupt)

    def __repr__(self) -> str:
        return f"<Stream: {'ended' if self._future.done() else 'running'}; loop over it for the events>"
