"""Tool calls of Chat Completions: servers number, name and repeat them in many ways."""

from __future__ import annotations

from typing import Any

import pytest

from chatkit.providers.tool_calls import arguments
from tests.providers.streams import DONE, ORIGIN, Folded, chunk, data, read


def entry(arguments: Any = None, *, name: Any = None, **fields: Any) -> dict[str, Any]:
    function = {k: v for k, v in (("name", name), ("arguments", arguments)) if v is not None}
    return {**fields, "function": function}


def called(*entries: dict[str, Any] | list[dict[str, Any]]) -> Folded:
    """A stream whose chunks hold these entries of tool_calls."""
    frames = [chunk({"tool_calls": e if isinstance(e, list) else [e]}) for e in entries]
    return read("chat", data(*frames, chunk({}, "tool_calls")) + DONE)


def test_arguments_in_pieces_become_one_object() -> None:
    folded = called(entry("", name="f", id="c1", index=0, type="function"), entry('{"a"', index=0), entry(": 1}", index=0))
    assert (folded.calls, folded.ids) == ([("f", {"a": 1})], ["c1"])


def test_parallel_calls_are_told_apart_by_their_index() -> None:
    folded = called(
        entry("", name="f", id="c1", index=0),
        entry('{"a":', index=0),
        entry("", name="g", id="c2", index=1),
        entry('{"b":2}', index=1),
        entry("1}", index=0),
    )
    assert (folded.calls, folded.ids) == ([("f", {"a": 1}), ("g", {"b": 2})], ["c1", "c2"])


@pytest.mark.parametrize("later", [{}, {"id": None}, {"id": ""}, {"id": "c1"}, {"id": "made-up"}])
@pytest.mark.parametrize("index", [{"index": 0}, {"index": None}, {}])
def test_later_pieces_continue_the_call_whatever_id_and_index_they_bear(later: dict[str, Any], index: dict[str, Any]) -> None:
    for name in (None, ""):
        folded = called(entry("", name="f", id="c1", **index), entry('{"a"', name=name, **later, **index), entry(":1}", **later, **index))
        assert (folded.calls, folded.ids) == ([("f", {"a": 1})], ["c1"])


def test_a_name_and_a_new_id_on_every_piece_are_still_one_call() -> None:
    folded = called(
        entry('{"a"', name="f", id="x1", index=0), entry(": ", name="f", id="x2", index=0), entry("1}", name="f", id="x3", index=0)
    )
    assert (folded.calls, folded.ids) == ([("f", {"a": 1})], ["x1"])


@pytest.mark.parametrize("index", [{"index": 0}, {"index": None}, {}])
def test_a_new_id_at_the_same_index_is_a_new_call(index: dict[str, Any]) -> None:
    folded = called(
        entry('{"a":1}', name="f", id="c1", **index), entry('{"a":1}', name="f", id="c2", **index), entry("{}", name="g", id="c3")
    )
    assert (folded.calls, folded.ids) == ([("f", {"a": 1}), ("f", {"a": 1}), ("g", {})], ["c1", "c2", "c3"])


def test_whole_calls_without_index_and_id_in_one_chunk_are_apart() -> None:
    folded = called([entry('{"a":1}', name="f"), entry('{"a":1}', name="f"), entry("{}", name="g")])
    assert folded.calls == [("f", {"a": 1}), ("f", {"a": 1}), ("g", {})]
    assert len(set(folded.ids)) == 3


def test_calls_without_arguments_index_and_id_are_apart() -> None:
    assert called([entry(name="f"), entry(name="g")]).calls == [("f", {}), ("g", {})]


def test_a_missing_id_is_made_up_the_same_each_time_and_differs_between_replies() -> None:
    def ids(reply: str) -> list[str]:
        call = chunk({"tool_calls": [entry("{}", name="f", index=0)]})
        return read("chat", data({**call, "id": reply}, chunk({}, "stop"))).ids

    assert ids("r1") == ids("r1") != ids("r2")
    assert all(id.replace("_", "").isalnum() for id in ids("r1"))


def test_an_id_that_comes_late_is_taken() -> None:
    folded = called(entry("", name="f", index=0), entry('{"a":1}', id="c1", index=0))
    assert (folded.calls, folded.ids) == ([("f", {"a": 1})], ["c1"])


