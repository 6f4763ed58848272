"""How servers bend Chat Completions: one small stream for each oddity."""

from __future__ import annotations

from typing import Any

import pytest

from chatkit.parts import File, Reasoning, Source, Text, Usage
from tests.providers.streams import DONE, ORIGIN, Folded, chunk, data, read, read_whole


def said(*frames: Any) -> Folded:
    """The frames, an ordinary end, and the end mark."""
    return read("chat", data(*frames, chunk({}, "stop")) + DONE)


def call(arguments: Any = None, *, name: Any = None, **fields: Any) -> dict[str, Any]:
    """A chunk with one entry of tool_calls."""
    function = {k: v for k, v in (("name", name), ("arguments", arguments)) if v is not None}
    return chunk({"tool_calls": [{**fields, "function": function}]})


# ── text ──


def test_text_is_joined_and_the_model_named() -> None:
    folded = said(chunk({"role": "assistant", "content": ""}), chunk({"content": "Hel"}), chunk({"content": "lo"}))
    assert folded.parts == (Text(text="Hello"),)
    assert (folded.finish.stop_reason, folded.finish.provider_stop_reason, folded.finish.model) == ("end", "stop", "m-1")


def test_nulls_everywhere_and_a_role_on_each_chunk_change_nothing() -> None:
    nulls = {"role": "assistant", "refusal": None, "tool_calls": None, "function_call": None, "reasoning": None, "audio": None}
    folded = said(*(chunk({**nulls, "content": word}, logprobs=None, usage=None) for word in ("a", "b", None, "c")))
    assert folded.text == "abc"


def test_chunks_without_choices_without_a_delta_and_with_a_null_delta_are_skipped() -> None:
    bare = {"id": "x", "choices": [{"index": 0, "finish_reason": None}]}
    folded = said({"id": "x", "choices": []}, {"id": "x"}, bare, chunk(None), {"choices": None}, chunk({"content": "x"}))
    assert folded.text == "x"


def test_choices_other_than_the_first_are_ignored() -> None:
    other = {**chunk(), "choices": [{"index": 1, "delta": {"content": "no"}, "finish_reason": "length"}]}
    both = {**chunk(), "choices": [{"index": 0, "delta": {"content": "b"}}, {"index": 1, "delta": {"content": "no"}}]}
    folded = said(chunk({"content": "a"}), other, both)
    assert (folded.text, folded.finish.provider_stop_reason) == ("ab", "stop")


@pytest.mark.parametrize("index", [None, "0", 0.0])
def test_a_choice_whose_index_is_null_or_a_text_is_the_first(index: Any) -> None:
    assert said({"choices": [{"index": index, "delta": {"content": "x"}}]}).text == "x"


def test_a_server_that_numbers_tokens_where_choices_are_numbered_is_read() -> None:
    tokens = [{"model": "m", "choices": [{"index": n, "delta": {"content": word}}]} for n, word in ((1, "I"), (2, "'"), (3, "m"))]
    end = {"choices": [{"index": 4, "delta": {"content": None}, "finish_reason": "length"}]}
    folded = read("chat", data(*tokens, end))
    assert (folded.text, folded.finish.stop_reason) == ("I'm", "length")


