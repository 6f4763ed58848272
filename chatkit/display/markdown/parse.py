"""Markdown from a model, which is untrusted, as safe tokens, and these as HTML.

The HTML and the Markdown that chatkit shows are both written from these tokens, which hold nothing that acts: raw HTML is
text, a link leads to http, https, mailto or a heading of the page, and an image is a link, because loading it would tell its
host what was asked. Formulas keep their source, which the page typesets. Text that is too long or too deeply nested
for the parser is shown unformatted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from chatkit.display.markdown.highlight import LAZY_LAYOUT, code_html, in_pieces
from chatkit.display.plain_text import shown

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_core import StateCore
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

MAX_SHOWN = 1_000_000
"""Characters of one text that are shown; the reply itself keeps all of them."""
_MAX_PARSED = 200_000
"""Characters of one text that are parsed, which takes 0.3 s, or 1 s for a text that was made to be slow."""
_MAX_OF_A_MARK = 10_000
"""Occurrences of one of Markdown's own characters; more of them slow the parser down, or give megabytes of HTML."""
_MAX_DEPTH = 60
_MAX_STEPS = 2_000
"""Lines that the parser may look at, beside one for each character."""
_MAX_FORMULA_LINES = 200
_MAX_FORMULA = 5_000
"""Characters of a formula: typesetting a longer one would keep the page busy."""
_MAX_GROWTH = 20
"""Characters of HTML or of Markdown for one of the text."""
_MAX_SLACK = 50_000
"""The same, more for the whole text: a small table is 40 times as large as its source."""

_EMPTY_LINE = re.compile(r"\n([ \t]*)\n")
_SAFE_URL = re.compile(r"(?:https?://[^\s/]|mailto:\S|#)", re.IGNORECASE)
_BARE_URL = re.compile(r"\bhttps?://\w(?:[^\s()<>\[\]{}|\\^`\"'*$]|\([^\s()]*\))*(?<=[\w/=#&)-])", re.IGNORECASE)
_LINE = "#8886"
_FILL = "#8882"
_CELL = f"border:1px solid {_LINE};padding:3px 9px"
_STYLES = {
    "th_open": f"{_CELL};background-color:{_FILL}",
    "td_open": _CELL,
    "blockquote_open": f"border:0 solid {_LINE};border-inline-start-width:3px;margin-inline-start:0;padding-inline-start:12px",
}
_UNFORMATTED = "white-space:pre-wrap;overflow-wrap:break-word"
_CODE_SPAN = f"background-color:{_FILL};padding:1px 4px;border-radius:3px"
_WIDE = "overflow-x:auto;overflow-y:hidden"
_SCROLLING = "overflow-x:auto;margin:0 0 1em 0"
_TABLE = "border-collapse:collapse;margin:0"

_INLINE_FORMULA = re.compile(
    r"""
    \$\$ [^$]{1,2000} \$\$
    | \$ (?![\s$]) [^$\n]{0,499} (?<![\s\\]) \$ (?!\d)     # "$5 and $10" holds no formula
    | \\\( .{1,500}? \\\)
    | \\\[ .{1,500}? \\\]
    """,
    re.VERBOSE | re.DOTALL,
)
_BEFORE_FORMULA = re.compile(r"\$|\\(?=[(\[]|begin)")
_CLOSING = {"$$": "$$", "\\[": "\\]"}
_NOT_IN_FORMULAS = re.compile(
    r"""
    ` | \]\(   # a reader of Markdown without formulas would see code or a link
    | \^\^ | \\begin (?!\s*\{[A-Za-z]+\*?\})   # other ways to write the commands below
    # with these, TeX reads files and runs programs when the notebook is exported (nbconvert --to pdf)
    | \\ (?: begin\s*\{\s* )? (?:
        input | include | includegraphics | InputIfFileExists | IfFileExists | (?:verbatim|lst)input\w* | filecontents
        | openin | openout | closeout | read | readline | write | immediate | special | directlua | scantokens
        | csname | UseName | catcode | usepackage | RequirePackage
        | def | [egx]def | let | futurelet | (?:re)?new(?:command|environment|tagform|columntype|theorem) | providecommand
        | Declare\w+ | definecolor | mathtoolsset | usetagform   # they would hold for all other formulas of the page
        | href | url | class | cssId | style | unicode | require | html\w+   # what MathJax and KaTeX make links and attributes of
    ) (?![A-Za-z])
    """,
    re.VERBOSE,
)


def is_safe_url(url: str) -> bool:
    """Whether a link may lead to `url`: http, https, mailto, or a heading of the same page.

    >>> [is_safe_url(u) for u in ("https://example.org/a", "#top", "javascript:alert(1)", "data:text/html,x", "//host/x")]
    [True, True, False, False, False]
    """
    return _SAFE_URL.match(url) is not None and "\\" not in url[:12]


