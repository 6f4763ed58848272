"""Every sentence that a person reads in a view, an output or a terminal, and the labels that the browser shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, assert_never

import msgspec

from chatkit.display.plain_text import as_json, single_line
from chatkit.errors import Kind
from chatkit.events import ErrorEvent, Retry, StatusWord
from chatkit.parts import File, Part, Reasoning, Source, StopReason, Text, ToolCall, ToolResult

UNTITLED = "New Chat"
NO_MESSAGES = "No messages yet."
YOU = "You"
ASKED = "You asked:"
REASONING = "Reasoning"
SOURCES = "Sources:"
PROVIDER_SAID = "What the provider said"
ARGUMENTS, RESULT, WRONG = "Arguments", "Result", "What went wrong"
A_TOOL, BY_PROVIDER = "a tool", "run by the provider"
UNFINISHED = "The reply was still being written when this was saved."
CLOSED = "This chat is closed."
BUSY = "The reply is still being written: wait for it, or stop it."
STOPPING = "stopping…"
COMPLETE = "The reply is complete."
STOPPED = "Stopped"
CONTINUES = "The reply continues."


class Labels(msgspec.Struct, frozen=True, kw_only=True):
    """The texts that the browser shows by itself: it gets them with the view. Braces stand for what it fills in."""

    # the wait before another attempt: "Retrying in 4s… (attempt 3 failed: …)"
    retrying: str = "Retrying {when}…"
    in_seconds: str = "in {seconds}s"
    now: str = "now"
    slow: str = "slower than usual"
    retry_now: str = "Retry now"
    stop: str = "Stop"
    stopping: str = STOPPING
    try_again: str = "Try again"
    provider_said: str = PROVIDER_SAID
    # when a command doesn't reach the kernel at once
    kernel_gone: str = "The kernel is gone. The text stays here; run the cell again to continue."
    kernel_busy: str = "The kernel is busy: interrupt it (■) to stop."
    kernel_later: str = "The kernel is busy: it handles this when the running cell has ended."
    # a whole chat
    untitled: str = UNTITLED
    no_messages: str = NO_MESSAGES
    conversation: str = "Conversation"
    latest: str = "↓ Latest"
    context: str = "Context {grade}: {percent} %, {words}"
    context_used: str = "used"
    context_nearly_full: str = "nearly full"
    context_full: str = "full"
    message: str = "Message"
    placeholder: str = "Write a message: Enter sends it"
    send: str = "Send"
    queue: str = "Queue"
    save: str = "Save"
    cancel: str = "Cancel"
    editing_last: str = "Editing your last message; its answer will be replaced"
    editing_queued: str = "Editing a queued message"
    queued: str = "Queued messages"
    one_queued: str = "1 message is queued"
    many_queued: str = "{count} messages are queued"
    send_next: str = "Send next"
    edit: str = "Edit"
    delete: str = "Delete"
    # code
    copy: str = "Copy"
    copy_code: str = "Copy code"
    copied: str = "Copied"
    code_copied: str = "Copied."
    selected: str = "Selected"
    code_selected: str = "Selected: press Ctrl+C to copy."


LABELS = Labels()

_STOPS: dict[StopReason, str] = {
    "length": "Cut off: the limit on output tokens was reached.",
    "content_filter": "Cut off by the provider's content filter.",
    "refusal": "The model declined to answer.",
    "pause": "The model paused its turn.",
}
SUMMARIZED = "chat_summarized"
"""The name of the call that stands for a compaction."""

ToolState = Literal["running", "done", "failed", "not run"]

_CAUSES: dict[Kind, str] = {
    "rate_limit": "Too many requests",
    "overloaded": "The provider is overloaded",
    "server_error": "The provider failed",
    "network": "The connection failed",
    "timeout": "No answer in time",
    "unknown": "Unknown cause",
    "auth": "The API key was refused",
    "quota": "The account's quota is used up",
    "context_exceeded": "The request is longer than the model accepts",
    "model_not_found": "The provider does not have this model",
    "invalid_request": "The request was refused as invalid",
    "content_filter": "The content filter stopped it",
    "canceled": "The call was canceled",
    "program": "An error in the code",
}
_STATUS: dict[StatusWord, str] = {
    "waiting": "ready",
    "pending": "waiting to start",
    "running": "answering",
    "interrupting": STOPPING,
    "error": "failed",
}
_TRY_AGAIN = "Run the cell again to ask once more."
_ADVICE: dict[Kind, str] = {
    "rate_limit": "Wait a little, then run the cell again.",
    "auth": "Check the API key (api_key=, or the provider's environment variable), then run the cell again.",
    "quota": "Check the account's plan and billing, or use another model.",
    "context_exceeded": "Send less: ask something shorter, or open a new chat.",
    "model_not_found": "Check the model's name, and that the API key may use it.",
    "invalid_request": "Change the request: it would be refused again.",
    "content_filter": "Rephrase the prompt.",
    "program": "The error is in your code, not at the provider.",
}


def one_sentence(text: str) -> str:
    """A sentence on one line, at most 200 characters."""
    return single_line(text, 200)


def countdown(retry: Retry, seconds: int) -> str:
    """The wait before another attempt, as a terminal shows it; the browser puts the same together from `Labels`.

    >>> from datetime import UTC, datetime
    >>> wait = Retry(attempt=3, delay_ms=4000, retrying_at=datetime.now(UTC), error="anthropic is overloaded")
    >>> countdown(wait, 4)
    'Retrying in 4s… (attempt 3 failed: anthropic is overloaded)'
    """
    when = LABELS.in_seconds.format(seconds=seconds) if seconds > 0 else LABELS.now
    return f"{LABELS.retrying.format(when=when)} {failed_attempt(retry)}"


def failed_attempt(retry: Retry) -> str:
    """The reason for a wait: it follows the countdown."""
    return f"(attempt {retry.attempt} failed: {one_sentence(retry.error)})"


def announce_wait(retry: Retry) -> str:
    """The wait as a screen reader announces it, once.

    >>> from datetime import UTC, datetime
    >>> announce_wait(Retry(attempt=1, delay_ms=1000, retrying_at=datetime.now(UTC), error="demo is overloaded"))
    'Retrying in 1 second (attempt 1 failed: demo is overloaded)'
    """
    seconds = -(-retry.delay_ms // 1000)
    return f"Retrying in {seconds} second{'s' * (seconds != 1)} {failed_attempt(retry)}"


def answering(label: str) -> str:
    """What a screen reader announces when a turn begins."""
    return f"{label} is answering."


def activity(part: Part | None) -> str:
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
    """One line about a stop reason that the reader should know; empty for a usual end."""
    return _STOPS.get(reason, "") if reason else ""


def stopped_line(wait: Retry | None, *, answered: bool) -> str:
    """One line about a turn that a person ended: during a wait, or after or before the reply began."""
    if wait is not None:
        return f"Stopped while waiting {_seconds(wait.delay_ms / 1000)} for the next attempt: {one_sentence(wait.error)}"
    return "Stopped: the reply is incomplete." if answered else "Stopped before the reply began."


def gave_up_line(error: ErrorEvent) -> str:
    """How a call of `chatkit.retry` ended that failed."""
    return f"Gave up: {headline(error)}"


def withdrawn_line(event: Retry | ErrorEvent) -> str:
    """What follows text in a terminal that the failure of its attempt has withdrawn."""
    return f"— withdrawn: {one_sentence(event.error if isinstance(event, Retry) else event.message)} —"


def headline(error: ErrorEvent) -> str:
    """What went wrong, in a line.

    >>> headline(ErrorEvent(message="openai refused the key", kind="auth", status_code=401))
    'openai refused the key (HTTP 401)'
    """
    return one_sentence(error.message) + (f" (HTTP {error.status_code})" if error.status_code else "")


def advice(error: ErrorEvent, *, button: bool = False) -> str:
    """What to do next: `button` says that there is a Try again to press instead of a cell to run.

    >>> advice(ErrorEvent(message="openai refused the key", kind="auth"))
    "Check the API key (api_key=, or the provider's environment variable), then run the cell again."
    >>> advice(ErrorEvent(message="demo is overloaded", kind="rate_limit"), button=True)
    'Wait a little, then press Try again.'
    """
    words = _ADVICE.get(error.kind, _TRY_AGAIN)
    return words.replace("run the cell again", "press Try again").replace("Run the cell again", "Press Try again") if button else words


def cause(kind: Kind) -> str:
    """A kind of failure in words.

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
    """A chat's status, as its header shows it.

    >>> status_words("running")
    'answering'
    """
    return _STATUS[word]


