"""Code as HTML."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkit.display.markdown.highlight import MAX_HIGHLIGHTED, code_html, highlighted
from chatkit.display.markdown.parse import render_html
from tests.display.hostile import Seen, assert_harmless_html


def test_code_of_a_known_language_is_coloured_with_the_theme_of_the_page() -> None:
    html = render_html("```python\nif x: pass  # why\n```\n")
    assert '<span style="color:var(--jp-mirror-editor-keyword-color,#070)">if </span>x: ' in html
    assert "".join(Seen(html).text) == "if x: pass  # why\n\n"
    assert_harmless_html(html)


@pytest.mark.parametrize("word", ["", "klingon", "python3.99", "../etc", "text", "x" * 100, "\U0001f40d"])
def test_code_of_no_known_language_stands_as_it_is(word: str) -> None:
    assert "<span" not in code_html("if x: pass", word)


@given(st.sampled_from(["python", "html", "js", "css", "json", "bash", "diff", "sql", "tex", "yaml", "php", "c", "pycon", "md"]), st.text())
def test_colouring_changes_no_character(word: str, code: str) -> None:
    coloured = highlighted(code, word)
    assert coloured is None or "".join(Seen(coloured).text) == code


def test_code_that_is_long_or_on_a_long_line_is_not_coloured() -> None:
    assert highlighted("x = 1\n" * 100, "python") is not None
    assert highlighted("x = 1\n" * (MAX_HIGHLIGHTED // 6 + 1), "python") is None
    assert highlighted("x = [" + "1, " * 1_000 + "]", "python") is None
    assert highlighted("x = 1" + "\n" * 1_000, "matlab") is None


def test_long_code_stands_in_pieces_that_a_browser_lays_out_when_they_are_seen() -> None:
    code = "".join(f"line {n}\n" for n in range(10_000))
    html = render_html(f"```\n{code}```\n")
    pieces = html.split("</pre>\n")[:-1]
    assert len(pieces) == len(code) // 4_000 + 1
    assert all("content-visibility:auto" in piece and len(piece) < 4_500 for piece in pieces)
    assert "".join(text for text in Seen(html).text if text != "\n") == code
    assert render_html("x" * 300_000).count("content-visibility:auto") == 75
