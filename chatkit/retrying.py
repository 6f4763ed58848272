"""`chatkit.retry`: the retry loop around any function of yours, with the same countdown in the cell."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import logging
from collections.abc import Awaitable, Callable
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import msgspec

from chatkit.bridge import heartbeat
from chatkit.clock import Clock, SystemClock
from chatkit.display.environment import attended, shows_by_default
from chatkit.errors import Stopped, UsageError, unknown_option
from chatkit.events import ErrorEvent
from chatkit.retries.backoff import RetryPolicy
from chatkit.retries.loop import RetriedCall, RetryLoop, drive, drive_async
from chatkit.retries.notice import RetryNotice, check_observer
from chatkit.retries.wake import Wake

if TYPE_CHECKING:
    from chatkit.display.opening import Display

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
On = type[BaseException] | tuple[type[BaseException], ...] | Callable[[BaseException], object]
_logger = logging.getLogger("chatkit")


class RetryRun:
    """One call of `retry` that runs: its loop, the commands of its buttons, and the display that opens at the first wait."""

    def __init__(
        self,
        fn: Callable[[], Any],
        call: RetriedCall,
        *,
        policy: RetryPolicy,
        clock: Clock,
        on: Callable[[BaseException], object] | None = None,
        on_retry: Callable[[RetryNotice], object] | None = None,
        open_display: Callable[[RetryRun], Display] | None = None,
    ) -> None:
        limit = policy.elapsed_limit(attended())
        self.fn = fn
        self.loop = RetryLoop(call, policy=policy, limit=limit, clock=clock, observe=self._observe, on=on)
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
        if self._task is None or self.wake.stopped:
            return
        waiting = self.wake.waiting
        self.wake.stop()
        if not waiting:
            self._cancelled = True
            self._task.cancel()

    def _observe(self, notice: RetryNotice) -> object:
        try:
            if self._display is None and self._open_display is not None:
                self._display = self._open_display(self)
            if self._display is not None:
                self._display.apply(notice.event())
        except Exception:
            self._open_display = self._display = None
            _logger.exception("the display failed; the retry goes on without it")
        return self._on_retry(notice) if self._on_retry else None

    def _close_display(self) -> None:
        if self._display is None:
            return
        try:
            if self.loop.failure is not None:
                self._display.apply(ErrorEvent.of(self.loop.failure))
            self._display.close()
        except Exception:
            _logger.exception("the display failed at the end")

    def run(self) -> Any:
        """Block until there is a value; an awaitable is handed to `run_async`."""
        try:
            value = drive(self.loop, self.fn, self.wake)
        except BaseException:
            self._close_display()
            raise
        if inspect.isawaitable(value):
            return self.run_async(value)
        self._close_display()
        return value

    async def run_async(self, begun: Awaitable[Any] | None = None) -> Any:
        """The same on the caller's event loop."""
        task = self._task = asyncio.current_task()
        assert task is not None
        self._event_loop = asyncio.get_running_loop()
        try:
            async with heartbeat():
                try:
                    return await drive_async(self.loop, self.fn, self.wake, begun=begun)
                finally:
                    self._task = None
                    if self._cancelled:  # take it back, also if the attempt ended otherwise: it must not hit what the caller does next
                        task.uncancel()
        except asyncio.CancelledError:
            if not self._cancelled or task.cancelling():
                raise
            raise Stopped("stopped during an attempt") from None
        finally:
            self._close_display()


