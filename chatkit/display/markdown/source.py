"""Markdown from a model, which is untrusted, as Markdown that every reader renders in the same, harmless way.

The ``text/markdown`` of a saved notebook is rendered by GitHub and nbconvert. To clean the source with patterns would mean to
guess what each of their parsers takes for code; instead, the safe tokens of `chatkit.display.markdown.parse` are written
out in one plain form, in which raw HTML can't occur outside code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from chatkit.display.markdown.highlight import language
from chatkit.display.markdown.parse import parse, shorten
from chatkit.display.plain_text import shown

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode

_SPECIAL = re.compile(r"[\\*\[\]~$]|(?<![^\W_])_|_(?![^\W_])")
_ENTITY = re.compile(r"&(?=#|\w{1,40};)")
_BLOCK_START = re.compile(r"(?m)^[ \t]*(?:([#>+=|:-])|(\d{1,9})([.)])(?=\s|$))")
_ALIGNMENTS = {"center": ":-:", "right": "--:"}


def escape_markdown(text: str) -> str:
    """Markdown that shows any text character for character.

    >>> print(escape_markdown("2 * 3 <b> `x` some_name"))
    2 \\* 3 &lt;b&gt; &#96;x&#96; some_name
    """
    return _escaped(shown(text))


def render_markdown(text: str) -> str:
    """Markdown of any length in a plain and safe form: raw HTML is text, links are safe, and images are links.

    >>> print(render_markdown("*Hi* <img src=x onerror=alert(1)>, `<b>` ![pixel](https://example.org/p.png)"))
    *Hi* &lt;img src=x onerror=alert(1)&gt;, `<b>` [pixel](https://example.org/p.png)
    """
    clean = shown(shorten(text))
    tokens = parse(clean)
    if tokens is None:
        return _fenced(clean)
    from markdown_it.tree import SyntaxTreeNode

    return "\n".join(_blocks(SyntaxTreeNode(tokens).children)).strip("\n")


def _escaped(text: str) -> str:
    text = _SPECIAL.sub(r"\\\g<0>", _ENTITY.sub("&amp;", text))
    return text.replace("<", "&lt;").replace(">", "&gt;").replace("`", "&#96;")


def _blocks(nodes: Sequence[SyntaxTreeNode], *, tight: bool = False) -> list[str]:
    """The lines of blocks, with an empty line between two of them, but not between the parts of an item of a `tight` list."""
    lines: list[str] = []
    before, alternate = None, False
    for node in nodes:
        is_list = node.type.endswith("_list")
        alternate = is_list and before is not None and before.type == node.type and not alternate
        if before is not None and not (tight and (before.type == "paragraph" or is_list)):
            lines.append("")
        lines += _list(node, alternate=alternate) if is_list else _block(node)
        before = node
    return lines


def _block(node: SyntaxTreeNode) -> list[str]:
    match node.type:
        case "paragraph":
            return _without_block_starts(_inline(node.children)).split("\n")
        case "heading":
            title = _inline(node.children).replace("\n", " ")
            return [f"{'#' * int(node.tag[1:])} {re.sub('(?<!#)#++$', lambda signs: '&#35;' * len(signs[0]), title)}"]
        case "blockquote":
            return [f"> {line}".rstrip() for line in _blocks(node.children)]
        case "fence":
            return _fenced(node.content, language(node.info)).split("\n")
        case "code_block":
            return _fenced(node.content).split("\n")
        case "table":
            return _table(node)
        case "math_block":
            return _formula(node.content).split("\n")
        case "hr":
            return ["***"]
        case _:  # no rule for another type is enabled
            return [_escaped(node.content)]


def _fenced(code: str, word: str = "") -> str:
    fence = "`" * max(3, 1 + _longest_run_of_ticks(code))
    return "\n".join([fence + word, code.removesuffix("\n"), fence])


def _longest_run_of_ticks(code: str) -> int:
    return max(map(len, re.findall("`+", code)), default=0)


def _list(node: SyntaxTreeNode, *, alternate: bool) -> list[str]:
    """The lines of a list; `alternate` markers keep it apart from the list before it."""
    tight = not any(child.type == "paragraph" and not child.hidden for item in node.children for child in item.children)
    bullet, stop = ("* ", ") ") if alternate else ("- ", ". ")
    lines: list[str] = []
    for number, item in enumerate(node.children, int(node.attrs.get("start", 1))):
        marker = bullet if node.type == "bullet_list" else f"{number}{stop}"
        if lines and not tight:
            lines.append("")
        first, *rest = _blocks(item.children, tight=tight) or [""]
        lines.append((marker + first).rstrip())
        lines += [(" " * len(marker) + line).rstrip() for line in rest]
    return lines


def _table(node: SyntaxTreeNode) -> list[str]:
    head, *rows = [row.children for section in node.children for row in section.children]
    styles = [str(cell.attrs.get("style", "")) for cell in head]
    rule = _row(next((mark for word, mark in _ALIGNMENTS.items() if word in style), "---") for style in styles)
    first, *rest = [_row(_inline(cell.children) for cell in row) for row in (head, *rows)]
    return [first, rule, *rest]


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(re.sub(r"(?<!\\)\|", r"\\|", cell.replace("\n", " ")) for cell in cells) + " |"


def _inline(nodes: Sequence[SyntaxTreeNode]) -> str:
    text = ""
    for node in nodes:
        if node.type == "link" and text.endswith("!"):
            text = text[:-1] + "\\!"  # "!" and a link would be an image
        span = _span(node)
        text += f"\\{span}" if span.startswith("{") and text.endswith("`") else span  # pandoc takes `code`{=latex} for LaTeX
    return text


def _span(node: SyntaxTreeNode) -> str:
    match node.type:
        case "inline":
            return _inline(node.children)
        case "softbreak":
            return "\n"
        case "hardbreak":
            return "\\\n"
        case "code_inline":
            return _code_span(node.content)
        case "math_inline":
            return _formula(node.content)
        case "em":
            return f"*{_inline(node.children)}*"
        case "strong":
            return f"**{_inline(node.children)}**"
        case "s":
            return f"~~{_inline(node.children)}~~"
        case "link":
            url = re.sub(r"[()<>\s`\\]", lambda c: f"%{ord(c[0]):02X}", str(node.attrs["href"]))
            return f"[{_inline(node.children)}]({url})"
        case _:
            return _escaped(node.content)


def _code_span(code: str) -> str:
    ticks = "`" * (1 + _longest_run_of_ticks(code))
    pad = " " if code.startswith("`") or code.endswith("`") or (code.strip() and code[0] == code[-1] == " ") else ""
    return f"{ticks}{pad}{code}{pad}{ticks}"


def _formula(source: str) -> str:
    return source.replace("<", "\\lt ")  # a reader of Markdown without formulas would see HTML


def _without_block_starts(text: str) -> str:
    """The lines of a paragraph, with an escape where one of them would start a block of another kind."""
    return _BLOCK_START.sub(lambda m: f"\\{m[1]}" if m[1] else f"{m[2]}\\{m[3]}", text)