def test_content_may_be_a_list_with_thoughts_between() -> None:
    thought = {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]}
    both = {"content": [{"type": "text", "text": "He"}, "ll", {"type": "reference", "reference_ids": [1]}, {"type": "text", "text": "o"}]}
    summary = {"content": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": " So."}]}]}
    folded = said(chunk(thought), chunk(summary), chunk(both))
    assert folded.parts == (Reasoning(text="Hm. So."), Text(text="Hello"))


def test_a_whole_text_in_message_is_read_and_what_deltas_said_is_not_told_twice() -> None:
    assert said({"choices": [{"message": {"role": "assistant", "content": "Hello"}}]}).text == "Hello"
    pieces = [
        {"choices": [{"delta": {"content": d}, "message": {"content": m}}]} for d, m in (("He", "He"), ("llo", "Hello"), ("", "Hello"))
    ]
    assert said(*pieces).text == "Hello"
    assert said(chunk({"content": "He"}), {"choices": [{"message": {"content": "Hello"}}]}).text == "Hello"
    assert said(*({"choices": [{"message": {"content": m}}]} for m in ("He", "llo"))).text == "Hello"


def test_the_text_field_of_older_completions_is_read() -> None:
    assert said(*({"choices": [{"text": word, "index": 0}]} for word in ("Hel", "lo"))).text == "Hello"


def test_a_piece_under_two_names_counts_once() -> None:
    both = [{"choices": [{"text": w, "delta": {"token_id": 1, "role": "assistant", "content": w}}]} for w in ("Hel", "lo")]
    assert said(chunk({"content": ""}), *both).text == "Hello"


def test_images_come_as_data_or_as_an_address() -> None:
    image = {"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}, {"image_url": "https://h/x.png"}]}
    folded = said(chunk({"content": "See:"}), chunk(image))
    assert folded.parts == (
        Text(text="See:"),
        File(media_type="image/png", data=b"\x89PNG"),
        File(media_type="image/*", url="https://h/x.png"),
    )


def test_a_refusal_is_no_text_and_makes_the_stop_a_refusal() -> None:
    folded = said(chunk({"refusal": "I "}), chunk({"refusal": "can't."}))
    assert (folded.refusal, folded.text, folded.finish.stop_reason, folded.finish.provider_stop_reason) == (
        "I can't.",
        "",
        "refusal",
        "stop",
    )


# ── frames ──


def test_frames_are_read_whatever_the_lines_around_them() -> None:
    bent = (
        b"\xef\xbb\xbf: keep-alive\r\n\r\nid: 1\r\nevent: chunk\r\ndata:" + data(chunk({"content": "He"}))[6:-2] + b"\r\n\r\n"
        b"data: \n\ndata:\n\n: PROCESSING\n\nretry: 5\n\n"
        + data(chunk({"content": "llo"}))
        + data(chunk({}, "stop"))
        + b"data:  [DONE] \n\n"
    )
    assert read("chat", bent).text == "Hello"


def test_one_json_text_over_several_data_lines_is_one_frame() -> None:
    stream = b'data: {"choices": [{"delta":\ndata:   {"content": "Hello"}}]}\n\n' + data(chunk({}, "stop"))
    assert read("chat", stream).text == "Hello"


def test_frames_without_an_empty_line_between_them_are_read() -> None:
    stream = data(chunk({"content": "Hel"}), chunk({"content": "lo"}), chunk({}, "stop")).replace(b"\n\n", b"\n") + b"data: [DONE]\n\n"
    assert read("chat", stream).text == "Hello"


def test_numbers_that_are_none_bad_bytes_and_half_characters_are_forgiven() -> None:
    odd = b'data: {"choices":[{"delta":{"content":"a\\ud83d\xff\tb"},"logprobs":[NaN,-Infinity]}]}\n\n'
    folded = read("chat", odd + data(chunk({}, "stop")) + DONE)
    assert folded.text == "a\ufffd\ufffd\tb"


@pytest.mark.parametrize("broken", [b'data: {"choices":[{"delta":{"content":"x\n\n', b"data: garbage\n\n", b'data: {"a":1}}\n\n'])
def test_broken_json_is_a_network_error(broken: bytes) -> None:
    error = read("chat", data(chunk({"content": "Hel"})) + broken + data(chunk({}, "stop"))).error
    assert error is not None
    assert (error.kind, error.retryable) == ("network", True)


# ── the end ──


def test_a_stream_without_a_finish_and_without_the_end_mark_is_a_network_error() -> None:
    folded = read("chat", data(chunk({"content": "Hel"})))
    assert folded.text == "Hel"
    assert folded.error is not None
    assert folded.error.kind == "network"
    assert "cut off" in str(folded.error)


def keyless(delta: dict[str, Any]) -> dict[str, Any]:
    """A chunk of a server that knows no `finish_reason`."""
    return {"model": "m-1", "choices": [{"index": 0, "delta": delta}]}


COUNTED = {"prompt_tokens": 1, "completion_tokens": 2}


@pytest.mark.parametrize(
    "stream",
    [
        data(chunk({"content": "x"}, "stop")),
        data(keyless({"content": "x"}), keyless({"content": "y"})) + DONE,
        data(chunk({"content": "x"}), chunk({"content": "y"}), {"choices": [], "usage": COUNTED}) + DONE,
        data(chunk({"content": "x"}), chunk({}, usage=COUNTED)) + DONE,
    ],
    ids=["finish", "end mark of a server without finishes", "usage and end mark", "usage in the last chunk and end mark"],
)
def test_a_finish_reason_the_usage_or_an_end_mark_that_needs_neither_makes_a_reply_whole(stream: bytes) -> None:
    assert read("chat", stream).finish.stop_reason == "end"


@pytest.mark.parametrize("first", [chunk({"role": "assistant"}), keyless({"role": "assistant"}), chunk({}, usage=COUNTED)])
@pytest.mark.parametrize(
    "last",
    [chunk({"content": "y"}), chunk({"reasoning_content": "y"}), call("{}", name="f", id="c1"), chunk({"content": "y"}, usage=COUNTED)],
)
def test_an_end_mark_after_finishes_that_stayed_null_and_no_final_usage_is_a_cut(first: dict[str, Any], last: dict[str, Any]) -> None:
    error = read("chat", data(first, chunk({"content": "x"}), last) + DONE).error
    assert error is not None
    assert (error.kind, error.paid) == ("network", True)


def test_the_finish_may_come_with_the_last_text_and_nothing_after_it_resets_it() -> None:
    after = (chunk({}, None), chunk({"content": ""}, ""), {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}})
    folded = read("chat", data(chunk({"content": "x"}, "length"), *after) + DONE)
    assert (folded.text, folded.finish.provider_stop_reason, folded.finish.stop_reason) == ("x", "length", "length")
    assert folded.finish.usage == Usage(input_tokens=1, output_tokens=2, total_tokens=3)


def test_an_empty_finish_reason_is_none() -> None:
    assert read("chat", data(chunk({"content": "x"}, ""))).error is not None
    assert said(chunk({"content": "x"}, "")).text == "x"


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", "end"),
        ("eos", "end"),
        ("STOP", "end"),
        ("stop_sequence", "end"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("model_length", "length"),
        ("content_filter", "content_filter"),
        ("SAFETY", "content_filter"),
        ("content_filter: RECITATION", "content_filter"),
        ("sensitive", "content_filter"),
        ("tool_calls", "end"),  # without any call
        ("something-new", "end"),
    ],
)
def test_the_provider_s_word_is_kept_and_translated(word: str, reason: str) -> None:
    finish = read("chat", data(chunk({"content": "x"}, word))).finish
    assert (finish.provider_stop_reason, finish.stop_reason) == (word, reason)


