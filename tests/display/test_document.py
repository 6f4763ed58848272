"""What stays of a turn, a chat or a retry, in all three forms."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from msgspec.structs import replace

from chatkit.display.document import MAX_COPIED, chat_document, original, retry_document, turn_document
from chatkit.display.timeline import Timeline
from chatkit.display.words import about, advice, cause, may_pass, retries_line, status_words
from chatkit.display.writers import bundle
from chatkit.errors import KINDS
from chatkit.events import ErrorEvent, Event, MessagePart, Retry, Status, StatusWord, TitleEvent
from chatkit.fold import Transcript
from chatkit.parts import File, Message, Part, Reasoning, Role, Source, StopReason, Text, ToolCall, ToolResult
from tests.display.hostile import HOSTILE, PIXEL, Seen, assert_harmless_html, assert_markdown_is_harmless, assert_visible, every_part, large

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def part(text: str, *, attempt: int = 1, seq: int = 1) -> MessagePart:
    return MessagePart(chat_id="c", role="assistant", part=Text(text=text), step=1, attempt=attempt, index=0, seq=seq)


def retry(attempt: int, seconds: float, error: str = "demo is overloaded") -> Retry:
    return Retry(chat_id="c", attempt=attempt, delay_ms=round(seconds * 1000), retrying_at=NOW, error=error)


def message(text: str, stop_reason: StopReason | None = "end") -> Message:
    return Message(id=2, chat_id="c", role="assistant", parts=(Text(text=text),), created_at=NOW, stop_reason=stop_reason)


def turn_bundle(*events: Event, **more: Any) -> dict[str, str]:
    return bundle(turn_document(Transcript(events), **{"model": "demo", "prompt": "Why?"} | more))


def parts_bundle(*parts: Part, error: ErrorEvent | None = None, **more: Any) -> dict[str, str]:
    """The bundle of a turn that said these parts, and ended well unless an error follows."""
    return turn_bundle(said("assistant", *parts), *([error] if error else []), **more)


def chat_bundle(messages: list[Message], *, title: str = "", error: ErrorEvent | None = None, **more: Any) -> dict[str, str]:
    chat = Transcript([TitleEvent(chat_id="c", title=title), *([error] if error else [])])
    chat.messages = messages
    return bundle(chat_document(chat, **{"model": "m"} | more))


def retry_bundle(name: str, *events: Event, **more: Any) -> dict[str, str]:
    return bundle(retry_document(Transcript(events), name, **more))


def test_a_turn_that_ended_well_shows_its_reply_and_one_line_about_the_retries() -> None:
    bundle = turn_bundle(
        part("Hel"), retry(1, 1), part("He", attempt=2), retry(2, 2, "the stream was cut off"), part("Hello *you*"), message("Hello *you*")
    )
    assert set(bundle) == {"text/html", "text/markdown", "text/plain"}
    assert "<p>Hello <em>you</em></p>" in bundle["text/html"]
    assert "Hello *you*" in bundle["text/markdown"]
    line = "Retried twice, after 1 s and 2 s: demo is overloaded; the stream was cut off"
    assert [text.count(line) for text in bundle.values()] == [1, 1, 1]
    assert [text.count("Hel") for text in bundle.values()] == [1, 1, 1]
    assert "Why?" not in bundle["text/html"]


def test_nothing_that_is_frozen_differs_from_run_to_run() -> None:
    bundles = [turn_bundle(retry(1, 1), part("x"), message("x")) for _ in range(2)]
    assert bundles[0] == bundles[1]
    assert not re.search(r"\d\d:\d\d|2026|0x[0-9a-f]{6}", str(bundles[0]))


def test_only_inline_styles_are_used() -> None:
    html = turn_bundle(part("| a |\n|---|\n| `b` |"), message("| a |\n|---|\n| `b` |"))["text/html"]
    assert "<style" not in html
    assert "style=" in html


@pytest.mark.parametrize(
    ("waits", "line"),
    [
        ([(1.0, "a")], "Retried once, after 1 s: a"),
        ([(0.5, "a"), (2.5, "a")], "Retried twice, after 0.5 s and 2.5 s: a"),
        ([(1.0, "a"), (2.0, "b"), (4.0, "a")], "Retried 3 times, after 1 s, 2 s and 4 s: a; b"),
        ([(60.0, "a")] * 25, "Retried 25 times, after 60 s each (25 min in all): a"),
        (
            [(float(n), f"cause {n}") for n in range(1, 8)],
            "Retried 7 times, after 1 s … 7 s (28 s in all): cause 1; cause 2; cause 3; and 4 more",
        ),
        ([(3600.0, "a")] * 7, "Retried 7 times, after 1 h each (7 h in all): a"),
        ([], ""),
    ],
)
def test_the_retries_are_told_in_one_line(waits: list[tuple[float, str]], line: str) -> None:
    assert retries_line([retry(n, *wait) for n, wait in enumerate(waits, 1)]) == line


@pytest.mark.parametrize(
    ("reason", "words"),
    [("length", "limit on output tokens"), ("content_filter", "content filter"), ("refusal", "declined"), ("pause", "paused")],
)
def test_a_stop_that_the_reader_should_know_of_is_said(reason: StopReason, words: str) -> None:
    for text in turn_bundle(part("half"), message("half", reason)).values():
        assert "half" in text
        assert words in text


@pytest.mark.parametrize("reason", ["end", "tool_calls"])
def test_a_usual_end_is_not_worth_a_word(reason: StopReason) -> None:
    assert turn_bundle(part("x"), message("x", reason))["text/plain"] == "[demo]\n\nx"


def test_a_stop_by_the_person_is_said_and_keeps_the_text() -> None:
    assert "half\n\nStopped: the reply is incomplete." in turn_bundle(part("half"))["text/plain"]
    assert "Stopped: the reply is" in turn_bundle(part("half"), message("half", None))["text/plain"]
    assert "Stopped before the reply began." in turn_bundle()["text/plain"]


def test_a_wait_that_ended_otherwise_than_announced_is_told_as_it_was() -> None:
    assert retries_line([retry(1, 1), replace(retry(2, 2), waited_ms=300), replace(retry(3, 4), waited_ms=9000)]) == (
        "Retried 3 times, after 1 s, 0.3 s and 9 s: demo is overloaded"
    )


def test_every_answer_of_a_chat_has_a_line_about_its_own_retries() -> None:
    first, second = retry(1, 1, "demo is overloaded"), retry(1, 2, "the stream was cut off")
    asked = [said("user", Text(text=f"Question {n}?"), id=n) for n in (1, 3, 5)]
    answers = [said("assistant", Text(text=f"Answer {n}."), id=n) for n in (2, 4)]
    failed = ErrorEvent(chat_id="c", message="demo refused the key", kind="auth")
    events = [asked[0], first, answers[0], asked[1], second, replace(second, waited_ms=300), answers[1], asked[2], first, failed]
    chat = Transcript(events)
    late = Transcript(chat.replay())
    for plain in map(chat_bundle_of, (chat, late)):
        assert re.findall("Question .|Answer .|Retried.*", plain) == [
            "Question 1",
            "Answer 2",
            "Retried once, after 1 s: demo is overloaded",
            "Question 3",
            "Answer 4",
            "Retried once, after 0.3 s: the stream was cut off",
            "Question 5",
            "Retried once, after 1 s: demo is overloaded",
        ]
    shown = [block.t for block in Timeline(whole=True).blocks(late, running=False) if "Retried" in block.t]
    assert [re.sub("<[^>]*>", "", html) for html in shown] == re.findall("Retried.*", plain)


def test_a_chat_that_was_stopped_in_a_wait_says_so() -> None:
    stopped = Transcript([said("user", Text(text="Why?")), retry(1, 1), Status(chat_id="c", status="waiting")])
    for chat in (stopped, Transcript(stopped.replay())):
        assert "Why?\n\nStopped while waiting for the next attempt: demo is overloaded" in chat_bundle_of(chat)


def chat_bundle_of(chat: Transcript) -> str:
    return bundle(chat_document(chat, model="demo"))["text/plain"]


def test_a_stop_in_a_wait_says_in_which() -> None:
    plain = turn_bundle(retry(1, 1), part("x"), retry(2, 4, "anthropic is overloaded"), Status(chat_id="c", status="waiting"))["text/plain"]
    assert "Stopped while waiting for the next attempt: anthropic is overloaded" in plain
    assert "Retried once, after 1 s: demo is overloaded" in plain
    assert "You asked: Why?" in plain


def test_a_cancellation_is_shown_as_a_stop() -> None:
    plain = turn_bundle(ErrorEvent(message="stopped", kind="canceled"))["text/plain"]
    assert plain == "[demo]\n\nYou asked: Why?\n\nStopped before the reply began."


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "canceled"])
def test_an_error_shows_the_prompt_the_sentence_and_what_to_do(kind: str) -> None:
    error = ErrorEvent(message="openai refused it", kind=kind, status_code=400, detail="Bad <b>")  # type: ignore[arg-type]
    bundle = turn_bundle(error)
    for text in bundle.values():
        assert "Why?" in text
        assert "openai refused it (HTTP 400)" in text
        assert re.search(r"(?:This may|Wait|Check|Send|Change|Rephrase|The error is) [^.]+\.", text)
    assert "Bad &lt;b&gt;" in bundle["text/html"]


def test_an_error_withdraws_the_text_of_its_attempt_and_keeps_the_waits() -> None:
    plain = turn_bundle(retry(1, 1), part("half"), ErrorEvent(message="demo is gone", kind="network"))["text/plain"]
    assert "half" not in plain
    assert "Retried once, after 1 s" in plain


def test_reasoning_and_tools_are_folded_and_sources_and_files_are_lines() -> None:
    parts: tuple[Part, ...] = (
        Reasoning(text="Let me *think*.", title="Plan"),
        Text(text="Clients "),
        Source(url="https://example.org/a", title="Docs"),
        Text(text="wait."),
        ToolCall(tool_call_id="1", tool_name="read_file", args={"path": "a.py"}),
        ToolResult(tool_call_id="1", tool_name="read_file", result={"lines": 3}),
        ToolResult(tool_call_id="2", tool_name="execute", result="no such command", is_error=True),
        ToolCall(tool_call_id="3", tool_name="write_file", args={}),
        File(media_type="image/png", data=b"..."),
        Source(url="https://example.org/a", title="Docs"),
        Source(url="javascript:alert(1)", title="Trap"),
    )
    bundle = parts_bundle(*parts)
    html = bundle["text/html"]
    assert re.search(r"<details[^>]*><summary[^>]*>Plan</summary>\s*<p>Let me <em>think</em>.</p>", html)
    assert "<p>Clients wait.</p>" in html
    assert html.count(">Docs</a>") == 1
    assert "javascript" not in html
    for text in bundle.values():
        for words in (
            "Plan",
            "read_file",
            "a.py",
            "lines",
            "execute",
            "failed",
            "no such command",
            "write_file",
            "File: image/png",
            "Trap",
        ):
            assert words in text
    assert [html.count(f"· {state}") for state in ("done", "failed", "not run", "running")] == [1, 1, 1, 0]
    assert bundle["text/plain"].count('Called read_file(path="a.py"), which gave: {"lines":3}') == 1


def test_a_picture_is_in_the_html_where_it_is_small_and_a_line_elsewhere() -> None:
    small, large = (File(media_type="image/png", title="plot", data=PIXEL + b"\0" * more) for more in (0, 1_000_000))
    bundle = parts_bundle(small)
    assert '<img src="data:image/png;base64,' in bundle["text/html"]
    assert "File: plot" in bundle["text/markdown"]
    assert "<img" not in parts_bundle(large)["text/html"]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_words_in_any_place_are_harmless(text: str) -> None:
    error = ErrorEvent(message=text, detail=text, provider=text)
    wait = retry(1, 1, text)
    messages = [said("user", *every_part(text)), said("assistant", *every_part(text), id=2)]
    for written in (
        turn_bundle(wait, said("assistant", *every_part(text)), error, model=text, prompt=text),
        turn_bundle(said("assistant", *every_part(text)), model=text, prompt=text, running=True),
        turn_bundle(wait, Status(chat_id="c", status="waiting"), model=text, prompt=text),
        retry_bundle(text, wait, error),
        retry_bundle(text, wait, running=True),
        chat_bundle(messages, title=text, model=text, error=error, note=text),
    ):
        assert_harmless_html(written["text/html"])
        assert_markdown_is_harmless(written["text/markdown"])
        assert_visible(written["text/plain"])


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in large()])
def test_no_size_makes_the_output_unbounded(text: str) -> None:
    parts = (Text(text=text), Reasoning(text="", title=text), ToolCall(tool_call_id=text, tool_name=text, args={"a": text}))
    for written in (
        parts_bundle(*parts, model=text, prompt=text, error=ErrorEvent(message=text, detail=text)),
        chat_bundle([said("user", *parts), said("assistant", *parts)], title=text, model=text, note=text),
    ):
        assert sum(map(len, written.values())) < 60_000_000
        assert_harmless_html(written["text/html"])


def said(role: Role, *parts: Part, stop_reason: StopReason | None = "end", **more: Any) -> Message:
    return Message(**{"id": 1, "chat_id": "c"} | more, role=role, parts=parts, created_at=NOW, stop_reason=stop_reason)


def test_a_chat_is_shown_whole_with_its_questions_set_off() -> None:
    messages = [
        said("system", Text(text="Be brief.")),
        said("user", Text(text="Why *this*?\nAnd <that>?"), File(media_type="image/png", title="plot", data=PIXEL)),
        said("assistant", Text(text="Let me *look*."), ToolCall(tool_call_id="1", tool_name="read_file", args={"path": "a.py"})),
        said("tool", ToolResult(tool_call_id="1", tool_name="read_file", result={"lines": 3})),
        said("assistant", Text(text="So."), stop_reason="length"),
        said("user", Text(text="the summary for the model"), visibility="model"),
        said("assistant", ToolCall(tool_call_id="2", tool_name="chat_summarized", args={}), stop_reason="tool_calls", visibility="user"),
        said("tool", ToolResult(tool_call_id="2", tool_name="chat_summarized", result={"summary": "They *talked*."})),
        said("user", Text(text="And now?")),
        said("assistant", Text(text="half"), stop_reason=None),
    ]
    error = ErrorEvent(message="demo is overloaded", kind="overloaded", detail="Overloaded")
    bundle = chat_bundle(messages, title="A *title*", model="demo", error=error, note="Saved in between.")
    texts = {"html": "".join(Seen(bundle["text/html"]).text), "markdown": bundle["text/markdown"], "plain": bundle["text/plain"]}
    for text in texts.values():
        for words in (
            "title",
            "demo",
            "You",
            "Why",
            "read_file",
            "So.",
            "talked",
            "And now?",
            "half",
            "demo is overloaded",
            "Saved in between.",
        ):
            assert words in text or (words == "talked" and text is texts["plain"])
        assert "Be brief" not in text
        assert "for the model" not in text
    assert "Why *this*?\nAnd <that>?" in texts["html"]
    assert "<em>look</em>" in bundle["text/html"]
    assert "<em>talked</em>" in bundle["text/html"]
    assert '<img src="data:image/png' in bundle["text/html"]
    assert texts["plain"].index("Stopped: the reply is incomplete.") > texts["plain"].index("half")
    assert bundle == chat_bundle(messages, title="A *title*", model="demo", error=error, note="Saved in between.")


def test_a_chat_without_messages_says_so() -> None:
    for text in chat_bundle([], title="", model="demo").values():
        assert "No messages yet." in text
        assert "New Chat" in text


def test_of_a_long_chat_the_last_messages_are_shown_and_the_others_are_counted() -> None:
    messages = [said("user" if n % 2 == 0 else "assistant", Text(text=f"number {n}.")) for n in range(300)]
    for text in chat_bundle(messages, title="t", model="m").values():
        assert "100 earlier messages are not shown." in text
        assert "number 99." not in text
        assert "number 100." in text
    heavy = [said("user", Text(text="x" * 600_000)), said("assistant", Text(text="y" * 600_000))]
    assert "1 earlier message is not shown." in chat_bundle(heavy, title="t", model="m")["text/plain"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_cause_in_words_and_advice_that_fits_a_button_and_a_cell(kind: Any) -> None:
    error = ErrorEvent(message="x", kind=kind, provider="anthropic", status_code=529)
    assert about(error) == f"{cause(kind)} · anthropic · HTTP 529"
    assert cause(kind)[0].isupper()
    assert not re.search(r"the cell|press", advice(error), re.IGNORECASE)
    assert not ("try again" in advice(error) and not may_pass(error))


def test_what_is_not_known_of_a_failure_is_not_said() -> None:
    assert about(ErrorEvent(message="x", kind="network")) == "The connection failed"
    assert about(retry(1, 1)) == "Unknown cause"


def test_every_status_has_its_words() -> None:
    assert [status_words(word) for word in get_args(StatusWord)] == ["ready", "waiting to start", "answering", "stopping…", "failed"]


def test_what_is_saved_in_the_middle_says_that_it_is_not_the_end() -> None:
    for text in parts_bundle(Text(text="so far"), running=True).values():
        assert "so far" in text
        assert "The reply was still being written when this was saved." in text


def test_a_retry_that_waited_leaves_one_line_and_says_how_it_ended() -> None:
    waits = [retry(1, 1), retry(2, 2)]
    assert retry_bundle("load", *waits)["text/plain"] == "load: Retried twice, after 1 s and 2 s: demo is overloaded"
    refused = retry_bundle("load", *waits, ErrorEvent(message="demo refused the key", kind="auth"))
    assert refused["text/plain"].endswith("demo is overloaded. Gave up: demo refused the key")
    stopped = retry_bundle("load", retry(1, 1), ErrorEvent(message="stopped", kind="canceled"))
    assert stopped["text/plain"] == "load: Stopped while waiting for the next attempt: demo is overloaded"
    assert retry_document(Transcript(), "load") == []


def test_a_retry_that_waits_says_for_how_long() -> None:
    assert (
        retry_bundle("load", retry(1, 30), running=True)["text/plain"]
        == "load: Retrying in 30 seconds (attempt 1 failed: demo is overloaded)"
    )


def test_a_very_long_answer_is_saved_once_and_has_no_copy_button() -> None:
    assert original([Text(text="a" * MAX_COPIED)])
    assert original([Text(text="a" * (MAX_COPIED + 1))]) == []
