"""The sentences of the display: one wording for the widget, the frozen output and the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import msgspec

from chatkit.display.plain_text import single_line
from chatkit.errors import Kind
from chatkit.events import ErrorEvent, Retry
from chatkit.parts import File, Part, Reasoning, Source, StopReason, Text, ToolCall, ToolResult

__all__ = [
    "Wait",
    "advice",
    "doing",
    "failed_attempt",
    "headline",
    "news_of_wait",
    "retries_line",
    "sentence",
    "stop_line",
    "stopped_line",
    "tool_line",
    "wait_of",
]

Wait = tuple[float, str]
"""The seconds of a wait as it was scheduled, and its cause: chatkit's sentence about the attempt that failed before it."""

_STOPS: dict[StopReason, str] = {
    "length": "Cut off: the limit on output tokens was reached.",
    "content_filter": "Cut off by the provider's content filter.",
    "refusal": "The model declined to answer.",
    "pause": "The model paused its turn.",
}
_TRY_AGAIN = "Run the cell again to ask once more."
_ADVICE: dict[Kind, str] = {
    "rate_limit": "Wait a little, then run the cell again.",
    "auth": "Check the API key (api_key=, or the provider's environment variable), then run the cell again.",
    "quota": "Check the account's plan and billing, or use another model.",
    "context_exceeded": "Send less: ask something shorter, or open a new chat.",
    "model_not_found": "Check the model's name, and that the key may use it.",
    "invalid_request": "Change the request: it would be refused again.",
    "content_filter": "Say it in other words.",
    "program": "Mend the program: the provider is not the cause.",
}


def sentence(text: str) -> str:
    """A sentence on one line, at most 200 characters."""
    return single_line(text, 200)


def wait_of(retry: Retry) -> Wait:
    """The wait that a retry event announces."""
    return retry.delay_ms / 1000, sentence(retry.error)


def failed_attempt(retry: Retry) -> str:
    """Why there is a wait: follows "Retrying in 4s… ".

    >>> from datetime import UTC, datetime
    >>> failed_attempt(Retry(attempt=3, delay_ms=4000, retrying_at=datetime.now(UTC), error="anthropic is overloaded"))
    '(attempt 3 failed: anthropic is overloaded)'
    """
    return f"(attempt {retry.attempt} failed: {sentence(retry.error)})"


def news_of_wait(retry: Retry) -> str:
    """The wait, as a screen reader says it once.

    >>> from datetime import UTC, datetime
    >>> news_of_wait(Retry(attempt=1, delay_ms=1000, retrying_at=datetime.now(UTC), error="demo is overloaded"))
    'Retrying in 1 second (attempt 1 failed: demo is overloaded)'
    """
    seconds = -(-retry.delay_ms // 1000)
    return f"Retrying in {seconds} second{'s' * (seconds != 1)} {failed_attempt(retry)}"


def doing(part: Part | None) -> str:
    """What the model is doing, by the part that came last."""
    match part:
        case None:
            return "waiting for the first words…"
        case Reasoning():
            return "thinking…"
        case ToolCall():
            return f"calling {single_line(part.tool_name, 80)}…"
        case Text() | ToolResult() | Source() | File():
            return "writing…"
        case _:
            assert_never(part)


def stop_line(reason: StopReason | None) -> str:
    """What is said about a stop that the reader should know of; empty for a usual end."""
    return _STOPS.get(reason, "") if reason else ""


def stopped_line(wait: Wait | None, said: bool) -> str:
    """What is said where a person ended the turn: in a wait, or with or without something said."""
    if wait is not None:
        return f"Stopped in the wait of {_seconds(wait[0])} before another attempt: {sentence(wait[1])}"
    return "Stopped: this is what was said until then." if said else "Stopped before anything was said."


def headline(error: ErrorEvent) -> str:
    """What went wrong, in a line.

    >>> headline(ErrorEvent(message="openai refused the key", kind="auth", status_code=401))
    'openai refused the key (HTTP 401)'
    """
    return sentence(error.message) + (f" (HTTP {error.status_code})" if error.status_code else "")


def advice(error: ErrorEvent) -> str:
    """What to do next.

    >>> advice(ErrorEvent(message="openai refused the key", kind="auth"))
    "Check the API key (api_key=, or the provider's environment variable), then run the cell again."
    """
    return _ADVICE.get(error.kind, _TRY_AGAIN)


def retries_line(waits: Sequence[Wait]) -> str:
    """One line about the retries: how many, the scheduled waits, the causes.

    Parameters
    ----------
    waits : sequence of (float, str)
        Scheduled waits in seconds, each with its cause.

    Examples
    --------
    >>> retries_line([(1.0, "demo is overloaded"), (2.0, "the stream was cut off")])
    'Retried twice, after 1 s and 2 s: demo is overloaded; the stream was cut off'
    >>> retries_line([(min(2.0**n, 60), "anthropic is overloaded") for n in range(25)])
    'Retried 25 times, after 1 s … 60 s (20 min in all): anthropic is overloaded'
    """
    if not waits:
        return ""
    seconds = [wait for wait, _ in waits]
    count = {1: "once", 2: "twice"}.get(len(seconds), f"{len(seconds)} times")
    words = [_seconds(s) for s in seconds]
    if len(words) == 1:
        scheduled = words[0]
    elif len(words) <= 6:
        scheduled = f"{', '.join(words[:-1])} and {words[-1]}"
    else:
        low, high = _seconds(min(seconds)), _seconds(max(seconds))
        scheduled = (f"{low} each" if low == high else f"{low} … {high}") + f" ({_about(sum(seconds))} in all)"
    causes = list(dict.fromkeys(sentence(cause) for _, cause in waits))
    more = f"; and {len(causes) - 3} more" if len(causes) > 3 else ""
    return f"Retried {count}, after {scheduled}: {'; '.join(causes[:3])}{more}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f}".removesuffix(".0") + " s"


def _about(seconds: float) -> str:
    if seconds < 90:
        return _seconds(seconds)
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f}".removesuffix(".0") + " h"


def tool_line(part: ToolCall | ToolResult | File) -> str:
    """A call, a result or a file in one readable line.

    >>> tool_line(ToolCall(tool_call_id="1", tool_name="read_file", args={"path": "a.py"}))
    'Called read_file(path="a.py")'
    """
    match part:
        case ToolCall():
            name = single_line(part.tool_name, 80) or "a tool"
            if part.args is None:
                return f"Calling {name}…"
            args = ", ".join(f"{key}={msgspec.json.encode(value).decode()}" for key, value in part.args.items())
            return f"Called {name}({single_line(args, 160)})"
        case ToolResult():
            result = part.result if isinstance(part.result, str) else msgspec.json.encode(part.result, enc_hook=repr).decode()
            outcome = "failed" if part.is_error else "gave"
            return f"{single_line(part.tool_name, 80) or 'The tool'} {outcome}: {single_line(result, 160)}"
        case File():
            return f"File: {single_line(part.title or part.media_type, 160)}"
        case _:
            assert_never(part)
