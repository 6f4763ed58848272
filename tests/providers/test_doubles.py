"""What a server says twice, under two names or at two places, counts once."""

from __future__ import annotations

from typing import Any

from chatkit.parts import Source, ToolResult
from tests.providers.streams import DONE, Folded, chunk, data, named, read
from tests.providers.test_openai_responses_stream import call, ended, event, message


def twice(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    """A chunk of Writer: the piece as a delta and as a message."""
    return {"model": "m-1", "choices": [{"index": 0, "delta": delta, "message": delta, "finish_reason": finish}]}


def chat(*frames: dict[str, Any]) -> Folded:
    return read("chat", data(*frames, chunk({}, "stop")) + DONE)


def test_a_piece_that_is_delta_and_message_counts_once() -> None:
    calls = [[{"index": n, "id": f"c{n}", "function": {"name": "f", "arguments": ""}}] for n in range(7)]
    frames = [twice({"role": "assistant", "content": "", "tool_calls": None}), twice({"content": "Ha"}), twice({"content": "Ha"})]
    for n, entry in enumerate(calls):
        pieces = ('{"n"', f": {n}", "}")
        frames += [twice({"content": None, "tool_calls": entry})]
        frames += [twice({"tool_calls": [{"index": n, "function": {"arguments": piece}}]}) for piece in pieces]
    folded = chat(*frames, twice({"content": "", "tool_calls": None}, "tool_calls"))
    assert folded.text == "HaHa"
    assert folded.calls == [("f", {"n": n}) for n in range(7)]


def test_a_message_beside_an_empty_delta_is_read() -> None:
    whole = {"content": "Hello", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]}
    folded = chat(chunk({"content": "Hel"}), {"choices": [{"index": 0, "delta": {"content": ""}, "message": whole}]})
    assert (folded.text, folded.calls) == ("Hello", [("f", {})])


def test_a_call_in_the_old_form_and_the_new_one_is_one_call() -> None:
    function = {"name": "f", "arguments": '{"a": 1'}
    both = chunk({"tool_calls": [{"index": 0, "id": "c", "function": function}], "function_call": function})
    rest = chunk({"tool_calls": [{"index": 0, "function": {"arguments": "}"}}], "function_call": {"arguments": "}"}})
    assert chat(both, rest).calls == [("f", {"a": 1})]


def said(*frames: dict[str, Any]) -> Folded:
    return read("responses", named(*frames, ended()))


def test_a_text_that_ends_at_the_place_of_the_call_after_it_counts_once() -> None:
    note = {"type": "url_citation", "url": "https://h", "title": "H"}
    told = message("Hel", "lo", annotations=[note])
    last = [{**frame, "output_index": 1} for frame in told[-3:]]
    folded = said(*told[:-3], *call('{"a":1}', at=1), *last)
    assert (folded.text, folded.calls, folded.sources) == ("Hello", [("f", {"a": 1})], [Source(url="https://h", title="H")])


def test_a_finished_text_that_is_announced_again_elsewhere_counts_once() -> None:
    told = message("Hel", "lo")
    for again in (told[-1:], told[-3:], told):
        moved = [{**frame, "output_index": 1} for frame in again]
        assert said(*told, *moved).text == "Hello"
        assert said(*told, *moved, *message("Bye", at=2, id="msg_2")).text == "HelloBye"


def test_reasoning_that_is_announced_again_elsewhere_counts_once() -> None:
    item = {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "Hm"}]}
    deltas = event("reasoning_summary_text.delta", output_index=0, item_id="rs", summary_index=0, delta="Hm")
    frames = [
        event("output_item.added", output_index=0, item={**item, "summary": []}),
        deltas,
        event("output_item.done", output_index=0, item=item),
    ]
    folded = said(*frames, *({**frame, "output_index": 3} for frame in frames), *message("x", at=4))
    assert (folded.reasoning, folded.text, len(folded.parts)) == ("Hm", "x", 2)


def test_calls_that_share_their_id_are_apart_and_one_that_is_done_twice_is_one() -> None:
    """Transformers gives all calls of a reply one id."""
    same = {"id": "tc", "call_id": "tc"}
    folded = said(*call('{"a":1}', at=1, **same), *call('{"a":2}', at=2, **same))
    assert folded.calls == [("f", {"a": 1}), ("f", {"a": 2})]
    assert len(set(folded.ids)) == 2
    once = call('{"a":1}', '{"a":1}', at=1)
    assert said(*once, {**once[-1], "output_index": 4}).calls == [("f", {"a": 1})]


def test_a_tool_that_the_provider_ran_is_done_once() -> None:
    item = {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"query": "x"}}
    done = event("output_item.done", output_index=0, item=item)
    folded = said(event("output_item.added", output_index=0, item=item), done, {**done, "output_index": 1}, done, *message("x", at=2))
    assert len(folded.executed) == 1
    assert len([p for p in folded.parts if isinstance(p, ToolResult)]) == 1
