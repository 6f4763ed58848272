"""OpenAI Responses as it is sent, and as servers that speak it bend it: one small stream for each."""

from __future__ import annotations

from typing import Any

import pytest

from chatkit.parts import File, Reasoning, Source, Text, ToolResult, Usage
from tests.providers.streams import Folded, data, named, read, read_whole

CREATED = {"type": "response.created", "response": {"id": "r1", "model": "gpt-x", "status": "in_progress", "output": []}}


def ended(kind: str = "completed", **response: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "response": {"id": "r1", "model": "gpt-x", "status": kind, "output": [], **response}}


def said(*frames: dict[str, Any], last: dict[str, Any] | None = None) -> Folded:
    return read("responses", named(CREATED, *frames, last or ended()))


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", **fields}


def message(*words: str, at: int = 0, id: str = "msg_1", annotations: Any = (), **item: Any) -> list[dict[str, Any]]:
    """A message item, told four times as OpenAI does."""
    whole = {"type": "output_text", "text": "".join(words), "annotations": list(annotations)}
    done = {"type": "message", "id": id, "role": "assistant", "content": [whole], **item}
    place = {"output_index": at, "item_id": id, "content_index": 0}
    return [
        event("output_item.added", output_index=at, item={**done, "content": []}),
        event("content_part.added", **place, part={"type": "output_text", "text": "", "annotations": []}),
        *(event("output_text.delta", **place, delta=w) for w in words),
        *(event("output_text.annotation.added", **place, annotation=a, annotation_index=n) for n, a in enumerate(annotations)),
        event("output_text.done", **place, text=whole["text"]),
        event("content_part.done", **place, part=whole),
        event("output_item.done", output_index=at, item=done),
    ]


def call(arguments: Any, *fragments: str, at: int = 0, **item: Any) -> list[dict[str, Any]]:
    done = {"type": "function_call", "id": f"fc_{at}", "call_id": f"call_{at}", "name": "f", "arguments": arguments, **item}
    return [
        event("output_item.added", output_index=at, item={**done, "arguments": ""}),
        *(event("function_call_arguments.delta", output_index=at, item_id=f"fc_{at}", delta=f) for f in fragments),
        event("function_call_arguments.done", output_index=at, item_id=f"fc_{at}", arguments=arguments),
        event("output_item.done", output_index=at, item=done),
    ]