def test_two_calls_under_one_id_get_two() -> None:
    folded = called(entry('{"a":1}', name="f", id="c", index=0), entry('{"a":2}', name="f", id="c", index=1))
    assert folded.calls == [("f", {"a": 1}), ("f", {"a": 2})]
    assert len(set(folded.ids)) == 2


def test_one_call_told_at_several_indexes_is_one() -> None:
    folded = called(entry('{"a"', name="f", id="c", index=0), entry(":1}", id="c", index=1), entry('{"a":1}', name="f", id="c", index=2))
    assert (folded.calls, folded.ids) == ([("f", {"a": 1})], ["c"])


def test_a_call_told_again_whole_at_the_end_is_not_doubled() -> None:
    folded = called(entry('{"a"', name="f", id="c", index=0), entry(":1}", index=0), entry('{"a":1}', name="f", id="c", index=0))
    assert folded.calls == [("f", {"a": 1})]


def test_arguments_that_are_an_object_are_taken_as_they_are() -> None:
    assert called(entry({"a": 1}, name="f", id="c", index=0)).calls == [("f", {"a": 1})]


def test_a_name_in_fragments_is_joined_and_a_repeated_one_is_not() -> None:
    fragments = called(entry(name="get_", id="c", index=0), entry(name="weather", index=0), entry('{"a":1}', index=0))
    late = called(entry('{"a":', name="look", id="c", index=0), entry("1}", name="up", index=0))
    assert late.calls == [("lookup", {"a": 1})]
    repeated = called(entry("", name="f", id="c", index=0), entry('{"a"', name="f", index=0), entry(":1}", name="f", index=0))
    assert (fragments.calls, repeated.calls) == ([("get_weather", {"a": 1})], [("f", {"a": 1})])


def test_the_older_function_call_is_read() -> None:
    frames = [chunk({"function_call": f}) for f in ({"name": "f", "arguments": ""}, {"arguments": '{"a"'}, {"arguments": ":1}"})]
    folded = read("chat", data(*frames, chunk({}, "function_call")))
    assert (folded.calls, folded.finish.stop_reason) == ([("f", {"a": 1})], "tool_calls")


def test_text_and_a_call_that_come_with_the_finish_are_told_before_it() -> None:
    folded = read("chat", data(chunk({"content": "x", "tool_calls": [entry("{}", name="f", id="c")]}, "stop")))
    assert (folded.text, folded.calls) == ("x", [("f", {})])


def test_a_finish_on_each_chunk_ends_no_call() -> None:
    frames = [chunk({"tool_calls": [entry(a, name=n, id=i, index=0)]}, "stop") for a, n, i in (('{"a"', "f", "c"), (":1}", None, None))]
    assert read("chat", data(*frames)).calls == [("f", {"a": 1})]


def test_the_signature_that_a_server_needs_back_stays_with_its_call() -> None:
    extra = {"google": {"thought_signature": "s"}}
    folded = called(entry("{}", name="f", id="c1", extra_content=extra), entry("{}", name="g", id="c2"))
    assert [c.provider_data for c in folded.tool_calls] == [{"chat": {"origin": ORIGIN, "extra_content": extra}}, None]


@pytest.mark.parametrize(
    ("fragments", "args"),
    [
        (["", ""], {}),
        (["{}"], {}),
        (["null"], {}),
        ([' {"a": 1}\n'], {"a": 1}),
        (['{"a":', '{"a":', "1}}"], {"a": {"a": 1}}),
        (['{"a":', '{"a":1', '{"a":1}'], {"a": 1}),
        (['{"a":1}', '{"a":1}'], {"a": 1}),
        (["{}", '{"a"', ":1}"], {"a": 1}),
        (['"{\\"a\\": 1}"'], {"a": 1}),
        (['{"a": 1'], None),
        (['{"a":1}{"a":2}'], None),
        (["[1]"], None),
        (['"text"'], None),
        (["not json"], None),
    ],
)
def test_arguments_are_read_however_their_text_was_sent(fragments: list[str], args: dict[str, Any] | None) -> None:
    assert arguments(fragments) == args
