"""The state of a view: its facts, and the smallest messages that bring the browser from one state to the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from chatkit.display import words
from chatkit.display.messages import (
    Block,
    Changes,
    CommandName,
    ContextUse,
    Countdown,
    Facts,
    FailureCard,
    QueuedMessage,
    Snapshot,
    Waiting,
)
from chatkit.display.plain_text import shown, single_line
from chatkit.events import ErrorEvent, Retry
from chatkit.fold import Transcript
from chatkit.parts import Message, ToolCall, text_of


def kernel_ms() -> int:
    """The kernel's monotonic clock as messages have it, in milliseconds."""
    return round(time.monotonic() * 1000)


class ViewState:
    """What the browser has been sent; `now` gives the kernel's clock in milliseconds."""

    def __init__(self, facts: Facts | None = None, now: Callable[[], int] = kernel_ms) -> None:
        self._facts = facts or Facts()
        self._blocks: list[Block] = []
        self._sizes: list[int] = []
        self._revision = 0
        self._now = now

    @property
    def units(self) -> int:
        """The length of all blocks' HTML, in JavaScript's units."""
        return sum(self._sizes)

    def advance(self, blocks: Sequence[Block], facts: Facts | None = None) -> dict[str, Any] | None:
        """The message (a `Changes`) that brings the browser to these blocks and facts; None where nothing changed.

        A block that is the same object as before costs nothing.
        """
        changed: dict[str, Any] = {}
        if facts is not None:
            changed = {f: new for f in Facts.__struct_fields__ if (new := getattr(facts, f)) != getattr(self._facts, f)}
            self._facts = facts
        cut = len(blocks) if len(blocks) < len(self._blocks) else None
        if cut is not None:
            del self._blocks[cut:], self._sizes[cut:]
        put: list[tuple[int, Block]] = []
        edit: list[tuple[int, int, int, str]] = []
        done: list[int] = []
        for i, block in enumerate(blocks):
            before = self._blocks[i] if i < len(self._blocks) else None
            if before is block or before == block:
                continue
            if before is not None and (before.k, before.d) == (block.k, block.d) and before.o:
                if before.t != block.t:
                    edit.append((i, *_splice(before.t, block.t)))
                if not block.o:
                    done.append(i)
            else:
                put.append((i, block))
            self._blocks[i : i + 1] = [block]
            self._sizes[i : i + 1] = [_utf16(block.t)]
        if not (changed or put or edit or done or cut is not None):
            return None
        self._revision += 1
        now = self._now() if changed.get("retry") or changed.get("waiting") else 0
        changes = Changes(r=self._revision, now=now, set=changed, cut=cut, put=tuple(put), edit=tuple(edit), done=tuple(done))
        message: dict[str, Any] = msgspec.to_builtins(changes)
        return message

    def snapshot(self) -> dict[str, Any]:
        """The whole state (a `Snapshot`), for a browser that has none or missed a message."""
        facts = {f: getattr(self._facts, f) for f in Facts.__struct_fields__}
        state: dict[str, Any] = msgspec.to_builtins(Snapshot(r=self._revision, now=self._now(), blocks=tuple(self._blocks), **facts))
        return state


def _splice(before: str, after: str) -> tuple[int, int, str]:
    """Where `after` differs: how much stays at the front, how much of `before` goes, and what takes its place.

    >>> _splice("<p>Hello wo</p>", "<p>Hello world</p>")
    (11, 0, 'rld')
    >>> _splice("🙂a", "🙂b")
    (2, 1, 'b')
    """
    front = _agreement(len(before), len(after), lambda n: before.startswith(after[:n]))
    rest = min(len(before), len(after)) - front
    back = _agreement(rest, rest, lambda n: before.endswith(after[len(after) - n :]))
    return _utf16(before[:front]), _utf16(before[front : len(before) - back]), after[front : len(after) - back]


def _agreement(one: int, other: int, agrees: Callable[[int], bool]) -> int:
    """The greatest length that agrees, by bisection: its few comparisons of whole strings run at memory's speed."""
    low, high = 0, min(one, other)
    while low < high:
        middle = (low + high + 1) // 2
        if agrees(middle):
            low = middle
        else:
            high = middle - 1
    return low


def _utf16(text: str) -> int:
    """The length in JavaScript's units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


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
        news = words.headline(error)
        doing = "" if whole else news  # a whole chat has a card for it
    elif retry is not None:
        news = words.announce_wait(retry)
    elif running and chat.status_word == "interrupting":
        doing = news = words.STOPPING
    elif running and chat.status_word == "pending":
        doing = news = words.PENDING
    elif running:
        doing = words.activity(parts[-1] if parts else None)
        news = words.CONTINUES if chat.waits and parts else words.answering(label)
    elif parts:
        news = words.COMPLETE
    elif not whole:
        news = f"{words.STOPPED}."
    facts = Facts(
        label=label,
        doing=doing,
        news=news,
        over=not running,
        retry=_countdown(retry, until),
        waiting=Waiting(since=since) if running and retry is None and error is None and not chat.flight and not at_work else None,
        commands=commands if error is None or words.may_pass(error) else tuple(name for name in commands if name != "again"),
    )
    return _with_chat(facts, chat, error, blocked) if whole else facts


def _with_chat(facts: Facts, chat: Transcript, error: ErrorEvent | None, blocked: str) -> Facts:
    """With what a view of the whole chat shows besides."""
    prompt = chat.prompt()
    return replace(
        facts,
        error=None if error is None else _failure_card(error),
        title=shown(chat.title.title) if chat.title else "",
        status=words.status_words(chat.status_word),
        context=context_use(chat.messages),
        queue=tuple(
            QueuedMessage(id=q.id, text=shown(text_of(q.parts))[:MAX_DRAFT], model=single_line(q.model or "", 200)) for q in chat.queued
        ),
        blocked=blocked,
        last=None if prompt is None else shown(prompt.text)[:MAX_DRAFT],
    )


def retry_facts(call: Transcript, *, name: str, until: int) -> Facts:
    """The facts of one call of `chatkit.retry`."""
    news = "" if call.retry is None else words.announce_wait(call.retry)
    return Facts(label=single_line(name, 200), news=news, retry=_countdown(call.retry, until), commands=("stop", "retry"))


def _failure_card(error: ErrorEvent) -> FailureCard:
    detail = shown(error.detail)[:500]
    title = words.detail_title(error)
    return FailureCard(title=words.headline(error), advice=words.advice(error), about=words.about(error), detail=detail, detail_title=title)


def _countdown(retry: Retry | None, until: int) -> Countdown | None:
    if retry is None:
        return None
    return Countdown(
        until=until,
        why=words.failed_attempt(retry),
        about=words.about(retry),
        detail=shown(retry.detail)[:500],
        detail_title=words.detail_title(retry),
        warning=words.unreached_line(retry),
    )


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
