"""The streams of a peer: ``python -m benchmarks.clients.peer_stream NAME``, in the peer's environment."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.clients.measured import serve

QUESTION: Any = [{"role": "user", "content": "Count."}]
MODEL = "loopback-1"
Call = Callable[[], tuple[int, int]]


def _base(url: str) -> str:
    return url.removesuffix("/chat/completions")


def openai(base_url: str) -> Call:
    """The official SDK's plain client, which costs less than the async one."""
    from openai import OpenAI

    client: Any = OpenAI(api_key="none", base_url=base_url)

    def call() -> tuple[int, int]:
        texts = []
        for chunk in client.chat.completions.create(model=MODEL, messages=QUESTION, stream=True):
            texts += [choice.delta.content or "" for choice in chunk.choices]
        return len(texts), len("".join(texts))

    return call


def anthropic(url: str) -> Call:
    """The official SDK's plain client with raw events, which costs less than its accumulating helper."""
    from anthropic import Anthropic

    client: Any = Anthropic(api_key="none", base_url=url.removesuffix("/v1/messages"))

    def call() -> tuple[int, int]:
        events = client.messages.create(model=MODEL, max_tokens=10_000, messages=QUESTION, stream=True)
        texts = [event.delta.text for event in events if event.type == "content_block_delta"]
        return len(texts), len("".join(texts))

    return call


def pydantic_ai(base_url: str) -> Call:
    """An agent's ``run_stream``, with every delta."""
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    agent = Agent(OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=base_url, api_key="none")))
    runner = asyncio.Runner()

    async def read() -> tuple[int, int]:
        seen = characters = 0
        async with agent.run_stream("Count.") as run:
            async for text in run.stream_text(delta=True, debounce_by=None):
                seen += 1
                characters += len(text)
        return seen, characters

    return lambda: runner.run(read())


def litellm(base_url: str) -> Call:
    """``completion(stream=True)``."""
    from litellm import completion

    def call() -> tuple[int, int]:
        texts = []
        for chunk in completion(model=f"openai/{MODEL}", api_key="none", api_base=base_url, messages=QUESTION, stream=True):
            texts += [choice.delta.content or "" for choice in chunk.choices]
        return len(texts), len("".join(texts))

    return call


_made: dict[tuple[str, str], Call] = {}
_PEERS = {"openai": openai, "anthropic": anthropic, "pydantic-ai": pydantic_ai, "litellm": litellm}


def _kept(name: str) -> Callable[[str], Call]:
    """One client for all runs, so that its connection is kept alive."""

    def variant(url: str) -> Call:
        if (name, url) not in _made:
            _made[name, url] = _PEERS[name](_base(url))
        return _made[name, url]

    return variant


if __name__ == "__main__":
    serve({name: _kept(name) for name in sys.argv[1:]})
