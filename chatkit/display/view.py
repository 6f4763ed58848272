"""The living displays of a notebook: a turn, a whole chat and a retry, each a widget that is kept in step with events."""

from __future__ import annotations

import asyncio
import threading

from chatkit import bridge
from chatkit.display.batcher import Batcher
from chatkit.display.document import Note, retry_document, turn_document
from chatkit.display.markdown.parse import parse
from chatkit.display.messages import (
    Command,
    Facts,
    FailureCard,
    Hides,
    RetryNow,
    Stop,
    TryAgain,
)
from chatkit.display.opening import Commands, RunningCommands
from chatkit.display.outputs import CellOutput, FallbackOutput, FallbackSchedule, finish, hidden_while_live, outliving
from chatkit.display.timeline import Timeline
from chatkit.display.view_state import facts_of, kernel_ms, retry_facts
from chatkit.display.widget import RetryView, TurnView
from chatkit.display.words import is_now, may_pass, will_be
from chatkit.display.writers import bundle
from chatkit.events import Event, MessagePart, Retry, Status
from chatkit.fold import Transcript
from chatkit.parts import Message, Reasoning, Text


class Live:
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
            self._until = kernel_ms() + (event.delay_ms if event.waited_ms is None else 0)
        elif isinstance(event, Status | Message):
            self._since = kernel_ms()
        self._batcher.changed()

    async def settled(self) -> None:
        """On the bridge's loop: everything that was applied is shown."""
        await self._batcher.drain()

    def _deliver(self) -> None:
        raise NotImplementedError


class LiveTurn(Live):
    """One turn of a chat, in the running cell: a widget while it runs, static output when it is over.

    `prompt` stands in for the turn's own until the chat has it; `earlier` is the turn that failed, whose place this one
    takes, and whose cell has no variable for the reply: it is found as `reply_name`.
    """

    def __init__(
        self,
        commands: Commands,
        *,
        model: str,
        prompt: str = "",
        reply_name: str = "",
        earlier: LiveTurn | None = None,
        schedule: FallbackSchedule | None = None,
    ) -> None:
        super().__init__()
        self._commands = commands
        self._model, self._prompt, self._reply_name = model, prompt, reply_name
        self._again = earlier is not None
        self._timeline = Timeline(whole=False)
        self._closed = self._over = self._hides = False
        self._schedule = schedule or FallbackSchedule()
        self._showing = threading.Lock()
        self._offer: TurnView | None = None
        self._output: CellOutput = earlier._output if earlier else CellOutput()
        self._fallback: FallbackOutput = earlier._fallback if earlier else FallbackOutput(self._output)
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
                self._hides = self._output.inset is None  # an inset is saved with the widgets, and needs no fallback output
                self._batcher.changed()  # the fallback output may be due
            case TryAgain():
                self._commands.try_again(self._open_again)
            case _:
                obey(command, self._commands)

    def _open_again(self, commands: Commands) -> LiveTurn:
        with self._showing:
            self._fallback.clear()
        if self._offer:
            self._offer.take_down()
        return LiveTurn(commands, model=self._model, prompt=self._prompt, reply_name=self._reply_name, earlier=self)

    def _deliver(self) -> None:
        if self._over:
            return
        self._show(running=True)
        if self._timeline.behind:
            self._batcher.changed()
        if self._hides and self._schedule.due(self._transcript.answer(), waits=self._transcript.retry is not None):
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
            error = self._transcript.error
            offers = error is not None and error.kind != "canceled" and may_pass(error)
            with self._showing:
                self._output.show({**static, "text/html": outliving(static["text/html"])} if offers else static)
                if not offers:
                    self._fallback.clear()
                else:
                    try_again = Facts(over=True, commands=("again",), error=FailureCard(title="", advice=will_be(self._reply_name)))
                    self._offer = TurnView(self._command, try_again)  # the static output has the other words
                    self._fallback.show(self._offer.bundle())
        finally:
            self.widget.take_down()

    def _bundle(self, *, running: bool) -> dict[str, str]:
        with self._folding:
            document = turn_document(self._transcript, model=self._model, prompt=self._prompt, running=running)
            if self._again and self._reply_name and not running and self._transcript.error is None and self._transcript.answer():
                document.append(Note(is_now(self._reply_name)))
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


class LiveRetry(Live):
    """The waits of one call of `chatkit.retry`; nothing is shown before the first."""

    def __init__(self, commands: RunningCommands, *, name: str) -> None:
        super().__init__()
        self._commands = commands
        self._name = name
        self._closed = False
        self._output = CellOutput()
        self._fallback = FallbackOutput(self._output)
        self._opening, self._showing = threading.Lock(), threading.Lock()
        self._view: RetryView | None = None

    def apply(self, event: Event) -> None:
        super().apply(event)
        with self._opening:
            if self._view is None and type(event) is Retry:
                self._view = RetryView(self._command, self._facts())
                self._output.show({**self._view.bundle(), **self._bundle(running=True)})

    def close(self) -> bridge.Work[None] | None:
        if self._closed or self._view is None:
            return None
        self._closed = True
        return finish(self._batcher.drain, self._freeze)

    def _command(self, command: Command) -> None:
        if isinstance(command, Hides) and self._output.inset is None:
            bridge.spawn(asyncio.to_thread(self._show_fallback))
        else:
            obey(command, self._commands)

    def _show_fallback(self) -> None:
        with self._showing:
            if not self._closed:
                self._fallback.show({"text/html": hidden_while_live(self._bundle(running=True)["text/html"])})

    def _deliver(self) -> None:
        if self._view is not None:
            self._view.show([], self._facts())

    def _freeze(self) -> None:
        try:
            with self._showing:
                self._output.show(self._bundle(running=False))
                self._fallback.clear()
        finally:
            if self._view is not None:
                self._view.take_down()

    def _bundle(self, *, running: bool) -> dict[str, str]:
        with self._folding:
            return bundle(retry_document(self._transcript, self._name, running=running))

    def _facts(self) -> Facts:
        with self._folding:
            return retry_facts(self._transcript, name=self._name, until=self._until)


def obey(command: Command, commands: RunningCommands) -> None:
    """Carry out a command to something that runs."""
    match command:
        case Stop():
            commands.stop()
        case RetryNow():
            commands.retry_now()
        case _:
            pass  # a front end that offers more than this view does
