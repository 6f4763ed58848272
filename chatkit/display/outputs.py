"""The outputs of a cell: published to from any thread, also when the cell has ended long ago."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import copy
import logging
import sys
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from chatkit import bridge
from chatkit.display.document import Piece
from chatkit.display.environment import in_marimo
from chatkit.display.insets import Inset, catching, cell_of
from chatkit.display.writers import bundle
from chatkit.events import Event
from chatkit.fold import Transcript
from chatkit.parts import Part, Reasoning, Text

VIEW = "chatkit-view"
"""What stands for a view's MIME types in marimo, which shows the widget itself."""
PATIENCE = 2.0
"""Seconds that a caller waits for the last output at most."""
_logger = logging.getLogger("chatkit")


class CellOutput:
    """One output of the running cell, or with `below` the one that follows another of these.

    It keeps the cell's own context and publisher: what another thread publishes would land in the cell that ran last.
    """

    def __init__(self, below: CellOutput | None = None) -> None:
        self._shown = False
        self.inset: Inset | None = None
        self._in_marimo: bool = below._in_marimo if below is not None else in_marimo()
        if self._in_marimo:
            return
        from IPython.core.interactiveshell import InteractiveShell

        self._shell = InteractiveShell.instance()
        self._publisher = self._shell.display_pub
        if "parent_header" in self._publisher.trait_names():  # ipykernel 6: one header for all threads, the last cell's
            self._publisher = copy.copy(self._publisher)
        self._context = contextvars.copy_context()
        self._display_id = uuid.uuid4().hex
        self._cell = cell_of(self._publisher)
        self._waiting: dict[str, Any] | None = None
        self._publishing = threading.Lock()
        if below is not None:
            self.inset = below.inset
        elif (catchers := catching(self._cell)) or not isinstance(self._publisher, self._shell.display_pub_class):  # ``%%capture``
            self.inset = Inset(partial(self._publish, self._publisher), self._update_elsewhere, catchers)

    def show(self, bundle: Mapping[str, Any]) -> None:
        """Show a MIME bundle, in place of the one before; in marimo the view in it, which stays."""
        if self._in_marimo:
            if (view := bundle.get(VIEW)) is not None:
                sys.modules["marimo"].output.append(view)
            return
        if self.inset is not None:
            self.inset.show(self._display_id, dict(bundle))
            return
        self._waiting = dict(bundle)
        self._publish_waiting()

    def _publish_waiting(self, change: Any = None) -> None:
        """Publish what is to be shown, unless an Output widget would swallow it, which catches a part of the same cell.

        When that lets go, this is called again.
        """
        if change is not None:
            with contextlib.suppress(ValueError):
                change.owner.unobserve(self._publish_waiting, "msg_id")
        for output in catching(self._cell):
            output.observe(self._publish_waiting, "msg_id")
            if output.msg_id == self._cell:
                return
        with self._publishing:  # what was shown last is published last
            bundle, self._waiting = self._waiting, None
            if bundle is not None:  # no other thread has published it
                update, self._shown = self._shown, True
                self._publish(self._publisher, bundle, update=update)

    def _update_elsewhere(self, data: dict[str, Any]) -> None:
        if self._shell.display_pub is not self._publisher:
            self._publish(self._shell.display_pub, data, update=True)

    def _publish(self, publisher: Any, data: dict[str, Any], *, update: bool = False) -> None:
        # a context can be entered only once at a time, so each call has a copy
        self._context.copy().run(publisher.publish, data=data, metadata={}, transient={"display_id": self._display_id}, update=update)


class FallbackOutput:
    """What a cell shows where its living view can't be: in a notebook that is opened when its kernel is gone.

    It is a second output of the cell, which the views' style sheet hides while the view lives. It is shown only in a front
    end that says that it hides it. A trusted notebook shows an error in place of a widget whose kernel is gone, whatever
    else the widget's own output holds.
    """

    def __init__(self, below: CellOutput) -> None:
        self._output = CellOutput(below)
        self._empty = True

    def show(self, bundle: Mapping[str, object]) -> None:
        """Show this, in place of what was shown before."""
        self._empty = False
        self._output.show(bundle)

    def clear(self) -> None:
        """Show nothing any more."""
        if not self._empty:
            self._empty = True
            self._output.show({})


def hidden_while_live(html: str) -> str:
    """HTML that the views' style sheet hides while a view lives in the same cell."""
    return f'<div class="chatkit-beside">{outliving(html)}</div>'


def outliving(html: str) -> str:
    """HTML that stands beside a widget and hides what JupyterLab says in its place when the notebook is opened without it."""
    lost = ".jp-OutputArea:has(.chatkit-outlives) > .jp-OutputArea-child:has(> .jp-OutputArea-output.jupyter-widgets)"
    return f'{html}<style class="chatkit-outlives">{lost} {{ display: none; }}</style>'


class FallbackSchedule:
    """When to renew a fallback output: now and then while the text grows, and at once for a wait, or text that was withdrawn.

    `first` is in seconds after the first words: most replies are over by then, and leave one output. `pause` is in
    seconds between two renewals at least.
    """

    def __init__(self, *, first: float = 2.0, pause: float = 3.0) -> None:
        self.size = 0
        self._first = first
        self._pause = pause
        self._began: float | None = None
        self._last = float("-inf")
        self._waits = False

    def due(self, parts: Sequence[Part], *, waits: bool = False) -> bool:
        """Whether it is time, where a wait is under way or not; if so, this counts as a renewal."""
        size = sum(len(p.text) for p in parts if isinstance(p, Text | Reasoning))
        now = time.monotonic()
        if not size:
            self._began = None
        elif self._began is None:
            self._began = now
        ripe = self._began is not None and now - self._began >= self._first and now - self._last >= self._pause
        grown = ripe and size > 1.5 * self.size
        begins, self._waits = waits and not self._waits, waits
        if not (grown or size < self.size or begins):
            return False
        self.size, self._last = size, now
        return True


def finish(drain: Callable[[], Coroutine[Any, Any, None]] | None, show: Callable[[], None]) -> bridge.Work[None]:
    """End a display: await `drain` on the bridge's loop, then call `show` on a thread, since a long reply takes a while.

    It returns when that is done, or at once on the loop's own thread, which must not wait. The work is done when all is
    shown.
    """

    async def work() -> None:
        try:
            if drain is not None:
                await drain()
            await asyncio.to_thread(show)
        except Exception:
            _logger.warning("the display failed, and the output of this turn may be incomplete", exc_info=True)

    ending = bridge.Work(work)
    if bridge.on_loop():
        ending.begin()
    else:
        bridge.Waiter().serve(ending, bridge.ignore_interrupt, timeout=PATIENCE)
    return ending


class StaticDisplay:
    """In a notebook that a program runs (papermill, nbclient, nbval): the finished document alone, once, at the end."""

    def __init__(self, document: Callable[[Transcript], list[Piece]]) -> None:
        self._document = document
        self._transcript = Transcript()
        self._folding = threading.Lock()
        self._output = CellOutput()
        self._closed = False

    def apply(self, event: Event) -> None:
        with self._folding:
            self._transcript.apply(event)

    def close(self) -> bridge.Work[None] | None:
        if self._closed:
            return None
        self._closed = True
        return finish(None, self._show)

    def _show(self) -> None:
        with self._folding:
            document = self._document(self._transcript)
        if document:
            self._output.show(bundle(document))
