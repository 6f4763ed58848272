"""Anthropic Messages, decoded."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from chatkit.parts import Reasoning, Source, StopReason, Text, ToolResult
from chatkit.providers.decoding import (
    Decoder,
    Finish,
    Piece,
    anthropic_usage,
    count,
    cut_off,
    finished,
    label,
    mapping,
    objects,
    whole_reply,
    word,
)
from chatkit.providers.tool_calls import CallDraft
from chatkit.sse import ServerSentEvent

FAMILY = "anthropic"
STOP_REASONS: dict[str, StopReason] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
    "pause_turn": "pause",
    "compaction": "pause",
}
"""Every other word (`end_turn`, `stop_sequence`) is an ordinary end."""
BLOCK_OF_DELTA = {"text_delta": "text", "citations_delta": "text", "thinking_delta": "thinking", "signature_delta": "thinking"}


class _DeltaFields(msgspec.Struct, gc=False):
    type: Literal["text_delta", "thinking_delta", "input_json_delta"]
    text: str = ""
    thinking: str = ""
    partial_json: str = ""


class _PlainBlockDelta(msgspec.Struct, gc=False, tag_field="type", tag="content_block_delta"):
    """The event that nearly all are; what doesn't fit is read in full."""

    index: int
    delta: _DeltaFields


_plain = msgspec.json.Decoder(_PlainBlockDelta).decode


class _ContentBlock(msgspec.Struct):
    """One content block under way: the number of its part, and what is known only when it ends."""

    kind: str
    at: int
    start: dict[str, Any]
    call: CallDraft | None = None
    signature: str = ""
    citations: list[dict[str, Any]] = []


