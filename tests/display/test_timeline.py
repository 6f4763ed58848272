"""The blocks of a view: made once, and of a long chat a little at a time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from chatkit.display.timeline import Timeline
from chatkit.fold import Transcript
from chatkit.parts import Message, Part, Reasoning, Role, Text

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def message(id: int, role: Role, *parts: Part) -> Message:
    return Message(id=id, chat_id="c", role=role, parts=parts, created_at=NOW, stop_reason="end")


def test_a_long_chat_is_made_a_little_at_a_time_and_whole_in_the_end() -> None:
    answer = "A **word** of an answer.\n\n" * 400  # 10,000 characters
    story = Transcript(
        [m for n in range(1, 60, 2) for m in (message(n, "user", Text(text="?")), message(n + 1, "assistant", Text(text=answer)))]
    )
    timeline = Timeline(whole=True)
    sizes = [len(timeline.blocks(story, running=False))]
    while timeline.behind:
        sizes.append(len(timeline.blocks(story, running=False)))
    assert len(sizes) >= 10
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1] / 5
    whole = "".join(block.t for block in timeline.blocks(story, running=False))
    assert whole.count("<strong>word</strong>") == 30 * 400


def test_what_was_made_is_the_same_object_the_next_time() -> None:
    story = Transcript([message(1, "user", Text(text="?")), message(2, "assistant", Reasoning(text="hm"), Text(text="One.\n\nTwo."))])
    timeline = Timeline(whole=True)
    first, second = timeline.blocks(story, running=False), timeline.blocks(story, running=False)
    assert all(a is b for a, b in zip(first[2:], second[2:], strict=True))


def turn(text: str) -> Transcript:
    return Transcript([message(1, "assistant", Text(text=text))])


@pytest.mark.parametrize("step", [1, 5, 100])
def test_a_link_by_reference_reads_the_same_whatever_the_pieces_in_which_it_came(step: int) -> None:
    text = "See [a] and [b][a].\n\n[a]: https://example.org\n\nThe end."
    timeline = Timeline(whole=False)
    for end in range(step, len(text) + step, step):
        timeline.blocks(turn(text[:end]), running=True)
    pieces = timeline.blocks(turn(text), running=False)
    at_once = Timeline(whole=False).blocks(turn(text), running=False)
    assert "".join(b.t for b in pieces) == "".join(b.t for b in at_once)
    assert "https://example.org" in "".join(b.t for b in pieces)
