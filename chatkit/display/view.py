"""The living displays of a notebook: a turn, a whole chat and a retry, each a widget that is kept in step with events."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping

from chatkit import bridge
from chatkit.display import words
from chatkit.display.batcher import Batcher
from chatkit.display.document import chat_document, retry_document, turn_document
from chatkit.display.environment import Mode, display_mode, in_notebook
from chatkit.display.markdown.parse import parse
from chatkit.display.messages import (
    Block,
    Command,
    Delete,
    Edit,
    Facts,
    FailureCard,
    Hides,
    Promote,
    Replace,
    RetryNow,
    Send,
    Stop,
    TryAgain,
)
from chatkit.display.opening import Commands, RunningCommands
from chatkit.display.outputs import CellOutput, FallbackOutput, FallbackSchedule, finish, hidden_while_live
from chatkit.display.timeline import Timeline
from chatkit.display.view_state import facts_of, kernel_ms, retry_facts
from chatkit.display.widget import ChatView, RetryView, TurnView
from chatkit.display.writers import bundle
from chatkit.events import ErrorEvent, Event, MessagePart, Reset, Retry, Status, TitleEvent
from chatkit.fold import Transcript
from chatkit.parts import Message, Reasoning, Text

MAX_CELLS = 8
"""Cells of one view whose fallback output is kept up to date: one that was run again has left its output behind."""


class _Live:
    """Folds events from any thread, and has what follows from them shown in batches, on the bridge's loop."""

    def __init__(self) -> None:
        self._transcript = Transcript()
        self._folding = threading.Lock()
        self._until = 0  # when the wait under way ends, in ms of the kernel's clock
        self._since = kernel_ms()  # when a message or a status came last
        self._batcher = Batcher(self._deliver)

    def apply(self, event: Event) -> None:
        """Take in an event, from any thread."""
        with self._folding:
            self._transcript.apply(event)
        if type(event) is MessagePart:  # thousands per second: without a match
            part = event.part
            self._batcher.changed(len(part.text) if type(part) is Text or type(part) is Reasoning else 0)
            return
        if isinstance(event, Retry):
            self._until = kernel_ms() + event.delay_ms
        elif isinstance(event, Status | Message):
            self._since = kernel_ms()
        self._batcher.changed()

    async def settled(self) -> None:
        """On the bridge's loop: everything that was applied is shown."""
        await self._batcher.drain()

    def _deliver(self) -> None:
        raise NotImplementedError


class LiveTurn(_Live):
    """One turn of a chat, in the running cell: a widget while it runs, static output when it is over.

    `prompt` stands in for the turn's own until the chat has it; `earlier` is the turn that failed, whose place this one
    takes.
    """

    def __init__(
        self,
        commands: Commands,
        *,
        model: str,
        prompt: str = "",
        earlier: LiveTurn | None = None,
        schedule: FallbackSchedule | None = None,
    ) -> None:
        super().__init__()
        self._commands = commands
        self._model, self._prompt = model, prompt
        self._timeline = Timeline(whole=False)
        self._closed = self._over = self._hides = False
        self._schedule = schedule or FallbackSchedule()
        self._showing = threading.Lock()
        self._offer: TurnView | None = None
        self._output: CellOutput = earlier._output if earlier else CellOutput()
        self._fallback: FallbackOutput = earlier._fallback if earlier else FallbackOutput()
        self.widget = TurnView(self._command, self._facts())
        self._output.show({**self.widget.bundle(), **self._bundle(running=True)})
        # the Markdown parser loads while the request is on its way, not when an interrupted cell waits for its end
        threading.Thread(target=parse, args=("*",), daemon=True, name="chatkit-warm").start()

    def close(self) -> bridge.Work[None] | None:
        if self._closed:
            return None
        self._closed = True
        return finish(self._drain, self._freeze)

    def _command(self, command: Command) -> None:
        match command:
            case Hides():
                self._hides = True
                self._batcher.changed()  # the fallback output may be due
            case TryAgain():
                self._commands.try_again(self._again)
            case _:
                _obey(command, self._commands)

    def _again(self, commands: Commands) -> LiveTurn:
        with self._showing:
            self._fallback.clear()
        if self._offer:
            self._offer.take_down()
        return LiveTurn(commands, model=self._model, prompt=self._prompt, earlier=self)

    def _deliver(self) -> None:
        if self._over:
            return
        self._show(running=True)
        if self._timeline.behind:
            self._batcher.changed()
        if self._hides and self._schedule.due(self._transcript.answer()):
            asyncio.get_running_loop().run_in_executor(None, self._renew_fallback, self._schedule.size)

    def _show(self, *, running: bool) -> None:
        with self._folding:
            blocks = self._timeline.blocks(self._transcript, running=running)
            facts = self._facts()
        self.widget.show(blocks, facts)

    def _renew_fallback(self, size: int) -> None:
        html = hidden_while_live(self._bundle(running=True)["text/html"])
        with self._showing:
            if size == self._schedule.size and not self._over:
                self._fallback.show({"text/html": html})

    async def _drain(self) -> None:
        await self._batcher.drain()
        self._over = True
        self._show(running=True)
        while self.widget.reloaded and self._timeline.behind:
            self._show(running=True)
        if self.widget.reloaded:  # it stays, since no static output takes its place on that page
            self._show(running=False)

    def _freeze(self) -> None:
        try:
            static = self._bundle(running=False)
            with self._showing:
                self._output.show(static)
                error = self._transcript.error
                if error is None or error.kind == "canceled":
                    self._fallback.clear()
                else:
                    try_again = Facts(over=True, commands=("again",), error=FailureCard(title="", advice=""))
                    self._offer = TurnView(self._command, try_again)  # the static output has the words
                    self._fallback.show(self._offer.bundle())
        finally:
            self.widget.take_down()

    def _bundle(self, *, running: bool) -> dict[str, str]:
        with self._folding:
            document = turn_document(self._transcript, model=self._model, prompt=self._prompt, running=running)
        return bundle(document)

    def _facts(self) -> Facts:
        return facts_of(
            self._transcript,
            label=self._model,
            until=self._until,
            since=self._since,
            running=not self._over,
            whole=False,
            commands=("stop", "retry"),
        )


