"""The end of Markdown that is still being written, completed for display until more of it arrives."""

from __future__ import annotations

import re

_MAX_COMPLETED = 4_000
"""Characters at the end of the text that are searched for what is open."""
_MAX_CLOSED = 4
"""Open emphases that are closed, innermost first."""
_POSSIBLE_MARKER = re.compile(r"[ \t>]*(?:[-=*+#`~_|:\s]*|(?:[-*+][ \t]+)?\d{1,9}[.)]?|\$\$?|\\[\[(]?)")
"""A last line that says nothing yet, but that could turn the line before it into a heading or a table."""
_TICKS = re.compile(r"(?<!\\)(?<!`)(`+)(?!`)")
_HALF_LINK = re.compile(r"!?(?<!\\)\[((?:[^\[\]\\]|\\.)*)\]\([^()\s]*(?:[ \t]+[\"'(][^\n]*|[ \t]*)$")
_HALF_ADDRESS = re.compile(r"<https?:[^\s<>]*$")
_EMPHASIS = re.compile(r"(?<![\\*])\*{1,3}(?!\*)|(?<!~)~~(?!~)|(?<![\w\\_])_{1,2}(?=\w)|(?<=\S)_{1,2}(?!\w)")


def as_if_closed(text: str) -> str:
    """`text` with its emphasis and code closed, and without an address or a marker that is half written.

    >>> as_if_closed("a **bold"), as_if_closed("run `pip ins"), as_if_closed("see [the docs](https://exam")
    ('a **bold**', 'run `pip ins`', 'see the docs')
    >>> as_if_closed("Title\\n--"), as_if_closed("a **"), as_if_closed("2 * 3")
    ('Title\\n', 'a ', '2 * 3')
    """
    last_line = text.rfind("\n") + 1
    if _POSSIBLE_MARKER.fullmatch(text, last_line):
        text = text[:last_line]
    blank = text.rfind("\n\n")
    paragraph = max(blank + 2 if blank >= 0 else 0, len(text) - _MAX_COMPLETED)
    return text[:paragraph] + _closed(text[paragraph:])


def _closed(text: str) -> str:
    """The same for one paragraph."""
    plain, opened = _without_code(text)
    if opened is not None:
        start, ticks = opened
        return text + ticks if text[start:].strip("`") else text[:start].rstrip("`")
    if _HALF_LINK.search(plain):
        text, plain = _HALF_LINK.sub(r"\1", text), _HALF_LINK.sub(r"\1", plain)
    if address := _HALF_ADDRESS.search(plain):
        text, plain = text[: address.start()], plain[: address.start()]
    waiting = _open_emphases(plain)
    if waiting and waiting[-1].end() == len(plain):
        text = text[: waiting.pop().start()]  # it holds nothing yet, or it is the first half of a closing one
    written = text.rstrip()
    return written + "".join(mark[0] for mark in reversed(waiting[-_MAX_CLOSED:])) + text[len(written) :]


def _open_emphases(plain: str) -> list[re.Match[str]]:
    """The marks of emphasis that no later one closes."""
    waiting: list[re.Match[str]] = []
    for mark in _EMPHASIS.finditer(plain):
        before, after = plain[max(0, mark.start() - 1) : mark.start()], plain[mark.end() : mark.end() + 1]
        if before.strip() and waiting and waiting[-1][0] == mark[0]:
            waiting.pop()
        elif not after or (after.strip() and not before.isalnum()):
            waiting.append(mark)
    return waiting


def _without_code(text: str) -> tuple[str, tuple[int, str] | None]:
    """`text` with ``x`` for each character of a code span, and the start and the ticks of a span that is open."""
    pieces, at = [], 0
    runs = list(_TICKS.finditer(text))
    while runs:
        first, *runs = runs
        end = next((i for i, run in enumerate(runs) if run[1] == first[1]), None)
        if end is None:
            return text, (first.start(), first[1])
        pieces += [text[at : first.start()], "x" * (runs[end].end() - first.start())]
        at = runs[end].end()
        runs = runs[end + 1 :]
    return "".join([*pieces, text[at:]]), None
