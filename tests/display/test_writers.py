"""Calls with their results, compaction, images and sources, as HTML."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from chatkit.display.document import Sources, ToolUse, answer, turns
from chatkit.display.tool_words import context_line, tool_line
from chatkit.display.writers import MAX_LIVE_IMAGE, html_of
from chatkit.parts import File, Message, Reasoning, Source, Text, ToolCall, ToolResult
from tests.display.hostile import HOSTILE, PIXEL, Seen, assert_harmless_html, every_part, large

CALL = ToolCall(tool_call_id="1", tool_name="read_file", args={"path": "a.py", "limit": 3})


def words(html: str) -> str:
    return " ".join("".join(Seen(html).text).split())


def summarized(result: Any = None, *, is_error: bool = False) -> ToolUse:
    call = ToolCall(tool_call_id="s", tool_name="chat_summarized", args={})
    return ToolUse(call, None if result is None else ToolResult(tool_call_id="s", result=result, is_error=is_error))


def test_a_result_stands_where_its_call_does() -> None:
    other = ToolCall(tool_call_id="2", tool_name="execute", args={})
    result, second = ToolResult(tool_call_id="1", result="one"), ToolResult(tool_call_id="2", result="two")
    blocks = answer([Text(text="a"), CALL, other, Text(text="b"), second, result])
    assert blocks == [Text(text="a"), ToolUse(CALL, result), ToolUse(other, second), Text(text="b")]


def test_a_result_without_a_call_stands_alone_and_so_does_a_second_one() -> None:
    result = ToolResult(tool_call_id="1", tool_name="read_file", result="one")
    assert answer([result]) == [ToolUse(None, result)]
    assert answer([CALL, result, result]) == [ToolUse(CALL, result), ToolUse(None, result)]


def test_an_id_that_comes_again_pairs_the_newest_call() -> None:
    result = ToolResult(tool_call_id="1", result="late")
    assert answer([CALL, CALL, result]) == [ToolUse(CALL), ToolUse(CALL, result)]


def test_texts_on_both_sides_of_a_source_belong_together_and_those_around_a_result_do_not() -> None:
    blocks = answer([Text(text="a "), Source(url="https://example.org"), Text(text="b"), Reasoning(text=""), Text(text="c")])
    assert blocks == [Text(text="a bc"), Sources((Source(url="https://example.org"),))]
    blocks = answer([CALL, Text(text="a"), ToolResult(tool_call_id="1", result=1), Text(text="b")])
    assert [b.text for b in blocks if isinstance(b, Text)] == ["a", "b"]


def test_messages_are_told_apart_by_their_questions() -> None:
    def message(role: Any, text: str) -> Message:
        return Message(id=1, chat_id="c", role=role, parts=(Text(text=text),), created_at=datetime(2026, 11, 20, tzinfo=UTC))

    first, question, reply, tool = message("assistant", "hi"), message("user", "?"), message("assistant", "!"), message("tool", "3")
    assert turns([first, question, reply, tool, question]) == [(None, [first]), (question, [reply, tool]), (question, [])]


@pytest.mark.parametrize(
    ("result", "running", "state"),
    [
        (None, True, "running"),
        (None, False, "not run"),
        (ToolResult(tool_call_id="1", result="x"), True, "done"),
        (ToolResult(tool_call_id="1", result="x"), False, "done"),
        (ToolResult(tool_call_id="1", result="x", is_error=True), False, "failed"),
    ],
)
def test_every_state_of_a_call_is_said_in_words_and_has_a_sign(result: ToolResult | None, running: bool, state: str) -> None:
    html = html_of(ToolUse(CALL, result), running=running)
    assert_harmless_html(html)
    assert f'read_file(path="a.py", limit=3) · {state}' in words(html)
    assert ("chatkit-spinner" in html) == (state == "running")
    assert 'aria-hidden="true"' in html


def test_arguments_and_result_are_folded_as_indented_json() -> None:
    html = html_of(ToolUse(CALL, ToolResult(tool_call_id="1", result={"lines": ["a", "b"]})), running=False)
    assert html.startswith('<details class="chatkit-card"')
    assert "open" not in html.split(">")[0]
    text = "".join(Seen(html).text)
    assert '{\n  "path": "a.py",\n  "limit": 3\n}' in text
    assert '{\n  "lines": [\n    "a",\n    "b"\n  ]\n}' in text


def test_a_result_in_text_stands_as_it_is_and_json_in_text_is_indented() -> None:
    assert "line 1\n  line 2" in "".join(
        Seen(html_of(ToolUse(None, ToolResult(tool_call_id="1", result="line 1\n  line 2")), running=False)).text
    )
    assert '{\n  "a": 1\n}' in "".join(Seen(html_of(ToolUse(None, ToolResult(tool_call_id="1", result='{"a":1}')), running=False)).text)
    assert "{not json" in words(html_of(ToolUse(None, ToolResult(tool_call_id="1", result="{not json")), running=False))


def test_arguments_that_still_stream_are_shown_as_they_are() -> None:
    html = html_of(ToolUse(ToolCall(tool_call_id="1", tool_name="write_file", args_delta='{"path": "b.p')), running=True)
    assert words(html).count('{"path": "b.p') == 2


def test_a_long_result_is_cut_and_says_so() -> None:
    html = html_of(ToolUse(None, ToolResult(tool_call_id="1", result="x" * 20_005)), running=False)
    assert "… (5 more characters are in the chat's messages)" in words(html)


def test_a_call_without_arguments_or_result_has_nothing_to_unfold() -> None:
    html = html_of(ToolUse(ToolCall(tool_call_id="1", tool_name="list")), running=True)
    assert "<details" not in html
    assert "list · running" in words(html)


def test_a_tool_of_the_provider_says_so() -> None:
    call = ToolCall(tool_call_id="1", tool_name="web_search", args={"query": "x"}, provider_executed=True)
    assert "· running, run by the provider" in words(html_of(ToolUse(call), running=True))


@pytest.mark.parametrize("value", [None, 1.5, float("nan"), [1, {"a": {2}}], object, b"\xff", "half \ud83d", {"half": "\ud83d"}])
def test_any_value_can_be_a_result(value: object) -> None:
    assert_harmless_html(html_of(ToolUse(CALL, ToolResult(tool_call_id="1", result=value)), running=False))
    assert "read_file" in tool_line(CALL, ToolResult(tool_call_id="1", result=value))


def test_a_result_without_bottom_is_said_to_be_one() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    html = html_of(ToolUse(CALL, ToolResult(tool_call_id="1", result=deep)), running=False)
    assert "(nested too deeply to be shown)" in words(html)
    while deep:
        deep = deep.pop()


def test_a_compaction_that_runs_says_so_with_its_spinner() -> None:
    html = html_of(summarized(), running=True)
    assert words(html) == "Summarizing…"
    assert "chatkit-spinner" in html
    assert words(html_of(summarized(), running=False)).endswith("Summarizing was stopped")


def test_a_compaction_that_is_done_folds_its_summary_as_markdown_and_says_what_was_measured() -> None:
    facts = {"usage_percent": 71, "context_tokens": 142_000, "context_limit_tokens": 200_000, "threshold_percent": 70}
    html = html_of(summarized({"summary": "They *agreed*.", "source": "auto", **facts}), running=False)
    assert "<p>They <em>agreed</em>.</p>" in html
    assert "Context was 71 % full (142,000 of 200,000 tokens); limit for summarizing 70 %." in words(html)
    assert "Summarized" in words(html.split("</summary>")[0])


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({}, ""),
        ({"usage_percent": 71.4}, "Context was 71 % full."),
        ({"usage_percent": 71, "context_tokens": 142_000}, "Context was 71 % full (142,000 tokens)."),
        ({"threshold_percent": 70}, "Limit for summarizing 70 %."),
        ({"usage_percent": True, "context_tokens": "<b>", "threshold_percent": float("nan"), "context_limit_tokens": -1}, ""),
    ],
)
def test_what_was_measured_is_said_as_far_as_it_is_known(facts: dict[str, Any], line: str) -> None:
    assert context_line(facts) == line


def test_a_compaction_that_failed_says_why() -> None:
    for result in ({"error": "the summary came back empty"}, "the summary came back empty"):
        html = html_of(summarized(result, is_error=True), running=False)
        assert "Summarizing failed" in words(html)
        assert "the summary came back empty" in words(html)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PIXEL, "png"),
        (b"\xff\xd8\xff\xe0 and more", "jpeg"),
        (b"GIF89a and more", "gif"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "webp"),
    ],
)
def test_a_picture_is_known_by_its_bytes_and_carries_its_data(data: bytes, kind: str) -> None:
    html = html_of(File(media_type="text/html", data=data, title='A "plan"'))
    assert f'<img src="data:image/{kind};base64,' in html
    assert 'alt="A &quot;plan&quot;"' in html
    assert_harmless_html(html)


@pytest.mark.parametrize(
    "file",
    [
        File(media_type="image/svg+xml", data=b"<svg onload='alert(1)'/>", title="drawing"),
        File(media_type="image/png", data=b"<svg onload='alert(1)'/>", title="drawing"),
        File(media_type="image/png", url="https://example.org/p.png", title="drawing"),
        File(media_type="image/png", url="javascript:alert(1)", title="drawing"),
        File(media_type="image/png", data=PIXEL + b"\0" * 5_000_000, title="drawing"),
        File(media_type="application/pdf", data=b"%PDF-1.7", title="drawing"),
    ],
)
def test_any_other_file_is_a_line_that_loads_nothing(file: File) -> None:
    html = html_of(file, max_image=MAX_LIVE_IMAGE)
    assert_harmless_html(html)
    assert "<img" not in html
    assert words(html) == "File: drawing"
    assert ('<a href="https://example.org/p.png"' in html) == (file.url.startswith("https"))


def test_sources_are_links_where_their_address_is_safe() -> None:
    html = html_of(Sources((Source(url="https://example.org/a", title="Docs"), Source(url="javascript:alert(1)", title="Trap"))))
    assert words(html) == "Sources: Docs, Trap"
    assert html.count("<a ") == 1
    assert answer([]) == []


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_words_in_a_card_are_harmless(name: str) -> None:
    blocks = answer(every_part(HOSTILE[name]))
    for block in blocks:
        if isinstance(block, ToolUse):
            for running in (True, False):
                assert_harmless_html(html_of(block, running=running))
        elif isinstance(block, File | Sources):
            assert_harmless_html(html_of(block, max_image=MAX_LIVE_IMAGE))


@pytest.mark.parametrize(("name", "text"), [pytest.param(n, t, id=n) for n, t in large()])
def test_a_card_of_any_size_is_bounded(name: str, text: str) -> None:
    for use in (
        ToolUse(ToolCall(tool_call_id="1", tool_name=text, args={"a": text})),
        ToolUse(ToolCall(tool_call_id="1", tool_name="x", args_delta=text), ToolResult(tool_call_id="1", result=text)),
    ):
        html = html_of(use, running=True)
        assert len(html) < 300_000, name
        assert_harmless_html(html)
