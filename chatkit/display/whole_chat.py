"""`Chat.view()` in a notebook: the whole chat as one widget, in as many cells as a person likes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from chatkit import bridge
from chatkit.display.beside import Beside, Keeping, hidden_beside
from chatkit.display.cell_output import CellOutput
from chatkit.display.environment import display_mode, in_notebook
from chatkit.display.facts import chat_facts
from chatkit.display.frozen import UNFINISHED, transcript_bundle
from chatkit.display.protocol import ChatControls, obey
from chatkit.display.pump import Pump
from chatkit.display.timeline import Timeline
from chatkit.display.widget import ChatView
from chatkit.display.wire import Command, Delete, Edit, Hides, Offer, Promote, Replace, Send, TryAgain
from chatkit.display.wording import news_of_wait
from chatkit.errors import UsageError
from chatkit.events import ErrorEvent, Event, Reset, Retry, Status, TitleEvent
from chatkit.fold import Transcript, merge
from chatkit.parts import Message

_MOST_PLACES = 8
"""Cells that are kept up to date: one that was run again has left its output behind."""


class ShownChat(ChatView):
    """The widget of a whole chat: the last line of a cell, `display(view)`, or a child of another widget.

    Parameters
    ----------
    shown : callable
        Called when it is shown in a cell.
    closed : callable
        Called when it is closed.
    """

    def __init__(self, *args: Any, shown: Callable[[], object], closed: Callable[[], object]) -> None:
        self._shown_in_a_cell, self._on_close = shown, closed
        super().__init__(*args)

    def _ipython_display_(self) -> None:
        self._shown_in_a_cell()

    def close(self) -> None:
        """Take it off every page; the chat goes on, and `Chat.view` makes another."""
        if self.comm is not None:
            self._on_close()
        super().close()


class ChatDisplay:
    """Feeds the widget of one chat.

    Parameters
    ----------
    controls : ChatControls
        What the person's commands call.
    model : str
        The model's label.
    closed : callable
        Called when the widget is closed.
    keeping : Keeping, optional
        When what is being said is put beside the view.
    """

    def __init__(self, controls: ChatControls, *, model: str, closed: Callable[[], object], keeping: Keeping | None = None) -> None:
        self._controls = controls
        self._model = model
        self._on_close = closed
        self._fold = Transcript()
        self._timeline = Timeline()
        self._until = 0.0
        self._since = time.monotonic()
        self._ended = ""
        self._hides = self._due = False
        self._keeping = keeping or Keeping()
        self._folding, self._keeping_now = threading.Lock(), threading.Lock()
        self._places: list[_Place] = []
        self._pump = Pump(self._deliver)
        self.widget: ShownChat | None = None

    def apply(self, event: Event) -> None:
        """Take in an event, from any thread."""
        if type(event) is Retry:
            self._until = time.monotonic() + event.delay_ms / 1000
        self._pump.put(event)

    def open(self) -> ShownChat:
        """Make the widget, with all that was applied until now. `settled` comes first."""
        with self._folding:
            self.widget = ShownChat(self._command, self._facts(), self._blocks(), shown=self._show, closed=self._on_close)
        self._go_on()
        return self.widget

    async def settled(self) -> None:
        """On the bridge's loop: all that was applied is taken in."""
        await self._pump.drain()

    def rewind(self, seconds: float) -> None:
        """The last event was so long ago."""
        self._since -= seconds
        self._until -= seconds

    def end(self, why: str) -> None:
        """Nothing can be sent any more."""
        self._ended = why
        with self._folding:
            self._tell()
        self._go_on()

    def _go_on(self) -> None:
        """From any thread: what is left to render comes without an event."""
        bridge.loop().call_soon_threadsafe(self._pump.again)

    def _deliver(self, batch: list[Event]) -> None:
        with self._folding:
            for event in merge(batch):
                if isinstance(event, Status | Message):
                    self._since = time.monotonic()
                self._fold.apply(event)
            self._tell()
            if self._timeline.behind:
                self._pump.again()
        changed = any(isinstance(e, Message | Reset | TitleEvent | ErrorEvent) for e in batch)
        if self._places and (changed or (self._fold.running and self._keeping.due(self._fold.parts))):
            self._keep()

    def _tell(self) -> None:
        if self.widget is not None:
            self.widget.show(self._blocks(), self._facts())

    def _blocks(self) -> list[Any]:
        return self._timeline.of_chat(self._fold, running=self._fold.running)

    def _facts(self) -> dict[str, Any]:
        facts = chat_facts(self._fold, model=self._model, until=self._until, since=self._since)
        offers = () if self._ended else self._controls.offers
        blocked = self._ended
        if not blocked and self._fold.running and "queue" not in offers:
            blocked = "The answer is still coming: wait for it, or stop it."
        return {**facts, "offers": offers, "blocked": blocked}

    def _command(self, command: Command) -> None:
        match command:
            case Hides():
                self._hides = True
                self._keep()
            case TryAgain():
                self._controls.try_again()
            case Send():
                self._controls.send(command.text)
            case Replace():
                self._controls.replace(command.text)
            case Promote():
                self._controls.promote(command.id)
            case Delete():
                self._controls.delete(command.id)
            case Edit():
                self._controls.edit(command.id, command.text)
            case _:
                obey(command, self._controls)

    def _show(self) -> None:
        """In the running cell: the widget, or what takes its place where there is none."""
        mode = display_mode()
        widget = self.widget
        if mode == "live" and widget is not None and (bundle := widget.bundle()):
            place = _Place()
            place.output.show(bundle)
            self._places = [*self._places, place][-_MOST_PLACES:]
        elif in_notebook():
            CellOutput().show(self._static())
        else:
            print(self._static()["text/plain"])

    def _static(self) -> dict[str, str]:
        with self._folding:  # rendered outside: the display goes on meanwhile
            fold = Transcript()
            fold.messages, fold.title, fold.error = list(self._fold.messages), self._fold.title, self._fold.error
            flight = tuple(part for _, part in self._fold.flight)
            retry = self._fold.retry
        if flight:
            fold.messages.append(Message(id=0, chat_id="", role="assistant", parts=flight, created_at=datetime.now(UTC), stop_reason="end"))
        title = fold.title.title if fold.title else ""
        note = news_of_wait(retry) if retry else UNFINISHED if flight else ""
        bundle = transcript_bundle(fold.messages, title=title, model=self._model, error=fold.error, note=note)
        return {**bundle, "text/html": hidden_beside(bundle["text/html"])}

    def _keep(self) -> None:
        """Put the transcript where it can be read without the widget."""
        if not self._due:
            self._due = True
            bridge.spawn(asyncio.to_thread(self._keep_now))

    def _keep_now(self) -> None:
        with self._keeping_now:
            self._due = False  # before it is rendered: what comes from now on is kept anew
            if self.widget is not None:
                bundle, widget = self._static(), self.widget.bundle()
                for place in self._places:
                    place.keep(bundle, widget, self._hides)


