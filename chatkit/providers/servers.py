"""The servers that have a short name: where each is, in which variable its key is looked for, and which wire format it speaks.

Each row comes from a document of the vendor, its `source`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from chatkit.failures.unreached import is_this_machine
from chatkit.providers.parameters import Written

Format = Literal["messages", "responses", "chat"]
"""Anthropic Messages, OpenAI Responses, OpenAI Chat Completions."""


class Server(NamedTuple):
    """One row. `key` is the environment variable of the key, which goes to `hosts` alone, their subdomains included.

    `base_url` is the address unless another one is given; where it is not `fixed`, one must be given, and this is an example.
    """

    base_url: str
    key: str | None
    source: str
    format: Format = "chat"
    fixed: bool = True
    hosts: tuple[str, ...] = ()
    """Those of the vendor; unless given, the host of `base_url`."""
    key_header: str = "authorization"
    streams_usage: bool = True
    """Whether it takes ``stream_options``."""
    names: Mapping[str, Written] = {}
    """The parameters that it writes in another way than its wire format."""

    @property
    def local(self) -> bool:
        """Whether it mostly runs on the person's own machine, where a key is optional."""
        return self.base_url.startswith("http://")

    def owns(self, host: str) -> bool:
        """Whether the key from the environment belongs to a host.

        >>> SERVERS["openai"].owns("eu.api.openai.com"), SERVERS["openai"].owns("api.openai.com.example.org")
        (True, False)
        """
        if self.hosts == ANY_HOST or (self.local and is_this_machine(host)):
            return True
        hosts = self.hosts or (urlsplit(self.base_url).hostname,)
        return any(f".{host}".endswith(f".{own}") for own in hosts)


ANY_HOST = ("*",)
"""Of a server whose key is set together with its address."""
OPENAI_LIMIT = {"max_tokens": "max_completion_tokens"}
"""OpenAI's reasoning models refuse max_tokens: https://platform.openai.com/docs/api-reference/chat/create, and so at Azure."""


def _unified(value: str | int) -> dict[str, Any]:
    """Reasoning at OpenRouter: https://openrouter.ai/docs/use-cases/reasoning-tokens."""
    return {"reasoning": {"effort": value} if isinstance(value, str) else {"max_tokens": value}}


SERVERS: dict[str, Server] = {
    "anthropic": Server("https://api.anthropic.com", "ANTHROPIC_API_KEY", "https://platform.claude.com/docs/en/api/overview", "messages"),
    "openai": Server("https://api.openai.com/v1", "OPENAI_API_KEY", "https://platform.openai.com/docs/api-reference", "responses"),
    "azure": Server(
        "https://RESOURCE.openai.azure.com/openai/v1",
        "AZURE_OPENAI_API_KEY",
        "https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle",
        fixed=False,
        hosts=("openai.azure.com", "services.ai.azure.com"),
        key_header="api-key",
        names=OPENAI_LIMIT,
    ),
    "deepseek": Server("https://api.deepseek.com", "DEEPSEEK_API_KEY", "https://api-docs.deepseek.com/"),
    "fireworks": Server(
        "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY", "https://docs.fireworks.ai/tools-sdks/openai-compatibility"
    ),
    "gemini": Server(
        "https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY", "https://ai.google.dev/gemini-api/docs/openai"
    ),
    "groq": Server("https://api.groq.com/openai/v1", "GROQ_API_KEY", "https://console.groq.com/docs/openai"),
    "mistral": Server(  # its API reference has no stream_options, and it refuses what it doesn't know; usage comes unasked
        "https://api.mistral.ai/v1",
        "MISTRAL_API_KEY",
        "https://docs.mistral.ai/api/#tag/chat",
        streams_usage=False,
        names={"seed": "random_seed"},
    ),
    "openrouter": Server(
        "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", "https://openrouter.ai/docs/quickstart", names={"reasoning": _unified}
    ),
    "together": Server(
        "https://api.together.ai/v1",
        "TOGETHER_API_KEY",
        "https://docs.together.ai/docs/inference/openai-compatibility",
        hosts=("api.together.ai", "api.together.xyz"),
    ),
    "xai": Server("https://api.x.ai/v1", "XAI_API_KEY", "https://docs.x.ai/docs/guides/chat"),
    "llamacpp": Server("http://127.0.0.1:8080/v1", "LLAMA_API_KEY", "https://github.com/ggml-org/llama.cpp/tree/master/tools/server"),
    "lmstudio": Server("http://127.0.0.1:1234/v1", "LM_API_TOKEN", "https://lmstudio.ai/docs/developer/openai-compat"),
    "ollama": Server("http://127.0.0.1:11434/v1", None, "https://docs.ollama.com/api/openai-compatibility"),
    "vllm": Server("http://127.0.0.1:8000/v1", "VLLM_API_KEY", "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html"),
    "openai-compat": Server(
        "http://127.0.0.1:11434/v1",
        "OPENAI_COMPAT_API_KEY",
        "https://platform.openai.com/docs/api-reference/chat",
        fixed=False,
        hosts=ANY_HOST,
    ),
}