def shorten(text: str) -> str:
    """`text`, cut at `MAX_SHOWN` characters and followed by a line that says how many are missing."""
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}\n{left_out(text)}"


def left_out(text: str) -> str:
    """The sentence that says how much of `text` lies beyond `MAX_SHOWN`."""
    return f"… ({len(text) - MAX_SHOWN:,} more characters are in the reply's text)"


def render_html(text: str) -> str:
    """Safe HTML for Markdown of any length, styled inline: JupyterLab strips style sheets from a notebook that isn't trusted.

    >>> print(render_html("*Hi* <img src=x onerror=alert(1)> [a](javascript:alert(1))"), end="")
    <p><em>Hi</em> &lt;img src=x onerror=alert(1)&gt; a</p>
    """
    clean = shown(shorten(text))
    tokens = parse(clean)
    html = "" if tokens is None else render_tokens(tokens)
    return preformatted(text) if tokens is None or not in_proportion(len(html), len(clean)) else html


def in_proportion(written: int, read: int) -> bool:
    """Whether what was written for a text isn't many times as large, as for a table of empty cells; both in characters."""
    return written <= _MAX_SLACK + _MAX_GROWTH * read


def without_empty_lines(html: str) -> str:
    """`html` with the second of two line ends as an entity: within Markdown, HTML can end at an empty line."""
    return _EMPTY_LINE.sub(r"\n\1&#10;", html)


def text_html(text: str) -> str:
    """HTML that shows any text, and in which MathJax sees no formula: what would begin one is in an element of its own.

    >>> text_html("<b> or $5")
    '&lt;b&gt; or <span>$</span>5'
    """
    return _BEFORE_FORMULA.sub(r"<span>\g<0></span>", escape(text))


def preformatted(text: str) -> str:
    """HTML that shows any text unformatted; long text is in several elements, of which a browser lays out those in view."""
    first, *rest = in_pieces(shown(shorten(text)))
    style = f"{_UNFORMATTED};margin:0;{LAZY_LAYOUT}" if rest else _UNFORMATTED
    return "".join(f'<pre style="{style}">{escape(piece, quote=False)}</pre>\n' for piece in (first, *rest))


def render_tokens(tokens: Sequence[Token], *, growing: bool = False) -> str:
    """HTML for tokens of `parse`; the code of a text that is still `growing` isn't coloured yet."""
    md = _markdown()
    return str(md.renderer.render(tokens, md.options, {"growing": growing}))


def parse(clean: str, *, references: bool = True, growing: bool = False) -> list[Token] | None:
    """Safe tokens for text that `shown` has cleaned; None for text that has to be shown unformatted.

    What a `growing` text ends with is taken for what it probably will be.

    Without `references`, a line ``[name]: address`` defines no link. A text that is parsed in pieces has none, since what a
    piece shows mustn't depend on where the text was cut.
    """
    if len(clean) > _MAX_PARSED or max(map(clean.count, "[|*_~$\\")) > _MAX_OF_A_MARK:
        return None
    try:
        tokens = _markdown(references, growing).parse(clean, {"steps": _MAX_STEPS + len(clean)})
    except _TooMuchWork:
        return None
    nested = (t.level for token in tokens for t in (token, *(token.children or ())))
    return tokens if max(nested, default=0) < _MAX_DEPTH - 2 else None  # the parser drops what is deeper


