"""`chatkit.retry`: the retry loop around a call of a function, or around all calls of a function that it decorates."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from types import EllipsisType
from typing import Any, TypeVar, TypeVarTuple, Unpack, overload

from chatkit.errors import OwnFrames, UnknownOption, UsageError
from chatkit.retrying.settings import Keywords, Settings, takes_keywords

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
F = TypeVar("F", bound=Callable[..., Any])


@overload
def retry(fn: Callable[[*Ts], Awaitable[T]], *args: *Ts, **given: Unpack[Keywords]) -> Awaitable[T]: ...
@overload
def retry(fn: Callable[[*Ts], T], *args: *Ts, **given: Unpack[Keywords]) -> T: ...
@overload
def retry(**given: Unpack[Keywords]) -> Callable[[F], F]: ...
@takes_keywords  # type: ignore[misc]  # mypy doesn't see that *args: Any takes *args: *Ts
def retry(fn: Callable[..., Any] | EllipsisType = ..., *args: Any, **given: Unpack[Keywords]) -> Any:
    """Call a function until it returns a value, waiting 1, 2, 4 … 60 s after failures that may pass.

    ``retry(fn, x)`` calls `fn` now; ``@retry(max_attempts=5)`` decorates a function, so that its calls are tried again;
    `retry_context` tries a block again. Write ``@retry()``, with parentheses: a bare ``@retry`` can't be told from a call, so it would
    call the function once, at its definition, and bind its value.

    Parameters
    ----------
    fn : callable, optional
        A plain function blocks, and its value is returned. For an asynchronous one you get an awaitable, which runs on your own event
        loop; an awaitable that a plain function returns is awaited there as well. Without `fn`, you get a decorator, for functions
        and methods of both sorts.
    *args
        What `fn` is called with. Keywords are settings of `retry`: to pass one to `fn`, write ``retry(lambda: fn(x, timeout=3))``.
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
    UsageError
        A keyword is wrong, or `fn` can't be called with these arguments.

    Examples
    --------
    >>> from chatkit.chattest import FakeClock
    >>> answers = iter([ConnectionResetError(), TimeoutError(), "done"])
    >>> def flaky(greeting):
    ...     answer = next(answers)
    ...     if isinstance(answer, Exception):
    ...         raise answer
    ...     return greeting + answer
    >>> retry(flaky, "well ", on_retry=lambda notice: print(notice.kind, notice.delay), clock=FakeClock())
    network 1.0
    timeout 2.0
    'well done'

    As a decorator, and for an error that only you know to pass:

    >>> rows = iter([[], [], [1, 2]])
    >>> @retry(on=LookupError, clock=FakeClock())
    ... def first(sign):
    ...     return sign * next(rows)[0]
    >>> first(-1)
    -1
    """
    try:
        settings = Settings("retry()", given)
    except UnknownOption as error:
        if fn is not ...:
            error.add_note("To pass a keyword to the function: retry(lambda: fn(x, keyword=value))")
        raise
    if isinstance(fn, EllipsisType):
        return functools.partial(_decorated, settings)
    _check_function(fn, args)
    with OwnFrames():
        return _called(settings, fn, functools.partial(fn, *args) if args else fn)


def _called(settings: Settings, fn: Callable[..., Any], call: Callable[[], Any]) -> Any:
    """Try a call of `fn`, in the way in which `fn` is called."""
    is_async = _is_async(fn)
    run = settings.begin(getattr(fn, "__qualname__", "") or type(fn).__name__, awaited=is_async)
    return run.run_async(call) if is_async else run.run(call)


def _is_async(fn: Callable[..., Any]) -> bool:
    """Whether its value is awaited: that of a coroutine function, or of an object whose call is one."""
    return inspect.iscoroutinefunction(fn) or (
        not isinstance(fn, type) and inspect.iscoroutinefunction(getattr(fn, "__call__", None))  # noqa: B004
    )


def _check_function(fn: object, args: tuple[object, ...] | None = None) -> None:
    """Refuse what isn't a function that can be tried again, or, where they are given, be called with these arguments."""
    if not callable(fn):
        hint = ": it was called already; give the function itself, such as retry(f, x)" if inspect.isawaitable(fn) else ""
        raise UsageError(f"retry() needs a function, not a {type(fn).__name__}{hint}")
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise UsageError("retry() can't try a generator again: give a function that returns what it yields, such as lambda: list(f())")
    if args is None:
        return
    try:
        signature = inspect.signature(fn)
    except (ValueError, TypeError):  # a function of C may have none
        return
    try:
        signature.bind(*args)
    except TypeError as error:
        name = getattr(fn, "__name__", "fn")
        raise UsageError(
            f"{name}{signature}: {error}. Call it as retry({name}, x), or decorate it with @retry(), with parentheses"
        ) from None


def _decorated(settings: Settings, function: F) -> F:
    _check_function(function)

    @functools.wraps(function)
    def call(*args: Any, **keywords: Any) -> Any:
        with OwnFrames():
            return _called(settings, function, functools.partial(function, *args, **keywords))

    @functools.wraps(function)
    async def call_async(*args: Any, **keywords: Any) -> Any:
        with OwnFrames():
            return await call(*args, **keywords)

    return call_async if inspect.iscoroutinefunction(function) else call  # type: ignore[return-value]
