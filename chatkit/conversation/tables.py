"""A DataFrame or a Series as a Markdown table for a model: bounded, and what is left out is said."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

MAX_ROWS = 100
MAX_COLUMNS = 40
MAX_CELL = 200
MAX_CHARACTERS = 30_000
"""Above which rows are left out, down to 2: about as many as a long document of 10,000 tokens."""
DECIMALS = 6


def table_of(item: object) -> str | None:
    """The table of a DataFrame or a Series of pandas, which is not imported for this; None for anything else."""
    pandas = sys.modules.get("pandas")
    if pandas is None or not isinstance(item, pandas.DataFrame | pandas.Series):
        return None
    series = isinstance(item, pandas.Series)
    frame: pd.DataFrame = item.to_frame("value" if item.name is None else item.name) if series else item
    rows = MAX_ROWS
    while len(text := _text(frame, "Series" if series else "DataFrame", rows)) > MAX_CHARACTERS and rows > 2:
        rows = max(2, rows // 2)
    return text


def _text(frame: pd.DataFrame, kind: str, rows: int) -> str:
    height, width = frame.shape
    down, across = _ends(height, rows), _ends(width, MAX_COLUMNS)
    shape = f"{_count(height, 'row')} and {_count(width, 'column')}" if kind == "DataFrame" else _count(height, "value")
    notes = [f"A pandas {kind} with {shape}."]
    if len(down) < height:
        top = (len(down) + 1) // 2
        notes.append(
            f"The table shows the first {top} and the last {len(down) - top} rows, and leaves out {height - len(down):,} between them."
        )
    if len(across) < width:
        notes.append(_left_out([_cell(_label(name)) for name in frame.columns], across))
    shown = frame.iloc[down, across]
    columns = [_column(map(_label, shown.index), notes), *(_column(shown.iloc[:, n], notes) for n in range(len(across)))]
    if any("" in column for column in columns[1:]):
        notes.append("An empty cell is a missing value.")
    if any("… [" in cell for column in columns for cell in column):
        notes.append(f"Long texts are cut after {MAX_CELL} characters, where that is said.")
    names = [f"{_cell(_label(name))} ({dtype})" for name, dtype in zip(shown.columns, shown.dtypes, strict=True)]
    index = ", ".join(_cell(name) for name in frame.index.names if name is not None)
    lines = [_line([index, *names]), _line(["---"] * len(columns))]
    lines += [_line(cells) for cells in zip(*columns, strict=True)]
    if len(down) < height:
        lines.insert(2 + (len(down) + 1) // 2, _line(["…"] * len(columns)))
    return f"{' '.join(dict.fromkeys(notes))}\n\n" + "\n".join(lines)


def _ends(length: int, limit: int) -> list[int]:
    """The positions that are shown: all, or those at both ends."""
    if length <= limit:
        return list(range(length))
    return [*range((limit + 1) // 2), *range(length - limit // 2, length)]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _left_out(names: list[str], across: list[int]) -> str:
    out = [name for n, name in enumerate(names) if n not in across]
    more = f" and {len(out) - MAX_COLUMNS:,} more" if len(out) > MAX_COLUMNS else ""
    return f"It leaves out {_count(len(out), 'column')}: {', '.join(out[:MAX_COLUMNS])}{more}."


def _column(values: Iterable[object], notes: list[str]) -> list[str]:
    """The cells of a column or the index. Floats have at most `DECIMALS` digits after the point; where that takes some away, it is said."""
    pairs = [(value, _cell(value)) for value in values]
    if any(isinstance(value, float) and cell and float(cell) != value for value, cell in pairs):
        notes.append(f"Floats are rounded to {DECIMALS} decimals, or to {DECIMALS} digits where they are small.")
    return [cell for _, cell in pairs]


def _label(name: object) -> object:
    """The name of a row or a column: of one with several levels, the names one after another."""
    return " ".join(map(str, name)) if isinstance(name, tuple) else name


def _cell(value: object) -> str:
    """One value in a line of a table: nothing for a missing one, and quotation marks for an empty text."""
    if isinstance(value, float):
        if value != value:
            return ""
        small = value != 0 and abs(value) < 10**-3
        return f"{value:.{DECIMALS}g}" if small or abs(value) >= 10**15 else f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return ""
    text = str(value)
    if len(text) > MAX_CELL:
        text = f"{text[:MAX_CELL]}… [{len(text) - MAX_CELL:,} more characters]"
    return "<br>".join(text.replace("|", r"\|").splitlines()).strip() or '""'


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
