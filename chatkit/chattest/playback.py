"""A scripted response and a request, put together: the bytes that go out, piece by piece. No sockets yet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import assert_never

import msgspec

from chatkit.chattest.anthropic_format import AnthropicFormat
from chatkit.chattest.chat_format import ChatFormat
from chatkit.chattest.error_responses import error_body
from chatkit.chattest.faults import BrokenJson, Cut, Drip, ErrorFrame, ShortBody
from chatkit.chattest.frames import Format
from chatkit.chattest.recorded import FormatName, RecordedRequest
from chatkit.chattest.replies import http_response
from chatkit.chattest.response import Failure, Raw, Response, Said
from chatkit.chattest.responses_format import ResponsesFormat
from chatkit.errors import UsageError

_FORMATS: dict[FormatName, Format] = {"anthropic": AnthropicFormat(), "chat": ChatFormat(), "responses": ResponsesFormat()}
_EVENT_STREAM = "text/event-stream; charset=utf-8"
_JSON = "application/json"
_REASONS = {529: "Overloaded"}
_INSIDE_CHARACTERS = re.compile(rb"[\x80-\xbf]?[^\x80-\xbf]*")


class Playback:
    """What one response sends.

    Attributes
    ----------
    head : bytes
        Status line and headers.
    chunked : bool
        Whether the body is chunked; else it has a length, true or not.
    pieces : list of bytes
        What the faults count.
    closing : bytes
        What follows the last piece.
    faults : tuple of Fault
        What is to go wrong while it plays; what is wrong with the bytes themselves is in them.
    delay : float
        Real seconds between two pieces.
    keeps_alive : bool
        Whether the connection may serve another request.
    """

    def __init__(self, response: Response, request: RecordedRequest) -> None:
        self._format = _FORMATS[request.format or "chat"]
        self._request = request
        self._slicing = response.slicing
        self.faults = response.faults
        self.delay = response.delay
        self.closing = b""
        self.chunked = False
        request_id = f"req_fake{request.number:04d}"
        headers = {"content-type": _JSON} | self._format.headers(request_id)
        match response.content:
            case Raw(chunks=chunks, chunked=chunked):
                self.pieces, self.chunked = list(chunks), chunked
            case Failure():
                self.pieces = [msgspec.json.encode(error_body(response.content, self._format.vendor, response.status, request_id))]
            case Said() as said if request.streams:
                frames = self._format.stream(said, request)
                self.pieces, self.closing, self.chunked = frames.pieces, frames.closing, True
                headers |= {"content-type": _EVENT_STREAM, "cache-control": "no-cache"}
            case Said() as said:
                body = msgspec.json.encode(self._format.whole(said, request))
                count = max(1, said.pieces)  # as many slices as pieces, so that `after` still counts
                self.pieces = [body[len(body) * i // count : len(body) * (i + 1) // count] for i in range(count)]
            case _:
                assert_never(response.content)
        for fault in response.faults:
            if isinstance(fault, BrokenJson):
                self.pieces[fault.after] = _broken(self.pieces[fault.after])
        short = next((f.missing for f in response.faults if isinstance(f, ShortBody)), 0)
        varies = any(isinstance(f, Cut | ErrorFrame | Drip) for f in response.faults)  # its length isn't that of the pieces
        self.chunked = (self.chunked or varies) and not short
        if self.chunked:
            headers["transfer-encoding"] = "chunked"
        else:
            headers["content-length"] = str(sum(map(len, self.pieces)) + len(self.closing) + short)
        headers |= dict(response.headers)
        self.keeps_alive = not short and "close" not in (headers.get("connection", ""), request.headers.get("connection", "").lower())
        self.head = _head(response.status, headers)

    def slices(self, data: bytes) -> Iterator[bytes]:
        """A piece as it goes out: whole, or cut where the response says so."""
        if not data:
            return
        if self._slicing is None:
            yield data
        elif self._slicing == "characters":
            yield from filter(None, _INSIDE_CHARACTERS.findall(data))
        else:
            yield from (data[i : i + self._slicing] for i in range(0, len(data), self._slicing))

    def error_frame(self, fault: ErrorFrame) -> bytes:
        """An error event in the shape of the format."""
        number = sum(piece.count(b"\n\n") for piece in self.pieces[: fault.after])
        return self._format.error(fault.type, fault.message, self._request, number)

    @property
    def ping(self) -> bytes:
        return self._format.ping


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


def elsewhere(request: RecordedRequest) -> Response:
    """The answer on any path that isn't a format's: the list of models, or 404."""
    if request.method == "GET" and request.prefix.endswith("/models"):
        model = {"id": "fake", "object": "model", "type": "model", "display_name": "Fake", "owned_by": "chattest"}
        dates = {"created": 1_795_165_200, "created_at": "2026-11-20T09:00:00Z"}
        page = {"has_more": False, "first_id": "fake", "last_id": "fake"}
        return http_response(200, {"object": "list", "data": [model | dates], **page})
    message = f"FakeProvider serves /v1/messages, /v1/chat/completions and /v1/responses, not {request.method} {request.path}"
    error = {"type": "not_found_error", "message": message, "param": None, "code": None}
    return http_response(404, {"type": "error", "error": error})
