"""The one place that speaks HTTP: a request goes out, the pieces of its reply come in.

All providers share one pool of connections for each event loop. A request is one attempt: retries are made above.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import weakref
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import httpx
from msgspec.structs import replace

from chatkit.bridge import at_end
from chatkit.clock import Clock
from chatkit.errors import ChatkitError, ProviderError, provider_error
from chatkit.failures.classification import classify
from chatkit.providers.endpoint import endpoint
from chatkit.providers.reading import error_in, read_json
from chatkit.providers.silence import SilenceGuard
from chatkit.providers.wire import Decoder, Finish, Piece, Request, WireFormat, cut_off, failure, refused
from chatkit.sse import ServerSentEvent, SseDecoder

CONNECT = 30.0
"""Seconds for a connection to be made. Reading has no limit of its own: the silence guard rules."""
GRACE = 10.0
"""Seconds that a complete reply waits for what may follow it (the usage of Chat Completions)."""
DRAIN = 0.1
"""Seconds for the end of the body after the last event: a body that was read to its end leaves its connection in the pool."""
ERROR_BYTES = 64 * 1024
ERROR_SECONDS = 5.0
"""How much of an error's body is read, and for how long at most."""
WHOLE_BYTES = 32 * 1024 * 1024
REQUEST_ID = ("request-id", "x-request-id", "apim-request-id", "x-amzn-requestid")

_TITLE = re.compile(rb"<title[^>]*>([^<]{1,200})", re.IGNORECASE)
_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[bool, httpx.AsyncClient]] = weakref.WeakKeyDictionary()


def _client(*, direct: bool) -> httpx.AsyncClient:
    """The client of the running loop; `direct` ones (to this machine) know no proxies."""
    clients = _clients.setdefault(asyncio.get_running_loop(), {})
    if direct not in clients:
        clients[direct] = httpx.AsyncClient(
            headers={"user-agent": "chatkit", "accept": "text/event-stream, application/json", "accept-encoding": "identity"},
            timeout=httpx.Timeout(None, connect=CONNECT),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=60),
            follow_redirects=False,
            trust_env=not direct,
        )
        at_end(clients[direct].aclose)
    return clients[direct]


class _Secret(str):
    """A header that no traceback and no `vars` shows."""

    def __repr__(self) -> str:
        return "'***'"


