"""`chatkit.retry`: the retry loop around any function of yours, with the same countdown in the cell."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import msgspec

from chatkit.bridge import heartbeat
from chatkit.clock import Clock, SystemClock
from chatkit.display.environment import attended, shows_by_default
from chatkit.errors import Stopped, UsageError, unknown_option
from chatkit.events import ErrorEvent
from chatkit.failures.classification import classify
from chatkit.retries.backoff import RetryPolicy
from chatkit.retries.loop import Call, RetryLoop, drive, drive_async
from chatkit.retries.notice import RetryNotice, check_observer
from chatkit.retries.wake import Wake

if TYPE_CHECKING:
    from chatkit.display.opening import Display

T = TypeVar("T")
_logger = logging.getLogger("chatkit")
_OPTIONS = ("clock", "max_attempts", "max_elapsed", "name", "on_retry", "policy", "provider", "show")


class _Retrying:
    """One call under way: its loop, its controls, and the display that opens at the first wait."""

    def __init__(
        self,
        fn: Callable[[], Any],
        loop: Callable[[Callable[[RetryNotice], object]], RetryLoop],
        on_retry: Callable[[RetryNotice], object] | None,
        show: bool,
        name: str,
    ) -> None:
        self.fn = fn
        self.loop = loop(self._notice)
        self.wake = Wake()
        self._on_retry = on_retry
        self._show = show
        self._name = name
        self._display: Display | None = None
        self._task: asyncio.Task[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._cancelled = False

    def retry_now(self) -> None:
        """From any thread: end the wait."""
        self.wake.set()

    def stop(self) -> None:
        """From any thread: end the wait, or the attempt where it can be cancelled, and the loop."""
        if self._loop is None:
            self.wake.stop()
        else:
            with contextlib.suppress(RuntimeError):  # the person's loop has ended
                self._loop.call_soon_threadsafe(self._stop_awaited)

    def _stop_awaited(self) -> None:
        """On the person's loop. A wait ends by itself; only an attempt has to be cancelled, and nothing after it."""
        if self._task is None or self.wake.stopped:
            return
        waiting = self.wake.waiting
        self.wake.stop()
        if not waiting:
            self._cancelled = True
            self._task.cancel()

    def _notice(self, notice: RetryNotice) -> object:
        if self._show:
            try:
                if self._display is None:
                    from chatkit.display.opening import open_retry_display

                    self._display = open_retry_display(self, name=self._name)
                self._display.apply(notice.event())
            except UsageError:
                raise
            except Exception:
                self._show, self._display = False, None
                _logger.exception("the display failed; the retry goes on without it")
        return self._on_retry(notice) if self._on_retry else None

    def _end(self, error: BaseException | None = None) -> None:
        if self._display is None:
            return
        try:
            if error is not None:
                self._display.apply(ErrorEvent.of(classify(error, provider=self.loop.call.provider)))
            self._display.close()
        except Exception:
            _logger.exception("the display failed at the end")

    def run(self) -> Any:
        """Block until there is a value; an awaitable one is handed on to `run_async`."""
        try:
            value = drive(self.loop, self.fn, self.wake)
        except BaseException as error:
            self._end(error)
            raise
        if inspect.isawaitable(value):
            return self.run_async(value)
        self._end()
        return value

    async def run_async(self, begun: Awaitable[Any] | None = None) -> Any:
        """The same on the caller's own loop."""
        task = self._task = asyncio.current_task()
        assert task is not None
        self._loop = asyncio.get_running_loop()
        try:
            async with heartbeat():
                value = await drive_async(self.loop, self.fn, self.wake, begun=begun)
            self._task = None
            await self._settled(task)
        except asyncio.CancelledError as error:
            self._task = None
            if not self._cancelled or task.uncancel() > 0:
                self._end(error)
                raise
            stopped = Stopped("stopped while an attempt was under way")
            self._end(stopped)
            raise stopped from None
        except BaseException as error:
            self._task = None
            await self._settled(task)
            self._end(error)
            raise
        self._end()
        return value

    async def _settled(self, task: asyncio.Task[Any]) -> None:
        """Take back a cancellation that came too late: it must not hit what the person does next."""
        if self._cancelled and task.cancelling():
            self._cancelled = False
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
            task.uncancel()


