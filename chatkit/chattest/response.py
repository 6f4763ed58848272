"""A scripted response: what a fake provider answers, as a frozen value, and the faults that can be added to it.

The `after` of a fault counts the pieces of the reply that are sent before it. 0 is after the headers and before the first
piece; None, where it is allowed, is before the headers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec.structs import replace

from chatkit.errors import UsageError
from chatkit.parts import StopReason, Usage

Vendor = Literal["anthropic", "openai"]


class Cut(msgspec.Struct, frozen=True):
    """The body ends cleanly, without the terminal event."""

    after: int


class Reset(msgspec.Struct, frozen=True):
    """The connection is reset (TCP RST)."""

    after: int | None


class HalfClose(msgspec.Struct, frozen=True):
    """The server closes its side of the connection (TCP FIN) in the middle of the body."""

    after: int | None


class ErrorFrame(msgspec.Struct, frozen=True):
    """The stream carries an error event in the shape of its format, and ends."""

    after: int
    type: str | None = None
    message: str | None = None


class Stall(msgspec.Struct, frozen=True):
    """Nothing is sent until the response is released or the client leaves."""

    after: int | None


class Drip(msgspec.Struct, frozen=True):
    """Only pings are sent, `interval` seconds apart, until the response is released or the client leaves."""

    after: int
    interval: float


class BrokenJson(msgspec.Struct, frozen=True):
    """The JSON of the next piece is cut in half; the stream goes on."""

    after: int


class ShortBody(msgspec.Struct, frozen=True):
    """The content length exceeds the body by `missing` bytes; then the connection is closed."""

    missing: int


TimedFault = Cut | Reset | HalfClose | ErrorFrame | Stall | Drip
"""A fault at which the server does something else than send the next bytes."""
Fault = TimedFault | BrokenJson | ShortBody
_ENDING_FAULTS = (Cut, Reset, HalfClose, ErrorFrame, ShortBody)


class ScriptedToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call: its arguments as JSON text in pieces. The format replaces an empty id."""

    id: str
    name: str
    pieces: tuple[str, ...]

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)


class ModelOutput(msgspec.Struct, frozen=True, kw_only=True):
    """What a model generates, in any wire format: pieces of reasoning, then of text, then tool calls."""

    reasoning: tuple[str, ...]
    text: tuple[str, ...]
    tool_calls: tuple[ScriptedToolCall, ...]
    stop_reason: StopReason
    usage: Usage

    @property
    def pieces(self) -> int:
        """The number of pieces, which is the same in every format."""
        return len(self.reasoning) + len(self.text) + sum(len(call.pieces) for call in self.tool_calls)


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """An error body in the shape of `vendor`, or in that of the request's format where `vendor` is None."""

    vendor: Vendor | None = None
    type: str | None = None
    message: str | None = None
    code: str | None = None
    param: str | None = None