class _Unheard:
    """Controls behind which there is no chat."""

    def __init__(self, offers: tuple[Offer, ...]) -> None:
        self.offers = offers

    def _refuse(self, *_: object) -> None:
        raise UsageError("these are recorded events: there is no chat behind them")

    stop = retry_now = try_again = send = replace = promote = delete = edit = _refuse


def show_events(events: Iterable[Event], *, model: str = "demo", offers: tuple[Offer, ...] = (), age: float = 0.0) -> ShownChat:
    """The view of a chat of which nothing is left but its events.

    Parameters
    ----------
    events : iterable of Event
        What happened, in order: `chatkit.events` has them all.
    model : str
        The model's label.
    offers : tuple of str
        What the view has buttons for: ``stop``, ``retry``, ``again``, ``send``, ``replace``, ``queue``, ``promote``,
        ``delete``, ``edit``. Pressed, they say that there is no chat.
    age : float
        Seconds since the last of the events.

    Examples
    --------
    >>> from chatkit.events import Status
    >>> view = show_events([Status(chat_id="c", status="running")])
    >>> view.state.snapshot()["status"]
    'answering'
    """
    display = ChatDisplay(_Unheard(offers), model=model, closed=lambda: None)
    for event in events:
        display.apply(event)
    bridge.Waiter().wait(bridge.spawn(display.settled()))
    display.rewind(age)
    return display.open()


class _Place:
    """A cell that shows the widget."""

    def __init__(self) -> None:
        self.output, self._beside = CellOutput(), Beside()
        self._both = False

    def keep(self, bundle: Mapping[str, str], widget: Mapping[str, object], hides: bool) -> None:
        """Have the cell hold this, for when the widget is gone."""
        if not hides:
            self._both = True
            self.output.show({**widget, **bundle})
            return
        if self._both:  # kept before the front end could say that it hides: once is enough
            self._both = False
            self.output.show(widget)
        self._beside.show(bundle)
