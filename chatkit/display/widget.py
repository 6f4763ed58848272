"""The widgets: a model in the browser that is kept in step with the kernel, and commands that come back from it.

The code of a view is plain ES modules without a bundler, packed into one text, since every view sends it anew.
"""

from __future__ import annotations

import base64
import logging
import re
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import anywidget
import msgspec
import traitlets

from chatkit.display.environment import give_threads_back, in_marimo, in_voila, watch_cells
from chatkit.display.labels import LABELS
from chatkit.display.messages import Ack, Block, Command, Facts, Resync
from chatkit.display.outputs import VIEW
from chatkit.display.view_state import ViewState
from chatkit.errors import ChatkitError

_IMPORT = re.compile(r'^import \{[^{}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)
_COMMENT = re.compile(r"^[ ]*//.*\n|/\*(?:[^*]|\*(?!/))*+(?:\*/|\Z)", re.MULTILINE)
_SPACE = re.compile(r"^[ ]+|^[ ]*\n", re.MULTILINE)
_UNPACK = """const views = (globalThis.chatkitViews ??= {});
views["%(key)s"] ??= (async () => {
const packed = Uint8Array.from(atob("%(packed)s"), (c) => c.charCodeAt(0));
const plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
const url = URL.createObjectURL(new Blob([await new Response(plain).text()], { type: "text/javascript" }));
const { default: view } = await import(url);
URL.revokeObjectURL(url);
return view;
})();
export default await views["%(key)s"];
"""
STYLES = {"style.js": ["view.css"], "chat_style.js": ["view.css", "chat.css"]}
"""The style sheets that a module made from them exports: they are packed with the code, which halves them."""


@cache
def file_text(name: str) -> str:
    """The text of one file of the front end; ``labels.js`` and those of `STYLES` are made here."""
    if name == "labels.js":
        return f"export const LABELS = {msgspec.json.encode(LABELS).decode()};\n"
    if name in STYLES:
        sheet = "".join(_slim(file_text(css)) for css in STYLES[name])
        return f"export const STYLE = {msgspec.json.encode(sheet).decode()};\n"
    return (files("chatkit.display") / "static" / name).read_text("utf-8")


@cache
def files_of(name: str) -> tuple[str, ...]:
    """The files of the module `name`: those that it imports, then itself."""
    found: dict[str, None] = {}
    for imported in _IMPORT.findall(file_text(name)):
        found |= dict.fromkeys(files_of(imported))
    return (*found, name)


@cache
def source_text(name: str) -> str:
    """The files of one module in one, without comments and indentation.

    What the files export becomes the module's own, so no two of them may use a name twice.
    """
    return "".join(_slim(_EXPORT.sub("", _IMPORT.sub("", file_text(part)))) for part in files_of(name))


@cache
def module_text(name: str) -> str:
    """The same module as it is sent: packed, since every view sends it anew. It unpacks itself, once per page."""
    source = source_text(name).encode()
    key = f"{name} {zlib.crc32(source):08x}"  # another kernel's chatkit may be another version
    return _UNPACK % {"key": key, "packed": base64.b64encode(zlib.compress(source, 9)).decode()}


def _slim(text: str) -> str:
    return _SPACE.sub("", _COMMENT.sub("", text))


FIRST_SNAPSHOT = 32_000
"""Characters of HTML after which the whole state is sent for the first time."""
SNAPSHOT_PAUSE = 0.5
"""Seconds between whole states in marimo: it loses messages until the view is there, and a running cell can't be asked for them."""
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
        this one would not find its way there. The same holds for Voila's page, which is loaded when all cells have run, and
        for marimo, where outputs are replaced only from within their cell.
    """

    # sent as the state is at that moment; the browser cannot change it
    snap = traitlets.Any().tag(sync=True, to_json=lambda _, view: view.state.snapshot(), from_json=lambda *_: None)

    def __init__(self, command: Callable[[Command], object], facts: Facts, blocks: Sequence[Block] = ()) -> None:
        self.state = ViewState(facts)
        self.state.advance(blocks)
        self._command = command
        self._sent_units = 0
        self._open = False
        self._in_marimo = in_marimo()
        self._sent_at = 0.0
        self.reloaded = in_voila() or self._in_marimo
        self._heard: dict[str, object] = {}
        self._sending = threading.RLock()  # messages leave in the order of their numbers
        super().__init__()
        self._open = True
        watch_cells()
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
        if self._in_marimo:
            return {VIEW: self}
        data, _ = self._repr_mimebundle_() or ({}, {})
        return {mime: value for mime, value in data.items() if mime != "text/plain"}

    def show(self, blocks: Sequence[Block], facts: Facts) -> None:
        """Bring the browser to these blocks and facts."""
        with self._sending:
            message = self.state.advance(blocks, facts)
            if message is None:
                return
            missed = self._in_marimo and time.monotonic() - self._sent_at > SNAPSHOT_PAUSE
            if missed or self.state.units >= 2 * self._sent_units + FIRST_SNAPSHOT:
                self._send_snapshot()
            else:
                self.send(message)

    def _send_snapshot(self) -> None:
        self._sent_units, self._sent_at = self.state.units, time.monotonic()
        self.send_state("snap")

    def _on_message(self, _: Any, content: Any, __: Any) -> None:
        give_threads_back()
        try:
            command = msgspec.convert(content, Command)
        except msgspec.ValidationError:
            return  # a newer front end
        if isinstance(command, Resync):
            with self._sending:
                self._send_snapshot()
            return
        token = object()
        if command.n and self._heard.setdefault(command.n, token) is not token:
            return  # a repetition: the first is carried out, perhaps on another thread, and confirmed
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
