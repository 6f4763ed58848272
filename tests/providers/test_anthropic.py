"""Anthropic Messages: what of a history is sent, and how replies are read, as Anthropic and other servers send them."""

from __future__ import annotations

from typing import Any

import pytest

from chatkit.parts import File, Reasoning, Source, Text, ToolCall, ToolResult, Usage
from chatkit.providers.anthropic import AnthropicMessages
from tests.providers.requests import LINK, MARK, PDF, PNG, message, sent, unmarked
from tests.providers.streams import ORIGIN, WIRES, Folded, data, named, read, read_whole

# ── requests ──


def test_anthropic_gets_alternating_roles_and_no_empty_message() -> None:
    body = sent(
        "anthropic",
        message("user", "One"),
        message("user", "Two", ""),
        message("assistant"),
        message("assistant", "  \n"),
        message("assistant", "Three"),
        message("assistant", "Four"),
        message("system", "Be kind."),
        message("user", "Five"),
    )
    assert [(m["role"], [b["text"] for b in m["content"]]) for m in body["messages"]] == [
        ("user", ["One", "Two"]),
        ("assistant", ["Three", "Four"]),
        ("user", ["Be kind.", "Five"]),
    ]


def test_anthropic_caching_marks_the_last_system_text_and_the_last_two_messages() -> None:
    history = [message("system", "S2"), message("user", "A"), message("assistant", "B"), message("user", "C", "D")]
    body = sent("anthropic", *history, system="S1")
    assert body["system"] == [{"type": "text", "text": "S1"}, {"type": "text", "text": "S2", "cache_control": MARK}]
    marked = [[b.get("cache_control") for b in m["content"]] for m in body["messages"]]
    assert marked == [[None], [MARK], [None, MARK]]


def test_anthropic_marks_no_block_that_may_not_carry_a_mark() -> None:
    thought = Reasoning(text="Hm", provider_data={"anthropic": {"signature": "s"}})
    block = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    search = ToolCall(tool_call_id="s", tool_name="web_search", provider_executed=True, provider_data={"anthropic": {"block": block}})
    body = sent("anthropic", message("user", "Hi"), message("assistant", thought, "Yes", search, stop_reason="pause"))
    assert [("cache_control" in b) for b in body["messages"][1]["content"]] == [False, True, False]


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        ("claude-opus-4-1", 32_000),
        ("claude-3-7-sonnet-latest", 32_000),
        ("claude-3-5-haiku-latest", 8_192),
        ("claude-3-opus-20240229", 4_096),
        ("us.anthropic.claude-3-haiku-20240307-v1:0", 4_096),
        ("anthropic/claude-2.1", 4_096),
        ("unknown", 32_000),
    ],
)
def test_anthropic_gets_a_limit_and_nobody_else_does(model: str, limit: int) -> None:
    question = message("user", "Hi")
    assert sent("anthropic", question, model=model)["max_tokens"] == limit
    assert not [k for f in ("chat", "responses") for k in sent(f, question, model=model) if "max" in k]


def test_a_limit_that_the_person_set_is_sent_under_each_format_s_name() -> None:
    question = message("user", "Hi")
    assert sent("anthropic", question, options={"max_tokens": 7})["max_tokens"] == 7
    for wire, key in (("anthropic", "max_tokens"), ("chat", "max_tokens"), ("responses", "max_output_tokens")):
        assert sent(wire, question, options=WIRES[wire].names.body({"max_tokens": 9}))[key] == 9


