"""In a terminal: the countdown of a wait as one line on stderr, and the reply as it streams on stdout."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import ClassVar, TextIO

from chatkit import bridge
from chatkit.display.batcher import Batcher
from chatkit.display.document import Note, Sources, turn_document
from chatkit.display.plain_text import cut_to_width, width
from chatkit.display.terminal_text import terminal_text, write
from chatkit.display.words import PENDING, countdown, headline, unreached_line, withdrawn_line
from chatkit.display.writers import write_text
from chatkit.events import ErrorEvent, Event, MessagePart, Retry, Status
from chatkit.fold import Transcript
from chatkit.parts import Message, Text

_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"


class TerminalLine:
    """The countdown of a wait, rewritten every second and gone when the wait is over.

    Where the stream is no terminal, each wait is a line of its own. It ticks on the bridge's loop.

    Parameters
    ----------
    stream : file, optional
        Where to write; ``sys.stderr`` unless given.
    now : callable
        A monotonic clock, in seconds.
    """

    def __init__(self, stream: TextIO | None = None, *, now: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._rewrites = self._stream.isatty()
        self._dims = self._rewrites and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._now = now
        self._lock = threading.RLock()
        self._retry: Retry | None = None
        self._until = 0.0
        self._drawn = 0
        self._warned = False
        self._timer: asyncio.TimerHandle | None = None

    def apply(self, event: Event) -> None:
        if type(event) is MessagePart and self._retry is None:
            return
        match event:
            case Retry(waited_ms=None):
                with self._lock:
                    if (loudly := unreached_line(event)) and not self._warned:
                        self._warned = True
                        self._end_wait()
                        self._write(f"{loudly}\n")
                    self._retry = event
                    self._until = self._now() + event.delay_ms / 1000
                    self.draw()
            case Status(status="pending"):
                self._write(f"{PENDING.capitalize()}\n")
            case MessagePart() | ErrorEvent() | Status() | Message() | Retry():  # a wait that ended early
                self._end_wait()
            case _:
                pass

    def close(self) -> None:
        self._end_wait()

    def say(self, text: str) -> None:
        """Write a line that stays."""
        with self._lock:
            self._end_wait()
            self._write(f"{_DIM}{text}{_PLAIN}\n" if self._dims else f"{text}\n")

    def draw(self) -> None:
        """Write the line for this moment, and see to the next."""
        with self._lock:
            if self._retry is None:
                return
            left = self._until - self._now()
            seconds = max(0, -int(-left // 1))
            line = countdown(self._retry, seconds)
            if not self._rewrites:
                self._write(f"{line}\n")
                return
            line = cut_to_width(line, self._columns() - 1)
            pad = " " * (self._drawn - width(line))
            self._drawn = width(line)
            self._write(f"\r{_DIM}{line}{_PLAIN}{pad}" if self._dims else f"\r{line}{pad}")
            if seconds:
                self._tick_in(max(0.0, left - (seconds - 1)) + 0.001)

    def _end_wait(self) -> None:
        with self._lock:
            self._retry = None
            if self._drawn:
                self._write(f"\r{' ' * self._drawn}\r")
                self._drawn = 0

    def _tick_in(self, seconds: float) -> None:
        loop = bridge.loop()

        def arm() -> None:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = loop.call_later(seconds, self.draw)

        loop.call_soon_threadsafe(arm)

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except (OSError, ValueError):  # no real terminal behind it
            return 80

    def _write(self, text: str) -> None:
        write(self._stream, text)


class TerminalDisplay:
    """The reply as it streams, with the countdown of every wait, and below it how it ended.

    Text that is withdrawn can't be taken back, so it is marked. While another reply is being written in the same terminal,
    this one is held back until it is complete.

    Parameters
    ----------
    stream : file, optional
        Where the reply goes; ``sys.stdout`` unless given.
    line : TerminalLine, optional
        Where the countdown goes, and what is said about the reply; a line on ``sys.stderr`` unless given.
    whole : bool
        Whether only what can't be withdrawn any more is written, for a program that reads it.
    """

    _writing: ClassVar[weakref.WeakSet[TerminalDisplay]] = weakref.WeakSet()

    def __init__(self, stream: TextIO | None = None, *, line: TerminalLine | None = None, whole: bool = False) -> None:
        self._line = line if line is not None else TerminalLine()
        self._stream = stream if stream is not None else sys.stdout
        self._beside = [other for other in list(self._writing) if other._stream is self._stream]
        self._text = terminal_text(self._stream, whole=whole or bool(self._beside))
        self._lock = threading.Lock()
        self._transcript = Transcript()
        self._batcher = Batcher(self._draw)
        self._writing.add(self)

    def apply(self, event: Event) -> None:
        with self._lock:
            self._transcript.apply(event)
            match event:
                case MessagePart(part=Text(text=text), role="assistant"):
                    self._line.apply(event)
                    self._text.say(text)
                    self._batcher.changed(len(text))
                case Retry() | ErrorEvent():
                    self._text.withdraw(withdrawn_line(event))
                    if isinstance(event, ErrorEvent) and event.kind != "canceled":
                        self._text.end_line()
                        self._line.say(headline(event))
                    self._line.apply(event)
                case Message(role="assistant"):
                    self._line.apply(event)
                    self._commit()
                case _:
                    self._line.apply(event)

    def close(self) -> None:
        with self._lock:
            self._line.close()
            self._commit()
            self._text.end_line()
            document = turn_document(self._transcript)
            self._transcript = Transcript()  # closed twice, it says nothing twice
            for piece in document:
                if isinstance(piece, Note | Sources):
                    self._line.say(write_text([piece]))
        self._writing.discard(self)
        self._beside = []  # or each would keep all those before it, where one always runs beside the next

    def _commit(self) -> None:
        """What was held back while others were written begins a line of its own."""
        for other in self._beside:
            if other in self._writing and not other._beside:  # it streams, and so never waits for a lock of this one
                with other._lock:
                    other._text.step_aside()
        self._text.commit()

    def _draw(self) -> None:
        with self._lock:
            self._text.draw()
