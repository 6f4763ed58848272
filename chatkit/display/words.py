"""Every sentence that a person reads in a view, an output or a terminal, but for those about tools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, assert_never

from chatkit.display.labels import LABELS
from chatkit.display.plain_text import single_line
from chatkit.display.tool_words import SUMMARIZED
from chatkit.errors import Kind
from chatkit.events import ErrorEvent, Retry, StatusWord
from chatkit.parts import File, Part, Reasoning, Source, StopReason, Text, ToolCall, ToolResult

UNTITLED = LABELS.untitled
NO_MESSAGES = LABELS.no_messages
YOU = "You"
ASKED = "You asked:"
REASONING = "Reasoning"
SOURCES = "Sources:"
PROVIDER_SAID = "What the provider said"
DETAILS = "Details"
UNFINISHED = "The reply was still being written when this was saved."
CLOSED = "This chat is closed."
BUSY = "The reply is still being written: wait for it, or stop it."
STOPPING = LABELS.stopping
PENDING = "waiting for the running turn to end…"
COMPLETE = "The reply is complete."
STOPPED = "Stopped"
CONTINUES = "The reply continues."


_STOPS: dict[StopReason, str] = {
    "length": "Cut off: the limit on output tokens was reached.",
    "content_filter": "Cut off by the provider's content filter.",
    "refusal": "The model declined to answer.",
    "pause": "The model paused its turn.",
}
_Finer = Literal["proxy", "address"]
_CAUSES: dict[Kind | _Finer, str] = {
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
    "proxy": "The proxy asks for a password",
    "address": "The request or its address is wrong",
}
_STATUS: dict[StatusWord, str] = {
    "waiting": "ready",
    "pending": "waiting to start",
    "running": "answering",
    "interrupting": STOPPING,
    "error": "failed",
}
_ADVICE: dict[Kind | _Finer, str] = {
    "rate_limit": "Wait a little, then try again.",
    "auth": "Check the API key: correct the provider's environment variable and try again, or open a chat with another api_key=.",
    "quota": "Check the account's plan and billing, then try again, or use another model.",
    "context_exceeded": "Send less: ask something shorter, or open a new chat.",
    "model_not_found": "Check the model's name, and that the server has it and the API key may use it.",
    "invalid_request": "Change the request: it would be refused again.",
    "content_filter": "Rephrase the prompt.",
    "program": "The error is in your code, not at the provider.",
    "proxy": "Set HTTPS_PROXY to http://user:password@host:port, then restart the kernel.",
    "address": "Check the address (base_url=) and the request: it would fail again.",
}


def one_sentence(text: str) -> str:
    """A sentence on one line, at most 200 characters."""
    return single_line(text, 200)


def countdown(retry: Retry, seconds: int) -> str:
    """The wait before another attempt, as a terminal shows it; the browser puts the same together from `Labels`.

    >>> from datetime import UTC, datetime
    >>> wait = Retry(attempt=3, delay_ms=4000, retrying_at=datetime.now(UTC), error="anthropic is overloaded")
    >>> countdown(wait, 4)
    'Retrying in 4 s… (attempt 3 failed: anthropic is overloaded)'
    """
    when = LABELS.in_time.format(time=duration(seconds)) if seconds > 0 else LABELS.now
    return f"{LABELS.retrying.format(when=when)} {failed_attempt(retry)}"


def unreached_line(retry: Retry) -> str:
    """What to say loudly of a wait for a server that most likely isn't there; mostly empty.

    >>> from datetime import UTC, datetime
    >>> wait = Retry(attempt=6, delay_ms=29000, retrying_at=datetime.now(UTC), error="connection refused", unreached="127.0.0.1:11434")
    >>> unreached_line(wait)
    'Nothing has answered at 127.0.0.1:11434 so far. Check that the server is running, and that the address is right.'
    """
    where = single_line(retry.unreached, 200)
    return f"Nothing has answered at {where} so far. Check that the server is running, and that the address is right." if where else ""


def detail_title(event: Retry | ErrorEvent) -> str:
    """What stands above the details of a failure: they are the provider's own words only where it answered."""
    return PROVIDER_SAID if event.status_code else DETAILS


def failed_attempt(retry: Retry) -> str:
    """The reason for a wait: it follows the countdown."""
    return f"(attempt {retry.attempt} failed: {one_sentence(retry.error)})"


def announce_wait(retry: Retry) -> str:
    """The wait as a screen reader announces it, once.

    >>> from datetime import UTC, datetime
    >>> announce_wait(Retry(attempt=1, delay_ms=1000, retrying_at=datetime.now(UTC), error="demo is overloaded"))
    'Retrying in 1 second (attempt 1 failed: demo is overloaded)'
    """
    loudly = unreached_line(retry)
    wait = f"Retrying in {duration(-(-retry.delay_ms // 1000), spelled=True)} {failed_attempt(retry)}"
    return f"{loudly} {wait}" if loudly else wait


