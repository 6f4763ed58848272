"""What stays of a turn when it is over: HTML, Markdown and plain text that need no kernel, no script and no style sheet.

Pure functions of what was said. They tell nothing that differs from run to run (no clock time, id or duration), so
that a notebook's saved output can be compared with the next run's.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import assert_never

import msgspec

from chatkit.display.blocks import Block, blocks_of
from chatkit.display.markdown import is_safe_url, preformatted, render_html, shorten
from chatkit.display.markdown_source import escape_markdown, render_markdown
from chatkit.display.plain_text import shown, single_line
from chatkit.display.wording import Wait, advice, headline, retries_line, sentence, stop_line, stopped_line, tool_line
from chatkit.events import ErrorEvent
from chatkit.parts import File, Part, Reasoning, Source, StopReason, Text, ToolCall, ToolResult

__all__ = ["Finished", "footnotes", "frozen_bundle", "reply_html", "reply_markdown", "reply_plain", "retry_bundle", "unfinished_bundle"]

_SMALL = "font-size:88%;opacity:0.75;margin:4px 0"
_LABEL = "font-size:88%;opacity:0.75;margin:8px 0"
_WARNING = "border-left:3px solid #d84315;background-color:rgba(216, 67, 21, 0.08);padding:8px 12px;margin:4px 0"
_UNFINISHED = "The reply was still being written when this was saved."


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
    return {"text/html": reply_html(turn), "text/markdown": reply_markdown(turn), "text/plain": reply_plain(turn)}


def unfinished_bundle(turn: Finished) -> dict[str, str]:
    """What a notebook holds that was saved, or lost its kernel, while the turn was running.

    Parameters
    ----------
    turn : Finished
        What was said until then.
    """
    return {
        "text/html": _html(turn, [_UNFINISHED]),
        "text/markdown": _markdown(turn, [_UNFINISHED]),
        "text/plain": _plain(turn, [_UNFINISHED]),
    }


def reply_html(turn: Finished) -> str:
    """The turn as safe HTML, styled inline."""
    return _html(turn, footnotes(turn))


def reply_markdown(turn: Finished) -> str:
    """The turn as safe Markdown."""
    return _markdown(turn, footnotes(turn))


def reply_plain(turn: Finished) -> str:
    """The turn as plain text."""
    return _plain(turn, footnotes(turn))


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
    return {"text/html": _small_html(line).rstrip("\n"), "text/markdown": f"*{escape_markdown(line)}*", "text/plain": line}


def footnotes(turn: Finished) -> list[str]:
    """The lines below the reply: how it ended, and what the retries were."""
    if turn.error is not None:
        ending = ""
    elif turn.stopped or turn.stopped_in:
        ending = stopped_line(turn.stopped_in, any(isinstance(p, Text) and p.text for p in turn.parts))
    else:
        ending = stop_line(turn.stop_reason)
    return list(filter(None, [ending, retries_line(turn.waits)]))


def _asked(turn: Finished, blocks: Sequence[Block]) -> str:
    """The question, where it has to be said: the cell may hold no more than a variable's name."""
    question = shown(turn.question).strip() if turn.error is not None or not blocks else ""
    return question if len(question) <= 2000 else f"{question[:2000]}…"


def _title(part: Reasoning) -> str:
    return single_line(part.title, 120) or "Reasoning"


def _html(turn: Finished, footnotes: Sequence[str]) -> str:
    blocks, sources = blocks_of(turn.parts)
    pieces = ['<div class="chatkit-reply">\n']
    if turn.model:
        pieces.append(f'<div style="{_LABEL}">{escape(single_line(turn.model, 120))}</div>\n')
    if question := _asked(turn, blocks):
        pieces.append(f'<div style="margin:4px 0;white-space:pre-wrap"><strong>You asked:</strong> {escape(question)}</div>\n')
    pieces += map(_block_html, blocks)
    if sources:
        pieces.append(f'<div style="{_SMALL}">Sources: {", ".join(map(_source_html, sources))}</div>\n')
    if turn.error is not None:
        pieces.append(_error_html(turn.error))
    return "".join([*pieces, *map(_small_html, footnotes), "</div>"])


