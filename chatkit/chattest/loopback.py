"""A server on 127.0.0.1 that reads HTTP/1.1 requests and plays responses, with each fault exactly as its docstring says.

It is written over asyncio's streams because a faithful fault needs the socket: no HTTP server library sends a broken response.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, assert_never

from chatkit.bridge import new_loop, start_thread
from chatkit.chattest.playback import LAST_CHUNK, Playback
from chatkit.chattest.recorded import Headers, RecordedRequest, RequestLog
from chatkit.chattest.response import Cut, Drip, ErrorFrame, HalfClose, Reset, Stall, TimedFault

Respond = Callable[[RecordedRequest], Playback]
_MAX_HEAD_BYTES = 2**16
_PATIENCE = 5.0
"""Seconds in which the server's own thread must answer."""


class LoopbackServer:
    """Serves on a thread with an event loop of its own, at one port, until `close`."""

    def __init__(self, log: RequestLog, respond: Respond) -> None:
        self._log = log
        self._respond = respond
        self._connections: dict[asyncio.Task[None], _Connection] = {}
        self._server: asyncio.Server | None = None
        self._closed = False
        self._pid = os.getpid()
        self._socket = _bound(0)
        self.port: int = self._socket.getsockname()[1]
        self._loop = new_loop()
        self.thread = start_thread(self._serve, name=f"chattest-{self.port}")

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._socket.close()
            self._loop.close()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run one of the coroutines below on the server's thread, from any other thread."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE)

    async def listen(self) -> None:
        """Accept connections."""
        if self._server is None:
            self._server = await self._loop.create_server(self._protocol, sock=self._socket)

    async def refuse(self) -> None:
        """Refuse connections from now on, at the same port, and drop those that are open."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._socket = _bound(self.port)  # bound but not listening: connections are refused, and no other process gets the port
        await self._drop()

    async def release(self) -> None:
        """Let every response that hangs now go on."""
        for connection in self._connections.values():
            connection.release()

    def close(self) -> None:
        """Drop all connections and end the thread. It can be called twice, and by a finalizer on any thread."""
        if self._closed or self._pid != os.getpid():  # a forked child doesn't have the thread
            return
        self._closed = True
        ending = self._end()
        try:
            done = asyncio.run_coroutine_threadsafe(ending, self._loop)
        except RuntimeError:  # the loop is closed already
            ending.close()
            return
        if threading.current_thread() is not self.thread:
            with contextlib.suppress(concurrent.futures.TimeoutError, concurrent.futures.CancelledError):
                done.result(_PATIENCE)
            self.thread.join(_PATIENCE)

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._drop()
        self._loop.call_soon(self._loop.stop)

    async def _drop(self) -> None:
        tasks = list(self._connections)
        for task, connection in self._connections.items():
            connection.drop()
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_PATIENCE)
        await asyncio.sleep(0)  # the transports close their sockets in the loop's next iteration

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        return asyncio.StreamReaderProtocol(_Reader(_MAX_HEAD_BYTES, self._loop), self._connected, loop=self._loop)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert isinstance(reader, _Reader)
        assert task is not None
        self._connections[task] = connection = _Connection(reader, writer, self._log, self._respond)
        try:
            await connection.serve()
        finally:
            del self._connections[task]


def _bound(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio sets TCP_NODELAY only if TCP is named
    try:
        if sys.platform != "win32":  # where it would let any process share the port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that linger don't block the port
        sock.bind(("127.0.0.1", port))
    except OSError:
        sock.close()
        raise
    return sock


class _Reader(asyncio.StreamReader):
    """A stream reader that notices that the client has left even while nothing is read."""

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=limit, loop=loop)
        self.gone = False
        self.stirred = asyncio.Event()
        """Set when the client leaves or the response is released."""

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
    """The connection serves no further request."""


class _HungUp(_Over):
    """The client left before the response had been sent."""


class _Connection:
    """Serves one client until either side ends the connection."""

    def __init__(self, reader: _Reader, writer: asyncio.StreamWriter, log: RequestLog, respond: Respond) -> None:
        self._reader = reader
        self._writer = writer
        self._log = log
        self._respond = respond
        self._hangs = False
        writer.transport.set_write_buffer_limits(0)  # drain() then returns when the kernel has all bytes

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
        """Let the response go on if it hangs."""
        if self._hangs:
            self._reader.stirred.set()

    def drop(self) -> None:
        """Close the connection at once, in any state."""
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
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:  # it left, or this isn't HTTP/1.1
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
        for position in (None, *range(len(playback.pieces) + 1)):
            if position == 0:
                await self._send(playback.head)
            for fault in playback.faults:
                if fault.after == position and await self._act(fault, playback, request):
                    return
            if position is not None and position < len(playback.pieces):
                if position and playback.delay:
                    await self._rest(playback.delay)
                await self._send(*playback.writes(playback.pieces[position]))
                self._log.note(request, pieces=1)  # no await between this and a stall, so waiting for either shows both
        await self._finish(playback, request, playback.closing)

    async def _act(self, fault: TimedFault, playback: Playback, request: RecordedRequest) -> bool:
        """Perform a fault; True if it ended the response and the connection can go on."""
        match fault:
            case Cut():
                await self._finish(playback, request, b"")
                return True
            case ErrorFrame():
                await self._finish(playback, request, playback.error_frame(fault))
                return True
            case Reset():
                self._log.note(request, finished=True)
                linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)  # closing then sends RST instead of FIN
                self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self._writer.transport.abort()
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
                released = False
                while not released:
                    await self._send(*playback.writes(playback.ping))
                    self._log.note(request, pings=1)
                    released = await self._rest(interval)
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
        """Wait; True if the response was released meanwhile. A client that leaves ends the wait with `_HungUp`."""
        try:
            async with asyncio.timeout(seconds):
                await self._reader.stirred.wait()
        except TimeoutError:
            return False
        if self._reader.gone:
            raise _HungUp
        self._reader.stirred.clear()
        return True

    async def _finish(self, playback: Playback, request: RecordedRequest, closing: bytes) -> None:
        """Send the rest of the body. Its last bytes and the end of the body are one write, as from a real server."""
        *writes, last = playback.writes(closing) or [b""]
        await self._send(*writes)
        self._log.note(request, finished=True)  # before the client can notice it
        await self._send(last + LAST_CHUNK if playback.chunked else last)

    async def _send(self, *writes: bytes) -> None:
        for data in writes:
            if self._reader.gone:
                raise _HungUp
            self._writer.write(data)
            await self._writer.drain()
            await asyncio.sleep(0)  # let the loop notice a client that has left
