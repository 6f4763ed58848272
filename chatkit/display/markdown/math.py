"""Formulas in Markdown, left as they were written: a backslash or an underscore in them is none of Markdown's business."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline

_INLINE = re.compile(
    r"""
    \$\$ [^$`]{1,2000} \$\$
    | \$ (?![\s$]) [^$`\n]{0,499} (?<![\s\\]) \$ (?!\d)     # so that "$5 and $10" is none
    | \\\( [^`]{1,500}? \\\)
    | \\\[ [^`]{1,500}? \\\]
    """,
    re.VERBOSE,
)
_FENCES = {"$$": "$$", "\\[": "\\]"}
_LINK = "]("
"""What no formula holds: where formulas aren't known it would be read as a link."""
_REACHING_OUT = re.compile(
    r"""
    \^\^ | \\begin (?!\s*\{[A-Za-z]+\*?\})  # other spellings of a name
    | \\ (?: begin\s*\{\s* )? (?:
        input | include | includegraphics | InputIfFileExists | IfFileExists | (?:verbatim|lst)input\w* | filecontents
        | openin | openout | closeout | read | readline | write | immediate | special | directlua | scantokens
        | csname | UseName | catcode | usepackage | RequirePackage
    ) (?![A-Za-z])
    """,
    re.VERBOSE,
)
"""What no formula needs, and TeX reads files or runs programs for (nbconvert --to pdf): it is shown as text."""
_LONGEST = 200
"""Lines of one displayed formula."""


def math_plugin(md: MarkdownIt) -> None:
    """Make markdown-it keep ``$…$``, ``$$…$$``, ``\\(…\\)`` and ``\\[…\\]`` as tokens ``math_inline`` and ``math_block``."""
    md.inline.ruler.before("escape", "math_inline", _math_inline)
    md.block.ruler.before("fence", "math_block", _math_block, {"alt": ["paragraph", "blockquote", "list"]})


def _math_inline(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "$\\":
        return False
    match = _INLINE.match(state.src, state.pos)
    if match is None or _LINK in match[0] or _REACHING_OUT.search(match[0]):
        return False
    if not silent:
        state.push("math_inline", "", 0).content = match[0]
    state.pos = match.end()
    return True


def _math_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if state.is_code_block(start):
        return False
    first = _line(state, start)
    close = _FENCES.get(first[:2])
    if close is None:
        return False
    lines = [first]
    last = start
    while not (lines[-1].endswith(close) and (last > start or len(first) > 3)):
        last += 1
        if last >= end or last - start > _LONGEST or state.isEmpty(last) or state.sCount[last] < state.blkIndent:
            return False
        lines.append(_line(state, last))
    content = "\n".join(lines)
    if "`" in content or _LINK in content or _REACHING_OUT.search(content) or content.count(first[:2]) > (2 if first[:2] == close else 1):
        return False
    if not silent:
        token = state.push("math_block", "", 0)
        token.content = content
        token.map = [start, last + 1]
        state.line = last + 1
    return True


def _line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]].rstrip()