def test_a_text_that_is_told_four_times_counts_once() -> None:
    folded = said(*message("Hel", "lo"), last=ended(output=[{"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}]))
    assert folded.parts == (Text(text="Hello", provider_data={"responses": {"id": "msg_1"}}),)
    assert (folded.finish.stop_reason, folded.finish.provider_stop_reason, folded.finish.model) == ("end", "completed", "gpt-x")


def test_events_without_names_and_names_without_a_type_are_read_alike() -> None:
    frames = [CREATED, *message("Hello"), ended()]
    untyped = b"".join(b"event: %s\n%s" % (f["type"].encode(), data({k: v for k, v in f.items() if k != "type"})) for f in frames)
    assert read("responses", data(*frames)).summary() == read("responses", untyped).summary() == read("responses", named(*frames)).summary()


@pytest.mark.parametrize(
    "left_out", ["delta", "output_text.done", "content_part.done", "output_item.done", "output_item.added", "content_part.added"]
)
def test_any_one_telling_may_be_missing(left_out: str) -> None:
    assert said(*(f for f in message("Hel", "lo") if not f["type"].endswith(left_out))).text == "Hello"


def test_what_the_deltas_left_out_is_added_later() -> None:
    frames = [f for f in message("Hel", "lo") if f.get("delta") != "lo"]
    assert said(*frames).text == "Hello"


def test_a_reply_that_only_its_last_event_tells_is_read() -> None:
    output = [
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "Hm"}]},
        {"type": "message", "id": "msg", "content": [{"type": "output_text", "text": "Hello", "annotations": []}]},
        {"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": '{"a":1}'},
    ]
    folded = said(last=ended(output=output))
    assert (folded.reasoning, folded.text, folded.calls, folded.ids) == ("Hm", "Hello", [("f", {"a": 1})], ["c"])


def test_an_item_whose_id_changes_with_every_event_is_one_item() -> None:
    frames = message("Hel", "lo") + call('{"a":1}', '{"a"', ":1}", at=1)
    for n, frame in enumerate(frames):
        if "item_id" in frame:
            frame["item_id"] = f"other_{n}"
        if "item" in frame:
            frame["item"] = {**frame["item"], "id": f"other_{n}"}
    folded = said(*frames)
    assert (folded.text, folded.calls, len(folded.parts)) == ("Hello", [("f", {"a": 1})], 2)


def test_places_may_be_missing() -> None:
    by_id = [{k: v for k, v in f.items() if k != "output_index"} for f in message("Hello") + call('{"a":1}', '{"a":1}', at=1)]
    assert said(*by_id).summary() == said(*message("Hello"), *call('{"a":1}', '{"a":1}', at=1)).summary()
    bare = [{k: v for k, v in f.items() if k not in ("output_index", "item_id")} for f in message("Hel", "lo")]
    assert said(*bare).text == "Hello"


def test_items_that_share_one_place_are_apart() -> None:
    reasoning = [
        event("output_item.added", output_index=0, item={"type": "reasoning", "id": "rs"}),
        event("reasoning_summary_text.delta", output_index=0, summary_index=0, delta="Hm"),
    ]
    late = event("output_item.done", output_index=0, item={"type": "reasoning", "id": "rs", "summary": [{"text": "Hm"}]})
    folded = said(*reasoning, *message("One", id="a"), late, *message("Two", id="b"))
    assert (folded.reasoning, folded.text) == ("Hm", "OneTwo")
    assert [p.text for p in folded.parts if isinstance(p, Text)] == ["One", "Two"]


def test_the_phase_of_a_message_is_kept() -> None:
    assert said(*message("x", phase="commentary")).parts[0].provider_data == {"responses": {"id": "msg_1", "phase": "commentary"}}


@pytest.mark.parametrize(
    ("arguments", "fragments", "args"),
    [
        ('{"a":1}', ['{"a"', ":1}"], {"a": 1}),
        ('{"a":1}', [], {"a": 1}),
        ("", ['{"a":1}'], {"a": 1}),
        ("{}", ["{}"], {}),
        ("", [], {}),
        ({"a": 1}, [], {"a": 1}),
        ('{"a":', ['{"a":'], None),
    ],
)
def test_a_call_s_arguments_are_read_however_they_came(arguments: Any, fragments: list[str], args: Any) -> None:
    folded = said(*call(arguments, *fragments))
    assert (folded.calls, folded.ids, folded.finish.stop_reason) == ([("f", args)], ["call_0"], "tool_calls")
    assert folded.tool_calls[0].provider_data == {"responses": {"id": "fc_0"}}


def test_a_call_that_never_ends_ends_with_the_reply() -> None:
    assert said(*call("", '{"a":1}')[:2]).calls == [("f", {"a": 1})]


def test_a_custom_tool_s_text_is_its_input() -> None:
    item = {"type": "custom_tool_call", "id": "ct", "call_id": "c", "name": "sh", "input": "ls -l"}
    frames = [
        event("output_item.added", output_index=0, item={**item, "input": ""}),
        event("custom_tool_call_input.delta", output_index=0, delta="ls -l"),
        event("output_item.done", output_index=0, item=item),
    ]
    folded = said(*frames)
    assert folded.calls == [("sh", {"input": "ls -l"})]
    assert folded.tool_calls[0].provider_data == {"responses": {"id": "ct", "type": "custom_tool_call"}}


def reasoning_item(**more: Any) -> dict[str, Any]:
    return {
        "type": "reasoning",
        "id": "rs",
        "summary": [{"type": "summary_text", "text": "A"}, {"type": "summary_text", "text": "B"}],
        **more,
    }


def test_each_part_of_a_summary_is_a_part_and_the_item_goes_back_whole() -> None:
    item = reasoning_item(encrypted_content="enc", status="completed")
    frames = [
        event("output_item.added", output_index=0, item={"type": "reasoning", "id": "rs", "summary": []}),
        *(event("reasoning_summary_text.delta", output_index=0, summary_index=n, delta=t) for n, t in enumerate("AB")),
        *(event("reasoning_summary_text.done", output_index=0, summary_index=n, text=t) for n, t in enumerate("AB")),
        event("output_item.done", output_index=0, item=item),
    ]
    folded = said(*frames, *message("x", at=1))
    kept = {k: v for k, v in item.items() if k != "status"}
    assert folded.parts[:2] == (Reasoning(text="A", provider_data={"responses": {"item": kept}}), Reasoning(text="B"))


def test_reasoning_that_is_only_encrypted_is_kept_once_and_is_no_answer() -> None:
    item = {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "enc"}
    frames = [event("output_item.added", output_index=0, item=item), event("output_item.done", output_index=0, item=item)]
    folded = said(*frames, *message("x", at=1), last=ended(output=[item]))
    assert [p.provider_data for p in folded.parts if isinstance(p, Reasoning)] == [{"responses": {"item": item}}]
    error = said(*frames).error
    assert error is not None
    assert error.kind == "server_error"


def test_reasoning_told_as_summary_and_as_text_counts_once() -> None:
    frames = [event(f"reasoning_{kind}.delta", output_index=0, delta="Hm") for kind in ("text", "summary_text", "text")]
    item = {"type": "reasoning", "id": "rs", "summary": [{"text": "HmHm"}], "content": [{"type": "reasoning_text", "text": "HmHm"}]}
    assert said(*frames, event("output_item.done", output_index=0, item=item), *message("x", at=1)).reasoning == "HmHm"


def test_annotations_are_sources_once() -> None:
    notes = [{"type": "url_citation", "url": "https://h/a", "title": "A"}, {"type": "file_citation", "file_id": "f1", "filename": "x.pdf"}]
    sources = [Source(url="https://h/a", title="A"), Source(source_id="f1", title="x.pdf")]
    assert said(*message("x", annotations=notes)).sources == sources
    late = [f for f in message("x", annotations=notes) if "annotation.added" not in f["type"]]
    assert said(*late).sources == sources


def test_a_tool_that_the_provider_ran_is_shown_and_goes_back_unchanged() -> None:
    item = {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": "x"}}
    frames = [
        event("output_item.added", output_index=0, item={**item, "status": "in_progress"}),
        event("web_search_call.searching", output_index=0, item_id="ws"),
        event("output_item.done", output_index=0, item=item),
    ]
    folded = said(*frames, *message("x", at=1))
    assert (folded.tool_calls, folded.finish.stop_reason) == ([], "end")
    assert [(c.tool_name, c.args, c.provider_data) for c in folded.executed] == [
        ("web_search_call", {"action": item["action"]}, {"responses": {"item": item}})
    ]
    assert [p.tool_call_id for p in folded.parts if isinstance(p, ToolResult) and p.provider_executed] == ["ws"]


def test_an_image_that_was_made_is_a_file() -> None:
    item = {"type": "image_generation_call", "id": "ig", "status": "completed", "output_format": "webp", "result": "iVBORw=="}
    folded = said(event("output_item.done", output_index=0, item=item))
    assert [p for p in folded.parts if isinstance(p, File)] == [File(media_type="image/webp", data=b"\x89PNG")]


def test_a_refusal_is_no_text_and_makes_the_stop_a_refusal() -> None:
    frames = [event("refusal.delta", output_index=0, content_index=0, delta=w) for w in ("I can", "'t.")]
    done = event("refusal.done", output_index=0, content_index=0, refusal="I can't.")
    item = {"type": "message", "id": "m", "content": [{"type": "refusal", "refusal": "I can't."}]}
    folded = said(*frames, done, event("output_item.done", output_index=0, item=item))
    assert (folded.refusal, folded.text, folded.finish.stop_reason) == ("I can't.", "", "refusal")


@pytest.mark.parametrize(
    ("why", "reason"), [("max_output_tokens", "length"), ("content_filter", "content_filter"), ("new", "length"), (None, "length")]
)
def test_an_incomplete_response_is_whole_and_says_why(why: str | None, reason: str) -> None:
    finish = said(*message("x"), last=ended("incomplete", incomplete_details=why and {"reason": why})).finish
    assert (finish.provider_stop_reason, finish.stop_reason) == ("incomplete", reason)


def test_usage_leaves_out_what_the_cache_held() -> None:
    counted = {
        "input_tokens": 100, "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
        "output_tokens": 7, "output_tokens_details": {"reasoning_tokens": 5}, "total_tokens": 107,
    }  # fmt: skip
    assert said(*message("x"), last=ended(usage=counted)).finish.usage == Usage(
        input_tokens=10, output_tokens=7, total_tokens=107, reasoning_tokens=5, cache_creation_tokens=30, cache_read_tokens=60
    )


@pytest.mark.parametrize("frames", [[], [ended("in_progress")], [{"type": "response.output_text.done", "output_index": 0, "text": "x"}]])
def test_a_stream_without_its_last_event_is_a_network_error(frames: list[dict[str, Any]]) -> None:
    error = read("responses", named(CREATED, *message("x"), *frames) + b"data: [DONE]\n\n").error
    assert error is not None
    assert error.kind == "network"


@pytest.mark.parametrize("before", [[], [CREATED, *message("Hel")[:3]]], ids=["first", "in the middle"])
@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        ({"type": "error", "code": "server_error", "message": "No"}, "server_error"),
        ({"type": "error", "error": {"type": "rate_limit_error", "code": "rate_limit_exceeded", "message": "Slow"}}, "rate_limit"),
        ({"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_error", "message": "No"}}}, "server_error"),
        ({"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded", "message": "Slow"}}}, "rate_limit"),
        ({"type": "response.completed", "response": {"status": "failed", "error": {"code": "server_error"}}}, "server_error"),
        ({"type": "response.cancelled", "response": {"status": "cancelled"}}, "network"),
        ({"error": {"code": "server_error", "message": "No"}}, "server_error"),
    ],
)
def test_an_error_or_a_failed_response_fails_the_attempt(before: list[dict[str, Any]], frame: dict[str, Any], kind: str) -> None:
    error = read("responses", data(*before, frame)).error
    assert error is not None
    assert (error.kind, error.retryable) == (kind, True)


