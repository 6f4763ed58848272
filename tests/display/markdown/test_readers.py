"""The Markdown that chatkit writes, in other parsers: each shows the text, and makes nothing of it that acts."""

from __future__ import annotations

import pytest

from chatkit.display.markdown.source import render_markdown
from chatkit.display.markdown.stream import MarkdownStream
from tests.display.hostile import HOSTILE, assert_harmless_html, assert_markdown_is_harmless
from tests.display.readers import NO_TEXT, READERS, documents, in_places, misread, tricky

PACKAGES = {"cmark-gfm": "cmarkgfm", "Python-Markdown": "markdown"}


@pytest.mark.parametrize("name", READERS)
def test_no_reader_makes_live_html_of_a_text_or_loses_what_it_says(name: str) -> None:
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name], reason=f"{name} is part of chatkit's test extra")
    texts = [*in_places(), *HOSTILE.values(), *tricky(3000, seed=1)]
    assert misread(texts, map(READERS[name], map(render_markdown, texts)), compare=name not in NO_TEXT) == []


def test_the_page_of_a_reader_that_lets_html_through_is_found_out() -> None:
    assert [wrong for _, wrong in misread(["a", "b"], ["<p onclick=x>a</p>", "<p>c</p>"])] == [["p onclick='x'"], "c"]


def test_the_characters_alone_keep_it_harmless() -> None:
    for text in [*in_places(), *tricky(3000, seed=2)]:
        assert_markdown_is_harmless(render_markdown(text))


@pytest.mark.parametrize("size", [1, 3, 7])
def test_what_was_reported_is_text_while_it_streams(size: int) -> None:
    for text in in_places():
        stream = MarkdownStream()
        for end in range(0, len(text), size):
            stream.advance(text[:end])
            assert_harmless_html("".join(stream.done) + stream.open)
        stream.advance(text, final=True)
        assert_harmless_html("".join(stream.done))


@pytest.mark.parametrize("name", READERS)
def test_no_reader_makes_live_html_of_any_place_in_a_turn(name: str) -> None:
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name], reason=f"{name} is part of chatkit's test extra")
    written = documents()
    for source in written:
        assert_markdown_is_harmless(source)
    assert misread(written, map(READERS[name], written), compare=False) == []


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("Use `x < y` or `$HOME`.", "Use <code>x &lt; y</code> or <code>&#36;HOME</code>."),
        ("```sh\necho $HOME\n\nls\n```", "<pre><code>echo &#36;HOME\n&#10;ls</code></pre>"),
        ("```python\nprint(1)\n```", "```python\nprint(1)\n```"),
        ("See https://example.org/a_(b)?c=d.", "See [https&#58;//example.org/a&#95;(b)?c=d](https://example.org/a_%28b%29?c=d)."),
        ("It costs $5.", "It costs &#36;5."),
        ("From $5 to $10", "From <span>&#36;</span>5 to <span>&#36;</span>10"),
        (r"\(a<b\) and \[ c \]", r"$a\lt b$ and $$c$$"),
        ("$$a\n= b$$ is so", r"$\displaystyle a = b$ is so"),
        (r"$a{$", "<code><span>&#36;</span>a&#123;<span>&#36;</span></code>"),
        ("**Done!**🎉 **See:**[a](a.py)", "**Done!**<span></span>🎉 **See:**<span></span>a"),
        ("**a**b 漢**字**漢", "**a**b 漢**字**漢"),
        ("a -> b, snake_case, 2 * 3, AT&T", "a -> b, snake_case, 2 * 3, AT&T"),
    ],
)
def test_what_is_usual_stays_nearly_as_it_was_written(text: str, source: str) -> None:
    assert render_markdown(text) == source


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("/// html | script\nalert(1)\n///", "&#47;// html | script\nalert(1)\n&#47;//"),  # pymdownx.blocks.html
        ("```\n\n/// html | script\n```", "<pre><code>\n/// html | script</code></pre>"),
        ("!!! note\n??? note", "&#33;!! note\n&#63;?? note"),  # boxes of Python-Markdown and pymdownx
        ("% of all", "&#37; of all"),  # a title for pandoc, which nbconvert makes PDF with, and a comment for MyST
        ("x^2+y^2", "x&#94;2+y&#94;2"),  # pandoc raises what stands between
        ("a==b or c==d, i++", "a&#61;=b or c&#61;=d, i&#43;+"),
        ("javascript:alert(1), data:text/html,x", "javascript&#58;alert(1), data&#58;text/html,x"),  # pandoc with autolink_bare_uris
    ],
)
def test_what_begins_something_for_a_reader_with_extensions_is_an_entity(text: str, source: str) -> None:
    assert render_markdown(text) == source
