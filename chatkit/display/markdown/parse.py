"""Markdown of a model, which nobody trusts, to safe HTML, and to safe Markdown.

Both renderings walk the same tokens, from which everything that could act was taken: raw HTML is text, a link leads
to http, https, mailto or a heading, an image becomes a link (loading it would tell its host what was asked). Text that
is too long or too deeply nested to parse in reasonable time is shown as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from chatkit.display.markdown.highlight import code_html, in_pieces
from chatkit.display.markdown.math import math_plugin
from chatkit.display.plain_text import shown

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

LIMIT = 1_000_000
"""Characters of one text that are shown; the reply itself keeps them all."""
_PARSED = 200_000
"""Characters beyond which text isn't parsed: 0.3 s for a usual text, 1 s for one that was made to be slow."""
_CROWD = 10_000
"""How many of one of Markdown's own characters make the parser slow, or its output many megabytes."""
_DEEPEST = 60
_URL = re.compile(r"(?:https?://[^\s/]|mailto:\S|#)", re.IGNORECASE)
_LINE = "#8886"
_FILL = "#8882"
_STYLES = {
    "th": f"border:1px solid {_LINE};padding:3px 9px;background-color:{_FILL}",
    "td": f"border:1px solid {_LINE};padding:3px 9px",
    "table": "border-collapse:collapse;margin:0",
    "blockquote": f"border-left:3px solid {_LINE};margin-left:0;padding-left:12px",
}
_PLAIN = "white-space:pre-wrap;overflow-wrap:break-word"
_LAZY = "margin:0;content-visibility:auto;contain-intrinsic-size:auto 400px"
_CODE = f"background-color:{_FILL};padding:1px 4px;border-radius:3px"


def is_safe_url(url: str) -> bool:
    """Whether a link may lead there: http, https, mailto, or a place on the same page.

    >>> [is_safe_url(u) for u in ("https://example.org/a", "#top", "javascript:alert(1)", "data:text/html,x", "//host/x")]
    [True, True, False, False, False]
    """
    return _URL.match(url) is not None and "\\" not in url[:12]


def shorten(text: str) -> str:
    """`text`, cut at `LIMIT` characters, and then saying so."""
    return text if len(text) <= LIMIT else f"{text[:LIMIT]}\n{left_out(text)}"


def left_out(text: str) -> str:
    """How much of `text` lies beyond `LIMIT`."""
    return f"… ({len(text) - LIMIT:,} more characters are in the reply's text)"


def preformatted(text: str) -> str:
    """`text` as it stands, in HTML; a long one in several elements, of which a browser lays out those that are seen."""
    first, *rest = in_pieces(shown(shorten(text)))
    if not rest:
        return f'<pre style="{_PLAIN}">{escape(first, quote=False)}</pre>\n'
    return "".join(f'<pre style="{_PLAIN};{_LAZY}">{escape(piece, quote=False)}</pre>\n' for piece in (first, *rest))


def render_html(text: str) -> str:
    """Safe HTML for Markdown, styled inline: JupyterLab strips style sheets from a notebook that isn't trusted.

    Parameters
    ----------
    text : str
        Markdown, of any length and intent.

    Returns
    -------
    str
        HTML that executes nothing and loads nothing.

    Examples
    --------
    >>> print(render_html("*Hi* <img src=x onerror=alert(1)> [a](javascript:alert(1))"), end="")
    <p><em>Hi</em> &lt;img src=x onerror=alert(1)&gt; a</p>
    """
    tokens = parse(text)
    return preformatted(text) if tokens is None else render_tokens(tokens)


def render_tokens(tokens: Sequence[Token], *, growing: bool = False) -> str:
    """HTML for what `parse` gave.

    Parameters
    ----------
    tokens : sequence of Token
        Whole blocks.
    growing : bool
        More of the last one may come: code isn't coloured yet.
    """
    md = _markdown()
    return str(md.renderer.render(tokens, md.options, {"growing": growing}))


