"""The rules of the stream, as properties of any story that a chat may tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chatkit.events import Approval, ErrorEvent, Event, MessagePart, QueueUpdate, Reset, Retry, Status, TitleEvent
from chatkit.fold import Transcript, merge
from chatkit.parts import Message, Part, Reasoning, Source, Text, ToolCall, ToolResult

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
WORDS = st.text("ab c", max_size=3)


def view(transcript: Transcript) -> dict[str, Any]:
    """All that a person could see."""
    return {
        "messages": transcript.messages,
        "parts": transcript.parts,
        "status": transcript.status_word,
        "retry": transcript.retry,
        "error": transcript.error,
        "queue": transcript.queued,
        "title": transcript.title,
        "approvals": transcript.approvals,
        "waits": (transcript.waits, transcript.waits_after(transcript.messages), transcript.last_wait),
    }


@st.composite
def attempts(draw: st.DrawFn, step: int, attempt: int, seq: list[int]) -> tuple[list[MessagePart], tuple[Part, ...]]:
    """The pieces of one attempt, blocks interleaved, and the parts that they make."""
    blocks = draw(st.lists(st.sampled_from(["text", "reasoning", "call", "source"]), min_size=1, max_size=4))
    pieces: list[list[Part]] = []
    whole: list[Part] = []
    for index, kind in enumerate(blocks):
        words = draw(st.lists(WORDS, min_size=1, max_size=4))
        name = f"t{step}-{attempt}-{index}"
        if kind == "text":
            pieces.append([Text(text=w) for w in words])
            whole.append(Text(text="".join(words)))
        elif kind == "reasoning":
            signature = {"signature": name}
            pieces.append([*(Reasoning(text=w) for w in words), Reasoning(provider_data=signature)])
            whole.append(Reasoning(text="".join(words), provider_data=signature))
        elif kind == "call":
            full = draw(st.booleans())
            made: list[Part] = [ToolCall(tool_call_id=name, tool_name="add" if i == 0 else "", args_delta=w) for i, w in enumerate(words)]
            pieces.append([*made, ToolCall(tool_call_id=name, args={"n": 1})] if full else made)
            args, rest = ({"n": 1}, "") if full else (None, "".join(words))
            whole.append(ToolCall(tool_call_id=name, tool_name="add", args=args, args_delta=rest))
        else:
            source = Source(source_id=name, url="https://example.org")
            pieces.append([source])
            whole.append(source)
    order = draw(st.permutations([i for i, block in enumerate(pieces) for _ in block]))
    queues = [list(block) for block in pieces]
    events = []
    for index in order:
        seq[0] += 1
        part = queues[index].pop(0)
        events.append(MessagePart(chat_id="c", role="assistant", part=part, step=step, attempt=attempt, index=index, seq=seq[0]))
    return events, tuple(whole)


@st.composite
def stories(draw: st.DrawFn) -> list[Event]:
    """Turns as a chat tells them: questions, attempts that fail, replies, interrupts, errors, undoing."""
    events: list[Event] = []
    ids = 0
    for _ in range(draw(st.integers(1, 4))):
        ids += 1
        asked = ids
        events.append(Message(id=ids, chat_id="c", role="user", parts=(Text(text="?"),), created_at=NOON))
        events.append(Status(chat_id="c", status="running"))
        seq = [0]
        failures = draw(st.integers(0, 3))
        for attempt in range(1, failures + 1):
            events += draw(attempts(1, attempt, seq))[0]
            events.append(
                Retry(chat_id="c", attempt=attempt, delay_ms=1000 * 2**attempt, retrying_at=NOON + timedelta(seconds=1), error="it broke")
            )
            if draw(st.booleans()):
                events.append(replace(events[-1], waited_ms=300))
        said, whole = draw(attempts(1, failures + 1, seq))
        end = draw(st.sampled_from(["reply", "error", "interrupt", "tool"]))
        if end == "error":
            events += said
            events += [ErrorEvent(chat_id="c", message="it broke for good"), Status(chat_id="c", status="error")]
            if draw(st.booleans()):
                events.append(Reset(chat_id="c", after_id=asked - 1))
            continue
        if end == "interrupt":
            events += [*said, Status(chat_id="c", status="interrupting")]
        else:
            events += said
        ids += 1
        events.append(Message(id=ids, chat_id="c", role="assistant", parts=whole, created_at=NOON))
        if end == "tool":
            result = ToolResult(tool_call_id="t", result=1)
            events.append(Approval(chat_id="c", tool_call_id="t", tool_name="add"))
            events.append(MessagePart(chat_id="c", role="tool", part=result, step=1, attempt=1, index=0, seq=seq[0] + 1))
            ids += 1
            events.append(Message(id=ids, chat_id="c", role="tool", parts=(result,), created_at=NOON))
        events.append(Status(chat_id="c", status="waiting"))
        if draw(st.booleans()):
            events.append(TitleEvent(chat_id="c", title=draw(WORDS)))
        events.append(QueueUpdate(chat_id="c"))
    return events


@given(stories())
def test_rule_1_a_retry_withdraws_every_part_of_the_failed_attempt(story: list[Event]) -> None:
    transcript = Transcript()
    for event in story:
        transcript.apply(event)
        if isinstance(event, Retry):
            assert transcript.parts == ()
            assert transcript.retry == event


@given(stories())
def test_rule_2_a_message_supersedes_the_parts_of_its_step(story: list[Event]) -> None:
    transcript = Transcript()
    for event in story:
        in_flight = transcript.parts
        transcript.apply(event)
        if isinstance(event, Message) and event.role == "assistant":
            assert in_flight == event.parts  # joined, the pieces are what is committed
            assert transcript.parts == ()
            late = Transcript(transcript.replay())
            assert late.parts == ()
            assert late.messages[-1] == event


@given(stories(), st.data())
def test_rule_3_replay_up_to_any_point_plus_the_live_tail_is_the_whole(story: list[Event], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(story)))
    early, late = Transcript(story[:cut]), Transcript()
    for event in early.replay():
        late.apply(event)
    assert view(late) == view(early)
    for event in story[cut:]:
        late.apply(event)
    assert view(late) == view(Transcript(story))


@given(stories(), st.data())
def test_rule_3_holds_for_a_subscriber_who_has_the_first_messages(story: list[Event], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(story)))
    early = Transcript(story[:cut])
    known = data.draw(st.integers(0, len(early.messages)))
    after_id = early.messages[known - 1].id if known else 0
    late = Transcript(early.messages[:known])
    for event in early.replay(after_id):
        late.apply(event)
    assert view(late) | {"waits": None} == view(early) | {"waits": None}
    missed = early.messages[max(0, known - 1) :]
    assert late.waits_after(missed) == early.waits_after(missed)


@given(stories())
def test_rule_4_a_retry_phase_ends_at_the_first_part_or_at_status_or_error(story: list[Event]) -> None:
    transcript = Transcript()
    for event in story:
        transcript.apply(event)
        if isinstance(event, MessagePart | Status | ErrorEvent):
            assert transcript.retry is None


def test_rule_4_a_late_subscriber_sees_the_phase_that_lasts() -> None:
    retry = Retry(chat_id="c", attempt=1, delay_ms=1000, retrying_at=NOON, error="it broke")
    assert Transcript(Transcript([Status(chat_id="c", status="running"), retry]).replay()).retry == retry


@given(stories(), st.data())
def test_rule_5_merged_deltas_tell_the_same_and_carry_the_last_seq(story: list[Event], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(story)))
    merged = merge(story[:cut]) + merge(story[cut:])
    assert view(Transcript(merged)) == view(Transcript(story))
    assert [e for e in merged if not isinstance(e, MessagePart)] == [e for e in story if not isinstance(e, MessagePart)]
    last = 0
    for event in merged:
        if isinstance(event, Message) and event.role == "user":
            last = 0  # a new turn
        if isinstance(event, MessagePart):
            assert event.seq > last
            last = event.seq


def test_full_arguments_replace_the_pieces_before_and_after_them() -> None:
    def piece(seq: int, **fields: Any) -> MessagePart:
        call = ToolCall(tool_call_id="t", **fields)
        return MessagePart(chat_id="c", role="assistant", part=call, step=1, attempt=1, index=0, seq=seq)

    events = [piece(1, tool_name="add", args_delta='{"a":'), piece(2, args_delta="1}"), piece(3, args={"a": 1}), piece(4, args_delta="x")]
    assert Transcript(events).parts == (ToolCall(tool_call_id="t", tool_name="add", args={"a": 1}),)


def test_a_message_under_a_known_id_replaces_it() -> None:
    first = Message(id=1, chat_id="c", role="user", parts=(Text(text="a"),), created_at=NOON)
    second = Message(id=2, chat_id="c", role="user", parts=(Text(text="b"),), created_at=NOON)
    edited = Message(id=1, chat_id="c", role="user", parts=(Text(text="c"),), created_at=NOON)
    assert Transcript([first, second, edited]).messages == [edited, second]


def test_parts_of_two_roles_keep_apart() -> None:
    result = ToolResult(tool_call_id="t", result=1)
    events = [
        MessagePart(chat_id="c", role="assistant", part=Text(text="a"), step=1, attempt=1, index=0, seq=1),
        MessagePart(chat_id="c", role="tool", part=result, step=1, attempt=1, index=0, seq=2),
    ]
    transcript = Transcript(events)
    assert transcript.parts == (Text(text="a"),)
    transcript.apply(Message(id=1, chat_id="c", role="tool", parts=(result,), created_at=NOON))
    assert transcript.parts == (Text(text="a"),)
    assert transcript.replay()[-1] == events[0]


@given(stories(), st.integers(0, 200))
def test_a_copy_is_the_same_and_later_events_do_not_reach_it(story: list[Event], cut: int) -> None:
    transcript = Transcript(story[:cut])
    kept = transcript.copy()
    before = view(kept)
    assert before == view(transcript)
    for event in story[cut:]:
        transcript.apply(event)
    assert view(kept) == before


@given(stories())
def test_the_last_turn_is_what_its_own_events_fold_to(story: list[Event]) -> None:
    prompts = [i for i, event in enumerate(story) if isinstance(event, Message) and event.is_question]
    begun = [i for i in prompts if not any(isinstance(e, Reset) and e.after_id < story[i].id for e in story[i:])]  # type: ignore[union-attr]
    turn = Transcript(story).last_turn()
    if begun:
        alone = Transcript(story[begun[-1] :])
        assert (turn.messages, turn.parts, turn.retry) == (alone.messages, alone.parts, alone.retry)
        assert turn.answer() == alone.answer() == Transcript(story).answer()


@given(stories())
def test_the_waits_of_the_last_turn_are_those_that_another_attempt_followed(story: list[Event]) -> None:
    transcript = Transcript()
    seen: list[Retry] = []
    for event in story:
        transcript.apply(event)
        if isinstance(event, Message) and event.is_question:
            seen = []
        elif isinstance(event, Reset):  # the turn before it is the last one again
            seen = transcript.waits
        elif isinstance(event, Retry):
            seen[len(seen) - (event.waited_ms is not None) :] = [event]
            assert transcript.waits == seen[:-1]
            assert transcript.last_wait == transcript.retry == event
        elif isinstance(event, MessagePart | ErrorEvent):
            assert transcript.last_wait is None
        if transcript.last_wait is None:
            assert transcript.waits == seen


def test_a_turn_that_was_stopped_during_a_wait_still_names_it() -> None:
    wait = Retry(chat_id="c", attempt=1, delay_ms=1000, retrying_at=NOON, error="it broke")
    for end in (Status(chat_id="c", status="waiting"), ErrorEvent(chat_id="c", kind="canceled", message="stopped")):
        transcript = Transcript([wait, end])
        assert (transcript.retry, transcript.last_wait, transcript.waits) == (None, wait, [])
        assert view(Transcript(transcript.replay())) == view(transcript)
