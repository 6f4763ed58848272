"""What a turn shows beside its words, as HTML: calls with their results, compaction, images, sources.

Styled inline and without a script, as a notebook that isn't trusted demands. Every state is said in words beside its
sign, so that colour carries nothing alone.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Sequence
from html import escape
from typing import Any

import msgspec

from chatkit.display.blocks import ToolUse
from chatkit.display.markdown.parse import is_safe_url, preformatted, render_html
from chatkit.display.plain_text import as_json, shown, single_line
from chatkit.display.wording import SUMMARIZED, ToolState, context_line, file_words, summarizing, tool_arguments, tool_state
from chatkit.parts import File, Source

_LONGEST = 20_000
"""Characters of one result, or of one call's arguments, that are shown."""
_SMALL = "font-size:88%;opacity:0.8;margin:4px 0"
_CARD = "border:1px solid #8886;border-radius:4px;padding:4px 10px;margin:6px 0;font-size:92%;overflow-wrap:break-word"
_SPINNER = '<span class="chatkit-spinner" aria-hidden="true"></span>'
_ICONS: dict[ToolState, str] = {"running": _SPINNER, "done": "✓", "failed": "✗", "not run": "–"}
_MAGIC = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"GIF87a": "gif", b"GIF89a": "gif"}


def tool_card(use: ToolUse, *, running: bool) -> str:
    """A call with its result as one folded card; a compaction as `summary_card`.

    Parameters
    ----------
    use : ToolUse
        The call, its result, or both.
    running : bool
        Whether the turn still runs: a call without a result is then at work, and was never run otherwise.

    Returns
    -------
    str
        HTML that stands for itself.
    """
    if use.name == SUMMARIZED:
        return summary_card(use, running=running)
    state = tool_state(use, running=running)
    name, arguments = single_line(use.name, 80) or "a tool", single_line(tool_arguments(use.call), 160)
    words = f"{state}, run by the provider" if use.by_provider else state
    summary = f"<strong>{escape(name)}</strong>{f'({escape(arguments)})' if arguments else ''} · {words}"
    pieces = []
    if use.call is not None and (use.call.args or use.call.args_delta):
        pieces += [_small("Arguments"), _laid_out(use.call.args if use.call.args is not None else use.call.args_delta)]
    if use.result is not None:
        pieces += [_small("What went wrong" if use.result.is_error else "Result"), _laid_out(use.result.result)]
    return _card(state, summary, pieces)


def summary_card(use: ToolUse, *, running: bool) -> str:
    """Compaction: for the model, a summary takes the place of the history.

    Parameters
    ----------
    use : ToolUse
        The call ``chat_summarized``, its result, or both.
    running : bool
        Whether the turn still runs.
    """
    state = tool_state(use, running=running)
    result = use.result.result if use.result is not None else None
    facts: dict[str, Any] = result if isinstance(result, dict) else {}
    pieces = [_small(line) for line in [context_line(facts)] if line]
    if use.result is not None and use.result.is_error:
        pieces.append(_laid_out(facts.get("error", result)))
    elif summary := facts.get("summary", result if isinstance(result, str) else ""):
        pieces.append(render_html(summary) if isinstance(summary, str) else _laid_out(summary))
    return _card(state, summarizing(state), pieces)


def _card(state: ToolState, summary: str, pieces: Sequence[str]) -> str:
    """Folded where there is something to unfold."""
    summary = f'<span aria-hidden="true">{_ICONS[state]}</span> {summary}'
    if not pieces:
        return f'<div class="chatkit-card" style="{_CARD}">{summary}</div>\n'
    summary = f'<summary style="cursor:pointer">{summary}</summary>'
    return f'<details class="chatkit-card" style="{_CARD}">{summary}\n{"".join(pieces)}</details>\n'


def _small(text: str) -> str:
    return f'<div style="{_SMALL}">{escape(text)}</div>\n'


def _laid_out(value: Any) -> str:
    """JSON indented, a text as it stands."""
    if isinstance(value, str):
        text = value
        if len(value) <= _LONGEST and value.lstrip()[:1] in ("{", "["):
            with contextlib.suppress(msgspec.DecodeError, RecursionError):
                text = as_json(msgspec.json.decode(value), indent=2)
    else:
        text = as_json(value, indent=2)
    more = len(text) - _LONGEST
    return preformatted(text if more <= 0 else f"{text[:_LONGEST]}\n… ({more:,} more characters are in the chat's messages)")


def image(file: File, *, largest: int = 5_000_000) -> str:
    """A picture with its data in it, or a line in words about any other file. Nothing is ever loaded from elsewhere.

    Parameters
    ----------
    file : File
        What a message holds. Its bytes say whether it is a PNG, JPEG, GIF or WebP; what it calls itself doesn't count.
    largest : int
        Bytes beyond which a picture is a line.
    """
    title = single_line(file.title, 160)
    kind = _kind(file.data)
    if kind and len(file.data) <= largest:
        data = base64.b64encode(file.data).decode()
        return f'<img src="data:image/{kind};base64,{data}" alt="{escape(title or "image")}" style="max-width:100%;height:auto">\n'
    if is_safe_url(file.url):
        what = f'<a href="{escape(shown(file.url))}" rel="noopener noreferrer">{escape(title or single_line(file.url, 160))}</a>'
    else:
        what = escape(file_words(file))
    return f'<div style="{_SMALL}">File: {what}</div>\n'


def _kind(data: bytes) -> str:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return next((kind for magic, kind in _MAGIC.items() if data.startswith(magic)), "")


def sources(cited: Sequence[Source]) -> str:
    """What a reply cites, as links on a line; nothing where there is none."""
    return f'<div style="{_SMALL}">Sources: {", ".join(map(_source, cited))}</div>\n' if cited else ""


def _source(source: Source) -> str:
    label = escape(single_line(source.title or source.url, 120))
    return f'<a href="{escape(shown(source.url))}" rel="noopener noreferrer">{label}</a>' if is_safe_url(source.url) else label
