"""chatkit and the floors, streaming in one process."""

from __future__ import annotations

from collections.abc import Callable

import chatkit
from benchmarks.clients import floors
from benchmarks.clients.measured import serve
from chatkit.events import MessagePart
from chatkit.parts import Text

QUESTION = "Count."


def _chat(url: str) -> chatkit.Chat:
    base, _, rest = url.rpartition("/v1/")
    if rest == "messages":
        return chatkit.Chat("anthropic:loopback-1", api_key="none", base_url=base, title=None)
    return chatkit.Chat("openai-compat:loopback-1", api_key="none", base_url=f"{base}/v1", title=None)


def ask(url: str) -> Callable[[], tuple[int, int]]:
    """``chat.ask(show=False)``."""
    chat = _chat(url)

    def call() -> tuple[int, int]:
        reply = chat.ask(QUESTION, show=False)
        return reply.usage.output_tokens or 0 if reply.usage else 0, len(reply.text)

    return call


def stream(url: str) -> Callable[[], tuple[int, int]]:
    """``chat.stream``, with a consumer that looks at every event."""
    chat = _chat(url)

    def call() -> tuple[int, int]:
        seen = characters = 0
        with chat.stream(QUESTION) as events:
            for event in events:
                if isinstance(event, MessagePart) and isinstance(event.part, Text):
                    seen += 1
                    characters += len(event.part.text)
        return seen, characters

    return call


if __name__ == "__main__":
    serve({"floor": floors.bare, "json": floors.with_json, "ask": ask, "stream": stream})