class AnthropicDecoder(Decoder):
    """Decodes one reply of Anthropic Messages. Thinking that the server doesn't sign is marked with its host, `origin`."""

    def __init__(self, provider: str, origin: str = "") -> None:
        super().__init__(provider)
        self._origin = origin
        self._id = ""
        self._stop = ""
        self._usage: dict[str, Any] = {}
        self._blocks: dict[int, _ContentBlock] = {}
        self._said = False
        self._called = False

    def feed(self, event: ServerSentEvent) -> list[Piece]:
        try:
            plain = _plain(event.data)
            block, delta = self._blocks[plain.index], plain.delta
        except (ValueError, KeyError, RecursionError):
            return super().feed(event)
        return self._grow(block, delta.text, delta.thinking, delta.partial_json)

    def whole(self, body: Any) -> list[Piece]:
        message = whole_reply(body, "content", self._provider)
        self._meet(message)
        self._stop = word(message.get("stop_reason"))
        pieces: list[Piece] = []
        for n, block in enumerate(objects(message["content"])):
            pieces += self._start(n, block) + self._end(n)
        self.done = self.complete = True
        return pieces

    def close(self) -> Finish:
        if not self.done:
            raise cut_off(self._provider)
        return finished(
            self._provider,
            STOP_REASONS.get(self._stop, "end"),
            self._stop or None,
            said=self.may_be_empty or self._said,
            called=self._called,
            usage=anthropic_usage(self._usage),
            model=self._model or None,
        )

    def _frame(self, frame: dict[str, Any], kind: str) -> list[Piece]:
        index = count(frame.get("index")) or 0
        match kind:
            case "message_start":
                self._meet(mapping(frame.get("message")))
            case "content_block_start":
                return self._start(index, mapping(frame.get("content_block")))
            case "content_block_delta":
                return self._delta(index, mapping(frame.get("delta")))
            case "content_block_stop":
                return self._end(index)
            case "message_delta":
                self._count(frame.get("usage"))
                self._stop = word(mapping(frame.get("delta")).get("stop_reason")) or self._stop
            case "message_stop":
                self._count(frame.get("usage"))
                return self._end_message()
            case _:
                pass
        return []

    def _meet(self, message: dict[str, Any]) -> None:
        self._model = word(message.get("model"))
        self._id = label(message.get("id"))
        self._count(message.get("usage"))

    def _count(self, usage: Any) -> None:
        self._usage.update({k: v for k, v in mapping(usage).items() if v is not None})

    def _end_mark(self) -> list[Piece]:
        return self._end_message() if self._stop else []  # a proxy may end a message as Chat Completions does

    def _end_message(self) -> list[Piece]:
        self.done = self.complete = True
        return [piece for index in list(self._blocks) for piece in self._end(index)]

    def _new(self, index: int, kind: str, start: dict[str, Any]) -> _ContentBlock:
        block = self._blocks[index] = _ContentBlock(kind, self._new_part(), start)
        return block

    def _start(self, index: int, start: dict[str, Any]) -> list[Piece]:
        """A block begins, without its content, with some of it, or with all."""
        kind = word(start.get("type"))
        pieces = self._end(index)  # a block of the same number that never ended
        if kind in ("text", "thinking"):
            block = self._new(index, kind, start)
            block.signature = word(start.get("signature"))
            pieces += self._grow(block, word(start.get("text")), word(start.get("thinking")), "")
            for citation in objects(start.get("citations")):
                pieces.append(self._cite(block, citation))
        elif kind == "redacted_thinking":
            block = self._new(index, kind, start)
            pieces.append((block.at, Reasoning(provider_data={FAMILY: {"redacted": start.get("data")}})))
        elif kind.endswith("tool_use"):  # tool_use, server_tool_use, mcp_tool_use
            block, ours = self._new(index, kind, start), kind == "tool_use"
            id = label(start.get("id")) or f"toolu_{self._id}_{index}"
            block.call = CallDraft(block.at, id, label(start.get("name")), executed=not ours)
            self._called = self._called or ours
            self._said = self._said or not ours
            pieces.append(block.call.piece())
        elif kind.endswith("tool_result"):
            pieces.append(self._result(self._new(index, kind, start).at, start))
        else:  # an unknown block, whose deltas are skipped
            self._blocks[index] = _ContentBlock(kind, -1, start)
        return pieces

    def _grow(self, block: _ContentBlock, text: str, thinking: str, json: str) -> list[Piece]:
        """The piece that a delta adds to its block."""
        if text and block.kind == "text":
            self._said = True
            return [(block.at, Text(text=text))]
        if thinking and block.kind == "thinking":
            self._said = True
            return [(block.at, Reasoning(text=thinking))]
        return [block.call.piece(json)] if json and block.call is not None else []

    def _delta(self, index: int, delta: dict[str, Any]) -> list[Piece]:
        kind = word(delta.get("type"))
        block = self._blocks.get(index)
        if block is None:  # a proxy that leaves out content_block_start
            if kind not in BLOCK_OF_DELTA:
                return []
            block = self._new(index, BLOCK_OF_DELTA[kind], {})
        match kind:
            case "text_delta" | "thinking_delta" | "input_json_delta":
                return self._grow(block, word(delta.get("text")), word(delta.get("thinking")), word(delta.get("partial_json")))
            case "signature_delta":
                block.signature += word(delta.get("signature"))
            case "citations_delta" if citation := mapping(delta.get("citation")):
                return [self._cite(block, citation)]
            case _:
                pass
        return []

    def _end(self, index: int) -> list[Piece]:
        """A block ends: what goes back to the provider with it is known."""
        block = self._blocks.pop(index, None)
        if block is None:
            return []
        if block.kind == "thinking":
            own = {"signature": block.signature} if block.signature else {"origin": self._origin}
            return [(block.at, Reasoning(provider_data={FAMILY: own}))]
        if block.citations:
            return [(block.at, Text(provider_data={FAMILY: {"citations": block.citations}}))]
        call = block.call
        if call is None:
            return []
        given = block.start.get("input")
        if not call.fragments and isinstance(given, dict):
            call.args = given
        if call.executed:
            call.data = {FAMILY: {"block": {**block.start, "input": call.read() or {}}}}
        elif (caller := block.start.get("caller")) is not None:
            call.data = {FAMILY: {"extra": {"caller": caller}}}
        return call.settle()

    def _result(self, at: int, block: dict[str, Any]) -> Piece:
        """The result of a tool that the provider ran. Encrypted content goes back with the block, and is not shown."""
        content = block.get("content")
        return at, ToolResult(
            tool_call_id=label(block.get("tool_use_id")),
            tool_name=label(block.get("type")).removesuffix("_tool_result"),
            result=_readable(content),
            is_error=bool(block.get("is_error")) or word(mapping(content).get("type")).endswith("_error"),
            provider_executed=True,
            provider_data={FAMILY: {"block": block}},
        )

    def _cite(self, block: _ContentBlock, citation: dict[str, Any]) -> Piece:
        block.citations.append(citation)
        document = citation.get("document_index")
        return self._new_part(), Source(
            source_id=label(citation.get("file_id")) or label(citation.get("source")) or ("" if document is None else label(str(document))),
            url=label(citation.get("url")),
            title=label(citation.get("title")) or label(citation.get("document_title")),
        )


def _readable(content: Any) -> Any:
    """The content without its encrypted values."""
    if isinstance(content, list):
        return [_readable(c) for c in content]
    if isinstance(content, dict):
        return {k: _readable(v) for k, v in content.items() if not k.startswith("encrypted_")}
    return content