@cache
def _markdown(references: bool = True, growing: bool = False) -> MarkdownIt:
    from markdown_it import MarkdownIt

    from chatkit.display.markdown.github import as_github
    from chatkit.display.markdown.growing import let_grow

    md = MarkdownIt("commonmark", {"html": False, "maxNesting": _MAX_DEPTH}).enable(["table", "strikethrough"])
    md.inline.ruler.before("escape", "math_inline", _math_inline)
    md.block.ruler.before("table", "bounded", _bounded, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    md.block.ruler.before("fence", "math_block", _math_block, {"alt": ["paragraph", "blockquote", "list"]})
    as_github(md)
    md.validateLink = lambda url: True  # type: ignore[method-assign] # `_without_unsafe_links` takes them out and keeps their labels
    md.core.ruler.before("text_join", "make_safe", _make_safe)
    for name, html in _HTML.items():
        md.add_render_rule(name, lambda _, tokens, index, __, env, html=html: html(tokens[index], env))
    if growing:
        let_grow(md)
    return md if references else md.disable("reference")


class _TooMuchWork(Exception):
    """A text would take the parser too long."""


def _bounded(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A rule that matches nothing, and counts how often the parser asks what a line is: each level of a quotation asks again."""
    state.env["steps"] -= 1
    if state.env["steps"] < 0:
        raise _TooMuchWork
    return False


# formulas: their backslashes and underscores are not Markdown


def _math_inline(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "$\\":
        return False
    match = _INLINE_FORMULA.match(state.src, state.pos)
    if match is None or _NOT_IN_FORMULAS.search(match[0]):
        return False
    if not silent:
        state.push("math_inline", "", 0).content = match[0]
    state.pos = match.end()
    return True


def _math_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    first = _line(state, start)
    opening = first[:2]
    closing = _CLOSING.get(opening)
    if closing is None or state.is_code_block(start) or opening in first[2:].removesuffix(closing):
        return False
    lines = [first]
    while not (lines[-1].endswith(closing) and (len(lines) > 1 or len(first) > len(opening + closing))):
        line = start + len(lines)
        if line >= end or len(lines) > _MAX_FORMULA_LINES or state.isEmpty(line) or state.sCount[line] < state.blkIndent:
            return False
        lines.append(_line(state, line))
        if opening in lines[-1].removesuffix(closing):
            return False
    content = "\n".join(lines)
    if len(content) > _MAX_FORMULA or _NOT_IN_FORMULAS.search(content):
        return False
    if not silent:
        token = state.push("math_block", "", 0)
        token.content = content
        token.map = [start, start + len(lines)]
        state.line = start + len(lines)
    return True


def _line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]].rstrip()


# what could act is taken out of the tokens


def _make_safe(state: StateCore) -> None:
    for token in state.tokens:
        if token.children:
            token.children = list(_without_unsafe_links(token.children))
            for child in token.children if "&" in token.content else ():
                child.content = shown(child.content)  # an entity can name a character that `shown` removes
        elif token.type in _STYLES:
            own = token.attrGet("style") or ""
            aligned = "text-align:start" if token.tag in ("th", "td") and "text-align" not in str(own) else ""
            token.attrSet("style", ";".join(filter(None, [_STYLES[token.type], aligned, str(own)])))


def _without_unsafe_links(tokens: Sequence[Token]) -> Iterator[Token]:
    """The tokens of one paragraph, where images are links, and where unsafe links and links within links are their labels."""
    from markdown_it.token import Token

    kept: list[bool] = []  # for each link that is open: whether it stays
    for token in tokens:
        match token.type:
            case "link_open":
                url = str(token.attrGet("href"))
                kept.append(is_safe_url(url) and not any(kept))
                if kept[-1]:
                    token.attrs = _link_attributes(url)
                    yield token
            case "link_close":
                if kept.pop():
                    yield token
            case "image":
                url = str(token.attrGet("src"))
                label = "".join(
                    c.content for c in token.children or () if c.type in ("text", "code_inline", "text_special", "image")
                ).strip()
                if is_safe_url(url) and not any(kept):
                    yield from _link(url, label or "image", token.level)
                else:
                    yield Token("text", "", 0, content=label or "image", level=token.level + 1)
            case "text" if "://" in token.content and not any(kept):
                yield from _with_links(token)
            case _:
                yield token


def _with_links(token: Token) -> Iterator[Token]:
    """The tokens of a text in which each bare address is a link."""
    from markdown_it.common.normalize_url import normalizeLink

    at = 0
    for url in _BARE_URL.finditer(token.content):
        yield token.copy(content=token.content[at : url.start()])
        yield from _link(normalizeLink(url[0]), url[0], token.level)
        at = url.end()
    yield token.copy(content=token.content[at:])


def _link(url: str, label: str, level: int) -> Iterator[Token]:
    from markdown_it.token import Token

    yield Token("link_open", "a", 1, attrs=_link_attributes(url), level=level)
    yield Token("text", "", 0, content=label, level=level + 1)
    yield Token("link_close", "a", -1, level=level)


def _link_attributes(url: str) -> dict[str, str | int | float]:
    return {"href": url, "rel": "noopener noreferrer"}


# the HTML of tokens for which markdown-it's own isn't used


def _code(token: Token, env: dict[str, Any]) -> str:
    return code_html(token.content, token.info, growing=env["growing"])


def _direction(token: Token) -> str:
    return ' dir="auto"' if token.attrGet("dir") else ""


_HTML: dict[str, Callable[[Token, dict[str, Any]], str]] = {
    "text": lambda token, _: text_html(token.content),
    "footnote_ref": lambda token, _: f"<sup>{escape(token.content)}</sup>",
    "math_inline": lambda token, _: f'<span class="chatkit-math">{escape(token.content)}</span>',
    "math_block": lambda token, _: f'<p class="chatkit-math" style="{_WIDE}">{escape(token.content)}</p>\n',
    "code_inline": lambda token, _: f'<code style="{_CODE_SPAN}">{escape(token.content)}</code>',
    "code_block": _code,
    "fence": _code,
    "table_open": lambda token, _: f'<div{_direction(token)} style="{_SCROLLING}"><table style="{_TABLE}">\n',
    "table_close": lambda *_: "</table></div>\n",
}
