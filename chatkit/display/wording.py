"""The sentences of the display: one wording for the widget, the frozen output and the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, assert_never

from chatkit.display.blocks import ToolUse
from chatkit.display.plain_text import as_json, single_line
from chatkit.errors import Kind
from chatkit.events import ErrorEvent, Retry, StatusWord
from chatkit.parts import File, Part, Reasoning, Source, StopReason, Text, ToolCall, ToolResult

Wait = tuple[float, str]
"""The seconds of a wait as it was scheduled, and its cause: chatkit's sentence about the attempt that failed before it."""

_STOPS: dict[StopReason, str] = {
    "length": "Cut off: the limit on output tokens was reached.",
    "content_filter": "Cut off by the provider's content filter.",
    "refusal": "The model declined to answer.",
    "pause": "The model paused its turn.",
}
SUMMARIZED = "chat_summarized"
"""The call that stands for a compaction."""

ToolState = Literal["running", "done", "failed", "not run"]

_CAUSES: dict[Kind, str] = {
    "rate_limit": "Too many requests",
    "overloaded": "The provider is overloaded",
    "server_error": "The provider failed",
    "network": "The connection failed",
    "timeout": "No answer in time",
    "unknown": "Something failed, and nothing says why",
    "auth": "The API key was refused",
    "quota": "The account's quota is used up",
    "context_exceeded": "Longer than the model takes",
    "model_not_found": "The provider does not have this model",
    "invalid_request": "The request was refused as invalid",
    "content_filter": "The content filter stopped it",
    "canceled": "The call was canceled",
    "program": "An error in the program",
}
_STATUS: dict[StatusWord, str] = {
    "waiting": "ready",
    "pending": "waiting to start",
    "running": "answering",
    "interrupting": "stopping…",
    "error": "failed",
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
        case ToolCall() if part.tool_name == SUMMARIZED:
            return "summarizing…"
        case ToolCall():
            return f"calling {single_line(part.tool_name, 80)}…"
        case ToolResult():
            return "reading the result…"
        case Text() | Source() | File():
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


def advice(error: ErrorEvent, *, button: bool = False) -> str:
    """What to do next.

    Parameters
    ----------
    error : ErrorEvent
        Why no answer came.
    button : bool
        Whether there is a Try again to press, in place of a cell to run.

    Examples
    --------
    >>> advice(ErrorEvent(message="openai refused the key", kind="auth"))
    "Check the API key (api_key=, or the provider's environment variable), then run the cell again."
    >>> advice(ErrorEvent(message="demo is overloaded", kind="rate_limit"), button=True)
    'Wait a little, then press Try again.'
    """
    words = _ADVICE.get(error.kind, _TRY_AGAIN)
    return words.replace("run the cell again", "press Try again").replace("Run the cell again", "Press Try again") if button else words


def cause(kind: Kind) -> str:
    """What failed, in words.

    >>> cause("rate_limit")
    'Too many requests'
    """
    return _CAUSES[kind]


def about(event: Retry | ErrorEvent) -> str:
    """Cause, provider and status, as far as they are known.

    >>> about(ErrorEvent(message="anthropic is overloaded", kind="overloaded", provider="anthropic", status_code=529))
    'The provider is overloaded · anthropic · HTTP 529'
    """
    status = f"HTTP {event.status_code}" if event.status_code else ""
    return " · ".join(filter(None, [cause(event.kind), single_line(event.provider or "", 60), status]))


def status_words(word: StatusWord) -> str:
    """A chat's status, as its header says it.

    >>> status_words("running")
    'answering'
    """
    return _STATUS[word]


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


def tool_state(use: ToolUse, *, running: bool) -> ToolState:
    """What became of a call.

    Parameters
    ----------
    use : ToolUse
        The call with its result.
    running : bool
        Whether the turn still runs.
    """
    if use.result is not None:
        return "failed" if use.result.is_error else "done"
    return "running" if running else "not run"


def tool_arguments(call: ToolCall | None) -> str:
    """The arguments as they would stand between the parentheses of a call; raw.

    >>> tool_arguments(ToolCall(tool_call_id="1", tool_name="read_file", args={"path": "a.py", "limit": 3}))
    'path="a.py", limit=3'
    """
    if call is None:
        return ""
    return call.args_delta if call.args is None else ", ".join(f"{key}={as_json(value)}" for key, value in call.args.items())


def summarizing(state: ToolState) -> str:
    """What a compaction is called in this state."""
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


def context_line(facts: Mapping[str, Any]) -> str:
    """How full the context was when it was summarized: as much as is known of it.

    >>> context_line({"usage_percent": 71, "context_tokens": 142_000, "context_limit_tokens": 200_000, "threshold_percent": 70})
    'Context was 71 % full (142,000 of 200,000 tokens); limit for summarizing 70 %.'
    >>> context_line({"context_tokens": 142_000, "usage_percent": "<b>"})
    'Context was 142,000 tokens.'
    """
    names = ("usage_percent", "context_tokens", "context_limit_tokens", "threshold_percent")
    usage, tokens, limit, threshold = (_number(facts.get(name)) for name in names)
    counted = tokens and (f"{tokens} of {limit} tokens" if limit else f"{tokens} tokens")
    full = f"{usage} % full" + (f" ({counted})" if counted else "") if usage else counted
    said = [f"context was {full}" if full else "", f"limit for summarizing {threshold} %" if threshold else ""]
    line = "; ".join(filter(None, said))
    return f"{line[0].upper()}{line[1:]}." if line else ""


def _number(value: Any) -> str:
    known = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12
    return f"{value:,.0f}" if known else ""


def file_words(file: File) -> str:
    """What a file is called, or what it claims to be."""
    return single_line(file.title or file.media_type, 160) or "without a name"


def tool_line(part: ToolUse | File) -> str:
    """A call with its result, or a file, in one readable line.

    >>> from chatkit.display.blocks import ToolUse
    >>> call = ToolCall(tool_call_id="1", tool_name="read_file", args={"path": "a.py"})
    >>> tool_line(ToolUse(call))
    'Called read_file(path="a.py")'
    >>> tool_line(ToolUse(call, ToolResult(tool_call_id="1", result={"lines": 3})))
    'Called read_file(path="a.py"), which gave: {"lines":3}'
    """
    if isinstance(part, File):
        return f"File: {file_words(part)}"
    call, result = part.call, part.result
    name = single_line(part.name, 80)
    gave = ""
    if result is not None:
        words = result.result if isinstance(result.result, str) else as_json(result.result)
        gave = f"{'failed' if result.is_error else 'gave'}: {single_line(words, 160)}"
    if part.name == SUMMARIZED:
        state = tool_state(part, running=False)
        return summarizing(state) + (gave.removeprefix("failed") if state == "failed" else "")
    if call is None:
        return f"{name or 'The tool'} {gave}"
    if call.args is None and result is None:
        return f"Calling {name or 'a tool'}…"
    called = f"Called {name or 'a tool'}({single_line(tool_arguments(call), 160)})"
    return f"{called}, which {gave}" if gave else called
