"""The messages that keep a front end in step."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chatkit.display.plain_text import shown
from chatkit.display.view_state import ViewState, blocks_shown
from chatkit.parts import File, Part, Reasoning, Source, Text, ToolCall, ToolResult


class FrontEnd:
    """What the ES module's `reduce` does, counting text as JavaScript does."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        self.state = snapshot

    def hear(self, message: dict[str, Any] | None) -> bool:
        """Whether it could be taken in; a gap can't."""
        if message is None:
            return True
        if message["r"] != self.state["r"] + 1:
            return False
        blocks = self.state["blocks"][: message.get("cut")]
        for index, block in message.get("put", []):
            blocks[index : index + 1] = [block]
        for index, offset, text in message.get("add", []):
            if len(blocks[index]["t"].encode("utf-16-le")) // 2 != offset:
                return False
            blocks[index] = {**blocks[index], "t": blocks[index]["t"] + text}
        self.state = {**self.state, **message.get("set", {}), "r": message["r"], "blocks": blocks}
        return True


def texts(*pieces: str) -> list[dict[str, str]]:
    return blocks_shown([Text(text="".join(pieces))])


def test_text_that_grows_goes_out_as_pieces_with_their_offset() -> None:
    state = ViewState({})
    assert state.advance(texts("Hel"), {}) == {"r": 1, "put": [[0, {"k": "text", "t": "Hel"}]]}
    assert state.advance(texts("Hel", "lo"), {}) == {"r": 2, "add": [[0, 3, "lo"]]}
    assert state.advance(texts("Hello"), {}) is None


def test_offsets_count_as_javascript_does() -> None:
    state = ViewState({})
    state.advance(texts("🙂é"), {})
    assert state.advance(texts("🙂é", "!"), {}) == {"r": 2, "add": [[0, 3, "!"]]}


def test_withdrawn_text_is_cut_and_what_comes_in_its_place_is_put() -> None:
    state = ViewState({})
    state.advance(texts("Hello wo"), {})
    assert state.advance([], {}) == {"r": 2, "cut": 0}
    assert state.advance(texts("Hi"), {}) == {"r": 3, "put": [[0, {"k": "text", "t": "Hi"}]]}
    assert state.advance(texts("He"), {}) == {"r": 4, "put": [[0, {"k": "text", "t": "He"}]]}


def test_only_the_facts_that_changed_are_sent() -> None:
    state = ViewState({"doing": "a", "label": "demo"})
    assert state.advance([], {"doing": "b", "label": "demo"}) == {"r": 1, "set": {"doing": "b"}}


def test_the_wait_is_told_as_the_time_that_is_left_at_that_moment() -> None:
    now = 100.0
    state = ViewState({"retry": None}, now=lambda: now)
    wait = {"until": 104.0, "why": "(attempt 3 failed: anthropic is overloaded)"}
    assert state.advance([], {"retry": wait}) == {"r": 1, "set": {"retry": {"left": 4000, "why": wait["why"]}}}
    now = 102.5
    assert state.snapshot()["retry"]["left"] == 1500
    now = 110.0
    assert state.snapshot()["retry"]["left"] == 0


def test_a_character_that_the_next_one_gives_a_meaning_waits_for_it() -> None:
    state = ViewState({})
    state.advance(texts("a\r"), {})
    assert state.snapshot()["blocks"][0]["t"] == "a"
    assert state.advance(texts("a\r", "\nb"), {}) == {"r": 2, "add": [[0, 1, "\nb"]]}


PIECES = st.text(st.sampled_from("ab é🙂\r\n\u200d\u200b\u202e\x1b👩") | st.characters(), max_size=6)


@given(st.lists(PIECES, max_size=12))
def test_any_split_of_a_text_shows_the_same_text(pieces: list[str]) -> None:
    state = ViewState({})
    front = FrontEnd(state.snapshot())
    for n in range(1, len(pieces) + 1):
        assert front.hear(state.advance(texts(*pieces[:n]), {}))
        assert front.state == state.snapshot()
    whole = "".join(pieces) + "."
    state.advance(texts(whole), {})
    assert "".join(b["t"] for b in state.snapshot()["blocks"]) == shown(whole)


SOME_PARTS: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, text=PIECES),
    st.builds(Reasoning, text=PIECES, title=st.sampled_from(["", "Plan"])),
    st.builds(ToolCall, tool_call_id=st.just("1"), tool_name=PIECES, args=st.none() | st.just({"a": 1})),
    st.builds(ToolResult, tool_call_id=st.just("1"), result=PIECES, is_error=st.booleans()),
    st.builds(Source, url=st.sampled_from(["https://example.org", "javascript:x"]), title=PIECES),
    st.builds(File, media_type=st.just("image/png")),
)


@given(st.lists(st.lists(SOME_PARTS, max_size=4), max_size=8), st.integers(0, 7))
def test_a_front_end_that_missed_a_message_notices_at_the_next_and_a_snapshot_heals_it(states: list[list[Part]], lost: int) -> None:
    state = ViewState({})
    front = FrontEnd(state.snapshot())
    behind = False
    for n, parts in enumerate(states):
        message = state.advance(blocks_shown(parts), {})
        if message is None:
            continue
        if n == lost:
            behind = True
            continue
        assert front.hear(message) is not behind
        if behind:
            front, behind = FrontEnd(state.snapshot()), False
        assert front.state == state.snapshot()


def test_a_reply_that_is_too_long_to_show_ends_with_a_word_about_it() -> None:
    state = ViewState({})
    state.advance(texts("x" * 999_999), {})
    state.advance(texts("x" * 1_200_000), {})
    message = state.advance(texts("x" * 1_300_000), {})
    assert message is None
    assert state.snapshot()["blocks"][0]["t"].endswith("x\n… (the rest is in the reply's text)")
    assert state.units < 1_000_100


def test_a_link_that_leads_nowhere_safe_is_a_line() -> None:
    assert blocks_shown([Source(url="javascript:alert(1)", title="Docs")]) == [{"k": "line", "t": "Docs"}]
