"""DataFrames that can be read as they are shown: waits in seconds, times without fractions, and one mark for what is unknown."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

UNKNOWN_MARK = "–"
_MAX_PLACES = 3
_LARGE = 100_000
"""From here on, six digits would not be the whole number: 1234567 counts would be shown as 1.23457e+06."""
_TERMINAL_ROWS = 1000
"""More rows fit on no terminal, whose height pandas looks up by itself."""

_MAX_COLUMNS = 100
"""A frame with more of them, such as a long one turned on its side, is shown as pandas does: nobody reads the columns in the middle."""

_CELL = re.compile(r"<(t[dh])>(?=([^<]+)<)")
_MAX_UNBROKEN = 24
"""Characters: a time has as many, and they fit into about 12 em. JupyterLab breaks every cell of a wide table into one word per line."""


class ReadableFrame(pd.DataFrame):
    """A DataFrame that shows timedeltas in seconds, times without fractions, and one mark for every kind of null.

    Only what is shown differs: the values and dtypes are those of any DataFrame, and selections, copies and results of its methods are
    readable too. ``pandas.DataFrame(frame)`` is shown as pandas does.

    >>> ReadableFrame({"attempt": [1, 2], "waited": pd.to_timedelta([None, "1.5s"])})
       attempt waited
    0        1      –
    1        2  1.5 s
    """

    @property
    def _constructor(self) -> type[ReadableFrame]:
        return ReadableFrame

    def __repr__(self) -> str:
        if self.shape[1] > _MAX_COLUMNS:
            return super().__repr__()
        twin = self._ends_as_text()
        # in a terminal, pandas would leave out the columns in the middle
        with pd.option_context("display.max_columns", pd.get_option("display.max_columns") or None):
            return self._recounted(repr(twin), len(twin))

    def _repr_html_(self) -> str | None:
        twin: Any = pd.DataFrame(self) if self.shape[1] > _MAX_COLUMNS else self._ends_as_text()
        html: str | None = twin._repr_html_()
        return html and _CELL.sub(_unbroken, self._recounted(html, len(twin)))

    def _ends_as_text(self) -> pd.DataFrame:
        """The rows at both ends that pandas may show, with texts for the values that it would show otherwise."""
        most = pd.get_option("display.max_rows")
        half = len(self) if most is None else (most or _TERMINAL_ROWS) // 2 + 1
        places = np.arange(len(self))
        places = places if len(self) <= 2 * half else np.append(places[:half], places[-half:])
        rows = pd.DataFrame(self).take(places)
        twin = pd.DataFrame({number: _as_text(rows.iloc[:, number]) for number in range(rows.shape[1])}, index=rows.index)
        twin.columns = rows.columns
        if rows.index.nlevels == 1:
            twin.index = pd.Index(_as_text(rows.index.to_series()), name=rows.index.name)
        return twin

    def _recounted(self, shown: str, rows: int) -> str:
        """What pandas shows of some rows, with the number of all rows below it."""
        return re.sub(rf"\b{rows} rows (?=[x×] \d+ columns(?:]|</p>\n</div>)$)", f"{len(self)} rows ", shown)


def _as_text(column: pd.Series[Any]) -> pd.Series[Any]:
    """A column as texts; as it is where pandas shows it well."""
    nothing = column.isna()
    if not nothing.any() and column.dtype.kind not in "mMO":
        return column
    values = list(column.astype(object))
    seconds = [value.total_seconds() for value in column[~nothing] if isinstance(value, pd.Timedelta)]
    places = next((n for n in range(_MAX_PLACES) if all(round(s, n) == round(s, _MAX_PLACES) for s in seconds)), _MAX_PLACES)
    texts = [UNKNOWN_MARK if unknown else _text(value, places) for value, unknown in zip(values, nothing, strict=True)]
    return pd.Series(texts, index=column.index, dtype=object)


def _text(value: Any, places: int) -> Any:
    if isinstance(value, pd.Timedelta):
        return f"{value.total_seconds():.{places}f} s"
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d %H:%M:%S %Z}".rstrip()
    if isinstance(value, float):
        return f"{value:.{6 if abs(value) < _LARGE else 12}g}"
    return value


def _unbroken(cell: re.Match[str]) -> str:
    return f'<{cell[1]} style="{"white-space: nowrap" if len(cell[2]) <= _MAX_UNBROKEN else "min-width: 12em"}">'