def test_anthropic_gets_calls_results_thinking_and_citations_back_as_they_were() -> None:
    search = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}}
    found = {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"encrypted_content": "e"}]}
    cites = [{"type": "web_search_result_location", "encrypted_index": "i"}]
    told = message(
        "assistant",
        Reasoning(text="Hm", provider_data={"anthropic": {"signature": "sig"}}),
        Reasoning(provider_data={"anthropic": {"redacted": "xx"}}),
        ToolCall(tool_call_id="s", tool_name="web_search", args={}, provider_executed=True, provider_data={"anthropic": {"block": search}}),
        ToolResult(tool_call_id="s", result="shown", provider_executed=True, provider_data={"anthropic": {"block": found}}),
        Text(text="Yes", provider_data={"anthropic": {"citations": cites}}),
        ToolCall(tool_call_id="c", tool_name="f", args={"a": 1}),
        ToolCall(tool_call_id="d", tool_name="g", args_delta="{cut"),
    )
    results = message(
        "tool", ToolResult(tool_call_id="c", result={"b": 2}), ToolResult(tool_call_id="d", result="No such file", is_error=True)
    )
    messages = unmarked(sent("anthropic", message("user", "Hi"), told, results, message("user", "And?"))["messages"])
    assert messages[1]["content"] == [
        {"type": "thinking", "thinking": "Hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "xx"},
        search,
        found,
        {"type": "text", "text": "Yes", "citations": cites},
        {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "d", "name": "g", "input": {}},
    ]
    assert messages[2] == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "c", "content": '{"b":2}'},
            {"type": "tool_result", "tool_use_id": "d", "content": "No such file", "is_error": True},
            {"type": "text", "text": "And?"},
        ],
    }


def test_anthropic_gets_nothing_that_an_interrupt_left_half_done() -> None:
    search = ToolCall(
        tool_call_id="s", tool_name="w", provider_executed=True, provider_data={"anthropic": {"block": {"type": "server_tool_use"}}}
    )
    unsigned = Reasoning(text="cut off")
    elsewhere = Reasoning(text="unsigned", provider_data={"anthropic": {"origin": "another.example"}})
    last = Reasoning(text="last", provider_data={"anthropic": {"signature": "s"}})
    body = sent("anthropic", message("user", "Hi"), message("assistant", unsigned, elsewhere, search, "Yes", last), message("user", "?"))
    assert unmarked(body["messages"])[1]["content"] == [{"type": "text", "text": "Yes"}]
    assert [m["role"] for m in sent("anthropic", message("user", "Hi"), message("assistant", last), message("user", "?"))["messages"]] == [
        "user"
    ]


def test_unsigned_thinking_goes_back_to_the_server_that_sent_it() -> None:
    thought = Reasoning(text="Hm", provider_data={"anthropic": {"origin": ORIGIN}})
    body = sent("anthropic", message("user", "Hi"), message("assistant", thought, "Yes"))
    assert body["messages"][1]["content"][0] == {"type": "thinking", "thinking": "Hm", "signature": ""}


def test_anthropic_goes_on_from_a_paused_turn() -> None:
    block = {"type": "server_tool_use", "id": "s", "name": "w", "input": {}}
    search = ToolCall(tool_call_id="s", tool_name="w", provider_executed=True, provider_data={"anthropic": {"block": block}})
    body = sent("anthropic", message("user", "Hi"), message("assistant", search, stop_reason="pause"))
    assert body["messages"][1]["content"] == [block]


def test_anthropic_takes_images_pdfs_and_text() -> None:
    text = File(media_type="text/plain", data=b"Hello", title="n.txt")
    content = unmarked(sent("anthropic", message("user", "See:", PNG, LINK, PDF, text))["messages"])[0]["content"]
    assert content == [
        {"type": "text", "text": "See:"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}},
        {"type": "image", "source": {"type": "url", "url": "https://h/x.jpg"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}, "title": "a.pdf"},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Hello"}, "title": "n.txt"},
    ]


