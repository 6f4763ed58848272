"""Markdown as it streams, as HTML: a block is rendered once when it is complete, and only the rest is rendered again.

Wherever a text is cut into pieces, the same HTML comes out in the end. A block that grows beyond a few thousand
characters is cut at the end of a line and continued behind the cut, so that the work stays in proportion to the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from chatkit.display.markdown.growing import without_marker
from chatkit.display.markdown.highlight import MAX_HIGHLIGHTED, MAX_PIECE, code_html, code_piece, in_pieces, long_code_html
from chatkit.display.markdown.parse import MAX_SHOWN, in_proportion, left_out, parse, preformatted, render_tokens
from chatkit.display.plain_text import ShownInPieces

if TYPE_CHECKING:
    from markdown_it.token import Token

_MAX_ADVANCE = 64_000
"""Characters that one `advance` reads."""
_MAX_TOKENS = 3_000
"""Tokens after which an `advance` reads no further, which takes 30 ms."""
_MAX_READ = 1_500
"""Characters that are read before complete blocks are looked for."""
_MAX_TAIL = 4_000
"""Characters of one block that are parsed again and again while it grows, which takes 5 ms, or 15 ms for a table."""
_MAX_ITEM = 10_000
"""The same for one item of a list, where a cut would be visible."""
_MAX_CARRY = 1_000
"""Characters of the lines that are repeated before the rest of a block that was cut."""
_MAX_COUNTS = {"[": 300, "\n": 700}
"""Occurrences of a character in the tail; with more of them, to parse it again and again would be slow."""
_FORMULA = re.compile(r"[ \t]*(?:\$\$|\\\[)")


class _TopLevelBlock(NamedTuple):
    """A block that isn't inside another one."""

    token: Token  # the first one
    end_token: int
    first: int  # line
    end: int  # line behind the last one


@dataclass
class _OpenFence:
    """A block of code whose end hasn't come yet."""

    opening: str  # its first line
    markup: str
    is_cut: bool = False  # pieces of it are done

    def closing_line(self) -> re.Pattern[str]:
        return _closing_line(self.markup)

    def dedented(self, code: str) -> str:
        """`code` without the indentation of the fence."""
        indent = len(self.opening) - len(self.opening.lstrip(" "))
        return re.sub(rf"(?m)^ {{1,{indent}}}", "", code) if indent else code


