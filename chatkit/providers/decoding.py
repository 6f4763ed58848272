"""Replies: pieces of parts and how a reply ended, and what all wire formats share in reading them.

Real servers bend every format. What is forgiven here was seen at a server, which the comment names.
"""

from __future__ import annotations

import base64
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from chatkit.errors import Kind, ProviderError, provider_error
from chatkit.failures.classification import classified, classify
from chatkit.failures.redaction import harmless, whole_characters
from chatkit.parts import Part, StopReason, Usage
from chatkit.sse import ServerSentEvent

Piece = tuple[int, Part]
"""The number of a part within the message, from 0, and a piece of that part."""

MAX_DEPTH = 128
"""Lists and objects within one another. What is deeper could be neither read back nor sent without a `RecursionError`."""
MAX_NESTED = 500_000
"""Lists and objects in one JSON text. An empty one is two bytes of text, but takes about 20 times as much memory."""


class Finish(msgspec.Struct, frozen=True, kw_only=True):
    """How a reply ended.

    `stop_reason` is the normalised reason and `provider_stop_reason` the provider's own word. `usage` is None if the
    provider reported none. `model` is the model that answered, and `request_id` the provider's name for the request.
    """

    stop_reason: StopReason | None
    provider_stop_reason: str | None
    usage: Usage | None
    model: str | None
    request_id: str | None = None


class Decoder(ABC):
    """Reads one reply, event by event; a reply that fails raises a `ProviderError`.

    `complete` is true after the terminal event: what the connection does then cannot spoil the reply. `done` is true when
    nothing of interest can follow, so that reading may stop. `may_be_empty` is set for the answer to results of tools, to which a
    model may have nothing to add.
    """

    may_be_empty = False

    def __init__(self, provider: str) -> None:
        self.complete = self.done = False
        self._provider = provider
        self._model = ""
        self._next = 0  # the number of the next part

    def feed(self, event: ServerSentEvent) -> list[Piece]:
        """Return the pieces in one event."""
        pieces: list[Piece] = []
        for frame in frames(event, self._provider):
            if self.done:
                break
            pieces += self._end_mark() if frame is None else self._frame(frame, word(frame.get("type")) or event.event)
        return pieces

    @abstractmethod
    def whole(self, body: Any) -> list[Piece]:
        """Return the pieces of a reply that a server sent as one JSON object, although a stream was requested."""

    @abstractmethod
    def close(self) -> Finish:
        """Return how the reply ended, or raise if it is incomplete (kind ``network``) or empty (``server_error``)."""

    @abstractmethod
    def _frame(self, frame: dict[str, Any], kind: str) -> list[Piece]:
        """Return the pieces in one object, whose type is `kind`."""

    def _end_mark(self) -> list[Piece]:
        """Return the pieces that ``[DONE]`` completes."""
        return []

    def _new_part(self) -> int:
        self._next += 1
        return self._next - 1


# ── failures ──


def failure(kind: Kind, provider: str, message: str, detail: str = "", status_code: int | None = None) -> ProviderError:
    """The error for a failure that chatkit itself noticed; `detail` holds the provider's words."""
    return provider_error(replace(classified(kind, provider, status_code=status_code, detail=detail), message=message))


def refused(provider: str, frame: Any) -> ProviderError:
    """The error that a frame of the stream, or a body with status 200, reports; one that says nothing is the server's own."""
    found = classify(body=frame, provider=provider)
    if found.kind == "unknown":
        return paid(provider_error(replace(found, kind="server_error", retryable=True, message=f"{provider} answered with an error")))
    return provider_error(found)


def cut_off(provider: str, detail: str = "") -> ProviderError:
    """The error for a stream that ended without its terminal event."""
    return paid(failure("network", provider, f"the stream of {provider} was cut off before its end", detail))


def paid(error: ProviderError) -> ProviderError:
    """The error of an attempt that was paid for: the provider had accepted it, and what came was broken or empty."""
    error.paid = True
    return error


