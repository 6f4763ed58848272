"""A document as safe HTML, as safe Markdown and as plain text: what needs no kernel, no script and no style sheet.

A notebook that isn't trusted drops style sheets, so every style of the HTML is inline. Every state is written out beside
its sign, so that nothing depends on colour alone.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Sequence
from html import escape
from typing import Any, assert_never

import msgspec

from chatkit.display import tool_words, words
from chatkit.display.document import Asked, Failure, Label, Note, Original, Piece, Prompt, Sources, Title, ToolUse
from chatkit.display.markdown.parse import is_safe_url, preformatted, render_html, shorten, text_html, without_empty_lines
from chatkit.display.markdown.source import escape_markdown, render_markdown
from chatkit.display.plain_text import as_json, shown, single_line
from chatkit.parts import File, Reasoning, Source, Text

MAX_RESULT = 20_000
"""Characters of one result, or of one call's arguments, that are shown."""
MAX_IMAGE = 1_000_000
"""Bytes of an image in a saved output; a larger one is a line."""
MAX_LIVE_IMAGE = 5_000_000
"""The same in a living view."""

MAX_SUMMARY = 4_000
"""Characters of a compaction's summary that the Markdown shows."""

_SMALL = "font-size:88%;opacity:0.8;margin:4px 0"
_LABEL = "font-size:88%;opacity:0.8;margin:8px 0"
_WARNING = "border-left:3px solid #d84315;background-color:rgba(216, 67, 21, 0.08);padding:8px 12px;margin:4px 0"
_PROMPT = "background-color:#8882;border-radius:4px;padding:6px 12px;margin:12px 0 8px 0"
_CARD = "border:1px solid #8886;border-radius:4px;padding:4px 10px;margin:6px 0;font-size:92%;overflow-wrap:break-word"
_SPINNER = '<span class="chatkit-spinner" aria-hidden="true"></span>'
_ICONS: dict[tool_words.ToolState, str] = {"running": _SPINNER, "done": "✓", "failed": "✗", "not run": "–"}
_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"GIF87a": "gif", b"GIF89a": "gif"}


def bundle(document: Sequence[Piece]) -> dict[str, str]:
    """A document by MIME type: HTML, Markdown and plain text."""
    return {"text/html": write_html(document), "text/markdown": write_markdown(document), "text/plain": write_text(document)}


def write_html(document: Sequence[Piece]) -> str:
    """A document in one element; a single line needs none around it."""
    if len(document) == 1 and isinstance(document[0], Note):
        return _small(document[0].text).rstrip("\n")
    # nbconvert --to markdown puts this into Markdown, where HTML ends at an empty line: code could act behind it
    return without_empty_lines(f'<div class="chatkit-reply" style="overflow-wrap:break-word">\n{"".join(map(html_of, document))}</div>')


def html_of(piece: Piece, *, running: bool = False, max_image: int = MAX_IMAGE) -> str:
    """One piece; in a turn that is `running`, a call without a result is at work."""
    match piece:
        case Title():
            return f'<div style="font-weight:bold;margin:4px 0">{text_html(piece.text)}</div>\n'
        case Label():
            return f'<div style="{_LABEL}">{text_html(piece.text)}</div>\n'
        case Prompt():
            pre_wrap = "white-space:pre-wrap;overflow-wrap:break-word"
            text = f'<div dir="auto" style="{pre_wrap}">{text_html(piece.text)}</div>\n' if piece.text else ""
            return f'<div style="{_PROMPT}"><strong>{words.YOU}</strong>\n{text}{"".join(map(html_of, piece.files))}</div>\n'
        case Asked():
            return f'<div style="margin:4px 0;white-space:pre-wrap"><strong>{words.ASKED}</strong> {text_html(piece.text)}</div>\n'
        case Text():
            return render_html(piece.text)
        case Reasoning():
            summary = f'<summary style="cursor:pointer">{text_html(reasoning_title(piece))}</summary>'
            return f'<details style="{_SMALL}">{summary}\n{render_html(piece.text)}</details>\n'
        case ToolUse() if piece.name == tool_words.SUMMARIZED:
            return _compaction(piece, running)
        case ToolUse():
            return _call(piece, running)
        case File():
            return _file(piece, max_image)
        case Sources():
            return f'<div style="{_SMALL}">{words.SOURCES} {", ".join(map(_source, piece.cited))}</div>\n'
        case Original():
            return f"<!--chatkit:{base64.b64encode(piece.text.encode()).decode()}-->"
        case Failure(error):
            lines = [f"<strong>{text_html(words.headline(error))}</strong>", f"<div>{text_html(words.advice(error))}</div>"]
            if detail := shown(error.detail).strip():
                lines.append(
                    f'<details><summary style="cursor:pointer">{words.detail_title(error)}</summary>{preformatted(detail)}</details>'
                )
            return f'<div style="{_WARNING}">' + "\n".join(lines) + "</div>\n"
        case Note():
            return _small(piece.text)
        case _:
            assert_never(piece)


