"""A vendor's client with a stream that breaks: ``python -m benchmarks.clients.peer_fault FORMAT URL`` prints what the client received."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from typing import Any

QUESTION: Any = [{"role": "user", "content": "Count."}]
MODEL = "loopback-1"


class ErrorEventOnly(Exception):
    """The client yields the error only as an event, which the caller has to notice."""


def anthropic(url: str) -> Iterator[str]:
    """The streaming helper, read to its end."""
    from anthropic import Anthropic

    with Anthropic(api_key="none", base_url=url).messages.stream(model=MODEL, max_tokens=1000, messages=QUESTION) as stream:
        yield from stream.text_stream


def chat_completions(url: str) -> Iterator[str]:
    """``stream=True``, read to its end."""
    from openai import OpenAI

    client: Any = OpenAI(api_key="none", base_url=f"{url}/v1")
    for chunk in client.chat.completions.create(model=MODEL, messages=QUESTION, stream=True):
        for choice in chunk.choices:
            yield choice.delta.content or ""


def responses(url: str) -> Iterator[str]:
    """``stream=True``, read to its end. An error event counts as an error, although the client raises nothing."""
    from openai import OpenAI

    for event in OpenAI(api_key="none", base_url=f"{url}/v1").responses.create(model=MODEL, input="Count.", stream=True):
        if event.type == "response.output_text.delta":
            yield event.delta
        elif event.type in ("error", "response.failed"):
            raise ErrorEventOnly


def main() -> None:
    """Read until the end or an exception."""
    read = {"Anthropic": anthropic, "Chat Completions": chat_completions, "Responses": responses}[sys.argv[1]]
    said, error = io.StringIO(), ""
    try:
        for text in read(sys.argv[2]):
            said.write(text)
    except Exception as raised:
        error = type(raised).__name__
    print(json.dumps({"text": said.getvalue(), "error": error}))


if __name__ == "__main__":
    main()
