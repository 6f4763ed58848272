"""Anthropic Messages, read: events to pieces."""

from __future__ import annotations

from typing import Any

import msgspec

from chatkit.parts import Reasoning, Source, StopReason, Text, ToolResult
from chatkit.providers.calls import CallDraft
from chatkit.providers.reading import apart, count, error_in, frames, objects, word
from chatkit.providers.usage import anthropic_usage
from chatkit.providers.wire import Finish, Piece, cut_off, failure, refused, settle
from chatkit.sse import ServerSentEvent

FAMILY = "anthropic"
STOPS: dict[str, StopReason] = {
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
    "pause_turn": "pause",
    "compaction": "pause",
}
"""Every other word (`end_turn`, `stop_sequence`) is an ordinary end."""


class _TextDelta(msgspec.Struct, tag_field="type", tag="text_delta"):
    text: str


class _ThinkingDelta(msgspec.Struct, tag_field="type", tag="thinking_delta"):
    thinking: str


class _JsonDelta(msgspec.Struct, tag_field="type", tag="input_json_delta"):
    partial_json: str


class _BlockDelta(msgspec.Struct, tag_field="type", tag="content_block_delta"):
    """The event that nearly all are. Whatever doesn't fit is read in full."""

    index: int
    delta: _TextDelta | _ThinkingDelta | _JsonDelta


_plain = msgspec.json.Decoder(_BlockDelta).decode


class _Block:
    """One content block under way: which part it is, and what is told when it ends."""

    __slots__ = ("at", "call", "citations", "kind", "signature", "start")

    def __init__(self, kind: str, at: int, start: dict[str, Any]) -> None:
        self.kind = kind
        self.at = at
        self.start = start
        self.call: CallDraft | None = None
        self.signature = ""
        self.citations: list[dict[str, Any]] = []


