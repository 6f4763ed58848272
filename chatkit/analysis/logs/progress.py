"""A progress bar for work that takes a while: by bytes, gone when it is done, and never the reason why something fails."""

from __future__ import annotations

import sys
import warnings
from typing import Any, Self

LARGE = 16 << 20
"""Bytes. Less is read before a bar could be seen, and notebooks' outputs stay the same from run to run."""


class Bar:
    """A bar over so many bytes; none where it isn't wanted, or there is little to do.

    Parameters
    ----------
    total : int
        Bytes.
    wanted : bool
    """

    def __init__(self, total: int, wanted: bool) -> None:
        self._total = total
        self._bar: Any = None
        self._wanted = wanted and total > LARGE and sys.stderr is not None

    def __enter__(self) -> Self:
        if self._wanted:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of a front end that shows no widgets
                    from tqdm.auto import tqdm

                    self._bar = tqdm(total=self._total, unit="B", unit_scale=True, desc="reading", leave=False)
            except Exception:
                self._bar = None
        return self

    def advance(self, size: int) -> None:
        """So many bytes more were read."""
        if self._bar is not None:
            try:
                self._bar.update(size)
            except Exception:
                self._bar = None

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            try:
                self._bar.close()
            except Exception:
                self._bar = None