@overload
def retry(
    fn: Callable[[], Awaitable[T]], *, on_retry: Callable[[RetryNotice], object] | None = ..., show: bool | None = ..., **options: Any
) -> Awaitable[T]: ...
@overload
def retry(fn: Callable[[], T], *, on_retry: Callable[[RetryNotice], object] | None = ..., show: bool | None = ..., **options: Any) -> T: ...
def retry(
    fn: Callable[[], Any],
    *,
    on_retry: Callable[[RetryNotice], object] | None = None,
    show: bool | None = None,
    policy: RetryPolicy | None = None,
    max_attempts: int | None = None,
    max_elapsed: float | Literal["auto"] | None = "auto",
    provider: str | None = None,
    name: str | None = None,
    clock: Clock | None = None,
    **unknown: object,
) -> Any:
    """Call `fn` until it gives a value, waiting 1, 2, 4 … 60 s after failures that may pass.

    Parameters
    ----------
    fn : callable
        Takes nothing. A plain function blocks, and its value is returned; an asynchronous one gives an awaitable that
        runs on your own loop, and what a plain function returns as an awaitable is awaited there as well.
    on_retry : callable, optional
        Gets a `RetryNotice` before every wait. One that raises is logged and stops nothing.
    show : bool, optional
        Whether the countdown is shown; where there is a display (a notebook, a terminal) unless given.
    policy : RetryPolicy, optional
        All the numbers at once; `max_attempts` and `max_elapsed` (seconds) go over it.
    provider : str, optional
        Who is called. It names the cause, and lets failures that nothing explains be tried again, 5 times at most.
    name : str, optional
        What is called, for the display; the function's name unless given.
    clock : Clock, optional
        Where time comes from; for tests.

    Returns
    -------
    object
        What `fn` gave, or an awaitable of it.

    Raises
    ------
    Exception
        The last error itself, with a note that says how many attempts and seconds.
    Stopped
        Somebody pressed Stop.

    Examples
    --------
    >>> from chatkit.chattest import FakeClock
    >>> answers = iter([ConnectionResetError(), TimeoutError(), "done"])
    >>> def flaky():
    ...     answer = next(answers)
    ...     if isinstance(answer, Exception):
    ...         raise answer
    ...     return answer
    >>> retry(flaky, on_retry=lambda notice: print(notice.kind, notice.delay), clock=FakeClock())
    network 1.0
    timeout 2.0
    'done'
    """
    if unknown:
        raise unknown_option("retry()", unknown, _OPTIONS)
    if not callable(fn):
        hint = ": it was called already; give the function itself, such as retry(lambda: f(x))" if inspect.isawaitable(fn) else ""
        raise UsageError(f"retry() needs a function that takes nothing, not a {type(fn).__name__}{hint}")
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise UsageError("retry() can't try a generator again: give a function that returns what it yields, such as lambda: list(f())")
    if not (policy is None or isinstance(policy, RetryPolicy)):
        raise UsageError(f"policy={policy!r}: give a chatkit.RetryPolicy(...)")
    is_async = inspect.iscoroutinefunction(fn) or (
        not isinstance(fn, type) and inspect.iscoroutinefunction(getattr(fn, "__call__", None))  # noqa: B004 - an object whose call is async
    )
    check_observer(on_retry, awaited=is_async)
    rules = policy or RetryPolicy()
    if max_attempts is not None:
        rules = msgspec.structs.replace(rules, max_attempts=max_attempts)
    if max_elapsed != "auto":
        rules = msgspec.structs.replace(rules, max_elapsed=max_elapsed)
    limit = rules.elapsed_limit(attended())

    def loop(observe: Callable[[RetryNotice], object]) -> RetryLoop:
        return RetryLoop(
            Call(operation="retry", provider=provider), policy=rules, limit=limit, clock=clock or SystemClock(), observe=observe
        )

    label = name or getattr(fn, "__qualname__", "") or type(fn).__name__
    call = _Retrying(fn, loop, on_retry, shows_by_default() if show is None else show, label)
    if is_async:
        return call.run_async()
    return call.run()
