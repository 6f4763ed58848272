"""Which provider a name means, at which address, and with which key.

A key from the environment is sent to its vendor's own host and nowhere else; what is given as ``api_key=`` is sent to
``base_url=``, whatever that is. The environment is read for every request.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from chatkit.errors import MissingKey, UsageError
from chatkit.providers.decoding import failure
from chatkit.providers.endpoint import OWN_KEY_HEADERS, Endpoint, checked_headers, checked_key, concealed
from chatkit.providers.http import Provider
from chatkit.providers.servers import ANY_HOST, OPENAI_LIMIT, SERVERS, Server
from chatkit.providers.wire import WireFormat

MODEL_FORMS = {
    **{name: f"{name}:NAME" + ("" if server.fixed else " with base_url=") for name, server in SERVERS.items()},
    "demo": "demo",
}
VENDOR_PREFIXES = {"claude-": "anthropic", "gpt-": "openai", "chatgpt-": "openai", "o1": "openai", "o3": "openai", "o4-": "openai"}
"""Beginnings of names that only one vendor gives, where the provider may be left out."""


def connect(
    model: str | None = None,
    *,
    api_key: str | None = None,
    base_url: str | None = None,
    headers: Mapping[str, str] | None = None,
    insecure: bool = False,
) -> Provider:
    """The provider of a model, or a `UsageError` that says what is missing; without a model, ``CHATKIT_MODEL`` or ``demo``.

    `base_url` is another address than that of the row in `SERVERS`; it is what the vendor's own SDK takes.
    """
    api_key, base_url, headers = concealed(api_key), concealed(base_url), concealed(headers)  # a traceback shows these variables
    name, model = _named(model)
    given = checked_key(api_key, "api_key")
    own = checked_headers(headers)
    if not isinstance(insecure, bool):
        raise UsageError(f"insecure must be True or False, not {insecure!r}")
    needs_key = not (given or OWN_KEY_HEADERS & own.keys())
    if name == "demo":
        if base_url is not None:
            raise UsageError("demo brings its own server: leave base_url out, or name a provider like openai-compat:NAME")
        from chatkit.providers.demo import connect_demo  # needs chattest, which others don't

        return connect_demo(model)
    if not model:
        raise UsageError(f"which model? Write {MODEL_FORMS[name]}")
    server = SERVERS[name]
    if base_url is None and not server.fixed:
        raise UsageError(f'{name}:{model} needs base_url=, the address of its server, like base_url="{server.base_url}"')
    where = Endpoint.parse(server.base_url if base_url is None else base_url)
    if not where.path and server.owns(where.host) and server.hosts != ANY_HOST:
        where = where.at(urlsplit(server.base_url).path)
    where, wire = _spoken(server, where)

    def read_key() -> str | None:
        key = _key_of(server, where) if needs_key else given
        where.check(key, own, insecure=insecure)
        return key

    def read_again() -> str | None:
        try:
            return read_key()
        except UsageError as error:
            raise failure("auth", name, str(error)) from None

    read_key()
    return Provider(name, model, wire, where.url(wire.path), read_key=read_again, headers=own)


def _spoken(server: Server, where: Endpoint) -> tuple[Endpoint, WireFormat]:
    """The address without the path of the operation, and the wire format: a chat loads only its own."""
    match server.format:
        case "messages":
            from chatkit.providers.anthropic import AnthropicMessages

            return where.without("/messages", "/v1"), AnthropicMessages(where.origin)
        case "responses":
            from chatkit.providers.openai_responses import OpenAIResponses

            return where.without("/responses"), OpenAIResponses()
        case "chat":
            from chatkit.providers.openai_chat import NAMES, ChatCompletions

            own = OPENAI_LIMIT if SERVERS["openai"].owns(where.host) else server.names
            return where.without("/chat/completions"), ChatCompletions(
                where.origin, NAMES.but(own), server.key_header, server.streams_usage
            )


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
    vendor, slash, rest = text.partition("/")  # as LiteLLM writes it
    near = difflib.get_close_matches(name.lower(), MODEL_FORMS, 1, 0.8)
    meant = f"{vendor}:{rest}" if slash and vendor in SERVERS else MODEL_FORMS[near[0]] if near else ""
    hint = f" Did you mean {meant}?" if meant else ""
    own_server = f" A server of your own is openai-compat:{text} with base_url=, or ollama:{text}." if text else ""
    raise UsageError(f"no provider is called {name!r}.{hint}{own_server} There are {', '.join(MODEL_FORMS.values())}")


def _key_of(server: Server, where: Endpoint) -> str | None:
    """A server's key from the environment, which goes to no host but its own, and not in the clear to a vendor's."""
    if server.key is None or not server.owns(where.host) or not (server.local or where.scheme == "https"):
        return None
    if (key := _key_from(server.key)) or server.local:
        return key
    raise MissingKey(f"no key for {where.host}: set the environment variable {server.key}, or pass api_key=")


def _key_from(variable: str) -> str | None:
    return checked_key(concealed(os.environ.get(variable)), variable)
