"""A client on a plain socket, which receives the exact bytes of a server."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator

from chatkit.chattest import FakeProvider
from chatkit.sse import ServerSentEvent, SseDecoder

PATHS = {"anthropic": "/v1/messages", "chat": "/v1/chat/completions", "responses": "/v1/responses"}
TERMINAL = {"anthropic": b"message_stop", "chat": b"[DONE]", "responses": b"response.completed"}
WORDS = "one two three four five six"


class Client:
    """A socket that sends requests and reads the bytes of the responses."""

    def __init__(self, fake: FakeProvider) -> None:
        host, port = fake.url.removeprefix("http://").split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""

    def ask(self, path: str = "/v1/messages", *, stream: bool = True) -> None:
        body = json.dumps({"model": "m", "stream": stream, "messages": [{"role": "user", "content": "Hi"}]}).encode()
        self.socket.sendall(b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (path.encode(), len(body), body))

    def read_to_end(self) -> OSError | None:
        """Read until the server closes the connection; the error if it doesn't close it cleanly."""
        try:
            while data := self.socket.recv(65536):
                self.received += data
        except OSError as error:
            return error
        return None

    def read_until(self, mark: bytes) -> None:
        while mark not in self.received:
            data = self.socket.recv(65536)
            assert data, f"the server closed the connection before {mark!r} arrived: {self.received!r}"
            self.received += data

    @property
    def head(self) -> bytes:
        return self.received.partition(b"\r\n\r\n")[0]

    @property
    def chunks(self) -> list[bytes]:
        """The complete chunks of the body; the last one is empty if the body ended as it should."""
        rest, found = self.received.partition(b"\r\n\r\n")[2], []
        while b"\r\n" in rest:
            size, _, rest = rest.partition(b"\r\n")
            found.append(rest[: int(size, 16)])
            rest = rest[int(size, 16) + 2 :]
        return found

    @property
    def events(self) -> list[ServerSentEvent]:
        return SseDecoder().feed(b"".join(self.chunks))

    def close(self) -> None:
        self.socket.close()


def words_in(client: Client) -> list[str]:
    """The words that arrived, in their order."""
    return [word for word in WORDS.split() if word.encode() in client.received]


Connect = Callable[[FakeProvider], Client]


def connecting() -> Iterator[Connect]:
    """The body of a fixture: a factory of clients, closed when the test ends."""
    clients: list[Client] = []

    def make(fake: FakeProvider) -> Client:
        clients.append(Client(fake))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
