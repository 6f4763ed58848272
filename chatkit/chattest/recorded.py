"""What a scripted provider received: one `RecordedRequest` each, and the log in which a test can wait for the next."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import msgspec

TITLE_PROMPT = "Write a title for this conversation"
"""How the system prompt of chatkit's title requests begins: such a request is scripted apart from the turns."""

FormatName = Literal["anthropic", "chat", "responses"]
_PATHS: tuple[tuple[str, FormatName], ...] = (("/messages", "anthropic"), ("/chat/completions", "chat"), ("/responses", "responses"))
_SECRET = frozenset({"authorization", "proxy-authorization", "x-api-key", "api-key", "cookie"})


class Headers(dict[str, str]):
    """Header fields by lower-case name. Keys can be checked, and are blotted out of the repr.

    >>> Headers({"x-api-key": "sk-1", "accept": "*/*"})
    {'x-api-key': '***', 'accept': '*/*'}
    """

    def __repr__(self) -> str:
        return repr({name: "***" if name in _SECRET else value for name, value in self.items()})


class RecordedRequest:
    """One request, as the server saw it, and how far the response to it came.

    Attributes
    ----------
    number : int
        From 1, over everything that this server received, in order of arrival.
    method, path : str
        The path as sent, with its query.
    format : {"anthropic", "chat", "responses"} or None
        The wire format, which follows from the path; None where nothing is served there.
    prefix : str
        What precedes the provider's own path: ``"/a"`` of ``/a/v1/messages``.
    headers : Headers
        By lower-case name.
    content : bytes
        The body as sent.
    json : Any
        The body decoded; None where it isn't JSON.
    pieces_sent : int
        Pieces of the reply that went out so far.
    pings_sent : int
        Pings that went out while `Response.drip` lasted.
    stalled : bool
        The response hangs, at `Response.stall` or `Response.drip`.
    finished : bool
        Nothing more will be sent.
    hung_up : bool
        The client left before the response had been sent.
    """

    def __init__(self, number: int, method: str, path: str, headers: Headers, content: bytes) -> None:
        self.number = number
        self.method = method
        self.path = path
        self.headers = headers
        self.content = content
        self.json: Any = None
        with contextlib.suppress(msgspec.DecodeError):
            self.json = msgspec.json.decode(content) if content else None
        self.format, self.prefix = _route(method, path)
        self.pieces_sent = 0
        self.pings_sent = 0
        self.stalled = False
        self.finished = False
        self.hung_up = False

    def _field(self, name: str) -> Any:
        return self.json.get(name) if isinstance(self.json, dict) else None

    @property
    def model(self) -> str:
        """The model asked for."""
        return str(self._field("model") or "")

    @property
    def streams(self) -> bool:
        """Whether the client asked for a stream."""
        return self._field("stream") is True

    @property
    def system(self) -> str:
        """The system prompt, wherever the format carries it."""
        lead = _text(self._field("instructions" if self.format == "responses" else "system"), " ")
        return lead or next((text for role, text in self._said() if role in ("system", "developer")), "")

    @property
    def messages(self) -> list[tuple[str, str]]:
        """The conversation as pairs of role and text, without the system prompt."""
        return [(role, text) for role, text in self._said() if role not in ("system", "developer")]

    @property
    def text(self) -> str:
        """The text of the last user message that has any."""
        return next((text for role, text in reversed(self.messages) if role == "user" and text), "")

    @property
    def is_title(self) -> bool:
        """Whether it asks for a title: its system prompt begins with `TITLE_PROMPT`."""
        return self.format is not None and self.system.startswith(TITLE_PROMPT)

    def _said(self) -> Iterator[tuple[str, str]]:
        given = self._field("input" if self.format == "responses" else "messages")
        if isinstance(given, str):
            yield "user", given
        elif isinstance(given, list):
            for item in given:
                if isinstance(item, dict) and isinstance(item.get("role"), str):
                    yield item["role"], _text(item.get("content"), " ")

    def __repr__(self) -> str:
        state = "hung up" if self.hung_up else "finished" if self.finished else "stalled" if self.stalled else "open"
        return f"<RecordedRequest {self.number} {self.method} {self.path}: {state}, {self.pieces_sent} pieces sent>"


def _text(content: Any, between: str) -> str:
    """The text of a message's content, which is a string or a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = (p["text"] for p in content if isinstance(p, dict) and isinstance(p.get("text"), str))
    return between.join(t.strip() for t in texts if t.strip())


def _route(method: str, path: str) -> tuple[FormatName | None, str]:
    bare = path.partition("?")[0].rstrip("/")
    for end, name in _PATHS:
        if method == "POST" and bare.endswith(end):
            return name, bare.removesuffix(end).removesuffix("/v1")
    return None, bare


class Log:
    """The requests in order of arrival, written by the server's thread and read by any other."""

    def __init__(self, keep: int | None = None) -> None:
        self.received: deque[RecordedRequest] = deque(maxlen=keep)
        self.problems: list[str] = []
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()

    def add(self, method: str, path: str, headers: Headers, content: bytes) -> RecordedRequest:
        """Record one request."""
        with self._changed:
            request = RecordedRequest(next(self._numbers), method, path, headers, content)
            self.received.append(request)
            self._changed.notify_all()
        return request

    def note(self, request: RecordedRequest, *, pieces: int = 0, pings: int = 0, **state: bool) -> None:
        """Record how far a response came, and wake whoever waits for it."""
        with self._changed:
            request.pieces_sent += pieces
            request.pings_sent += pings
            for name, value in state.items():
                setattr(request, name, value)
            self._changed.notify_all()

    def problem(self, text: str) -> None:
        """Record what the test got wrong: a script that ended or raised."""
        with self._changed:
            self.problems.append(text)
            self._changed.notify_all()

    def wait(self, holds: Callable[[Iterable[RecordedRequest]], bool], timeout: float) -> bool:
        """Wait until something holds for the requests so far; False where the time ran out."""
        with self._changed:
            return self._changed.wait_for(lambda: holds(self.received), timeout)

    def chosen(self, wanted: Callable[[RecordedRequest], bool]) -> list[RecordedRequest]:
        """A copy of those that are wanted, in order."""
        with self._changed:
            received = list(self.received)
        return [r for r in received if wanted(r)]
