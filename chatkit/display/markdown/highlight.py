"""Code as HTML: coloured where its language is known, in pieces where it is long, as it stands otherwise.

The colours are those of JupyterLab's editors, so that they follow its theme. Taken are the variables that every theme of
it sets, or that lead on to one which it does, and that have contrast enough (AA) on the background of code.
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

HIGHLIGHTED = 20_000
"""Characters of code beyond which it isn't coloured, but stands in pieces: 20 ms of work, and 2,000 elements."""
PIECE = 4_000
"""Characters of one piece: what a browser lays out at once, when it is scrolled to."""
_SLOW = re.compile(r"[^\n]{2001}|\s{301}")
"""A line that is data, and a run of spaces that is nothing: what slows a lexer down."""
_TIME = 0.25
"""Seconds of work after which a lexer is given up: usual code takes a tenth of that."""
_FILL = "#8888881f"
_ALONE = "margin:0 0 1em 0;border-radius:4px"
_JOINED = "margin:0"
_LAZY = "content-visibility:auto;contain-intrinsic-size:auto 400px"
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
_WORD = re.compile(r"[\w+#.-]{1,32}")


def code_html(code: str, word: str = "", *, growing: bool = False) -> str:
    """A block of code.

    Parameters
    ----------
    code : str
        Its text, which `chatkit.display.plain_text.shown` has cleaned.
    word : str
        What stands behind the fence: its first word names the language.
    growing : bool
        More of it may come: it isn't coloured yet.

    Returns
    -------
    str
        One ``pre``, or several in a row for long code.

    Examples
    --------
    >>> print(code_html("1 < 2"), end="")  # doctest: +ELLIPSIS
    <pre style="..."><code style="background:none;padding:0">1 &lt; 2</code></pre>
    """
    if len(code) <= HIGHLIGHTED:
        return _pre((None if growing else highlighted(code, word)) or escape(code), _ALONE)
    *pieces, last = in_pieces(code)
    return "".join([*map(code_piece, pieces), code_piece(last, last=True)])


def code_piece(code: str, *, last: bool = False) -> str:
    """One of the ``pre`` that long code stands in.

    Parameters
    ----------
    code : str
        At most `PIECE` characters.
    last : bool
        No other follows it.
    """
    return _pre(escape(code), f"{_ALONE if last else _JOINED};{_LAZY}")


def _pre(inner: str, style: str) -> str:
    return f'<pre style="background-color:{_FILL};padding:8px 12px;overflow-x:auto;{style}"><code style="{_IN_PRE}">{inner}</code></pre>\n'


def in_pieces(text: str) -> Iterator[str]:
    """`text` in pieces of at most `PIECE` characters, which end with a line, or else a word, where they can.

    >>> [len(piece) for piece in in_pieces("x" * 3_000 + "\\n" + "y" * 5_000)]
    [3001, 4000, 1000]
    """
    at = 0
    while len(text) - at > PIECE:
        end = text.rfind("\n", at, at + PIECE) + 1 or text.rfind(" ", at + PIECE // 2, at + PIECE) + 1 or at + PIECE
        yield text[at:end]
        at = end
    yield text[at:]


def highlighted(code: str, word: str) -> str | None:
    """Coloured HTML for what stands within ``code``; None where the language isn't known or the code is too long.

    >>> print(highlighted("if x: pass", "python"))  # doctest: +ELLIPSIS
    <span style="color:...">if </span>x: <span style="color:...">pass</span>
    >>> highlighted("whatever", "klingon") is None
    True
    """
    name = _WORD.match(word)
    if name is None or len(code) > HIGHLIGHTED or _SLOW.search(code):
        return None
    try:
        lexer = _lexer(name[0].lower())
        return None if lexer is None else _coloured(lexer, code)
    except Exception:  # five hundred languages, written by many people: none of them may cost a reply
        return None


def _coloured(lexer: Lexer, code: str) -> str | None:
    pieces: list[str] = []
    run, style, seen = "", "", 0
    until = time.thread_time() + _TIME
    for _, token, text in lexer.get_tokens_unprocessed(code):
        new = style if text.isspace() and not style.startswith("font") else _style(token)
        if new != style:
            pieces.append(_span(run, style))
            run, style = "", new
        run += text
        seen += len(text)
        if time.thread_time() > until:
            return None
    return "".join([*pieces, _span(run, style)]) if seen == len(code) else None


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
    """One of Pygments' own: what other packages register isn't looked for, which takes long and runs their code."""
    from pygments.lexers import find_lexer_class

    name = _names().get(alias)
    lexer = find_lexer_class(name) if name else None
    return None if lexer is None else lexer()


@cache
def _names() -> dict[str, str]:
    from pygments.lexers import get_all_lexers

    return {alias: name for name, aliases, _, _ in get_all_lexers(plugins=False) for alias in aliases}
