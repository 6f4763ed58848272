"""Untrusted text, made fit to be shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkit.display.plain_text import ShownInPieces, as_json, cut_to_width, shown, single_line, width


@pytest.mark.parametrize(
    "hidden",
    ["\u202e", "\u202d", "\u2066", "\u2069", "\u200b", "\u2060", "\ufeff", "\x00", "\x1b", "\x07", "\x7f", "\x9b", "\u00ad", "\U000e0041"],
)
def test_direction_overrides_zero_width_and_control_characters_are_removed(hidden: str) -> None:
    assert shown(f"pay{hidden}pal") == "paypal"


def test_line_feeds_and_tabs_stay_and_other_line_ends_become_line_feeds() -> None:
    assert shown("a\tb\nc\r\nd\re\u2028f\u2029g\u0085h") == "a\tb\nc\nd\ne\nf\ng\nh"


def test_joiners_stay_where_they_join_and_go_where_they_hide() -> None:
    family, persian = "\U0001f468\u200d\U0001f469\u200d\U0001f467", "می\u200cخواهم"
    assert shown(family) == family
    assert shown(persian) == persian
    assert shown("pass\u200dword \u200c\u200c!") == "password !"
    assert shown("a\u200d\u200dé\u200c\u200cb") == "aéb"


def test_a_surrogate_pair_that_came_apart_is_joined_and_half_of_one_is_replaced() -> None:
    assert shown("\ud83d\ude42") == "🙂"
    assert shown("x\ud83dy") == "x\ufffdy"


@given(st.text())
def test_whatever_comes_can_be_encoded_and_shown_again_unchanged(text: str) -> None:
    once = shown(text)
    assert once.encode("utf-8").decode("utf-8") == once
    assert shown(once) == once
    assert "\x1b" not in once


def test_one_line_is_one_line_whatever_comes() -> None:
    assert single_line(" a\n\n b\tc \u2028d", 100) == "a b c d"
    assert single_line("word " * 10_000_000, 20) == "word word word word…"


def test_columns_are_counted_as_a_terminal_counts_them() -> None:
    assert width("日本語 ok") == 9
    assert cut_to_width("日本語 ok", 6) == "日本…"
    assert cut_to_width("abc", 0) == ""


CHARACTERS = st.sampled_from("ab é\r\n\u200b\u200c\u200d\ud83d\ude42\u202e\t\x00日") | st.characters()


@given(st.lists(st.text(CHARACTERS, max_size=6), max_size=12))
def test_wherever_a_text_is_cut_the_same_is_shown(pieces: list[str]) -> None:
    stream = ShownInPieces()
    parts = [stream.feed(piece) for piece in pieces]
    parts.append(stream.feed("", final=True))
    assert "".join(parts) == shown("".join(pieces))


def test_only_what_the_next_character_decides_on_waits_for_it() -> None:
    stream = ShownInPieces()
    assert [stream.feed(piece) for piece in ("a", "\r", "b", "é\u200d", "é", "\ud83d", "\ude42")] == [
        "a",
        "",
        "\nb",
        "é",
        "\u200dé",
        "",
        "🙂",
    ]


class Unspeakable:
    def __repr__(self) -> str:
        raise ArithmeticError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, None]}, '{"a":[1,null]}'),
        ("é", '"é"'),
        ("half \ud83d", '"half \\ud83d"'),
        ({1: (2, 3)}, '{"1":[2,3]}'),
        (len, '"<built-in function len>"'),
        ({(1, 2): 3}, '{"(1, 2)":3}'),
        (Unspeakable(), "(Unspeakable cannot be shown: ArithmeticError)"),
        ({"a": "\ud83d", (1, 2): 3}, '{"a": "\\ud83d"}'),
        (["\ud83d", Unspeakable()], "(list cannot be shown: ArithmeticError)"),
    ],
)
def test_any_value_stands_as_json(value: object, text: str) -> None:
    assert as_json(value) == text
