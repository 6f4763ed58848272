from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkit.sse import MAX_EVENT_BYTES, EventTooLong, ServerSentEvent, SseDecoder, encode_sse

ENDS = st.sampled_from([b"\n", b"\r", b"\r\n"])
LINE = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=("Cs",)), max_size=12)


def decode(*chunks: bytes) -> list[ServerSentEvent]:
    decoder = SseDecoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)]


def decode_all(decoder: SseDecoder, piece: bytes, times: int) -> None:
    for _ in range(times):
        decoder.feed(piece)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Any mixture of fields, comments, blank lines and junk, with any line ends."""
    out = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    for _ in range(draw(st.integers(0, 12))):
        field = draw(st.sampled_from(["data: ", "data:", "data", "event: ", "id: ", "retry: ", ": ", ":", "junk: ", "", "", ""]))
        text = draw(LINE) if field else ""
        out += (field + text).encode() + draw(ENDS)
    return out


@given(streams(), st.data())
def test_any_split_of_the_bytes_gives_the_same_events(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert decode(*pieces) == decode(stream)
    assert decode(*(bytes([b]) for b in stream)) == decode(stream)


@given(st.lists(LINE, min_size=1, max_size=4), st.text(st.characters(whitelist_categories=("L",)), max_size=5))
def test_what_is_encoded_is_decoded(lines: list[str], name: str) -> None:
    wire = encode_sse("\n".join(lines), event=name, id="7")
    assert decode(wire) == [ServerSentEvent(name or "message", "\n".join(lines).encode(), "7")]


@given(streams(), ENDS)
def test_the_line_end_does_not_matter(stream: bytes, end: bytes) -> None:
    plain = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    assert decode(plain.replace(b"\n", end)) == decode(plain)


def test_a_byte_order_mark_is_dropped_only_at_the_start() -> None:
    assert decode(b"\xef\xbb\xbfdata: a\n\n") == decode(b"data: a\n\n")
    assert decode(b"\xef", b"\xbb", b"\xbfdata: a\n\n") == decode(b"data: a\n\n")
    assert decode(b"data: a\n\n\xef\xbb\xbfdata: b\n\n") == decode(b"data: a\n\n")


def test_comments_and_unknown_fields_are_skipped() -> None:
    assert decode(b": ping\n\nfoo: bar\ndata: x\n: in the middle\ndata: y\n\n") == [ServerSentEvent("message", b"x\ny")]


def test_only_one_space_after_the_colon_is_dropped() -> None:
    assert decode(b"data:  x \n\n") == [ServerSentEvent("message", b" x ")]


def test_an_event_without_data_is_dropped_and_its_name_forgotten() -> None:
    assert decode(b"event: a\n\ndata: x\n\n") == [ServerSentEvent("message", b"x")]


def test_a_data_line_without_a_value_is_an_event_with_empty_data() -> None:
    assert decode(b"data\n\n") == [ServerSentEvent("message", b"")]


def test_ids_last_until_the_next_and_one_with_a_nul_is_ignored() -> None:
    events = decode(b"id: 1\ndata: a\n\ndata: b\n\nid: 2\x003\ndata: c\n\nid\ndata: d\n\n")
    assert [e.id for e in events] == ["1", "1", "1", ""]


def test_the_reconnection_time_must_be_digits() -> None:
    assert [e.retry for e in decode(b"retry: 2000\ndata: a\n\nretry: soon\ndata: b\n\n")] == [2000, 2000]


def test_an_event_that_the_end_cut_off_is_not_dispatched_and_its_stump_is_kept() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b'data: {"a": 1}\n\ndata: {"b"') == [ServerSentEvent("message", b'{"a": 1}')]
    assert decoder.pending == b'data: {"b"'


def test_bytes_that_are_no_utf8_are_handed_on_untouched() -> None:
    assert decode(b"data: \xff\xfe\n\n") == [ServerSentEvent("message", b"\xff\xfe")]


def test_an_endless_line_costs_no_copies() -> None:
    decoder = SseDecoder()
    piece = b"x" * 65536
    assert decoder.feed(b"data: ") == []
    for _ in range(320):  # 20 MB: quadratic copying would take minutes
        assert decoder.feed(piece) == []
    (event,) = decoder.feed(b"\n\n")
    assert len(event.data) == 320 * 65536


@pytest.mark.parametrize(
    "piece", [b"x" * 65536, b"data: x\n" * 8192, b"data:\n" * 8192, b"x"], ids=["a line", "lines", "empty lines", "bytes"]
)
def test_an_event_without_an_end_is_given_up_in_time(piece: bytes) -> None:
    decoder = SseDecoder()
    decoder.feed(b"data: ")
    tracemalloc.start()
    try:
        with pytest.raises(EventTooLong, match="32 MB"):
            decode_all(decoder, piece, 2 * MAX_EVENT_BYTES // len(piece))
        assert tracemalloc.get_traced_memory()[1] < 1.5 * MAX_EVENT_BYTES
    finally:
        tracemalloc.stop()


def test_events_that_end_may_be_any_number() -> None:
    decoder = SseDecoder()
    events = sum(len(decoder.feed(b"data: " + b"x" * 65536 + b"\n\ndata: half")) + len(decoder.feed(b"\n\n")) for _ in range(1000))
    assert events == 2000
