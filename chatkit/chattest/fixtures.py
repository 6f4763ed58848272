"""The pytest plugin of chatkit: the fixtures `fake_provider` and `fake_clock`.

pytest loads it in every run, so chatkit itself is imported only when a test uses a fixture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from chatkit.chattest.clock import FakeClock
    from chatkit.chattest.server import FakeProvider

_PATIENCE = 1.0
"""Seconds in which the server must notice that a client has left."""


@pytest.fixture
def fake_provider() -> Iterator[Callable[..., FakeProvider]]:
    """A function that starts a `FakeProvider`, with the same arguments, and closes it when the test ends.

    The test fails if a response was still being sent when it ended: then the code under test left a request open.
    """
    from chatkit.chattest.server import FakeProvider

    made: list[FakeProvider] = []

    def make(*args: object, **kwargs: object) -> FakeProvider:
        fake = FakeProvider(*args, **kwargs).start()  # type: ignore[arg-type]  # checked there
        made.append(fake)
        return fake

    yield make
    left = [repr(request) for fake in made for request in fake.unfinished(_PATIENCE)]
    for fake in made:
        fake.close()
    assert not left, f"left open when the test ended: {', '.join(left)}"
    assert all(fake.closed for fake in made), "a FakeProvider's thread is still running"


@pytest.fixture
def fake_clock() -> FakeClock:
    """A `FakeClock`: retry waits return at once, and timers fire only in `advance`."""
    from chatkit.chattest.clock import FakeClock

    return FakeClock()
