"""The text of a reply on a stream: as it comes, once it is certain, or rendered by the library ``rich``, where that is installed."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import io
import os
import re
import time
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Protocol, TextIO

from chatkit.display.plain_text import ShownInPieces, shown

if TYPE_CHECKING:
    from markdown_it.token import Token

_CLEAR = "\r\x1b[K"
_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
_BLANK = re.compile(r"(?:\x1b\[[\d;]*m|\s)*")


class TerminalText(Protocol):
    """The text of a reply, where a person or a program reads it."""

    def say(self, text: str) -> None:
        """Continue with this."""

    def draw(self) -> None:
        """Show what was said until now, as far as it isn't shown."""

    def commit(self) -> None:
        """What was said stays."""

    def withdraw(self, line: str) -> None:
        """What was said since the last `commit` doesn't count: this line says so where it can't be taken back."""

    def end_line(self) -> None:
        """Let what comes next begin a line of its own."""

    def step_aside(self) -> None:
        """Let another reply begin a line of its own; what this one has shown of a line may be shown again below it."""


def terminal_text(stream: TextIO, *, whole: bool = False) -> TerminalText:
    """The way of showing text that fits a stream; `whole` shows only what is certain."""
    if whole:
        return WholeText(stream)
    if stream.isatty() and os.environ.get("TERM") != "dumb" and importlib.util.find_spec("rich") is not None:
        return RenderedText(stream)
    return PlainText(stream)


class PlainText:
    """The text as it comes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._mid_line = self._said = False

    def say(self, text: str) -> None:
        if text := shown(text):
            self._said = True
            self._mid_line = not text.endswith("\n")
            self._write(text)

    def _write(self, text: str) -> None:
        write(self._stream, text)

    def draw(self) -> None:
        pass

    def commit(self) -> None:
        self._said = False

    def withdraw(self, line: str) -> None:
        if self._said:
            self.end_line()
            write(self._stream, f"{line}\n")
        self._said = False

    def end_line(self) -> None:
        if self._mid_line:
            write(self._stream, "\n")
        self._mid_line = False

    def step_aside(self) -> None:
        self.end_line()


class WholeText(PlainText):
    """The text once nothing can withdraw it, for a program that reads it. A full disk raises OSError: nothing else has the text."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._held: list[str] = []

    def say(self, text: str) -> None:
        self._held.append(text)

    def commit(self) -> None:
        super().say("".join(self._held))
        self._held = []
        super().commit()

    def withdraw(self, line: str) -> None:
        self._held = []

    def _write(self, text: str) -> None:
        try:
            _write(self._stream, text)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in _FULL:
                raise


