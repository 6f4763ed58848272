"""In a notebook with a person before it: a widget while something runs, static output when it is over."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from chatkit.display.account import Account
from chatkit.display.beside import Beside, Keeping, hidden_beside
from chatkit.display.cell_output import CellOutput
from chatkit.display.closing import finish
from chatkit.display.facts import countdown, turn_facts
from chatkit.display.frozen import Finished, footnotes, frozen_bundle, retry_bundle, unfinished_bundle
from chatkit.display.markdown.parse import parse
from chatkit.display.plain_text import single_line
from chatkit.display.protocol import Controls, TurnControls, obey
from chatkit.display.pump import Pump
from chatkit.display.timeline import Timeline
from chatkit.display.wire import Command, Hides, TryAgain
from chatkit.display.wording import news_of_wait
from chatkit.events import Event, Retry
from chatkit.parts import Part

if TYPE_CHECKING:
    from chatkit.display.widget import AgainView, RetryView


class LiveChat:
    """One turn of a chat.

    Parameters
    ----------
    controls : TurnControls
        What the buttons call.
    model : str
        The model's label.
    question : str
        What was asked: shown where no answer comes.
    earlier : LiveChat, optional
        The turn that failed, in whose place this one is shown; unless given, the running cell has a new output.
    keeping : Keeping, optional
        When what was said so far is put beside the view.
    """

    def __init__(
        self,
        controls: TurnControls,
        *,
        model: str,
        question: str,
        earlier: LiveChat | None = None,
        keeping: Keeping | None = None,
    ) -> None:
        from chatkit.display.widget import TurnView

        self._controls = controls
        self._asked = Finished(model=model, question=question)
        self._account = Account()
        self._timeline = Timeline()
        self._until = 0.0
        self._began = time.monotonic()
        self._closed = self._over = self._hides = False
        self._keeping = keeping or Keeping()
        self._showing = threading.Lock()
        self._offer: AgainView | None = None
        self._output: CellOutput = earlier._output if earlier else CellOutput()
        self._beside: Beside = earlier._beside if earlier else Beside()
        self._view = TurnView(self._command, self._facts(()))
        self._output.show({**self._view.bundle(), **unfinished_bundle(self._asked)})
        self._pump = Pump(self._deliver)
        # the Markdown parser loads while the request is on its way, not when an interrupted cell waits for its end
        threading.Thread(target=parse, args=("*",), daemon=True, name="chatkit-warm").start()

    def apply(self, event: Event) -> None:
        if type(event) is Retry:
            self._until = time.monotonic() + event.delay_ms / 1000
        self._pump.put(event)

    def close(self) -> Future[None] | None:
        if self._closed:
            return None
        self._closed = True
        return finish(self._drain, self._freeze)

    def _command(self, command: Command) -> None:
        if isinstance(command, Hides):
            self._hides = True
        elif isinstance(command, TryAgain):
            self._controls.try_again(self._again)
        else:
            obey(command, self._controls)

    def _again(self, controls: TurnControls) -> LiveChat:
        with self._showing:
            self._beside.clear()
        if self._offer:
            self._offer.take_down()
        return LiveChat(controls, model=self._asked.model, question=self._asked.question, earlier=self)

    def _deliver(self, batch: list[Event]) -> None:
        if self._over:
            return
        self._account.apply_all(batch)
        parts = self._account.parts()
        self._view.show(self._timeline.of_turn(parts, running=True), self._facts(parts))
        if self._timeline.behind:
            self._pump.again()
        if self._hides and self._keeping.due(parts):
            asyncio.get_running_loop().run_in_executor(None, self._keep_now, parts, self._keeping.size)

    def _keep_now(self, parts: tuple[Part, ...], size: int) -> None:
        html = unfinished_bundle(replace(self._asked, parts=parts))["text/html"]
        with self._showing:
            if size == self._keeping.size and not self._over:
                self._beside.show({"text/html": hidden_beside(html)})

    async def _drain(self) -> None:
        await self._pump.drain()
        self._over = True
        parts = self._account.parts()
        blocks = self._timeline.of_turn(parts, running=True)
        while self._view.reloaded and self._timeline.behind:
            blocks = self._timeline.of_turn(parts, running=True)
        if self._view.reloaded:  # it stays: nothing takes its place
            blocks = self._timeline.of_turn(parts, running=False, notes=footnotes(self._finished()))
        self._view.show(blocks, self._facts(parts))

    def _finished(self) -> Finished:
        return self._account.finished(model=self._asked.model, question=self._asked.question)

    def _freeze(self) -> None:
        from chatkit.display.widget import AgainView

        try:
            finished = self._finished()
            bundle = frozen_bundle(finished)
            with self._showing:
                self._output.show(bundle)
                if finished.error is None:
                    self._beside.clear()
                else:
                    label = single_line(self._asked.model, 200)
                    self._offer = AgainView(self._command, {"label": label, "over": True, "offers": ("again",)})
                    self._beside.show(self._offer.bundle())
        finally:
            self._view.take_down()

    def _facts(self, parts: tuple[Part, ...]) -> dict[str, Any]:
        label = self._asked.model
        return turn_facts(self._account, parts, model=label, until=self._until, since=self._began, over=self._over)


class LiveRetry:
    """The waits of one call of `chatkit.retry`. Nothing is shown before the first.

    Parameters
    ----------
    controls : Controls
        What the buttons call.
    name : str
        What the person calls the thing that is retried.
    """

    def __init__(self, controls: Controls, *, name: str) -> None:
        self._controls = controls
        self._name = name
        self._account = Account()
        self._until = 0.0
        self._closed = False
        self._output = CellOutput()
        self._view: RetryView | None = None
        self._opening = threading.Lock()
        self._pump = Pump(self._deliver)

    def apply(self, event: Event) -> None:
        if type(event) is Retry:
            self._until = time.monotonic() + event.delay_ms / 1000
            with self._opening:
                if self._view is None:
                    self._open()
        self._pump.put(event)

    def _open(self) -> None:
        from chatkit.display.widget import RetryView

        self._view = RetryView(lambda command: obey(command, self._controls), self._facts())
        self._output.show({**self._view.bundle(), **retry_bundle(self._name, [])})

    def close(self) -> Future[None] | None:
        if self._closed or self._view is None:
            return None
        self._closed = True
        return finish(self._pump.drain, self._freeze)

    def _deliver(self, batch: list[Event]) -> None:
        self._account.apply_all(batch)
        if self._view is not None:
            self._view.show([], self._facts())

    def _freeze(self) -> None:
        try:
            self._output.show(self._account.retried(self._name))
        finally:
            if self._view is not None:
                self._view.take_down()

    def _facts(self) -> dict[str, Any]:
        retry = self._account.transcript.retry
        news = "" if retry is None else news_of_wait(retry)
        return {"label": single_line(self._name, 200), "news": news, "retry": countdown(retry, self._until), "offers": ("stop", "retry")}
