"""What a wire format is: the one thing that differs from provider to provider."""

from __future__ import annotations

from typing import Protocol

from chatkit.providers.decoding import Decoder
from chatkit.providers.encoding import Request
from chatkit.providers.parameters import Names


class WireFormat(Protocol):
    """One provider's language: requests are encoded, replies are decoded. `path` follows the base URL."""

    @property
    def path(self) -> str: ...

    @property
    def names(self) -> Names: ...

    def headers(self, api_key: str | None) -> dict[str, str]:
        """Return the headers that carry the key, and others that the format needs."""

    def encode(self, request: Request) -> bytes:
        """Return the body, or raise a `UsageError` if the options or a file can't be sent in this format."""

    def decoder(self, provider: str) -> Decoder:
        """Return a decoder for one reply of this provider."""
