"""A chat as the blocks of a view: what hasn't changed is not rendered again, and growing text only at its end."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from chatkit.display.document import Prompt, Said, answer, answer_notes, original, prompt_piece, turn_notes, turns
from chatkit.display.markdown.stream import MarkdownStream
from chatkit.display.messages import Block
from chatkit.display.plain_text import shown
from chatkit.display.writers import MAX_LIVE_IMAGE, html_of, reasoning_title
from chatkit.fold import Transcript
from chatkit.parts import Part, Reasoning, Text

MAX_AT_ONCE = 30_000
"""Characters of answers that are rendered at once: a view that opens on a long chat blocks the loop for about 50 ms at most."""
CARD = 1_000
"""What a card counts for among them."""


class Timeline:
    """The blocks of a whole chat, or of its last turn alone, without the prompt that the cell above shows."""

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole
        self._answers: list[_Answer] = []
        self._more = False

    @property
    def behind(self) -> bool:
        """Whether there was more to render than is done at once: ask again soon for the rest."""
        return self._more or any(answer.behind for answer in self._answers)

    def blocks(self, chat: Transcript, *, running: bool) -> list[Block]:
        """The blocks of what was committed and of what is in flight, whose last part may grow while a turn is `running`."""
        if not self._whole:
            return [*self._answer(0).blocks(chat.answer(), running), *map(_note, [] if running else turn_notes(chat))]
        blocks: list[Block] = []
        flight = [part for _, part in chat.flight]
        found = turns(chat.messages) or ([(None, [])] if flight else [])
        del self._answers[len(found) :]
        left = MAX_AT_ONCE
        self._more = False
        for n, (prompt, messages) in enumerate(found):
            if left <= 0:
                self._more = True
                break
            last = n == len(found) - 1
            if prompt is not None:
                blocks += _prompt(prompt_piece(prompt))
            answer = self._answer(n)
            blocks += answer.blocks([p for m in messages for p in m.parts] + (flight if last else []), last and running)
            left -= MAX_AT_ONCE if answer.behind else answer.fresh
            blocks += map(_note, [] if last and running else answer_notes(chat, prompt, messages))
        return blocks

    def _answer(self, n: int) -> _Answer:
        while len(self._answers) <= n:
            self._answers.append(_Answer())
        return self._answers[n]


def _note(line: str) -> Block:
    return Block(k="html", t=f'<p class="chatkit-note">{escape(shown(line))}</p>')


def _prompt(prompt: Prompt) -> list[Block]:
    blocks = [Block(k="user", t="")]
    if text := prompt.text.strip():
        blocks.append(Block(k="html", t=f'<p class="chatkit-asked" dir="auto">{escape(text)}</p>', d=1))
    return blocks + [Block(k="html", t=html_of(file, max_image=MAX_LIVE_IMAGE), d=1) for file in prompt.files]


class _Answer:
    """One answer, which is rendered again and again as it grows."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._running: bool | None = None
        self._blocks: list[Block] = []
        self._growing: list[_Growing] = []
        self.fresh = 0  # characters that were rendered last time

    @property
    def behind(self) -> bool:
        return any(growing.stream.behind for growing in self._growing)

    def blocks(self, parts: Sequence[Part], running: bool) -> list[Block]:
        self.fresh = 0
        if running == self._running and _same(parts, self._parts) and not self.behind:
            return self._blocks
        self._parts, self._running = list(parts), running
        said = answer(parts)
        del self._growing[len(said) :]
        self._growing += [_Growing() for _ in range(len(said) - len(self._growing))]
        self._blocks = []
        for n, (piece, growing) in enumerate(zip(said, self._growing, strict=True)):
            self._blocks += growing.blocks(piece, grows=running and n == len(said) - 1, running=running)
            self.fresh += growing.fresh
        if not running:
            self._blocks += [Block(k="html", t=html_of(piece)) for piece in original(said)]
        return self._blocks


class _Growing:
    """One piece of an answer, and its blocks so far."""

    def __init__(self) -> None:
        self.stream = MarkdownStream()
        self._done: list[Block] = []
        self._seen: tuple[Said, bool, bool] | None = None
        self._blocks: list[Block] = []
        self._length = self.fresh = 0

    def blocks(self, piece: Said, *, grows: bool, running: bool) -> list[Block]:
        self.fresh = 0
        if self._seen is None or self.stream.behind or self._seen != (piece, grows, running):
            self.fresh = CARD
            self._blocks = self._rendered(piece, grows, running)
            self._seen = (piece, grows, running)
        return self._blocks

    def _rendered(self, piece: Said, grows: bool, running: bool) -> list[Block]:
        match piece:
            case Text():
                return self._text(piece.text, 0, grows)
            case Reasoning():
                return [Block(k="fold", t=escape(reasoning_title(piece))), *self._text(piece.text, 1, grows)]
            case _:
                return [Block(k="html", t=html_of(piece, running=running, max_image=MAX_LIVE_IMAGE))]

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
