"""Markdown that is still being written, to HTML: each block is rendered once when it is complete, and only the rest again.

Whatever the pieces in which a text comes, the same HTML comes out in the end. A block that grows beyond a few thousand
characters is cut at a line and goes on behind the cut, so that the work stays in proportion to the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from chatkit.display.markdown.growing import as_if_closed
from chatkit.display.markdown.highlight import HIGHLIGHTED, PIECE, code_html, code_piece, in_pieces
from chatkit.display.markdown.parse import LIMIT, left_out, parse, preformatted, render_tokens
from chatkit.display.plain_text import ShownInPieces

if TYPE_CHECKING:
    from markdown_it.token import Token

_TAIL = 4_000
"""Characters of one block that are parsed again and again while it grows: 5 ms, 15 ms for a table."""
_ITEM = 10_000
"""The same, for one item of a list: to cut within it would show."""
_AT_ONCE = 1_500
"""Characters that are taken in between two looks at what is complete."""
_STEP = 64_000
"""Characters that one `advance` takes in."""
_WORK = 3_000
"""Tokens that one `advance` makes, and then ends soon: 30 ms."""
_CROWD = {"[": 300, "\n": 700}
"""How many of them in a tail make the parser slow."""
_CARRIED = 1_000
"""Characters of the lines that stand before the rest of a block that was cut."""
_KIND = re.compile(r"[ \t]*([#>|`~$\\=+*-]|\d|\n|)")
_FORMULA = re.compile(r"[ \t]*(?:\$\$|\\\[)")


class _Block(NamedTuple):
    """A block of the top level: its tokens, and its lines."""

    token: Token
    end_token: int
    first: int
    end: int


class _Fence(NamedTuple):
    """An open block of code: its first line, the one that closes it, and how far it is indented."""

    opening: str
    closing: re.Pattern[str]
    indent: int

    @classmethod
    def of(cls, token: Token, line: str) -> _Fence:
        return cls(line, _closing(token.markup), len(line) - len(line.lstrip(" ")))

    def dedented(self, code: str) -> str:
        return re.sub(rf"(?m)^ {{1,{self.indent}}}", "", code) if self.indent else code


class MarkdownStream:
    """The text of one part as it grows.

    Attributes
    ----------
    done : list of str
        HTML of what is complete: a block, or several in a row. Only ever appended to, until the text starts anew.
    open : str
        HTML of what still grows; empty where nothing does.
    behind : bool
        More was given at once than one `advance` takes in: give the same text again for the rest.
    work : int
        Tokens that the last `advance` made: what it cost, whatever the machine.

    Examples
    --------
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
        self._read = 0
        self._clean = ShownInPieces()
        self._tail = ""  # what isn't complete, cleaned
        self._carry = ""  # lines that stand before the tail where a block was cut
        self._fence: _Fence | None = None
        self._cut_fence = False  # pieces of it are done
        self._in_line = False  # the tail goes on with a line that was cut
        self._looked = 0  # the end of the lines in the tail that nothing is complete in
        self._final = False

    def advance(self, text: str, *, final: bool = False) -> None:
        """Go on to `text`.

        Parameters
        ----------
        text : str
            All of the text so far. One that doesn't begin with the last one starts anew.
        final : bool
            Nothing comes after it: all of it is done then.
        """
        if not text.startswith(self._text) or (self._final and text != self._text):
            self._start()
        if self._final:
            return
        self._text, self.work = text, 0
        limit = min(len(text), LIMIT)
        until = limit if final else min(limit, self._read + _STEP)
        while self._read < until and (final or self.work < _WORK):
            end = min(until, self._read + _AT_ONCE)
            self._tail += self._clean.feed(text[self._read : end])
            self._read = end
            self._settle(final=False)
        self.behind = self._read < limit
        self._final = final
        cut = limit < len(text) and not self.behind
        if final or cut:
            self._tail += self._clean.feed("", final=True)
            self._settle(final=True)
        self.open = self._growing()
        if cut:
            words = f"<p>{escape(left_out(text))}</p>\n"
            if final:
                self.done.append(words)
            self.open = "" if final else words

    def _settle(self, *, final: bool) -> None:
        """Take from the tail all that is complete."""
        while True:
            end = len(self._tail) if final else self._tail.rfind("\n") + 1
            if self._in_line:
                progress = self._settle_line()
            elif self._fence is not None:
                progress = self._settle_fence(self._fence, end, final=final)
            else:
                progress = self._settle_blocks(end, final=final)
            if not progress:
                break
            self._looked = 0
        if final:
            if self._in_line and self._tail:
                self._emit(f"<p>{escape(self._tail)}</p>\n", len(self._tail))
            self._carry = ""

    def _emit(self, html: str, length: int, carry: str = "") -> None:
        if html:
            self.done.append(html)
        self._tail, self._carry = self._tail[length:], carry

    # a line without end

    def _settle_line(self) -> bool:
        end = self._tail.find("\n")
        pieces = list(in_pieces(self._tail[: end + 1] or self._tail))
        if end < 0:
            pieces.pop()
        for piece in pieces:
            self._emit(f"<p>{escape(piece.rstrip(chr(10)))}</p>\n" if piece.strip() else "", len(piece))
        self._in_line = end < 0
        return end >= 0

    # an open block of code

    def _settle_fence(self, fence: _Fence, end: int, *, final: bool) -> bool:
        close = fence.closing.search(self._tail, 0, end)
        if close is None and not final:
            if self._cut_fence or end > HIGHLIGHTED or len(self._tail) > HIGHLIGHTED + PIECE:
                self._cut_fence = True
                *pieces, _ = in_pieces(self._tail)
                for piece in pieces:
                    self._emit(code_piece(fence.dedented(piece)), len(piece))
            return False
        inner, whole = (close.start(), close.end()) if close else (len(self._tail), len(self._tail))
        tokens = None if self._cut_fence or inner > HIGHLIGHTED else parse(fence.opening + self._tail[:whole], references=False)
        if tokens is not None:
            html = render_tokens(tokens)
        else:
            *pieces, last = in_pieces(fence.dedented(self._tail[:inner]))
            html = "".join([*map(code_piece, pieces), code_piece(last, last=True)])
        self._emit(html, whole)
        self._fence, self._cut_fence = None, False
        return True

    # blocks of any kind

    def _settle_blocks(self, end: int, *, final: bool) -> bool:
        looked, self._looked = self._looked, end
        if not final and len(self._tail) <= _TAIL and not _turns(self._tail[:end], looked):
            return False
        if not self._tail[:end].strip():
            self._emit("", end)
            return len(self._tail) > _TAIL and self._cut([], [])
        source = self._carry + self._tail[:end]
        tokens = self._parsed(source)
        if tokens is None:
            return self._settle_unparsed(end, final=final)
        lines = source.splitlines(keepends=True)
        blocks = list(_top_level(tokens))
        complete = blocks if final else blocks[: _complete(blocks, lines)]
        if complete:
            html = render_tokens(tokens[: complete[-1].end_token])
            length = end if final else sum(map(len, lines[: complete[-1].end])) - len(self._carry)
            self._emit(html, length)
            return bool(self._tail)
        if final:
            self._emit("", end)
            return False
        if (
            blocks
            and blocks[0].token.type == "fence"
            and blocks[0].end - blocks[0].first > 1
            and not self._carry
            and not _is_closed(blocks[0], lines)
        ):
            self._fence = _Fence.of(blocks[0].token, lines[blocks[0].first])
            self._emit("", sum(map(len, lines[: blocks[0].first + 1])))
            return True
        return self._cut(tokens, lines) if len(self._tail) > _TAIL else False

    def _settle_unparsed(self, end: int, *, final: bool) -> bool:
        """What is too deep or too crowded for the parser stands as it is, up to the next empty line."""
        blank = self._tail.find("\n\n", 0, end)
        length = blank + 2 if blank >= 0 else end if final else _cut_at(self._tail) if len(self._tail) > _TAIL else 0
        if length:
            self._emit(preformatted(self._tail[:length].rstrip("\n")), length)
        return length > 0 and bool(self._tail)

    def _cut(self, tokens: Sequence[Token], lines: Sequence[str]) -> bool:
        """Take the beginning of a block that has grown too long; the rest goes on with what it needs from there."""
        if len(self._tail) <= _TAIL:
            return False
        items = [t.map[0] for t in tokens if t.type == "list_item_open" and t.level == 1 and t.map]
        at = sum(map(len, lines[: items[-1]])) - len(self._carry) if items else 0
        if at <= 0:
            if items and len(self._tail) <= _ITEM:
                return False
            at = _cut_at(self._tail)
        source = self._carry + self._tail[:at]
        cut = self._parsed(source)
        self._in_line = not source.endswith("\n")
        carry = "" if cut is None or self._in_line or self._tail.startswith("\n", at) else _carried(cut, source)
        self._emit(preformatted(self._tail[:at]) if cut is None else render_tokens(cut), at, carry)
        return True

    # what still grows

    def _growing(self) -> str:
        if self._fence is not None:
            code = self._tail
            start = code.rfind("\n") + 1
            if self._fence.closing.fullmatch(code[start:] + "`~"[code[start:].lstrip()[:1] == "~"] * 99):
                code = code[:start]  # half of the line that closes it
            return code_html(self._fence.dedented(code), growing=True)
        if not self._tail.strip():
            return ""
        if self._in_line:
            return f"<p>{escape(self._tail)}</p>\n"
        source = self._carry + as_if_closed(self._tail)
        tokens = self._parsed(source)
        return preformatted(self._tail) if tokens is None else render_tokens(tokens, growing=True)

    def _parsed(self, source: str) -> list[Token] | None:
        tokens = None if any(source.count(c) > most for c, most in _CROWD.items()) else parse(source, references=False)
        self.work += sum(1 + len(token.children or ()) for token in tokens or ())
        return tokens


