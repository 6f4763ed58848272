"""`chatkit.retry_context`: the retry loop around a block of code."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Unpack

from chatkit.errors import OwnFrames, UsageError
from chatkit.retries.notice import RetryNotice
from chatkit.retrying.run import RetryRun
from chatkit.retrying.settings import Keywords, Settings, takes_keywords


@takes_keywords
def retry_context(**given: Unpack[Keywords]) -> Attempts:
    """Try a block of code again, as `retry` does with a function: ``for attempt in retry_context(): with attempt: …``.

    What the block raises is classified, waited for, shown and logged in the same way. A block that ends (also by ``break`` or ``return``)
    was successful, and the loop is over; the error that ends it is raised in the block.

    Parameters
    ----------
    on, on_retry, show, policy, max_attempts, max_elapsed, provider, name, clock
        As in `retry`.

    Returns
    -------
    Attempts
        To be looped over, with ``for`` or, where the block awaits something, with ``async for``: then the waits don't block your event
        loop, and Stop cancels the attempt. Each attempt has a `number`, from 1.

    Raises
    ------
    UsageError
        A keyword is wrong, or the loop has no ``with attempt:`` in it.

    Examples
    --------
    >>> from chatkit.chattest import FakeClock
    >>> for attempt in retry_context(on=ValueError, max_attempts=5, clock=FakeClock()):
    ...     with attempt:
    ...         print("attempt", attempt.number)
    ...         value = int("12"[: attempt.number - 1])
    attempt 1
    attempt 2
    >>> value
    1
    """
    return Attempts(Settings("retry_context()", given))


class Attempts:
    """The attempts of a block, which a loop makes one after another. Each loop begins anew."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __iter__(self) -> Iterator[Attempt]:
        run = self._settings.begin("retry_context", awaited=False)
        with OwnFrames(), contextlib.closing(run):
            while True:
                yield (attempt := Attempt(run, awaited=False))
                if (notice := attempt.ended()) is None:
                    return
                run.loop.wait(notice, run.wake)

    async def __aiter__(self) -> AsyncIterator[Attempt]:
        run = self._settings.begin("retry_context", awaited=True)
        with OwnFrames(), contextlib.closing(run):
            while True:
                yield (attempt := Attempt(run, awaited=True))
                if (notice := attempt.ended()) is None:
                    return
                with run.stoppable():
                    await run.loop.wait_async(notice, run.wake)


class Attempt:
    """One attempt of a block: write the block into ``with attempt:``.

    Attributes
    ----------
    number : int
        From 1.
    run : RetryRun
        The loop, with its commands `stop` and `retry_now`.
    """

    def __init__(self, run: RetryRun, *, awaited: bool) -> None:
        self.number = run.loop.attempt + 1
        self.run = run
        self._awaited = awaited
        self._notice: RetryNotice | None = None
        self._block: contextlib.AbstractContextManager[None] | None = None

    def ended(self) -> RetryNotice | None:
        """The notice of the wait that follows; None after a success."""
        if self._block is None:
            raise UsageError("retry_context() tries again what stands in `with attempt:` within the loop, and there was none")
        return self._notice

    @contextlib.contextmanager
    def _made(self) -> Iterator[None]:
        run = self.run
        try:
            with run.stoppable() if self._awaited else contextlib.nullcontext():
                run.loop.begin()
                try:
                    yield
                except BaseException as error:
                    self._notice = run.loop.failed(error)
                else:
                    run.loop.succeeded()
        finally:
            if self._notice is None:
                run.close()

    def __enter__(self) -> Attempt:
        self._block = self._made()
        self._block.__enter__()
        return self

    def __exit__(self, *raised: object) -> bool | None:
        assert self._block is not None
        return self._block.__exit__(*raised)  # type: ignore[arg-type]

    async def __aenter__(self) -> Attempt:
        if not self._awaited:
            raise UsageError("write `async for attempt in retry_context(...)`, so that the waits don't block the event loop")
        return self.__enter__()

    async def __aexit__(self, *raised: object) -> bool | None:
        return self.__exit__(*raised)
