"""Responses that hang, at stalls and drips, until they are released or the client leaves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chatkit.chattest import FakeProvider, reply
from tests.chattest.raw_client import PATHS, TERMINAL, WORDS, Connect, connecting, words_in

Factory = Callable[..., FakeProvider]
connect = pytest.fixture(connecting)


def test_a_stalled_stream_goes_on_when_it_is_released(fake_provider: Factory, connect: Connect) -> None:
    fake = fake_provider([reply(WORDS).stall(after=3)])
    client = connect(fake)
    client.ask()
    request = fake.wait_for(stalled=1)
    assert request is not None
    assert request.pieces_sent == 3
    client.read_until(b"three")
    assert b"four" not in client.received
    fake.release()
    client.read_until(b"message_stop")
    assert words_in(client) == WORDS.split()
    assert not request.stalled


def test_a_stall_before_the_headers_sends_nothing_until_the_release(fake_provider: Factory, connect: Connect) -> None:
    fake = fake_provider([reply(WORDS).stall()])
    client = connect(fake)
    client.ask()
    fake.wait_for(requests=1, stalled=1)
    client.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        client.socket.recv(1)
    client.socket.settimeout(5)
    fake.release()
    client.read_until(b"message_stop")


def test_a_stall_that_is_known_by_its_pieces_can_be_released_at_once(fake_provider: Factory, connect: Connect) -> None:
    fake = fake_provider([reply(WORDS).stall(after=n) for n in range(1, 6)])
    client = connect(fake)
    for pieces in range(1, 6):
        client.received = b""
        client.ask()
        fake.wait_for(requests=pieces, pieces=pieces)
        fake.release()
        client.read_until(b"message_stop")


def test_a_client_that_leaves_a_stall_is_recorded_as_having_hung_up(fake_provider: Factory, connect: Connect) -> None:
    fake = fake_provider([reply(WORDS).stall(after=1)])
    client = connect(fake)
    client.ask()
    fake.wait_for(stalled=1)
    client.close()
    request = fake.wait_for(hang_ups=1)
    assert request is not None
    assert request.hung_up
    assert not request.stalled
    assert request.pieces_sent == 1


@pytest.mark.parametrize(("format", "ping"), [("anthropic", b"event: ping"), ("chat", b": keep-alive"), ("responses", b": keep-alive")])
def test_a_drip_sends_pings_and_no_parts_until_it_is_released(fake_provider: Factory, connect: Connect, format: str, ping: bytes) -> None:
    fake = fake_provider([reply(WORDS).drip(after=2, interval=0.001)])
    client = connect(fake)
    client.ask(PATHS[format])
    request = fake.wait_for(pings=5)
    assert request is not None
    assert request.pieces_sent == 2
    client.read_until(b"two")
    client.received = b""
    client.read_until(ping)
    assert words_in(client) == []
    fake.release()
    client.read_until(TERMINAL[format])
    assert words_in(client)[-4:] == WORDS.split()[2:]
