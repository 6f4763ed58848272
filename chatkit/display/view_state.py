"""The state of a view in the browser, and the smallest messages that bring it from one state to the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from chatkit.display.messages import Block, Changes, Facts, Snapshot


def kernel_ms(seconds: float | None = None) -> int:
    """A moment of the kernel's monotonic clock as messages have it, in milliseconds; the present unless given."""
    return round((time.monotonic() if seconds is None else seconds) * 1000)


class ViewState:
    """What the browser has been sent; `now` gives the kernel's clock in milliseconds."""

    def __init__(self, facts: Facts | None = None, now: Callable[[], int] = kernel_ms) -> None:
        self._facts = facts or Facts()
        self._blocks: list[Block] = []
        self._sizes: list[int] = []
        self._revision = 0
        self._now = now

    @property
    def units(self) -> int:
        """The length of all blocks' HTML, in JavaScript's units."""
        return sum(self._sizes)

    def advance(self, blocks: Sequence[Block], facts: Facts | None = None) -> dict[str, Any] | None:
        """The message (a `Changes`) that brings the browser to these blocks and facts; None where nothing changed.

        A block that is the same object as before costs nothing.
        """
        changed: dict[str, Any] = {}
        if facts is not None:
            changed = {f: new for f in Facts.__struct_fields__ if (new := getattr(facts, f)) != getattr(self._facts, f)}
            self._facts = facts
        cut = len(blocks) if len(blocks) < len(self._blocks) else None
        if cut is not None:
            del self._blocks[cut:], self._sizes[cut:]
        put: list[tuple[int, Block]] = []
        edit: list[tuple[int, int, int, str]] = []
        done: list[int] = []
        for i, block in enumerate(blocks):
            before = self._blocks[i] if i < len(self._blocks) else None
            if before is block or before == block:
                continue
            if before is not None and (before.k, before.d) == (block.k, block.d) and before.o:
                if before.t != block.t:
                    edit.append((i, *_splice(before.t, block.t)))
                if not block.o:
                    done.append(i)
            else:
                put.append((i, block))
            self._blocks[i : i + 1] = [block]
            self._sizes[i : i + 1] = [_utf16(block.t)]
        if not (changed or put or edit or done or cut is not None):
            return None
        self._revision += 1
        now = self._now() if changed.get("retry") or changed.get("waiting") else 0
        changes = Changes(r=self._revision, now=now, set=changed, cut=cut, put=tuple(put), edit=tuple(edit), done=tuple(done))
        message: dict[str, Any] = msgspec.to_builtins(changes)
        return message

    def snapshot(self) -> dict[str, Any]:
        """The whole state (a `Snapshot`), for a browser that has none or missed a message."""
        facts = {f: getattr(self._facts, f) for f in Facts.__struct_fields__}
        state: dict[str, Any] = msgspec.to_builtins(Snapshot(r=self._revision, now=self._now(), blocks=tuple(self._blocks), **facts))
        return state


def _splice(before: str, after: str) -> tuple[int, int, str]:
    """Where `after` differs: how much stays at the front, how much of `before` goes, and what takes its place.

    >>> _splice("<p>Hello wo</p>", "<p>Hello world</p>")
    (11, 0, 'rld')
    >>> _splice("🙂a", "🙂b")
    (2, 1, 'b')
    """
    front = _agreement(len(before), len(after), lambda n: before.startswith(after[:n]))
    rest = min(len(before), len(after)) - front
    back = _agreement(rest, rest, lambda n: before.endswith(after[len(after) - n :]))
    return _utf16(before[:front]), _utf16(before[front : len(before) - back]), after[front : len(after) - back]


def _agreement(one: int, other: int, agrees: Callable[[int], bool]) -> int:
    """The greatest length that agrees, by bisection: its few comparisons of whole strings run at memory's speed."""
    low, high = 0, min(one, other)
    while low < high:
        middle = (low + high + 1) // 2
        if agrees(middle):
            low = middle
        else:
            high = middle - 1
    return low


def _utf16(text: str) -> int:
    """The length in JavaScript's units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
