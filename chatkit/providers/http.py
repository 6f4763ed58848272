"""The only module that speaks HTTP: a request goes out, the pieces of its reply come in.

All providers share one pool of connections per event loop. One request is one attempt: retries happen above this module.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import weakref
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
from msgspec.structs import replace

from chatkit.bridge import at_end
from chatkit.clock import Clock
from chatkit.errors import ChatkitError, ProviderError, provider_error
from chatkit.failures.classification import classify
from chatkit.failures.redaction import harmless
from chatkit.failures.unreached import is_this_machine
from chatkit.providers.addresses import about_the_path, explained, has_answered, peer_name
from chatkit.providers.decoding import Decoder, Finish, Piece, cut_off, error_in, failure, paid, read_json, refused
from chatkit.providers.encoding import Request
from chatkit.providers.endpoint import Secret, blotted
from chatkit.providers.silence import SilenceGuard, duration
from chatkit.providers.wire import WireFormat
from chatkit.sse import EventTooLong, SseDecoder

CONNECT_TIMEOUT = 30.0
"""Seconds. Reading has no timeout: the silence guard limits it."""
USAGE_TIMEOUT = 10.0
"""Seconds in all that a complete reply waits for what may follow it (the usage of Chat Completions)."""
DRAIN_TIMEOUT = 0.1
"""Seconds for the end of the body after the last event: only a body that was read to its end leaves its connection in the pool."""
MAX_ERROR_BYTES = 64 * 1024
ERROR_TIMEOUT = 5.0
"""Seconds for reading the body of an error."""
MAX_WHOLE_BYTES = 32 * 1024 * 1024
MAX_STREAM_BYTES = 128 * 1024 * 1024
"""Of one reply's stream: what the longest replies take with 500 bytes around every token."""
MAX_PAGE_BYTES = 16 * 1024
"""Of an HTML page: its title is all that is told of it."""
_MAX_UNPACKED = 64 * 1024
"""Bytes that are unpacked at a time: a few kB can hold gigabytes."""
_ZLIB = frozenset({"gzip", "x-gzip", "deflate"})
_PACKED = _ZLIB | {"br", "zstd", "compress", "x-compress"}
REQUEST_ID_HEADERS = ("request-id", "x-request-id", "apim-request-id", "x-amzn-requestid")

_BLANK = b"\xef\xbb\xbf \t\r\n"
_EVENT_END = b"\n\n"
_NO_ANSWER = "without sending a response"
_TITLE = re.compile(rb"<title[^<>]{0,200}>([^<]{1,200})", re.IGNORECASE)
_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[bool, bool], httpx.AsyncClient]] = weakref.WeakKeyDictionary()
_streams: weakref.WeakSet[Any] = weakref.WeakSet()
"""Those of the connections that are open."""


def _client(*, direct: bool, reuse: bool = True) -> httpx.AsyncClient:
    """A client of the running loop; a direct one, for this machine, uses no proxy, and one without `reuse` opens a connection each time."""
    clients = _clients.setdefault(asyncio.get_running_loop(), {})
    if (which := (direct, reuse)) not in clients:
        clients[which] = httpx.AsyncClient(
            headers={"user-agent": "chatkit", "accept": "text/event-stream, application/json", "accept-encoding": "identity"},
            timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20 if reuse else 0, keepalive_expiry=60),
            follow_redirects=False,
            trust_env=not direct,
        )
        at_end(clients[which].aclose)
    return clients[which]


