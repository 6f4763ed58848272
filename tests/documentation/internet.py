"""A proxy on this machine behind which every address of the internet is one `FakeProvider`, and which signs for all of them itself."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path
from types import TracebackType

import trustme

from chatkit.bridge import new_loop, start_thread
from chatkit.chattest import FakeProvider, RecordedRequest, Response, reply


class FakeInternet:
    """The proxy, its certificate authority, and the provider; `called` holds the hosts that were asked for, with their ports."""

    def __init__(self, folder: Path) -> None:
        self.called: list[str] = []
        self.provider = FakeProvider(_answer)
        self.certificate = folder / "company.pem"
        self._authority = trustme.CA()
        self._authority.cert_pem.write_to_path(self.certificate)
        self._loop = new_loop()

    def __enter__(self) -> FakeInternet:
        self.provider.start()
        self._thread = start_thread(self._loop.run_forever, name="proxy")
        self._server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop).result(5)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()
        self.provider.close()

    async def _end(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.decode().split(" ", 2)
        self.called.append(target.split("/")[2] if "://" in target else target)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._authority.issue_cert(target.partition(":")[0]).configure_cert(context)
            try:
                await writer.start_tls(context)
            except OSError:  # the client doesn't trust it
                return
            head = b""
        port = int(self.provider.url.rpartition(":")[2])
        answers, requests = await asyncio.open_connection("127.0.0.1", port)
        requests.write(head)
        await asyncio.gather(_pump(reader, requests), _pump(answers, writer))


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.close()


def _answer(request: RecordedRequest) -> Response:
    return reply("Jitter spreads the clients.")