def reasoning_title(part: Reasoning) -> str:
    """What the fold of a part of reasoning is called."""
    return single_line(part.title, 120) or words.REASONING


def _small(text: str) -> str:
    return f'<div style="{_SMALL}">{text_html(text)}</div>\n'


def _call(use: ToolUse, running: bool) -> str:
    """A call with its result as one folded card."""
    state = tool_words.tool_state(use.call, use.result, running=running)
    name, arguments = single_line(use.name, 80) or tool_words.A_TOOL, single_line(tool_words.tool_arguments(use.call), 160)
    outcome = f"{state}, {tool_words.BY_PROVIDER}" if use.by_provider else state
    summary = f"<strong>{text_html(name)}</strong>{f'({text_html(arguments)})' if arguments else ''} · {outcome}"
    pieces = []
    if use.call is not None and (use.call.args or use.call.args_delta):
        pieces += [_small(tool_words.ARGUMENTS), _indented(use.call.args if use.call.args is not None else use.call.args_delta)]
    if use.result is not None:
        pieces += [_small(tool_words.WRONG if use.result.is_error else tool_words.RESULT), _indented(use.result.result)]
    return _card(state, summary, pieces)


def _compaction(use: ToolUse, running: bool) -> str:
    """The card of a compaction: for the model, a summary takes the place of the history."""
    state = tool_words.tool_state(use.call, use.result, running=running)
    result = use.result.result if use.result is not None else None
    fields: dict[str, Any] = result if isinstance(result, dict) else {}
    pieces = [_small(line) for line in [tool_words.context_line(fields)] if line]
    if use.result is not None and use.result.is_error:
        pieces.append(_indented(fields.get("error", result)))
    elif summary := fields.get("summary", result if isinstance(result, str) else ""):
        pieces.append(render_html(summary) if isinstance(summary, str) else _indented(summary))
    return _card(state, tool_words.summarizing(state), pieces)


def _card(state: tool_words.ToolState, summary: str, pieces: Sequence[str]) -> str:
    """A card that folds, where there is something to unfold."""
    summary = f'<span aria-hidden="true">{_ICONS[state]}</span> {summary}'
    if not pieces:
        return f'<div class="chatkit-card" style="{_CARD}">{summary}</div>\n'
    summary = f'<summary style="cursor:pointer">{summary}</summary>'
    return f'<details class="chatkit-card" style="{_CARD}">{summary}\n{"".join(pieces)}</details>\n'


def _indented(value: Any) -> str:
    """A value as indented JSON, a text without change."""
    if isinstance(value, str):
        text = value
        if len(value) <= MAX_RESULT and value.lstrip()[:1] in ("{", "["):
            with contextlib.suppress(msgspec.DecodeError, RecursionError):
                text = as_json(msgspec.json.decode(value), indent=2)
    else:
        text = as_json(value, indent=2)
    more = len(text) - MAX_RESULT
    return preformatted(text if more <= 0 else f"{text[:MAX_RESULT]}\n{tool_words.cut_line(more)}")


def _file(file: File, max_image: int) -> str:
    """An image with its data in it, or a line about any other file. Nothing is ever loaded from elsewhere.

    The bytes say whether it is a PNG, JPEG, GIF or WebP; the type that it claims doesn't count.
    """
    title = single_line(file.title, 160)
    kind = _image_kind(file.data)
    if kind and len(file.data) <= max_image:
        data = base64.b64encode(file.data).decode()
        return f'<img src="data:image/{kind};base64,{data}" alt="{escape(title or "image")}" style="max-width:100%;height:auto">\n'
    what = _link(file.url, title or single_line(file.url, 160)) if is_safe_url(file.url) else text_html(tool_words.file_name(file))
    return f'<div style="{_SMALL}">File: {what}</div>\n'


