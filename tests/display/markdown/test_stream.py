"""Markdown that is rendered while it streams."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chatkit.display.markdown.parse import MAX_SHOWN, render_html
from chatkit.display.markdown.stream import MarkdownStream
from tests.display.hostile import HOSTILE, Seen, assert_harmless_html, large
from tests.display.markdown.test_parse import RICH

PIECES = [
    "\n", "\n\n", "# ", "- ", "  - ", "    ", "> ", "```\n", "```py\n", "~~~\n", "a", "text ", "**", "*", "_", "`", "| a | b |\n",
    "|---|---|\n", "| c\n", "1. ", "2) ", "---\n", "===\n", "***\n", "$$\n", "$$", "\\[\n", "\\]\n", "x\n", "\t", " ", "\r\n", "\r",
    "\u200d", "é", "[a](http://x.y)", "[", "](", "🙂", "\u200b", "\\", "<b>", "&amp;", "![i](http://y.z/p)", "~~", "if x: pass\n", "[ ] ", "[x] b", "[^1]", "שלום ",
]  # fmt: skip


def streamed(text: str, cuts: list[int]) -> MarkdownStream:
    """The stream that was given `text` up to each of the cuts in turn, and then all of it."""
    stream = MarkdownStream()
    for cut in sorted(cuts):
        so_far, before = text[:cut], list(stream.done)
        stream.advance(so_far)
        assert stream.done[: len(before)] == before, "what is done is never taken back"
        while stream.behind:
            stream.advance(so_far)
        assert_harmless_html("".join(stream.done) + stream.open)
    stream.advance(text, final=True)
    assert not stream.behind
    assert stream.open == ""
    return stream


def words(html: str) -> str:
    return "".join("".join(Seen(html).text).split())


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join).filter(lambda t: "]:" not in t), st.data())
@example("```a|b\n|--|--|\n", None)
@example("# a | b\n|---|---|\n| c", None)
def test_wherever_a_text_is_cut_the_same_html_comes_out(text: str, data: st.DataObject | None) -> None:
    cuts = list(range(len(text))) if data is None else data.draw(st.lists(st.integers(0, len(text)), max_size=12))
    assert "".join(streamed(text, cuts).done) == render_html(text)


@pytest.mark.parametrize("step", [1, 7, 50, 10_000])
def test_a_rich_reply_comes_out_as_it_does_whole(step: int) -> None:
    assert "".join(streamed(RICH, list(range(0, len(RICH), step))).done) == render_html(RICH)


def test_a_block_is_done_when_it_is_complete_and_only_the_last_one_grows() -> None:
    stream = MarkdownStream()
    stream.advance("# Title\n\nOne.\n\nTwo *th")
    assert "".join(stream.done) == "<h1>Title</h1>\n<p>One.</p>\n"
    assert stream.open == "<p>Two <em>th</em></p>\n"


def test_code_is_coloured_when_it_is_complete() -> None:
    stream = MarkdownStream()
    stream.advance("```python\nif x:\n    pas")
    assert "<span" not in stream.open
    assert "    pas" in stream.open
    stream.advance("```python\nif x:\n    pass\n``")
    assert "`" not in stream.open
    stream.advance("```python\nif x:\n    pass\n```\n")
    assert stream.open == ""
    assert "<span" in stream.done[0]


def test_a_text_that_does_not_begin_with_the_last_one_starts_anew() -> None:
    stream = MarkdownStream()
    stream.advance("One.\n\nTwo")
    stream.advance("Other")
    assert stream.done == []
    assert stream.open == "<p>Other</p>\n"
    stream.advance("Other", final=True)
    stream.advance("Other words", final=True)
    assert stream.done == ["<p>Other words</p>\n"]


def test_a_formula_that_is_open_is_not_taken_for_blocks() -> None:
    stream = MarkdownStream()
    text = "$$\na\n# b\n- c\n$$\n"
    for end in range(len(text)):
        stream.advance(text[:end])
        assert stream.done == []
    stream.advance(text, final=True)
    assert "".join(stream.done) == render_html(text)


def test_no_address_flashes_while_a_link_is_written() -> None:
    stream, text = MarkdownStream(), "Read [the docs](https://example.org/a?b=c) *now*"
    for end in range(len(text)):
        stream.advance(text[:end])
        assert "example" not in words(stream.open)


def test_a_heading_does_not_flash_while_a_list_begins() -> None:
    stream, text = MarkdownStream(), "Words:\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    for end in range(len(text)):
        stream.advance(text[:end])
        assert "<h" not in stream.open


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_harmless_at_every_moment_and_comes_out_as_it_does_whole(name: str) -> None:
    text = HOSTILE[name]
    for source in (text, f"Before.\n\n{text}\n\nAfter.", f"> - {text}"):
        stream = streamed(source, list(range(len(source) if len(source) < 300 else 0)))
        if "]:" not in text:
            assert "".join(stream.done) == render_html(source)


LONG = {
    "a paragraph": "some *words* and `code`\n" * 1_000,
    "a list": "- item *a*\n" * 2_000,
    "an item": "- item\n" + "  more words\n" * 2_000,
    "a quote": "> words *a*\n" * 2_000,
    "code in a quote": "> ```\n" + "> x y\n" * 4_000 + "> ```\n",
    "code": "```python\n" + "x = [1, 2]\n" * 4_000 + "```\n",
    "code in tildes, open": "~~~\n" + "x = [1, 2]\n" * 4_000,
    "a table": "| a | b |\n|---|---|\n" + "| *x* | y |\n" * 2_000,
    "a line": "word *b* " * 5_000,
}


@pytest.mark.parametrize("name", LONG)
def test_a_block_that_grows_long_is_cut_and_loses_nothing(name: str) -> None:
    text = LONG[name]
    html = "".join(streamed(text, list(range(0, len(text), 997))).done)
    said = words(html)
    for word in set(re.findall(r"\w+", text)) - {"python"}:
        assert said.count(word) >= text.count(word) - 2
    assert len(html) < 20 * len(text)


def test_a_table_that_was_cut_goes_on_under_its_head() -> None:
    tables = "".join(streamed(LONG["a table"], []).done).split("</table>")[:-1]
    assert len(tables) > 3
    assert all(">a</th>" in table and "<em>x</em>" in table for table in tables)


def test_code_that_was_cut_is_what_it_is_whole() -> None:
    assert "".join(streamed(LONG["code"], list(range(0, 44_000, 500))).done) == render_html(LONG["code"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from([1, 1, 1, 40, 900, 4_000])), max_size=12), st.integers(1, 3_000))
@example([("- ", 1), ("```\n", 1), ("- ", 1), ("x\n", 4_000)], 500)
@example([("[a]: http://x.y\n", 4_000)], 500)
@example([("| a | b |\n", 1), ("|---|---|\n", 1), ("| c\n", 900), ("\n", 900)], 700)
def test_no_mixture_of_long_blocks_stops_it_or_acts(pieces: list[tuple[str, int]], step: int) -> None:
    text = "".join(piece * times for piece, times in pieces)[:20_000]
    stream = streamed(text, list(range(0, len(text), max(step, len(text) // 20))))
    assert_harmless_html("".join(stream.done))


def advanced(stream: MarkdownStream, text: str) -> None:
    """Advance by one step, which is bounded in its work and in the HTML that it makes."""
    done = len(stream.done)
    stream.advance(text)
    assert stream.work < 20_000
    assert len(stream.open) < 200_000
    assert sum(map(len, stream.done[done:])) < 2_000_000


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in large()])
def test_no_size_and_no_depth_takes_more_than_its_share(text: str) -> None:
    stream = MarkdownStream()
    advanced(stream, text)
    advanced(stream, text)
    assert stream.behind == (len(text) > 128_000)
    text, stream = text[:40_000], MarkdownStream()
    for end in range(0, len(text), 4_000):
        advanced(stream, text[:end])
    stream.advance(text, final=True)
    html = "".join(stream.done)
    assert len(html) < 60 * len(text)
    assert_harmless_html(html)


@pytest.mark.parametrize("text", ["x" * 10_000_000, "words <b> and more\n" * 100_000, "```\n" + "x\n" * 1_000_000])
def test_what_lies_beyond_the_limit_is_left_out_and_said_to_be(text: str) -> None:
    stream = MarkdownStream()
    stream.advance(text)
    while stream.behind:
        stream.advance(text)
    assert stream.open == f"<p>… ({len(text) - MAX_SHOWN:,} more characters are in the reply&#x27;s text)</p>\n"
    stream.advance(text, final=True)
    assert "more characters" in stream.done[-1]
    assert sum(html.count("x") + html.count("w") for html in stream.done) <= MAX_SHOWN + 10


def test_the_work_for_a_text_is_in_proportion_to_its_length() -> None:
    def work(text: str) -> int:
        stream, made = MarkdownStream(), 0
        for end in range(0, len(text), 400):
            stream.advance(text[:end])
            made += stream.work
        return made

    for block in LONG.values():
        half, whole = (work(block[:size]) for size in (11_000, 22_000))
        assert whole < 3 * half + 1_000
    replies = [work(RICH * n) for n in (8, 16, 32)]
    assert all(more < 2.2 * less for less, more in pairwise(replies))
