from __future__ import annotations

import re
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from chatkit.conversation.prompt import repair, visible_to_model
from chatkit.parts import Message, Part, Text, ToolCall, ToolResult

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def message(id: int, role: str, *parts: Part, **fields: object) -> Message:
    return Message(id=id, chat_id="c", role=role, parts=parts, created_at=NOON, **fields)  # type: ignore[arg-type]


def call(id: str) -> ToolCall:
    return ToolCall(tool_call_id=id, tool_name="add", args={"n": 1})


def result(id: str) -> ToolResult:
    return ToolResult(tool_call_id=id, tool_name="add", result=2)


def test_a_sound_history_is_left_alone() -> None:
    history = (
        message(1, "user", Text(text="?")),
        message(2, "assistant", Text(text="!"), call("a")),
        message(3, "tool", result("a")),
        message(4, "assistant", Text(text="2")),
    )
    assert [(m.role, m.parts) for m in repair(history)] == [(m.role, m.parts) for m in history]


def test_an_unanswered_call_gets_an_error_result_after_the_existing_ones() -> None:
    repaired = repair([message(1, "assistant", call("a"), call("b")), message(2, "tool", result("b"))])
    answers = repaired[1].parts
    assert [(p.tool_call_id, p.is_error) for p in answers if isinstance(p, ToolResult)] == [("b", False), ("a", True)]


def test_an_orphaned_result_gets_a_call_also_without_an_assistant_before_it() -> None:
    repaired = repair([message(1, "user", Text(text="?")), message(2, "tool", result("a")), message(3, "user", Text(text="?"))])
    assert [m.role for m in repaired] == ["user", "assistant", "tool", "user"]
    assert repaired[1].parts == (ToolCall(tool_call_id="a", tool_name="add", args={}),)


def test_calls_that_the_provider_ran_itself_need_no_result() -> None:
    ran = ToolCall(tool_call_id="s", tool_name="web_search", args={}, provider_executed=True)
    assert len(repair([message(1, "assistant", ran, Text(text="Found."))])) == 1


def test_arguments_that_are_no_object_become_an_empty_one() -> None:
    broken = ToolCall(tool_call_id="a", tool_name="add", args_delta='{"n": ')
    repaired = repair([message(1, "assistant", broken)])
    assert repaired[0].parts == (ToolCall(tool_call_id="a", tool_name="add", args={}),)


IDS = st.sampled_from(["a", "b", "functions.add:0", "ü"])


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant", "tool"]), st.lists(IDS, max_size=3, unique=True)), max_size=8))
def test_every_call_is_answered_and_every_result_asked_for(script: list[tuple[str, list[str]]]) -> None:
    history = []
    for number, (role, ids) in enumerate(script, 1):
        made: list[Part] = [call(i) for i in ids] if role == "assistant" else [result(i) for i in ids] if role == "tool" else []
        history.append(message(number, role, *(made or [Text(text="x")])))
    repaired = repair(history)
    for at, said in enumerate(repaired):
        asked = [p.tool_call_id for p in said.parts if isinstance(p, ToolCall)]
        assert all(re.fullmatch(r"[A-Za-z0-9_-]*", i) for i in asked)
        after = repaired[at + 1] if at + 1 < len(repaired) else None
        answered = [p.tool_call_id for p in after.parts if isinstance(p, ToolResult)] if after and after.role == "tool" else []
        assert sorted(set(asked)) == sorted(set(answered))
        if said.role == "tool":
            assert repaired[at - 1].role == "assistant"


def test_what_is_for_the_person_alone_is_not_sent() -> None:
    history = [
        message(1, "user"),
        message(2, "assistant", visibility="user"),
        message(3, "user", visibility="model"),
        message(4, "user", compressed=True),
    ]
    assert [m.id for m in visible_to_model(history)] == [1, 3]
