"""In a notebook that a program runs (papermill, nbclient, nbval): the finished output alone, once, at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from chatkit.display.account import Account
from chatkit.display.cell_output import CellOutput
from chatkit.display.closing import finish
from chatkit.display.frozen import frozen_bundle
from chatkit.events import Event


class _AtTheEnd:
    """Collects events, and shows one bundle."""

    def __init__(self, bundle: Callable[[Account], dict[str, str]]) -> None:
        self._bundle = bundle
        self._account = Account()
        self._lock = threading.Lock()
        self._output = CellOutput()
        self._closed = False

    def apply(self, event: Event) -> None:
        with self._lock:
            self._account.apply(event)

    def close(self) -> Future[None] | None:
        if self._closed:
            return None
        self._closed = True
        return finish(None, self._show)

    def _show(self) -> None:
        with self._lock:
            bundle = self._bundle(self._account)
        if bundle:
            self._output.show(bundle)


class StaticChat(_AtTheEnd):
    """One turn of a chat, byte for byte as the live display freezes it.

    Parameters
    ----------
    model : str
        The model's label.
    question : str
        What was asked: shown where no answer comes.
    """

    def __init__(self, *, model: str, question: str) -> None:
        super().__init__(lambda account: frozen_bundle(account.finished(model=model, question=question)))


class StaticRetry(_AtTheEnd):
    """The waits of one call of `chatkit.retry`; nothing where there was none.

    Parameters
    ----------
    name : str
        What the person calls the thing that is retried.
    """

    def __init__(self, *, name: str) -> None:
        super().__init__(lambda account: account.retried(name) if account.waits or account.waiting else {})
