"""The keywords of `retry` and `retry_context`: listed once, checked once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar

import msgspec

from chatkit.clock import Clock, SystemClock
from chatkit.display.environment import shows_by_default
from chatkit.errors import UsageError, unknown_option
from chatkit.retries.backoff import RetryPolicy
from chatkit.retries.loop import RetriedCall
from chatkit.retries.notice import RetryNotice, check_observer
from chatkit.retrying.run import RetryRun

if TYPE_CHECKING:
    from chatkit.display.opening import Display

F = TypeVar("F", bound=Callable[..., Any])
On = type[BaseException] | tuple[type[BaseException], ...] | Callable[[BaseException], object]


class Keywords(TypedDict, total=False):
    """The keywords, each None unless given; only `max_elapsed` is ``"auto"``."""

    on: On | None
    on_retry: Callable[[RetryNotice], object] | None
    show: bool | None
    policy: RetryPolicy | None
    max_attempts: int | None
    max_elapsed: float | Literal["auto"] | None
    provider: str | None
    name: str | None
    clock: Clock | None


_NAMES = Keywords.__annotations__


def takes_keywords(function: F) -> F:
    """Have editors and `help` show the keywords in place of the ``**given`` of a function."""
    signature = inspect.signature(function)
    own = [parameter for parameter in signature.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
    more = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default="auto" if name == "max_elapsed" else None,
            annotation=getattr(annotation, "__forward_arg__", annotation),
        )
        for name, annotation in _NAMES.items()
    ]
    vars(function)["__signature__"] = signature.replace(parameters=[*own, *more])
    return function


class Settings:
    """The keywords as they were given to the function `where`, checked."""

    def __init__(self, where: str, given: Keywords) -> None:
        if unknown := given.keys() - _NAMES.keys():
            raise unknown_option(where, unknown, _NAMES)
        policy, max_elapsed = given.get("policy"), given.get("max_elapsed", "auto")
        if not (policy is None or isinstance(policy, RetryPolicy)):
            raise UsageError(f"policy={policy!r}: give a chatkit.RetryPolicy(...)")
        policy = policy or RetryPolicy()
        if (max_attempts := given.get("max_attempts")) is not None:
            policy = msgspec.structs.replace(policy, max_attempts=max_attempts)
        if max_elapsed != "auto":
            policy = msgspec.structs.replace(policy, max_elapsed=max_elapsed)
        self._policy = policy
        self._on = _filter(given.get("on"))
        self._given = given

    def begin(self, name: str, *, awaited: bool) -> RetryRun:
        """A run with these settings, asynchronous if it is `awaited`; `name` is shown unless another one was given."""
        given, label, on_retry = self._given, self._given.get("name") or name, self._given.get("on_retry")
        check_observer(on_retry, awaited=awaited)
        show = given.get("show")

        def open_display(run: RetryRun) -> Display:
            from chatkit.display.opening import open_retry_display

            return open_retry_display(run, name=label)

        return RetryRun(
            RetriedCall(operation="retry", provider=given.get("provider")),
            policy=self._policy,
            clock=given.get("clock") or SystemClock(),
            on=self._on,
            on_retry=on_retry,
            open_display=open_display if (shows_by_default() if show is None else show) else None,
        )


def _filter(on: object) -> Callable[[BaseException], object] | None:
    """`on` as a function of an error; None for the classification."""
    classes = on if isinstance(on, tuple) else (on,)
    if classes and all(isinstance(one, type) and issubclass(one, BaseException) for one in classes):
        return lambda error: isinstance(error, classes)
    if on is not None and (not callable(on) or isinstance(on, type) or inspect.iscoroutinefunction(on)):
        raise UsageError(f"on={on!r}: give an exception class, a tuple of them, or a function of the error that returns true or false")
    return on
