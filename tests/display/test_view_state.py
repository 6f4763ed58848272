"""The messages that keep a front end in step."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from chatkit.display.timeline import Timeline
from chatkit.display.view_state import ViewState
from chatkit.display.wire import Block, Changes, Snapshot
from chatkit.parts import File, Part, Reasoning, Source, Text, ToolCall, ToolResult


def on_the_wire(value: dict[str, Any]) -> dict[str, Any]:
    """As the front end has it."""
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(value))
    return decoded


class FrontEnd:
    """What the ES module's `reduce` does, counting text as JavaScript does. What isn't of the declared shape fails."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        msgspec.convert(snapshot, Snapshot)
        self.state = on_the_wire(snapshot)

    def hear(self, message: dict[str, Any] | None) -> bool:
        """Whether it could be taken in; a gap can't."""
        if message is None:
            return True
        msgspec.convert(message, Changes)
        message = on_the_wire(message)
        if message["r"] != self.state["r"] + 1:
            return False
        blocks = [dict(b) for b in self.state["blocks"][: message.get("cut")]]
        for index, block in message.get("put", []):
            blocks[index : index + 1] = [block]
        for index, at, drop, text in message.get("edit", []):
            units = blocks[index]["t"].encode("utf-16-le")
            assert 2 * (at + drop) <= len(units)
            blocks[index]["t"] = (units[: 2 * at] + text.encode("utf-16-le") + units[2 * (at + drop) :]).decode("utf-16-le")
        for index in message.get("done", []):
            del blocks[index]["o"]
        self.state = {**self.state, **message.get("set", {}), "r": message["r"], "blocks": blocks}
        return True


def growing(html: str) -> list[Block]:
    return [Block(k="html", t=html, o=True)]


def test_html_that_grows_goes_out_as_what_differs() -> None:
    state = ViewState({})
    assert state.advance(growing("<p>Hel</p>"), {}) == {"r": 1, "put": ((0, {"k": "html", "t": "<p>Hel</p>", "o": True}),)}
    assert state.advance(growing("<p>Hello</p>"), {}) == {"r": 2, "edit": ((0, 6, 0, "lo"),)}
    assert state.advance(growing("<p>Hello</p>"), {}) is None


def test_offsets_count_as_javascript_does() -> None:
    state = ViewState({})
    state.advance(growing("<p>🙂é</p>"), {})
    assert state.advance(growing("<p>🙂é!</p>"), {}) == {"r": 2, "edit": ((0, 6, 0, "!"),)}


def test_a_block_that_ceases_to_grow_is_said_and_not_sent_again() -> None:
    state = ViewState({})
    state.advance(growing("<p>a</p>"), {})
    done = [Block(k="html", t="<p>a</p>")]
    assert state.advance(done, {}) == {"r": 2, "done": (0,)}
    assert state.advance(done, {}) is None
    assert state.advance([*done, *growing("<p>b</p>")], {}) == {"r": 3, "put": ((1, {"k": "html", "t": "<p>b</p>", "o": True}),)}


def test_withdrawn_blocks_are_cut_and_what_comes_in_their_place_is_put() -> None:
    state = ViewState({})
    state.advance([Block(k="html", t="<p>a</p>"), *growing("<p>b</p>")], {})
    assert state.advance([], {}) == {"r": 2, "cut": 0}
    assert state.advance([Block(k="html", t="<p>x</p>")], {}) == {"r": 3, "put": ((0, {"k": "html", "t": "<p>x</p>"}),)}
    assert state.advance([Block(k="html", t="<p>y</p>")], {}) == {"r": 4, "put": ((0, {"k": "html", "t": "<p>y</p>"}),)}


def test_only_the_facts_that_changed_are_sent() -> None:
    state = ViewState({"doing": "a", "label": "demo"})
    assert state.advance([], {"doing": "b", "label": "demo"}) == {"r": 1, "set": {"doing": "b"}}


def test_times_are_told_as_what_is_left_or_has_passed_at_that_moment() -> None:
    now = 100.0
    state = ViewState({}, now=lambda: now)
    wait = {"until": 104.0, "why": "(attempt 3 failed: anthropic is overloaded)", "about": "HTTP 529", "detail": ""}
    message = state.advance([], {"retry": wait, "waiting": {"since": 99.0}})
    assert message == {
        "r": 1,
        "set": {"retry": {"left": 4000, "why": wait["why"], "about": "HTTP 529"}, "waiting": {"age": 1000}},
    }
    now = 102.5
    assert state.snapshot()["retry"]["left"] == 1500
    assert state.snapshot()["waiting"]["age"] == 3500
    now = 110.0
    assert state.snapshot()["retry"]["left"] == 0


PIECES = st.text(st.sampled_from("ab *`#|\n é🙂\r\u200d\u200b\u202e\x1b👩<&") | st.characters(), max_size=6)
SOME_PARTS: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, text=PIECES),
    st.builds(Reasoning, text=PIECES, title=st.sampled_from(["", "Plan"])),
    st.builds(ToolCall, tool_call_id=st.just("1"), tool_name=PIECES, args=st.none() | st.just({"a": 1})),
    st.builds(ToolResult, tool_call_id=st.just("1"), result=PIECES, is_error=st.booleans()),
    st.builds(Source, url=st.sampled_from(["https://example.org", "javascript:x"]), title=PIECES),
    st.builds(File, media_type=st.just("image/png")),
)
STATES = st.lists(st.tuples(st.lists(SOME_PARTS, max_size=4), st.booleans()), max_size=8)


@given(STATES, st.integers(0, 7))
def test_a_front_end_that_missed_a_message_notices_at_the_next_and_a_snapshot_heals_it(
    states: list[tuple[list[Part], bool]], lost: int
) -> None:
    state, timeline = ViewState({}), Timeline()
    front = FrontEnd(state.snapshot())
    behind = False
    for n, (parts, running) in enumerate(states):
        message = state.advance(timeline.of_turn(parts, running=running), {})
        if message is None:
            continue
        if n == lost:
            behind = True
            continue
        assert front.hear(message) is not behind
        if behind:
            front, behind = FrontEnd(state.snapshot()), False
        assert front.state == on_the_wire(state.snapshot())


@given(st.lists(PIECES, max_size=12))
def test_any_split_of_a_text_shows_the_same_in_the_end(pieces: list[str]) -> None:
    state, timeline = ViewState({}), Timeline()
    front = FrontEnd(state.snapshot())
    for n in range(1, len(pieces) + 1):
        assert front.hear(state.advance(timeline.of_turn([Text(text="".join(pieces[:n]))], running=True), {}))
        assert front.state == on_the_wire(state.snapshot())
    whole = [Text(text="".join(pieces))]
    assert front.hear(state.advance(timeline.of_turn(whole, running=False), {}))
    at_once = ViewState({})
    at_once.advance(Timeline().of_turn(whole, running=False), {})
    assert "".join(b["t"] for b in front.state["blocks"]) == "".join(b["t"] for b in at_once.snapshot()["blocks"])