def finished(
    provider: str,
    reason: StopReason,
    word: str | None,
    *,
    said: bool,
    called: bool,
    declined: bool = False,
    usage: Usage | None = None,
    model: str | None = None,
) -> Finish:
    """How a complete reply ended, or an error (kind ``server_error``) if it is empty for no reason.

    A reply with tool calls ended for them whatever word the server used (vLLM says "stop"), and one that only declines
    is a refusal. `said` means that there was text or another visible part, `called` that there is a call for us to run.
    """
    if reason in ("end", "tool_calls"):
        if not (said or called or declined):
            raise paid(failure("server_error", provider, f"{provider} sent an empty reply"))
        reason = "tool_calls" if called else "refusal" if declined else "end"
    return Finish(stop_reason=reason, provider_stop_reason=label(word) or None, usage=usage, model=label(model) or None)


# ── JSON ──


def read_json(data: bytes, provider: str) -> Any:
    """The value of one JSON text; broken JSON is a failure of kind ``network``, JSON that is too deep or too much of kind ``server_error``.

    NaN (which Python's `json.dumps` writes), control characters in a string, and what is left of a character that was cut
    in two (bytes that are not UTF-8, half a surrogate pair) are read.
    """
    nested = data.count(b"{") + data.count(b"[")
    if nested > MAX_NESTED:
        raise paid(failure("server_error", provider, f"{provider} sent JSON of more than {MAX_NESTED} objects and lists"))
    try:
        try:
            value = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            value = whole_characters(json.loads(data.decode("utf-8", "replace"), strict=False))
        if nested <= MAX_DEPTH or not is_too_deep(value):
            return value
    except ValueError:
        excerpt = data[:200].decode("utf-8", "replace")
        raise paid(failure("network", provider, f"the stream of {provider} contains broken JSON", excerpt)) from None
    except RecursionError:
        pass
    raise paid(failure("server_error", provider, f"{provider} sent JSON that is nested too deeply"))


def is_too_deep(value: Any) -> bool:
    """Whether a value of JSON is nested more than `MAX_DEPTH` deep."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [v for one in level if isinstance(one, dict | list) for v in (one.values() if isinstance(one, dict) else one)]
        if not level:
            return False
    return True


def frames(event: ServerSentEvent, provider: str) -> Iterator[dict[str, Any] | None]:
    """The objects that one event holds, and None for the end mark ``[DONE]``; an error among them is raised.

    A server that forgets the empty line between events sends several JSON texts as the lines of one.
    """
    data = event.data.strip()
    if event.event == "error":
        raise refused(provider, data.decode("utf-8", "replace"))
    if b"\n" in data and not _is_json(data):
        for line in data.split(b"\n"):
            yield from frames(ServerSentEvent(event.event, line), provider)
    elif data == b"[DONE]":
        yield None
    elif data:
        for frame in objects(read_json(data, provider)):
            if error_in(frame):
                raise refused(provider, frame)
            yield frame


def whole_reply(body: Any, key: str, provider: str) -> dict[str, Any]:
    """The reply that a server sent as one JSON object, whose `key` holds a list; an error, or anything else, is raised."""
    reply = next(iter(objects(body)), {})
    if error_in(reply):
        raise refused(provider, reply)
    if not isinstance(reply.get(key), list):
        raise failure("server_error", provider, f"{provider} answered with JSON that is not a reply", str(body))
    return reply


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data.decode("utf-8", "replace"), strict=False)
    except ValueError:
        return False
    except RecursionError:
        pass
    return True


def error_in(frame: dict[str, Any]) -> bool:
    """Whether a frame reports an error, in any of the shapes that servers use.

    >>> error_in({"error": "overloaded"}), error_in({"error": None, "choices": []}), error_in({"detail": "no"})
    (True, False, True)
    """
    error = frame.get("error")
    if isinstance(error, dict):
        error = any(v not in (None, "", {}, []) for v in error.values())
    if error or frame.get("type") == "error" or frame.get("object") == "error":
        return True
    if any(key in frame for key in ("choices", "response", "delta", "content", "output", "content_block")):
        return False
    said = any(frame.get(key) for key in ("error_code", "error_message", "errors", "detail"))
    return said or (isinstance(frame.get("message"), str) and bool(frame["message"]))


def word(value: Any) -> str:
    """The value if it is a text, and an empty text otherwise."""
    return value if isinstance(value, str) else ""


def label(value: Any) -> str:
    """A name, an id or an address that a server gives, fit to be printed; empty if it isn't a text."""
    return harmless(value) if isinstance(value, str) else ""


