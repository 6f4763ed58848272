"""What a view shows, as plain data, and the smallest messages that bring a front end from one state to the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from chatkit.display.wire import Block, Changes, Countdown, Facts, Snapshot, Waiting

Known = dict[str, Any]
"""Facts as the kernel knows them: `chatkit.display.wire.Facts`, but ``retry`` and ``waiting`` hold the moment of the
kernel's clock at which the wait ends, or the waiting began, as ``until`` and ``since``."""
_AT_FIRST: Known = {f: getattr(Facts(), f) for f in Facts.__struct_fields__}


class ViewState:
    """What the front end has been told.

    Parameters
    ----------
    facts : dict
        What is shown beside the blocks, by name; what isn't given is at its default.
    now : callable
        A monotonic clock, in seconds: what is left of a wait is reckoned when it is told.
    """

    def __init__(self, facts: Known, now: Callable[[], float] = time.monotonic) -> None:
        self._facts = {**_AT_FIRST, **facts}
        self._blocks: list[Block] = []
        self._sizes: list[int] = []
        self._revision = 0
        self._now = now

    @property
    def units(self) -> int:
        """The length of all blocks' HTML, as JavaScript counts it."""
        return sum(self._sizes)

    def advance(self, blocks: Sequence[Block], facts: Known) -> dict[str, Any] | None:
        """Go on to these blocks and facts.

        Parameters
        ----------
        blocks : sequence of Block
            All blocks, in order. One that is the same object as before costs nothing.
        facts : dict
            The facts that may have changed.

        Returns
        -------
        dict or None
            The message to send, a `chatkit.display.wire.Changes`; None where nothing changed.
        """
        changed = {k: v for k, v in facts.items() if self._facts[k] != v}
        self._facts |= changed
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
        changes = Changes(r=self._revision, set=self._told(changed), cut=cut, put=tuple(put), edit=tuple(edit), done=tuple(done))
        message: dict[str, Any] = msgspec.to_builtins(changes)
        return message

    def snapshot(self) -> dict[str, Any]:
        """The whole state, a `chatkit.display.wire.Snapshot`, for a front end that has none or missed something."""
        state: dict[str, Any] = msgspec.to_builtins(Snapshot(r=self._revision, blocks=tuple(self._blocks), **self._told(self._facts)))
        return state

    def _told(self, facts: Known) -> Known:
        """With moments as the milliseconds to or since them: the browser's clock and the kernel's differ."""
        facts = dict(facts)
        if retry := facts.get("retry"):
            left = max(0, round((retry["until"] - self._now()) * 1000))
            facts["retry"] = Countdown(left=left, **{k: v for k, v in retry.items() if k != "until"})
        if waiting := facts.get("waiting"):
            facts["waiting"] = Waiting(age=max(0, round((self._now() - waiting["since"]) * 1000)))
        return facts


def _splice(before: str, after: str) -> tuple[int, int, str]:
    """Where `after` differs: how much stays at the front, how much of `before` goes, and what comes in its place.

    >>> _splice("<p>Hello wo</p>", "<p>Hello world</p>")
    (11, 0, 'rld')
    >>> _splice("🙂a", "🙂b")
    (2, 1, 'b')
    """
    front = _shared(len(before), len(after), lambda n: before.startswith(after[:n]))
    rest = min(len(before), len(after)) - front
    back = _shared(rest, rest, lambda n: before.endswith(after[len(after) - n :]))
    return _utf16(before[:front]), _utf16(before[front : len(before) - back]), after[front : len(after) - back]


def _shared(one: int, other: int, agrees: Callable[[int], bool]) -> int:
    """The greatest length that agrees: a search by halves, whose comparisons run at memory's speed."""
    low, high = 0, min(one, other)
    while low < high:
        middle = (low + high + 1) // 2
        if agrees(middle):
            low = middle
        else:
            high = middle - 1
    return low


def _utf16(text: str) -> int:
    """Length as JavaScript counts it."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
