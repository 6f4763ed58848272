"""Which provider a name means, at which address, and with which key.

A key from the environment is sent to its vendor's own host and nowhere else; what is given as ``api_key=`` is sent to
``base_url=``, whatever that is.
"""

from __future__ import annotations

import difflib
import os
from urllib.parse import SplitResult, urlsplit, urlunsplit

from chatkit.errors import MissingKey, UsageError
from chatkit.providers.http import Provider, WireFormat

MODEL_FORMS = {
    "anthropic": "anthropic:NAME",
    "openai": "openai:NAME",
    "openai-compat": "openai-compat:NAME with base_url=",
    "demo": "demo",
}
VENDOR_PREFIXES = {"claude-": "anthropic", "gpt-": "openai", "chatgpt-": "openai", "o1": "openai", "o3": "openai", "o4-": "openai"}
"""Beginnings of names that only one vendor gives, where the provider may be left out."""


class Endpoint:
    """A base URL, taken apart: `host` is in lower case and without the port, `origin` is host and port."""

    def __init__(self, parts: SplitResult) -> None:
        self._parts = parts
        self.scheme = parts.scheme
        self.path = parts.path
        self.host = (parts.hostname or "").lower()
        self.origin = parts.netloc.rpartition("@")[2].lower()

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
        except ValueError:  # the port is not a number, a bracket is not closed, or the name cannot be a host
            host = None
        if not host:
            raise UsageError('base_url has no host that can be read: it looks like "https://host/v1" or "http://127.0.0.1:11434/v1"')
        return cls(parts._replace(path=parts.path.rstrip("/"), fragment=""))

    def url(self, path: str) -> str:
        """The address of an operation; a query of the base URL remains at the end."""
        return urlunsplit(self._parts._replace(path=self.path + path))

    def without(self, *endings: str) -> Endpoint:
        """The endpoint without these ends of its path, which belong to the operation."""
        path = self.path
        for ending in endings:
            path = path.removesuffix(ending)
        return Endpoint(self._parts._replace(path=path.rstrip("/")))

    def at(self, path: str) -> Endpoint:
        """The same server with another path."""
        return Endpoint(self._parts._replace(path=path))


def connect(model: str | None = None, *, api_key: str | None = None, base_url: str | None = None) -> Provider:
    """The provider of a model, or a `UsageError` that says what is missing; without a model, ``CHATKIT_MODEL`` or ``demo``.

    The wire formats are Messages for ``anthropic:NAME``, Responses for ``openai:NAME`` and Chat Completions for
    ``openai-compat:NAME``. `base_url` includes ``/v1`` for OpenAI and compatible servers, and not for Anthropic.
    """
    name, model = _named(model)
    key = _checked_key(api_key, "api_key")
    if name == "demo":
        if base_url is not None:
            raise UsageError("demo brings its own server: leave base_url out, or name a provider like openai-compat:NAME")
        from chatkit.providers.demo import connect_demo  # needs chattest, which others don't

        return connect_demo(model)
    if not model:
        raise UsageError(f"which model? Write {MODEL_FORMS[name]}")
    wire: WireFormat
    if name == "anthropic":
        from chatkit.providers.anthropic import AnthropicMessages  # a chat loads only its own wire format

        where = Endpoint.parse("https://api.anthropic.com" if base_url is None else base_url).without("/messages", "/v1")
        wire = AnthropicMessages(where.origin)
        key = key or _vendor_key("ANTHROPIC_API_KEY", where, ours=where.host == "api.anthropic.com")
    elif name == "openai":
        from chatkit.providers.openai_responses import OpenAIResponses

        where = Endpoint.parse("https://api.openai.com" if base_url is None else base_url).without("/responses")
        ours = f".{where.host}".endswith(".api.openai.com")  # also those of its regions
        wire = OpenAIResponses()
        where = where.at("/v1") if ours and not where.path else where
        key = key or _vendor_key("OPENAI_API_KEY", where, ours=ours)
    else:
        from chatkit.providers.openai_chat import ChatCompletions

        if base_url is None:
            raise UsageError(f'openai-compat:{model} needs base_url=, the address of its server, like base_url="http://127.0.0.1:11434/v1"')
        where = Endpoint.parse(base_url).without("/chat/completions")
        wire = ChatCompletions(where.origin, "max_completion_tokens" if where.host == "api.openai.com" else "max_tokens")
        key = key or _key_from("OPENAI_COMPAT_API_KEY")  # the user sets this key together with the address
    return Provider(name, model, wire, where.url(wire.path), api_key=key)


def _named(model: str | None) -> tuple[str, str]:
    """The provider's name and the model's."""
    if model is None:
        model = os.environ.get("CHATKIT_MODEL") or "demo"
    if not isinstance(model, str):
        raise UsageError(f"a model is a string like {MODEL_FORMS['anthropic']}, not {type(model).__name__}")
    text = model.strip()
    name, _, rest = text.partition(":")
    if (name := name.rstrip()) in MODEL_FORMS:
        return name, rest.strip()
    if ":" not in text and not text.startswith("gpt-oss"):
        for start, vendor in VENDOR_PREFIXES.items():
            if text.startswith(start):
                return vendor, text
    near = difflib.get_close_matches(name.lower(), MODEL_FORMS, 1)
    own_server = f" A server of your own is openai-compat:{text} with base_url=." if text else ""
    hint = f" Did you mean {MODEL_FORMS[near[0]]}?" if near else own_server
    raise UsageError(f"no provider is called {name!r}.{hint} There are {', '.join(MODEL_FORMS.values())}")


def _vendor_key(variable: str, where: Endpoint, *, ours: bool) -> str | None:
    """The vendor's key from the environment: required for its own host over https, and sent to no other."""
    if not (ours and where.scheme == "https"):
        return None
    if key := _key_from(variable):
        return key
    raise MissingKey(f"no key for {where.host}: set the environment variable {variable}, or pass api_key=")


def _key_from(variable: str) -> str | None:
    return _checked_key(os.environ.get(variable), variable)


def _checked_key(key: str | None, where: str) -> str | None:
    """A key that can be sent in a header; None for an empty one. The error doesn't show the key."""
    if not key:
        return None
    if not isinstance(key, str):
        raise UsageError(f"{where} must be a string, not {type(key).__name__}")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise UsageError(f"{where} has white space or characters in it that no key has: copy it again, without the line end")
    return key