def _leave_to_the_parent() -> None:
    """After a fork: let go of the connections, which would stay open as long as the child lives."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in list(_streams):
        if (number := stream.get_extra_info("socket").fileno()) >= 0:
            os.dup2(nowhere, number, inheritable=False)
    os.close(nowhere)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_the_parent)


class Provider:
    """A model of a provider, ready for requests.

    `address` is the full URL of the operation. `read_key` is called for every request: a key that was corrected counts at once.
    `context_limit` is the model's context window in tokens, if it is known. `label` is ``name:model``, and `direct` is true for
    an address on this machine, which is asked without a proxy.
    """

    def __init__(
        self,
        name: str,
        model: str,
        wire: WireFormat,
        address: str,
        *,
        read_key: Callable[[], str | None] = lambda: None,
        headers: Mapping[str, str] | None = None,
        context_limit: int | None = None,
    ) -> None:
        self.name = name
        self.model = model
        self.label = f"{name}:{model}"
        self.address = address
        self.context_limit = context_limit
        self._read_key = read_key
        self._own_headers = headers or {}
        self.direct = is_this_machine(urlsplit(address).hostname or "")
        self.wire = wire

    def __repr__(self) -> str:
        return f"<Provider {self.label} at {urlsplit(self.address).netloc.rpartition('@')[2].lower()}>"

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a request that is made now; those that hold the key are secrets."""
        plain, signed = self.wire.headers(None), self.wire.headers(self._read_key())
        signed = {name: value if plain.get(name) == value else Secret(value) for name, value in signed.items()}
        return {"content-type": "application/json", **signed, **self._own_headers}

    async def stream(
        self,
        request: Request,
        sink: Callable[[list[Piece]], None],
        *,
        clock: Clock,
        silence_timeout: float,
        opened: Callable[[str | None], object] = lambda request_id: None,
    ) -> Finish:
        """Make one attempt, and hand on the pieces of the reply as they arrive; a failure is a `ProviderError`.

        `sink` gets the pieces of one chunk of the network, on the loop, and must not block. `opened` gets the provider's
        name for the request, if there is one, when the headers have arrived. After `silence_timeout` seconds without a
        piece the attempt has failed; 0 means never.
        """
        body = self.wire.encode(request)
        headers = self.headers
        task = asyncio.current_task()
        assert task is not None
        guard = SilenceGuard(clock, silence_timeout, task.cancel)
        decoder = self.wire.decoder(self.name)
        decoder.may_be_empty = bool(request.messages) and request.messages[-1].role == "tool"
        attempt = _HttpAttempt(self.name, headers, decoder, sink, clock, opened, guard)
        try:
            await attempt.make(task, self.address, body, direct=self.direct)
            finish = attempt.decoder.close()
        except ProviderError as error:
            found = error.classification
            message = found.message
            if found.status_code == 404:
                message = about_the_path(found, self.name, self.model, self.address, self.wire.path)
            detail, request_id = (blotted(said, headers) for said in (found.detail, found.request_id or attempt.request_id or ""))
            error.classification = replace(found, message=message, detail=detail, request_id=request_id or None)
            raise
        model, word = (said and blotted(said, headers) for said in (finish.model, finish.provider_stop_reason))
        return replace(finish, model=model, provider_stop_reason=word, request_id=attempt.request_id)


