"""Requests: what one step asks of a model, and what all wire formats share in writing it down."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from chatkit.errors import UsageError
from chatkit.failures.redaction import whole_json
from chatkit.parts import File, Message, Part, Role, Text, ToolResult

OWN_KEYS = ("messages", "input", "model", "stream", "n")
"""Keys of a body that `options` cannot set: the messages are the chat's own, and one reply is streamed."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What one step asks of a model.

    `model` is the model's name without the provider's. `options` are the provider's own parameters, merged over the body.
    """

    model: str
    messages: tuple[Message, ...]
    system: str = ""
    options: dict[str, Any] = {}


class RoleGroup(NamedTuple):
    """Consecutive messages of one role. `paused` means that the last one stopped so that the provider can continue it."""

    role: Role
    parts: list[Part]
    paused: bool


def role_groups(request: Request) -> tuple[list[str], list[RoleGroup]]:
    """The system texts that lead the request, and the other messages without empty ones, grouped by role."""
    system = [request.system] if request.system.strip() else []
    groups: list[RoleGroup] = []
    for message in request.messages:
        if message.role == "system" and not groups:
            system.extend(p.text for p in message.parts if isinstance(p, Text) and p.text.strip())
            continue
        parts = [p for p in message.parts if not (isinstance(p, Text) and not p.text)]
        if not parts:
            continue
        if groups and groups[-1].role == message.role:
            parts = groups.pop().parts + parts
        groups.append(RoleGroup(message.role, parts, message.stop_reason == "pause"))
    return system, groups


def encoded(body: dict[str, Any], options: Mapping[str, Any]) -> bytes:
    """The body as JSON, with the options merged over it; an option that is None removes its key.

    >>> encoded({"model": "m", "stream": True, "store": False}, {"temperature": 0, "store": None})
    b'{"model":"m","stream":true,"temperature":0}'
    """
    for key in OWN_KEYS:
        harmless = {"stream": True, "n": 1}.get(key)
        if key in options and (harmless is None or options[key] != harmless):
            raise UsageError(f"options can't set {key!r}: chatkit streams one reply to the chat's own messages; take it out of options")
    merged = {k: v for k, v in {**body, **options}.items() if v is not None}
    try:
        return whole_json(merged)
    except (TypeError, RecursionError) as error:
        raise UsageError(f"options must be JSON: {error}") from None


def own_data(data: dict[str, Any] | None, family: str) -> dict[str, Any]:
    """The entry of a part's `provider_data` that belongs to this family of providers, which alone is sent to it.

    >>> own_data({"anthropic": {"signature": "s"}}, "responses")
    {}
    """
    own = (data or {}).get(family)
    return own if isinstance(own, dict) else {}


def result_text(result: ToolResult) -> str:
    """A tool's result for the model: a text unchanged, everything else as JSON; a `UsageError` if it can't be written as JSON."""
    if isinstance(result.result, str):
        return result.result
    try:
        return whole_json(result.result).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"the result of the call {result.tool_call_id!r} must be a text or JSON: {error}") from None


def base64_of(file: File) -> str:
    """The file's bytes as base64."""
    return base64.b64encode(file.data).decode("ascii")


def data_url(file: File) -> str:
    """The file's URL, or a data URL with its bytes."""
    return file.url or f"data:{file.media_type};base64,{base64_of(file)}"


def cannot_carry(file: File, format: str, carries: str) -> UsageError:
    """The error for a file that the wire format has no place for."""
    return UsageError(f"{format} can't carry a file of type {file.media_type!r}: it takes {carries}")