def mapping(value: Any) -> dict[str, Any]:
    """The value if it is an object, and an empty one otherwise."""
    return value if isinstance(value, dict) else {}


def base64_bytes(text: str) -> bytes:
    """The bytes of a base64 text; none if it is broken."""
    try:
        return base64.b64decode(text)
    except ValueError:
        return b""


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; an object alone is a list of one, and anything else is skipped.

    >>> objects([{"a": 1}, None]), objects({"a": 1}), objects(None)
    ([{'a': 1}], [{'a': 1}], [])
    """
    if isinstance(value, dict):
        return [value]
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def count(value: Any) -> int | None:
    """A number of tokens or a position; None if it is unknown.

    >>> count(3), count(3.0), count("3"), count(None), count(True), count(-1), count(10**400)
    (3, 3, 3, None, None, None, None)
    """
    if isinstance(value, str) and len(value) < 16 and value.isdecimal():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        return None
    return int(value)


# ── usage ──


def openai_usage(raw: Any) -> Usage | None:
    """Tokens as OpenAI counts them, in both of its formats, and as compatible servers do; None if nothing was counted.

    OpenAI's input includes the cached tokens, ours does not. If a server's total shows that its input leaves them out,
    nothing is subtracted.

    >>> usage = openai_usage({"prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 90}})
    >>> usage.input_tokens, usage.cache_read_tokens, usage.output_tokens, usage.reasoning_tokens
    (10, 90, 7, None)
    """
    raw = mapping(raw)
    of_input = mapping(raw.get("prompt_tokens_details") or raw.get("input_tokens_details"))
    of_output = mapping(raw.get("completion_tokens_details") or raw.get("output_tokens_details"))
    prompt, output = _first_count(raw, "prompt_tokens", "input_tokens"), _first_count(raw, "completion_tokens", "output_tokens")
    read = _first_count(of_input, "cached_tokens")
    if read is None:  # Databricks, DeepSeek, Moonshot
        read = _first_count(raw, "cache_read_input_tokens", "prompt_cache_hit_tokens", "cached_tokens")
    written = _first_count(of_input, "cache_write_tokens", "cache_creation_tokens", "cached_write_tokens")  # …, LiteLLM, Envoy
    if written is None:  # Databricks
        written = _first_count(raw, "cache_creation_input_tokens")
    reasoning = _first_count(of_output, "reasoning_tokens")
    if reasoning is None:
        reasoning = _first_count(raw, "reasoning_tokens")
    total = _first_count(raw, "total_tokens")
    cached = (read or 0) + (written or 0)
    apart = prompt is not None and (cached > prompt or total == prompt + (output or 0) + cached)
    if total is None and prompt is not None and output is not None:
        total = prompt + output + (cached if apart else 0)
    fresh = prompt if prompt is None or apart else prompt - cached
    return _usage(fresh, output, total, reasoning, written, read)


def anthropic_usage(raw: dict[str, Any]) -> Usage | None:
    """Tokens as Anthropic counts them, whose input leaves out the cached ones; None if nothing was counted."""
    fresh, output = count(raw.get("input_tokens")), count(raw.get("output_tokens"))
    written, read = count(raw.get("cache_creation_input_tokens")), count(raw.get("cache_read_input_tokens"))
    total = None if fresh is None or output is None else fresh + output + (written or 0) + (read or 0)
    reasoning = _first_count(mapping(raw.get("output_tokens_details")), "thinking_tokens", "reasoning_tokens")
    return _usage(fresh, output, total, reasoning, written, read)


def _usage(
    fresh: int | None, output: int | None, total: int | None, reasoning: int | None, written: int | None, read: int | None
) -> Usage | None:
    usage = Usage(
        input_tokens=fresh,
        output_tokens=output,
        total_tokens=total,
        reasoning_tokens=reasoning,
        cache_creation_tokens=written,
        cache_read_tokens=read,
    )
    return None if usage == Usage() else usage


def _first_count(raw: dict[str, Any], *names: str) -> int | None:
    """The first of these counts that is known."""
    return next((n for name in names if (n := count(raw.get(name))) is not None), None)
