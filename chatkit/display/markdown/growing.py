"""Rules of the parser for Markdown that is still being written: what has begun is shown as if it will end well.

A mark is shown only where it stays whatever comes. What has been opened is taken for open until the text ends, and what may be
the first half of something is left out until more of it is there. Four things can't be known, and are shown as they stand: what
is in code, a star between two Latin letters or digits, which is a product more often than an emphasis, a bracket that nothing has
closed for a long time, and a mark in the label of a link whose address hasn't ended.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from markdown_it.rules_block.table import escapedSplit
from markdown_it.rules_inline.state_inline import Delimiter

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_core import StateCore
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

MAX_LABEL = 100
"""Characters behind a bracket after which it begins no link any more."""
_MAX_CLOSED = 8
"""Marks that are closed, innermost first."""
_MAX_FORMULA = 2_000
"""Characters after which what begins like a formula is text."""
_POSSIBLE_MARKER = re.compile(r"(?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t])*+(?:[-=*+#`~_|:\s]*|`{3,}[^`]*|\d{1,9}[.)]?|\$\$?|\\[\[(]?)")
"""A last line that says nothing yet, but that could turn the line before it into a heading or a table, or begin code."""
_HALF = re.compile(r"(?:(?:[\\*_~`!<\]]|\[(?:\^[\w-]*)?|&\#?\w{0,31})\s*)+\Z|(?<![^\n])\[[ xX]\]?[ \t]*\Z", re.ASCII)
"""What may be the first half of a mark, at the end of a text."""
_MAX_HALF = 50
_ENDED = re.compile(r"\n[ \t>]*\n[ \t>]*\Z")
"""An empty line, behind which no paragraph goes on."""
_TICKS = re.compile("`+")
_HALF_TARGET = re.compile(r"\(\s*(?:<[^<>\n]*>?|[^\s<](?:[^\s\\]|\\.)*\\?)?(?:\s+(?:[\"'(][^\n]*)?)?\Z")
_HALF_ADDRESS = re.compile(r"<(?:https?:[^\s<>]*\Z|(?=[A-Za-z][^\s<>]*\Z))")
_FORMULA = re.compile(r"\$\$|\\[(\[]")


def without_marker(text: str) -> str:
    """`text` without a last line that may be no more than a marker.

    >>> without_marker("Title\\n--"), without_marker("- one\\n- ")
    ('Title\\n', '- one\\n')
    """
    last_line = text.rfind("\n") + 1
    return text[:last_line] if _POSSIBLE_MARKER.fullmatch(text, last_line) else text


def let_grow(md: MarkdownIt) -> MarkdownIt:
    """Give a parser these rules; its texts have gone through `without_marker`."""
    md.core.ruler.before("inline", "growing", _find_end)
    md.block.ruler.before("table", "growing_table", _table_head, {"alt": ["paragraph", "blockquote", "list"]})
    for before, rule in (("escape", _formula), ("autolink", _address)):
        md.inline.ruler.before(before, f"growing_{before}", _at_the_end(rule))
    md.inline.ruler.before("backticks", "growing_backticks", _code)
    md.inline.ruler.after("image", "growing_image", _at_the_end(_link))
    md.inline.ruler2.after("balance_pairs", "growing_pairs", _close)
    return md


def _find_end(state: StateCore) -> None:
    """Note which paragraph may go on, and leave out what is half written at its end."""
    state.env["grows"] = None
    last = next((t for t in reversed(state.tokens) if t.type == "inline" or t.nesting == 0), None)
    if last is None or last.type != "inline" or _ENDED.search(state.src, max(0, len(state.src) - _MAX_HALF)):
        return
    half = _HALF.search(last.content, max(0, len(last.content) - _MAX_HALF))
    last.content = last.content[: half.start()].rstrip() if half else last.content
    last.children = state.env["grows"] = []
    state.env["closing"] = half is not None and "*" in half[0]


def _table_head(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A last line that begins with a bar is the head of a table, whose next line says so."""
    line = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]].rstrip()
    if start + 1 < state.lineMax or not line.startswith("|") or state.is_code_block(start) or state.parentType == "table":
        return False  # the last row of a table is no other's head
    if silent:
        return True
    rows = ("table", "thead", "tr")
    for tag in rows:
        state.push(f"{tag}_open", tag, 1).map = [start, start + 1]
    for cell in escapedSplit(line[1:].removesuffix("|")):
        state.push("th_open", "th", 1)
        inline = state.push("inline", "", 0)
        inline.content, inline.children = cell.strip(), []
        state.push("th_close", "th", -1)
    for tag in reversed(rows):
        state.push(f"{tag}_close", tag, -1)
    state.line = start + 1
    return True


