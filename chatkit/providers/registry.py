"""Which provider a name means, where it is, and with which key.

A key from the environment goes to its vendor's own host and nowhere else; what is given as ``api_key=`` goes where
``base_url=`` says.
"""

from __future__ import annotations

import difflib
import os

from chatkit.errors import MissingKey, UsageError
from chatkit.providers.anthropic import AnthropicMessages
from chatkit.providers.endpoint import Endpoint, checked_key, endpoint, key_from
from chatkit.providers.http import Provider
from chatkit.providers.openai_chat import ChatCompletions
from chatkit.providers.openai_responses import OpenAIResponses

FORMS = {
    "anthropic": "anthropic:NAME",
    "openai": "openai:NAME",
    "openai-compat": "openai-compat:NAME with base_url=",
    "demo": "demo",
}
BARE = {"claude-": "anthropic", "gpt-": "openai", "chatgpt-": "openai", "o1": "openai", "o3": "openai", "o4-": "openai"}
"""Names that only one vendor gives: the provider may be left out."""
ANTHROPIC, OPENAI = "https://api.anthropic.com", "https://api.openai.com/v1"


def connect(model: str | None = None, *, api_key: str | None = None, base_url: str | None = None) -> Provider:
    """The provider of a model.

    Parameters
    ----------
    model : str, optional
        ``anthropic:NAME`` (Messages), ``openai:NAME`` (Responses), ``openai-compat:NAME`` (Chat Completions), ``demo``.
        Unless given, the environment's ``CHATKIT_MODEL``, else ``demo``.
    api_key : str, optional
        Unless given, from ``ANTHROPIC_API_KEY``, ``OPENAI_API_KEY`` or ``OPENAI_COMPAT_API_KEY``. The first two go only
        to their vendor's own host.
    base_url : str, optional
        What the vendor's own SDK takes: with ``/v1`` for OpenAI and compatible servers, without for Anthropic.

    Returns
    -------
    Provider

    Raises
    ------
    UsageError
        No such provider, no address, or one that can't be one.
    MissingKey
        A vendor's host, and no key: the message names the variable.
    """
    name, model = _named(model)
    key = checked_key(api_key, "api_key")
    if name == "demo":
        if base_url is not None:
            raise UsageError("demo brings its own server: leave base_url out, or name a provider like openai-compat:NAME")
        from chatkit.providers.demo import connect_demo  # needs chattest, which others don't

        return connect_demo(model)
    if not model:
        raise UsageError(f"which model? Write {FORMS[name]}")
    if name == "anthropic":
        where = endpoint(base_url if base_url is not None else ANTHROPIC).without("/messages", "/v1")
        ours = where.host == "api.anthropic.com"
        key = key or _vendor_key("ANTHROPIC_API_KEY", where, ours)
        return Provider(name, model, AnthropicMessages(where.origin), where.url(""), api_key=key)
    if name == "openai":
        where = endpoint(base_url if base_url is not None else OPENAI).without("/responses")
        ours = where.host == "api.openai.com" or where.host.endswith(".api.openai.com")
        where = where.at("/v1") if ours and not where.path else where
        key = key or _vendor_key("OPENAI_API_KEY", where, ours)
        return Provider(name, model, OpenAIResponses(), where.url(""), api_key=key)
    if base_url is None:
        raise UsageError(f'openai-compat:{model} needs base_url=, the address of its server, like base_url="http://127.0.0.1:11434/v1"')
    where = endpoint(base_url).without("/chat/completions")
    key = key or key_from("OPENAI_COMPAT_API_KEY")  # the person's own pair of key and address
    limit = "max_completion_tokens" if where.host == "api.openai.com" else "max_tokens"
    return Provider(name, model, ChatCompletions(where.origin, limit), where.url(""), api_key=key)


def _named(model: str | None) -> tuple[str, str]:
    """The provider's name and the model's."""
    if model is None:
        model = os.environ.get("CHATKIT_MODEL") or "demo"
    if not isinstance(model, str):
        raise UsageError(f"a model is a string like {FORMS['anthropic']}, not {type(model).__name__}")
    text = model.strip()
    name, _, rest = text.partition(":")
    if (name := name.rstrip()) in FORMS:
        return name, rest.strip()
    if ":" not in text and not text.startswith("gpt-oss"):
        for start, vendor in BARE.items():
            if text.startswith(start):
                return vendor, text
    near = difflib.get_close_matches(name.lower(), FORMS, 1)
    hint = f" Did you mean {FORMS[near[0]]}?" if near else f" A server of your own: openai-compat:{text} with base_url=." if text else ""
    raise UsageError(f"no provider is called {name!r}.{hint} There are {', '.join(FORMS.values())}")


def _vendor_key(variable: str, where: Endpoint, ours: bool) -> str | None:
    """A vendor's key from the environment: for its own host over https, nothing for any other."""
    if not (ours and where.scheme == "https"):
        return None
    if key := key_from(variable):
        return key
    raise MissingKey(f"no key for {where.host}: set the environment variable {variable}, or pass api_key=")
