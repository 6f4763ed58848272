"""Streams of servers that are broken or mean: damage of every kind, texts that would act in a terminal, and what would break the next request."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chatkit.chattest import http_response
from chatkit.conversation.prompt import repair
from chatkit.parts import File, Message, Part, Reasoning, Source, Text, ToolCall, ToolResult
from chatkit.providers.encoding import Request
from chatkit.providers.tool_calls import arguments
from chatkit.sse import ServerSentEvent, SseDecoder
from tests.providers.attempts import Fakes, ask
from tests.providers.streams import DONE, WIRES, Folded, chunk, data, named, read, read_whole
from tests.providers.test_lenience import STREAMS, WHOLE, bent, places

FORMATS = sorted(WIRES)
DEEP: Any = []
for _ in range(200):
    DEEP = [DEEP]
ODD: list[Any] = [
    None, True, False, 0, 1, -1, 2**63, 10**30, 10**400, 1.5, 1e308, float("nan"), float("inf"), "", "x", "0", "9" * 5000, "[DONE]", "\ud800",
    "\x1b]52;c;AAAA\x07", [], {}, [[]], [{}], [None], ["x"], {"a": 1}, {"type": "text"}, {"text": None}, {"": {"": [{}]}}, DEEP,
]  # fmt: skip
TOLD_THE_END = re.compile(rb'"message_stop"|"(?:response\.)?(?:completed|incomplete)"|"finish_reason": ?"[^"]|"stop_reason": ?"|\[DONE\]')


@pytest.fixture(scope="session")
def recordings() -> Path | None:
    """The folder of recorded streams, if there is one."""
    return Path(folder) if (folder := os.environ.get("CHATKIT_DATA")) else None


@cache
def events_of(stream: bytes) -> list[ServerSentEvent]:
    return SseDecoder().feed(stream)


def streams(format: str, folder: Path | None) -> list[list[ServerSentEvent]]:
    """The whole streams of a format: recorded ones, if they are there, and the one that bends most rules."""
    recorded = sorted(folder.glob(f"streams/{format}-*.sse")) if folder else []
    return [events_of(data(*STREAMS[format]) + DONE), *(events_of(path.read_bytes()) for path in recorded)]


def bytes_of(events: list[ServerSentEvent]) -> bytes:
    return b"".join(
        b"event: %s\n" % e.event.encode() * (e.event != "message") + b"data: %s\n\n" % e.data.replace(b"\n", b"") for e in events
    )


def odd_at(chance: random.Random, event: ServerSentEvent) -> ServerSentEvent:
    """The same event with something else at one place of its JSON, or without it."""
    try:
        value = json.loads(event.data)
    except ValueError:
        return event
    *above, key = chance.choice(places(value)) or [None]
    inside: Any = value
    for step in above:
        inside = inside[step]
    if key is None:
        value = chance.choice(ODD)
    elif chance.random() < 0.2:
        del inside[key]
    else:
        inside[key] = chance.choice(ODD)
    return ServerSentEvent(event.event, json.dumps(value).encode())


def damaged(chance: random.Random, events: list[ServerSentEvent]) -> list[ServerSentEvent]:
    """A stream that one to four accidents have befallen."""
    events = list(events)
    for _ in range(chance.randint(1, 4)):
        at, to = chance.randrange(len(events)), chance.randrange(len(events))
        match chance.choice(["odd", "odd", "odd", "drop", "double", "swap", "name", "cut"]):
            case "odd":
                events[at] = odd_at(chance, events[at])
            case "drop" if len(events) > 1:
                del events[at]
            case "double":
                events.insert(to, events[at])
            case "swap":
                events[at], events[to] = events[to], events[at]
            case "name":
                events[at] = ServerSentEvent(chance.choice(["message", "error", "ping", "completion"]), events[at].data)
            case _:
                events[at] = ServerSentEvent(events[at].event, events[at].data[: chance.randrange(len(events[at].data) + 1)])
    return events


def labels(part: Part) -> Iterator[str]:
    """What a server says in a part besides the model's own text."""
    match part:
        case ToolCall() | ToolResult():
            yield from (part.tool_call_id, part.tool_name)
        case Source():
            yield from (part.source_id, part.url, part.title)
        case File():
            yield from (part.media_type, part.url, part.title)
        case Text() | Reasoning():
            pass