@pytest.mark.parametrize("word", ["stop", "tool_calls", "function_call", "eos"])
def test_a_reply_with_calls_ended_for_them_whatever_the_word(word: str) -> None:
    stream = data(call("{}", name="now", id="c1", index=0), chunk({}, word)) + DONE
    assert read("chat", stream).finish.stop_reason == "tool_calls"


def test_calls_that_the_limit_cut_off_did_not_end_the_reply() -> None:
    folded = read("chat", data(call('{"a": [1', name="f", id="c1", index=0), chunk({}, "length")))
    assert (folded.finish.stop_reason, folded.calls) == ("length", [("f", None)])
    assert folded.tool_calls[0].args_delta == '{"a": [1'


def test_an_empty_reply_is_a_server_error() -> None:
    folded = said(chunk({"role": "assistant", "content": ""}))
    assert folded.error is not None
    assert folded.error.kind == "server_error"
    assert "empty" in str(folded.error)


@pytest.mark.parametrize("word", ["length", "content_filter"])
def test_an_empty_reply_is_none_where_the_limit_or_a_filter_stopped_it(word: str) -> None:
    folded = read("chat", data(chunk({}, word)))
    assert (folded.parts, folded.finish.stop_reason) == ((), word)


# ── errors ──


@pytest.mark.parametrize("before", [(), (chunk({"content": "Hel"}),)], ids=["first", "in the middle"])
@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        ({"error": {"message": "Overloaded", "type": "overloaded_error"}}, "overloaded"),
        ({"error": {"message": "Slow down", "type": "rate_limit_error", "code": 429}}, "rate_limit"),
        ({"error": {"code": 502, "message": "Upstream failed"}, "choices": [{"delta": {"content": ""}, "finish_reason": "error"}]}, "server_error"),
        ({"choices": [{"index": 0, "delta": {}, "finish_reason": "error", "error": {"code": 503, "message": "No"}}]}, "server_error"),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "overloaded"),
        ({"object": "error", "message": "boom", "type": "internal_server_error", "code": 500}, "server_error"),
        ({"error": "Internal server error"}, "server_error"),
        ({"x_groq": {"error": "Internal server error"}, "choices": []}, "server_error"),
    ],
)  # fmt: skip
def test_an_error_frame_fails_the_attempt(before: tuple[Any, ...], frame: Any, kind: str) -> None:
    folded = read("chat", data(*before, frame) + DONE)
    assert folded.error is not None
    assert (folded.error.kind, folded.error.retryable) == (kind, True)