class Provider:
    """A model of a provider, ready to be asked.

    Parameters
    ----------
    name : str
        The provider's name: ``anthropic``, ``openai``, ``openai-compat``, ``demo``.
    model : str
        The model's name, as the provider knows it.
    wire : WireFormat
        The language that it speaks.
    base_url : str
        Where it is; `wire.path` follows.
    api_key : str, optional
        Shown nowhere.
    headers : mapping, optional
        Sent along.
    context_limit : int, optional
        The model's context window, in tokens.

    Attributes
    ----------
    name, model, context_limit
    label : str
        ``name:model``.
    """

    def __init__(
        self,
        name: str,
        model: str,
        wire: WireFormat,
        base_url: str,
        *,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        context_limit: int | None = None,
    ) -> None:
        self.name = name
        self.model = model
        self.context_limit = context_limit
        self.label = f"{name}:{model}"
        self.endpoint = endpoint(base_url)
        self._wire = wire
        secret = {name: _Secret(value) for name, value in wire.headers(api_key).items()}
        self._headers = {"content-type": "application/json", **secret, **(headers or {})}

    def __repr__(self) -> str:
        return f"<Provider {self.label} at {self.endpoint.origin}>"

    async def stream(
        self,
        request: Request,
        sink: Callable[[list[Piece]], None],
        *,
        clock: Clock,
        silence_timeout: float,
        opened: Callable[[str | None], object] = lambda request_id: None,
    ) -> Finish:
        """Make one attempt: send the request, and hand on the pieces of the reply as they come.

        Parameters
        ----------
        request : Request
        sink : callable
            Gets the pieces that one chunk of the network held, on the loop; it must not block.
        clock : Clock
            Drives the silence guard.
        silence_timeout : float
            Seconds without a piece after which the attempt counts as dead; 0 for never.
        opened : callable
            Gets the provider's name for the request, or None, when the headers have come.

        Returns
        -------
        Finish

        Raises
        ------
        ProviderError
            It failed, in whatever way.
        UsageError
            The request can't be put in this provider's words.
        asyncio.CancelledError
            The caller cancelled.
        """
        body = self._wire.encode(request)
        attempt = _Attempt(self.name, self._wire.decoder(self.name), sink, clock, opened)
        try:
            await self._make(attempt, body, silence_timeout)
            finish = attempt.decoder.close()
        except ProviderError as error:
            found = error.classification
            if found.status_code == 404 and not self.endpoint.path and not self._wire.path.startswith("/v1"):
                found = replace(found, message=f"{found.message} (base_url usually ends in /v1 here)")
            error.classification = replace(found, request_id=found.request_id or attempt.request_id)
            raise
        return replace(finish, request_id=attempt.request_id)

    async def _make(self, attempt: _Attempt, body: bytes, silence_timeout: float) -> None:
        """The attempt under its guard. What breaks once the reply is complete is forgiven."""
        task = asyncio.current_task()
        assert task is not None
        guard = attempt.guard = SilenceGuard(attempt.clock, silence_timeout, task.cancel)
        try:
            guard.start()
            client = _client(direct=self.endpoint.is_loopback)
            await attempt.run(client, client.build_request("POST", self.endpoint.url(self._wire.path), content=body, headers=self._headers))
        except asyncio.CancelledError:
            ours = guard.fired and task.uncancel() == 0
            if not ours and task.cancelling():  # also where the caller's cancel was on its way before this began
                raise
            if attempt.decoder.complete:
                return
            if ours:
                raise failure("timeout", self.name, f"{self.name} said nothing for {_words(silence_timeout)}") from None
            raise failure("network", self.name, f"the connection to {self.name} was cancelled from the other side") from None
        except ChatkitError:
            raise
        except Exception as error:
            if not attempt.decoder.complete:
                raise provider_error(classify(error, provider=self.name, now=attempt.clock.now())) from error
        finally:
            guard.stop()