class MarkdownStream:
    """The text of one part of a message while it grows.

    `done` is a list with the HTML of what is complete, a block or several per entry, which is only appended to until
    another text is begun. `open` is the HTML of what still grows, and may be empty. `behind` says that `advance` has not read
    all of its text, and is to be called with the same text again. `work` is the number of tokens that the last `advance` made,
    a measure of its cost that doesn't depend on the machine.

    >>> stream = MarkdownStream()
    >>> stream.advance("One *wo")
    >>> stream.done, stream.open
    ([], '<p>One <em>wo</em></p>\\n')
    >>> stream.advance("One *word*.\\n\\nTwo", final=True)
    >>> "".join(stream.done), stream.open
    ('<p>One <em>word</em>.</p>\\n<p>Two</p>\\n', '')
    """

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self.done: list[str] = []
        self.open = ""
        self.behind = False
        self.work = 0
        self._text = ""
        self._read = 0  # characters of the text
        self._final = False
        self._cleaning = ShownInPieces()
        self._tail = ""  # the cleaned text that isn't done
        self._carry = ""  # lines that are repeated before the tail, where a block was cut
        self._fence: _OpenFence | None = None  # the block of code that the tail is inside of
        self._in_line = False  # the tail continues a line that was cut
        self._searched = 0  # characters of the tail in which no block ends
        self._written = self._settled = 0  # characters of the HTML that is done, and of the text that it shows

    def advance(self, text: str, *, final: bool = False) -> None:
        """Continue to `text`, which is all of the text so far; if it is `final`, all of it is done afterwards.

        A text that doesn't begin with the one before is a new one.
        """
        if not text.startswith(self._text) or (self._final and text != self._text):
            self._start()
        if self._final:
            return
        self._text, self._final, self.work = text, final, 0
        limit = min(len(text), MAX_SHOWN)
        until = limit if final else min(limit, self._read + _MAX_ADVANCE)
        while self._read < until and (final or self.work < _MAX_TOKENS):
            end = min(until, self._read + _MAX_READ)
            self._tail += self._cleaning.feed(text[self._read : end])
            self._read = end
            self._settle(final=False)
        self.behind = self._read < limit
        is_cut = len(text) > MAX_SHOWN and not self.behind
        if final or is_cut:
            self._tail += self._cleaning.feed("", final=True)
            self._settle(final=True)
        self.open = f"<p>{escape(left_out(text))}</p>\n" if is_cut else self._growing()
        if final and is_cut:
            self.done.append(self.open)
            self.open = ""

    def _settle(self, *, final: bool) -> None:
        """Move from the tail to `done` what is complete; all of it if no more text comes."""
        while True:
            end = len(self._tail) if final else self._tail.rfind("\n") + 1
            if self._in_line:
                goes_on = self._settle_line()
            elif self._fence is not None:
                goes_on = self._settle_fence(self._fence, end, final=final)
            else:
                goes_on = self._settle_blocks(end, final=final)
            if not goes_on:
                break
            self._searched = 0
        if final:
            if self._in_line and self._tail:
                self._emit(f"<p>{escape(self._tail)}</p>\n", len(self._tail))
            self._carry = ""

    def _emit(self, html: str, length: int, carry: str = "") -> None:
        """Replace the first `length` characters of the tail by their HTML."""
        if html:
            self.done.append(self._bounded(html, self._tail[:length]))
            self._written += len(self.done[-1])
        self._settled += length
        self._tail, self._carry = self._tail[length:], carry

    def _bounded(self, html: str, text: str) -> str:
        """`html`, or its `text` unformatted if the whole would grow out of proportion."""
        return html if in_proportion(self._written + len(html), self._settled + len(text)) else preformatted(text)

    # Each of the following three returns whether to look for more in the tail.

    def _settle_line(self) -> bool:
        """Take the rest of a line that was cut, or the pieces of it that are complete."""
        end = self._tail.find("\n")
        pieces = list(in_pieces(self._tail[: end + 1] or self._tail))
        if end < 0:
            pieces.pop()
        for piece in pieces:
            line = piece.removesuffix("\n")
            self._emit(f"<p>{escape(line)}</p>\n" if line.strip() else "", len(piece))
        self._in_line = end < 0
        return end >= 0

    def _settle_fence(self, fence: _OpenFence, end: int, *, final: bool) -> bool:
        """Take a block of code when it is closed, or the pieces of long code that are complete."""
        closing = fence.closing_line().search(self._tail, 0, end)
        if closing is None and not final:
            if fence.is_cut or end > MAX_HIGHLIGHTED or len(self._tail) > MAX_HIGHLIGHTED + MAX_PIECE:
                fence.is_cut = True
                *pieces, _ = in_pieces(self._tail)
                for piece in pieces:
                    self._emit(code_piece(fence.dedented(piece)), len(piece))
            return False
        length = closing.end() if closing else len(self._tail)
        tokens = None if fence.is_cut else parse(fence.opening + self._tail[:length], references=False)
        code = self._tail[: closing.start()] if closing else self._tail
        self._emit(long_code_html(fence.dedented(code)) if tokens is None else render_tokens(tokens), length)
        self._fence = None
        return True

    def _settle_blocks(self, end: int, *, final: bool) -> bool:
        """Take the blocks that are complete, open a block of code, or cut a block that has grown too long."""
        searched, self._searched = self._searched, end
        if not final and len(self._tail) <= _MAX_TAIL and not _may_end_a_block(self._tail[:end], searched):
            return False
        if not self._tail[:end].strip():
            self._emit("", end)
            return self._cut([], [])
        source = self._carry + self._tail[:end]
        tokens = self._parsed(source)
        if tokens is None:
            return self._settle_unparsed(end, final=final)
        lines = source.splitlines(keepends=True)
        blocks = list(_top_level(tokens))
        complete = blocks if final else blocks[: _complete(blocks, lines)]
        if complete:
            length = end if final else sum(map(len, lines[: complete[-1].end])) - len(self._carry)
            self._emit(render_tokens(tokens[: complete[-1].end_token]), length)
            return bool(self._tail)
        block = blocks[0]
        has_code = block.end - block.first > 1  # the first line alone may still become the head of a table
        if block.token.type == "fence" and has_code and not self._carry and not _is_closed(block, lines):
            self._fence = _OpenFence(lines[block.first], block.token.markup)
            self._emit("", sum(map(len, lines[: block.first + 1])))
            return True
        return self._cut(tokens, lines)

    def _settle_unparsed(self, end: int, *, final: bool) -> bool:
        """Show what is too much for the parser unformatted, up to the next empty line."""
        blank = self._tail.find("\n\n", 0, end)
        length = blank + 2 if blank >= 0 else end if final else _cut_at(self._tail) if len(self._tail) > _MAX_TAIL else 0
        if length:
            self._emit(preformatted(self._tail[:length].rstrip("\n")), length)
        return length > 0 and bool(self._tail)

    def _cut(self, tokens: Sequence[Token], lines: Sequence[str]) -> bool:
        """Take the beginning of a block that has grown too long, and keep the lines that its rest needs before it."""
        if len(self._tail) <= _MAX_TAIL:
            return False
        items = [t.map[0] for t in tokens if t.type == "list_item_open" and t.level == 1 and t.map]
        length = sum(map(len, lines[: items[-1]])) - len(self._carry) if items else 0
        if length <= 0:
            if items and len(self._tail) <= _MAX_ITEM:
                return False
            length = _cut_at(self._tail)
        source = self._carry + self._tail[:length]
        cut = self._parsed(source)
        self._in_line = not source.endswith("\n")
        carry = "" if cut is None or self._in_line or self._tail.startswith("\n", length) else _carried(cut, source)
        self._emit(preformatted(self._tail[:length]) if cut is None else render_tokens(cut), length, carry)
        return True

    def _growing(self) -> str:
        """HTML of the tail."""
        if self._fence is not None:
            code = self._tail
            last_line = code.rfind("\n") + 1
            if self._fence.closing_line().fullmatch(code[last_line:] + self._fence.markup):
                code = code[:last_line]  # what the last line holds may become the end of the code
            return code_html(self._fence.dedented(code), growing=True)
        if not self._tail.strip():
            return ""
        if self._in_line:
            return f"<p>{escape(self._tail)}</p>\n"
        tokens = self._parsed(self._carry + without_marker(self._tail), growing=True)
        return preformatted(self._tail) if tokens is None else self._bounded(render_tokens(tokens, growing=True), self._tail)

    def _parsed(self, source: str, *, growing: bool = False) -> list[Token] | None:
        if any(source.count(character) > most for character, most in _MAX_COUNTS.items()):
            return None
        tokens = parse(source, growing=growing, references=False)
        self.work += sum(1 + len(token.children or ()) for token in tokens or ())
        return tokens