@overload
def retry(
    fn: Callable[[], Awaitable[T]],
    *,
    on: On | None = ...,
    on_retry: Callable[[RetryNotice], object] | None = ...,
    show: bool | None = ...,
    policy: RetryPolicy | None = ...,
    max_attempts: int | None = ...,
    max_elapsed: float | Literal["auto"] | None = ...,
    provider: str | None = ...,
    name: str | None = ...,
    clock: Clock | None = ...,
) -> Awaitable[T]: ...
@overload
def retry(
    fn: Callable[[], T],
    *,
    on: On | None = ...,
    on_retry: Callable[[RetryNotice], object] | None = ...,
    show: bool | None = ...,
    policy: RetryPolicy | None = ...,
    max_attempts: int | None = ...,
    max_elapsed: float | Literal["auto"] | None = ...,
    provider: str | None = ...,
    name: str | None = ...,
    clock: Clock | None = ...,
) -> T: ...
@overload
def retry(
    *,
    on: On | None = ...,
    on_retry: Callable[[RetryNotice], object] | None = ...,
    show: bool | None = ...,
    policy: RetryPolicy | None = ...,
    max_attempts: int | None = ...,
    max_elapsed: float | Literal["auto"] | None = ...,
    provider: str | None = ...,
    name: str | None = ...,
    clock: Clock | None = ...,
) -> Callable[[F], F]: ...
def retry(
    fn: Callable[[], Any] | EllipsisType = ...,
    *,
    on: On | None = None,
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
    """Call `fn` until it returns a value, waiting 1, 2, 4 … 60 s after failures that may pass.

    Parameters
    ----------
    fn : callable, optional
        A function without arguments. Without it, you get a decorator: the decorated function is called with its arguments, and tried
        again in the same way. A plain function blocks, and its value is returned. For an asynchronous one you get an
        awaitable, which runs on your own event loop; an awaitable that a plain function returns is awaited there as well.
    on : exception class, tuple of them, or callable, optional
        Which errors to try again, instead of those that `classify` calls retryable: those of the classes, or those for which the
        callable returns true. The waits, a server's hint and all limits stay the same, also that of 5 failures in a row that nothing
        explains. Ctrl-C and a cancellation are never tried again.
    on_retry : callable, optional
        Called with a `RetryNotice` before every wait. What it raises is logged, and the retry goes on.
    show : bool, optional
        Whether to show the countdown. By default, it is shown where there is a display (a notebook, a terminal).
    policy : RetryPolicy, optional
        All the numbers at once.
    max_attempts : int, optional
        The number of attempts. It takes precedence over `policy`.
    max_elapsed : float, None or "auto"
        Seconds of retrying, see `RetryPolicy`. It takes precedence over `policy` unless it is ``"auto"``.
    provider : str, optional
        The provider that is called. Messages name it, and failures that nothing explains are retried too, at most 5 times in a row.
    name : str, optional
        The name in the display, by default that of the function.
    clock : Clock, optional
        The clock; for tests.

    Returns
    -------
    object
        The value of `fn`, or an awaitable of it; a decorator if there is no `fn`.

    Raises
    ------
    Exception
        The last error itself, with a note about the number of attempts and seconds.
    Stopped
        The user pressed Stop.

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

    As a decorator, and for an error that only you know to pass:

    >>> rows = iter([[], [], [1, 2]])
    >>> @retry(on=LookupError, clock=FakeClock())
    ... def first(sign):
    ...     return sign * next(rows)[0]
    >>> first(-1)
    -1
    """
    if unknown:
        raise unknown_option("retry()", unknown, retry.__kwdefaults__ or ())
    if not (policy is None or isinstance(policy, RetryPolicy)):
        raise UsageError(f"policy={policy!r}: give a chatkit.RetryPolicy(...)")
    judge = _filter(on)
    if isinstance(fn, EllipsisType):
        given = {"on": on, "on_retry": on_retry, "show": show, "policy": policy, "max_attempts": max_attempts, "max_elapsed": max_elapsed}
        return _decorator({**given, "provider": provider, "clock": clock}, name)
    _check_function(fn)
    is_async = inspect.iscoroutinefunction(fn) or (
        not isinstance(fn, type) and inspect.iscoroutinefunction(getattr(fn, "__call__", None))  # noqa: B004 - an object whose call is async
    )
    check_observer(on_retry, awaited=is_async)
    rules = policy or RetryPolicy()
    if max_attempts is not None:
        rules = msgspec.structs.replace(rules, max_attempts=max_attempts)
    if max_elapsed != "auto":
        rules = msgspec.structs.replace(rules, max_elapsed=max_elapsed)
    label = name or getattr(fn, "__qualname__", "") or type(fn).__name__

    def open_display(run: RetryRun) -> Display:
        from chatkit.display.opening import open_retry_display

        return open_retry_display(run, name=label)

    run = RetryRun(
        fn,
        RetriedCall(operation="retry", provider=provider),
        policy=rules,
        clock=clock or SystemClock(),
        on=judge,
        on_retry=on_retry,
        open_display=open_display if (shows_by_default() if show is None else show) else None,
    )
    return run.run_async() if is_async else run.run()


def _check_function(fn: object) -> None:
    if not callable(fn):
        hint = ": it was called already; give the function itself, such as retry(lambda: f(x))" if inspect.isawaitable(fn) else ""
        raise UsageError(f"retry() needs a function without arguments, not a {type(fn).__name__}{hint}")
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise UsageError("retry() can't try a generator again: give a function that returns what it yields, such as lambda: list(f())")


def _filter(on: object) -> Callable[[BaseException], object] | None:
    """`on` as a function of an error; None for the classification."""
    classes = on if isinstance(on, tuple) else (on,)
    if classes and all(isinstance(one, type) and issubclass(one, BaseException) for one in classes):
        return lambda error: isinstance(error, classes)
    if on is not None and (not callable(on) or isinstance(on, type) or inspect.iscoroutinefunction(on)):
        raise UsageError(f"on={on!r}: give an exception class, a tuple of them, or a function of the error that returns true or false")
    return on


def _decorator(options: dict[str, Any], name: str | None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        _check_function(function)
        label = name or getattr(function, "__qualname__", None)

        def call(*args: Any, **keywords: Any) -> Any:
            return retry(functools.partial(function, *args, **keywords), name=label, **options)

        async def call_async(*args: Any, **keywords: Any) -> Any:
            return await call(*args, **keywords)

        return functools.wraps(function)(call_async if inspect.iscoroutinefunction(function) else call)

    return decorate
