"""What the views have in common: a model in the front end that is kept in step, and commands that come back from it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import anywidget
import msgspec
import traitlets

from chatkit.display.modules import module_text, style_text
from chatkit.display.view_state import Known, ViewState
from chatkit.display.wire import Ack, Block, Command, Resync
from chatkit.errors import ChatkitError

_CHECKPOINT = 32_000
"""Characters of HTML after which the whole state is told for the first time."""
_logger = logging.getLogger("chatkit")


class View(anywidget.AnyWidget):
    """A widget whose state lives in a `ViewState`.

    Changes go out as small numbered messages, which the front end's *model* adds up: a view that mounts late loses
    nothing. Now and then (each time that the text has doubled) the whole state goes out instead, and whenever a front
    end says that it missed something.

    Parameters
    ----------
    command : callable
        Takes what the person wants, on whatever thread a message is handled, and returns at once. A `ChatkitError` is a
        refusal, and is said in the view.
    facts, blocks
        What is shown at first.

    Attributes
    ----------
    reloaded : bool
        A front end asked for the state after the view was opened: its page was loaded again, and static output that
        comes later can't find its way there.
    """

    # told as it is at the moment of telling; the front end has no say in it
    snap = traitlets.Any().tag(sync=True, to_json=lambda _, view: view.state.snapshot(), from_json=lambda *_: None)

    def __init__(self, command: Callable[[Command], object], facts: Known, blocks: Sequence[Block] = ()) -> None:
        self.state = ViewState(facts)
        self.state.advance(blocks, {})
        self._command = command
        self._told = 0
        self._open = self.reloaded = False
        self._sending = threading.RLock()  # messages leave in the order of their numbers
        super().__init__()
        self._open = True
        self.on_msg(self._on_message)
        if hasattr(self.comm, "_reply_subshell_for"):
            # ipykernel 7.4 sends a comm's messages to the shell that it last published from: to the main shell, where
            # they would wait for the running cell. They belong where the front end sent them.
            self.comm._reply_subshell_for = lambda data, default: default

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """The state, for a front end or a notebook that wants it."""
        self.reloaded = self.reloaded or (self._open and key is None)
        with self._sending:  # text and number of the same moment
            return dict(super().get_state(key, drop_defaults))

    def send_state(self, key: Any = None) -> None:
        """Tell the state: nothing newer goes out between its reading and its leaving."""
        with self._sending:
            super().send_state(key)

    def bundle(self) -> dict[str, Any]:
        """The MIME bundle that shows this widget, and nothing where there is none or it was closed."""
        if self.comm is None:
            return {}
        data, _ = self._repr_mimebundle_() or ({}, {})
        return {mime: value for mime, value in data.items() if mime != "text/plain"}

    def show(self, blocks: Sequence[Block], facts: Known) -> None:
        """Bring the front end to these blocks and facts."""
        with self._sending:
            message = self.state.advance(blocks, facts)
            if message is None:
                return
            if self.state.units >= 2 * self._told + _CHECKPOINT:
                self._tell_all()
            else:
                self.send(message)

    def _tell_all(self) -> None:
        self._told = self.state.units
        self.send_state("snap")

    def _on_message(self, _: Any, content: Any, __: Any) -> None:
        try:
            command = msgspec.convert(content, Command)
        except msgspec.ValidationError:
            return  # a newer front end
        if isinstance(command, Resync):
            with self._sending:
                self._tell_all()
            return
        name, refused = content["do"], ""
        try:
            self._command(command)
        except ChatkitError as error:
            refused = str(error)
        except Exception:
            _logger.exception("the command %s of a view failed", name)
            refused = "it failed; the kernel's log says why"
        self.send(msgspec.to_builtins(Ack(ack=name, refused=refused)))

    def close(self) -> None:
        """Close the widget and its layout, in the kernel and in the front end."""
        if self.comm is None:
            return
        layout = self.layout
        super().close()
        layout.close()

    def take_down(self) -> None:
        """Close it; not where nothing else shows the end."""
        if not self.reloaded:
            self.close()


class TurnView(View):
    """One turn: its text as it streams, and the bar above it."""

    _esm = module_text("turn_view.js")
    _css = style_text("turn_view.js")


class ChatView(View):
    """A whole chat."""

    _esm = module_text("chat_view.js")
    _css = style_text("chat_view.js")


class RetryView(View):
    """The wait of `chatkit.retry` before another attempt."""

    _esm = module_text("retry_view.js")
    _css = style_text("retry_view.js")


class AgainView(View):
    """The offer to ask once more, below what stays of a turn that failed."""

    _esm = module_text("again_view.js")
    _css = style_text("again_view.js")
