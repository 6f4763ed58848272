"""What can go wrong with a response, as values. `Response` has a method for each; the server acts on them.

`after` counts the pieces of the reply that go out before the fault. 0 is after the headers and before anything of the
reply; None, where it is allowed, is before the headers.
"""

from __future__ import annotations

import msgspec


class Cut(msgspec.Struct, frozen=True):
    """The body ends cleanly, without the terminal event."""

    after: int


class Reset(msgspec.Struct, frozen=True):
    """The connection is reset (TCP RST)."""

    after: int | None


class HalfClose(msgspec.Struct, frozen=True):
    """The server's side of the connection is closed (TCP FIN) in the middle of the body."""

    after: int | None


class ErrorFrame(msgspec.Struct, frozen=True):
    """The stream carries an error event, in its format's own shape, and ends."""

    after: int
    type: str | None = None
    message: str | None = None


class Stall(msgspec.Struct, frozen=True):
    """Nothing more comes until the server is told to go on, or the client leaves."""

    after: int | None


class Drip(msgspec.Struct, frozen=True):
    """Pings come, and nothing else, until the server is told to go on, or the client leaves."""

    after: int
    interval: float


class BrokenJson(msgspec.Struct, frozen=True):
    """The next piece's JSON is cut in half; the stream goes on."""

    after: int


class ShortBody(msgspec.Struct, frozen=True):
    """A content length is promised that exceeds the body by so many bytes; then the connection is closed."""

    missing: int


Fault = Cut | Reset | HalfClose | ErrorFrame | Stall | Drip | BrokenJson | ShortBody


def ends(fault: Fault) -> bool:
    """Whether the response is over with it."""
    return isinstance(fault, Cut | Reset | HalfClose | ErrorFrame | ShortBody)
