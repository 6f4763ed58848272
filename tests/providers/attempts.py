"""Attempts for tests of providers: one request under way on the bridge's loop, and what it told so far."""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Callable
from typing import Any

import pytest

from chatkit import bridge
from chatkit.chattest import FakeProvider
from chatkit.clock import Clock, SystemClock
from chatkit.errors import ProviderError
from chatkit.parts import Part
from chatkit.providers.decoding import Finish, Piece
from chatkit.providers.encoding import Request
from chatkit.providers.endpoint import Endpoint, checked_headers
from chatkit.providers.http import Provider, WireFormat
from tests.providers.streams import WIRES, join

FORMATS = ["anthropic", "chat", "responses"]
Fakes = Callable[..., FakeProvider]
WORDS = "Clients back off so that the server can recover, and then they try again."


def provider_at(
    base_url: str,
    format: str = "chat",
    *,
    wire: WireFormat | None = None,
    model: str = "m",
    api_key: str = "",
    headers: dict[str, str] | None = None,
) -> Provider:
    """A provider called acme that speaks this format, or this wire, at a base URL."""
    wire = wire or WIRES[format]
    return Provider(
        "acme", model, wire, Endpoint.parse(base_url).url(wire.path), read_key=lambda: api_key, headers=checked_headers(headers)
    )


class Asked:
    """One attempt under way on the bridge's loop, and the pieces that it told so far."""

    def __init__(
        self,
        fake: FakeProvider,
        format: str,
        clock: Clock,
        silence: float,
        base_url: str | None = None,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> None:
        url = base_url or (fake.anthropic_url if format == "anthropic" else fake.openai_url)
        self.provider = provider_at(url, format, model="m-1", api_key="sk-secret-key-1234567890", headers=headers)
        self.calls: list[list[Piece]] = []
        request = Request(model="m-1", messages=(), options=options)
        self.future: concurrent.futures.Future[Finish] = bridge.spawn(
            self.provider.stream(request, self.calls.append, clock=clock, silence_timeout=silence)
        )

    @property
    def parts(self) -> tuple[Part, ...]:
        return join(piece for call in self.calls for piece in call)

    @property
    def text(self) -> str:
        return "".join(getattr(p, "text", "") for p in self.parts)

    @property
    def words(self) -> int:
        """How many words came so far."""
        return len(self.text.split())

    def finish(self) -> Finish:
        return self.future.result(10)

    def error(self) -> ProviderError:
        with pytest.raises(ProviderError) as caught:
            self.future.result(10)
        return caught.value


def ask(fake: FakeProvider, format: str = "chat", *, clock: Clock | None = None, silence: float = 0, **more: Any) -> Asked:
    return Asked(fake, format, clock or SystemClock(), silence, **more)


def until(true: Callable[[], bool]) -> None:
    """Let the bridge's loop turn until something holds."""

    async def turn() -> None:
        pass

    end = time.monotonic() + 5
    while not true():
        assert time.monotonic() < end
        bridge.spawn(turn()).result(5)
