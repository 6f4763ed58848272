"""Where requests go and what goes with them: a base URL taken apart, keys and headers that can travel and are never shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, SupportsIndex
from urllib.parse import SplitResult, urlsplit, urlunsplit

from chatkit.errors import UsageError
from chatkit.failures.unreached import is_this_machine

OWN_KEY_HEADERS = frozenset({"authorization", "api-key", "x-api-key"})
"""Headers in which a server takes a key: who gives one needs no `api_key`."""

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SECRET_NAME = re.compile(r"auth|key|token|secret|password|credential|cookie", re.I)
_OF_THE_CONNECTION = frozenset({"content-length", "transfer-encoding", "connection", "host"})
_SHORTEST_SECRET = 8
"""Characters. A shorter value, such as the key "none", is not looked for in what a server says."""


class Secret(str):
    """A text that neither a traceback nor `vars` shows, nor a part of it (rich cuts long texts)."""

    def __repr__(self) -> str:
        return "'***'"

    def __getitem__(self, place: SupportsIndex | slice) -> Secret:
        return Secret(super().__getitem__(place))


class _NoText:
    """What was given in the place of a secret text, of which only the type remains."""

    def __init__(self, value: object) -> None:
        self.type = type(value)

    def __repr__(self) -> str:
        return "'***'"


def _type_of(value: object) -> str:
    return (value.type if isinstance(value, _NoText) else type(value)).__name__


def concealed(value: Any) -> Any:
    """A key, headers, or an address with a password in it, so that no traceback shows them; of what is refused only the type remains."""
    if value is None or isinstance(value, Secret | _NoText):
        return value
    if isinstance(value, str):
        return Secret(value)
    if isinstance(value, Mapping):
        return {name: concealed(item) for name, item in value.items()}
    return _NoText(value)


class Endpoint:
    """A base URL, taken apart: `host` is in lower case and without the port, `origin` is host and port."""

    def __init__(self, parts: SplitResult) -> None:
        self._parts = parts
        self.scheme = parts.scheme
        self.path = parts.path
        self.host = (parts.hostname or "").lower()
        self.origin = parts.netloc.rpartition("@")[2].lower()
        self.has_password = "@" in parts.netloc

    @classmethod
    def parse(cls, base_url: str) -> Endpoint:
        """A base URL as the user gave it, which is what the vendor's own SDK takes.

        >>> Endpoint.parse(" https://host/v1/?api-version=1").url("/responses")
        'https://host/v1/responses?api-version=1'
        >>> Endpoint.parse("localhost:8000/v1")
        Traceback (most recent call last):
        ...
        chatkit.errors.UsageError: base_url must begin with http:// or https://, like "http://127.0.0.1:11434/v1"
        """
        if not isinstance(base_url, str):
            raise UsageError(f"base_url must be a string, not {_type_of(base_url)}")
        text = Secret(base_url.strip())
        if not text.lower().startswith(("http://", "https://")):
            raise UsageError('base_url must begin with http:// or https://, like "http://127.0.0.1:11434/v1"')
        if not text.isprintable() or " " in text:
            raise UsageError("base_url has a space or a control character in it")
        if not _host(text):
            raise UsageError('base_url has no host that can be read: it looks like "https://host/v1" or "http://127.0.0.1:11434/v1"')
        parts = urlsplit(text)
        return cls(parts._replace(path=parts.path.rstrip("/"), fragment=""))

    def url(self, path: str) -> str:
        """The address of an operation; a query of the base URL remains at the end."""
        url = urlunsplit(self._parts._replace(path=self.path + path))
        return Secret(url) if self.has_password else url

    def without(self, *endings: str) -> Endpoint:
        """The endpoint without these ends of its path, which belong to the operation."""
        path = self.path
        for ending in endings:
            path = path.removesuffix(ending)
        return Endpoint(self._parts._replace(path=path.rstrip("/")))

    def at(self, path: str) -> Endpoint:
        """The same server with another path."""
        return Endpoint(self._parts._replace(path=path))

    def check(self, key: str | None, headers: Mapping[str, str], *, insecure: bool) -> None:
        """Refuse two ways to sign in at once, and secrets that everybody on the way could read."""
        secret = self.has_password or key or any(map(_SECRET_NAME.search, headers))
        if self.has_password and ("authorization" in headers or key):
            raise UsageError("base_url has a user name or a password in it, and there is a key as well: leave one of them out")
        if secret and self.scheme == "http" and not (insecure or is_this_machine(self.host)):
            raise UsageError(
                f"the key would go to {self.host} over http://, where everybody on the way can read it: use https://, "
                "or pass insecure=True if you trust the network"
            )


def _host(url: str) -> str | None:
    """The host of a URL; None where there is none, or it cannot be one: the port is no number, a bracket is not closed."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        return host if host and host.encode("idna") else None
    except ValueError:
        return None


def checked_key(key: str | None, where: str) -> str | None:
    """A key that can be sent in a header; None for an empty one. The error doesn't show the key."""
    if not key:
        return None
    if not isinstance(key, str):
        raise UsageError(f"{where} must be a string, not {_type_of(key)}")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise UsageError(f"{where} has white space or characters in it that no key has: copy it again, without the line end")
    return Secret(key)


def checked_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Headers that can be sent, with names in lower case. The error doesn't show a value."""
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise UsageError(f'headers must be a dictionary such as {{"api-key": "…"}}, not {_type_of(headers)}')
    checked: dict[str, str] = {}
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise UsageError('headers has a name that no header can have: letters, digits and hyphens, like "x-portkey-api-key"')
        if not isinstance(value, str):
            raise UsageError(f"headers[{name!r}] must be a string, not {_type_of(value)}")
        if not (value.isascii() and value.isprintable()) or value != value.strip():
            raise UsageError(f"headers[{name!r}] has a line end, white space at an end, or characters in it that no header can have")
        if name.lower() in _OF_THE_CONNECTION:
            raise UsageError(f"headers[{name!r}] belongs to the connection, which sets it itself: leave it out")
        checked[name.lower()] = Secret(value)
    return checked


def blotted(text: str, headers: Mapping[str, str]) -> str:
    """What a server said, without the secrets that were sent to it: their values, and what follows the scheme ("Bearer")."""
    for value in headers.values():
        for secret in (str(value), value.rpartition(" ")[2]) if isinstance(value, Secret) else ():
            if len(secret) >= _SHORTEST_SECRET:
                text = _without_a_beginning(text.replace(secret, "***"), secret)
    return text


def _without_a_beginning(text: str, secret: str) -> str:
    """The text without the beginning of a secret at its end, where it was cut."""
    said = text.removesuffix("…")
    begun = next((n for n in range(len(secret) - 1, _SHORTEST_SECRET - 1, -1) if said.endswith(secret[:n])), 0)
    return f"{said[:-begun]}***{text[len(said) :]}" if begun else text
