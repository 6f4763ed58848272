"""A server on 127.0.0.1: a thread with an event loop of its own, a port that it keeps, and the connections to it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import socket
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from chatkit.bridge import new_loop
from chatkit.chattest.connection import Connection, Reader
from chatkit.chattest.playback import Playback
from chatkit.chattest.recorded import Log, RecordedRequest

_LIMIT = 2**16
_PATIENCE = 5.0
"""Seconds in which the server's own thread must answer."""


class Loopback:
    """Serves until `close`. The methods may be called from any thread but the server's own."""

    def __init__(self, log: Log, respond: Callable[[RecordedRequest], Playback]) -> None:
        self._log = log
        self._respond = respond
        self._connections: dict[asyncio.Task[None], Connection] = {}
        self._server: asyncio.Server | None = None
        self._closed = False
        self._pid = os.getpid()
        self._socket = _bound(0)
        self.port: int = self._socket.getsockname()[1]
        self._loop = new_loop()
        self.thread = threading.Thread(target=self._run, daemon=True, name=f"chattest-{self.port}")
        self.thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._socket.close()
            self._loop.close()

    def _on_loop(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE)

    def listen(self) -> None:
        """Accept connections."""
        self._on_loop(self._listen())

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await self._loop.create_server(self._protocol, sock=self._socket)

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        reader = Reader(limit=_LIMIT, loop=self._loop)
        return asyncio.StreamReaderProtocol(reader, self._connected, loop=self._loop)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert isinstance(reader, Reader)
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = connection = Connection(reader, writer, self._log, self._respond)
        try:
            await connection.serve()
        finally:
            self._connections.pop(task, None)

    def refuse(self) -> None:
        """Refuse connections from now on, at the same port, and drop those that are open."""
        self._on_loop(self._refuse())

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
            self._socket = _bound(self.port)  # bound but not listening: refused, and nobody else gets the port
        await self._drop()

    async def _drop(self) -> None:
        tasks = list(self._connections)
        for connection in self._connections.values():
            connection.drop()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_PATIENCE)
        await asyncio.sleep(0)  # the transports close their sockets in the loop's next turn

    def release(self) -> None:
        """Let every response that hangs now go on."""
        self._on_loop(self._release())

    async def _release(self) -> None:
        for connection in self._connections.values():
            connection.release()

    def close(self) -> None:
        """Drop everything and end the thread. Harmless when done twice, and from a finalizer on any thread."""
        if self._closed or self._pid != os.getpid():  # a forked child has no such thread
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


def _bound(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, or asyncio leaves small writes to Nagle
    try:
        if sys.platform != "win32":  # there it would mean: share the port with anybody
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # old connections don't keep us from the port
        sock.bind(("127.0.0.1", port))
    except OSError:
        sock.close()
        raise
    return sock
