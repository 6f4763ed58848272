"""The table that a run prints."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields


@dataclass(frozen=True)
class Row:
    """One row of the table: what was measured, the values of chatkit and of the floor or peer, their ratio, the promise, and whether it
    holds (None without a promise).
    """

    figure: str
    chatkit: str = ""
    other: str = ""
    ratio: str = ""
    must: str = ""
    ok: bool | None = None


def render(rows: Sequence[Row]) -> str:
    """The lines as a Markdown table, aligned for a terminal.

    >>> print(render([Row("import", "2 ms", must="≤ 10 ms", ok=True)]))
    | figure | chatkit | floor or peer | ratio | must    |    |
    | ------ | ------- | ------------- | ----- | ------- | -- |
    | import | 2 ms    |               |       | ≤ 10 ms | ok |
    """
    head = ["figure", "chatkit", "floor or peer", "ratio", "must", ""]
    assert len(head) == len(fields(Row))
    body = [[*astuple(row)[:-1], {True: "ok", False: "FAILED", None: ""}[row.ok]] for row in rows]
    widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head))]
    lines = [head, ["-" * width for width in widths], *body]
    return "\n".join("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines)


def spread(values: Sequence[float], unit: str, digits: int = 0) -> str:
    """The median with the least and the most.

    >>> spread([3, 1, 2], "ms")
    '2 ms (1–3)'
    """
    return f"{statistics.median(values):,.{digits}f} {unit} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"
