"""Where the code runs: in a notebook's cell, with or without a person at the front end, in a terminal, or elsewhere.

IPython is looked for only among the modules that are already loaded: a kernel has loaded it.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Literal, TextIO, get_args

from chatkit.errors import UsageError

Mode = Literal["live", "static", "terminal", "off"]
"""A widget; the finished output alone; the reply on stdout and a line on stderr; nothing."""

VARIABLE = "CHATKIT_DISPLAY"


def display_mode() -> Mode:
    """How to show things here: ``CHATKIT_DISPLAY`` where it is set, else what fits the place.

    A cell that a person runs (``allow_stdin`` is true) gets a live widget; a cell that a program runs (papermill, nbclient,
    nbval) gets the finished output alone. Voila runs cells like a program, for a page that a person then sees: it gets a
    live widget, and so does marimo. A terminal gets the reply as text, and a line for every wait; anything else gets nothing.
    ``live`` and ``static`` need a kernel and are ignored without one. Raises `UsageError` where the variable holds another word.
    """
    word = os.environ.get(VARIABLE, "").strip().lower()
    if word and word not in get_args(Mode):
        raise UsageError(f"{VARIABLE}={word!r}: set it to live, static, terminal or off, or leave it unset")
    if word == "off" or word == "terminal" or (word in ("live", "static") and in_notebook()):
        return word  # type: ignore[return-value] # one of Mode
    if in_marimo():
        return "live"
    if in_notebook():
        return "live" if in_voila() or _cell_allows_stdin() else "static"
    return "terminal" if _stderr_is_terminal() else "off"


def attended() -> bool:
    """Whether a person can watch and stop: a notebook's cell that may ask for input, or a terminal at stderr.

    Voila's page is there when all cells have ended: from then on, a person can press its buttons.
    """
    if in_marimo():
        return True
    if in_voila():
        return _header().get("msg_type") == "comm_msg"
    return _cell_allows_stdin() if in_notebook() else _stderr_is_terminal()


def shows_by_default() -> bool:
    """Whether there is a display here at all; `UsageError` as `display_mode`."""
    return display_mode() != "off"


def in_notebook() -> bool:
    """Whether this is a Jupyter kernel."""
    return _kernel() is not None


def in_voila() -> bool:
    """Whether Voila started this kernel: for a request that has come, or one that it expects."""
    return in_notebook() and (os.environ.get("SERVER_SOFTWARE", "").startswith("voila/") or "VOILA_PREHEAT" in os.environ)


def in_marimo() -> bool:
    """Whether this thread runs a cell of a marimo notebook, or what a person does in one."""
    running = getattr(sys.modules.get("marimo"), "running_in_notebook", None)
    return running is not None and bool(running())


def stdout_is_terminal() -> bool:
    """Whether a person reads what is printed."""
    return _is_terminal(sys.stdout)


def current_cell() -> object | None:
    """A token of the cell that runs, equal for all calls from the same execution; None where there are no cells.

    In a terminal's IPython, it is the number of the prompt.
    """
    if in_notebook():
        return _header().get("msg_id")
    return getattr(_shell(), "execution_count", None) if stdout_is_terminal() else None


_newest: dict[str, Any] = {}
"""The request of the cell that was run last."""


def watch_cells() -> None:
    """Note from now on which cell was run last, for `give_threads_back`."""
    if in_notebook():
        _shell().events.register("pre_run_cell", _note_cell)  # once, however often this is called
        _note_cell()


def give_threads_back() -> None:
    """What threads print lands in the cell that was run last, as before this message of a widget.

    ipykernel takes every message for the origin of what is printed from then on, and the front end has no place for that.
    """
    if _newest:
        _shell().set_parent(_newest)


def _note_cell(_: object = None) -> None:
    global _newest
    if _request().get("header", {}).get("msg_type") == "execute_request":
        _newest = _request()


def _shell() -> Any:
    """IPython's shell, if one runs in this process."""
    module = sys.modules.get("IPython")
    get_ipython = getattr(module, "get_ipython", None)
    return get_ipython() if get_ipython is not None else None


def _kernel() -> Any:
    return getattr(_shell(), "kernel", None)


def _request() -> dict[str, Any]:
    """The request that this code runs for: a cell's execution, or a message of a widget."""
    get_parent = getattr(_kernel(), "get_parent", None)
    if get_parent is None:
        return {}
    try:
        parent = get_parent("shell")
    except LookupError:  # on a thread of one's own, before the first cell
        return {}
    return parent if isinstance(parent, dict) else {}


def _header() -> dict[str, Any]:
    header = _request().get("header")
    return header if isinstance(header, dict) else {}


def _cell_allows_stdin() -> bool:
    request = _request()
    content = request.get("content")
    if isinstance(content, dict) and "allow_stdin" in content:
        return bool(content["allow_stdin"])
    # not in a cell's own context (a widget's callback, a thread): what the last cell was run with; a kernel that
    # isn't ipykernel doesn't say, and has a person before it
    return bool(getattr(_kernel(), "_allow_stdin", True))


def _stderr_is_terminal() -> bool:
    return _is_terminal(sys.stderr)


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False