class RenderedText:
    """The text as Markdown: a line is written when it is complete, and only the last one is rewritten.

    So what others print stays where it is, and a terminal of any size can be resized and scrolled. A growing block is drawn
    again after `patience` times the time that drawing it took: what is long is drawn less often.
    """

    def __init__(self, stream: TextIO, *, patience: float = 4) -> None:
        from rich.console import Console

        self._stream, self._patience = stream, patience
        # rich flushes its file even when it writes nothing, and would raise where the stream is closed
        aside = io.TextIOWrapper(io.BytesIO(), encoding=getattr(stream, "encoding", None) or "utf-8")
        self._console = Console(file=aside, force_terminal=True, highlight=False, legacy_windows=False)
        self._began = self._follows = False
        self._next = 0.0  # when a growing text may be drawn again
        self._partial = ""
        self._restart()

    def _restart(self) -> None:
        self._cleaning = ShownInPieces()
        self._tail = ""  # the source of the block that grows
        self._written = 0  # lines of it

    def say(self, text: str) -> None:
        self._tail += self._cleaning.feed(text)

    def draw(self) -> None:
        if time.monotonic() < self._next:
            return
        began = time.monotonic()
        self._draw(final=False)
        self._next = time.monotonic() + self._patience * (time.monotonic() - began)

    def commit(self) -> None:
        self._tail += self._cleaning.feed("", final=True)
        self._draw(final=True)
        self._began = False
        self._restart()

    def withdraw(self, line: str) -> None:
        self._draw(final=False)
        began = self._began
        self.end_line()
        if began:
            write(self._stream, f"{line}\n")
        self._began = self._follows = False
        self._restart()

    def end_line(self) -> None:
        if self._partial:
            write(self._stream, "\n")
        self._partial = ""

    def step_aside(self) -> None:
        if self._partial:
            write(self._stream, _CLEAR)
        self._partial = ""

    def _draw(self, *, final: bool) -> None:
        """Write the lines that are new, and the last one, which may still grow, anew."""
        from chatkit.display.markdown.growing import without_marker
        from chatkit.display.markdown.parse import parse

        tokens = parse(self._tail if final else without_marker(self._tail), references=False, growing=not final)
        blocks = [t for t in tokens or () if t.level == 0 and t.nesting >= 0 and t.map]
        lines: list[str] = []
        rows = self._tail.split("\n")
        for begin, end in pairwise(block.map[0] for block in blocks if block.map):  # another block follows, so this one is complete
            lines += self._new("\n".join(rows[begin:end]), final=True)
            self._begin_block("\n".join(rows[end:]))
        if final:
            lines += self._new(self._tail, final=True)
            self._begin_block("")
        grows: list[str] = []
        if not final and not (blocks and blocks[-1].type == "table_open"):  # a new row may change the others
            grows = self._new(without_marker(self._tail), final=False)
            self._written -= bool(grows)
        if lines or grows:
            lines += grows
            partial = lines.pop() if grows else ""
            write(self._stream, (_CLEAR if self._partial else "") + "".join(f"{line}\n" for line in lines) + partial)
            self._partial, self._began = partial, True

    def _begin_block(self, tail: str) -> None:
        self._tail = tail
        self._follows = self._follows or self._written > 0
        self._written = 0

    def _new(self, source: str, *, final: bool) -> list[str]:
        """The lines of a block that aren't written yet, which count as written from now on; an empty one before a later block."""
        lines = self._lines(source, final=final)
        new = lines[self._written :]
        if new and self._follows:
            self._follows = False
            new.insert(0, "")
        self._written = max(self._written, len(lines))
        return new

    def _lines(self, source: str, *, final: bool) -> list[str]:
        from chatkit.display.markdown.parse import parse

        tokens = parse(source, references=False, growing=not final)
        if tokens is None:  # too long, or made to be slow
            return source.split("\n")
        with self._console.capture() as capture:
            self._console.print(_markdown(tokens), width=self._console.width - 1)
        lines = [line.rstrip(" ") for line in capture.get().split("\n")]
        filled = [n for n, line in enumerate(lines) if not _BLANK.fullmatch(line)]
        return lines[filled[0] : filled[-1] + 1] if filled else []


def _markdown(tokens: list[Token]) -> object:
    """Tokens of `parse` as rich shows them, without links that a terminal could open elsewhere than they say."""
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.markdown import Heading, Markdown

    class Line(Heading):
        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            self.text.justify = "left"
            yield self.text

    class Rendered(Markdown):
        elements: ClassVar = {**Markdown.elements, "heading_open": Line}

    known = {*Markdown.elements, *(name.replace("_open", "_close") for name in Markdown.elements)}
    rendered = Rendered("", code_theme="ansi_dark")
    rendered.parsed = list(_known(tokens, known))
    return rendered


def _known(tokens: list[Token], known: set[str]) -> list[Token]:
    """The tokens that rich knows; the others as their text, since it would drop them, and links as their label and address."""
    from markdown_it.token import Token

    shown_tokens: list[Token] = []
    address, since = "", 0
    for token in tokens:
        match token.type:
            case "inline":
                shown_tokens.append(token.copy(children=_known(token.children or [], known)))
            case "link_open":
                address, since = str(token.attrGet("href")), len(shown_tokens)
            case "link_close":
                label = "".join(t.content for t in shown_tokens[since:])
                if shown(address).strip() not in (label, f"mailto:{label}"):
                    shown_tokens.append(Token("text", "", 0, content=f" ({shown(address)})"))
            case "footnote_ref":
                shown_tokens.append(Token("text", "", 0, content=f"[{token.content}]"))
            case "text" | "softbreak" | "hardbreak" | "code_inline":
                shown_tokens.append(token)
            case kind if kind in known or token.tag in ("em", "strong", "s"):
                shown_tokens.append(token)
            case _ if token.nesting == 0 and token.content and token.block:
                shown_tokens += [
                    Token("paragraph_open", "p", 1),
                    Token("text", "", 0, content=token.content),
                    Token("paragraph_close", "p", -1),
                ]
            case _ if token.nesting == 0 and token.content:
                shown_tokens.append(Token("text", "", 0, content=token.content))
            case _:
                pass
    return shown_tokens


def write(stream: TextIO, text: str) -> None:
    """Write at once; a stream that was closed, has no reader or knows no such letters stops nothing."""
    with contextlib.suppress(OSError, ValueError):
        _write(stream, text)


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "replace").decode(encoding))
    stream.flush()