def _at_the_end(rule: Callable[[StateInline], bool]) -> Callable[[StateInline, bool], bool]:
    """A rule for the paragraph that may go on; not where the parser only looks ahead."""
    return lambda state, silent: not silent and state.tokens is state.env["grows"] and rule(state)


def _formula(state: StateInline) -> bool:
    """A formula without an end isn't there yet: its source would be replaced by something of another height."""
    if not _FORMULA.match(state.src, state.pos) or state.posMax - state.pos > _MAX_FORMULA:
        return False
    state.pos = state.posMax
    return True


def _code(state: StateInline, silent: bool) -> bool:
    """Code whose last ticks haven't come goes on to the end, also where the parser only looks for the end of a link's label."""
    ticks = _TICKS.match(state.src, state.pos) if state.tokens is state.env["grows"] else None
    if ticks is None or any(other[0] == ticks[0] for other in _TICKS.finditer(state.src, ticks.end(), state.posMax)):
        return False
    if not silent:
        token = state.push("code_inline", "code", 0)
        token.content, token.markup = state.src[ticks.end() : state.posMax].replace("\n", " "), ticks[0]
    state.pos = state.posMax
    return True


def _link(state: StateInline) -> bool:
    """A link that isn't whole is its label."""
    bracket = state.pos + (state.src[state.pos] == "!")
    if not state.src.startswith("[", bracket):
        return False
    label_end, end = state.md.helpers.parseLinkLabel(state, bracket), state.posMax
    if label_end < 0 and end - bracket <= MAX_LABEL:
        state.push("text", "", 0)  # stands for the bracket, so that a star behind it doesn't seem to follow a letter
        state.pos = bracket + 1
        return True
    if label_end < 0 or not _HALF_TARGET.match(state.src, label_end + 1, end):
        return False
    state.pos, state.posMax = bracket + 1, label_end
    state.md.inline.tokenize(state)
    state.pos = state.posMax = end
    return True


def _address(state: StateInline) -> bool:
    """An address whose last bracket hasn't come."""
    half = _HALF_ADDRESS.match(state.src, state.pos, state.posMax)
    if half is None:
        return False
    state.pos = half.end()
    return True


def _close(state: StateInline) -> None:
    """Close the emphases that are open, innermost first."""
    if state.tokens is not state.env["grows"]:
        return
    waiting: list[Delimiter] = []
    reach = -1  # what is within a pair ends there
    for i, mark in enumerate(state.delimiters):
        if mark.end < 0 and mark.open and i > reach and (state.env["closing"] or not _is_product(state.tokens, mark.token)):
            waiting.append(mark)
        reach = max(reach, mark.end)
    for mark in reversed(waiting[-_MAX_CLOSED:]):
        state.push("text", "", 0)
        mark.end = len(state.delimiters)
        state.delimiters.append(Delimiter(mark.marker, 0, len(state.tokens) - 1, -1, open=False, close=True))


def _is_product(tokens: list[Token], star: int) -> bool:
    """Whether a star stands between two Latin letters or digits."""
    before = after = star
    while before >= 0 and _is_star(tokens[before]):
        before -= 1
    while after < len(tokens) and _is_star(tokens[after]):
        after += 1
    around = [tokens[i].content[at:][:1] for i, at in ((before, -1), (after, 0)) if 0 <= i < len(tokens) and tokens[i].type == "text"]
    return len(around) == 2 and all(c.isascii() and c.isalnum() for c in around)


def _is_star(token: Token) -> bool:
    """Whether it is a star that isn't escaped."""
    return token.type == "text" and token.content == "*"
