"""Markdown that is still being written, as it is shown until more of it comes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatkit.display.markdown.growing import MAX_LABEL
from chatkit.display.markdown.parse import render_html
from chatkit.display.markdown.stream import MarkdownStream
from tests.display.hostile import Seen
from tests.display.markdown.test_parse import RICH

COMMONMARK: list[str] = json.loads((Path(__file__).parent / "commonmark.json").read_text("utf-8"))["examples"]
DOCUMENTS = [
    RICH,
    "- item\n\n  ```python\n  x = 1\n  ```\n\n> ```\n> y = `2`\n> ```\n\n1. > - ~~~\n   >   z\n   >   ~~~\n",
    "Before.\n\n| a | *b* |\n|:--|----:|\n| 1 | `2 \\| 3` |\n\n> | c | d |\n> | - | - |\n> | 4 | 5 |\n",
    "- [ ] to *do*\n- [x] done\n\nA claim.[^1] Another[^note].\n\n[^1]: The **source**.\n[^note]: https://example.org/a_b\n```\n`x`\n```\n",
    "\\[\n\\frac{a_1}{b^*}\n\\]\n\nand \\(x_1\\) is **$y$**\n\n$$\nE = mc^2\n$$\n",
]
CODE_AT_THE_END = re.compile(r"(<pre[^>]*>)?<code[^>]*>([^<]*)</code>((?:</\w+>\s*)*)\Z")
PRODUCT = re.compile(r"(?<=[A-Za-z0-9])\*+(?=[A-Za-z0-9])")
HALF_LINK = re.compile(r"\]\((?:[^()]|\([^()]*\)?)*\Z")
LONG_BRACKET = re.compile(rf"\[(?=[^\[\]]{{{MAX_LABEL},}}\Z)")


def seen(html: str) -> str:
    return "".join("".join(Seen(html).text).split())


def surely_shown(stream: MarkdownStream, text: str) -> str:
    """What a growing view shows of `text`, but for what can't be known yet.

    These are the inside of a code span that hasn't ended; stars between two Latin letters or digits; a bracket that nothing has
    closed for `MAX_LABEL` characters; and the marks of a text that ends within the address of a link.
    """
    code = CODE_AT_THE_END.search(stream.open)
    shown = seen("".join(stream.done) + (stream.open if code is None or code[1] else stream.open[: code.start()] + code[3]))
    if PRODUCT.search(text):
        shown = PRODUCT.sub("", shown)
    if HALF_LINK.search(text):
        shown = re.sub("[*_~]", "", shown)
    return shown.replace("[", "") if LONG_BRACKET.search(text) else shown


def is_within(part: str, whole: str) -> bool:
    """Whether `whole` is `part` with characters in between."""
    rest = iter(whole)
    return all(character in rest for character in part)


def growth(text: str) -> Iterator[tuple[str, MarkdownStream]]:
    stream = MarkdownStream()
    for end in range(1, len(text) + 1):
        stream.advance(text[:end])
        yield text[:end], stream


def assert_shows_nothing_that_goes_again(text: str) -> None:
    finished = MarkdownStream()
    finished.advance(text, final=True)
    whole = seen("".join(finished.done))
    for so_far, stream in growth(text):
        assert is_within(surely_shown(stream, so_far), whole), so_far


@pytest.mark.parametrize("text", [*COMMONMARK, *DOCUMENTS])
def test_a_growing_view_shows_no_character_that_the_finished_one_does_not(text: str) -> None:
    assert_shows_nothing_that_goes_again(text)


PIECES = [
    "a",
    "b c",
    " ",
    "\n",
    "*",
    "**",
    "_",
    "__",
    "`",
    "``",
    "[",
    "](u)",
    "](",
    "]",
    "!",
    "<",
    "https://a.b>",
    "&",
    "amp;",
    "\\",
    "~~",
    "漢",
    "- ",
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_no_mixture_of_marks_shows_a_character_that_goes_again(text: str) -> None:
    assert_shows_nothing_that_goes_again(text)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("a **bo", "a **bo**"),
        ("a **bold** b", "a **bold** b"),
        ("a **bold*", "a **bold**"),
        ("a **b *c", "a **b *c***"),
        ("a *b **c** d", "a *b **c** d*"),
        ("~~go", "~~go~~"),
        ("_em", "_em_"),
        ("漢字**太", "漢字**太**"),
        ("snake_case_name 2 * 3 a*b", "snake_case_name 2 * 3 a*b"),
        ("`co", "`co`"),
        ("`` a ` b", "`` a ` b``"),
        ("`*` *x", "`*` *x*"),
        ("a `", "a "),
        ("[te", "te"),
        ("[text](http://exa", "text"),
        ('[text](http://exa.org "tit', "text"),
        ("![text](http", "text"),
        ("[text](http://exa.org) b", "[text](http://exa.org) b"),
        ("see <https://exam", "see "),
        ("Title\n--", "Title\n"),
        ("para\n#", "para\n"),
        ("para\n1.", "para\n"),
        ("| a | b |\n|--", "| a | b |\n|---|---|"),
        ("- x\n- | *a", "- x\n- | *a* |\n  |---|"),
        ("**one\n\ntwo", "**one\n\ntwo"),
        ("so \\(x^2", "so"),
        ("foo*bar*", "foo*bar*"),
        ("", ""),
    ],
)
def test_what_is_half_written_looks_as_it_will(text: str, whole: str) -> None:
    stream = MarkdownStream()
    stream.advance(text)
    assert ("".join(stream.done) + stream.open).replace(" </p>", "</p>") == render_html(whole)


@pytest.mark.parametrize(("before", "inside"), [("", ""), ("- ", "  "), ("> ", "> "), ("1. > - ", "   >   ")])
def test_code_in_a_list_and_in_a_quotation_has_no_backticks_while_it_is_written(before: str, inside: str) -> None:
    for _, stream in growth(f"{before}```python\n{inside}x = 1\n{inside}```\n"):
        assert "`" not in "".join(stream.done) + stream.open


def test_the_row_that_a_table_ends_with_is_a_row_of_it() -> None:
    stream = MarkdownStream()
    stream.advance("| a | b |\n|---|---|\n| 1 | lo")
    assert stream.open.count("<table") == 1
    assert "<td" in stream.open
