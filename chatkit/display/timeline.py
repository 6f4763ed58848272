"""What was said, as the blocks of a view: what hasn't changed is not made again."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import assert_never

from chatkit.display.blocks import Block as Said
from chatkit.display.blocks import ToolUse, blocks_of, shown_of, turns_of
from chatkit.display.cards import image, sources, tool_card
from chatkit.display.frozen import ending_of
from chatkit.display.markdown.stream import MarkdownStream
from chatkit.display.plain_text import shown, single_line
from chatkit.display.wire import Block
from chatkit.fold import Transcript
from chatkit.parts import File, Message, Part, Reasoning, Text

_LONGEST_QUESTION = 20_000
"""Characters of a person's own message that are shown."""
_AT_ONCE = 30_000
"""Characters of answers that are rendered at once: a view that opens on a long chat holds nobody up for more than some 50 ms."""
_CARD = 1_000
"""What a card counts for among them."""


class Timeline:
    """The blocks of a chat, or of one turn."""

    def __init__(self) -> None:
        self._groups: list[_Answer] = []
        self._more = False

    @property
    def behind(self) -> bool:
        """There was more to render than is done at once: ask again soon for the rest."""
        return self._more or any(group.behind for group in self._groups)

    def of_turn(self, parts: Sequence[Part], *, running: bool, notes: Sequence[str] = ()) -> list[Block]:
        """The blocks of one answer.

        Parameters
        ----------
        parts : sequence of Part
            What was said so far.
        running : bool
            Whether its last part may still grow.
        notes : sequence of str
            Lines below it.
        """
        return [*self._group(0).blocks(parts, running), *map(note, notes)]

    def of_chat(self, transcript: Transcript, *, running: bool) -> list[Block]:
        """The blocks of a whole chat: what was committed, and what is in flight.

        Parameters
        ----------
        transcript : Transcript
            The chat. Messages for the model alone, and the system's, are not shown.
        running : bool
            Whether a turn runs.
        """
        blocks: list[Block] = []
        flight = [part for _, part in transcript.flight]
        turns = turns_of(shown_of(transcript.messages)) or ([(None, [])] if flight else [])
        del self._groups[len(turns) :]
        left = _AT_ONCE
        self._more = False
        for n, (question, answer) in enumerate(turns):
            if left <= 0:
                self._more = True
                break
            last = n == len(turns) - 1
            parts = [p for m in answer for p in m.parts] + (flight if last else [])
            if question is not None:
                blocks += _question(question)
            group = self._group(n)
            blocks += group.blocks(parts, last and running)
            left -= _AT_ONCE if group.behind else group.fresh
            blocks += map(note, [] if last and running else ending_of(answer))
        return blocks

    def _group(self, n: int) -> _Answer:
        while len(self._groups) <= n:
            self._groups.append(_Answer())
        return self._groups[n]


def note(line: str) -> Block:
    """A small line below what was said."""
    return Block(k="html", t=f'<p class="chatkit-note">{escape(shown(line))}</p>')


def _question(message: Message) -> list[Block]:
    """What the person said, as it was written."""
    blocks = [Block(k="user", t="")]
    for part in message.parts:
        if isinstance(part, Text) and part.text.strip():
            text = shown(part.text.strip())
            text = text if len(text) <= _LONGEST_QUESTION else f"{text[:_LONGEST_QUESTION]}…"
            blocks.append(Block(k="html", t=f'<p class="chatkit-asked" dir="auto">{escape(text)}</p>', d=1))
        elif isinstance(part, File):
            blocks.append(Block(k="html", t=image(part), d=1))
    return blocks


class _Answer:
    """One answer, made into blocks again and again as it grows."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._running: bool | None = None
        self._made: list[Block] = []
        self._growing: list[_Growing] = []
        self.fresh = 0  # characters that were rendered last time

    @property
    def behind(self) -> bool:
        return any(growing.stream.behind for growing in self._growing)

    def blocks(self, parts: Sequence[Part], running: bool) -> list[Block]:
        """The blocks of these parts; the last of them may still grow while it is `running`."""
        self.fresh = 0
        if running == self._running and _same(parts, self._parts) and not self.behind:
            return self._made
        self._parts, self._running = list(parts), running
        said, cited = blocks_of(parts)
        del self._growing[len(said) :]
        self._growing += [_Growing() for _ in range(len(said) - len(self._growing))]
        self._made = []
        for n, (one, growing) in enumerate(zip(said, self._growing, strict=True)):
            self._made += growing.blocks(one, grows=running and n == len(said) - 1, running=running)
            self.fresh += growing.fresh
        if cited:
            self._made.append(Block(k="html", t=sources(cited)))
        return self._made


class _Growing:
    """One part of an answer, and its blocks so far."""

    def __init__(self) -> None:
        self.stream = MarkdownStream()
        self._done: list[Block] = []
        self._seen: tuple[Said, bool, bool] | None = None
        self._made: list[Block] = []
        self._length = self.fresh = 0

    def blocks(self, said: Said, *, grows: bool, running: bool) -> list[Block]:
        self.fresh = 0
        if self._seen is None or self.stream.behind or self._seen != (said, grows, running):
            self.fresh = _CARD
            self._made = self._make(said, grows, running)
            self._seen = (said, grows, running)
        return self._made

    def _make(self, said: Said, grows: bool, running: bool) -> list[Block]:
        match said:
            case Text():
                return self._text(said.text, 0, grows)
            case Reasoning():
                return [Block(k="fold", t=escape(single_line(said.title, 120) or "Reasoning")), *self._text(said.text, 1, grows)]
            case ToolUse():
                return [Block(k="html", t=tool_card(said, running=running and said.result is None))]
            case File():
                return [Block(k="html", t=image(said))]
            case _:
                assert_never(said)

    def _text(self, text: str, depth: int, grows: bool) -> list[Block]:
        stream = self.stream
        self.fresh, self._length = max(0, len(text) - self._length), len(text)
        stream.advance(text)
        if not grows and not stream.behind:
            stream.advance(text, final=True)
        kept = 0
        while kept < min(len(self._done), len(stream.done)) and self._done[kept].t == stream.done[kept] and self._done[kept].d == depth:
            kept += 1
        self._done[kept:] = [Block(k="html", t=html, d=depth) for html in stream.done[kept:]]
        return self._done + ([Block(k="html", t=stream.open, d=depth, o=True)] if stream.open else [])


def _same(parts: Sequence[Part], others: Sequence[Part]) -> bool:
    return len(parts) == len(others) and all(a is b for a, b in zip(parts, others, strict=True))