def fits(folded: Folded) -> None:
    """What was read can be stored, sent in every format, and printed."""

    def message(role: Any, *parts: Part) -> Message:
        return Message(id=1, chat_id="c", role=role, parts=parts, created_at=datetime(2026, 11, 20, tzinfo=UTC))

    history = repair([message("user", Text(text="Hi")), message("assistant", *folded.parts), message("user", Text(text="And?"))])
    for wire in WIRES.values():
        assert b"And?" in wire.encode(
            Request(model="m", messages=msgspec.json.decode(msgspec.json.encode(history), type=tuple[Message, ...]))
        )
    texts = [label for part in folded.parts for label in labels(part)]
    if folded.error is None:
        texts += [folded.finish.model or "", folded.finish.provider_stop_reason or ""]
    else:
        texts += [str(folded.error), folded.error.request_id or ""]
        assert folded.error.kind != "program"
    assert all(text.isprintable() for text in texts)


@pytest.mark.parametrize("format", FORMATS)
def test_a_damaged_stream_gives_what_fits_or_a_provider_error(format: str, recordings: Path | None) -> None:
    chance, sound = random.Random(10), streams(format, recordings)
    for _ in range(600):
        fits(read(format, bytes_of(damaged(chance, chance.choice(sound)))))


@pytest.mark.parametrize("format", FORMATS)
def test_a_damaged_stream_without_its_end_is_never_whole(format: str, recordings: Path | None) -> None:
    chance, sound = random.Random(11), streams(format, recordings)
    for _ in range(300):
        events = damaged(chance, chance.choice(sound))
        told = (n for n, event in enumerate(events) if event.event == "message_stop" or TOLD_THE_END.search(event.data))
        end = next(told, len(events))
        assert read(format, bytes_of(events[: chance.randint(0, end)])).error is not None


# ── texts that act ──

ACTS = "\x1b]52;c;AAAA\x07\x9b31m\u202e\u200b\U000e0041\r"


@pytest.mark.parametrize("format", FORMATS)
def test_no_name_id_or_address_of_a_server_acts_in_a_terminal(format: str) -> None:
    for at, frame in enumerate(STREAMS[format]):
        for place in places(frame):
            value: Any = frame
            for step in place:
                value = value[step]
            if isinstance(value, str):
                frames = [*STREAMS[format][:at], bent(frame, place, value + ACTS, False), *STREAMS[format][at + 1 :]]
                fits(read(format, data(*frames) + DONE))


@pytest.mark.parametrize("format", FORMATS)
def test_the_model_s_own_words_stay_what_they_are(format: str) -> None:
    def acting(value: Any) -> Any:
        return json.loads(json.dumps(value).replace('llo"', f"llo{json.dumps(ACTS)[1:]}"))

    assert read(format, data(*acting(STREAMS[format])) + DONE).text == f"Hello{ACTS}"
    assert read_whole(format, acting(WHOLE[format])).text == f"Hello{ACTS}"


def test_the_words_of_a_failure_are_harmless_in_every_field(fake_provider: Fakes) -> None:
    error = {"error": {"message": f"No {ACTS} way", "type": f"odd{ACTS}", "code": f"odd{ACTS}", "param": ACTS}, "request_id": f"r{ACTS}"}
    for body in (msgspec.json.encode(error), ACTS.encode(), f"<html><title>{ACTS}".encode()):
        for status in (200, 302, 400, 418, 500):
            found = ask(fake_provider(http_response(status, body, headers={"location": f"https://h/{ACTS[-3:-2]}"}))).error()
            said = [str(found), repr(found), found.detail, found.request_id or "", found.classification.message]
            assert all(text.isprintable() for text in said)


def test_the_name_of_a_request_is_harmless(fake_provider: Fakes) -> None:
    response = http_response(200, data(chunk({"content": "x"}, "stop")) + DONE, headers={"x-request-id": "r\x1b]52;c;AAAA\x07" + "1" * 300})
    asked = ask(fake_provider(response))
    request_id = asked.finish().request_id
    assert request_id is not None
    assert request_id.startswith("r ]52;c;AAAA ")
    assert len(request_id) == 128


