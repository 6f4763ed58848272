"""A terminal that shows what was written to it."""

from __future__ import annotations

import io
import re
import threading


class Screen(io.StringIO):
    """A terminal, as far as a carriage return and a cleared line go; it says when a line with certain words was drawn."""

    def __init__(self, *, tty: bool = True, wanted: str = "\0") -> None:
        super().__init__()
        self._tty = tty
        self._wanted = wanted
        self.drawn = threading.Event()

    def isatty(self) -> bool:
        return self._tty

    def write(self, text: str) -> int:
        count = super().write(text)
        if self._wanted in text:
            self.drawn.set()
        return count

    @property
    def rows(self) -> list[str]:
        """What is to be seen."""
        rows = []
        for line in re.sub(r"\x1b\[[\d;]*m", "", self.getvalue()).split("\n"):
            row: list[str] = []
            for piece in line.split("\r\x1b[K")[-1].split("\r"):
                row[: len(piece)] = piece
            rows.append("".join(row).rstrip())
        return rows