class _HttpAttempt(msgspec.Struct):
    """One request and the reading of its answer."""

    provider: str
    headers: dict[str, str]
    decoder: Decoder
    sink: Callable[[list[Piece]], None]
    clock: Clock
    opened: Callable[[str | None], object]
    guard: SilenceGuard
    request_id: str | None = None
    peer: str = ""
    """The address to which a connection was opened: that of the server or a proxy. Empty if none was, or once a proxy hands on TLS."""

    async def make(self, task: asyncio.Task[Any], address: str, body: bytes, *, direct: bool) -> None:
        """Send the request and read the answer in this task; what breaks after the reply is complete is ignored."""
        try:
            self.guard.start()
            await self._send(address, body, direct=direct)
        except asyncio.CancelledError:
            ours = self.guard.fired and task.uncancel() == 0
            if not ours and task.cancelling():  # the caller cancelled, perhaps before this attempt began
                raise
            if self.decoder.complete:
                return
            if ours:
                raise failure("timeout", self.provider, f"{self.provider} said nothing for {duration(self.guard.seconds)}") from None
            raise failure("network", self.provider, f"the connection to {self.provider} was cancelled from the other side") from None
        except EventTooLong as error:
            if not self.decoder.complete:
                raise paid(failure("server_error", self.provider, f"{self.provider} sent {error}", status_code=200)) from None
        except ChatkitError:
            raise
        except Exception as error:
            if not self.decoder.complete:
                self.guard.stop()
                found = classify(error, provider=self.provider, now=self.clock.now())
                named = str(httpx.URL(address)) if self.peer else address  # httpx refuses some addresses, and writes others in ASCII
                raise provider_error(await explained(found, error, named, self.peer)) from error
        finally:
            self.guard.stop()

    async def _send(self, address: str, body: bytes, *, direct: bool) -> None:
        """Send the request; a reused connection that turns out to be closed is replaced by a new one, once."""
        opened = False

        async def trace(event: str, info: dict[str, Any]) -> None:
            nonlocal opened
            match event.split(".", 1):
                case _, "connect_tcp.started":
                    opened = True
                    self.peer = peer_name(info["host"], info["port"])
                case _, "connect_tcp.complete":
                    _streams.add(info["return_value"])
                case "proxy" | "socks", "start_tls.started":  # the proxy made the connection: from here on the server speaks
                    has_answered(self.peer)
                    self.peer = ""

        def request(client: httpx.AsyncClient) -> httpx.Request:
            return client.build_request("POST", address, content=body, headers=self.headers, extensions={"trace": trace})

        client = _client(direct=direct)
        try:
            response = await client.send(request(client), stream=True)
        except (httpx.ReadError, httpx.RemoteProtocolError) as error:
            if opened or not (isinstance(error, httpx.ReadError) or _NO_ANSWER in str(error)):
                raise
            client = _client(direct=direct, reuse=False)
            response = await client.send(request(client), stream=True)
        await self._receive(response)

    async def _receive(self, response: httpx.Response) -> None:
        has_answered(self.peer)
        try:
            said = next(filter(None, map(response.headers.get, REQUEST_ID_HEADERS)), None)
            self.request_id = said and blotted(harmless(said).strip(), self.headers)[:128]
            self.opened(self.request_id)
            if response.status_code != 200:
                raise await self._status_error(response)
            await self._read(self._body(response))
        finally:
            await response.aclose()

    def _body(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """The body in pieces that are small, however much a server packed into it."""
        stream = response.stream
        assert not isinstance(stream, httpx.SyncByteStream)
        said = response.headers.get("content-encoding", "")
        codings = [c for c in re.split(r"[\s,]+", said.lower()) if c in _PACKED]  # no others: servers say "none" or "utf-8" here
        if not codings:
            return aiter(stream)
        if len(codings) == 1 and codings[0] in _ZLIB:
            return self._unpacked(aiter(stream))
        message = f"{self.provider} packed its answer in a way that it was not asked for"
        raise paid(failure("server_error", self.provider, message, f"content-encoding: {said}", response.status_code))

    async def _unpacked(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The content of a body in gzip's or zlib's form."""
        unpacking = zlib.decompressobj(zlib.MAX_WBITS | 32)
        try:
            async for chunk in chunks:
                while chunk and not unpacking.eof:
                    yield unpacking.decompress(chunk, _MAX_UNPACKED)
                    chunk = unpacking.unconsumed_tail
        except zlib.error as error:
            raise paid(failure("network", self.provider, f"{self.provider} packed its answer wrongly", str(error))) from None

    async def _read(self, chunks: AsyncIterator[bytes]) -> None:
        """Read the body, as events or whole, whatever its content type claims."""
        head = b""
        async for chunk in chunks:
            head += chunk
            if start := head.lstrip(_BLANK)[:1]:
                await (self._read_whole if start in b"{[<" else self._read_events)(head, chunks)
                return
            head = head[-3:]
        raise paid(failure("server_error", self.provider, f"{self.provider} answered with nothing", status_code=200))

    async def _read_events(self, head: bytes, chunks: AsyncIterator[bytes]) -> None:
        """Decode events, and hand on the pieces of each chunk. The loop runs once per delta, so every line of it costs."""
        sse, decoder, guard, sink, now = SseDecoder(), self.decoder, self.guard, self.sink, self.clock.monotonic
        feed, decode = sse.feed, decoder.feed
        pieces: list[Piece] = []
        heard = waiting = False
        size, last = 0, b""
        chunk: bytes | None = head
        try:
            while chunk is not None:
                size += len(chunk)
                for event in feed(chunk):
                    heard = True
                    pieces += decode(event)
                if pieces:
                    if not waiting:
                        guard.since = now()
                    sink(pieces)
                    pieces = []
                if decoder.complete:
                    if decoder.done:
                        await self._drain(chunks)
                        return
                    if not waiting:
                        waiting = True
                        guard.shorten(USAGE_TIMEOUT)
                if size > MAX_STREAM_BYTES:
                    raise self._too_long(MAX_STREAM_BYTES)
                last, chunk = chunk, await anext(chunks, None)
                if chunk is None and not (decoder.complete or last == _EVENT_END):
                    self._raise_bare_error(sse.pending or last.strip().rpartition(b"\n")[2])
                    chunk = _EVENT_END  # the last event may lack only the empty line after it
        except ProviderError:
            if pieces:  # they came before the frame that failed
                sink(pieces)
            raise
        if not decoder.complete:
            raise cut_off(self.provider, "" if heard else _excerpt(head))

    def _raise_bare_error(self, line: bytes) -> None:
        """Raise the error in the last line of a stream, if it is a JSON object without ``data:`` or without a line end."""
        if not line.lstrip().startswith(b"{"):
            return
        try:
            frame = read_json(line, self.provider)
        except ProviderError:  # half an event
            return
        if error_in(frame):
            raise refused(self.provider, frame)

    async def _drain(self, chunks: AsyncIterator[bytes]) -> None:
        """Read the rest of the body if it is short."""
        self.guard.stop()
        with contextlib.suppress(TimeoutError, httpx.HTTPError, OSError):
            async with asyncio.timeout(DRAIN_TIMEOUT):
                async for _ in chunks:
                    pass

    async def _read_whole(self, head: bytes, chunks: AsyncIterator[bytes]) -> None:
        """Read a body that is not a stream: a page, an error, or the reply of a server that doesn't stream."""
        body = bytearray(head)
        page = head.lstrip(_BLANK).startswith(b"<")
        async for chunk in chunks:
            body += chunk
            if page and len(body) >= MAX_PAGE_BYTES:
                break
            if len(body) > MAX_WHOLE_BYTES:
                raise self._too_long(MAX_WHOLE_BYTES)
        text = bytes(body).lstrip(_BLANK)
        if page:
            title = _TITLE.search(text[:MAX_PAGE_BYTES])
            message = f"{self.provider} answered with an HTML page instead of a reply"
            raise failure("server_error", self.provider, message, _excerpt(title[1]) if title else "", 200)
        if pieces := self.decoder.whole(read_json(text, self.provider)):
            self.sink(pieces)

    def _too_long(self, limit: int) -> ProviderError:
        return paid(failure("server_error", self.provider, f"{self.provider} sent a reply of more than {limit >> 20} MB", status_code=200))

    async def _status_error(self, response: httpx.Response) -> ProviderError:
        """The error for a status other than 200."""
        status = response.status_code
        if 300 <= status < 400:
            where = re.sub(r"[?#].*|(?<=//)[^/]*@", "", response.headers.get("location", ""))
            message = f"{self.provider} redirects to another address: pass that one as base_url"
            return failure("invalid_request", self.provider, message, where, status)
        body = bytearray()
        with contextlib.suppress(TimeoutError, httpx.HTTPError, OSError, ProviderError):
            async with asyncio.timeout(ERROR_TIMEOUT):
                async for chunk in self._body(response):
                    body += chunk
                    if len(body) >= MAX_ERROR_BYTES:
                        break
        headers: dict[str, Any] = dict(response.headers)
        now = self.clock.now()
        return provider_error(classify(status=status, headers=headers, body=bytes(body[:MAX_ERROR_BYTES]), provider=self.provider, now=now))


def _excerpt(raw: bytes) -> str:
    return raw[:300].decode("utf-8", "replace").strip()
