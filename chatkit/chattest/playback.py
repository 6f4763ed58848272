"""The bytes with which one scripted response answers one request. There are no sockets here."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import assert_never

import msgspec

from chatkit.chattest.error_responses import error_body
from chatkit.chattest.formats import AnthropicFormat, ChatFormat, Format, Piece, ResponsesFormat
from chatkit.chattest.recorded import FormatName, RecordedRequest
from chatkit.chattest.response import BrokenJson, Cut, Drip, ErrorBody, ErrorFrame, ModelOutput, RawBody, Response, ShortBody
from chatkit.errors import UsageError

LAST_CHUNK = b"0\r\n\r\n"
_FORMATS: dict[FormatName, Format] = {"anthropic": AnthropicFormat(), "chat": ChatFormat(), "responses": ResponsesFormat()}
_REASONS = {529: "Overloaded"}
_INSIDE_CHARACTERS = re.compile(rb"[\x80-\xbf]?[^\x80-\xbf]*")


class Playback:
    """What one response sends: `head`, then `pieces` with the timed `faults` between them, then `closing`.

    `chunked` is the kind of body, `delay` the seconds between two pieces, and `keeps_alive` whether the connection may serve
    another request.
    """

    def __init__(self, response: Response, request: RecordedRequest) -> None:
        self._format = _FORMATS[request.format or "chat"]
        self._request = request
        self._slicing = response.slicing
        self.delay = response.delay
        self.ping = self._format.ping
        self.pieces: list[bytes] = []
        self.closing = b""
        self.chunked = False
        request_id = f"req_fake{request.number:04d}"
        headers = {"content-type": "application/json"} | self._format.headers(request_id)
        match response.content:
            case RawBody(chunks=chunks, chunked=chunked):
                self.pieces, self.chunked = list(chunks), chunked
            case ErrorBody() as error:
                self.pieces = [msgspec.json.encode(error_body(error, self._format.vendor, response.status, request_id))]
            case ModelOutput() as output if request.streams:
                headers |= {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
                self.chunked = True
                for event in self._format.stream(output, request):
                    self.closing += event
                    if isinstance(event, Piece):  # with the events that precede it
                        self.pieces.append(self.closing)
                        self.closing = b""
            case ModelOutput() as output:
                body = msgspec.json.encode(self._format.whole(output, request))
                count = max(1, output.pieces)  # as many slices as a stream has pieces, so that `after` means the same
                self.pieces = [body[len(body) * i // count : len(body) * (i + 1) // count] for i in range(count)]
            case _:
                assert_never(response.content)
        self.faults = [fault for fault in response.faults if not isinstance(fault, BrokenJson | ShortBody)]
        missing = 0
        for fault in response.faults:
            if isinstance(fault, BrokenJson):
                self.pieces[fault.after] = _broken(self.pieces[fault.after])
            elif isinstance(fault, ShortBody):
                missing = fault.missing
        length_varies = any(isinstance(fault, Cut | ErrorFrame | Drip) for fault in self.faults)
        self.chunked = (self.chunked or length_varies) and not missing
        if self.chunked:
            headers["transfer-encoding"] = "chunked"
        else:
            headers["content-length"] = str(sum(map(len, self.pieces)) + len(self.closing) + missing)
        headers |= dict(response.headers)
        self.keeps_alive = not missing and "close" not in (headers.get("connection", ""), request.headers.get("connection", "").lower())
        self.head = _head(response.status, headers)

    def writes(self, data: bytes) -> list[bytes]:
        """Part of the body as it is written to the socket: in slices if the response says so, each a chunk if it is chunked."""
        if self._slicing is None or not data:
            slices = [data] if data else []
        elif self._slicing == "characters":
            slices = [part for part in _INSIDE_CHARACTERS.findall(data) if part]
        else:
            slices = [data[i : i + self._slicing] for i in range(0, len(data), self._slicing)]
        return [b"%x\r\n%b\r\n" % (len(part), part) for part in slices] if self.chunked else slices

    def error_frame(self, fault: ErrorFrame) -> bytes:
        """The error event in the shape of the format."""
        number = sum(piece.count(b"\n\n") for piece in self.pieces[: fault.after])
        return self._format.error(fault.type, fault.message, self._request, number)


def _broken(piece: bytes) -> bytes:
    """A piece with its last event's JSON cut in half."""
    before, found, data = piece.rpartition(b"data: ")
    text = data.rstrip(b"\n")
    half = text[: len(text) // 2].decode("utf-8", "ignore").encode()
    return before + found + half + data[len(text) :]


def _head(status: int, headers: dict[str, str]) -> bytes:
    try:
        reason = _REASONS.get(status) or HTTPStatus(status).phrase
    except ValueError:
        reason = ""
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
    try:
        return "\r\n".join([*lines, "", ""]).encode("latin-1")
    except UnicodeEncodeError:
        raise UsageError("a header holds a character that HTTP can't carry (beyond Latin-1)") from None
