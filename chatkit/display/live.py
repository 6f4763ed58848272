"""In a notebook with a person before it: a widget while something runs, static output when it is over."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from chatkit.display.account import Account
from chatkit.display.cell_output import CellOutput
from chatkit.display.closing import finish
from chatkit.display.frozen import Finished, footnotes, frozen_bundle, retry_bundle, unfinished_bundle
from chatkit.display.markdown import parse
from chatkit.display.protocol import Controls
from chatkit.display.pump import Pump
from chatkit.display.view_state import blocks_shown
from chatkit.display.wording import doing, failed_attempt, headline, news_of_wait
from chatkit.events import Event, Retry
from chatkit.parts import Part, Reasoning, Text

if TYPE_CHECKING:
    from chatkit.display.retry_view import RetryView
    from chatkit.display.widget import View

__all__ = ["LiveChat", "LiveRetry"]


class LiveChat:
    """One turn of a chat.

    Parameters
    ----------
    controls : Controls
        What the buttons call.
    model : str
        The model's label.
    question : str
        What was asked: shown where no answer comes.
    keep_every : float
        Seconds after which what was said so far is put beside the widget, for a notebook whose kernel dies.
    """

    def __init__(self, controls: Controls, *, model: str, question: str, keep_every: float = 15.0) -> None:
        from chatkit.display.chat_view import ChatView

        self._asked = Finished(model=model, question=question)
        self._account = Account()
        self._until = 0.0
        self._closed = self._over = False
        self._keep_every = keep_every
        self._kept, self._kept_at = 0, time.monotonic()
        self._showing = threading.Lock()
        self._output = CellOutput()
        self._view = ChatView(controls, self._facts(()))
        _show_widget(self._output, self._view, unfinished_bundle(self._asked))
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

    def _deliver(self, batch: list[Event]) -> None:
        self._account.apply_all(batch)
        parts = self._account.parts()
        self._view.show(blocks_shown(parts), self._facts(parts))
        self._keep(parts)

    def _keep(self, parts: tuple[Part, ...]) -> None:
        """Now and then put what was said beside the widget, and take it away at once where it was withdrawn."""
        size = sum(len(p.text) for p in parts if isinstance(p, Text | Reasoning))
        now = time.monotonic()
        if size < self._kept or (size > 1.25 * self._kept and now - self._kept_at >= self._keep_every):
            self._kept, self._kept_at = size, now
            asyncio.get_running_loop().run_in_executor(None, self._keep_now, parts, size)

    def _keep_now(self, parts: tuple[Part, ...], size: int) -> None:
        bundle = unfinished_bundle(replace(self._asked, parts=parts))
        with self._showing:
            if size == self._kept and not self._over:
                _show_widget(self._output, self._view, bundle)

    async def _drain(self) -> None:
        await self._pump.drain()
        self._over = True
        parts = self._account.parts()
        lines = footnotes(self._finished()) if self._view.reloaded else []
        self._view.show(blocks_shown(parts) + [{"k": "line", "t": line} for line in lines], self._facts(parts))

    def _finished(self) -> Finished:
        return self._account.finished(model=self._asked.model, question=self._asked.question)

    def _freeze(self) -> None:
        try:
            bundle = frozen_bundle(self._finished())
            with self._showing:
                self._output.show(bundle)
        finally:
            self._view.take_down()

    def _facts(self, parts: tuple[Part, ...]) -> dict[str, Any]:
        fold, label = self._account.transcript, self._asked.model
        retry = None if self._over else fold.retry
        if fold.error is not None:
            now = news = headline(fold.error)
        elif self._over:
            now, news = "", "The reply is complete." if parts else "Stopped."
        elif retry is not None:
            now, news = "", news_of_wait(retry)
        elif fold.status_word == "interrupting":
            now = news = "stopping…"
        else:
            now = doing(parts[-1] if parts else None)
            news = "The reply goes on." if self._account.waits and parts else f"{label} is answering."
        return {"label": label, "doing": now, "news": news, "over": self._over, "retry": _countdown(retry, self._until)}


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
        from chatkit.display.retry_view import RetryView

        self._view = RetryView(self._controls, self._facts())
        _show_widget(self._output, self._view, retry_bundle(self._name, []))

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
        return {"label": self._name, "doing": "", "news": news, "over": False, "retry": _countdown(retry, self._until)}


def _countdown(retry: Retry | None, until: float) -> dict[str, Any] | None:
    return None if retry is None else {"until": until, "why": failed_attempt(retry)}


def _show_widget(output: CellOutput, view: View, fallback: dict[str, str]) -> None:
    """The widget, beside what stays readable where there is none: a notebook saved now, a kernel that died."""
    data, metadata = view._repr_mimebundle_() or ({}, {})
    output.show({**data, **fallback}, metadata)