def retries_line(waits: Sequence[Retry]) -> str:
    """One line about the waits of a turn: how many, how long as scheduled, and why.

    >>> from datetime import UTC, datetime
    >>> def wait(seconds, error):
    ...     return Retry(attempt=1, delay_ms=round(seconds * 1000), retrying_at=datetime.now(UTC), error=error)
    >>> retries_line([wait(1, "demo is overloaded"), wait(2, "the stream was cut off")])
    'Retried twice, after 1 s and 2 s: demo is overloaded; the stream was cut off'
    >>> retries_line([wait(min(2.0**n, 60), "anthropic is overloaded") for n in range(25)])
    'Retried 25 times, after 1 s … 60 s (20 min in all): anthropic is overloaded'
    """
    if not waits:
        return ""
    seconds = [wait.delay_ms / 1000 for wait in waits]
    count = {1: "once", 2: "twice"}.get(len(seconds), f"{len(seconds)} times")
    each = [_seconds(s) for s in seconds]
    if len(each) == 1:
        scheduled = each[0]
    elif len(each) <= 6:
        scheduled = f"{', '.join(each[:-1])} and {each[-1]}"
    else:
        low, high = _seconds(min(seconds)), _seconds(max(seconds))
        scheduled = (f"{low} each" if low == high else f"{low} … {high}") + f" ({_long_time(sum(seconds))} in all)"
    causes = list(dict.fromkeys(one_sentence(wait.error) for wait in waits))
    more = f"; and {len(causes) - 3} more" if len(causes) > 3 else ""
    return f"Retried {count}, after {scheduled}: {'; '.join(causes[:3])}{more}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f}".removesuffix(".0") + " s"


def _long_time(seconds: float) -> str:
    if seconds < 90:
        return _seconds(seconds)
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f}".removesuffix(".0") + " h"


def left_out_line(count: int) -> str:
    """How many messages of a long chat stand before the first one that is shown.

    >>> left_out_line(1), left_out_line(1200)
    ('1 earlier message is not shown.', '1,200 earlier messages are not shown.')
    """
    return f"{count:,} earlier message{'s are' if count > 1 else ' is'} not shown."


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
