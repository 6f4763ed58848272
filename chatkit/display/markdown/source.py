"""Markdown of a model, which nobody trusts, to Markdown that every reader of it reads in the same, harmless way.

The saved notebook's ``text/markdown`` is what GitHub and nbconvert show. Cleaning the text with patterns would have to
guess what each of their parsers takes for code; instead the tokens of `chatkit.display.markdown.parse` are written out again
in one plain form, in which raw HTML can't occur outside code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from chatkit.display.markdown.parse import parse, shorten
from chatkit.display.plain_text import shown

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode

_SPECIAL = re.compile(r"[\\*\[\]~$]|(?<![^\W_])_|_(?![^\W_])")
_ENTITY = re.compile(r"&(?=#|\w{1,40};)")
_LINE_START = re.compile(r"(?m)^[ \t]*(?:([#>+=|:-])|(\d{1,9})([.)])(?=\s|$))")
_RUNS = re.compile("`+")
_WORD = re.compile(r"[\w+#.-]{1,32}")
_ALIGN = {"center": ":-:", "right": "--:"}


def escape_markdown(text: str) -> str:
    """Plain text as Markdown that shows it as it stands.

    >>> print(escape_markdown("2 * 3 <b> `x` some_name"))
    2 \\* 3 &lt;b&gt; &#96;x&#96; some_name
    """
    text = _SPECIAL.sub(r"\\\g<0>", _ENTITY.sub("&amp;", shown(text)))
    return text.replace("<", "&lt;").replace(">", "&gt;").replace("`", "&#96;")


def render_markdown(text: str) -> str:
    """The same Markdown in a plain and safe form.

    Parameters
    ----------
    text : str
        Markdown, of any length and intent.

    Returns
    -------
    str
        Markdown in which raw HTML outside code is text, links lead to http, https or mailto alone, and images are links.

    Examples
    --------
    >>> print(render_markdown("*Hi* <img src=x onerror=alert(1)>, `<b>` ![pixel](https://example.org/p.png)"))
    *Hi* &lt;img src=x onerror=alert(1)&gt;, `<b>` [pixel](https://example.org/p.png)
    """
    tokens = parse(text)
    if tokens is None:
        return _fenced(shown(shorten(text)), "")
    from markdown_it.tree import SyntaxTreeNode

    return "\n".join(_blocks(SyntaxTreeNode(tokens).children)).strip("\n")


def _blocks(nodes: Sequence[SyntaxTreeNode], *, tight: bool = False) -> list[str]:
    """Lines of blocks, with an empty line between them."""
    lines: list[str] = []
    before = None
    for node in nodes:
        other_marker = before is not None and before.type == node.type and before.type.endswith("_list") and not before.meta.get("other")
        if node.type.endswith("_list"):
            node.meta["other"] = other_marker  # or two lists in a row would be read as one
        if before is not None and not (tight and (before.type == "paragraph" or node.type.endswith("_list"))):
            lines.append("")
        lines += _block(node)
        before = node
    return lines


def _block(node: SyntaxTreeNode) -> list[str]:
    match node.type:
        case "paragraph":
            return _line_starts(_inline(node.children)).split("\n")
        case "heading":
            title = _inline(node.children).replace("\n", " ")
            return [f"{'#' * int(node.tag[1:])} {re.sub('#(?=#*$)', '&#35;', title)}"]
        case "bullet_list" | "ordered_list":
            return _list(node)
        case "blockquote":
            return [f"> {line}".rstrip() for line in _blocks(node.children)]
        case "fence" | "code_block":
            word = _WORD.match(node.info) if node.type == "fence" else None
            return _fenced(node.content, word[0] if word else "").split("\n")
        case "table":
            return _table(node)
        case "hr":
            return ["***"]
        case "math_block":
            return _math(node.content).split("\n")
        case "inline":
            return _line_starts(_inline(node.children)).split("\n")
        case _:  # no rule that is switched on makes another
            return [escape_markdown(node.content)]


def _fenced(content: str, word: str) -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in _RUNS.findall(content)), default=0))
    return f"{fence}{word}\n{content.removesuffix(chr(10))}\n{fence}"


def _list(node: SyntaxTreeNode) -> list[str]:
    number = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else None
    tight = not any(child.type == "paragraph" and not child.hidden for item in node.children for child in item.children)
    lines: list[str] = []
    for item in node.children:
        if number is None:
            marker = "* " if node.meta.get("other") else "- "
        else:
            marker = f"{number}) " if node.meta.get("other") else f"{number}. "
            number += 1
        if lines and not tight:
            lines.append("")
        body = _blocks(item.children, tight=tight) or [""]
        lines.append((marker + body[0]).rstrip())
        lines += [(" " * len(marker) + line).rstrip() for line in body[1:]]
    return lines


def _table(node: SyntaxTreeNode) -> list[str]:
    rows = [row for section in node.children for row in section.children]
    head = rows[0].children
    lines = [_row(_inline(cell.children) for cell in head)]
    lines.append(_row(next((a for word, a in _ALIGN.items() if word in str(cell.attrs.get("style", ""))), "---") for cell in head))
    lines += [_row(_inline(cell.children) for cell in row.children) for row in rows[1:]]
    return lines


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(re.sub(r"(?<!\\)\|", r"\\|", cell.replace("\n", " ")) for cell in cells) + " |"


def _inline(nodes: Sequence[SyntaxTreeNode]) -> str:
    text = ""
    for node in nodes:
        if node.type == "link" and text.endswith("!"):
            text = text[:-1] + "\\!"  # together they would be an image
        span = _span(node)
        text += f"\\{span}" if span.startswith("{") and text.endswith("`") else span  # to pandoc `code`{=latex} is LaTeX
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
            return _code(node.content)
        case "math_inline":
            return _math(node.content)
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
            return escape_markdown(node.content)


def _code(content: str) -> str:
    ticks = "`" * (1 + max((len(run) for run in _RUNS.findall(content)), default=0))
    pad = " " if content.startswith("`") or content.endswith("`") or (content.strip() and content[0] == content[-1] == " ") else ""
    return f"{ticks}{pad}{content}{pad}{ticks}"


def _math(content: str) -> str:
    return content.replace("<", "\\lt ")  # a reader that knows no formulas would see HTML


def _line_starts(text: str) -> str:
    """Escape what would start a block of another kind."""
    return _LINE_START.sub(lambda m: f"\\{m[1]}" if m[1] else f"{m[2]}\\{m[3]}", text)