class LiveRetry(_Live):
    """The waits of one call of `chatkit.retry`; nothing is shown before the first."""

    def __init__(self, commands: RunningCommands, *, name: str) -> None:
        super().__init__()
        self._commands = commands
        self._name = name
        self._closed = False
        self._output = CellOutput()
        self._opening = threading.Lock()
        self._view: RetryView | None = None

    def apply(self, event: Event) -> None:
        super().apply(event)
        with self._opening:
            if self._view is None and type(event) is Retry:
                self._view = RetryView(lambda command: _obey(command, self._commands), self._facts())
                self._output.show({**self._view.bundle(), **self._bundle(running=True)})

    def close(self) -> bridge.Work[None] | None:
        if self._closed or self._view is None:
            return None
        self._closed = True
        return finish(self._batcher.drain, self._freeze)

    def _deliver(self) -> None:
        if self._view is not None:
            self._view.show([], self._facts())

    def _freeze(self) -> None:
        try:
            self._output.show(self._bundle(running=False))
        finally:
            if self._view is not None:
                self._view.take_down()

    def _bundle(self, *, running: bool) -> dict[str, str]:
        with self._folding:
            return bundle(retry_document(self._transcript, self._name, running=running))

    def _facts(self) -> Facts:
        with self._folding:
            return retry_facts(self._transcript, name=self._name, until=self._until)


class LiveChat(_Live):
    """A whole chat as one widget, in as many cells as a person likes.

    `closed` is called when the widget is closed; `mode` says how to show things in the running cell.
    """

    def __init__(
        self,
        commands: Commands,
        *,
        model: str,
        closed: Callable[[], object],
        schedule: FallbackSchedule | None = None,
        mode: Callable[[], Mode] = display_mode,
    ) -> None:
        super().__init__()
        self._commands = commands
        self._model = model
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
        return facts_of(
            self._transcript,
            label=self._model,
            until=self._until,
            since=self._since,
            running=self._transcript.running,
            whole=True,
            commands=commands,
            blocked=words.CLOSED if self._ended else words.BUSY if busy else "",
        )

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
                _obey(command, self._commands)

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
        static = bundle(chat_document(chat, model=self._model, note=note))
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
        self.output, self._fallback = CellOutput(), FallbackOutput()
        self._both = False

    def renew(self, static: Mapping[str, str], widget: Mapping[str, object], hides: bool) -> None:
        """Have the cell hold the static form, for when the widget is gone."""
        if not hides:
            self._both = True
            self.output.show({**widget, **static})
            return
        if self._both:  # from before the front end said that it hides a fallback output: one of the two is enough
            self._both = False
            self.output.show(widget)
        self._fallback.show(static)


def _obey(command: Command, commands: RunningCommands) -> None:
    """Carry out a command to something that runs."""
    match command:
        case Stop():
            commands.stop()
        case RetryNow():
            commands.retry_now()
        case _:
            pass  # a front end that offers more than this view does
