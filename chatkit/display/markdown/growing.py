"""Markdown that is still being written, closed as it will probably be closed: only for the eye, and only until more comes."""

from __future__ import annotations

import re

_SEEN = 4_000
"""Characters at the end that are looked at."""
_MARKERS = re.compile(r"[ \t>]*(?:[-=*+#`~_|:\s]*|(?:[-*+][ \t]+)?\d{1,9}[.)]?|\$\$?|\\[\[(]?)")
"""A last line that is nothing yet, but could make a heading or a table of the line before it."""
_TICKS = re.compile(r"(?<!\\)(?<!`)(`+)(?!`)")
_HALF_LINK = re.compile(r"!?\[((?:[^\[\]\\]|\\.)*)\]\([^()\s]*(?:[ \t]+[\"'(][^\n]*|[ \t]*)$")
_HALF_ADDRESS = re.compile(r"<https?:[^\s<>]*$")
_DELIMITER = re.compile(r"(?<![\\*])\*{1,3}(?!\*)|(?<!~)~~(?!~)|(?<![\w\\_])_{1,2}(?=\w)|(?<=\S)_{1,2}(?!\w)")


def as_if_closed(text: str) -> str:
    """`text` without the half of a link's address, and with its emphasis and code closed.

    Parameters
    ----------
    text : str
        Markdown that ends anywhere.

    Examples
    --------
    >>> as_if_closed("a **bold"), as_if_closed("run `pip ins"), as_if_closed("see [the docs](https://exam")
    ('a **bold**', 'run `pip ins`', 'see the docs')
    >>> as_if_closed("Title\\n--"), as_if_closed("a **"), as_if_closed("2 * 3")
    ('Title\\n', 'a ', '2 * 3')
    """
    start = text.rfind("\n") + 1
    if _MARKERS.fullmatch(text, start):
        text = text[:start]
    paragraph = max(text.rfind("\n\n") + 2 if "\n\n" in text else 0, len(text) - _SEEN)
    return text[:paragraph] + _closed(text[paragraph:])


def _closed(text: str) -> str:
    plain, opened = _without_code(text)
    if opened is not None:
        at, ticks = opened
        return text + ticks if text[at:].strip("`") else text[:at].rstrip("`")
    text, plain = (_HALF_LINK.sub(lambda m: m[1], t) if _HALF_LINK.search(plain) else t for t in (text, plain))
    if address := _HALF_ADDRESS.search(plain):
        text, plain = text[: address.start()], plain[: address.start()]
    waiting: list[tuple[int, str]] = []
    for found in _DELIMITER.finditer(plain):
        before, after = plain[max(0, found.start() - 1) : found.start()], plain[found.end() : found.end() + 1]
        if before.strip() and waiting and waiting[-1][1] == found[0]:
            waiting.pop()
        elif not after or (after.strip() and not before.isalnum()):
            waiting.append((found.start(), found[0]))
    if waiting and waiting[-1][0] + len(waiting[-1][1]) == len(plain):
        text = text[: waiting.pop()[0]]  # nothing is in it yet, or it is half of a closing one
    spaces = len(text) - len(text.rstrip())
    closing = "".join(mark for _, mark in reversed(waiting[-4:]))
    return text[: len(text) - spaces] + closing + text[len(text) - spaces :]


def _without_code(text: str) -> tuple[str, tuple[int, str] | None]:
    """`text` with spans of code blanked, and where one is open: its place and its ticks."""
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
