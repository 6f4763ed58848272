"""Markdown from a model, which is untrusted, as Markdown that every reader renders in the same, harmless way.

The ``text/markdown`` of a saved notebook is rendered by JupyterLab, GitHub, nbconvert and VS Code, and no two of their parsers
agree on what is code, a formula or a link. So the safe tokens of `chatkit.display.markdown.parse` are written out in one plain form,
whose characters alone keep it harmless, whichever way a parser takes them:

- ``<`` occurs only in ``<code>``, ``<pre>``, ``<span>`` and ``<sup>``, without attributes. Code that holds it, or a character that begins
  something for a reader who doesn't see that it is code, stands between these tags, as entities.
- ``$`` occurs only around formulas, which are written on one line, with balanced braces.
- A character of a text that could begin or end code, emphasis, a link, an address, attributes, a formula or a block is an entity.
  Nothing is escaped by a backslash, which JupyterLab and TeX read in their own ways.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from chatkit.display.markdown.highlight import known_language
from chatkit.display.markdown.parse import in_proportion, parse, shorten, without_empty_lines
from chatkit.display.plain_text import shown

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode

_MARKS = r"""
    (?P<apart>              # an entity is no help where the page itself is searched
        \\ (?=[()\[\]$]|begin|end)   # MathJax: a formula
        | (?<=@)@             # JupyterLab: @@0@@, where it puts the first formula
        | (?<=xmpp):          # cmark-gfm: xmpp:a@b.c
        | (?<!:)/(?=/\w)      # markdown-it: //example.org
    )
    | [\\`<$~{\[\]]
    | \*(?!\s) | (?<!\s)\*
    | (?<![^\W_])_ | _(?![^\W_])
    | :(?=//) | (?:(?<=script)|(?<=data)):(?=\S) | (?<=www)\. | (?<=[\w.+-])@   # pandoc links javascript: and data: too
    | \^ | =(?==) | \+(?=\+)   # raised, marked and inserted text
"""
_IN_TEXT = re.compile(rf"{_MARKS} | &(?=\#|\w+;)", re.IGNORECASE | re.VERBOSE)
_IN_CODE = re.compile(rf"{_MARKS} | &", re.IGNORECASE | re.VERBOSE)
_NAMED = {"&": "&amp;", "<": "&lt;"}
_LINE_START = re.compile(r"(?m)^[^\S\n]*(?:([#>+=|:%-]|\*(?=\s)|[!?/](?=[!?/]{2}))|(\d+)([.)])(?=\s|$))")
""""%" begins a title (pandoc) or a comment (MyST), "!!!", "???" and "///" a box or any element (extensions of Python-Markdown)."""
_BARE_CODE = r"[<$]|\\(?:[()\[\]{}`]|begin|end|\Z)|///[ \t]{0,9}html"
_NOT_A_SPAN = re.compile(rf"{_BARE_CODE}|`")
_NOT_A_FENCE = re.compile(rf"{_BARE_CODE}|```")
_NOT_A_NESTED_FENCE = re.compile(rf"{_BARE_CODE}|```|\{{|\]\(|^\s*$", re.MULTILINE)
"""Code that a reader who knows no fences in lists and quotations, as Python-Markdown, would take for something else."""
_NOT_IN_DOLLARS = re.compile(r"[$`]|\\\Z|\A\Z|\]\(|\bon\w+\s*=", re.IGNORECASE)
_LEADING_FORMULA = re.compile(r"\$\$([^$]+)\$\$(?=.)")
_BRACES = re.compile(r"(?<!\\)[{}]")
_IN_ADDRESS = re.compile(r"[^\w.~:/?#@!&+,;=%-]", re.ASCII)
_DOLLAR = "&#36;"
_MARKED = ("em", "strong", "s")
_ALIGNMENTS = {"center": ":-:", "right": "--:"}


def escape_markdown(text: str) -> str:
    """Markdown that shows any text character for character.

    >>> print(escape_markdown("2 * 3 -> <b> `x` some_name"))
    2 * 3 -> &lt;b> &#96;x&#96; some_name
    """
    return _without_line_starts(_dollars_apart(_text(shown(text))))


def render_markdown(text: str) -> str:
    """Markdown of any length in a plain and safe form: raw HTML is text, links are safe, and images are links.

    >>> print(render_markdown("*Hi* <img src=x onerror=alert(1)>, `<b>` ![pixel](https://example.org/p.png)"))
    *Hi* &lt;img src=x onerror=alert(1)>, <code>&lt;b></code> [pixel](https://example.org/p.png)
    """
    clean = shown(shorten(text))
    tokens = parse(clean)
    if tokens is None:
        return _code_block(clean)
    from markdown_it.tree import SyntaxTreeNode

    written = "\n".join(_blocks(SyntaxTreeNode(tokens).children)).strip("\n")
    return written if in_proportion(len(written), len(clean)) else _code_block(clean)


def _text(text: str) -> str:
    return _IN_TEXT.sub(_entity, text)


def _entity(mark: re.Match[str]) -> str:
    entity = _NAMED.get(mark[0]) or f"&#{ord(mark[0])};"
    return f"<span>{entity}</span>" if mark["apart"] else entity


def _dollars_apart(text: str) -> str:
    """What stands in one paragraph, in which MathJax would take the text between two dollar signs for a formula."""
    return text.replace(_DOLLAR, f"<span>{_DOLLAR}</span>") if text.count("$") + text.count(_DOLLAR) > 1 else text