def _may_end_a_block(lines: str, begin: int) -> bool:
    """Whether one of the lines from `begin` on may end a block: not if all begin with the same kind of character as the line before."""
    before = lines.rfind("\n", 0, max(0, begin - 1)) + 1
    kinds = {_kind(line) for line in lines[before:].splitlines(keepends=True)}
    return len(kinds) > 1 or not kinds.isdisjoint("#`~$\\\n")


def _kind(line: str) -> str:
    """The character that makes a line more than text of a paragraph, or an empty string."""
    first = line.lstrip(" \t")[:1]
    return first if first in "#>|`~$\\=+*-\n" or first.isdecimal() else ""


def _top_level(tokens: Sequence[Token]) -> Iterator[_TopLevelBlock]:
    opening = None
    for i, token in enumerate(tokens):
        if token.level == 0 and token.nesting >= 0:
            opening = token
        if opening is not None and token.level == 0 and token.nesting <= 0 and opening.map:
            yield _TopLevelBlock(opening, i + 1, *opening.map)


def _complete(blocks: Sequence[_TopLevelBlock], lines: Sequence[str]) -> int:
    """How many blocks no further line can change."""
    last = blocks[-1]
    match last.token.type:
        case "math_block":
            is_over = True
        case "fence":
            is_over = _is_closed(last, lines)
        case "heading_open" | "hr" | "paragraph_open" | "table_open" | "blockquote_open":
            is_over = last.end < len(lines) and not lines[last.end].strip()  # else the next line can make a table of it
        case _:
            is_over = False
    count = len(blocks) if is_over else len(blocks) - 1
    # a formula that is still open will take in all lines up to its end, unless an empty line comes before
    blank = max((i for i, line in enumerate(lines) if not line.strip()), default=-1)
    closed = {i for block in blocks if block.token.type == "math_block" for i in range(block.first, block.end)}
    formula = next((i for i in range(blank + 1, len(lines)) if i not in closed and _FORMULA.match(lines[i])), len(lines))
    return next((i for i, block in enumerate(blocks[:count]) if block.end > formula), count)


def _is_closed(fence: _TopLevelBlock, lines: Sequence[str]) -> bool:
    return fence.end - fence.first > 1 and _closing_line(fence.token.markup).fullmatch(lines[fence.end - 1]) is not None


def _closing_line(markup: str) -> re.Pattern[str]:
    """The line that closes a block of code that `markup` opened."""
    return re.compile(rf"(?m)^ {{0,3}}{re.escape(markup)}{re.escape(markup[0])}*[ \t]*(?:\n|\Z)")


def _cut_at(text: str) -> int:
    """Where to cut text that is too long: behind a line that a complete one follows, or else within a long line."""
    whole = text.rfind("\n") + 1
    last = text.rfind("\n", 0, max(0, whole - 1)) + 1
    at = text.rfind("\n", 0, min(_MAX_TAIL, last)) + 1 or text.rfind("\n", 0, _MAX_TAIL) + 1
    return at or text.rfind(" ", _MAX_TAIL - 200, _MAX_TAIL) + 1 or _MAX_TAIL


def _carried(tokens: Sequence[Token], source: str) -> str:
    """The lines that the rest of a cut block needs before it: the head of a table, or the first line of code in a list or quote."""
    lines = source.splitlines(keepends=True)
    last = next((t for t in reversed(tokens) if t.map and (t.nesting == 0 or t.type == "table_open")), None)
    table = next((t for t in reversed(tokens) if t.type == "table_open" and t.level == 0), None)
    carry = ""
    if table is not None and table.map and tokens[-1].type == "table_close":
        carry = "".join(lines[table.map[0] : table.map[0] + 2])
    elif last is not None and last.type == "fence" and last.map and not _closing_line(last.markup).search(lines[-1].lstrip(" >")):
        carry = lines[last.map[0]]
    return carry if len(carry) <= _MAX_CARRY else ""
