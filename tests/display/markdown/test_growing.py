"""Markdown that is still being written, completed for display."""

from __future__ import annotations

import pytest

from chatkit.display.markdown.growing import as_if_closed


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        ("a **bo", "a **bo**"),
        ("a **bold** b", "a **bold** b"),
        ("a **bold*", "a **bold**"),
        ("a **b *c", "a **b *c***"),
        ("a *b **c** d", "a *b **c** d*"),
        ("~~go", "~~go~~"),
        ("_em", "_em_"),
        ("snake_case_name 2 * 3 a*b", "snake_case_name 2 * 3 a*b"),
        ("`co", "`co`"),
        ("`` a ` b", "`` a ` b``"),
        ("`*` *x", "`*` *x*"),
        ("a `", "a "),
        ("[text](http://exa", "text"),
        ('[text](http://exa.org "tit', "text"),
        ("![text](http", "text"),
        ("[text](http://exa.org) b", "[text](http://exa.org) b"),
        ("see <https://exam", "see "),
        ("Title\n--", "Title\n"),
        ("para\n#", "para\n"),
        ("para\n1.", "para\n"),
        ("| a | b |\n|--", "| a | b |\n"),
        ("**one\n\ntwo", "**one\n\ntwo"),
        ("", ""),
    ],
)
def test_what_is_half_written_looks_as_it_will(text: str, closed: str) -> None:
    assert as_if_closed(text) == closed
