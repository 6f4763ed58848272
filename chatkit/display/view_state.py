"""What a view shows, as plain data, and the smallest messages that bring a front end from one state to the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from chatkit.display.blocks import blocks_of
from chatkit.display.markdown import LIMIT, is_safe_url
from chatkit.display.plain_text import shown, single_line
from chatkit.display.wording import tool_line
from chatkit.parts import File, Part, Reasoning, Source, Text, ToolCall, ToolResult

__all__ = ["ViewState", "blocks_shown"]

Block = dict[str, str]
"""``k`` says what it is (text, reasoning, line, source), ``t`` is its text; ``title`` and ``url`` where it has one."""

_REST = "\n… (the rest is in the reply's text)"


def blocks_shown(parts: Sequence[Part]) -> list[Block]:
    """Parts as blocks of a view. Their text is raw yet: `ViewState` cleans what it sends.

    >>> blocks_shown([Text(text="Clients "), Source(url="https://example.org", title="Docs"), Text(text="wait.")])
    [{'k': 'text', 't': 'Clients wait.'}, {'k': 'source', 't': 'Docs', 'url': 'https://example.org'}]
    """
    blocks, sources = blocks_of(parts)
    seen: list[Block] = []
    for part in blocks:
        match part:
            case Text():
                seen.append({"k": "text", "t": _bounded(part.text)})
            case Reasoning():
                seen.append({"k": "reasoning", "t": _bounded(part.text), "title": single_line(part.title, 120) or "Reasoning"})
            case ToolCall() | ToolResult() | File():
                seen.append({"k": "line", "t": tool_line(part)})
    return seen + [_source(s) for s in sources]


def _bounded(text: str) -> str:
    return text if len(text) <= LIMIT else text[:LIMIT] + _REST


def _source(source: Source) -> Block:
    label = single_line(source.title or source.url, 120)
    return {"k": "source", "t": label, "url": source.url} if is_safe_url(source.url) else {"k": "line", "t": label}


class _Sent:
    """A block as the front end has it; `raw` is the text that its own was made of."""

    __slots__ = ("block", "raw", "text", "units")

    def __init__(self, block: Block) -> None:
        self.block = {k: v for k, v in block.items() if k != "t"}
        self.raw = self.text = ""
        self.units = 0
        self.append(block["t"])

    def grows_into(self, block: Block) -> bool:
        return block["t"].startswith(self.raw) and {k: v for k, v in block.items() if k != "t"} == self.block

    def append(self, raw: str) -> str:
        """Go on to `raw`, which begins with what was there, and give the cleaned piece that is new."""
        end = len(raw) - (raw[-1:] in _UNDECIDED)
        piece = raw[len(self.raw) : end]
        before = self.raw[-1:]
        clean = shown(before + piece)[len(shown(before)) :]
        self.raw += piece
        self.text += clean
        self.units += _utf16(clean)
        return clean

    def wire(self) -> Block:
        return {**self.block, "t": self.text}


_UNDECIDED = frozenset(["\r", "\u200c", "\u200d", *map(chr, range(0xD800, 0xDC00))])
"""Characters that only the next one gives a meaning: they wait for it."""


def _utf16(text: str) -> int:
    """Length as JavaScript counts it."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


class ViewState:
    """What the front end has been told.

    Parameters
    ----------
    facts : dict
        What is shown beside the blocks, by name.
    now : callable
        A monotonic clock, in seconds: the time that is left of a wait is reckoned when it is told.
    """

    def __init__(self, facts: dict[str, Any], now: Callable[[], float] = time.monotonic) -> None:
        self._facts = facts
        self._blocks: list[_Sent] = []
        self._revision = 0
        self._now = now

    @property
    def units(self) -> int:
        """The length of all text, as JavaScript counts it."""
        return sum(b.units for b in self._blocks)

    def advance(self, blocks: Sequence[Block], facts: dict[str, Any]) -> dict[str, Any] | None:
        """Go on to these blocks and facts.

        Parameters
        ----------
        blocks : sequence of dict
            All blocks, in order.
        facts : dict
            All facts. ``retry`` is None, or holds its deadline on this object's clock as ``until``.

        Returns
        -------
        dict or None
            The message to send, None where nothing changed: ``r`` its number, ``set`` the facts that changed, ``cut``
            the number of blocks that stay, ``put`` blocks by index, ``add`` pieces of text as [index, offset, text].
        """
        message: dict[str, Any] = {}
        if changed := {k: v for k, v in facts.items() if self._facts.get(k) != v}:
            self._facts = facts
            message["set"] = self._told(changed)
        if len(blocks) < len(self._blocks):
            message["cut"] = len(blocks)
            del self._blocks[len(blocks) :]
        put, add = [], []
        for i, block in enumerate(blocks):
            if i < len(self._blocks) and self._blocks[i].grows_into(block):
                offset = self._blocks[i].units
                if piece := self._blocks[i].append(block["t"]):
                    add.append([i, offset, piece])
            else:
                self._blocks[i : i + 1] = [_Sent(block)]
                put.append([i, self._blocks[i].wire()])
        message |= {k: v for k, v in (("put", put), ("add", add)) if v}
        if not message:
            return None
        self._revision += 1
        return {"r": self._revision, **message}

    def snapshot(self) -> dict[str, Any]:
        """The whole state, for a front end that missed something."""
        return {"r": self._revision, **self._told(self._facts), "blocks": [b.wire() for b in self._blocks]}

    def _told(self, facts: dict[str, Any]) -> dict[str, Any]:
        """With the milliseconds that are left of the wait: the browser's clock and the kernel's differ."""
        retry = facts.get("retry")
        if not retry:
            return facts
        left = max(0, round((retry["until"] - self._now()) * 1000))
        return {**facts, "retry": {"left": left, "why": retry["why"]}}