def _image_kind(data: bytes) -> str:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return next((kind for signature, kind in _SIGNATURES.items() if data.startswith(signature)), "")


def _source(source: Source) -> str:
    label = single_line(source.title or source.url, 120)
    return _link(source.url, label) if is_safe_url(source.url) else text_html(label)


def _link(url: str, label: str) -> str:
    return f'<a href="{escape(shown(url))}" rel="noopener noreferrer">{text_html(label)}</a>'


def write_markdown(document: Sequence[Piece]) -> str:
    """A document as Markdown in which nothing can act."""
    return "\n\n".join(filter(None, map(_markdown_of, document)))


def write_text(document: Sequence[Piece]) -> str:
    """A document as plain text."""
    return "\n\n".join(filter(None, map(_text_of, document)))


def _markdown_of(piece: Piece) -> str:
    match piece:
        case Title():
            return f"**{escape_markdown(piece.text)}**"
        case Label() | Note():
            return _emphasized(piece.text)
        case Prompt():
            lines = [*piece.text.split("\n"), *map(tool_words.file_line, piece.files)]
            text = "  \n".join(escape_markdown(line.strip()) or "&nbsp;" for line in lines if line or piece.text)
            return _quoted(f"**{words.YOU}**  \n{text}")
        case Asked():
            return f"**{words.ASKED}** {escape_markdown(' '.join(piece.text.split()))}"
        case Text():
            return render_markdown(piece.text)
        case Reasoning():
            return _quoted(f"**{escape_markdown(reasoning_title(piece))}**\n\n{render_markdown(piece.text)}")
        case ToolUse():
            line, summary = _emphasized(tool_words.tool_line(piece.call, piece.result)), _summary(piece)
            return f"{line}\n\n{_quoted(render_markdown(summary))}" if summary else line
        case File():
            return _emphasized(tool_words.file_line(piece))
        case Sources():
            return f"{words.SOURCES} {', '.join(map(_markdown_link, piece.cited))}"
        case Original():
            return ""
        case Failure(error):
            pieces = [f"**{escape_markdown(words.headline(error))}**", escape_markdown(words.advice(error))]
            if detail := single_line(error.detail, 500):
                pieces.append(f"> {words.detail_title(error)}: {escape_markdown(detail)}")
            return "\n\n".join(pieces)
        case _:
            assert_never(piece)


def _emphasized(text: str) -> str:
    return f"*{escape_markdown(text)}*"


def _quoted(source: str) -> str:
    return "\n".join(f"> {line}" if line else ">" for line in source.split("\n"))


def _summary(use: ToolUse) -> str:
    result = use.result.result if use.name == tool_words.SUMMARIZED and use.result is not None and not use.result.is_error else None
    summary = result.get("summary") if isinstance(result, dict) else result
    return summary if isinstance(summary, str) and len(summary) <= MAX_SUMMARY else ""


def _markdown_link(source: Source) -> str:
    label = escape_markdown(single_line(source.title or source.url, 120))
    if not is_safe_url(source.url) or set("<>\n\\") & set(source.url):
        return label
    return render_markdown(f"[{label}](<{source.url}>)")


def _text_of(piece: Piece) -> str:
    match piece:
        case Title() | Note():
            return piece.text
        case Label():
            return f"[{piece.text}]"
        case Prompt():
            return "\n".join(filter(None, [f"{words.YOU}: {piece.text}", *map(tool_words.file_line, piece.files)]))
        case Asked():
            return f"{words.ASKED} {piece.text}"
        case Text():
            return shown(shorten(piece.text)).strip("\n")
        case Reasoning():
            return f"({reasoning_title(piece)}) {single_line(piece.text, 200)}"
        case ToolUse():
            return tool_words.tool_line(piece.call, piece.result)
        case File():
            return tool_words.file_line(piece)
        case Sources():
            return f"{words.SOURCES} {', '.join(single_line(s.title or s.url, 120) for s in piece.cited)}"
        case Original():
            return ""
        case Failure(error):
            return f"{words.headline(error)}\n{words.advice(error)}"
        case _:
            assert_never(piece)
