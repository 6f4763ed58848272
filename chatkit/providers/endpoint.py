"""Addresses and keys: where a request goes, and which key may go with it."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import SplitResult, urlsplit, urlunsplit

from chatkit.errors import UsageError


class Endpoint:
    """A base URL, taken apart.

    Parameters
    ----------
    parts : urllib.parse.SplitResult
        Scheme, host, path without a slash at its end, and query.

    Attributes
    ----------
    host : str
        In lower case, without the port.
    origin : str
        Host and port.
    """

    def __init__(self, parts: SplitResult) -> None:
        self._parts = parts
        self.host = (parts.hostname or "").lower()
        self.origin = parts.netloc.rpartition("@")[2].lower()

    def __repr__(self) -> str:
        return f"Endpoint({urlunsplit((self._parts.scheme, self.origin, self._parts.path, '', ''))!r})"

    @property
    def scheme(self) -> str:
        return self._parts.scheme

    @property
    def path(self) -> str:
        return self._parts.path

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine: such requests take no proxy."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def url(self, path: str) -> str:
        """The address of an operation; a query of the base URL stays at the end."""
        return urlunsplit(self._parts._replace(path=self._parts.path + path))

    def without(self, *endings: str) -> Endpoint:
        """The same without these ends of the path: slips that can mean only one thing."""
        path = self._parts.path
        for ending in endings:
            path = path.removesuffix(ending)
        return Endpoint(self._parts._replace(path=path.rstrip("/")))

    def at(self, path: str) -> Endpoint:
        """The same server under another path."""
        return Endpoint(self._parts._replace(path=path))


def endpoint(base_url: str) -> Endpoint:
    """A base URL as the person gave it.

    Parameters
    ----------
    base_url : str
        What the vendor's own SDK takes.

    Returns
    -------
    Endpoint

    Raises
    ------
    UsageError
        It is no http or https address.

    Examples
    --------
    >>> endpoint(" https://host/v1/ ").url("/responses")
    'https://host/v1/responses'
    >>> endpoint("localhost:8000/v1")
    Traceback (most recent call last):
    ...
    chatkit.errors.UsageError: base_url must begin with http:// or https://, like "http://127.0.0.1:11434/v1"
    """
    if not isinstance(base_url, str):
        raise UsageError(f"base_url must be a string, not {type(base_url).__name__}")
    text = base_url.strip()
    if not text.lower().startswith(("http://", "https://")):
        raise UsageError('base_url must begin with http:// or https://, like "http://127.0.0.1:11434/v1"')
    if any(c.isspace() or not c.isprintable() for c in text):
        raise UsageError("base_url has a space or a control character in it")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
        host and host.encode("idna")
    except ValueError:  # a port that is no number, brackets that don't close, a name that can't be one
        host = None
    if not host:
        raise UsageError('base_url has no host that can be read: it looks like "https://host/v1" or "http://127.0.0.1:11434/v1"')
    return Endpoint(parts._replace(scheme=parts.scheme.lower(), path=parts.path.rstrip("/"), fragment=""))


def checked_key(key: str | None, where: str) -> str | None:
    """A key that can travel in a header; None for an empty one.

    Raises
    ------
    UsageError
        It holds what no key holds. The message doesn't show it.
    """
    if not key:
        return None
    if not isinstance(key, str):
        raise UsageError(f"{where} must be a string, not {type(key).__name__}")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise UsageError(f"{where} has white space or characters in it that no key has: copy it again, without the line end")
    return key


def key_from(variable: str) -> str | None:
    """The key in an environment variable; None where it is unset or empty."""
    return checked_key(os.environ.get(variable), variable)
