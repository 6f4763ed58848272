"""What stays of a turn when it is over: HTML, Markdown and plain text that need no kernel, no script and no style sheet.

Pure functions of what was said. They tell nothing that differs from run to run (no clock time, id or duration), so
that a notebook's saved output can be compared with the next run's.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chatkit.display.blocks import blocks_of, shown_of, turns_of
from chatkit.display.frozen_forms import FORMS, Form, HtmlForm
from chatkit.display.markdown.source import escape_markdown
from chatkit.display.plain_text import shown, single_line
from chatkit.display.wording import SUMMARIZED, Wait, retries_line, sentence, stop_line, stopped_line
from chatkit.events import ErrorEvent
from chatkit.parts import File, Message, Part, Reasoning, StopReason, Text, ToolCall, text_of

UNFINISHED = "The reply was still being written when this was saved."
_MOST_MESSAGES = 200
_MOST_CHARACTERS = 1_000_000
"""Text and image bytes of a transcript: what a notebook can hold and a browser can open."""
_LONGEST_QUESTION = 20_000


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """All that is shown of a turn that is over.

    Attributes
    ----------
    parts : tuple of Part
        What was said.
    model : str
        The model's label.
    question : str
        What was asked: shown where no answer came.
    waits : tuple of (float, str)
        The waits between attempts in seconds, as scheduled, each with its cause.
    stop_reason : str or None
        Why the model stopped.
    stopped : bool
        A person ended it.
    stopped_in : (float, str) or None
        The wait that the person ended it in.
    error : ErrorEvent or None
        Why no answer came.
    """

    parts: tuple[Part, ...] = ()
    model: str = ""
    question: str = ""
    waits: tuple[Wait, ...] = ()
    stop_reason: StopReason | None = None
    stopped: bool = False
    stopped_in: Wait | None = None
    error: ErrorEvent | None = None


def frozen_bundle(turn: Finished) -> dict[str, str]:
    """The turn as a MIME bundle: ``text/html``, ``text/markdown`` and ``text/plain``.

    Parameters
    ----------
    turn : Finished
        What was said, and how it ended.
    """
    return {mime: _written(form, turn, footnotes(turn)) for mime, form in FORMS.items()}


def unfinished_bundle(turn: Finished) -> dict[str, str]:
    """What a notebook holds that was saved, or lost its kernel, while the turn was running.

    Parameters
    ----------
    turn : Finished
        What was said until then.
    """
    return {mime: _written(form, turn, [UNFINISHED]) for mime, form in FORMS.items()}


def reply_html(turn: Finished) -> str:
    """The turn as safe HTML, styled inline."""
    return _written(FORMS["text/html"], turn, footnotes(turn))


def reply_markdown(turn: Finished) -> str:
    """The turn as safe Markdown."""
    return _written(FORMS["text/markdown"], turn, footnotes(turn))


def reply_plain(turn: Finished) -> str:
    """The turn as plain text."""
    return _written(FORMS["text/plain"], turn, footnotes(turn))


def transcript_bundle(
    messages: Sequence[Message], *, title: str, model: str, error: ErrorEvent | None = None, note: str = ""
) -> dict[str, str]:
    """A whole chat as a MIME bundle.

    Parameters
    ----------
    messages : sequence of Message
        What was committed, in order. What only the model sees, and what the system says to it, is not shown.
    title, model : str
        The chat's title, and the model's label.
    error : ErrorEvent, optional
        Why the last turn gave no answer.
    note : str
        A last line.
    """
    seen = shown_of(messages)
    kept = _newest(seen)
    pieces = {mime: _transcript(form, kept, len(seen) - len(kept), title, model) for mime, form in FORMS.items()}
    return {
        mime: form.joined([*pieces[mime], form.error(error) if error else "", form.small(sentence(note)) if note else ""])
        for mime, form in FORMS.items()
    }


def _newest(messages: Sequence[Message]) -> Sequence[Message]:
    """As many of the last messages as a notebook can hold, and at least one."""
    size = 0
    for n, message in enumerate(reversed(messages)):
        size += sum(len(p.text) if isinstance(p, Text | Reasoning) else len(p.data) if isinstance(p, File) else 0 for p in message.parts)
        if n and (n == _MOST_MESSAGES or size > _MOST_CHARACTERS):
            return messages[-n:]
    return messages


def _transcript(form: Form, messages: Sequence[Message], left_out: int, title: str, model: str) -> list[str]:
    pieces = [form.title(single_line(title, 120) or "New Chat"), form.label(single_line(model, 120)) if model else ""]
    if left_out:
        pieces.append(form.small(f"{left_out:,} earlier message{'s are' if left_out > 1 else ' is'} not shown."))
    for question, answer in turns_of(messages):
        if question is not None:
            text = shown(text_of(question.parts))
            text = text if len(text) <= _LONGEST_QUESTION else f"{text[:_LONGEST_QUESTION]}…"
            pieces.append(form.user(text, [p for p in question.parts if isinstance(p, File)]))
        blocks, cited = blocks_of(p for m in answer for p in m.parts)
        pieces += [*map(form.block, blocks), form.sources(cited), *map(form.small, ending_of(answer))]
    return pieces if messages else [*pieces, form.small("No messages yet.")]


def ending_of(answer: Sequence[Message]) -> list[str]:
    """How an answer ended, where the reader should know of it: at most one line.

    Parameters
    ----------
    answer : sequence of Message
        The committed messages that followed a question.
    """
    last = next((m for m in reversed(answer) if m.role == "assistant" and not _is_summary(m)), None)
    if last is None:
        return []
    if last.stop_reason is None and last.provider_stop_reason is None:
        return [stopped_line(None, any(isinstance(p, Text) and p.text for m in answer for p in m.parts))]
    return list(filter(None, [stop_line(last.stop_reason)]))


def _is_summary(message: Message) -> bool:
    """The call of a compaction, which nothing interrupted."""
    return all(isinstance(p, ToolCall) and p.tool_name == SUMMARIZED for p in message.parts)


def retry_bundle(name: str, waits: Sequence[Wait], ending: str = "") -> dict[str, str]:
    """What stays of a `chatkit.retry` that had to wait: one line, as a MIME bundle.

    Parameters
    ----------
    name : str
        The function's name.
    waits : sequence of (float, str)
        Its waits in seconds, as scheduled, each with its cause.
    ending : str
        How it ended, where it did not end well.
    """
    line = f"{single_line(name, 120)}: " + ". ".join(filter(None, [retries_line(waits), sentence(ending)]))
    return {"text/html": HtmlForm().small(line).rstrip("\n"), "text/markdown": f"*{escape_markdown(line)}*", "text/plain": line}


def footnotes(turn: Finished) -> list[str]:
    """The lines below the reply: how it ended, and what the retries were."""
    if turn.error is not None:
        ending = ""
    elif turn.stopped or turn.stopped_in:
        ending = stopped_line(turn.stopped_in, any(isinstance(p, Text) and p.text for p in turn.parts))
    else:
        ending = stop_line(turn.stop_reason)
    return list(filter(None, [ending, retries_line(turn.waits)]))


def _written(form: Form, turn: Finished, notes: Sequence[str]) -> str:
    blocks, cited = blocks_of(turn.parts)
    # the question, where it has to be said: the cell may hold no more than a variable's name
    question = shown(turn.question).strip() if turn.error is not None or not blocks else ""
    question = question if len(question) <= 2000 else f"{question[:2000]}…"
    pieces = [
        form.label(single_line(turn.model, 120)) if turn.model else "",
        form.asked(question) if question else "",
        *map(form.block, blocks),
        form.sources(cited),
        form.error(turn.error) if turn.error is not None else "",
        *map(form.small, notes),
    ]
    return form.joined(pieces)
