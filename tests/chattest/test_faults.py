"""Every fault has the documented effect on the bytes that a plain socket receives."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from chatkit.chattest import FakeProvider, Response, error_response, html_response, http_response, reply
from chatkit.errors import UsageError
from chatkit.sse import ServerSentEvent
from tests.chattest.raw_client import PATHS, TERMINAL, WORDS, Connect, connecting, words_in

Factory = Callable[..., FakeProvider]
connect = pytest.fixture(connecting)


@pytest.mark.parametrize("format", PATHS)
def test_a_reset_in_mid_stream_delivers_the_pieces_before_it_and_then_a_tcp_reset(
    fake_provider: Factory, connect: Connect, format: str
) -> None:
    client = connect(fake_provider([reply(WORDS).reset(after=3)]))
    client.ask(PATHS[format])
    assert isinstance(client.read_to_end(), ConnectionResetError)
    assert words_in(client) == ["one", "two", "three"]
    assert b"" not in client.chunks


def test_a_reset_before_the_headers_sends_not_a_byte(fake_provider: Factory, connect: Connect) -> None:
    client = connect(fake_provider([reply(WORDS).reset()]))
    client.ask()
    assert isinstance(client.read_to_end(), ConnectionResetError)
    assert client.received == b""


def test_a_reset_after_zero_pieces_sends_the_headers_alone(fake_provider: Factory, connect: Connect) -> None:
    client = connect(fake_provider([reply(WORDS).reset(after=0)]))
    client.ask()
    assert isinstance(client.read_to_end(), ConnectionResetError)
    assert client.head.startswith(b"HTTP/1.1 200 OK")
    assert client.chunks == []


def test_a_half_close_ends_the_connection_in_peace_without_the_final_chunk(fake_provider: Factory, connect: Connect) -> None:
    fake = fake_provider([reply(WORDS).half_close(after=2)])
    client = connect(fake)
    client.ask()
    assert client.read_to_end() is None
    assert words_in(client) == ["one", "two"]
    assert b"" not in client.chunks
    assert not fake.requests[0].hung_up


def test_a_half_close_before_the_headers_is_a_connection_that_ends_without_an_answer(fake_provider: Factory, connect: Connect) -> None:
    client = connect(fake_provider([reply(WORDS).half_close()]))
    client.ask()
    assert client.read_to_end() is None
    assert client.received == b""


def test_after_a_half_close_the_client_can_still_send(fake_provider: Factory, connect: Connect) -> None:
    client = connect(fake_provider([reply(WORDS).half_close(after=1)]))
    client.ask()
    client.read_to_end()
    assert client.socket.send(b"still here") == 10


@pytest.mark.parametrize("format", PATHS)
def test_a_cut_is_a_whole_http_body_without_the_terminal_event_and_the_connection_lives(
    fake_provider: Factory, connect: Connect, format: str
) -> None:
    client = connect(fake_provider([reply(WORDS).cut(after=4), reply("again")]))
    client.ask(PATHS[format])
    client.read_until(b"\r\n0\r\n\r\n")
    assert words_in(client) == ["one", "two", "three", "four"]
    assert TERMINAL[format] not in client.received
    assert client.chunks[-1] == b""
    client.received = b""
    client.ask(PATHS[format])
    client.read_until(TERMINAL[format])
    assert b"again" in client.received


def test_a_cut_after_all_pieces_lacks_the_terminal_event_alone(fake_provider: Factory, connect: Connect) -> None:
    client = connect(fake_provider([reply(WORDS).cut(after=6)]))
    client.ask()
    client.read_until(b"\r\n0\r\n\r\n")
    assert words_in(client) == WORDS.split()
    assert b"message_stop" not in client.received
    assert b"message_delta" not in client.received


ERROR_EVENTS = {
    "anthropic": ("error", {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_fake0001"}),
    "chat": (
        "message",
        {
            "error": {
                "message": "The server is currently overloaded with other requests. Sorry about that!",
                "type": "server_error",
                "param": None,
                "code": None,
            }
        },
    ),
    "responses": (
        "error",
        {
            "type": "error",
            "code": "server_error",
            "message": "The server is currently overloaded with other requests. Sorry about that!",
            "param": None,
            "sequence_number": 0,
        },
    ),
}


@pytest.mark.parametrize("format", PATHS)
def test_an_error_frame_can_be_the_first_event_of_a_stream(fake_provider: Factory, connect: Connect, format: str) -> None:
    client = connect(fake_provider([reply(WORDS).error_frame()]))
    client.ask(PATHS[format])
    client.read_until(b"\r\n0\r\n\r\n")
    name, data = ERROR_EVENTS[format]
    assert client.head.startswith(b"HTTP/1.1 200 OK")
    assert (client.events[0].event, json.loads(client.events[0].data)) == (name, data)


@pytest.mark.parametrize("format", PATHS)
def test_an_error_frame_in_the_middle_comes_after_the_pieces_with_the_words_that_were_given(
    fake_provider: Factory, connect: Connect, format: str
) -> None:
    client = connect(fake_provider([reply(WORDS).error_frame(after=2, type="api_error", message="Broken")]))
    client.ask(PATHS[format])
    client.read_until(b"\r\n0\r\n\r\n")
    assert words_in(client) == ["one", "two"]
    error = next(json.loads(e.data) for e in client.events if b"Broken" in e.data)
    assert "api_error" in json.dumps(error)
    assert TERMINAL[format] not in client.received


def test_the_sequence_numbers_of_a_responses_stream_go_on_in_its_error_frame(fake_provider: Factory, connect: Connect) -> None:
    client = connect(fake_provider([reply(WORDS, reasoning="I think").error_frame(after=4)]))
    client.ask(PATHS["responses"])
    client.read_until(b"\r\n0\r\n\r\n")
    assert [json.loads(e.data)["sequence_number"] for e in client.events] == list(range(len(client.events)))


@pytest.mark.parametrize("format", PATHS)
def test_broken_json_spoils_one_event_and_the_rest_of_the_stream_is_whole(fake_provider: Factory, connect: Connect, format: str) -> None:
    client = connect(fake_provider([reply("eins zwei drei fünf").broken_json(after=3)]))
    client.ask(PATHS[format])
    client.read_until(b"\r\n0\r\n\r\n")

    def readable(event: ServerSentEvent) -> bool:
        try:
            json.loads(event.data)
        except ValueError:
            return event.data == b"[DONE]"
        return True

    broken = [e for e in client.events if not readable(e)]
    assert len(broken) == 1
    assert broken[0].data.startswith(b"{")
    assert b"drei" in client.received
    assert TERMINAL[format] in client.received


def test_broken_json_can_be_the_first_piece(fake_provider: Factory, connect: Connect) -> None:
    client = connect(fake_provider([reply(WORDS).broken_json()]))
    client.ask()
    client.read_until(b"message_stop")
    assert json.loads(client.events[0].data)["type"] == "message_start"
    assert words_in(client) == WORDS.split()[1:]


def test_a_short_body_promises_more_than_comes_and_closes(fake_provider: Factory, connect: Connect) -> None:
    client = connect(fake_provider([error_response(529).short_body(missing=7)]))
    client.ask()
    assert client.read_to_end() is None
    promised = int(client.head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    assert promised == len(client.received.partition(b"\r\n\r\n")[2]) + 7


def test_a_stream_can_have_a_short_body_too(fake_provider: Factory, connect: Connect) -> None:
    client = connect(fake_provider([reply(WORDS).short_body()]))
    client.ask()
    assert client.read_to_end() is None
    assert b"transfer-encoding" not in client.head
    assert b"message_stop" in client.received


@pytest.mark.parametrize("size", [1, 3])
def test_split_bytes_sends_each_run_of_bytes_as_its_own_chunk(fake_provider: Factory, connect: Connect, size: int) -> None:
    whole, split = connect(fake_provider([reply("Grüße 世界 🎈")])), connect(fake_provider([reply("Grüße 世界 🎈").split_bytes(size)]))
    for client in (whole, split):
        client.ask()
        client.read_until(b"\r\n0\r\n\r\n")
    assert {len(c) for c in split.chunks[:-1]} <= set(range(1, size + 1))
    assert b"".join(split.chunks) == b"".join(whole.chunks)


def test_split_characters_ends_chunks_inside_every_character_of_several_bytes(fake_provider: Factory, connect: Connect) -> None:
    client = connect(fake_provider([reply("Grüße 世界 🎈").split_characters()]))
    client.ask()
    client.read_until(b"\r\n0\r\n\r\n")
    inside = sum(1 for chunk in client.chunks if chunk and chunk[0] & 0xC0 == 0x80)
    assert inside == sum(len(c.encode()) - 1 for c in "Grüße 世界 🎈")
    assert "世界" in b"".join(client.chunks).decode()


def test_html_under_200_and_502_is_a_page_with_its_length(fake_provider: Factory, connect: Connect) -> None:
    client = connect(fake_provider([html_response(200), html_response(502)]))
    client.ask()
    client.read_until(b"</html>")
    assert client.head.startswith(b"HTTP/1.1 200 OK")
    assert b"content-type: text/html" in client.head
    client.received = b""
    client.ask()
    client.read_until(b"</html>")
    assert client.head.startswith(b"HTTP/1.1 502 Bad Gateway")


def test_any_status_is_sent_with_any_headers_and_body(fake_provider: Factory, connect: Connect) -> None:
    client = connect(fake_provider([http_response(599, b"\x00odd", headers={"X-Odd": "1", "connection": "close"})]))
    client.ask()
    assert client.read_to_end() is None
    assert client.head.startswith(b"HTTP/1.1 599 \r\n")
    assert b"x-odd: 1" in client.head
    assert client.received.endswith(b"\r\n\r\n\x00odd")


def test_chunks_are_sent_as_they_were_given(fake_provider: Factory, connect: Connect) -> None:
    client = connect(fake_provider([http_response(200, ["data: [DO", b"NE]\n\n"])]))
    client.ask()
    client.read_until(b"\r\n0\r\n\r\n")
    assert client.chunks == [b"data: [DO", b"NE]\n\n", b""]


def test_faults_compose_a_stall_and_then_a_reset(fake_provider: Factory, connect: Connect) -> None:
    fake = fake_provider([reply(WORDS).stall(after=1).broken_json(after=2).reset(after=4)])
    client = connect(fake)
    client.ask()
    fake.wait_for(stalled=1)
    fake.release()
    assert isinstance(client.read_to_end(), ConnectionResetError)
    assert words_in(client) == ["one", "two", "four"]


def test_faults_count_the_same_in_a_reply_that_is_not_streamed(fake_provider: Factory, connect: Connect) -> None:
    fake = fake_provider([reply(WORDS).reset(after=6), reply(WORDS).cut(after=3)])
    client, other = connect(fake), connect(fake)
    client.ask(stream=False)
    assert isinstance(client.read_to_end(), ConnectionResetError)
    assert json.loads(client.received.partition(b"\r\n\r\n")[2])["content"] == [{"type": "text", "text": WORDS}]
    other.ask(stream=False)
    other.read_until(b"\r\n0\r\n\r\n")
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        json.loads(b"".join(other.chunks))


def test_refused_is_an_address_where_nobody_listens_and_which_can_listen_again(fake_provider: Factory, connect: Connect) -> None:
    fake = fake_provider(["hello"], listening=False)
    with pytest.raises(ConnectionRefusedError):
        connect(fake)
    fake.listen()
    connect(fake).ask()
    fake.wait_for(requests=1)
    fake.refuse()
    with pytest.raises(ConnectionRefusedError):
        connect(fake)
    assert fake.requests[0].number == 1


def test_refusing_drops_the_connections_that_are_open(fake_provider: Factory, connect: Connect) -> None:
    fake = fake_provider([reply(WORDS).stall(after=1)])
    idle, busy = connect(fake), connect(fake)
    busy.ask()
    fake.wait_for(stalled=1)
    fake.refuse()
    assert idle.read_to_end() is None
    busy.read_to_end()
    assert words_in(busy) == ["one"]
    assert fake.unfinished(0) == []


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda r: r.reset(after=7), "has 6 pieces"),
        (lambda r: r.cut(after=-1), "has 6 pieces"),
        (lambda r: r.broken_json(after=6), "has 6 pieces"),
        (lambda r: r.cut(after=1).reset(after=2), "only once"),
        (lambda r: r.split_bytes(0), "1 byte or more"),
        (lambda r: r.short_body(0), "1 byte or more"),
        (lambda r: r.with_headers({"Content-Length": "3"}), "content-length"),
        (lambda r: r.with_headers({"x": "a\r\nb: c"}), "line break"),
    ],
)
def test_a_fault_that_could_never_happen_is_refused_when_it_is_written(spoil: Callable[[Response], Response], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        spoil(reply(WORDS))
