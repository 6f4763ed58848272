"""Markdown that nobody trusts, as HTML and as Markdown."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from chatkit.display.markdown import is_safe_url, parse, render_html
from chatkit.display.markdown_source import escape_markdown, render_markdown

TAGS = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong", "s", "a", "br", "hr"}
TAGS |= {"table", "thead", "tbody", "tr", "th", "td", "div", "span"}
ATTRIBUTES = {"style", "href", "rel", "start"}

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt&colon;alert(1))",
    "[x](java\u200bscript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:msgbox(1))",
    "[x](//evil.example/x)",
    "[x](/local/path)",
    "[x](https:\\\\evil.example)",
    "<javascript:alert(1)>",
    "[x][y]\n\n[y]: javascript:alert(1)",
    "![x](https://example.org/pixel.png)",
    "![x](data:image/svg+xml,<svg/onload=alert(1)>)",
    "[![x](javascript:alert(1))](https://example.org)",
    '[x](https://example.org "onmouseover=alert(1)")',
    "[a](https://example.org/'onclick='alert(1))",
    "```<script>\n</code></pre><script>alert(1)</script>\n```",
    "`</code><script>alert(1)</script>`",
    "`` ` <b> ` ``\\`<img src=x onerror=alert(1)>\\`",
    "\\`<img src=x onerror=alert(1)>`",
    "    <b>indented</b>\n<i>not</i>",
    "$<img src=x onerror=alert(1)>$ and $$<script>alert(1)</script>$$",
    "\\(<img src=x onerror=alert(1)>\\)",
    "\\[\n<script>alert(1)</script>\n\\]",
    "| <b>x</b> |\n|---|\n| `<script>` \\| <i> |",
    "\\![x](https://example.org/pixel.png)",
    "$[x](javascript:alert(1))$ and \\([x](javascript:alert(1))\\)",
    "<!-- comment --> <?php ?> <![CDATA[x]]> &lt;script&gt;alert(1)&lt;/script&gt;",
    "- <details open ontoggle=alert(1)>\n  > <style>*{display:none}</style>",
]


class _Seen(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.tags.add("<!--")


def assert_html_is_harmless(html: str, *, tags: set[str] = TAGS, attributes: set[str] = ATTRIBUTES) -> None:
    seen = _Seen(html)
    assert seen.tags <= tags
    assert seen.attributes <= attributes
    assert all(is_safe_url(link) for link in seen.links)
    assert all("url(" not in style for style in re.findall(r'style="([^"]*)"', html))


def assert_markdown_is_harmless(source: str) -> None:
    """Read by a parser that lets everything through, as a trusted notebook's does."""
    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    reader.validateLink = lambda url: True  # type: ignore[method-assign]
    tokens = [t for token in reader.parse(source) for t in (token, *(token.children or ()))]
    assert not [t.content for t in tokens if t.type in ("html_block", "html_inline", "image")]
    assert all(is_safe_url(str(t.attrGet("href"))) for t in tokens if t.type == "link_open")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_markdown_executes_nothing_and_loads_nothing(text: str) -> None:
    for source in (text, f"Before.\n\n{text}\n\nAfter.", f"> - {text}", f"**a {text} b**"):
        assert_html_is_harmless(render_html(source))
        assert_markdown_is_harmless(render_markdown(source))


@given(st.text(st.sampled_from("ab <>[]()!`*_~#|-\\$&;:/\"'\n\t1.={}+") | st.characters(), max_size=80))
def test_no_text_whatever_gives_html_or_markdown_that_acts(text: str) -> None:
    assert_html_is_harmless(render_html(text))
    assert_markdown_is_harmless(render_markdown(text))
    assert_markdown_is_harmless(escape_markdown(text))


@given(
    st.lists(st.sampled_from([*HOSTILE, "\n\n", "text ", "`", "```\n", "> ", "- ", "<", "$", "\\", "*a*", "| a |\n|---|\n"]), max_size=8)
)
def test_no_mixture_of_hostile_pieces_gives_html_or_markdown_that_acts(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert_html_is_harmless(render_html(text))
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
    assert "    print(&quot;`&quot;)" in html


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


LONG = {
    "one line": "x" * 10_000_000,
    "quotes": ">" * 250_000,
    "quotes with spaces": "> " * 90_000,
    "brackets": "[" * 190_000,
    "fewer brackets": "[" * 10_000,
    "images": "![" * 10_000,
    "links": "[a](" * 10_000,
    "emphasis": "**a" * 10_000,
    "lists": "\n".join(" " * (2 * n) + "- a" for n in range(400)),
    "cells": "a|b\n-|-\n" + "a|b\n" * 9_000,
    "formulas": "\\(" * 10_000,
    "dollars": "$$a" * 10_000,
    "code": "`" * 190_000,
    "entities": "&" * 190_000,
    "lines": "a\n" * 40_000,
}


@pytest.mark.parametrize("name", LONG)
def test_no_length_and_no_depth_hangs_or_loses_the_text(name: str) -> None:
    text = LONG[name]
    begun = time.process_time()
    html, source = render_html(text), render_markdown(text)
    assert time.process_time() - begun < 10
    assert_html_is_harmless(html)
    letters = re.sub("[^ax]", "", text)[:1_000_000]
    assert letters in re.sub("[^ax]", "", "".join(_Seen(html).text))
    assert letters in re.sub("[^ax]", "", source)


def test_what_lies_too_deep_for_the_parser_is_shown_as_it_stands() -> None:
    deep = "> " * 80 + "the bottom"
    assert parse(deep) is None
    assert "the bottom" in render_html(deep)
    assert "the bottom" in render_markdown(deep)


def test_text_that_is_cut_says_so() -> None:
    assert "… (5 more characters are in the reply&#x27;s text)" in render_html("x" * 1_000_005)
