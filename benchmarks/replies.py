"""The streamed reply as bytes, prepared before the measurement: every delta is its own chunk of HTTP/1.1."""

from __future__ import annotations

import json

MODEL = "loopback-1"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
PATHS = {"/v1/messages": "anthropic", "/v1/chat/completions": "chat"}


def rendered(format: str, words: list[str]) -> list[bytes]:
    """The response for `format` (``anthropic`` or ``chat``) piece by piece: the headers and opening events, one item per delta, and
    the closing events.
    """
    opening, deltas, closing = {"anthropic": _anthropic, "chat": _chat}[format](words)
    head = HEAD + b"".join(_chunk(e) for e in opening)
    tail = b"".join(_chunk(e) for e in closing) + b"0\r\n\r\n"
    return [head, *(_chunk(e) for e in deltas), tail]


def _chunk(event: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(event), event)


def _data(body: object) -> bytes:
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


def _anthropic(words: list[str]) -> tuple[list[bytes], list[bytes], list[bytes]]:
    def event(kind: str, **body: object) -> bytes:
        return b"event: " + kind.encode() + b"\n" + _data({"type": kind, **body})

    usage = {"input_tokens": 12, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}
    message: dict[str, object] = {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    opening = [
        event("message_start", message=message),
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    ]
    deltas = [event("content_block_delta", index=0, delta={"type": "text_delta", "text": word}) for word in words]
    closing = [
        event("content_block_stop", index=0),
        event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": len(words)}),
        event("message_stop"),
    ]
    return opening, deltas, closing


def _chat(words: list[str]) -> tuple[list[bytes], list[bytes], list[bytes]]:
    def chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _data({**shared, "choices": [choice], "usage": None})

    shared = {
        "id": "chatcmpl-01",
        "object": "chat.completion.chunk",
        "created": 1795165200,
        "model": MODEL,
        "service_tier": "default",
        "system_fingerprint": "fp_loopback",
    }
    usage = {"prompt_tokens": 12, "completion_tokens": len(words), "total_tokens": 12 + len(words)}
    opening = [chunk({"role": "assistant", "content": ""})]
    deltas = [chunk({"content": word}) for word in words]
    closing = [chunk({}, "stop"), _data({**shared, "choices": [], "usage": usage}), b"data: [DONE]\n\n"]
    return opening, deltas, closing
