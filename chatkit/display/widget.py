"""What the views have in common: a model in the front end that is kept in step, and two buttons."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import anywidget
import traitlets

from chatkit.display.protocol import Controls
from chatkit.display.view_state import Block, ViewState

__all__ = ["View"]

_CHECKPOINT = 2000


class View(anywidget.AnyWidget):
    """A widget whose state lives in a `ViewState`.

    Changes go out as small numbered messages, which the front end's *model* adds up: a view that mounts late loses
    nothing. Now and then (each time that the text has doubled) the whole state goes out instead, and whenever a front
    end says that it missed something.

    Parameters
    ----------
    controls : Controls
        What the buttons call, on whatever thread a message is handled.
    facts : dict
        What is shown at first.

    Attributes
    ----------
    reloaded : bool
        A front end asked for the state after the view was opened: its page was loaded again, and static output that
        comes later can't find its way there.
    """

    # told as it is at the moment of telling; the front end has no say in it
    snap = traitlets.Any().tag(sync=True, to_json=lambda _, view: view.state.snapshot(), from_json=lambda *_: None)

    def __init__(self, controls: Controls, facts: dict[str, Any]) -> None:
        self.state = ViewState(facts)
        self._controls = controls
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
        return dict(super().get_state(key, drop_defaults))

    def show(self, blocks: Sequence[Block], facts: dict[str, Any]) -> None:
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
        match content:
            case {"do": "stop"}:
                self._controls.stop()
                self.send({"ack": "stop"})
            case {"do": "retry"}:
                self._controls.retry_now()
                self.send({"ack": "retry"})
            case {"do": "resync"}:
                with self._sending:
                    self._tell_all()
            case _:
                pass  # a newer front end

    def take_down(self) -> None:
        """Close the widget and its layout, in the kernel and in the front end; not where nothing else shows the end."""
        if self.reloaded:
            return
        layout = self.layout
        self.close()
        layout.close()