class RawBody(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that are sent unchanged: one body, or the chunks of a chunked one."""

    chunks: tuple[bytes, ...]
    chunked: bool


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """One scripted response. Build it with `reply`, `http_response`, `error_response` …, and add faults with its methods.

    Each method returns a copy, so that one good reply can fail in many ways. A response has at most one fault that ends
    it (`cut`, `reset`, `half_close`, `error_frame`, `short_body`); the others (`stall`, `drip`, `broken_json`) may come
    before it.

    `after` counts the pieces of the reply that the client receives before the fault: words, unless `chunks` of `reply`
    divides the text in another way. 0 is after the headers and before the first piece.

    Attributes
    ----------
    content : object
        What the builder was given. The type is internal.
    status : int
        HTTP status.
    headers : tuple of (str, str)
        Headers that are sent in addition to those of the wire format, or in place of one with the same name.
    faults : tuple
        The faults in the order in which they were added.
    delay : float
        Real seconds between two pieces.
    slicing : int, "characters" or None
        Where `split_bytes` or `split_characters` cut the body.

    Examples
    --------
    >>> from chatkit.chattest import reply
    >>> good = reply("Clients back off so that the server can recover.")
    >>> good.pieces, good.reset(after=3).faults
    (9, (Reset(after=3),))
    """

    content: ModelOutput | ErrorBody | RawBody
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    faults: tuple[Fault, ...] = ()
    delay: float = 0.0
    slicing: int | Literal["characters"] | None = None

    @property
    def pieces(self) -> int:
        """The number of pieces of the body, which is what `after` counts."""
        match self.content:
            case ModelOutput():
                return self.content.pieces
            case RawBody():
                return len(self.content.chunks)
            case ErrorBody():
                return 1

    def cut(self, after: int = 0) -> Response:
        """End the body cleanly after `after` pieces: the HTTP is valid, but the terminal event is missing."""
        return self._with(Cut(after), after)

    def reset(self, after: int | None = None) -> Response:
        """Reset the connection (TCP RST) after `after` pieces; None is before the headers."""
        return self._with(Reset(after), after)

    def half_close(self, after: int | None = None) -> Response:
        """Close the server's side (TCP FIN) after `after` pieces, in the middle of the body; None is before the headers."""
        return self._with(HalfClose(after), after)

    def error_frame(self, after: int = 0, type: str | None = None, message: str | None = None) -> Response:
        """Send an error event in the shape of the request's format after `after` pieces, and end the body.

        Parameters
        ----------
        after : int, default 0
            The number of pieces before it; with 0 it is the first event of the stream.
        type, message : str, optional
            The provider's type of error, and its text. The defaults are those of an overloaded server.
        """
        return self._with(ErrorFrame(after, type, message), after)

    def stall(self, after: int | None = None) -> Response:
        """Send nothing after `after` pieces until `FakeProvider.release` is called or the client leaves.

        None is before the headers. After the release, the rest of the reply is sent.
        """
        return self._with(Stall(after), after)

    def drip(self, after: int = 0, *, interval: float = 0.01) -> Response:
        """Send only pings after `after` pieces until `FakeProvider.release` is called or the client leaves.

        Parameters
        ----------
        after : int, default 0
            The number of pieces before the first ping.
        interval : float, default 0.01
            Real seconds between two pings.
        """
        return self._with(Drip(after, interval), after)

    def broken_json(self, after: int = 0) -> Response:
        """Cut the JSON of the piece that follows the first `after` pieces in half; the other pieces are not changed."""
        if after >= self.pieces:
            raise UsageError(f"broken_json(after={after}): this response has {self.pieces} pieces, so give less than that")
        return self._with(BrokenJson(after), after)

    def short_body(self, missing: int = 100) -> Response:
        """Send a content length that is `missing` bytes larger than the body, and close the connection after the body."""
        if missing < 1:
            raise UsageError(f"short_body(missing={missing}): give 1 byte or more")
        return self._with(ShortBody(missing), None)

    def split_bytes(self, size: int = 1) -> Response:
        """Send chunks of `size` bytes, which end anywhere within characters, lines and JSON."""
        if size < 1:
            raise UsageError(f"split_bytes(size={size}): give 1 byte or more")
        return replace(self, slicing=size)

    def split_characters(self) -> Response:
        """Let chunks end inside characters: every UTF-8 character of several bytes is split between all of its bytes."""
        return replace(self, slicing="characters")

    def with_headers(self, headers: Mapping[str, str]) -> Response:
        """Send these headers too; each replaces a header of the same name."""
        return replace(self, headers=merged(self.headers, headers))

    def _with(self, fault: Fault, after: int | None) -> Response:
        name = type(fault).__name__
        if after is not None and not 0 <= after <= self.pieces:
            raise UsageError(f"{name}(after={after}): this response has {self.pieces} pieces, so give 0 to {self.pieces}")
        known = next((f for f in self.faults if isinstance(f, _ENDING_FAULTS)), None)
        if known is not None and isinstance(fault, _ENDING_FAULTS):
            raise UsageError(f"{name}: this response ends with {known!r} already, and it can end only once")
        return replace(self, faults=(*self.faults, fault))


def merged(headers: tuple[tuple[str, str], ...], more: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    """Headers by lower-case name, the last one of each name. Raises `UsageError` for those that would break the HTTP message."""
    both = {name.lower(): value for name, value in headers} | {name.lower(): value for name, value in (more or {}).items()}
    for name, value in both.items():
        if name in ("content-length", "transfer-encoding"):
            raise UsageError(f"{name} is set by the server: short_body() makes it larger than the body")
        if any(c in name + value for c in "\r\n"):
            raise UsageError(f"a header can't hold a line break: {name!r}")
    return tuple(both.items())
