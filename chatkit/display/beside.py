"""What is shown beside a living view, for the times without it: a notebook that is opened when its kernel is gone."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from chatkit.display.cell_output import CellOutput
from chatkit.parts import Part, Reasoning, Text

SOON = 2.0
"""Seconds after the first words before they are kept beside the view: most replies are over by then, and leave one output."""
PAUSE = 3.0
"""Seconds between two keepings at least."""


def hidden_beside(html: str) -> str:
    """HTML that the views' style sheet hides while a view lives in the same cell."""
    return f'<div class="chatkit-beside">{html}</div>'


class Beside:
    """A second output of the running cell. A front end that hides it while the view lives says so, and only there it is shown.

    A trusted notebook shows an error in the place of a widget whose kernel is gone, whatever else that output holds.
    """

    def __init__(self) -> None:
        self._output = CellOutput()
        self._shown = False

    def show(self, bundle: Mapping[str, object]) -> None:
        """Show this, in the place of what was shown before."""
        self._shown = True
        self._output.show(bundle)

    def clear(self) -> None:
        """Show nothing any more."""
        if self._shown:
            self._shown = False
            self._output.show({})


class Keeping:
    """When to put what was said so far beside a view: now and then while it grows, and at once where it was withdrawn.

    Parameters
    ----------
    soon, pause : float
        Seconds after the first words, and between two times.
    """

    def __init__(self, *, soon: float = SOON, pause: float = PAUSE) -> None:
        self.size = 0
        self._soon, self._pause = soon, pause
        self._began: float | None = None
        self._at = float("-inf")

    def due(self, parts: Sequence[Part]) -> bool:
        """Whether it is time; if so, this counts as kept."""
        size = sum(len(p.text) for p in parts if isinstance(p, Text | Reasoning))
        now = time.monotonic()
        if not size:
            self._began = None
        elif self._began is None:
            self._began = now
        ripe = self._began is not None and now - self._began >= self._soon and now - self._at >= self._pause
        grown = ripe and size > 1.5 * self.size
        if not (grown or size < self.size):
            return False
        self.size, self._at = size, now
        return True