class AnthropicDecoder:
    """One reply of Anthropic Messages.

    Parameters
    ----------
    provider : str
        Who answers, for messages.
    origin : str
        The server's host: thinking that it doesn't sign is marked with it.
    """

    def __init__(self, provider: str, origin: str = "") -> None:
        self.done = self.complete = False
        self._provider = provider
        self._origin = origin
        self._model: str | None = None
        self._id = ""
        self._stop = ""
        self._usage: dict[str, Any] = {}
        self._blocks: dict[int, _Block] = {}
        self._next = 0
        self._index = -1
        self._said = False
        self._called = False

    def feed(self, event: ServerSentEvent) -> list[Piece]:
        try:
            plain = _plain(event.data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._event(event)
        block, delta = self._blocks.get(plain.index), plain.delta
        if block is None:
            return self._event(event)
        if type(delta) is _TextDelta and block.kind == "text":
            if not delta.text:
                return []
            self._said = True
            return [(block.at, Text(text=delta.text))]
        if type(delta) is _ThinkingDelta and block.kind == "thinking":
            if not delta.thinking:
                return []
            self._said = True
            return [(block.at, Reasoning(text=delta.thinking))]
        if type(delta) is _JsonDelta and block.call is not None:
            return [block.call.piece(delta.partial_json)] if delta.partial_json else []
        return self._event(event)

    def whole(self, body: Any) -> list[Piece]:
        body = next(iter(objects(body)), {})
        if error_in(body):
            raise refused(self._provider, body)
        if not isinstance(body.get("content"), list):
            raise failure("server_error", self._provider, f"{self._provider} answered with JSON that is no reply", str(body))
        self._meet(body)
        self._stop = word(body.get("stop_reason"))
        pieces: list[Piece] = []
        for n, block in enumerate(objects(body["content"])):
            pieces += self._start(n, block)
            pieces += self._end(n)
        self.done = self.complete = True
        return pieces

    def close(self) -> Finish:
        if not self.done:
            raise cut_off(self._provider)
        return settle(
            self._provider,
            STOPS.get(self._stop, "end"),
            self._stop or None,
            said=self._said,
            called=self._called,
            usage=anthropic_usage(self._usage),
            model=self._model,
        )

    def _event(self, event: ServerSentEvent) -> list[Piece]:
        """Any event, read in full; unknown ones are skipped."""
        data = event.data.strip()
        if not data or self.done:
            return []
        if b"\n" in data and len(single := apart(event)) > 1:
            return [piece for one in single for piece in self.feed(one)]
        if data == b"[DONE]":
            return self._stop_message() if self._stop else []
        pieces: list[Piece] = []
        for frame in frames(data, event.event, self._provider):
            pieces += self._frame(frame, word(frame.get("type")) or event.event)
        return pieces

    def _frame(self, frame: dict[str, Any], kind: str) -> list[Piece]:
        index, delta = count(frame.get("index")), frame.get("delta")
        if index is None:  # the block under way, or the next one
            index = self._index + (kind == "content_block_start")
        self._index = index
        match kind:
            case "message_start":
                message = frame.get("message")
                self._meet(message if isinstance(message, dict) else frame)
            case "content_block_start" if isinstance(block := frame.get("content_block"), dict):
                return self._start(index, block)
            case "content_block_delta" if isinstance(delta, dict):
                return self._delta(index, delta)
            case "content_block_stop":
                return self._end(index)
            case "message_delta":
                self._overlay(frame.get("usage"))
                self._stop = word((delta if isinstance(delta, dict) else frame).get("stop_reason")) or self._stop
            case "message_stop":
                self._overlay(frame.get("usage"))
                return self._stop_message()
            case _:
                pass
        return []

    def _meet(self, message: dict[str, Any]) -> None:
        self._model = word(message.get("model")) or None
        self._id = word(message.get("id"))
        self._overlay(message.get("usage"))

    def _overlay(self, usage: Any) -> None:
        if isinstance(usage, dict):
            self._usage.update({k: v for k, v in usage.items() if v is not None})

    def _stop_message(self) -> list[Piece]:
        self.done = self.complete = True
        return [piece for index in list(self._blocks) for piece in self._end(index)]

    def _new(self, index: int, kind: str, start: dict[str, Any]) -> _Block:
        block = self._blocks[index] = _Block(kind, self._next, start)
        self._next += 1
        return block

    def _start(self, index: int, start: dict[str, Any]) -> list[Piece]:
        """A block begins, with or without some of its content, or all of it."""
        kind = word(start.get("type"))
        pieces = self._end(index)  # one that never ended gives way
        if kind == "text":
            self._new(index, kind, start)
            pieces += self._delta(index, {"type": "text_delta", "text": start.get("text")})
            for citation in objects(start.get("citations")):
                pieces += self._delta(index, {"type": "citations_delta", "citation": citation})
        elif kind == "thinking":
            self._new(index, kind, start)
            pieces += self._delta(index, {"type": "thinking_delta", "thinking": start.get("thinking")})
            pieces += self._delta(index, {"type": "signature_delta", "signature": start.get("signature")})
        elif kind == "redacted_thinking":
            block = self._new(index, kind, start)
            pieces.append((block.at, Reasoning(provider_data={FAMILY: {"redacted": start.get("data")}})))
        elif kind.endswith("tool_use"):  # tool_use, server_tool_use, mcp_tool_use
            block, ours = self._new(index, kind, start), kind == "tool_use"
            id = word(start.get("id")) or f"toolu_{self._id}_{index}"
            block.call = CallDraft(block.at, id, word(start.get("name")), executed=not ours)
            self._called = self._called or ours
            self._said = self._said or not ours
            pieces.append(block.call.piece())
        elif kind.endswith("tool_result"):
            pieces.append(self._result(self._new(index, kind, start).at, start))
        else:  # unknown: what it holds is skipped with it
            self._blocks[index] = _Block(kind, -1, start)
        return pieces

    def _delta(self, index: int, delta: dict[str, Any]) -> list[Piece]:
        kind = word(delta.get("type"))
        wanted = {"text_delta": "text", "citations_delta": "text", "thinking_delta": "thinking", "signature_delta": "thinking"}.get(kind)
        block = self._blocks.get(index)
        if block is None and wanted:  # never announced
            block = self._new(index, wanted, {})
        if block is None:
            return []
        match kind:
            case "text_delta" if block.kind == "text" and (text := word(delta.get("text"))):
                self._said = True
                return [(block.at, Text(text=text))]
            case "thinking_delta" if block.kind == "thinking" and (text := word(delta.get("thinking"))):
                self._said = True
                return [(block.at, Reasoning(text=text))]
            case "signature_delta":
                block.signature += word(delta.get("signature"))
            case "citations_delta" if isinstance(citation := delta.get("citation"), dict):
                block.citations.append(citation)
                return [self._cite(citation)]
            case "input_json_delta" if block.call is not None and (text := word(delta.get("partial_json"))):
                return [block.call.piece(text)]
            case _:
                pass
        return []

    def _end(self, index: int) -> list[Piece]:
        """A block is whole: what goes back to the provider with it is known."""
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
        elif extra := {k: v for k, v in block.start.items() if k == "caller" and v is not None}:
            call.data = {FAMILY: {"extra": extra}}
        return call.settle()

    def _result(self, at: int, block: dict[str, Any]) -> Piece:
        """What a tool gave that the provider ran itself. Encrypted content goes back with the block, and is shown nowhere."""
        content = block.get("content")
        failed = bool(block.get("is_error")) or (isinstance(content, dict) and word(content.get("type")).endswith("_error"))
        return at, ToolResult(
            tool_call_id=word(block.get("tool_use_id")),
            tool_name=word(block.get("type")).removesuffix("_tool_result"),
            result=_readable(content),
            is_error=failed,
            provider_executed=True,
            provider_data={FAMILY: {"block": block}},
        )

    def _cite(self, citation: dict[str, Any]) -> Piece:
        at, self._next = self._next, self._next + 1
        document = citation.get("document_index")
        source = Source(
            source_id=word(citation.get("file_id")) or word(citation.get("source")) or ("" if document is None else str(document)),
            url=word(citation.get("url")),
            title=word(citation.get("title")) or word(citation.get("document_title")),
        )
        return at, source


def _readable(content: Any) -> Any:
    if isinstance(content, list):
        return [_readable(c) for c in content]
    if isinstance(content, dict):
        return {k: _readable(v) for k, v in content.items() if not k.startswith("encrypted_")}
    return content