def _without_line_starts(text: str) -> str:
    """Lines, with an entity where one of them would start a block."""
    return _LINE_START.sub(lambda m: f"&#{ord(m[1])};" if m[1] else f"{m[2]}&#{ord(m[3])};", text)


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
            lines = [_paragraph_line(line.lstrip()) for line in _inline(node.children).split("\n")]
            return _without_line_starts("\n".join(filter(None, lines))).split("\n")
        case "heading":
            title = " ".join(_inline(node.children).split())
            return [f"{'#' * int(node.tag[1:])} {re.sub('(?<!#)#++$', lambda signs: '&#35;' * len(signs[0]), title)}"]
        case "blockquote":
            return [f"> {line}" if line else ">" for line in _blocks(node.children)]
        case "fence" | "code_block":
            return _code_block(node.content, known_language(node.info), nested=node.level > 0).split("\n")
        case "table":
            return _table(node)
        case "math_block":
            return [_formula(node.content)]
        case "hr":
            return ["***"]
        case _:  # no rule for another type is enabled
            return [_text(node.content)]


def _paragraph_line(line: str) -> str:
    """A line of a paragraph, in which no displayed formula begins that text follows: VS Code looks for its end further on."""
    formula = _LEADING_FORMULA.match(line)
    return f"$\\displaystyle {formula[1]}${line[formula.end() :]}" if formula else line


def _code_block(code: str, word: str = "", *, nested: bool = False) -> str:
    code = code.removesuffix("\n")
    if not (_NOT_A_NESTED_FENCE if nested else _NOT_A_FENCE).search(code):
        return f"```{word}\n{code}\n```"
    return f"<pre>{without_empty_lines(_html_code(code))}</pre>"


def _html_code(code: str) -> str:
    return f"<code>{_IN_CODE.sub(_entity, code)}</code>"


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
        lines.append(marker + first if first else marker.rstrip())
        lines += [" " * len(marker) + line if line else "" for line in rest]
    return lines


def _table(node: SyntaxTreeNode) -> list[str]:
    head, *rows = [row.children for section in node.children for row in section.children]
    styles = [str(cell.attrs.get("style", "")) for cell in head]
    rule = _row(next((mark for word, mark in _ALIGNMENTS.items() if word in style), "---") for style in styles)
    first, *rest = [_row(_cell(_inline(cell.children)) for cell in row) for row in (head, *rows)]
    return [first, rule, *rest]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """The text of a cell without a vertical bar, which may stand in code and in a formula too."""
    text = re.sub(r"`([^`]*)`", lambda m: _html_code(m[1]) if "|" in m[1] else m[0], text.replace("\n", " "))
    text = re.sub(r"\$[^$]+\$", lambda m: m[0].replace("\\|", r"\Vert ").replace("|", r"\vert "), text)
    return text.replace("|", "&#124;")


def _inline(nodes: Sequence[SyntaxTreeNode]) -> str:
    text, before = "", ""
    for node in nodes:
        span = _span(node)
        ends = before in _MARKED and _clings(text[-99:].rstrip("*~")[-1:], span[:1])
        if ends or (node.type in _MARKED and _clings(span.strip("*~")[:1], text[-1:])):
            text += "<span></span>"
        if node.type == "link" and text.endswith("!"):
            text = text[:-1] + "&#33;"  # "!" and a link would be an image
        elif text.endswith("$") and span[:1].isdigit():
            span = f"&#{ord(span[0])};{span[1:]}"  # "$" and a digit is a price
        elif text.endswith("$") and span.startswith("$"):
            text += " "  # "$$" would be something else
        text += span
        before = node.type
    return text


def _clings(inner: str, outer: str) -> bool:
    """Whether a mark between these two is none for some reader: it ends a word in the middle of another, or of an emoji."""
    return not inner.isalnum() and not outer.isspace() and (outer.isalnum() or outer > "\x7f")


def _span(node: SyntaxTreeNode) -> str:
    match node.type:
        case "inline":
            return _dollars_apart(_inline(node.children))
        case "softbreak":
            return "\n"
        case "hardbreak":
            return "  \n"
        case "code_inline":
            return _code_span(node.content)
        case "math_inline":
            return _formula(node.content)
        case "footnote_ref":  # most readers know no footnotes
            return f"<sup>{_text(node.content)}</sup>"
        case "em":
            return _marked("*", node)
        case "strong":
            return _marked("**", node)
        case "s":
            return _marked("~~", node)
        case "link":
            url = _IN_ADDRESS.sub(lambda c: f"%{ord(c[0]):02X}", str(node.attrs["href"]))
            return f"[{_inline(node.children)}]({re.sub('&(?=#|[A-Za-z0-9]+;)', '&amp;', url)})"
        case _:
            return _text(re.sub(r"[\n\t]", " ", node.content))  # an entity can name a line end


def _marked(mark: str, node: SyntaxTreeNode) -> str:
    text = _inline(node.children).strip()
    return f"{mark}{text}{mark}" if text and not text.startswith("~") else text  # "~~~~" would begin a block of code


def _code_span(code: str) -> str:
    if not code.strip() or _NOT_A_SPAN.search(code):
        return _html_code(code)
    pad = " " if code[0] == code[-1] == " " else ""
    return f"`{pad}{code}{pad}`"


def _formula(source: str) -> str:
    """A formula between dollar signs, or as code if it holds what a reader could take for their end."""
    width = 2 if source.startswith(("$$", "\\")) else 1
    mark = "$$" if source.startswith(("$$", "\\[")) else "$"
    lines = re.sub(r"(?<!\\)%.*", "", source[width:-width])  # a comment ends with its line
    formula = " ".join(lines.split()).replace("<", r"\lt ").replace('"', "''")
    if _NOT_IN_DOLLARS.search(formula) or not _is_balanced(formula):
        return _code_span(source)
    return f"{mark}{formula}{mark}"


def _is_balanced(formula: str) -> bool:
    depth = 0
    for brace in _BRACES.findall(formula):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    return depth == 0
