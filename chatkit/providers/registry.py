"""Which provider a name means, at which address, and with which key.

A key from the environment is sent to its vendor's own host and nowhere else; what is given as ``api_key=`` is sent to
``base_url=``, whatever that is.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping

from chatkit.errors import MissingKey, UsageError
from chatkit.providers.endpoint import OWN_KEY_HEADERS, Endpoint, checked_headers, checked_key, concealed
from chatkit.providers.http import Provider, WireFormat

MODEL_FORMS = {
    "anthropic": "anthropic:NAME",
    "openai": "openai:NAME",
    "openai-compat": "openai-compat:NAME with base_url=",
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

    The wire formats are Messages for ``anthropic:NAME``, Responses for ``openai:NAME`` and Chat Completions for
    ``openai-compat:NAME``. `base_url` includes ``/v1`` for OpenAI and compatible servers, and not for Anthropic.
    """
    api_key, base_url, headers = concealed(api_key), concealed(base_url), concealed(headers)  # a traceback shows these variables
    name, model = _named(model)
    key = checked_key(api_key, "api_key")
    own = checked_headers(headers)
    if not isinstance(insecure, bool):
        raise UsageError(f"insecure must be True or False, not {insecure!r}")
    needs_key = not (key or OWN_KEY_HEADERS & own.keys())
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
        if needs_key:
            key = _vendor_key("ANTHROPIC_API_KEY", where, ours=where.host == "api.anthropic.com")
    elif name == "openai":
        from chatkit.providers.openai_responses import OpenAIResponses

        where = Endpoint.parse("https://api.openai.com" if base_url is None else base_url).without("/responses")
        ours = f".{where.host}".endswith(".api.openai.com")  # also those of its regions
        wire = OpenAIResponses()
        where = where.at("/v1") if ours and not where.path else where
        if needs_key:
            key = _vendor_key("OPENAI_API_KEY", where, ours=ours)
    else:
        from chatkit.providers.openai_chat import ChatCompletions

        if base_url is None:
            raise UsageError(f'openai-compat:{model} needs base_url=, the address of its server, like base_url="http://127.0.0.1:11434/v1"')
        where = Endpoint.parse(base_url).without("/chat/completions")
        wire = ChatCompletions(where.origin, "max_completion_tokens" if where.host == "api.openai.com" else "max_tokens")
        if needs_key:
            key = _key_from("OPENAI_COMPAT_API_KEY")  # the user sets this key together with the address
    where.check(key, own, insecure=insecure)
    return Provider(name, model, wire, where.url(wire.path), api_key=key, headers=own)


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
    return checked_key(concealed(os.environ.get(variable)), variable)