def labelled(model: str, instructions: int) -> str:
    """The model, and how many characters of instructions go to it from files, as a chat shows them.

    >>> labelled("demo", 1234), labelled("demo", 0)
    ('demo · AGENTS.md (1,234 characters)', 'demo')
    """
    return f"{model} · AGENTS.md ({instructions:,} characters)" if instructions else model


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
        return f"Stopped while waiting for the next attempt: {one_sentence(wait.error)}"
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


def advice(error: ErrorEvent) -> str:
    """What to do next. It says "try again" for the button of that name and, in a notebook without a kernel, for the cell.

    >>> advice(ErrorEvent(message="demo is overloaded", kind="rate_limit"))
    'Wait a little, then try again.'
    """
    return _ADVICE.get(_finer(error), "This may pass: try again in a moment.")


def may_pass(error: ErrorEvent) -> bool:
    """Whether the same request may succeed at another time: something outside it can change, as a key, a bill or a server can.

    >>> may_pass(ErrorEvent(message="openai refused the key", kind="auth"))
    True
    >>> may_pass(ErrorEvent(message="the prompt is too long", kind="context_exceeded"))
    False
    """
    return error.kind not in ("invalid_request", "context_exceeded", "content_filter", "program")


def will_be(reply_name: str) -> str:
    """What stands beside Try again.

    >>> will_be("chat.last")
    'The reply will be chat.last.'
    """
    return f"The reply will be {reply_name}." if reply_name else ""


def is_now(reply_name: str) -> str:
    """What stands below a reply that came by Try again.

    >>> is_now("chat.last")
    'Tried again: this reply is chat.last. An error below is from before.'
    """
    return f"Tried again: this reply is {reply_name}. An error below is from before."


def _finer(event: Retry | ErrorEvent) -> Kind | _Finer:
    """The kind, or what it is where no server answered that refuses a key or a request."""
    if event.status_code == 407:
        return "proxy"
    return "address" if event.kind == "invalid_request" and event.status_code is None else event.kind


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
    return " · ".join(filter(None, [_CAUSES[_finer(event)], single_line(event.provider or "", 60), status]))


def status_words(word: StatusWord) -> str:
    """A chat's status, as its header shows it.

    >>> status_words("running")
    'answering'
    """
    return _STATUS[word]


def retries_line(waits: Sequence[Retry]) -> str:
    """One line about the waits of a turn: how many, how long, and why.

    >>> from datetime import UTC, datetime
    >>> def wait(seconds, error):
    ...     return Retry(attempt=1, delay_ms=round(seconds * 1000), retrying_at=datetime.now(UTC), error=error)
    >>> retries_line([wait(1, "demo is overloaded"), wait(2, "the stream was cut off")])
    'Retried twice, after 1 s and 2 s: demo is overloaded; the stream was cut off'
    >>> retries_line([wait(min(2.0**n, 60), "anthropic is overloaded") for n in range(25)])
    'Retried 25 times, after 1 s … 60 s (20 min 3 s in all): anthropic is overloaded'
    """
    if not waits:
        return ""
    seconds = [wait.seconds for wait in waits]
    count = {1: "once", 2: "twice"}.get(len(seconds), f"{len(seconds)} times")
    each = [duration(s) for s in seconds]
    if len(each) == 1:
        scheduled = each[0]
    elif len(each) <= 6:
        scheduled = f"{', '.join(each[:-1])} and {each[-1]}"
    else:
        low, high = duration(min(seconds)), duration(max(seconds))
        scheduled = (f"{low} each" if low == high else f"{low} … {high}") + f" ({duration(sum(seconds))} in all)"
    causes = list(dict.fromkeys(one_sentence(wait.error) for wait in waits))
    more = f"; and {len(causes) - 3} more" if len(causes) > 3 else ""
    return f"Retried {count}, after {scheduled}: {'; '.join(causes[:3])}{more}"


def duration(seconds: float, *, spelled: bool = False) -> str:
    """A time as a person reads it, or, with its units `spelled`, hears it. The browser puts the countdown's together by itself.

    >>> duration(0.3), duration(60), duration(3581), duration(5400)
    ('0.3 s', '60 s', '59 min 41 s', '1 h 30 min')
    >>> duration(1, spelled=True), duration(121, spelled=True)
    ('1 second', '2 minutes 1 second')
    """
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    parts = [(hours, LABELS.hours, "hour"), (minutes, LABELS.minutes, "minute"), (0 if hours else whole % 60, LABELS.seconds, "second")]
    if seconds < 90:
        return f"{seconds:.1f}".removesuffix(".0") + (f" second{'s' * (seconds != 1)}" if spelled else f" {LABELS.seconds}")
    return " ".join(f"{n} {name}{'s' * (n > 1)}" if spelled else f"{n} {unit}" for n, unit, name in parts if n)


def left_out_line(count: int) -> str:
    """How many messages of a long chat stand before the first one that is shown.

    >>> left_out_line(1), left_out_line(1200)
    ('1 earlier message is not shown.', '1,200 earlier messages are not shown.')
    """
    return f"{count:,} earlier message{'s are' if count > 1 else ' is'} not shown."