def _turns(lines: str, begin: int) -> bool:
    """Whether lines from `begin` on could end a block: those that look like the line before them don't."""
    before = lines.rfind("\n", 0, max(0, begin - 1)) + 1
    kinds = [found[1] if (found := _KIND.match(line)) else "" for line in lines[before:].splitlines(keepends=True)]
    return any(kind in "#`~$\n\\" and kind for kind in kinds) or len(set(kinds)) > 1


def _top_level(tokens: Sequence[Token]) -> Iterator[_Block]:
    opening = None
    for i, token in enumerate(tokens):
        if token.level == 0 and token.nesting >= 0:
            opening = token
        if opening is not None and token.level == 0 and token.nesting <= 0 and opening.map:
            yield _Block(opening, i + 1, *opening.map)


def _complete(blocks: Sequence[_Block], lines: Sequence[str]) -> int:
    """How many blocks no further line can change."""
    if not blocks:
        return 0
    last = blocks[-1]
    followed = last.end < len(lines) and not lines[last.end].strip()
    match last.token.type:
        case "math_block":
            over = True
        case "fence":
            over = _is_closed(last, lines)
        case "heading_open" | "hr" | "paragraph_open" | "table_open" | "blockquote_open":
            over = followed  # the next line could make any of them the head of a table
        case _:
            over = False
    # a formula that isn't closed yet takes in all lines up to its end, unless an empty one comes before
    blank = max((i for i, line in enumerate(lines) if not line.strip()), default=-1)
    decided = {i for b in blocks if b.token.type == "math_block" for i in range(b.first, b.end)}
    formula = next((i for i in range(blank + 1, len(lines)) if i not in decided and _FORMULA.match(lines[i])), len(lines))
    count = len(blocks) - (not over)
    return next((i for i, b in enumerate(blocks[:count]) if b.end > formula), count)


