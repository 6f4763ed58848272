"""Streams for tests of the decoders: frames to bytes, and bytes to what they fold to."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from chatkit.errors import ProviderError
from chatkit.events import MessagePart
from chatkit.fold import Transcript
from chatkit.parts import Part, Reasoning, Source, Text, ToolCall
from chatkit.providers.anthropic import AnthropicMessages
from chatkit.providers.decoding import Finish, Piece
from chatkit.providers.openai_chat import ChatCompletions
from chatkit.providers.openai_responses import OpenAIResponses
from chatkit.providers.wire import WireFormat
from chatkit.sse import SseDecoder, encode_sse

ORIGIN = "models.example"
WIRES: dict[str, WireFormat] = {
    "anthropic": AnthropicMessages(ORIGIN),
    "chat": ChatCompletions(ORIGIN),
    "responses": OpenAIResponses(),
}
DONE = b"data: [DONE]\n\n"


class Folded:
    """What a stream came to: its parts, and how it ended."""

    def __init__(self, parts: Sequence[Part], finish: Finish | None, error: ProviderError | None) -> None:
        self.parts = tuple(parts)
        self._finish = finish
        self.error = error

    @property
    def finish(self) -> Finish:
        assert self._finish is not None, self.error
        return self._finish

    @property
    def text(self) -> str:
        return "".join(p.text for p in self.parts if isinstance(p, Text) and not p.refusal)

    @property
    def refusal(self) -> str:
        return "".join(p.text for p in self.parts if isinstance(p, Text) and p.refusal)

    @property
    def reasoning(self) -> str:
        return "".join(p.text for p in self.parts if isinstance(p, Reasoning))

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The calls for us to run."""
        return [p for p in self.parts if isinstance(p, ToolCall) and not p.provider_executed]

    @property
    def calls(self) -> list[tuple[str, dict[str, Any] | None]]:
        return [(c.tool_name, c.args) for c in self.tool_calls]

    @property
    def ids(self) -> list[str]:
        return [c.tool_call_id for c in self.tool_calls]

    @property
    def executed(self) -> list[ToolCall]:
        return [p for p in self.parts if isinstance(p, ToolCall) and p.provider_executed]

    @property
    def sources(self) -> list[Source]:
        return [p for p in self.parts if isinstance(p, Source)]

    def summary(self) -> tuple[Any, ...]:
        """All of it, to be compared."""
        return self.parts, self._finish, self.error and self.error.classification


def join(pieces: Iterable[Piece]) -> tuple[Part, ...]:
    """Pieces of an assistant's message to its parts, as the library itself joins them."""
    transcript = Transcript()
    for seq, (index, part) in enumerate(pieces, 1):
        transcript.apply(MessagePart(chat_id="c", role="assistant", part=part, step=1, attempt=1, index=index, seq=seq))
    return transcript.parts


def read(format: str, stream: bytes, cuts: Iterable[int] = ()) -> Folded:
    """Decode a stream that arrives cut at these places."""
    decoder, sse = WIRES[format].decoder("acme"), SseDecoder()
    places = [0, *sorted(c % (len(stream) + 1) for c in cuts), len(stream)]
    pieces: list[Piece] = []
    finish = error = None
    try:
        for start, end in itertools.pairwise(places):
            for event in sse.feed(stream[start:end]):
                pieces += decoder.feed(event)
        finish = decoder.close()
    except ProviderError as failure:
        error = failure
    return Folded(join(pieces), finish, error)


def read_whole(format: str, body: Any) -> Folded:
    """Decode a reply that came whole."""
    decoder = WIRES[format].decoder("acme")
    pieces: list[Piece] = []
    finish = error = None
    try:
        pieces = decoder.whole(body)
        finish = decoder.close()
    except ProviderError as failure:
        error = failure
    return Folded(join(pieces), finish, error)


def data(*frames: Any) -> bytes:
    """Frames as events without a name, each as JSON."""
    return b"".join(encode_sse(msgspec.json.encode(frame)) for frame in frames)


def named(*frames: dict[str, Any]) -> bytes:
    """Frames as events named by their type."""
    return b"".join(encode_sse(msgspec.json.encode(frame), event=frame["type"]) for frame in frames)


def chunk(delta: Any = None, finish: Any = None, **more: Any) -> dict[str, Any]:
    """One chunk of Chat Completions."""
    choice: dict[str, Any] = {"index": 0, "finish_reason": finish}
    if delta is not None:
        choice["delta"] = delta
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "m-1", "choices": [choice], **more}