class _Attempt:
    """One request and the reading of its answer."""

    guard: SilenceGuard

    def __init__(
        self, provider: str, decoder: Decoder, sink: Callable[[list[Piece]], None], clock: Clock, opened: Callable[[str | None], object]
    ) -> None:
        self.opened = opened
        self.provider = provider
        self.decoder = decoder
        self.sink = sink
        self.clock = clock
        self.request_id: str | None = None

    async def run(self, client: httpx.AsyncClient, request: httpx.Request) -> None:
        response = await client.send(request, stream=True)
        try:
            self.request_id = next((v for name in REQUEST_ID if (v := response.headers.get(name))), None)
            self.opened(self.request_id)
            if response.status_code != 200:
                raise await self._refusal(response)
            plain = response.headers.get("content-encoding", "identity").lower() in ("", "identity")
            stream = response.stream if plain else response.aiter_bytes()
            assert not isinstance(stream, httpx.SyncByteStream)
            await self._read(aiter(stream))
        finally:
            await response.aclose()

    async def _read(self, chunks: AsyncIterator[bytes]) -> None:
        """Read the body, whatever it turns out to be."""
        head = b""
        async for chunk in chunks:
            head += chunk
            start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
            if start[:1] in (b"{", b"[", b"<"):
                return await self._read_whole(head, chunks)
            if start:
                return await self._read_events(head, chunks)
            head = head[-3:]
        raise failure("server_error", self.provider, f"{self.provider} answered with nothing", status_code=200)

    async def _read_events(self, head: bytes, chunks: AsyncIterator[bytes]) -> None:
        sse, decoder, sink, guard = SseDecoder(), self.decoder, self.sink, self.guard
        feed, decode, now = sse.feed, decoder.feed, self.clock.monotonic

        def take(events: list[ServerSentEvent]) -> None:  # once for each chunk: every line here is paid for
            pieces: list[Piece] = []
            try:
                for event in events:
                    pieces += decode(event)
            finally:
                if pieces:  # also those before a frame that fails
                    guard.since = now()
                    sink(pieces)

        events = feed(chunk := head)
        spoke = bool(events)
        take(events)
        if not decoder.done:
            if not (awaits_end := not decoder.complete):
                guard.shorten(GRACE)
            async for chunk in chunks:
                if events := feed(chunk):
                    spoke = True
                    take(events)
                    if decoder.complete and awaits_end:
                        awaits_end = False
                        guard.shorten(GRACE)
                    if decoder.done:
                        break
        if decoder.done:
            return await self._drain(chunks)
        if not decoder.complete:
            self._stump(sse.pending or chunk.strip().rpartition(b"\n")[2])
            take(feed(b"\n\n"))  # a last event that lacks only the empty line after it
            if not decoder.complete:
                raise cut_off(self.provider, "" if spoke else _excerpt(head))
        return None

    def _stump(self, rest: bytes) -> None:
        """Some servers end a stream with a bare JSON error: no `data:`, or no end of the line."""
        if rest.lstrip().startswith(b"{"):
            try:
                frame = read_json(rest, self.provider)
            except ProviderError:
                return
            if error_in(frame):
                raise refused(self.provider, frame)

    async def _drain(self, chunks: AsyncIterator[bytes]) -> None:
        """Read what is left of a body, if that is nothing much."""
        self.guard.stop()
        with contextlib.suppress(TimeoutError, httpx.HTTPError, OSError):
            async with asyncio.timeout(DRAIN):
                async for _ in chunks:
                    pass

    async def _read_whole(self, head: bytes, chunks: AsyncIterator[bytes]) -> None:
        """A body that is no stream: a page, an error, or the reply of a server that doesn't stream."""
        body = bytearray(head)
        async for chunk in chunks:
            body += chunk
            if len(body) > WHOLE_BYTES:
                raise failure("server_error", self.provider, f"{self.provider} answered with a body that has no end")
        if body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            title = _TITLE.search(body)
            message = f"{self.provider} answered with an HTML page instead of a reply"
            raise failure("server_error", self.provider, message, _excerpt(title[1]) if title else "", 200)
        if pieces := self.decoder.whole(read_json(bytes(body).removeprefix(b"\xef\xbb\xbf"), self.provider)):
            self.sink(pieces)

    async def _refusal(self, response: httpx.Response) -> ProviderError:
        """The error that a status other than 200 stands for."""
        status, location = response.status_code, response.headers.get("location", "")
        if 300 <= status < 400:
            where = re.sub(r"[?#].*|(?<=//)[^/]*@", "", location)
            message = f"{self.provider} points to another address: give that as base_url"
            return failure("invalid_request", self.provider, message, where, status)
        body = bytearray()
        with contextlib.suppress(TimeoutError, httpx.HTTPError, OSError):
            async with asyncio.timeout(ERROR_SECONDS):
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) >= ERROR_BYTES:
                        break
        headers: dict[str, Any] = dict(response.headers)
        finding = classify(status=status, headers=headers, body=bytes(body[:ERROR_BYTES]), provider=self.provider, now=self.clock.now())
        return provider_error(finding)


def _excerpt(raw: bytes) -> str:
    return raw[:300].decode("utf-8", "replace").strip()


def _words(seconds: float) -> str:
    """A number of seconds as a person says it.

    >>> _words(600), _words(60), _words(1.5)
    ('10 minutes', '60 seconds', '1.5 seconds')
    """
    return f"{seconds / 60:g} minutes" if seconds >= 120 and seconds % 60 == 0 else f"{seconds:g} seconds"