# ── what is nested too deeply ──

ABYSS = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
CHASM = b"[" * 200 + b"]" * 200


@pytest.mark.parametrize("deep", [ABYSS, CHASM, ABYSS[:300_000]], ids=["abyss", "chasm", "without a floor"])
@pytest.mark.parametrize("format", FORMATS)
def test_json_that_is_nested_too_deeply_is_the_server_s_failure(format: str, deep: bytes) -> None:
    sound = data(*STREAMS[format][:3])
    for event in (b"data: " + deep, b'data: {"type":"response.output_text.delta","x":' + deep + b"}"):
        error = read(format, sound + event + b"\n\n" + DONE).error
        assert error is not None
        assert (error.kind, error.retryable, error.paid) == ("server_error", True, True)


@pytest.mark.parametrize("format", FORMATS)
def test_a_whole_body_that_is_nested_too_deeply_is_the_server_s_failure(fake_provider: Fakes, format: str) -> None:
    error = ask(fake_provider(http_response(200, ABYSS)), format).error()
    assert (error.kind, error.classification.message) == ("server_error", "acme sent JSON that is nested too deeply")


def test_json_on_several_lines_that_is_nested_too_deeply_is_that_too() -> None:
    error = read("chat", b"data: [\ndata: " + ABYSS + b"\ndata: ]\n\n").error
    assert error is not None
    assert error.kind == "server_error"


@pytest.mark.parametrize("text", [ABYSS.decode(), CHASM.decode()], ids=["abyss", "chasm"])
def test_arguments_that_are_nested_too_deeply_cannot_be_read(text: str) -> None:
    assert arguments([text]) is None


# ── errors of odd shapes ──

ODD_ERRORS: list[Any] = [
    "boom", 503, 1.5, True, ["x"], [{"message": "a"}], {"message": 5}, {"message": {"message": "deep"}}, {"message": ["a", "b"]}, {"type": 5},
    {"code": -32603}, {"code": 10**400}, [[["x"]]], {"detail": [{"msg": "bad"}]}, {"x": {"y": None}}, 10**30, -1, "\ud800",
]  # fmt: skip
BEFORE = {
    "chat": data(chunk({"content": "Hel"})),
    "anthropic": named(
        {"type": "message_start", "message": {"id": "m", "model": "c", "content": []}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Hel"}},
    ),
    "responses": named({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hel"}),
}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("odd", ODD_ERRORS, ids=lambda odd: json.dumps(odd)[:30])
def test_an_error_of_any_shape_is_the_server_s_failure(format: str, odd: Any) -> None:
    text = json.dumps(odd).encode()
    for frame in (b"event: error\ndata: " + text, b'data: {"error":' + text + b"}", b'data: {"type":"error","error":' + text + b"}"):
        folded = read(format, BEFORE[format] + frame + b"\n\n" + DONE)
        assert folded.error is not None
        assert (folded.text, folded.error.kind, folded.error.retryable) == ("Hel", "server_error", True)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "said", [b"upstream went away", b"[oops", b"{oops", b"", b"null", b"{}", b"[]", b"[DONE]", b'["x"]', b"one\ndata: two"]
)
def test_an_event_named_error_is_one_whatever_it_holds(format: str, said: bytes) -> None:
    error = read(format, BEFORE[format] + b"event: error\ndata: " + said + b"\n\n" + DONE).error
    assert error is not None
    assert (error.kind, error.retryable) == ("server_error", True)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("code", "kind"), [(429, "rate_limit"), ("429", "rate_limit"), (529, "overloaded"), ("context_length_exceeded", "context_exceeded")]
)
def test_a_code_is_read_wherever_an_error_has_it(format: str, code: Any, kind: str) -> None:
    for shape in (code, [code], {"code": code}, [{"code": code}], {"error": {"error": {"code": code}}}):
        error = read(format, BEFORE[format] + data({"error": shape})).error
        assert error is not None
        assert error.kind == kind
