"""The messages that keep a front end in step."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chatkit.display.messages import Block, Countdown, Facts, Waiting
from chatkit.display.timeline import Timeline
from chatkit.display.view_state import ViewState, retry_facts
from chatkit.events import Retry
from chatkit.fold import Transcript
from chatkit.parts import File, Message, Part, Reasoning, Source, Text, ToolCall, ToolResult
from tests.comms import FrontEnd

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def growing(html: str) -> list[Block]:
    return [Block(k="html", t=html, o=True)]


def test_html_that_grows_goes_out_as_what_differs() -> None:
    state = ViewState()
    assert state.advance(growing("<p>Hel</p>")) == {"r": 1, "put": ((0, {"k": "html", "t": "<p>Hel</p>", "o": True}),)}
    assert state.advance(growing("<p>Hello</p>")) == {"r": 2, "edit": ((0, 6, 0, "lo"),)}
    assert state.advance(growing("<p>Hello</p>")) is None


def test_offsets_count_as_javascript_does() -> None:
    state = ViewState()
    state.advance(growing("<p>🙂é</p>"))
    assert state.advance(growing("<p>🙂é!</p>")) == {"r": 2, "edit": ((0, 6, 0, "!"),)}


def test_a_block_that_ceases_to_grow_is_said_and_not_sent_again() -> None:
    state = ViewState()
    state.advance(growing("<p>a</p>"))
    done = [Block(k="html", t="<p>a</p>")]
    assert state.advance(done) == {"r": 2, "done": (0,)}
    assert state.advance(done) is None
    assert state.advance([*done, *growing("<p>b</p>")]) == {"r": 3, "put": ((1, {"k": "html", "t": "<p>b</p>", "o": True}),)}


def test_withdrawn_blocks_are_cut_and_what_comes_in_their_place_is_put() -> None:
    state = ViewState()
    state.advance([Block(k="html", t="<p>a</p>"), *growing("<p>b</p>")])
    assert state.advance([]) == {"r": 2, "cut": 0}
    assert state.advance([Block(k="html", t="<p>x</p>")]) == {"r": 3, "put": ((0, {"k": "html", "t": "<p>x</p>"}),)}
    assert state.advance([Block(k="html", t="<p>y</p>")]) == {"r": 4, "put": ((0, {"k": "html", "t": "<p>y</p>"}),)}


def test_only_the_facts_that_changed_are_sent() -> None:
    state = ViewState(Facts(doing="a", label="demo"))
    assert state.advance([], Facts(doing="b", label="demo")) == {"r": 1, "set": {"doing": "b"}}


def test_moments_go_out_with_the_kernels_clock() -> None:
    now = 100_000
    state = ViewState(now=lambda: now)
    wait = Countdown(until=104_000, why="(attempt 3 failed: anthropic is overloaded)", about="HTTP 529")
    facts = Facts(retry=wait, waiting=Waiting(since=99_000))
    message = state.advance([], facts)
    assert message == {
        "r": 1,
        "now": 100_000,
        "set": {"retry": {"until": 104_000, "why": wait.why, "about": "HTTP 529"}, "waiting": {"since": 99_000}},
    }
    now = 102_500
    front = FrontEnd(state.snapshot())
    assert (front.state["retry"]["left"], front.state["waiting"]["age"]) == (1500, 3500)
    now = 110_000
    assert FrontEnd(state.snapshot()).state["retry"]["left"] == 0
    assert state.advance([], Facts(doing="x", retry=wait, waiting=facts.waiting)) == {"r": 2, "set": {"doing": "x"}}


def turn(parts: list[Part]) -> Transcript:
    """The transcript of a turn with these parts."""
    return Transcript([Message(id=1, chat_id="c", role="assistant", parts=tuple(parts), created_at=NOW, stop_reason="end")])


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
    state, timeline = ViewState(), Timeline(whole=False)
    front = FrontEnd(state.snapshot())
    behind = False
    for n, (parts, running) in enumerate(states):
        message = state.advance(timeline.blocks(turn(parts), running=running))
        if message is None:
            continue
        if n == lost:
            behind = True
            continue
        assert front.hear(message) is not behind
        if behind:
            front, behind = FrontEnd(state.snapshot()), False
        assert front.state == FrontEnd(state.snapshot()).state


@given(st.lists(PIECES, max_size=12))
def test_any_split_of_a_text_shows_the_same_in_the_end(pieces: list[str]) -> None:
    state, timeline = ViewState(), Timeline(whole=False)
    front = FrontEnd(state.snapshot())
    for n in range(1, len(pieces) + 1):
        assert front.hear(state.advance(timeline.blocks(turn([Text(text="".join(pieces[:n]))]), running=True)))
        assert front.state == FrontEnd(state.snapshot()).state
    whole: list[Part] = [Text(text="".join(pieces))]
    assert front.hear(state.advance(timeline.blocks(turn(whole), running=False)))
    at_once = ViewState()
    at_once.advance(Timeline(whole=False).blocks(turn(whole), running=False))
    assert "".join(b["t"] for b in front.state["blocks"]) == "".join(b["t"] for b in at_once.snapshot()["blocks"])


def test_a_wait_for_a_server_that_is_most_likely_not_there_says_so_loudly_and_names_no_provider() -> None:
    wait = Retry(attempt=6, delay_ms=29_000, retrying_at=NOW, error="connection refused", detail="[Errno 111]", kind="network")
    quiet = retry_facts(Transcript([wait]), name="ask", until=0).retry
    loud = retry_facts(Transcript([replace(wait, unreached="127.0.0.1:11434")]), name="ask", until=0)
    assert quiet is not None
    assert (quiet.warning, quiet.detail_title) == ("", "Details")
    assert loud.retry is not None
    assert loud.retry.warning.startswith("Nothing has answered at 127.0.0.1:11434 so far.")
    assert loud.news.startswith(loud.retry.warning)
    answered = retry_facts(Transcript([replace(wait, status_code=503)]), name="ask", until=0).retry
    assert answered is not None
    assert answered.detail_title == "What the provider said"
