"""What a scripted provider answers with: a frozen value, and methods that make a copy of it that goes wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec.structs import replace

from chatkit.chattest.faults import BrokenJson, Cut, Drip, ErrorFrame, Fault, HalfClose, Reset, ShortBody, Stall, ends
from chatkit.errors import UsageError
from chatkit.parts import StopReason, Usage


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call: its arguments as JSON text in pieces. An empty id is replaced by one of the format's own kind."""

    id: str
    name: str
    pieces: tuple[str, ...]


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a model says, before any wire format: pieces of reasoning, then of text, then tool calls."""

    reasoning: tuple[str, ...]
    text: tuple[str, ...]
    calls: tuple[Call, ...]
    stop_reason: StopReason
    usage: Usage

    @property
    def pieces(self) -> int:
        """How many pieces it has, whatever the format."""
        return len(self.reasoning) + len(self.text) + sum(len(call.pieces) for call in self.calls)


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An error body, in the shape of `vendor`, or in that of the request's format where it is None."""

    vendor: Literal["anthropic", "openai"] | None
    type: str | None
    message: str | None
    code: str | None
    param: str | None


class Raw(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes as they are: one body, or chunks of a chunked one."""

    chunks: tuple[bytes, ...]
    chunked: bool


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """One scripted response. Build it with `reply`, `http_response`, `error_response` …, and let its methods spoil it.

    Each method returns a copy, so that a good reply can be kept and spoiled in many ways. A response has at most one
    ending fault (`cut`, `reset`, `half_close`, `error_frame`, `short_body`); the others (`stall`, `drip`,
    `broken_json`) may come before it.

    `after` counts the pieces of the reply that the client gets first: words, unless `chunks` of `reply` says otherwise.
    0 is after the headers and before anything of the reply.

    Attributes
    ----------
    status : int
        HTTP status.
    headers : tuple of (str, str)
        Headers beside those that the format brings; the same name replaces the format's.
    faults : tuple of Fault
        In the order in which they were added.
    delay : float
        Real seconds between two pieces.

    Examples
    --------
    >>> from chatkit.chattest import reply
    >>> good = reply("Clients back off so that the server can recover.")
    >>> good.pieces, good.reset(after=3).faults
    (9, (Reset(after=3),))
    """

    content: Said | Failure | Raw
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    faults: tuple[Fault, ...] = ()
    delay: float = 0.0
    slicing: int | Literal["characters"] | None = None

    @property
    def pieces(self) -> int:
        """How many pieces the body has: what `after` counts."""
        match self.content:
            case Said():
                return self.content.pieces
            case Raw():
                return len(self.content.chunks)
            case Failure():
                return 1

    def cut(self, after: int = 0) -> Response:
        """End the body cleanly after so many pieces: valid HTTP, but no terminal event."""
        return self._with(Cut(after), after)

    def reset(self, after: int | None = None) -> Response:
        """Reset the connection (TCP RST) after so many pieces; None is before the headers."""
        return self._with(Reset(after), after)

    def half_close(self, after: int | None = None) -> Response:
        """Close the server's side (TCP FIN) after so many pieces, the body unfinished; None is before the headers."""
        return self._with(HalfClose(after), after)

    def error_frame(self, after: int = 0, type: str | None = None, message: str | None = None) -> Response:
        """Send an error event after so many pieces, in the shape of the request's format, and end the body.

        Parameters
        ----------
        after : int, default 0
            0 makes it the first event of the stream.
        type, message : str, optional
            The provider's word for it and its text; an overloaded server's unless given.
        """
        return self._with(ErrorFrame(after, type, message), after)

    def stall(self, after: int | None = None) -> Response:
        """Send nothing more after so many pieces until `FakeProvider.release`, or until the client leaves.

        None is before the headers. Once released, the reply goes on to its end.
        """
        return self._with(Stall(after), after)

    def drip(self, after: int = 0, *, interval: float = 0.01) -> Response:
        """Send pings and nothing else after so many pieces until `FakeProvider.release`, or until the client leaves.

        Parameters
        ----------
        after : int, default 0
            Pieces that come first.
        interval : float, default 0.01
            Real seconds between two pings.
        """
        return self._with(Drip(after, interval), after)

    def broken_json(self, after: int = 0) -> Response:
        """Send the piece that follows so many good ones with its JSON cut in half; the rest follows as it should."""
        if after >= self.pieces:
            raise UsageError(f"broken_json(after={after}): this response has {self.pieces} pieces, so give less than that")
        return self._with(BrokenJson(after), after)

    def short_body(self, missing: int = 100) -> Response:
        """Promise a content length that is so many bytes more than what comes, and close the connection."""
        if missing < 1:
            raise UsageError(f"short_body(missing={missing}): give 1 byte or more")
        return self._with(ShortBody(missing), None)

    def split_bytes(self, size: int = 1) -> Response:
        """Send each run of so many bytes as a chunk of its own: characters, lines and JSON break anywhere."""
        if size < 1:
            raise UsageError(f"split_bytes(size={size}): give 1 byte or more")
        return replace(self, slicing=size)

    def split_characters(self) -> Response:
        """Let chunks end inside characters: each character of several UTF-8 bytes is split at every one of them."""
        return replace(self, slicing="characters")

    def with_headers(self, headers: Mapping[str, str]) -> Response:
        """Send these headers too; a name that is there already is replaced."""
        return replace(self, headers=merged(self.headers, headers))

    def _with(self, fault: Fault, after: int | None) -> Response:
        name = type(fault).__name__
        if after is not None and not 0 <= after <= self.pieces:
            raise UsageError(f"{name}(after={after}): this response has {self.pieces} pieces, so give 0 to {self.pieces}")
        if ends(fault) and (known := next((f for f in self.faults if ends(f)), None)):
            raise UsageError(f"{name}: this response ends with {known!r} already, and it can end only once")
        return replace(self, faults=(*self.faults, fault))


def merged(headers: tuple[tuple[str, str], ...], more: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    """Headers by lower-case name, the later one of a name; what would break the framing is refused."""
    both = {name.lower(): value for name, value in headers} | {name.lower(): value for name, value in (more or {}).items()}
    for name, value in both.items():
        if name in ("content-length", "transfer-encoding"):
            raise UsageError(f"{name} is the server's to say: short_body() promises more than comes")
        if any(c in name + value for c in "\r\n"):
            raise UsageError(f"a header can't hold a line break: {name!r}")
    return tuple(both.items())