def _small_html(text: str) -> str:
    return f'<div style="{_SMALL}">{escape(text)}</div>\n'


def _block_html(part: Block) -> str:
    match part:
        case Text():
            return render_html(part.text)
        case Reasoning():
            summary = f'<summary style="cursor:pointer">{escape(_title(part))}</summary>'
            return f'<details style="{_SMALL}">{summary}\n{render_html(part.text)}</details>\n'
        case ToolCall() | ToolResult() | File():
            return _small_html(tool_line(part))
        case _:
            assert_never(part)


def _source_html(source: Source) -> str:
    label = escape(single_line(source.title or source.url, 120))
    return f'<a href="{escape(source.url)}" rel="noopener noreferrer">{label}</a>' if is_safe_url(source.url) else label


def _error_html(error: ErrorEvent) -> str:
    lines = [f"<strong>{escape(headline(error))}</strong>", f"<div>{escape(advice(error))}</div>"]
    if detail := shown(error.detail).strip():
        lines.append(f'<details><summary style="cursor:pointer">What the provider said</summary>{preformatted(detail)}</details>')
    return f'<div style="{_WARNING}">' + "\n".join(lines) + "</div>\n"


def _markdown(turn: Finished, footnotes: Sequence[str]) -> str:
    blocks, sources = blocks_of(turn.parts)
    pieces = [_small_markdown(single_line(turn.model, 120))] if turn.model else []
    if question := _asked(turn, blocks):
        pieces.append(f"**You asked:** {escape_markdown(' '.join(question.split()))}")
    pieces += map(_block_markdown, blocks)
    if sources:
        pieces.append(f"Sources: {', '.join(map(_source_markdown, sources))}")
    if turn.error is not None:
        pieces += [f"**{escape_markdown(headline(turn.error))}**", escape_markdown(advice(turn.error))]
        if detail := single_line(turn.error.detail, 500):
            pieces.append(f"> What the provider said: {escape_markdown(detail)}")
    return "\n\n".join(filter(None, [*pieces, *map(_small_markdown, footnotes)]))


def _small_markdown(text: str) -> str:
    return f"*{escape_markdown(text)}*"


def _block_markdown(part: Block) -> str:
    match part:
        case Text():
            return render_markdown(part.text)
        case Reasoning():
            quoted = "\n".join(f"> {line}".rstrip() for line in render_markdown(part.text).split("\n"))
            return f"> **{escape_markdown(_title(part))}**\n>\n{quoted}"
        case ToolCall() | ToolResult() | File():
            return _small_markdown(tool_line(part))
        case _:
            assert_never(part)


def _source_markdown(source: Source) -> str:
    label = escape_markdown(single_line(source.title or source.url, 120))
    if not is_safe_url(source.url) or set("<>\n\\") & set(source.url):
        return label
    return render_markdown(f"[{label}](<{source.url}>)")


def _plain(turn: Finished, footnotes: Sequence[str]) -> str:
    blocks, sources = blocks_of(turn.parts)
    pieces = [f"[{single_line(turn.model, 120)}]"] if turn.model else []
    if question := _asked(turn, blocks):
        pieces.append(f"You asked: {question}")
    pieces += map(_block_plain, blocks)
    if sources:
        pieces.append(f"Sources: {', '.join(single_line(s.title or s.url, 120) for s in sources)}")
    if turn.error is not None:
        pieces.append(f"{headline(turn.error)}\n{advice(turn.error)}")
    return "\n\n".join(filter(None, [*pieces, *footnotes]))


def _block_plain(part: Block) -> str:
    match part:
        case Text():
            return shown(shorten(part.text)).strip("\n")
        case Reasoning():
            return f"({_title(part)}) {single_line(part.text, 200)}"
        case ToolCall() | ToolResult() | File():
            return tool_line(part)
        case _:
            assert_never(part)
