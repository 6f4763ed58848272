"""The prompt of a request: the history as a provider accepts it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from chatkit.parts import Message, Part, ToolCall, ToolResult

_UNFIT = re.compile(r"[^A-Za-z0-9_-]")
UNANSWERED = "This call was not run: the turn ended first. Make it again if it is still needed."


def visible_to_model(history: Iterable[Message]) -> list[Message]:
    """What of the history is sent."""
    return [m for m in history if m.visibility != "user" and not m.compressed]


def repair(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The same history, with every tool call answered and every result asked for.

    Unanswered calls get an error result after the existing ones; results whose call is gone get a call; ids consist of
    ``[A-Za-z0-9_-]`` on both sides; a call's arguments are an object.

    Parameters
    ----------
    messages : sequence of Message
        In order.

    Returns
    -------
    tuple of Message
    """
    repaired: list[Message] = []
    at = 0
    while at < len(messages):
        message = messages[at]
        orphaned = message.role == "tool"  # what follows a call is taken along with it: this one has none
        results = _results(messages, at if orphaned else at + 1) if orphaned or message.role == "assistant" else []
        said = () if orphaned else message.parts
        calls = [p for p in said if isinstance(p, ToolCall) and not p.provider_executed]
        at += 1
        while results and at < len(messages) and messages[at].role == "tool":
            at += 1
        if not (calls or results):
            repaired += [] if orphaned else [message]
            continue
        asked, answered = {c.tool_call_id for c in calls}, {r.tool_call_id for r in results}
        lost = [ToolCall(tool_call_id=r.tool_call_id, tool_name=r.tool_name, args={}) for r in results if r.tool_call_id not in asked]
        open_calls = [c for c in calls if c.tool_call_id not in answered]
        made_up = [ToolResult(tool_call_id=c.tool_call_id, tool_name=c.tool_name, result=UNANSWERED, is_error=True) for c in open_calls]
        repaired.append(replace(message, role="assistant", parts=tuple(_clean(p) for p in (*said, *lost))))
        repaired.append(replace(message, role="tool", parts=tuple(_clean(r) for r in (*results, *made_up)), usage=None, stop_reason=None))
    return tuple(repaired)


def _results(messages: Sequence[Message], start: int) -> list[ToolResult]:
    results: list[ToolResult] = []
    for message in messages[start:]:
        if message.role != "tool":
            break
        results.extend(p for p in message.parts if isinstance(p, ToolResult))
    return results


def _clean(part: Part) -> Part:
    if isinstance(part, ToolCall):
        return replace(
            part, tool_call_id=_UNFIT.sub("_", part.tool_call_id), args=part.args if part.args is not None else {}, args_delta=""
        )
    if isinstance(part, ToolResult):
        return replace(part, tool_call_id=_UNFIT.sub("_", part.tool_call_id))
    return part
