"""The waits of a chat while a provider is overloaded for ten minutes of virtual time."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.table import Row
from chatkit import Chat, RetryPolicy
from chatkit.chattest import FakeClock, FakeProvider, RecordedRequest, Response, anthropic_overloaded_response, reply
from chatkit.events import Retry

OUTAGE_SECONDS = 600.0
FIRST_WAITS = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
MAX_WAIT = 60.0


def backoff_rows() -> Iterator[Row]:
    """Read the waits from the retry events."""
    clock = FakeClock()
    up = clock.monotonic() + OUTAGE_SECONDS

    def answer(_: RecordedRequest) -> Response:
        return anthropic_overloaded_response() if clock.monotonic() < up else reply("Back again.")

    policy = RetryPolicy(max_elapsed=None)
    with FakeProvider(answer) as fake:
        chat = Chat("anthropic:loopback-1", api_key="none", base_url=fake.anthropic_url, title=None, clock=clock, policy=policy)
        with chat, chat.stream("Are you there?") as events:
            waits = [event.delay_ms / 1000 for event in events if isinstance(event, Retry)]
    expected = FIRST_WAITS + [MAX_WAIT] * (len(waits) - len(FIRST_WAITS))
    yield Row(
        "529 for ten minutes of virtual time: the waits",
        f"{', '.join(f'{wait:g}' for wait in waits[: len(FIRST_WAITS) + 2])} … s, {len(waits)} waits, then the reply",
        must="1, 2, 4, 8, 16, 32, 60, 60 … s",
        ok=waits == expected and sum(waits) >= OUTAGE_SECONDS > sum(waits[:-1]),
    )
