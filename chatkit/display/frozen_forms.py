"""The pieces of what stays of a chat, in three forms that need no kernel: HTML styled inline, Markdown, plain text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Protocol, assert_never

from chatkit.display import cards
from chatkit.display.blocks import Block, ToolUse
from chatkit.display.markdown.parse import is_safe_url, preformatted, render_html, shorten
from chatkit.display.markdown.source import escape_markdown, render_markdown
from chatkit.display.plain_text import shown, single_line
from chatkit.display.wording import SUMMARIZED, advice, headline, tool_line
from chatkit.events import ErrorEvent
from chatkit.parts import File, Reasoning, Source, Text

_SMALL = "font-size:88%;opacity:0.8;margin:4px 0"
_LABEL = "font-size:88%;opacity:0.8;margin:8px 0"
_WARNING = "border-left:3px solid #d84315;background-color:rgba(216, 67, 21, 0.08);padding:8px 12px;margin:4px 0"
_YOU = "background-color:#8882;border-radius:4px;padding:6px 12px;margin:12px 0 8px 0"
_EMPTY_LINE = re.compile(r"\n([ \t]*)\n")
_LARGEST_IMAGE = 1_000_000
_QUOTED = 4_000
"""Characters of a summary that the Markdown shows."""


class Form(Protocol):
    """One way to write down a chat; every method gives one piece, and `joined` puts pieces together."""

    def title(self, text: str) -> str: ...
    def label(self, text: str) -> str: ...
    def asked(self, question: str) -> str: ...
    def user(self, text: str, files: Sequence[File]) -> str: ...
    def block(self, part: Block) -> str: ...
    def sources(self, cited: Sequence[Source]) -> str: ...
    def error(self, event: ErrorEvent) -> str: ...
    def small(self, text: str) -> str: ...
    def joined(self, pieces: Sequence[str]) -> str: ...


def _title(part: Reasoning) -> str:
    return single_line(part.title, 120) or "Reasoning"


class HtmlForm:
    """Safe HTML."""

    def title(self, text: str) -> str:
        return f'<div style="font-weight:bold;margin:4px 0">{escape(text)}</div>\n'

    def label(self, text: str) -> str:
        return f'<div style="{_LABEL}">{escape(text)}</div>\n'

    def asked(self, question: str) -> str:
        return f'<div style="margin:4px 0;white-space:pre-wrap"><strong>You asked:</strong> {escape(question)}</div>\n'

    def user(self, text: str, files: Sequence[File]) -> str:
        words = f'<div dir="auto" style="white-space:pre-wrap;overflow-wrap:break-word">{escape(text)}</div>\n' if text else ""
        return f'<div style="{_YOU}"><strong>You</strong>\n{words}{"".join(map(self.block, files))}</div>\n'

    def block(self, part: Block) -> str:
        match part:
            case Text():
                return render_html(part.text)
            case Reasoning():
                summary = f'<summary style="cursor:pointer">{escape(_title(part))}</summary>'
                return f'<details style="{_SMALL}">{summary}\n{render_html(part.text)}</details>\n'
            case ToolUse():
                return cards.tool_card(part, running=False)
            case File():
                return cards.image(part, largest=_LARGEST_IMAGE)
            case _:
                assert_never(part)

    def sources(self, cited: Sequence[Source]) -> str:
        return cards.sources(cited)

    def error(self, event: ErrorEvent) -> str:
        lines = [f"<strong>{escape(headline(event))}</strong>", f"<div>{escape(advice(event))}</div>"]
        if detail := shown(event.detail).strip():
            lines.append(f'<details><summary style="cursor:pointer">What the provider said</summary>{preformatted(detail)}</details>')
        return f'<div style="{_WARNING}">' + "\n".join(lines) + "</div>\n"

    def small(self, text: str) -> str:
        return f'<div style="{_SMALL}">{escape(text)}</div>\n'

    def joined(self, pieces: Sequence[str]) -> str:
        # nbconvert --to markdown puts this into Markdown, where HTML ends at an empty line: code could act behind it
        return _EMPTY_LINE.sub(r"\n\1&#10;", f'<div class="chatkit-reply">\n{"".join(pieces)}</div>')


class MarkdownForm:
    """Safe Markdown."""

    def title(self, text: str) -> str:
        return f"**{escape_markdown(text)}**"

    def label(self, text: str) -> str:
        return self.small(text)

    def asked(self, question: str) -> str:
        return f"**You asked:** {escape_markdown(' '.join(question.split()))}"

    def user(self, text: str, files: Sequence[File]) -> str:
        lines = [*text.split("\n"), *map(tool_line, files)]
        said = "\\\n".join(escape_markdown(line.strip()) or "&nbsp;" for line in lines if line or text)
        return _quoted(f"**You**\\\n{said}")

    def block(self, part: Block) -> str:
        match part:
            case Text():
                return render_markdown(part.text)
            case Reasoning():
                return _quoted(f"**{escape_markdown(_title(part))}**\n\n{render_markdown(part.text)}")
            case ToolUse():
                line, summary = self.small(tool_line(part)), _summary(part)
                return f"{line}\n\n{_quoted(render_markdown(summary))}" if summary else line
            case File():
                return self.small(tool_line(part))
            case _:
                assert_never(part)

    def sources(self, cited: Sequence[Source]) -> str:
        return f"Sources: {', '.join(map(_link, cited))}" if cited else ""

    def error(self, event: ErrorEvent) -> str:
        pieces = [f"**{escape_markdown(headline(event))}**", escape_markdown(advice(event))]
        if detail := single_line(event.detail, 500):
            pieces.append(f"> What the provider said: {escape_markdown(detail)}")
        return "\n\n".join(pieces)

    def small(self, text: str) -> str:
        return f"*{escape_markdown(text)}*"

    def joined(self, pieces: Sequence[str]) -> str:
        return "\n\n".join(filter(None, pieces))


def _quoted(source: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in source.split("\n"))


def _summary(use: ToolUse) -> str:
    result = use.result.result if use.name == SUMMARIZED and use.result is not None and not use.result.is_error else None
    summary = result.get("summary") if isinstance(result, dict) else result
    return summary if isinstance(summary, str) and len(summary) <= _QUOTED else ""


def _link(source: Source) -> str:
    label = escape_markdown(single_line(source.title or source.url, 120))
    if not is_safe_url(source.url) or set("<>\n\\") & set(source.url):
        return label
    return render_markdown(f"[{label}](<{source.url}>)")


class PlainForm:
    """Plain text."""

    def title(self, text: str) -> str:
        return text

    def label(self, text: str) -> str:
        return f"[{text}]"

    def asked(self, question: str) -> str:
        return f"You asked: {question}"

    def user(self, text: str, files: Sequence[File]) -> str:
        return "\n".join(filter(None, [f"You: {text}", *map(tool_line, files)]))

    def block(self, part: Block) -> str:
        match part:
            case Text():
                return shown(shorten(part.text)).strip("\n")
            case Reasoning():
                return f"({_title(part)}) {single_line(part.text, 200)}"
            case ToolUse() | File():
                return tool_line(part)
            case _:
                assert_never(part)

    def sources(self, cited: Sequence[Source]) -> str:
        return f"Sources: {', '.join(single_line(s.title or s.url, 120) for s in cited)}" if cited else ""

    def error(self, event: ErrorEvent) -> str:
        return f"{headline(event)}\n{advice(event)}"

    def small(self, text: str) -> str:
        return text

    def joined(self, pieces: Sequence[str]) -> str:
        return "\n\n".join(filter(None, pieces))


FORMS: dict[str, Form] = {"text/html": HtmlForm(), "text/markdown": MarkdownForm(), "text/plain": PlainForm()}
"""The forms by MIME type."""
