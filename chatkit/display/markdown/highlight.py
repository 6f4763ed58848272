"""Code as HTML: in colour where its language is known, and in several elements where it is long.

The colours are the ones that JupyterLab's editor uses for keywords, strings, operators and properties: the CSS variables
``--jp-mirror-editor-keyword-color``, ``-string-color``, ``-operator-color`` and ``-property-color``. All of JupyterLab's themes
set them, so code follows the theme, and each has enough contrast (WCAG AA) with the background of the code. A theme may
define ``-property-color`` by a palette that the page lacks, and then ``-header-color`` is used. Where none of the variables is
set, as outside JupyterLab, fixed colours are used.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from functools import cache
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pygments.lexer import Lexer
    from pygments.token import _TokenType

MAX_HIGHLIGHTED = 20_000
"""Characters of a block of code that is coloured, which takes 20 ms and makes 2,000 elements; longer code is in pieces."""
MAX_PIECE = 4_000
"""Characters of a piece of long code, which a browser lays out at once when it is scrolled into view."""
_MAX_LEXING = 0.25
"""Seconds of CPU time that a lexer gets, which is ten times what usual code takes."""
_SLOW_TO_LEX = re.compile(r"[^\n]{2001}|\s{301}")
"""Long lines, which are data rather than code, and long runs of white space."""

LAZY_LAYOUT = "content-visibility:auto;contain-intrinsic-size:auto 400px"
_FRAME = "direction:ltr;background-color:#8888881f;padding:8px 12px;overflow-x:auto"
_LAST = "margin:0 0 1em 0;border-radius:4px"
_NOT_LAST = "margin:0"
_IN_PRE = "background:none;padding:0"
_GREEN = "color:var(--jp-mirror-editor-keyword-color,#070)"
_RED = "color:var(--jp-mirror-editor-string-color,#a31515)"
_BLUE = "color:var(--jp-mirror-editor-property-color,var(--jp-mirror-editor-header-color,#05a))"
_VIOLET = "color:var(--jp-mirror-editor-operator-color,#7800c2)"
_STYLES = {
    "Comment": "font-style:italic;opacity:0.75",
    "Comment.Preproc": _VIOLET,
    "Keyword": _GREEN,
    "Keyword.Constant": _BLUE,
    "Literal.Number": _BLUE,
    "Literal.String": _RED,
    "Name.Attribute": _BLUE,
    "Name.Builtin": _BLUE,
    "Name.Builtin.Pseudo": "",
    "Name.Class": _BLUE,
    "Name.Decorator": _VIOLET,
    "Name.Exception": _BLUE,
    "Name.Function": _BLUE,
    "Name.Tag": _GREEN,
    "Operator.Word": _GREEN,
    "Generic.Deleted": _RED,
    "Generic.Heading": "font-weight:bold",
    "Generic.Inserted": _GREEN,
    "Generic.Prompt": "opacity:0.75",
    "Generic.Subheading": _VIOLET,
}
_LANGUAGE = re.compile(r"[\w+#.-]{1,32}")


def code_html(code: str, info: str = "", *, growing: bool = False) -> str:
    """A block of code that `shown` has cleaned; `info` is the text behind its fence, and `growing` code isn't coloured yet.

    >>> print(code_html("1 < 2"), end="")  # doctest: +ELLIPSIS
    <pre style="..."><code style="background:none;padding:0">1 &lt; 2</code></pre>
    """
    if len(code) > MAX_HIGHLIGHTED:
        return long_code_html(code)
    return _pre((None if growing else highlighted(code, info)) or escape(code), _LAST)


def long_code_html(code: str) -> str:
    """A block of code, or the rest of one, in pieces."""
    *pieces, last = in_pieces(code)
    return "".join([*map(code_piece, pieces), _pre(escape(last), f"{_LAST};{LAZY_LAYOUT}")])


def code_piece(code: str) -> str:
    """A piece of long code that another one follows."""
    return _pre(escape(code), f"{_NOT_LAST};{LAZY_LAYOUT}")


def _pre(inner: str, style: str) -> str:
    return f'<pre style="{_FRAME};{style}"><code style="{_IN_PRE}">{inner}</code></pre>\n'


def in_pieces(text: str) -> Iterator[str]:
    """`text` in pieces of at most `MAX_PIECE` characters, each cut at the end of a line or else of a word where possible.

    >>> [len(piece) for piece in in_pieces("x" * 3_000 + "\\n" + "y" * 5_000)]
    [3001, 4000, 1000]
    """
    at = 0
    while len(text) - at > MAX_PIECE:
        limit = at + MAX_PIECE
        end = text.rfind("\n", at, limit) + 1 or text.rfind(" ", at + MAX_PIECE // 2, limit) + 1 or limit
        yield text[at:end]
        at = end
    yield text[at:]


def language(info: str) -> str:
    """The language that the words behind a fence begin with, or an empty string."""
    name = _LANGUAGE.match(info)
    return name[0] if name else ""


def known_language(info: str) -> str:
    """The same if Pygments knows it; other readers draw diagrams and formulas from what is in some other languages."""
    name = language(info)
    return name if name.lower() in _lexer_names() else ""


def highlighted(code: str, info: str) -> str | None:
    """Coloured HTML for the inside of ``code``; None where the language isn't known, or lexing could take long.

    >>> print(highlighted("if x: pass", "python"))  # doctest: +ELLIPSIS
    <span style="color:...">if </span>x: <span style="color:...">pass</span>
    >>> highlighted("whatever", "klingon") is None
    True
    """
    name = language(info)
    if not name or len(code) > MAX_HIGHLIGHTED or _SLOW_TO_LEX.search(code):
        return None
    try:
        lexer = _lexer(name.lower())
        return None if lexer is None else _coloured(lexer, code)
    except Exception:  # an error in one of Pygments' 500 lexers must not cost the reply
        return None


def _coloured(lexer: Lexer, code: str) -> str | None:
    pieces: list[str] = []
    run, style, length = "", "", 0
    until = time.thread_time() + _MAX_LEXING
    for _, token, text in lexer.get_tokens_unprocessed(code):
        new = style if text.isspace() and not style.startswith("font") else _style(token)
        if new != style:
            pieces.append(_span(run, style))
            run, style = "", new
        run += text
        length += len(text)
        if time.thread_time() > until:
            return None
    return "".join([*pieces, _span(run, style)]) if length == len(code) else None


def _span(text: str, style: str) -> str:
    return f'<span style="{style}">{escape(text)}</span>' if style and text else escape(text)


@cache
def _style(token: _TokenType) -> str:
    name = ".".join(token)
    while name and name not in _STYLES:
        name = name.rpartition(".")[0]
    return _STYLES.get(name, "")


@cache
def _lexer(alias: str) -> Lexer | None:
    """A lexer of Pygments itself: loading those that other packages register takes long and runs their code."""
    from pygments.lexers import find_lexer_class

    name = _lexer_names().get(alias)
    lexer = find_lexer_class(name) if name else None
    return None if lexer is None else lexer()


@cache
def _lexer_names() -> dict[str, str]:
    from pygments.lexers import get_all_lexers

    return {alias: name for name, aliases, _, _ in get_all_lexers(plugins=False) for alias in aliases}