def test_unknown_events_are_skipped() -> None:
    assert said({"type": "response.new.thing", "delta": "no"}, {"type": "keepalive"}, *message("x")).text == "x"


def test_an_empty_reply_is_a_server_error_unless_the_limit_stopped_it() -> None:
    error = said().error
    assert error is not None
    assert error.kind == "server_error"
    assert said(last=ended("incomplete", incomplete_details={"reason": "max_output_tokens"})).finish.stop_reason == "length"


def test_a_response_that_comes_whole_is_read() -> None:
    body = {
        "object": "response", "status": "completed", "model": "gpt-x", "error": None,
        "output": [{"type": "message", "id": "m", "content": [{"type": "output_text", "text": "Hi"}]}],
        "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
    }  # fmt: skip
    folded = read_whole("responses", body)
    assert (folded.text, folded.finish.stop_reason, folded.finish.model) == ("Hi", "end", "gpt-x")


def test_json_that_is_no_response_is_a_server_error_and_a_failed_one_is_classified() -> None:
    kinds = []
    for body in ({"ok": True}, [], {"status": "failed", "output": [], "error": {"code": "rate_limit_exceeded", "message": "Slow"}}):
        error = read_whole("responses", body).error
        assert error is not None
        kinds.append(error.kind)
    assert kinds == ["server_error", "server_error", "rate_limit"]
