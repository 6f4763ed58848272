"""Lenient reading: real servers bend every format, and what a frame means is mostly clear all the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from chatkit.providers.wire import failure, refused
from chatkit.sse import ServerSentEvent

_LONE = re.compile("[\ud800-\udfff]")
_ONE_VALUE = json.JSONDecoder(strict=False)


def read_json(data: bytes, provider: str) -> Any:
    """The value of one frame.

    NaN, control characters within strings, bad UTF-8 and half a surrogate pair are forgiven.

    Raises
    ------
    ProviderError
        Broken JSON: kind ``network``.
    """
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        value = json.loads(data.decode("utf-8", "replace"), strict=False)
    except ValueError:
        excerpt = data[:200].decode("utf-8", "replace")
        raise failure("network", provider, f"the stream of {provider} holds broken JSON", excerpt) from None
    return _whole_characters(value)


def frames(data: bytes, event: str, provider: str) -> Iterator[dict[str, Any]]:
    """The objects that one event carries.

    Parameters
    ----------
    data : bytes
        The event's data.
    event : str
        Its name.
    provider : str
        Who sent it.

    Yields
    ------
    dict

    Raises
    ------
    ProviderError
        It is an error, in any of the shapes that servers give it, or broken JSON (kind ``network``).
    """
    if event == "error" and data[:1] not in (b"{", b"["):
        raise refused(provider, data.decode("utf-8", "replace"))
    for frame in objects(read_json(data, provider)):
        if error_in(frame, event):
            raise refused(provider, frame)
        yield frame


def apart(event: ServerSentEvent) -> list[ServerSentEvent]:
    """The events in an event: a server that forgets the empty lines between them makes one of many.

    >>> [e.data for e in apart(ServerSentEvent("message", b'{"a":1}\\n{"b":2}\\n[DONE]'))]
    [b'{"a":1}', b'{"b":2}', b'[DONE]']
    >>> len(apart(ServerSentEvent("message", b'{"a":\\n1}')))
    1
    """
    try:
        json.loads(event.data.decode("utf-8", "replace"), strict=False)
    except ValueError:
        return [event._replace(data=line) for line in event.data.split(b"\n") if line.strip()]
    return [event]


def _whole_characters(value: Any) -> Any:
    """The same with a replacement character for each half of a surrogate pair: such a half can't be stored or sent."""
    if isinstance(value, str):
        return _LONE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_whole_characters(v) for v in value]
    if isinstance(value, dict):
        return {k: _whole_characters(v) for k, v in value.items()}
    return value


def word(value: Any) -> str:
    """A text, or nothing: null, numbers and objects read as an empty one.

    >>> word("stop"), word(None), word({"a": 1})
    ('stop', '', '')
    """
    return value if isinstance(value, str) else ""


def count(value: Any) -> int | None:
    """A number of tokens or a position; None is unknown.

    >>> count(3), count(3.0), count("3"), count(None), count(True), count(-1)
    (3, 3, 3, None, None, None)
    """
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value != value or value == float("inf"):
        return None
    return int(value)


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; one that stands alone is a list of one; anything else is skipped.

    >>> objects([{"a": 1}, None]), objects({"a": 1}), objects(None)
    ([{'a': 1}], [{'a': 1}], [])
    """
    if isinstance(value, dict):
        return [value]
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def own_data(data: dict[str, Any] | None, family: str) -> dict[str, Any]:
    """What of a part's `provider_data` is for this family of providers: the rest is never sent to it.

    >>> own_data({"anthropic": {"signature": "s"}}, "responses")
    {}
    """
    own = (data or {}).get(family)
    return own if isinstance(own, dict) else {}


def error_in(frame: dict[str, Any], event: str = "") -> bool:
    """Whether a frame is an error, in any of the shapes that servers give it.

    Examples
    --------
    >>> error_in({"error": "overloaded"}), error_in({"error": None, "choices": []}), error_in({"detail": "no"})
    (True, False, True)
    """
    error = frame.get("error")
    if isinstance(error, dict):
        error = any(v not in (None, "", {}, []) for v in error.values())
    if error or event == "error" or frame.get("type") == "error" or frame.get("object") == "error":
        return True
    if any(key in frame for key in ("choices", "response", "delta", "content", "output", "content_block")):
        return False
    said = any(frame.get(key) for key in ("error_code", "error_message", "errors", "detail"))
    return said or (isinstance(frame.get("message"), str) and bool(frame["message"]))


def arguments(fragments: Sequence[str]) -> dict[str, Any] | None:
    """The arguments of a call from the fragments in which they came; None where they can't be read.

    No text at all is an empty object. Some servers send the whole text so far, or the whole text again, in each
    fragment, encode the object twice, or begin with an empty one: all of these are read.

    Parameters
    ----------
    fragments : sequence of str

    Returns
    -------
    dict or None

    Examples
    --------
    >>> arguments([]), arguments(['{"a"', ': 1}']), arguments(['{"a"', '{"a": 1}']), arguments(["{}", '{"a": 1}'])
    ({}, {'a': 1}, {'a': 1}, {'a': 1})
    >>> arguments(['{"a": 1'])
    """
    text = "".join(fragments).strip()
    if not text:
        return {}
    values = _values(text)
    if values is None and len(fragments) > 1:  # each fragment repeats what came before it
        values = _values(fragments[-1].strip())
    if not values:
        return None
    if len(values) == 1 and isinstance(values[0], str):
        values = _values(values[0].strip() or "null") or ["no JSON"]
    if all(v is None for v in values):
        return {}
    full = [v for v in values if v]
    if all(isinstance(v, dict) for v in full) and all(v == full[0] for v in full):
        return full[0] if full else {}
    return None


def _values(text: str) -> list[Any] | None:
    """The JSON values that follow one another in a text; None where it holds anything else."""
    values: list[Any] = []
    at = 0
    try:
        while at < len(text):
            value, at = _ONE_VALUE.raw_decode(text, at)
            values.append(value)
            while at < len(text) and text[at].isspace():
                at += 1
    except (ValueError, RecursionError):
        return None
    return values
