"""The living display of a whole chat: one widget in any number of cells."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from chatkit import bridge
from chatkit.display import words
from chatkit.display.document import chat_document
from chatkit.display.environment import Mode, display_mode, in_notebook
from chatkit.display.messages import (
    Block,
    Command,
    Delete,
    Edit,
    Facts,
    Hides,
    Promote,
    Replace,
    Send,
    TryAgain,
)
from chatkit.display.opening import Commands
from chatkit.display.outputs import CellOutput, FallbackOutput, FallbackSchedule, hidden_while_live
from chatkit.display.plain_text import single_line
from chatkit.display.timeline import Timeline
from chatkit.display.view import Live, obey
from chatkit.display.view_state import facts_of
from chatkit.display.widget import ChatView
from chatkit.display.writers import bundle
from chatkit.events import ErrorEvent, Event, Reset, TitleEvent
from chatkit.parts import Message

MAX_CELLS = 8
"""Cells of one view whose fallback output is kept up to date: one that was run again has left its output behind."""


class LiveChat(Live):
    """A whole chat as one widget, in as many cells as a person likes.

    `label` is what the header shows of the model and its instructions. `closed` is called when the widget is closed; `mode` says how
    to show things in the running cell.
    """

    def __init__(
        self,
        commands: Commands,
        *,
        model: str,
        label: str = "",
        closed: Callable[[], object],
        schedule: FallbackSchedule | None = None,
        mode: Callable[[], Mode] = display_mode,
    ) -> None:
        super().__init__()
        self._commands = commands
        self._model = model
        self.label = label or model
        self._on_close = closed
        self._mode = mode
        self._timeline = Timeline(whole=True)
        self._ended = False
        self._hides = self._due = False
        self._schedule = schedule or FallbackSchedule()
        self._renewing = threading.Lock()
        self._cells: list[_Cell] = []
        self.widget: ChatView | None = None

    def apply(self, event: Event) -> None:
        super().apply(event)
        if isinstance(event, Message | Reset | TitleEvent | ErrorEvent):
            self._renew()

    def open(self) -> ChatView:
        """Make the widget with all that was applied until now; await `settled` first."""
        with self._folding:
            self.widget = ChatView(self._command, self._facts(), self._blocks(), shown=self._display, closed=self._on_close)
        self._batcher.changed()  # what is left to render comes without an event
        return self.widget

    def rewind(self, seconds: float) -> None:
        """Show the chat as if the last event had come so long ago."""
        self._since -= round(seconds * 1000)
        self._until -= round(seconds * 1000)

    def end(self) -> None:
        """Show that the chat was closed, and that nothing can be sent any more."""
        self._ended = True
        self._deliver()

    def _deliver(self) -> None:
        with self._folding:  # also while it is sent: `end` shows the state from another thread
            if self.widget is not None:
                self.widget.show(self._blocks(), self._facts())
            renews = self._transcript.running and self._schedule.due(self._transcript.parts)
        if self._timeline.behind:
            self._batcher.changed()
        if renews:
            self._renew()

    def _blocks(self) -> list[Block]:
        return self._timeline.blocks(self._transcript, running=self._transcript.running)

    def _facts(self) -> Facts:
        commands = () if self._ended else self._commands.available
        busy = self._transcript.running and "queue" not in commands
        facts = facts_of(
            self._transcript,
            label=self._model,
            until=self._until,
            since=self._since,
            running=self._transcript.running,
            whole=True,
            commands=commands,
            blocked=words.CLOSED if self._ended else words.BUSY if busy else "",
        )
        return replace(facts, label=single_line(self.label, 200))

    def _command(self, command: Command) -> None:
        match command:
            case Hides():
                self._hides = True
                self._renew()
            case TryAgain():
                self._commands.try_again()
            case Send():
                self._commands.send(command.text)
            case Replace():
                self._commands.replace(command.text)
            case Promote():
                self._commands.promote(command.id)
            case Delete():
                self._commands.delete(command.id)
            case Edit():
                self._commands.edit(command.id, command.text)
            case _:
                obey(command, self._commands)

    def _display(self) -> None:
        """Show the widget in the running cell, or the transcript where there is no front end for a widget."""
        mode, widget = self._mode(), self.widget
        if mode == "live" and widget is not None and (shown := widget.bundle()):
            cell = _Cell()
            cell.output.show(shown)
            self._cells = [*self._cells, cell][-MAX_CELLS:]
        elif mode in ("live", "static") or in_notebook():
            CellOutput().show(self._static())
        else:
            print(self._static()["text/plain"])

    def _static(self) -> dict[str, str]:
        with self._folding:
            chat = self._transcript.copy()  # rendered without the lock: events come meanwhile
        note = words.announce_wait(chat.retry) if chat.retry else words.UNFINISHED if chat.flight else ""
        static = bundle(chat_document(chat, model=self.label, note=note))
        return {**static, "text/html": hidden_while_live(static["text/html"])}

    def _renew(self) -> None:
        """Have the fallback outputs renewed, on a thread."""
        if self._cells and not self._due:
            self._due = True
            bridge.spawn(asyncio.to_thread(self._renew_now))

    def _renew_now(self) -> None:
        with self._renewing:
            self._due = False  # before it is rendered: what comes from now on has it renewed again
            if self.widget is not None:
                static, widget = self._static(), self.widget.bundle()
                for cell in self._cells:
                    cell.renew(static, widget, self._hides)


class _Cell:
    """A cell that shows the widget of a whole chat."""

    def __init__(self) -> None:
        self.output = CellOutput()
        self._fallback = FallbackOutput(self.output)
        self._both = False

    def renew(self, static: Mapping[str, str], widget: Mapping[str, object], hides: bool) -> None:
        """Have the cell hold the static form, for when the widget is gone."""
        if self.output.inset is not None:  # it is saved with the widgets, and needs no fallback output
            return
        if not hides:
            self._both = True
            self.output.show({**widget, **static})
            return
        if self._both:  # from before the front end said that it hides a fallback output: one of the two is enough
            self._both = False
            self.output.show(widget)
        self._fallback.show(static)
