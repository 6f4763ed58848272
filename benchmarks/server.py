"""The loopback server of the benchmarks, which runs in its own process so that its work isn't measured.

``python -m benchmarks.server`` prints its port and serves until its standard input ends. The first segment of a path selects
the reply: ``/words`` is a text of `benchmarks.texts` without pauses, and ``/words-200`` the same text at 200 deltas per second.
The rest of the path is the provider's path, which selects the format.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import sys
import threading
import time
from functools import cache

from benchmarks.replies import PATHS, rendered
from benchmarks.texts import TEXTS

NOT_FOUND = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"


class _Connection(socketserver.BaseRequestHandler):
    """One connection, kept alive."""

    request: socket.socket

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(ConnectionError), self.request.makefile("rb") as requests:
            while line := requests.readline():
                length = 0
                while (header := requests.readline().strip().lower()) != b"":
                    name, _, value = header.partition(b":")
                    if name == b"content-length":
                        length = int(value)
                requests.read(length)
                self._answer(line.split()[1].decode())

    def _answer(self, path: str) -> None:
        mode, _, rest = path.removeprefix("/").partition("/")
        text, _, rate = mode.partition("-")
        format = PATHS.get(f"/{rest}")
        if format is None or text not in TEXTS:
            self.request.sendall(NOT_FOUND)
        elif rate:
            self._paced(prepared(format, text)[0], int(rate))
        else:
            self.request.sendall(prepared(format, text)[1])

    def _paced(self, parts: list[bytes], rate: int) -> None:
        began = time.monotonic()
        for number, part in enumerate(parts):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            self.request.sendall(part)


@cache
def prepared(format: str, text: str) -> tuple[list[bytes], bytes]:
    """A response in parts, and as one piece."""
    parts = rendered(format, TEXTS[text]())
    return parts, b"".join(parts)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64


def main() -> None:
    """Serve until standard input ends."""
    for format in PATHS.values():
        for text in TEXTS:
            prepared(format, text)
    with _Server(("127.0.0.1", 0), _Connection) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_address[1], flush=True)
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    main()