def test_anthropic_s_key_and_version_are_headers() -> None:
    assert AnthropicMessages().headers("k") == {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    assert AnthropicMessages().headers(None) == {"anthropic-version": "2023-06-01"}


# ── replies ──

START = {
    "type": "message_start",
    "message": {"id": "m1", "model": "claude-x", "content": [], "usage": {"input_tokens": 3, "output_tokens": 1}},
}
STOP = {"type": "message_stop"}
PING = {"type": "ping"}


def end(word: str | None = "end_turn", **usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": word, "stop_sequence": None}, "usage": usage or {"output_tokens": 9}}


def block(index: Any, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    frames = [{"type": "content_block_start", "index": index, "content_block": start}]
    frames += [{"type": "content_block_delta", "index": index, "delta": d} for d in deltas]
    return [*frames, {"type": "content_block_stop", "index": index}]


def text(*words: str, index: int = 0) -> list[dict[str, Any]]:
    return block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": w} for w in words))


def pieces(*fragments: str) -> list[dict[str, Any]]:
    return [{"type": "input_json_delta", "partial_json": f} for f in fragments]


def said(*frames: dict[str, Any], word: str = "end_turn") -> Folded:
    return read("anthropic", named(START, *frames, end(word), STOP))


def test_blocks_are_parts_in_their_order() -> None:
    folded = said(*text("Hel", "lo"), PING, *text(" you", index=1))
    assert folded.parts == (Text(text="Hello"), Text(text=" you"))
    assert (folded.finish.stop_reason, folded.finish.provider_stop_reason, folded.finish.model) == ("end", "end_turn", "claude-x")


def test_events_without_names_and_names_without_a_type_are_read_alike() -> None:
    frames = [START, *text("Hello"), end(), STOP]
    untyped = named(*frames)
    for frame in frames:
        untyped = untyped.replace(b'"type":"%s",' % frame["type"].encode(), b"").replace(b'"type":"%s"' % frame["type"].encode(), b"")
    assert b"message_stop" in untyped.replace(b"event: message_stop", b"event: message_stop")
    assert read("anthropic", data(*frames)).summary() == read("anthropic", untyped).summary() == read("anthropic", named(*frames)).summary()


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "end"),
        ("stop_sequence", "end"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "pause"),
        ("refusal", "refusal"),
        ("something_new", "end"),
    ],
)
def test_the_provider_s_word_is_kept_and_translated(word: str, reason: str) -> None:
    finish = said(*text("x"), word=word).finish
    assert (finish.provider_stop_reason, finish.stop_reason) == (word, reason)


def test_a_null_stop_reason_later_does_not_reset_it() -> None:
    folded = read("anthropic", named(START, *text("x"), end("max_tokens"), end(None), STOP))
    assert folded.finish.provider_stop_reason == "max_tokens"


def test_thinking_keeps_its_signature_and_redacted_thinking_its_data() -> None:
    thinking = block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "Hm"},
        {"type": "thinking_delta", "thinking": "."},
        {"type": "signature_delta", "signature": "si"},
        {"type": "signature_delta", "signature": "g"},
    )
    redacted = block(1, {"type": "redacted_thinking", "data": "xx"})
    folded = said(*thinking, *redacted, *text("Yes", index=2))
    assert folded.parts == (
        Reasoning(text="Hm.", provider_data={"anthropic": {"signature": "sig"}}),
        Reasoning(provider_data={"anthropic": {"redacted": "xx"}}),
        Text(text="Yes"),
    )


def test_thinking_that_nobody_signed_is_marked_with_its_server() -> None:
    folded = said(*block(0, {"type": "thinking"}, {"type": "thinking_delta", "thinking": "Hm"}), *text("x", index=1))
    assert folded.parts[0] == Reasoning(text="Hm", provider_data={"anthropic": {"origin": ORIGIN}})


