"""A document as safe Markdown, as plain text, and as the bundle of all forms that a cell holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from chatkit.display.document import Asked, Failure, Label, Note, Piece, Prompt, Sources, Title, ToolUse
from chatkit.display.html_writer import reasoning_title, write_html
from chatkit.display.markdown.parse import is_safe_url, shorten
from chatkit.display.markdown.source import escape_markdown, render_markdown
from chatkit.display.plain_text import shown, single_line
from chatkit.display.words import ASKED, PROVIDER_SAID, SOURCES, SUMMARIZED, YOU, advice, file_line, headline, tool_line
from chatkit.parts import File, Reasoning, Source, Text

MAX_SUMMARY = 4_000
"""Characters of a compaction's summary that the Markdown shows."""


def bundle(document: Sequence[Piece]) -> dict[str, str]:
    """A document by MIME type: HTML, Markdown and plain text."""
    return {"text/html": write_html(document), "text/markdown": write_markdown(document), "text/plain": write_text(document)}


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
            lines = [*piece.text.split("\n"), *map(file_line, piece.files)]
            text = "\\\n".join(escape_markdown(line.strip()) or "&nbsp;" for line in lines if line or piece.text)
            return _quoted(f"**{YOU}**\\\n{text}")
        case Asked():
            return f"**{ASKED}** {escape_markdown(' '.join(piece.text.split()))}"
        case Text():
            return render_markdown(piece.text)
        case Reasoning():
            return _quoted(f"**{escape_markdown(reasoning_title(piece))}**\n\n{render_markdown(piece.text)}")
        case ToolUse():
            line, summary = _emphasized(tool_line(piece.call, piece.result)), _summary(piece)
            return f"{line}\n\n{_quoted(render_markdown(summary))}" if summary else line
        case File():
            return _emphasized(file_line(piece))
        case Sources():
            return f"{SOURCES} {', '.join(map(_link, piece.cited))}"
        case Failure(error):
            pieces = [f"**{escape_markdown(headline(error))}**", escape_markdown(advice(error))]
            if detail := single_line(error.detail, 500):
                pieces.append(f"> {PROVIDER_SAID}: {escape_markdown(detail)}")
            return "\n\n".join(pieces)
        case _:
            assert_never(piece)


def _emphasized(text: str) -> str:
    return f"*{escape_markdown(text)}*"


def _quoted(source: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in source.split("\n"))


def _summary(use: ToolUse) -> str:
    result = use.result.result if use.name == SUMMARIZED and use.result is not None and not use.result.is_error else None
    summary = result.get("summary") if isinstance(result, dict) else result
    return summary if isinstance(summary, str) and len(summary) <= MAX_SUMMARY else ""


def _link(source: Source) -> str:
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
            return "\n".join(filter(None, [f"{YOU}: {piece.text}", *map(file_line, piece.files)]))
        case Asked():
            return f"{ASKED} {piece.text}"
        case Text():
            return shown(shorten(piece.text)).strip("\n")
        case Reasoning():
            return f"({reasoning_title(piece)}) {single_line(piece.text, 200)}"
        case ToolUse():
            return tool_line(piece.call, piece.result)
        case File():
            return file_line(piece)
        case Sources():
            return f"{SOURCES} {', '.join(single_line(s.title or s.url, 120) for s in piece.cited)}"
        case Failure(error):
            return f"{headline(error)}\n{advice(error)}"
        case _:
            assert_never(piece)
