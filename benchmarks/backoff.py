"""How a chat waits while a provider is overloaded for ten minutes of virtual time."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.table import Row
from chatkit import Chat, RetryPolicy
from chatkit.chattest import FakeClock, FakeProvider, RecordedRequest, Response, anthropic_overloaded_response, reply
from chatkit.events import Retry

__all__ = ["backoff_rows"]

DOWN = 600.0
"""Seconds."""
FIRST = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
CEILING = 60.0


def backoff_rows() -> Iterator[Row]:
    """Read the waits from the events."""
    clock = FakeClock()
    up = clock.monotonic() + DOWN

    def answer(_: RecordedRequest) -> Response:
        return anthropic_overloaded_response() if clock.monotonic() < up else reply("Back again.")

    policy = RetryPolicy(max_elapsed=None)
    with FakeProvider(answer) as fake:
        chat = Chat("anthropic:loopback-1", api_key="none", base_url=fake.anthropic_url, title=None, clock=clock, policy=policy)
        with chat, chat.stream("Are you there?") as events:
            waits = [event.delay_ms / 1000 for event in events if isinstance(event, Retry)]
    expected = FIRST + [CEILING] * (len(waits) - len(FIRST))
    yield Row(
        "529 for ten minutes of virtual time: the waits",
        f"{', '.join(f'{wait:g}' for wait in waits[: len(FIRST) + 2])} … s, {len(waits)} waits, then the reply",
        must="1, 2, 4, 8, 16, 32, 60, 60 … s",
        ok=waits == expected and sum(waits) >= DOWN > sum(waits[:-1]),
    )