def _is_closed(block: _Block, lines: Sequence[str]) -> bool:
    return block.end - block.first > 1 and _closing(block.token.markup).fullmatch(lines[block.end - 1]) is not None


def _closing(markup: str) -> re.Pattern[str]:
    return re.compile(rf"(?m)^ {{0,3}}{re.escape(markup)}{re.escape(markup[0])}*[ \t]*(?:\n|\Z)")


def _cut_at(text: str) -> int:
    """Behind the last line that ends within the bound, but before the last line: a whole one must follow. Or within a long line."""
    whole = text.rfind("\n") + 1
    last = text.rfind("\n", 0, max(0, whole - 1)) + 1
    at = text.rfind("\n", 0, min(_TAIL, last)) + 1 or text.rfind("\n", 0, _TAIL) + 1
    return at or text.rfind(" ", _TAIL - 200, _TAIL) + 1 or _TAIL


def _carried(tokens: Sequence[Token], source: str) -> str:
    """The lines that the rest of a block needs before it: the head of a table, the first line of code within a list or quote."""
    lines = source.splitlines(keepends=True)
    last = next((t for t in reversed(tokens) if t.map and (t.nesting == 0 or t.type == "table_open")), None)
    table = next((t for t in reversed(tokens) if t.type == "table_open" and t.level == 0), None)
    carry = ""
    if tokens and tokens[-1].type == "table_close" and table is not None and table.map:
        carry = "".join(lines[table.map[0] : table.map[0] + 2])
    elif last is not None and last.type == "fence" and last.map and not _closing(last.markup).search(lines[-1].lstrip(" >")):
        carry = lines[last.map[0]]
    return carry if len(carry) <= _CARRIED else ""
