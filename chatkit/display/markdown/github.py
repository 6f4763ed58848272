"""What GitHub adds to Markdown and models write: task lists and footnotes; and each block in the direction of its own text.

GitHub numbers footnotes and moves them to the end. A text that grows can't: a number that was shown mustn't change, and what is
complete is final. So a note keeps the number that the model gave it, and the place. There is no link from one to the other, which
would need an id that is unique in a page of many replies. A box of a task list is a character, since it can't be ticked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from markdown_it.rules_block import paragraph

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_core import StateCore
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

_REFERENCE = re.compile(r"\[\^([^\W_][\w-]{0,31})\](?!\()")
_NOTE = re.compile(r"(\[\^[^\W_][\w-]{0,31}\]):[ \t]*")
_NOTE_STYLE = "font-size:88%;margin:0 0 0.5em 0"
_TASK = re.compile(r"\[([ xX])\](?=\s)")
_TASK_STYLE = "list-style-type:none;margin-inline-start:-1.3em"
_BOXES = {" ": "☐", "x": "☑", "X": "☑"}
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")
_OF_ITS_OWN = {"paragraph_open", "heading_open", "list_item_open", "th_open", "td_open"}


def as_github(md: MarkdownIt) -> MarkdownIt:
    """Give a parser these rules."""
    md.block.ruler.before("reference", "footnote", _note, {"alt": ["paragraph", "reference"]})
    md.inline.ruler.before("link", "footnote_ref", _reference)
    md.core.ruler.after("inline", "task_list", _tasks)
    md.core.ruler.after("task_list", "direction", _directions)
    return md


def _note(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """``[^1]: text`` is a small paragraph, which also ends where the next note begins."""
    if state.is_code_block(start) or not _NOTE.match(state.src, state.bMarks[start] + state.tShift[start], state.eMarks[start]):
        return False
    if not silent:
        paragraph(state, start, end, silent)
        opening, inline, _ = state.tokens[-3:]
        opening.attrSet("style", _NOTE_STYLE)
        inline.content = _NOTE.sub(r"\1 ", inline.content, count=1)
    return True


def _reference(state: StateInline, silent: bool) -> bool:
    """``[^1]`` behind what it is about, and at the beginning of its note; a word in brackets may also be a class of characters."""
    match = _REFERENCE.match(state.src, state.pos, state.posMax)
    if match is None or not (match[1].isdigit() or state.pos == 0 or not state.src[state.pos - 1].isspace()):
        return False
    if not silent:
        state.push("footnote_ref", "sup", 0).content = match[1]
    state.pos = match.end()
    return True


def _tasks(state: StateCore) -> None:
    """An item of a list that begins with ``[ ]`` or ``[x]`` begins with a box."""
    tokens = state.tokens
    for item, opening, inline in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if item.type != "list_item_open" or opening.type != "paragraph_open" or not inline.children:
            continue
        first = inline.children[0]
        if first.type == "text" and (box := _TASK.match(inline.content)):
            first.content = _BOXES[box[1]] + first.content[box.end() :]
            item.attrSet("style", _TASK_STYLE)


def _directions(state: StateCore) -> None:
    """A block with text from right to left says so, and lets what is in it have directions of its own; others need not."""
    if not _RIGHT_TO_LEFT.search(state.src):
        return
    lines = state.src.split("\n")
    within = False
    for token in state.tokens:
        if token.level == 0 and token.nesting >= 0:
            within = token.map is not None and any(map(_RIGHT_TO_LEFT.search, lines[slice(*token.map)]))
            if within and token.nesting:
                token.attrSet("dir", "auto")
        elif within and token.type in _OF_ITS_OWN:
            _add_style(token, "unicode-bidi:plaintext")
        if within and token.type == "paragraph_open":
            _add_style(token, "text-align:start")  # JupyterLab has all paragraphs on the left


def _add_style(token: Token, style: str) -> None:
    before = token.attrGet("style")
    token.attrSet("style", f"{before};{style}" if before else style)
