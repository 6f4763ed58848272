"""Untrusted Markdown as safe HTML, and as safe Markdown."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkit.display.markdown.parse import parse, render_html
from chatkit.display.markdown.source import escape_markdown, render_markdown
from chatkit.display.markdown.stream import MarkdownStream
from tests.display.hostile import HOSTILE, Seen, assert_harmless_html, assert_markdown_is_harmless, large
from tests.display.readers import READERS


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
    again, html = Seen(READERS["markdown-it-py"](render_markdown(RICH))), Seen(render_html(RICH))
    assert again.tags - {"span"} == html.tags - {"span", "div"}
    said = "".join(html.text).replace("a_i < b", r"a_i \lt b").replace(r"\(x_1\)", "$x_1$").replace("mc^2\n-", "mc^2 -")
    assert "".join(again.text).split() == said.replace("$$", " $$ ").replace("$$ \nE", "$$E").replace("x\n $$", "x$$").split()


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


@pytest.mark.parametrize(
    "text", [">" * 50 + " a\n" + "a\n" * 5000, "> " * 40 + "a\n" + "b c d\n" * 5000, "- > " * 20 + "a\n" + "a\n" * 5000]
)
def test_a_text_that_the_parser_would_have_to_read_many_times_is_shown_unformatted(text: str) -> None:
    assert parse(text) is None
    assert parse("> > > a\n" + "a line of a letter\n" * 5000) is not None


GROWING = {
    "pipes": ("|a" * 100 + "\n" + "|-" * 100 + "|\n") + ("|" * 100 + "\n") * 90,
    "cells that are left out": "|a" * 100 + "\n" + "|-" * 100 + "|\n" + "|\n" * 90,
    "empty quotations": ">\n\n" * 10_000,
    "deep quotations": (">" * 50 + "a\n\n") * 1000,
    "code in deep quotations": "> " * 18 + "```\n" + ("> " * 18 + "\n") * 4000,
    "code spans": "`a` " * 20_000,
}


@pytest.mark.parametrize("name", GROWING)
def test_no_text_grows_much_as_it_becomes_html_or_markdown(name: str) -> None:
    text = GROWING[name]
    stream = MarkdownStream()
    for end in range(2_000, len(text) + 2_000, 2_000):
        stream.advance(text[:end])
        assert len(stream.open) < 50_000 + 20 * len(text)
    stream.advance(text, final=True)
    for written in (render_html(text), render_markdown(text), "".join(stream.done)):
        assert len(written) < 100_000 + 20 * len(text)
    assert_harmless_html("".join(stream.done))


def test_a_bare_address_is_a_link_without_the_sentence_around_it() -> None:
    html = render_html("(See https://example.org/a_(b)?c=d&e. [http://x.example](https://y.example) http:// `http://a`)")
    assert re.findall('href="(.*?)"', html) == ["https://example.org/a_(b)?c=d&amp;e", "https://y.example"]
    assert ">https://example.org/a_(b)?c=d&amp;e</a>. " in html


def test_a_formula_that_would_be_a_link_or_an_attribute_is_text() -> None:
    for text in (r"$\href{javascript:alert(1)}{x}$", r"\(\style{position:fixed}{x}\)", r"\[\htmlData{a=b}{x}\]"):
        assert "math" not in " ".join(t.type for token in parse(text) or () for t in (token, *(token.children or ())))
        assert not re.search(r"\\[(\[]|[^>]\$", render_html(text).replace("<p>", "x"))


@pytest.mark.parametrize(
    "start", ["\\def\\x{", "\\gdef \\x{", "\\let\\sum", "\\renewcommand{\\frac}", "\\DeclareMathOperator{\\x}{", "\\newenvironment{a}{"]
)
def test_a_formula_that_would_define_something_for_the_whole_page_is_text(start: str) -> None:
    for text in (f"${start}x}}$", f"$$\n{start}x}}\n$$"):
        assert "chatkit-math" not in render_html(text)
    assert "chatkit-math" in render_html(r"$\Delta\newline\defeq\left(\text{let}\right)$")


def test_a_formula_that_would_keep_the_page_busy_is_text() -> None:
    assert "chatkit-math" in render_html("$$\n" + ("x + " * 24 + "\n") * 40 + "$$")
    assert "chatkit-math" not in render_html("$$\n" + ("x + " * 240 + "\n") * 40 + "$$")


def test_an_item_of_a_task_list_begins_with_its_box_instead_of_a_bullet() -> None:
    html = render_html("- [ ] *write*\n- [x] read\n  1. [X] twice\n- [y] is none, nor [ ] this\n\n[ ] nor that")
    assert re.findall("<li([^>]*)>([^<]*)", html) == [
        (' style="list-style-type:none;margin-inline-start:-1.3em"', "☐ "),
        (' style="list-style-type:none;margin-inline-start:-1.3em"', "☑ read\n"),
        (' style="list-style-type:none;margin-inline-start:-1.3em"', "☑ twice"),
        ("", "[y] is none, nor [ ] this"),
    ]
    assert "<p>[ ] nor that</p>" in html
    assert render_markdown("- [ ] write\n- [x] read") == "- ☐ write\n- ☑ read"


def test_footnotes_are_small_numbers_and_small_notes_where_the_model_put_them() -> None:
    text = "So it is.[^1][^2]: And so,[^why] too.\n\n[^1]: A **source**,\n    cited.\n[^why]: https://example.org\n\nMore."
    html = render_html(text)
    assert "<p>So it is.<sup>1</sup><sup>2</sup>: And so,<sup>why</sup> too.</p>" in html
    notes = re.findall("<p style=[^>]*>(.*?)</p>", html, re.DOTALL)
    assert notes[0] == "<sup>1</sup> A <strong>source</strong>,\ncited."
    assert notes[1].startswith('<sup>why</sup> <a href="https://example.org"')
    assert render_markdown(text).startswith("So it is.<sup>1</sup><sup>2</sup>: And so,<sup>why</sup> too.\n\n<sup>1</sup> A **source**,")


@pytest.mark.parametrize("block", ["# Title", "- item", "> said", "```\nx = 1\n```", "***", "$$\nx\n$$", "| a |\n|---|\n| 1 |"])
def test_a_block_ends_the_note_before_it_as_it_ends_a_paragraph(block: str) -> None:
    note, rest = render_html(f"[^1]: The source.\n{block}").split("\n", 1)
    assert note.endswith("<sup>1</sup> The source.</p>")
    assert rest == render_html(block)


def test_what_only_looks_like_a_footnote_stays() -> None:
    for text in ("a [^abc] class", "`[^1]`", "[^1](https://example.org)", "[^ 1]", "[^]", "[^a b]"):
        assert "<sup>" not in render_html(text)


def test_each_block_takes_its_direction_from_its_own_text() -> None:
    html = render_html("Left.\n\nימין left\n\n- שלום\n- left\n\n> # عربي\n\n| א | b |\n|--|--:|\n| 1 | 2 |\n\n```\nא\n```\n")
    assert re.findall("<(\\w+) dir=", html) == ["p", "ul", "blockquote", "div"]
    assert "<p>Left.</p>" in html
    assert re.findall('<(\\w+) style="[^"]*unicode-bidi:plaintext', html) == ["li", "li", "h1", "th", "th", "td", "td"]
    assert '<pre style="direction:ltr' in html


def test_entities_bring_back_nothing_invisible() -> None:
    assert render_html("pay&#8203;pal &#x202e;gpj.exe") == "<p>paypal gpj.exe</p>\n"
    assert render_markdown("pay&#8203;pal &#x202e;gpj.exe") == "paypal gpj.exe"


def test_what_lies_too_deep_for_the_parser_is_shown_as_it_stands() -> None:
    deep = "> " * 80 + "the bottom"
    assert parse(deep) is None
    assert "the bottom" in render_html(deep)
    assert "the bottom" in render_markdown(deep)


def test_text_that_is_cut_says_so() -> None:
    assert "… (5 more characters are in the reply's text)" in render_html("x" * 1_000_005)
