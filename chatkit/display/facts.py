"""What a view shows beside its timeline, derived from a chat's state."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from chatkit.display.messages import CommandName, ContextUse, Countdown, Facts, FailureCard, QueuedMessage, Waiting
from chatkit.display.plain_text import shown, single_line
from chatkit.display.words import (
    COMPLETE,
    CONTINUES,
    STOPPED,
    STOPPING,
    about,
    activity,
    advice,
    announce_wait,
    answering,
    failed_attempt,
    headline,
    status_words,
)
from chatkit.events import ErrorEvent, Retry
from chatkit.fold import Transcript
from chatkit.parts import Message, ToolCall, text_of

MAX_DRAFT = 20_000
"""Characters of a message that the composer takes back."""


def facts_of(
    chat: Transcript,
    *,
    label: str,
    until: int,
    since: int,
    running: bool,
    whole: bool,
    commands: tuple[CommandName, ...],
    blocked: str = "",
) -> Facts:
    """The facts of a chat, or, where it isn't shown `whole`, of its last turn.

    `until` is when the wait under way ends and `since` when the chat last changed, in ms of the kernel's clock.
    """
    label = single_line(label, 200)
    error = None if chat.error is None or chat.error.kind == "canceled" else chat.error
    parts = chat.answer()
    retry = chat.retry if running else None
    at_work = bool(parts) and isinstance(parts[-1], ToolCall)
    doing, news = "", ""
    if error is not None:
        news = headline(error)
        doing = "" if whole else news  # a whole chat has a card for it
    elif retry is not None:
        news = announce_wait(retry)
    elif running and chat.status_word == "interrupting":
        doing = news = STOPPING
    elif running:
        doing = activity(parts[-1] if parts else None)
        news = CONTINUES if chat.waits and parts else answering(label)
    elif parts:
        news = COMPLETE
    elif not whole:
        news = f"{STOPPED}."
    facts = Facts(
        label=label,
        doing=doing,
        news=news,
        over=not running,
        retry=_countdown(retry, until),
        waiting=Waiting(since=since) if running and retry is None and error is None and not chat.flight and not at_work else None,
        commands=commands,
    )
    return _with_chat(facts, chat, error, blocked) if whole else facts


def _with_chat(facts: Facts, chat: Transcript, error: ErrorEvent | None, blocked: str) -> Facts:
    """With what a view of the whole chat shows besides."""
    prompt = chat.prompt()
    return replace(
        facts,
        error=error
        and FailureCard(title=headline(error), advice=advice(error, button=True), about=about(error), detail=shown(error.detail)[:500]),
        title=shown(chat.title.title) if chat.title else "",
        status=status_words(chat.status_word),
        context=context_use(chat.messages),
        queue=tuple(
            QueuedMessage(id=q.id, text=shown(text_of(q.parts))[:MAX_DRAFT], model=single_line(q.model or "", 200)) for q in chat.queued
        ),
        blocked=blocked,
        last=None if prompt is None else shown(prompt.text)[:MAX_DRAFT],
    )


def retry_facts(call: Transcript, *, name: str, until: int) -> Facts:
    """The facts of one call of `chatkit.retry`."""
    news = "" if call.retry is None else announce_wait(call.retry)
    return Facts(label=single_line(name, 200), news=news, retry=_countdown(call.retry, until), commands=("stop", "retry"))


def _countdown(retry: Retry | None, until: int) -> Countdown | None:
    if retry is None:
        return None
    return Countdown(until=until, why=failed_attempt(retry), about=about(retry), detail=shown(retry.detail)[:500])


def context_use(messages: Sequence[Message]) -> ContextUse | None:
    """How full the context window is after the newest step that has usage: all its input, cached or not, else its total.

    None where the numbers aren't known.

    >>> from datetime import UTC, datetime
    >>> from chatkit.parts import Usage
    >>> usage = Usage(input_tokens=2000, cache_read_tokens=10_300, context_limit=200_000)
    >>> reply = Message(id=2, chat_id="c", role="assistant", parts=(), created_at=datetime.now(UTC), usage=usage)
    >>> context_use([reply])
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
