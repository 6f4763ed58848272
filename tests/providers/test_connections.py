"""Connections: reused, found closed and replaced, and given up for good also where a forked child lives."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import Any

import pytest

from chatkit import bridge
from chatkit.clock import SystemClock
from chatkit.errors import ProviderError
from chatkit.providers.encoding import Request
from tests.providers.attempts import provider_at
from tests.providers.streams import chunk, data

STREAM = data(chunk({"content": "x"}), chunk({}, "stop")) + b"data: [DONE]\n\n"
REPLY = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(STREAM), STREAM)


def ask_in_turn(*connections: list[bytes | None], times: int) -> tuple[list[str], int]:
    """The ends of some requests, and how many connections they took: each connection has a list of answers, and None resets it."""
    opened: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        for answer in connections[len(opened) - 1]:
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))
            if answer is None:
                writer.transport.abort()
                return
            writer.write(answer)
        writer.close()

    async def ask() -> str:
        provider = provider_at(f"http://127.0.0.1:{port}")
        try:
            finish = await provider.stream(Request(model="m", messages=()), lambda p: None, clock=SystemClock(), silence_timeout=5)
        except ProviderError as error:
            return error.kind
        return finish.stop_reason

    async def ask_all() -> list[str]:
        nonlocal port
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        told = [await ask() for _ in range(times)]
        server.close()
        return told

    port = 0
    return bridge.spawn(ask_all()).result(10), len(opened)


@pytest.mark.parametrize("ending", [b"", None], ids=["closed", "reset"])
def test_a_reused_connection_that_was_closed_is_replaced_in_the_same_attempt(ending: bytes | None) -> None:
    assert ask_in_turn([REPLY, ending], [REPLY, ending], [REPLY], times=3) == (["end"] * 3, 3)


@pytest.mark.parametrize("ending", [b"", None], ids=["closed", "reset"])
def test_it_is_replaced_once_by_a_connection_that_is_new(ending: bytes | None) -> None:
    assert ask_in_turn([REPLY, ending], [ending], [REPLY], times=2) == (["end", "network"], 2)


def test_a_new_connection_is_not_replaced() -> None:
    assert ask_in_turn([b""], [REPLY], times=1) == (["network"], 1)


def test_a_reused_connection_that_breaks_within_the_answer_is_not_replaced() -> None:
    assert ask_in_turn([REPLY, REPLY[:80]], [REPLY], times=2) == (["end", "network"], 1)
    assert ask_in_turn([REPLY, b"nonsense\r\n\r\n"], [REPLY], times=2) == (["end", "network"], 1)


FORKING = """
import os, sys, threading, warnings
import chatkit
from chatkit.chattest import FakeProvider, reply

warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads: that is what this is about
where = sys.argv[1]
first, second = reply("One two three."), reply("One two three.").stall(after=None if where == "before" else 2)
with FakeProvider([second] if where == "new" else [first, second]) as fake:
    chat = chatkit.Chat("openai-compat:m", base_url=fake.openai_url, title=None, show=False)
    if where != "new":
        chat.ask("Hello")
    run = chat.submit("Hello")
    fake.wait_for(stalled=1)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(writing)
        os.read(reading, 1)  # until the parent ends
        os._exit(0)
    os.close(reading)
    chat.stop()
    fake.wait_for(hang_ups=1)
    os.write(writing, b"x")
    os.waitpid(child, 0)
    print("hung up")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("where", ["new", "before", "within"])
def test_a_stop_ends_the_connection_also_while_a_forked_child_lives(where: str) -> None:
    done: Any = subprocess.run([sys.executable, "-c", FORKING, where], capture_output=True, text=True, timeout=60)
    assert done.stdout == "hung up\n", done.stderr
