"""History on its way to a wire format: turns instead of stored messages, and files as each format can carry them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from chatkit.errors import UsageError
from chatkit.parts import File, Part, Role, Text, ToolResult
from chatkit.providers.wire import Request


class Turn(NamedTuple):
    """Consecutive messages of one role. `paused`: the last of them stopped so that the provider goes on from there."""

    role: Role
    parts: list[Part]
    paused: bool


def split(request: Request) -> tuple[list[str], list[Turn]]:
    """The system texts that lead a request, and its turns; messages of one role are merged, empty ones left out.

    Parameters
    ----------
    request : Request

    Returns
    -------
    system : list of str
        The system prompt, then the leading system messages.
    turns : list of Turn
        Among them the system messages that come later.
    """
    system = [request.system] if request.system.strip() else []
    turns: list[Turn] = []
    for message in request.messages:
        if message.role == "system" and not turns:
            system.extend(p.text for p in message.parts if isinstance(p, Text) and p.text.strip())
            continue
        parts = [p for p in message.parts if not (isinstance(p, Text) and not p.text)]
        if not parts:
            continue
        paused = message.stop_reason == "pause"
        if turns and turns[-1].role == message.role:
            turns[-1] = Turn(message.role, turns[-1].parts + parts, paused)
        else:
            turns.append(Turn(message.role, parts, paused))
    return system, turns


def base64_of(file: File) -> str:
    return base64.b64encode(file.data).decode("ascii")


def data_url(file: File) -> str:
    """Where the file is: its URL, or its bytes as one."""
    return file.url or f"data:{file.media_type};base64,{base64_of(file)}"


def cannot_carry(file: File, format: str, carries: str) -> UsageError:
    """The error for a file that a format has no place for."""
    return UsageError(f"{format} can't carry a file of type {file.media_type!r}: it takes {carries}")


def result_text(result: ToolResult) -> str:
    """A tool's result as a model reads it: a text as it is, everything else as JSON."""
    if isinstance(result.result, str):
        return result.result
    try:
        return msgspec.json.encode(result.result).decode()
    except TypeError:
        return str(result.result)


def joined(parts: Sequence[Part]) -> str:
    """The text of an assistant's turn: its blocks with nothing between."""
    return "".join(p.text for p in parts if isinstance(p, Text))
