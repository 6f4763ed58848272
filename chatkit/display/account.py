"""What happened in one turn, told from its events: the fold, and the waits between attempts."""

from __future__ import annotations

from chatkit.display.frozen import Finished, retry_bundle
from chatkit.display.wording import Wait, headline, stopped_line, wait_of
from chatkit.events import ErrorEvent, Event, MessagePart, Retry
from chatkit.fold import Transcript, merge
from chatkit.parts import Message, Part


class Account:
    """One turn so far.

    Attributes
    ----------
    transcript : Transcript
        The events, folded.
    waits : list of (float, str)
        The waits that led to another attempt.
    waiting : (float, str) or None
        The wait that lasts, or that was the last thing heard of.
    canceled : bool
        The person ended it.
    """

    def __init__(self) -> None:
        self.transcript = Transcript()
        self.waits: list[Wait] = []
        self.waiting: Wait | None = None
        self.canceled = False

    def apply_all(self, batch: list[Event]) -> None:
        """Take in a batch of events, in order."""
        for event in merge(batch):
            self.apply(event)

    def apply(self, event: Event) -> None:
        """Take in one event, in order."""
        match event:
            case Retry():
                self._wait_led_on()
                self.waiting = wait_of(event)
            case ErrorEvent(kind="canceled"):
                self.canceled = True
            case MessagePart() | ErrorEvent() | Message(role="assistant"):
                self._wait_led_on()
            case _:
                pass
        self.transcript.apply(event)

    def _wait_led_on(self) -> None:
        if self.waiting is not None:
            self.waits.append(self.waiting)
            self.waiting = None

    def parts(self) -> tuple[Part, ...]:
        """What was said so far: what was committed, and what is in flight."""
        shown = (m for m in self.transcript.messages if m.role in ("assistant", "tool") and m.visibility != "model")
        return (*(part for m in shown for part in m.parts), *(part for _, part in self.transcript.flight))

    def finished(self, *, model: str, question: str) -> Finished:
        """The turn, now that it is over.

        Parameters
        ----------
        model : str
            The model's label.
        question : str
            What was asked.
        """
        fold = self.transcript
        error = None if self.canceled else fold.error
        replies = [m for m in fold.messages if m.role == "assistant"]
        # an assistant's message that stopped for no reason was interrupted; so were parts that no message committed
        ended_well = bool(replies) and bool(replies[-1].stop_reason or replies[-1].provider_stop_reason) and not fold.parts
        stopped = error is None and not ended_well
        return Finished(
            parts=self.parts(),
            model=model,
            question=question,
            waits=tuple(self.waits),
            stop_reason=replies[-1].stop_reason if replies else None,
            stopped=stopped,
            stopped_in=self.waiting if stopped else None,
            error=error,
        )

    def retried(self, name: str) -> dict[str, str]:
        """What stays of a call of `chatkit.retry`, as a MIME bundle.

        Parameters
        ----------
        name : str
            What the person calls the thing that was retried.
        """
        waits, ending = list(self.waits), ""
        if self.canceled:
            ending = stopped_line(self.waiting, said=False) if self.waiting else "Stopped"
        elif self.transcript.error is not None:
            ending = f"Gave up: {headline(self.transcript.error)}"
        elif self.waiting is not None:
            waits.append(self.waiting)  # it led to the attempt that went well
        return retry_bundle(name, waits, ending)
