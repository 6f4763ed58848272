"""The widgets: a model in the browser that is kept in step with the kernel, and commands that come back from it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import anywidget
import msgspec
import traitlets

from chatkit.display.messages import Ack, Block, Command, Facts, Resync
from chatkit.display.modules import module_text
from chatkit.display.view_state import ViewState
from chatkit.errors import ChatkitError

FIRST_SNAPSHOT = 32_000
"""Characters of HTML after which the whole state is sent for the first time."""
_logger = logging.getLogger("chatkit")


class View(anywidget.AnyWidget):
    """A widget whose state lives in a `ViewState`.

    Changes go out as small numbered messages, which the browser's *model* adds up: a view that is mounted late loses
    nothing. Each time that the text has doubled the whole state goes out instead, and whenever a browser asks for it.

    Parameters
    ----------
    command : callable
        Takes a `Command`, on whatever thread the message is handled, and returns at once. A `ChatkitError` is a refusal,
        which the view shows.
    facts, blocks
        The first state.

    Attributes
    ----------
    reloaded : bool
        A browser asked for the state after the view was opened: its page was loaded again, and an output that replaces
        this one would not find its way there.
    """

    # sent as the state is at that moment; the browser cannot change it
    snap = traitlets.Any().tag(sync=True, to_json=lambda _, view: view.state.snapshot(), from_json=lambda *_: None)

    def __init__(self, command: Callable[[Command], object], facts: Facts, blocks: Sequence[Block] = ()) -> None:
        self.state = ViewState(facts)
        self.state.advance(blocks)
        self._command = command
        self._sent_units = 0
        self._open = self.reloaded = False
        self._sending = threading.RLock()  # messages leave in the order of their numbers
        super().__init__()
        self._open = True
        self.on_msg(self._on_message)
        if hasattr(self.comm, "_reply_subshell_for"):
            # ipykernel 7.4 handles a comm's messages in the shell that it last published from, the main one, where they
            # would wait for the running cell; they belong to the shell that the front end addressed
            self.comm._reply_subshell_for = lambda data, default: default

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """The state, for a browser or a saved notebook."""
        self.reloaded = self.reloaded or (self._open and key is None)
        with self._sending:  # text and number of the same moment
            return dict(super().get_state(key, drop_defaults))

    def send_state(self, key: Any = None) -> None:
        """Send the state: nothing newer goes out while it is read and sent."""
        with self._sending:
            super().send_state(key)

    def bundle(self) -> dict[str, Any]:
        """The MIME bundle that shows this widget; empty where there is no kernel, or it was closed."""
        if self.comm is None:
            return {}
        data, _ = self._repr_mimebundle_() or ({}, {})
        return {mime: value for mime, value in data.items() if mime != "text/plain"}

    def show(self, blocks: Sequence[Block], facts: Facts) -> None:
        """Bring the browser to these blocks and facts."""
        with self._sending:
            message = self.state.advance(blocks, facts)
            if message is None:
                return
            if self.state.units >= 2 * self._sent_units + FIRST_SNAPSHOT:
                self._send_snapshot()
            else:
                self.send(message)

    def _send_snapshot(self) -> None:
        self._sent_units = self.state.units
        self.send_state("snap")

    def _on_message(self, _: Any, content: Any, __: Any) -> None:
        try:
            command = msgspec.convert(content, Command)
        except msgspec.ValidationError:
            return  # a newer front end
        if isinstance(command, Resync):
            with self._sending:
                self._send_snapshot()
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
        """Close the widget and its layout, in the kernel and in the browser."""
        if self.comm is None:
            return
        layout = self.layout
        super().close()
        layout.close()

    def take_down(self) -> None:
        """Close it, unless a page that was loaded again has nothing else to show."""
        if not self.reloaded:
            self.close()


class TurnView(View):
    """One turn: the bar, and below it the answer as it streams; after a failure, Try again alone."""

    _esm = module_text("turn_view.js")


class ChatView(View):
    """A whole chat: the last line of a cell, `display(view)`, or a child of another widget.

    `shown` is called when it is shown in a cell, `closed` when it is closed.
    """

    _esm = module_text("chat_view.js")

    def __init__(self, *args: Any, shown: Callable[[], object], closed: Callable[[], object]) -> None:
        self._shown, self._closed = shown, closed
        super().__init__(*args)

    def _ipython_display_(self) -> None:
        self._shown()

    def close(self) -> None:
        """Take the view off every page; the chat goes on, and `Chat.view` makes another."""
        if self.comm is not None:
            self._closed()
        super().close()


class RetryView(View):
    """The wait of `chatkit.retry` before another attempt."""

    _esm = module_text("retry_view.js")
