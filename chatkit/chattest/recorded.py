"""The requests that a fake provider received, and the log in which a test can wait for them."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import msgspec

TITLE_PROMPT = "Write a title for this conversation"
"""The beginning of the system prompt of chatkit's title requests, which have a script of their own."""

FormatName = Literal["anthropic", "chat", "responses"]
_FORMAT_OF_PATH: tuple[tuple[str, FormatName], ...] = (
    ("/messages", "anthropic"),
    ("/chat/completions", "chat"),
    ("/responses", "responses"),
)
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "x-api-key", "api-key", "cookie"})


class Headers(dict[str, str]):
    """Header fields by lower-case name. The repr hides API keys, which a test can still compare.

    >>> Headers({"x-api-key": "sk-1", "accept": "*/*"})
    {'x-api-key': '***', 'accept': '*/*'}
    """

    def __repr__(self) -> str:
        return repr({name: "***" if name in _SECRET_HEADERS else value for name, value in self.items()})


class RecordedRequest:
    """One request as the server received it, and the progress of its response.

    Attributes
    ----------
    number : int
        Counted from 1 in order of arrival, over all requests of this server.
    method, path : str
        As sent; the path includes the query.
    format : {"anthropic", "chat", "responses"} or None
        The wire format that belongs to the path; None for any other path.
    prefix : str
        What precedes the provider's path: ``"/a"`` in ``/a/v1/messages``.
    headers : Headers
        By lower-case name.
    content : bytes
        The body as sent.
    json : Any
        The decoded body; None if it isn't JSON.
    pieces_sent : int
        Pieces of the reply sent so far.
    pings_sent : int
        Pings that `Response.drip` has sent.
    stalled : bool
        Whether the response hangs, at `Response.stall` or `Response.drip`.
    finished : bool
        Whether the response has ended.
    hung_up : bool
        Whether the client left before the response had been sent.
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
        """The name of the requested model."""
        return str(self._field("model") or "")

    @property
    def streams(self) -> bool:
        """Whether the client asked for a stream."""
        return self._field("stream") is True

    @property
    def system(self) -> str:
        """The system prompt, from the place where the format has it."""
        own_field = _text(self._field("instructions" if self.format == "responses" else "system"))
        return own_field or next((text for role, text in self._role_texts() if role in ("system", "developer")), "")

    @property
    def messages(self) -> list[tuple[str, str]]:
        """The conversation as pairs of role and text, without the system prompt."""
        return [(role, text) for role, text in self._role_texts() if role not in ("system", "developer")]

    @property
    def text(self) -> str:
        """The text of the last user message that has text."""
        return next((text for role, text in reversed(self.messages) if role == "user" and text), "")

    @property
    def is_title(self) -> bool:
        """Whether this is a request for a title: its system prompt begins with `TITLE_PROMPT`."""
        return self.format is not None and self.system.startswith(TITLE_PROMPT)

    def _role_texts(self) -> Iterator[tuple[str, str]]:
        given = self._field("input" if self.format == "responses" else "messages")
        if isinstance(given, str):
            yield "user", given
        elif isinstance(given, list):
            for item in given:
                if isinstance(item, dict) and isinstance(item.get("role"), str):
                    yield item["role"], _text(item.get("content"))

    def __repr__(self) -> str:
        state = "hung up" if self.hung_up else "finished" if self.finished else "stalled" if self.stalled else "open"
        return f"<RecordedRequest {self.number} {self.method} {self.path}: {state}, {self.pieces_sent} pieces sent>"


def _text(content: Any) -> str:
    """The text of a message's content, which is a string or a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = (p["text"] for p in content if isinstance(p, dict) and isinstance(p.get("text"), str))
    return " ".join(t.strip() for t in texts if t.strip())


def _route(method: str, path: str) -> tuple[FormatName | None, str]:
    bare = path.partition("?")[0].rstrip("/")
    for end, name in _FORMAT_OF_PATH:
        if method == "POST" and bare.endswith(end):
            return name, bare.removesuffix(end).removesuffix("/v1")
    return None, bare


class RequestLog:
    """The requests in order of arrival, which the server's thread writes and any thread reads."""

    def __init__(self, keep: int | None = None) -> None:
        self.received: deque[RecordedRequest] = deque(maxlen=keep)
        self.problems: list[str] = []
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()

    def add(self, method: str, path: str, headers: Headers, content: bytes) -> RecordedRequest:
        """Record a request."""
        with self._changed:
            request = RecordedRequest(next(self._numbers), method, path, headers, content)
            self.received.append(request)
            self._changed.notify_all()
        return request

    def note(self, request: RecordedRequest, *, pieces: int = 0, pings: int = 0, **state: bool) -> None:
        """Record the progress of a response, and wake the threads that wait for it."""
        with self._changed:
            request.pieces_sent += pieces
            request.pings_sent += pings
            for name, value in state.items():
                setattr(request, name, value)
            self._changed.notify_all()

    def problem(self, text: str) -> None:
        """Record a mistake of the test: a script that has ended or that raised an error."""
        with self._changed:
            self.problems.append(text)

    def wait(self, holds: Callable[[Iterable[RecordedRequest]], bool], timeout: float) -> bool:
        """Wait until `holds` is true for the requests so far; False if it isn't within `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: holds(self.received), timeout)

    def chosen(self, wanted: Callable[[RecordedRequest], bool]) -> list[RecordedRequest]:
        """The requests for which `wanted` is true, in order."""
        with self._changed:
            received = list(self.received)
        return [r for r in received if wanted(r)]