@pytest.mark.parametrize(
    ("start", "fragments", "args"),
    [
        ({}, ["", '{"a"', ": 1}"], {"a": 1}),
        ({}, [], {}),
        ({"input": {}}, [""], {}),
        ({"input": {"a": 1}}, [], {"a": 1}),
        ({"input": {}}, ['{"a":1}'], {"a": 1}),
        ({"input": None}, ["{}"], {}),
        ({"input": {}}, ['{"a": '], None),
    ],
)
def test_a_call_s_arguments_come_in_pieces_or_at_once_or_not(start: dict[str, Any], fragments: list[str], args: Any) -> None:
    folded = said(*block(0, {"type": "tool_use", "id": "toolu_1", "name": "f", **start}, *pieces(*fragments)), word="tool_use")
    assert (folded.calls, folded.ids, folded.finish.stop_reason) == ([("f", args)], ["toolu_1"], "tool_calls")


def test_a_call_without_an_id_gets_one() -> None:
    folded = said(*block(0, {"type": "tool_use", "name": "f"}), *block(1, {"type": "tool_use", "id": None, "name": "g"}))
    assert len(set(folded.ids)) == 2
    assert all(folded.ids)


def test_a_tool_that_the_provider_ran_is_shown_and_goes_back_unchanged() -> None:
    use = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {}}
    found = [{"type": "web_search_result", "url": "https://h/a", "title": "A", "encrypted_content": "secret"}]
    result = {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": found}
    folded = said(*block(0, use, *pieces('{"query"', ':"x"}')), *block(1, result), *text("Found.", index=2))
    assert (folded.tool_calls, folded.finish.stop_reason) == ([], "end")
    assert folded.executed[0].args == {"query": "x"}
    assert folded.executed[0].provider_data == {"anthropic": {"block": {**use, "input": {"query": "x"}}}}
    given = folded.parts[1]
    assert isinstance(given, ToolResult)
    assert (given.tool_call_id, given.provider_executed, given.is_error) == ("srv_1", True, False)
    assert given.result == [{"type": "web_search_result", "url": "https://h/a", "title": "A"}]
    assert given.provider_data == {"anthropic": {"block": result}}


def test_a_provider_s_tool_that_failed_says_so() -> None:
    failed = {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}
    folded = said(*block(0, {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": failed}), *text("x", index=1))
    assert isinstance(folded.parts[0], ToolResult)
    assert folded.parts[0].is_error


def test_citations_are_sources_and_go_back_with_their_text() -> None:
    web = {"type": "web_search_result_location", "url": "https://h/a", "title": "A", "encrypted_index": "e"}
    place = {"type": "char_location", "cited_text": "t", "document_index": 0, "document_title": "facts.txt"}
    start = {"type": "text", "text": "", "citations": [web]}
    folded = said(*block(0, start, {"type": "citations_delta", "citation": place}, {"type": "text_delta", "text": "x"}))
    assert folded.sources == [Source(url="https://h/a", title="A"), Source(source_id="0", title="facts.txt")]
    assert folded.parts[0] == Text(text="x", provider_data={"anthropic": {"citations": [web, place]}})


def test_a_block_that_begins_with_its_content_is_whole() -> None:
    folded = said(*block(0, {"type": "thinking", "thinking": "Hm", "signature": "s"}), *block(1, {"type": "text", "text": "Hello"}))
    assert folded.parts == (Reasoning(text="Hm", provider_data={"anthropic": {"signature": "s"}}), Text(text="Hello"))


def test_unknown_blocks_deltas_and_events_are_skipped() -> None:
    new = [{"type": "new_delta", "x": 1}, {"type": "text_delta", "text": "no"}]
    odd = {"type": "content_block_delta", "index": 0, "delta": {"type": "new_delta"}}
    frames = [*block(0, {"type": "new_block", "text": "no"}, *new), {"type": "new_event", "index": 1}, *text("x", index=1), odd]
    assert said(*frames).text == "x"


def test_deltas_of_a_block_that_was_never_announced_are_read() -> None:
    frames = [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": w}} for w in ("Hel", "lo")]
    assert said(*frames).parts == (Text(text="Hello"),)


def test_blocks_that_never_stop_end_with_the_message() -> None:
    frames = block(0, {"type": "tool_use", "id": "t", "name": "f"}, *pieces('{"a":1}'))[:-1]
    assert said(*frames, word="tool_use").calls == [("f", {"a": 1})]


def test_usage_is_that_of_the_start_overlaid_with_that_of_the_end() -> None:
    start = {"type": "message_start", "message": {"model": "m", "usage": {
        "input_tokens": 3, "output_tokens": 1, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20}}}  # fmt: skip
    folded = read("anthropic", named(start, *text("x"), end(output_tokens=9, cache_read_input_tokens=None), STOP))
    assert folded.finish.usage == Usage(input_tokens=3, output_tokens=9, total_tokens=132, cache_creation_tokens=20, cache_read_tokens=100)


def test_a_message_delta_without_usage_and_a_start_without_any_leave_it_unknown() -> None:
    bare = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    start = {"type": "message_start", "message": {"model": "m", "content": []}}
    assert read("anthropic", named(start, *text("x"), bare, STOP)).finish.usage is None
    counted = read("anthropic", named(START, *text("x"), bare, STOP)).finish.usage
    assert counted == Usage(input_tokens=3, output_tokens=1, total_tokens=4)


def test_padding_and_a_done_mark_after_the_end_are_harmless() -> None:
    padded = named(START, *text("x"), end(), STOP).replace(b"}\n\n", b"}          \n\n")
    assert read("anthropic", padded + b"data: [DONE]\n\n").text == "x"


def test_a_done_mark_ends_a_message_that_said_why_it_stopped() -> None:
    assert read("anthropic", named(START, *text("x"), end()) + b"data: [DONE]\n\n").finish.stop_reason == "end"
    assert read("anthropic", named(START, *text("x")) + b"data: [DONE]\n\n").error is not None


def test_a_stream_without_message_stop_is_a_network_error() -> None:
    for frames in ([START, *text("x")], [START, *text("x"), end()]):
        error = read("anthropic", named(*frames)).error
        assert error is not None
        assert (error.kind, error.retryable) == ("network", True)


@pytest.mark.parametrize("before", [[], [START, *text("Hel")[:2]]], ids=["first", "in the middle"])
def test_an_error_event_fails_the_attempt(before: list[dict[str, Any]]) -> None:
    frame = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    for stream in (named(*before, frame), data(*before, frame), data(*before, {"error": frame["error"]})):
        error = read("anthropic", stream).error
        assert error is not None
        assert (error.kind, error.detail) == ("overloaded", "Overloaded")


def test_broken_json_is_a_network_error() -> None:
    error = read("anthropic", named(START) + b'event: content_block_delta\ndata: {"type":"content_blo\n\n').error
    assert error is not None
    assert error.kind == "network"


def test_an_empty_reply_is_a_server_error_unless_something_stopped_it() -> None:
    error = said().error
    assert error is not None
    assert error.kind == "server_error"
    assert [said(word=w).finish.stop_reason for w in ("max_tokens", "refusal", "pause_turn")] == ["length", "refusal", "pause"]


def test_a_message_that_comes_whole_is_read() -> None:
    body = {
        "id": "m", "type": "message", "role": "assistant", "model": "claude-x", "stop_reason": "tool_use",
        "content": [{"type": "text", "text": "Hi"}, {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}],
        "usage": {"input_tokens": 3, "output_tokens": 4},
    }  # fmt: skip
    folded = read_whole("anthropic", body)
    assert (folded.text, folded.calls, folded.finish.stop_reason) == ("Hi", [("f", {"a": 1})], "tool_calls")
    assert folded.finish.usage == Usage(input_tokens=3, output_tokens=4, total_tokens=7)


def test_json_that_is_no_message_is_a_server_error_and_an_error_object_is_classified() -> None:
    kinds = []
    for body in ({"status": "ok"}, [], {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}):
        error = read_whole("anthropic", body).error
        assert error is not None
        kinds.append(error.kind)
    assert kinds == ["server_error", "server_error", "overloaded"]