def parse(text: str, *, references: bool = True) -> list[Token] | None:
    """Tokens with nothing in them that could act; None for text that had better be shown as it stands.

    Parameters
    ----------
    text : str
        Markdown.
    references : bool
        Whether ``[name]: address`` gives links elsewhere in the text their address. A text that is parsed in pieces has
        none: what a piece shows must not depend on where it was cut.
    """
    if len(text) > _PARSED or max(map(text.count, "[|*_~$\\")) > _CROWD:
        return None
    text = shown(text)
    try:
        tokens = _markdown(references).parse(text)
    except RecursionError:
        return None
    if any(t.level >= _DEEPEST - 2 or any(c.level >= _DEEPEST - 2 for c in t.children or ()) for t in tokens):
        return None  # the parser leaves out what lies deeper
    return tokens


@cache
def _markdown(references: bool = True) -> MarkdownIt:
    from markdown_it import MarkdownIt

    md = MarkdownIt("commonmark", {"html": False, "maxNesting": _DEEPEST}).enable(["table", "strikethrough"]).use(math_plugin)
    md.validateLink = lambda url: True  # type: ignore[method-assign] # unsafe links are taken out below, their labels stay
    md.core.ruler.push("disarm", _disarm_all)
    for name, rule in _RULES.items():
        md.add_render_rule(name, rule)
    return md if references else md.disable("reference")


def _disarm_all(state: Any) -> None:
    for token in state.tokens:
        if token.children:
            token.children = list(_disarm(token.children))
            for child in token.children if "&" in token.content else ():
                child.content = shown(child.content)  # an entity can name what `shown` took away
        elif token.type in _STYLED:
            aligned = str(token.attrGet("style") or "text-align:left") if token.tag in ("th", "td") else ""
            token.attrSet("style", ";".join(filter(None, (_STYLES[token.tag], aligned))))


_STYLED = {f"{name}_open" for name in _STYLES}


def _disarm(tokens: Sequence[Token], *, within_link: bool = False) -> Iterator[Token]:
    """Without unsafe links, and with links in the place of images."""
    from markdown_it.token import Token

    links: list[bool] = []  # of the links that are open: whether they stay
    for token in tokens:
        inside = within_link or any(links)
        if token.type == "link_open":
            links.append(is_safe_url(str(token.attrGet("href"))) and not inside)
            if links[-1]:
                token.attrs = {"href": str(token.attrGet("href")), "rel": "noopener noreferrer"}
                yield token
        elif token.type == "link_close":
            if links.pop():
                yield token
        elif token.type == "image":
            url = str(token.attrGet("src"))
            label = "".join(c.content for c in token.children or () if c.type in ("text", "code_inline", "text_special")).strip()
            content = Token("text", "", 0, content=label or "image", level=token.level + 1)
            if is_safe_url(url) and not inside:
                yield Token("link_open", "a", 1, attrs={"href": url, "rel": "noopener noreferrer"}, level=token.level)
                yield content
                yield Token("link_close", "a", -1, level=token.level)
            else:
                yield content
        else:
            yield token


def _text(_: Any, tokens: Sequence[Token], index: int, *__: Any) -> str:
    # a dollar sign alone in its element: the notebook would take two of them for the ends of a formula
    return escape(tokens[index].content).replace("$", "<span>$</span>")


def _math(_: Any, tokens: Sequence[Token], index: int, *__: Any) -> str:
    return escape(tokens[index].content)


def _math_block(_: Any, tokens: Sequence[Token], index: int, *__: Any) -> str:
    return f"<p>{escape(tokens[index].content)}</p>\n"


def _code(_: Any, tokens: Sequence[Token], index: int, *__: Any) -> str:
    return f'<code style="{_CODE}">{escape(tokens[index].content)}</code>'


def _block_of_code(_: Any, tokens: Sequence[Token], index: int, __: Any, env: Any) -> str:
    return code_html(tokens[index].content, tokens[index].info, growing=env["growing"])


def _table_open(renderer: Any, tokens: Sequence[Token], index: int, options: Any, _: Any) -> str:
    return '<div style="overflow-x:auto;margin:0 0 1em 0">' + str(renderer.renderToken(tokens, index, options, {}))


_RULES: dict[str, Callable[..., str]] = {
    "text": _text,
    "math_inline": _math,
    "math_block": _math_block,
    "code_inline": _code,
    "code_block": _block_of_code,
    "fence": _block_of_code,
    "table_open": _table_open,
    "table_close": lambda *_: "</table></div>\n",
}
