"""Markdown that nobody trusts, as HTML and as Markdown."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from chatkit.display.markdown.highlight import MAX_HIGHLIGHTED, code_html, highlighted
from chatkit.display.markdown.parse import is_safe_url, parse, render_html
from chatkit.display.markdown.source import escape_markdown, render_markdown
from tests.display.hostile import HOSTILE, Seen, assert_harmless_html, assert_visible, large


def assert_markdown_is_harmless(source: str) -> None:
    """Read by a parser that lets everything through, as a trusted notebook's does."""
    assert_visible(source)
    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    reader.validateLink = lambda url: True  # type: ignore[method-assign]
    tokens = [t for token in reader.parse(source) for t in (token, *(token.children or ()))]
    assert not [t.content for t in tokens if t.type in ("html_block", "html_inline", "image")]
    assert all(is_safe_url(str(t.attrGet("href"))) for t in tokens if t.type == "link_open")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_markdown_executes_nothing_and_loads_nothing(text: str) -> None:
    for source in (text, f"Before.\n\n{text}\n\nAfter.", f"> - {text}", f"**a {text} b**"):
        assert_harmless_html(render_html(source))
        assert_markdown_is_harmless(render_markdown(source))


@given(st.text(st.sampled_from("ab <>[]()!`*_~#|-\\$&;:/\"'\n\t1.={}+") | st.characters(), max_size=80))
def test_no_text_whatever_gives_html_or_markdown_that_acts(text: str) -> None:
    assert_harmless_html(render_html(text))
    assert_markdown_is_harmless(render_markdown(text))
    assert_markdown_is_harmless(escape_markdown(text))


@given(
    st.lists(
        st.sampled_from([*HOSTILE.values(), "\n\n", "text ", "`", "```\n", "> ", "- ", "<", "$", "\\", "*a*", "| a |\n|---|\n"]), max_size=8
    )
)
def test_no_mixture_of_hostile_pieces_gives_html_or_markdown_that_acts(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert_harmless_html(render_html(text))
    assert_markdown_is_harmless(render_markdown(text))


RICH = """# Title

A *word*, a **strong** one, `code`, ~~gone~~, [a link](https://example.org/a_(b)?c=d&e) and <https://example.org>.
A new line, and a hard\\
break. 2 * 3 * 4, snake_case_name, a_b, \\*, 1986\\. A year. AT&T &copy; $5 and $10, $a_i < b^*$ and \\(x_1\\).

> quoted
> > twice

- one
  - nested

    with a paragraph
- two

1. first
   ```python
   if a < b:
       print("`")
   ```
2. second

3) other list

| left | right | `a\\|b` |
|:-----|------:|:-------:|
| 1    | 2     | *3*     |

$$
E = mc^2
- x
$$

***

    indented <b>
"""


def test_markdown_written_anew_says_the_same() -> None:
    again = render_markdown(RICH)
    assert render_html(again) == render_html(RICH).replace("a_i &lt; b", "a_i \\lt  b").replace("a_(b)", "a_%28b%29")
    assert render_markdown(again) == again


def test_a_reply_is_rendered_with_tables_code_lists_and_emphasis() -> None:
    html = render_html(RICH)
    for piece in (
        "<h1>Title</h1>",
        "<em>word</em>",
        "<strong>strong</strong>",
        "<s>gone</s>",
        "<blockquote",
        "<li>two",
        "text-align:right",
    ):
        assert piece in html
    assert 'href="https://example.org/a_(b)?c=d&amp;e"' in html
    assert '    print("`")' in "".join(Seen(html).text)


def test_formulas_keep_their_backslashes_and_prices_are_no_formulas() -> None:
    html = render_html("\\(a_{1} * b_{2}*\\) and $\\{x\\}$, but $5 and $10\n\n\\[\n\\begin{x} a \\\\ b\n\\]")
    assert "\\(a_{1} * b_{2}*\\)" in html
    assert "$\\{x\\}$" in html
    assert "<span>$</span>5 and <span>$</span>10" in html
    assert "a \\\\ b" in html


def test_an_image_becomes_a_link_with_its_words() -> None:
    html = render_html("![the *plan*](https://example.org/plan.png) ![](https://example.org/x.png)")
    assert '<a href="https://example.org/plan.png" rel="noopener noreferrer">the plan</a>' in html
    assert ">image</a>" in html
    assert render_markdown("![the plan](https://example.org/plan.png)") == "[the plan](https://example.org/plan.png)"


@pytest.mark.parametrize(("name", "text"), [pytest.param(n, t, id=n) for n, t in large()])
def test_no_length_and_no_depth_grows_or_loses_the_text(name: str, text: str) -> None:
    html, source = render_html(text), render_markdown(text)
    assert len(html) < 30_000_000, name
    assert_harmless_html(html)
    letters = re.sub("[^ax]", "", text[:1_000_000])
    assert letters in re.sub("[^ax]", "", "".join(Seen(html).text))
    assert letters in re.sub("[^ax]", "", source)


SLOW = {
    "brackets": "[" * 10_000,
    "images": "![" * 10_000,
    "links": "[a](" * 10_000,
    "emphasis": "**a" * 10_000,
    "cells": "a|b\n-|-\n" + "a|b\n" * 9_000,
    "formulas": "\\(" * 10_000,
    "dollars": "$$a" * 10_000,
    "ticks": "`" * 190_000,
    "entities": "&" * 190_000,
    "lines": "a\n" * 40_000,
}


@pytest.mark.parametrize("name", SLOW)
def test_the_slowest_texts_that_are_parsed_at_all_are_parsed_whole(name: str) -> None:
    html, source = render_html(SLOW[name]), render_markdown(SLOW[name])
    assert_harmless_html(html)
    letters = re.sub("[^ax]", "", SLOW[name])
    assert letters in re.sub("[^ax]", "", "".join(Seen(html).text))
    assert letters in re.sub("[^ax]", "", source)


def test_entities_bring_back_nothing_invisible() -> None:
    assert render_html("pay&#8203;pal &#x202e;gpj.exe") == "<p>paypal gpj.exe</p>\n"
    assert render_markdown("pay&#8203;pal &#x202e;gpj.exe") == "paypal gpj.exe"


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


def test_what_lies_too_deep_for_the_parser_is_shown_as_it_stands() -> None:
    deep = "> " * 80 + "the bottom"
    assert parse(deep) is None
    assert "the bottom" in render_html(deep)
    assert "the bottom" in render_markdown(deep)


def test_text_that_is_cut_says_so() -> None:
    assert "… (5 more characters are in the reply's text)" in render_html("x" * 1_000_005)
