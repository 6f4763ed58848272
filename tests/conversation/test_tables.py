"""DataFrames and Series in a prompt."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from chatkit import UsageError
from chatkit.conversation.prompt import as_parts
from chatkit.conversation.tables import MAX_CHARACTERS, table_of
from chatkit.parts import Text


def table(item: object) -> tuple[str, list[str]]:
    """What stands before the table, and its lines."""
    [part] = as_parts([item])  # type: ignore[list-item]
    assert isinstance(part, Text)
    note, lines = part.text.split("\n\n")
    return note, lines.split("\n")


def test_a_frame_is_a_table_with_its_shape_and_types() -> None:
    frame = pd.DataFrame({"city": ["Wien", "Graz"], "people": [1982097, 298479]}, index=pd.Index(["a", "b"], name="key")).astype(
        {"city": object}
    )
    assert table(frame) == (
        "A pandas DataFrame with 2 rows and 2 columns.",
        ["| key | city (object) | people (int64) |", "| --- | --- | --- |", "| a | Wien | 1982097 |", "| b | Graz | 298479 |"],
    )


def test_a_series_is_a_table_of_one_column() -> None:
    assert table(pd.Series([1.5, 2.0], name="wait")) == (
        "A pandas Series with 2 values.",
        ["|  | wait (float64) |", "| --- | --- |", "| 0 | 1.5 |", "| 1 | 2 |"],
    )
    assert table(pd.Series([1]))[1][0] == "|  | value (int64) |"


def test_a_frame_stands_beside_other_parts() -> None:
    parts = as_parts(["What stands out?", pd.DataFrame({"a": [1]})])
    assert [part.text.split("\n")[-1] for part in parts if isinstance(part, Text)] == ["What stands out?", "| 0 | 1 |"]


def test_cells_cannot_break_the_table() -> None:
    _, lines = table(pd.DataFrame({"a|b\nc": ["x | y", "one\r\ntwo", "  ", "`code`"]}))
    assert lines[0] == r"|  | a\|b<br>c (" + lines[0].rpartition("(")[2]
    assert [line.removeprefix(f"| {n} | ") for n, line in enumerate(lines[2:])] == [r"x \| y |", "one<br>two |", '"" |', "`code` |"]


def test_missing_values_are_one_thing_and_an_empty_text_another() -> None:
    frame = pd.DataFrame(
        {"a": [np.nan], "b": pd.array([None], dtype="Int64"), "c": [pd.NaT], "d": pd.Series([None], dtype=object), "e": [""]}
    )
    note, lines = table(frame)
    assert note.endswith("An empty cell is a missing value.")
    assert lines[2] == '| 0 |  |  |  |  | "" |'


def test_floats_are_short_and_rounding_is_said() -> None:
    note, lines = table(pd.Series([1234567.89, 1 / 3, 1e-9, 2.0, -0.5, 1e300, 123456789012345.0, float("inf")]))
    cells = [line.split(" | ")[1].rstrip(" |") for line in lines[2:]]
    assert cells == ["1234567.89", "0.333333", "1e-09", "2", "-0.5", "1e+300", "123456789012345", "inf"]
    assert "Floats are rounded to 6 decimals" in note
    assert "rounded" not in table(pd.Series([1234567.89, 0.25]))[0]


def test_rows_and_columns_that_are_left_out_are_named() -> None:
    frame = pd.DataFrame({f"c{n}": range(1000) for n in range(60)})
    note, lines = table(frame)
    assert note.startswith(
        "A pandas DataFrame with 1,000 rows and 60 columns. The table shows the first 50 and the last 50 rows, "
        "and leaves out 900 between them. It leaves out 20 columns: c20, c21, "
    )
    assert len(lines) == 2 + 100 + 1
    assert lines[51].startswith("| 49 |")
    assert set(lines[52]) == set("| …")
    assert lines[53].startswith("| 950 |")


def test_long_texts_are_cut_and_the_whole_is_bounded() -> None:
    note, lines = table(pd.DataFrame({"text": ["x" * 1300]}))
    assert "Long texts are cut" in note
    assert lines[2].endswith("x… [1,100 more characters] |")
    wide = table_of(pd.DataFrame({f"c{n}": ["y" * 500] * 1000 for n in range(60)})) or ""
    assert "the first 2 and the last 1 rows, and leaves out 997 between them" in wide
    assert len(wide) < MAX_CHARACTERS


def test_odd_frames_are_tables_too() -> None:
    assert table(pd.DataFrame())[0] == "A pandas DataFrame with 0 rows and 0 columns."
    assert table(pd.DataFrame([[1, 2]], columns=["a", "a"]))[1][2] == "| 0 | 1 | 2 |"
    levels = pd.MultiIndex.from_product([["x"], [1, 2]], names=["a", "b"])
    _, lines = table(pd.DataFrame({("n", "m"): [(1, "b c"), (2,)]}, index=levels))
    assert [lines[0], *lines[2:]] == ["| a, b | n m (object) |", "| x 1 | (1, 'b c') |", "| x 2 | (2,) |"]


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ({"a": 1}, r"a dict \(write it as text, such as json\.dumps\(\.\.\.\)\): give text"),
        ({"a", "b"}, r"a set \(write it as text, such as str\(\.\.\.\), or make a list of it\)"),
        ((text for text in ["a"]), "a generator .* make a list of it"),
        (np.arange(3), "a ndarray .* make a list of it"),
        ([["a"]], "a list"),
        (io.StringIO("a"), r"a StringIO \(give what its read\(\) returns\)"),
        (pd.DataFrame({"a": [1]}).columns, "an? Index"),
    ],
)
def test_what_only_looks_like_a_prompt_is_refused(prompt: Any, says: str) -> None:
    with pytest.raises(UsageError, match=f"a prompt can't hold {says}"):
        as_parts(prompt)


def test_a_table_of_another_library_is_told_how_to_become_one() -> None:
    class Frame:
        def to_pandas(self) -> object: ...

    with pytest.raises(UsageError, match=r"a Frame of tests \(give what its to_pandas\(\) returns\)"):
        as_parts(Frame())  # type: ignore[arg-type]


def test_no_prompt_loads_pandas() -> None:
    code = "import sys; from chatkit.conversation.prompt import as_parts; as_parts(['a']); sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_a_label_of_the_index_loses_is_said() -> None:
    note, lines = table(pd.Series([1, 2], index=[0.12345678, 0.12345679], name="n"))
    assert "Floats are rounded to 6 decimals" in note
    assert lines[2:] == ["| 0.123457 | 1 |", "| 0.123457 | 2 |"]