def test_an_event_named_error_is_one_whatever_it_holds() -> None:
    for body in (b'{"message":"boom"}', b"upstream went away"):
        error = read("chat", data(chunk({"content": "Hel"})) + b"event: error\ndata: " + body + b"\n\n").error
        assert error is not None
        assert error.detail in ("boom", "upstream went away")


def test_an_error_that_is_null_or_empty_is_none() -> None:
    assert said(chunk({"content": "x"}, error=None), chunk({"content": "y"}, error={"message": None})).text == "xy"


@pytest.mark.parametrize(
    ("word", "kind"), [("error", "server_error"), ("network_error", "server_error"), ("insufficient_system_resource", "overloaded")]
)
def test_a_finish_that_says_failure_is_one(word: str, kind: str) -> None:
    error = read("chat", data(chunk({"content": "Hel"}), chunk({}, word)) + DONE).error
    assert error is not None
    assert error.kind == kind


# ── reasoning ──


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "reasoning_text", "thinking"])
def test_reasoning_is_read_under_each_of_its_names(name: str) -> None:
    folded = said(chunk({name: "Hm", "content": ""}), chunk({name: "."}), chunk({"content": "Yes", name: None}))
    assert (folded.reasoning, folded.text) == ("Hm.", "Yes")
    assert [type(p) for p in folded.parts] == [Reasoning, Text]


def test_reasoning_under_several_names_counts_once() -> None:
    def piece(text: str) -> Any:
        return chunk(
            {"reasoning_content": text, "reasoning": text, "reasoning_details": [{"type": "reasoning.text", "text": text, "index": 0}]}
        )

    assert said(piece("Hm"), piece("."), chunk({"content": "x"})).reasoning == "Hm."


def test_reasoning_that_comes_in_details_only_is_read() -> None:
    details = [{"type": "reasoning.summary", "summary": "Think"}, {"type": "reasoning.text", "text": "ing"}]
    assert said(*(chunk({"reasoning_details": [d]}) for d in details), chunk({"content": "x"})).reasoning == "Thinking"


def test_details_that_repeat_all_of_the_reasoning_add_nothing() -> None:
    so_far = "This is a rather long thought"
    frames = [
        chunk({"reasoning_details": [{"type": "reasoning.text", "text": t}]})
        for t in (so_far, so_far + ", and more", so_far + ", and more")
    ]
    assert said(*frames, chunk({"content": "x"})).reasoning == "This is a rather long thought, and more"


