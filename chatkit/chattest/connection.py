"""One client's connection: HTTP/1.1 requests read, responses played, each fault done exactly as it says.

Written over asyncio's streams, because a faithful fault needs the socket: what no HTTP server library would send.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Callable
from typing import assert_never

from chatkit.chattest.faults import BrokenJson, Cut, Drip, ErrorFrame, Fault, HalfClose, Reset, ShortBody, Stall
from chatkit.chattest.playback import Playback
from chatkit.chattest.recorded import Headers, Log, RecordedRequest

_LAST_CHUNK = b"0\r\n\r\n"
_BEFORE_HEADERS = -1


class Reader(asyncio.StreamReader):
    """A stream reader that tells at once when the client has left, also while nobody reads."""

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=limit, loop=loop)
        self.gone = False
        self.stirred = asyncio.Event()

    def feed_eof(self) -> None:
        super().feed_eof()
        self._leave()

    def set_exception(self, exc: Exception) -> None:
        super().set_exception(exc)
        self._leave()

    def _leave(self) -> None:
        self.gone = True
        self.stirred.set()


class _Over(Exception):
    """The connection serves nothing more."""


class _HungUp(_Over):
    """The client left before the response had been sent."""


class Connection:
    """Serves one client until either side has had enough."""

    def __init__(self, reader: Reader, writer: asyncio.StreamWriter, log: Log, respond: Callable[[RecordedRequest], Playback]) -> None:
        self._reader = reader
        self._writer = writer
        self._log = log
        self._respond = respond
        self._hangs = False
        writer.transport.set_write_buffer_limits(0)  # so that drain() means: the kernel has it all

    async def serve(self) -> None:
        """Read requests and answer them, one after another."""
        try:
            while True:
                request = self._log.add(*await self._read())
                await self._play(self._respond(request), request)
        except (_Over, OSError, asyncio.CancelledError):
            pass
        finally:
            self._writer.close()

    def release(self) -> None:
        """Let the response go on, if it hangs."""
        if self._hangs:
            self._reader.stirred.set()

    def drop(self) -> None:
        """Close at once, whatever is going on."""
        self._writer.transport.abort()

    # ── requests ──

    async def _read(self) -> tuple[str, str, Headers, bytes]:
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
            method, path, _ = first.split(" ")
            fields = (line.partition(":") for line in lines)
            headers = Headers({name.strip().lower(): value.strip() for name, _, value in fields})
            if headers.get("expect", "").lower() == "100-continue":
                await self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
            if headers.get("transfer-encoding", "").lower() == "chunked":
                return method, path, headers, await self._read_chunks()
            return method, path, headers, await self._reader.readexactly(int(headers.get("content-length", "0")))
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:  # it left, or speaks no HTTP/1.1
            raise _Over from error

    async def _read_chunks(self) -> bytes:
        body = bytearray()
        while size := int((await self._reader.readline()).partition(b";")[0], 16):
            body += (await self._reader.readexactly(size + 2))[:-2]
        while (await self._reader.readline()).strip():  # trailers
            pass
        return bytes(body)

    # ── responses ──

    async def _play(self, playback: Playback, request: RecordedRequest) -> None:
        try:
            await self._play_pieces(playback, request)
        except (_HungUp, OSError):
            self._log.note(request, hung_up=True)
            raise
        finally:
            self._hangs = False
            self._log.note(request, stalled=False, finished=True)
        if not playback.keeps_alive:
            raise _Over

    async def _play_pieces(self, playback: Playback, request: RecordedRequest) -> None:
        count = len(playback.pieces)
        for position in range(_BEFORE_HEADERS, count + 1):
            if position == 0:
                await self._send(playback.head)
            for fault in playback.faults:
                if _position(fault) == position and await self._act(fault, playback, request):
                    return
            if 0 <= position < count:
                if position and playback.delay:
                    await self._rest(playback.delay)
                await self._send_body(playback, playback.pieces[position])
                self._log.note(request, pieces=1)  # nothing is awaited between this and a stall: who waits for either sees both
        await self._end(playback, request, playback.closing)

    async def _act(self, fault: Fault, playback: Playback, request: RecordedRequest) -> bool:
        """Do what the fault says; True where the response has ended with it, and the connection goes on."""
        match fault:
            case Cut():
                await self._end(playback, request, b"")
                return True
            case ErrorFrame():
                await self._end(playback, request, playback.error_frame(fault))
                return True
            case Reset():
                self._log.note(request, finished=True)
                self._reset()
                raise _Over
            case HalfClose():
                self._log.note(request, finished=True)
                self._writer.write_eof()
                while not self._reader.gone:
                    await self._reader.stirred.wait()
                raise _Over
            case Stall():
                self._hang(request)
                await self._rest(None)
            case Drip(interval=interval):
                self._hang(request)
                while True:
                    await self._send_body(playback, playback.ping)
                    self._log.note(request, pings=1)
                    if await self._rest(interval):
                        break
            case BrokenJson() | ShortBody():  # in the bytes already
                return False
            case _:
                assert_never(fault)
        self._hangs = False
        self._log.note(request, stalled=False)
        return False

    def _hang(self, request: RecordedRequest) -> None:
        self._hangs = True
        if not self._reader.gone:
            self._reader.stirred.clear()
        self._log.note(request, stalled=True)

    async def _rest(self, seconds: float | None) -> bool:
        """Wait; True where it was released meanwhile. A client that leaves ends it."""
        try:
            async with asyncio.timeout(seconds):
                await self._reader.stirred.wait()
        except TimeoutError:
            return False
        if self._reader.gone:
            raise _HungUp
        self._reader.stirred.clear()
        return True

    def _reset(self) -> None:
        sock = self._writer.get_extra_info("socket")
        linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)  # closing sends RST instead of FIN
        self._writer.transport.abort()

    async def _send_body(self, playback: Playback, data: bytes) -> None:
        for part in playback.slices(data):
            await self._send(_chunk(part) if playback.chunked else part)

    async def _end(self, playback: Playback, request: RecordedRequest, closing: bytes) -> None:
        """The rest of the body. Its last bytes and the end of the body go out as one, as from a real server."""
        *parts, last = [*playback.slices(closing)] or [b""]
        for part in parts:
            await self._send(_chunk(part) if playback.chunked else part)
        self._log.note(request, finished=True)  # before the client can know it
        await self._send((_chunk(last) if last else b"") + _LAST_CHUNK if playback.chunked else last)

    async def _send(self, data: bytes) -> None:
        if self._reader.gone:
            raise _HungUp
        self._writer.write(data)
        await self._writer.drain()
        await asyncio.sleep(0)  # let the loop see a client that left


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _position(fault: Fault) -> int:
    """After how many pieces it is due."""
    match fault:
        case BrokenJson() | ShortBody():
            return _BEFORE_HEADERS
        case _:
            return _BEFORE_HEADERS if fault.after is None else fault.after
