"""What a view shows beside its timeline, told from events: the kernel's half of `chatkit.display.wire.Facts`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chatkit.display.account import Account
from chatkit.display.plain_text import shown, single_line
from chatkit.display.wire import ContextUse, Failure, QueuedMessage
from chatkit.display.wording import about, advice, doing, failed_attempt, headline, news_of_wait, status_words
from chatkit.events import ErrorEvent, Retry
from chatkit.fold import Transcript
from chatkit.parts import Message, Part, ToolCall, text_of

_LONGEST = 20_000
"""Characters of a message that the composer takes back."""


def countdown(retry: Retry | None, until: float) -> dict[str, Any] | None:
    """The wait that lasts; `until` is when it ends, on the kernel's monotonic clock."""
    if retry is None:
        return None
    return {"until": until, "why": failed_attempt(retry), "about": about(retry), "detail": shown(retry.detail)[:500]}


def turn_facts(account: Account, parts: Sequence[Part], *, model: str, until: float, since: float, over: bool) -> dict[str, Any]:
    """The facts of one turn.

    Parameters
    ----------
    account : Account
        The turn so far.
    parts : sequence of Part
        What was said.
    model : str
        The model's label.
    until, since : float
        When the wait that lasts ends, and when the answer was asked for, on the kernel's monotonic clock.
    over : bool
        It has ended.
    """
    fold, label = account.transcript, single_line(model, 200)
    retry = None if over else fold.retry
    waiting = None
    if fold.error is not None:
        now = news = headline(fold.error)
    elif over:
        now, news = "", "The reply is complete." if parts else "Stopped."
    elif retry is not None:
        now, news = "", news_of_wait(retry)
    elif fold.status_word == "interrupting":
        now = news = "stopping…"
    else:
        now = doing(parts[-1] if parts else None)
        news = "The reply goes on." if account.waits and parts else f"{label} is answering."
        waiting = None if parts else {"since": since}
    return {
        "label": label,
        "doing": now,
        "news": news,
        "over": over,
        "retry": countdown(retry, until),
        "waiting": waiting,
        "offers": ("stop", "retry"),
    }


def chat_facts(fold: Transcript, *, model: str, until: float, since: float) -> dict[str, Any]:
    """The facts of `chatkit.display.wire.Facts`, but for what the chat offers.

    Parameters
    ----------
    fold : Transcript
        The chat.
    model : str
        The model's label.
    until, since : float
        When the wait that lasts ends, and when the last thing happened, on the kernel's monotonic clock.
    """
    running, label = fold.running, single_line(model, 200)
    error = None if fold.error is None or fold.error.kind == "canceled" else fold.error
    flight = [part for _, part in fold.flight]
    said = _committed(fold) + flight
    now, news = "", ""
    if error is not None:
        news = headline(error)
    elif fold.retry is not None:
        news = news_of_wait(fold.retry)
    elif fold.status_word == "interrupting":
        now = news = "stopping…"
    elif running:
        now, news = doing(said[-1] if said else None), f"{label} is answering."
    elif any(m.role == "assistant" for m in fold.messages):
        news = "The reply is complete."
    return {
        "label": label,
        "doing": now,
        "news": news,
        "over": not running,
        "retry": countdown(fold.retry, until),
        "waiting": {"since": since} if running and not flight and fold.retry is None and not _calls(said) else None,
        "error": None if error is None else _failure(error),
        "title": shown(fold.title.title) if fold.title else "",
        "status": status_words(fold.status_word),
        "context": context_use(fold.messages),
        "queue": tuple(
            QueuedMessage(id=q.id, text=shown(text_of(q.parts))[:_LONGEST], model=single_line(q.model or "", 200)) for q in fold.queued
        ),
        "last": next((shown(m.text)[:_LONGEST] for m in reversed(fold.messages) if m.is_question), None),
    }


def _committed(fold: Transcript) -> list[Part]:
    """What was committed since the last question."""
    parts: list[Part] = []
    for message in reversed(fold.messages):
        if message.is_question:
            break
        if message.role != "user":
            parts[:0] = message.parts
    return parts


def _calls(said: Sequence[Part]) -> bool:
    """Whether a tool is at work."""
    return bool(said) and isinstance(said[-1], ToolCall)


def _failure(error: ErrorEvent) -> Failure:
    return Failure(title=headline(error), advice=advice(error, button=True), about=about(error), detail=shown(error.detail)[:500])


def context_use(messages: Sequence[Message]) -> ContextUse | None:
    """How full the model's context window is: of the newest step that has usage, all input, cached or not, else the total.

    None where the numbers aren't known.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from chatkit.parts import Usage
    >>> usage = Usage(input_tokens=2000, cache_read_tokens=10_300, context_limit=200_000)
    >>> said = Message(id=2, chat_id="c", role="assistant", parts=(), created_at=datetime.now(UTC), usage=usage)
    >>> context_use([said])
    ContextUse(percent=6, words='12,300 of 200,000 tokens')
    """
    usage = next((m.usage for m in reversed(messages) if m.usage is not None), None)
    if usage is None or not usage.context_limit:
        return None
    read = [n for n in (usage.input_tokens, usage.cache_read_tokens, usage.cache_creation_tokens) if n is not None]
    used = sum(read) if read else usage.total_tokens
    if used is None:
        return None
    return ContextUse(percent=min(100, round(100 * used / usage.context_limit)), words=f"{used:,} of {usage.context_limit:,} tokens")
