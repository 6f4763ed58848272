"""Every exception that chatkit raises, and the classification that a provider's failure carries.

::

    ChatkitError
    ├── UsageError            an argument is wrong: change the call               (also a ValueError)
    │   ├── UnknownOption     a keyword that the function does not take           (also a TypeError)
    │   ├── MissingKey        set the environment variable that it names, or pass api_key=
    │   └── ChatClosed        open a new chat
    ├── Busy                  a turn is running: wait for it, or stop it
    ├── Stopped               the user stopped it; the partial reply is available as ``reply``
    └── ProviderError         the provider failed; ``classification`` says how
        ├── TransientError    try again later: rate_limit, overloaded, server_error, network, timeout, unknown
        ├── AuthError         use another key
        ├── QuotaError        pay, or wait for the reset that it names
        ├── ContextExceeded   send less
        └── RequestRejected   change the request: invalid_request, model_not_found, content_filter, canceled, program

The leaves differ in what the caller can do next; the facts are attributes.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Literal, get_args

import msgspec

Kind = Literal[
    "rate_limit",
    "overloaded",
    "server_error",
    "network",
    "timeout",
    "unknown",
    "auth",
    "quota",
    "context_exceeded",
    "model_not_found",
    "invalid_request",
    "content_filter",
    "canceled",
    "program",
]
KINDS: tuple[str, ...] = get_args(Kind)
RETRYABLE_KINDS: frozenset[Kind] = frozenset({"rate_limit", "overloaded", "server_error", "network", "timeout"})
_OURS = os.path.dirname(__file__) + os.sep


class Classification(msgspec.Struct, frozen=True, kw_only=True):
    """What a failure is, and whether another try may succeed.

    Attributes
    ----------
    retryable : bool
        Whether the same request may succeed later.
    kind : str
        One of `Kind`: ``rate_limit``, ``overloaded``, ``server_error``, ``network``, ``timeout``, ``unknown``, ``auth``,
        ``quota``, ``context_exceeded``, ``model_not_found``, ``invalid_request``, ``content_filter``, ``canceled``, ``program``.
    message : str
        One sentence about the failure, written by chatkit.
    provider : str or None
        The provider that failed, if it is known.
    status_code : int or None
        The HTTP status.
    retry_after : float or None
        The wait that the server asked for, in seconds: a minimum.
    detail : str
        The provider's own message, at most 500 characters, with keys blotted out. It is untrusted text.
    request_id : str or None
        The provider's id of the request.
    unreached : str or None
        The address that refused the connection, or whose host is unknown, where nothing has ever answered in this process: most likely
        a mistake.
    """

    retryable: bool
    kind: Kind
    message: str
    provider: str | None = None
    status_code: int | None = None
    retry_after: float | None = None
    detail: str = ""
    request_id: str | None = None
    unreached: str | None = None


class ChatkitError(Exception):
    """The base class of every exception that chatkit raises."""

    def _render_traceback_(self) -> list[str]:
        """The traceback that a notebook shows: your own lines down to the call, without those inside chatkit.

        `__traceback__` has all of them.
        """
        import traceback
        from pathlib import Path

        shell, lines = str(Path("IPython", "core")), []
        for frame in traceback.extract_tb(self.__traceback__):
            if frame.filename.startswith(_OURS):
                break
            if shell not in frame.filename and not (frame.line or "").startswith("get_ipython().run_"):  # a magic's own call
                file = "Cell" if "ipykernel_" in frame.filename else Path(frame.filename).name
                lines.append(f"{file}, line {frame.lineno}, in {frame.name}\n    {frame.line}")
        return [*lines, "", f"{type(self).__name__}: {self}", *getattr(self, "__notes__", ())]


class UsageError(ChatkitError, ValueError):
    """An argument is wrong; the message says what to pass instead."""


class UnknownOption(UsageError, TypeError):
    """A keyword that the function does not take."""


class MissingKey(UsageError):
    """There is no API key; the message names the environment variable to set."""


class ChatClosed(UsageError):
    """The chat was closed; open a new one."""


class Busy(ChatkitError):
    """A turn is running in this chat: wait for it, or stop it."""


class Stopped(ChatkitError):
    """The user stopped the turn, or the call of `retry`.

    Attributes
    ----------
    reply : Reply or None
        The partial reply; None if there was none, and for `retry`.
    """

    def __init__(self, message: str, reply: Any = None) -> None:
        super().__init__(message)
        self.reply = reply

    def _render_traceback_(self) -> list[str]:
        """A notebook shows one line without a traceback, since the user knows what stopped it."""
        return [f"{type(self).__name__}: {self}"]


class Classified:
    """Gives what carries a `classification` the fields of it that both `ProviderError` and `RetryNotice` have."""

    __slots__ = ()
    classification: Classification

    @property
    def kind(self) -> Kind:
        return self.classification.kind

    @property
    def provider(self) -> str | None:
        return self.classification.provider

    @property
    def status_code(self) -> int | None:
        return self.classification.status_code


class ProviderError(Classified, ChatkitError):
    """A provider failed.

    Attributes
    ----------
    classification : Classification
        What failed; its fields are also attributes of the error (``kind``, ``retryable``, ``status_code`` …).
    attempts : int
        The number of attempts, if a retry loop raised it; else 1.
    waited : float
        Seconds waited between them.
    paid : bool
        Whether the attempt was paid for although it failed: its stream was cut off, or the reply was empty.
    """

    def __init__(self, classification: Classification) -> None:
        super().__init__(classification.message)
        self.classification = classification
        self.attempts = 1
        self.waited = 0.0
        self.paid = False

    @property
    def retryable(self) -> bool:
        return self.classification.retryable

    @property
    def retry_after(self) -> float | None:
        return self.classification.retry_after

    @property
    def detail(self) -> str:
        return self.classification.detail

    @property
    def request_id(self) -> str | None:
        return self.classification.request_id

    def __str__(self) -> str:
        c = self.classification
        facts = [f"HTTP {c.status_code}"] if c.status_code else []
        facts += [f"request {c.request_id}"] if c.request_id else []
        text = c.message + (f" ({', '.join(facts)})" if facts else "")
        stop = "" if text.endswith("?") else "."
        return f"{text}{stop} Details: {c.detail}" if c.detail else text

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.classification,), {"attempts": self.attempts, "waited": self.waited, "paid": self.paid}


class TransientError(ProviderError):
    """The failure may pass: try again later."""


class AuthError(ProviderError):
    """The key was refused, or does not allow this."""


class QuotaError(ProviderError):
    """The quota of the account is used up: pay, or wait for the reset that the message names."""


class ContextExceeded(ProviderError):
    """The request is longer than the model takes: send less."""


class RequestRejected(ProviderError):
    """The request was refused, and would be refused again."""


_LEAVES: dict[str, type[ProviderError]] = {
    "auth": AuthError,
    "quota": QuotaError,
    "context_exceeded": ContextExceeded,
    "model_not_found": RequestRejected,
    "invalid_request": RequestRejected,
    "content_filter": RequestRejected,
    "canceled": RequestRejected,
    "program": RequestRejected,
}


def provider_error(classification: Classification) -> ProviderError:
    """The leaf of `ProviderError` that fits a classification.

    >>> provider_error(Classification(retryable=False, kind="auth", message="openai refused the key"))
    AuthError('openai refused the key')
    """
    return _LEAVES.get(classification.kind, TransientError)(classification)


class OwnFrames:
    """A block whose errors show the frames of the caller's own code alone: those of chatkit, down to the function that it calls, go."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OURS):
            trace = trace.tb_next
        if error is not None:
            error.__traceback__ = trace


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question that names the most similar of the known words; empty if none is similar.

    >>> did_you_mean("shwo", ["show", "options"]), did_you_mean("x", ["show"])
    ("did you mean 'show'?", '')
    """
    near = difflib.get_close_matches(word, list(known), 1, 0.7)
    return f"did you mean {near[0]!r}?" if near else ""


def unknown_option(where: str, given: Iterable[str], known: Iterable[str], otherwise: str = "") -> UnknownOption:
    """The error for keywords that the function `where` doesn't take; it lists those that it takes, and names the most similar one.

    Where none is similar, `otherwise` says what to do.

    >>> print(unknown_option("ask()", ["shwo"], ["show", "options"]))
    ask() takes no 'shwo': did you mean 'show'? It takes options, show.
    """
    names, wanted = sorted(known), list(given)
    near = did_you_mean(wanted[0], names) or (f"{otherwise}." if otherwise else "")
    hint = f": {near} It" if near else ". It"
    return UnknownOption(f"{where} takes no {', '.join(map(repr, wanted))}{hint} takes {', '.join(names)}.")


class Suggesting(msgspec.StructMeta):
    """The type of structs that answer an unknown keyword as the functions of chatkit do."""

    def __call__(cls, *args: Any, **given: Any) -> Any:
        if unknown := [name for name in given if name not in cls.__struct_fields__]:
            raise unknown_option(f"{cls.__name__}()", unknown, cls.__struct_fields__)
        return super().__call__(*args, **given)
