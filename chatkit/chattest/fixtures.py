"""The pytest plugin, which comes with chatkit: the fixtures `fake_provider` and `fake_clock`.

pytest loads it in every run, so nothing is imported here before a test asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from chatkit.chattest.clock import FakeClock
    from chatkit.chattest.server import FakeProvider

_PATIENCE = 1.0
"""Seconds that a client which just left is given to be seen leaving."""


@pytest.fixture
def fake_provider() -> Iterator[Callable[..., FakeProvider]]:
    """A factory of running `FakeProvider`, closed when the test ends.

    It takes what `FakeProvider` takes. The test fails where a response was still being sent when it ended: then the code
    under test left a request behind.
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
    """A `FakeClock`: retry waits pass by themselves, guards fire only by `advance`."""
    from chatkit.chattest.clock import FakeClock

    return FakeClock()
