"""What a reader is told about tools, files and compactions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, assert_never

from chatkit.display.plain_text import as_json, single_line
from chatkit.parts import File, ToolCall, ToolResult

A_TOOL, BY_PROVIDER = "a tool", "run by the provider"
ARGUMENTS, RESULT, WRONG = "Arguments", "Result", "What went wrong"
SUMMARIZED = "chat_summarized"
"""The name of the call that stands for a compaction."""

ToolState = Literal["running", "done", "failed", "not run"]


def summarizing(state: ToolState) -> str:
    """A compaction in this state."""
    match state:
        case "running":
            return "Summarizing…"
        case "done":
            return "Summarized"
        case "failed":
            return "Summarizing failed"
        case "not run":
            return "Summarizing was stopped"
        case _:
            assert_never(state)


def context_line(result: Mapping[str, Any]) -> str:
    """How full the context was when it was summarized, as far as the result of a compaction says so.

    >>> context_line({"usage_percent": 71, "context_tokens": 142_000, "context_limit_tokens": 200_000, "threshold_percent": 70})
    'Context was 71 % full (142,000 of 200,000 tokens); limit for summarizing 70 %.'
    >>> context_line({"context_tokens": 142_000, "usage_percent": "<b>"})
    'Context was 142,000 tokens.'
    """
    names = ("usage_percent", "context_tokens", "context_limit_tokens", "threshold_percent")
    usage, tokens, limit, threshold = (_number(result.get(name)) for name in names)
    counted = tokens and (f"{tokens} of {limit} tokens" if limit else f"{tokens} tokens")
    full = f"{usage} % full" + (f" ({counted})" if counted else "") if usage else counted
    clauses = [f"context was {full}" if full else "", f"limit for summarizing {threshold} %" if threshold else ""]
    line = "; ".join(filter(None, clauses))
    return f"{line[0].upper()}{line[1:]}." if line else ""


def _number(value: Any) -> str:
    known = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12
    return f"{value:,.0f}" if known else ""


def file_name(file: File) -> str:
    """A file's title, or the type that it claims to have."""
    return single_line(file.title or file.media_type, 160) or "without a name"


def file_line(file: File) -> str:
    """A file in one line."""
    return f"File: {file_name(file)}"


def tool_state(call: ToolCall | None, result: ToolResult | None, *, running: bool) -> ToolState:
    """The state of a call in a turn that may still be running."""
    if result is not None:
        return "failed" if result.is_error else "done"
    return "running" if running else "not run"


def tool_arguments(call: ToolCall | None) -> str:
    """The raw arguments as they would stand between the parentheses of a call.

    >>> tool_arguments(ToolCall(tool_call_id="1", tool_name="read_file", args={"path": "a.py", "limit": 3}))
    'path="a.py", limit=3'
    """
    if call is None:
        return ""
    return call.args_delta if call.args is None else ", ".join(f"{key}={as_json(value)}" for key, value in call.args.items())


def tool_line(call: ToolCall | None, result: ToolResult | None) -> str:
    """A call with its result in one readable line.

    >>> call = ToolCall(tool_call_id="1", tool_name="read_file", args={"path": "a.py"})
    >>> tool_line(call, None)
    'Called read_file(path="a.py")'
    >>> tool_line(call, ToolResult(tool_call_id="1", result={"lines": 3}))
    'Called read_file(path="a.py"), which gave: {"lines":3}'
    """
    raw_name = (call.tool_name if call else "") or (result.tool_name if result else "")
    name = single_line(raw_name, 80)
    gave = ""
    if result is not None:
        value = result.result if isinstance(result.result, str) else as_json(result.result)
        gave = f"{'failed' if result.is_error else 'gave'}: {single_line(value, 160)}"
    if raw_name == SUMMARIZED:
        state = tool_state(call, result, running=False)
        return summarizing(state) + (gave.removeprefix("failed") if state == "failed" else "")
    if call is None:
        return f"{name or 'The tool'} {gave}"
    if call.args is None and result is None:
        return f"Calling {name or A_TOOL}…"
    called = f"Called {name or A_TOOL}({single_line(tool_arguments(call), 160)})"
    return f"{called}, which {gave}" if gave else called


def cut_line(more: int) -> str:
    """What follows a result that is longer than its card shows."""
    return f"… ({more:,} more characters are in the chat's messages)"
