"""One call that is retried: its loop, its buttons and its display."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from chatkit.bridge import heartbeat
from chatkit.clock import Clock
from chatkit.display.environment import attended
from chatkit.errors import OwnFrames, Stopped
from chatkit.events import ErrorEvent
from chatkit.retries.backoff import RetryPolicy
from chatkit.retries.loop import RetriedCall, RetryLoop, drive, drive_async
from chatkit.retries.notice import RetryNotice
from chatkit.retries.wake import Wake

if TYPE_CHECKING:
    from chatkit.display.opening import Display

_logger = logging.getLogger("chatkit")


class RetryRun:
    """One call of `retry` that runs: its loop, the commands of its buttons, and the display that opens at the first wait."""

    def __init__(
        self,
        call: RetriedCall,
        *,
        policy: RetryPolicy,
        clock: Clock,
        on: Callable[[BaseException], object] | None = None,
        on_retry: Callable[[RetryNotice], object] | None = None,
        open_display: Callable[[RetryRun], Display] | None = None,
    ) -> None:
        limit = policy.elapsed_limit(attended())
        self.loop = RetryLoop(call, policy=policy, limit=limit, clock=clock, observe=self._observe, ended=self._show, on=on)
        self.wake = Wake()
        self._on_retry = on_retry
        self._open_display = open_display
        self._display: Display | None = None
        self._task: asyncio.Task[Any] | None = None
        self._event_loop: asyncio.AbstractEventLoop | None = None
        self._cancelled = False

    def retry_now(self) -> None:
        """Command from any thread: end the wait."""
        self.wake.set()

    def stop(self) -> None:
        """Command from any thread: end the loop, with the wait or (if it is asynchronous) the attempt."""
        if self._event_loop is None:
            self.wake.stop()
        else:
            with contextlib.suppress(RuntimeError):  # the user's event loop is closed
                self._event_loop.call_soon_threadsafe(self._stop_task)

    def _stop_task(self) -> None:
        """On the user's event loop. `Wake` ends a wait; only an attempt has to be cancelled, and nothing after it."""
        if self.wake.stopped:
            return
        waiting = self.wake.waiting
        self.wake.stop()
        if self._task is not None and not waiting:
            self._cancelled = True
            self._task.cancel()

    def _show(self, notice: RetryNotice, waited_ms: int | None = None) -> None:
        """Show a wait, or how long it was."""
        try:
            if self._display is None and self._open_display is not None:
                self._display = self._open_display(self)
            if self._display is not None:
                self._display.apply(replace(notice.event(), waited_ms=waited_ms))
        except Exception:
            self._open_display = self._display = None
            _logger.exception("the display failed; the retry goes on without it")

    def _observe(self, notice: RetryNotice) -> object:
        self._show(notice)
        return self._on_retry(notice) if self._on_retry else None

    def close(self) -> None:
        """Nothing follows: show how it ended."""
        display, self._display = self._display, None
        if display is None:
            return
        try:
            if self.loop.failure is not None:
                display.apply(ErrorEvent.of(self.loop.failure))
            display.close()
        except Exception:
            _logger.exception("the display failed at the end")

    def run(self, fn: Callable[[], Any]) -> Any:
        """Call `fn` until there is a value; an awaitable is handed to `run_async`."""
        with OwnFrames():
            try:
                value = drive(self.loop, fn, self.wake)
            except BaseException:
                self.close()
                raise
            if inspect.isawaitable(value):
                return self.run_async(fn, value)
            self.close()
            return value

    async def run_async(self, fn: Callable[[], Any], begun: Awaitable[Any] | None = None) -> Any:
        """The same on the caller's event loop."""
        with OwnFrames():
            try:
                with self.stoppable():
                    return await drive_async(self.loop, fn, self.wake, begun=begun)
            finally:
                self.close()

    @contextlib.contextmanager
    def stoppable(self) -> Iterator[None]:
        """In the block a Stop cancels the current task, and ends as `Stopped`."""
        task = self._task = asyncio.current_task()
        assert task is not None
        self._event_loop = asyncio.get_running_loop()
        try:
            with heartbeat():
                try:
                    yield
                finally:
                    self._task = None
                    if self._cancelled:  # take it back, also if the attempt ended otherwise: it must not hit what the caller does next
                        task.uncancel()
        except asyncio.CancelledError:
            if not self._cancelled or task.cancelling():
                raise
            raise Stopped("stopped during an attempt") from None