def test_what_goes_back_with_the_reasoning_is_kept_and_marked_with_the_server() -> None:
    details: list[dict[str, Any]] = [
        {"type": "reasoning.text", "text": "Hm", "index": 0},
        {"type": "reasoning.text", "text": ".", "index": 0},
        {"type": "reasoning.text", "signature": "sig", "index": 0},
        {"type": "reasoning.encrypted", "data": "xx", "index": 1},
    ]
    folded = said(*(chunk({"reasoning": d.get("text"), "reasoning_details": [d]}) for d in details), chunk({"content": "x"}))
    kept = [{"type": "reasoning.text", "text": "Hm.", "index": 0, "signature": "sig"}, details[3]]
    assert folded.parts[0] == Reasoning(text="Hm.", provider_data={"chat": {"origin": ORIGIN, "details": kept}})


def test_thoughts_between_texts_are_parts_of_their_own() -> None:
    folded = said(chunk({"content": "a"}), chunk({"reasoning": "b"}), chunk({"content": "c"}))
    assert [p.text for p in folded.parts if isinstance(p, Text | Reasoning)] == ["a", "b", "c"]


# ── sources ──


def test_annotations_are_sources_and_the_same_one_again_is_no_other() -> None:
    note = {"type": "url_citation", "url_citation": {"url": "https://h/a", "title": "A", "start_index": 0}}
    later = {"type": "url_citation", "url_citation": {"url": "https://h/a", "title": "A", "start_index": 9}}
    folded = said(chunk({"content": "x", "annotations": [note]}), chunk({"annotations": [note, later]}))
    assert folded.sources == [Source(url="https://h/a", title="A")] * 2
    assert folded.parts[0] == Text(text="x")


def test_citations_beside_the_choices_of_each_chunk_are_told_once() -> None:
    beside = {"citations": ["https://h/a", "https://h/b"], "search_results": [{"url": "https://h/b", "title": "B"}]}
    folded = said(chunk({"content": "x"}, citations=["https://h/a", "https://h/b"]), chunk({"content": "y"}, **beside), chunk({}, **beside))
    assert folded.sources == [Source(url="https://h/a"), Source(url="https://h/b", title="B")]
    assert folded.text == "xy"


# ── usage ──


def test_usage_on_every_chunk_is_taken_from_the_last_that_counts_and_never_added_up() -> None:
    empty = {"prompt_tokens": None, "completion_tokens": None}
    folded = said(
        chunk({"content": "a"}, usage={"prompt_tokens": 9, "completion_tokens": 1}),
        chunk({"content": "b"}, usage={"prompt_tokens": 9, "completion_tokens": 2}),
        chunk({}, usage=empty),
        chunk({}, usage={}),
    )
    assert folded.finish.usage == Usage(input_tokens=9, output_tokens=2, total_tokens=11)


def test_usage_inside_the_choice_or_under_the_vendor_s_own_key_is_found() -> None:
    counted = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
    inside = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": counted}]}
    for frame in (inside, chunk({}, "stop", x_groq={"id": "r", "usage": counted})):
        assert read("chat", data(chunk({"content": "x"}), frame)).finish.usage == Usage(input_tokens=9, output_tokens=1, total_tokens=10)


def test_unknown_usage_is_not_zero() -> None:
    assert said(chunk({"content": "x"})).finish.usage is None


# ── whole bodies ──


def test_a_server_that_ignores_stream_is_read_whole() -> None:
    body = {
        "id": "c", "object": "chat.completion", "model": "m-1",
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
            "role": "assistant", "content": "Hi", "reasoning_content": "Hm",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}]}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }  # fmt: skip
    folded = read_whole("chat", body)
    assert (folded.reasoning, folded.text, folded.calls, folded.ids) == ("Hm", "Hi", [("f", {"a": 1})], ["c1"])
    assert (folded.finish.stop_reason, folded.finish.model) == ("tool_calls", "m-1")


@pytest.mark.parametrize("body", [{}, [], {"status": "ok"}, "text", None])
def test_json_that_is_no_reply_is_a_server_error(body: Any) -> None:
    error = read_whole("chat", body).error
    assert error is not None
    assert error.kind == "server_error"


@pytest.mark.parametrize("body", [{"error": {"type": "overloaded_error", "message": "x"}}, [{"error": {"type": "overloaded_error"}}]])
def test_an_error_object_under_200_is_classified(body: Any) -> None:
    error = read_whole("chat", body).error
    assert error is not None
    assert error.kind == "overloaded"
