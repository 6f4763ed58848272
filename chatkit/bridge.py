"""One event-loop thread, and the calls into it from plain and awaited cells.

All requests to providers run on this one loop: the kernel's own loop is never patched, and connections are pooled once.
Callbacks run on the thread of the caller that waits, never on the loop's thread.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import contextvars
import logging
import os
import queue
import sys
import threading
import time
import warnings
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any, Generic, TypeVar

from chatkit.clock import POLL
from chatkit.errors import ChatkitError, Stopped, UsageError

T = TypeVar("T")
_logger = logging.getLogger("chatkit")
GRACE = 2.0
"""Seconds that work has to end after it was interrupted."""


class _Bridge:
    """The loop of one process. Its thread makes it, so that no interrupt, which strikes the main thread, can leave it half made."""

    def __init__(self) -> None:
        self.thread = threading.current_thread()
        self.loop = new_loop()
        self.endings: list[Callable[[], Coroutine[Any, Any, object]]] = []
        self.tasks: set[asyncio.Task[Any]] = set()  # a loop forgets a task to which nothing refers

    def run(self) -> None:
        asyncio.set_event_loop(self.loop)
        while True:
            try:
                self.loop.run_forever()
                break
            except BaseException:  # asyncio lets a task's SystemExit and KeyboardInterrupt through, which must not end the others
                _logger.exception("a task on chatkit's own thread tried to end it; the thread goes on")
        self.loop.close()

    async def wind_down(self) -> None:
        """Cancel all tasks, and stop the loop."""
        # a connection that is cancelled before it begins leaves this in anyio, and Python would print it as it ends
        warnings.filterwarnings("ignore", r"coroutine 'connect_tcp\..*' was never awaited", RuntimeWarning)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=GRACE)
        for ending in self.endings:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(GRACE):
                    await ending()
        self.loop.stop()


def new_loop() -> asyncio.AbstractEventLoop:
    """An event loop with the tasks of asyncio's C accelerator: nest_asyncio replaces `asyncio.Task`, which breaks Python 3.14."""
    made = asyncio.new_event_loop()
    with contextlib.suppress(ImportError):  # a Python without it
        from _asyncio import Task

        made.set_task_factory(lambda loop, coro, **kwargs: Task(coro, loop=loop, **kwargs))
    return made


def start_thread(target: Callable[..., object], *args: Any, name: str) -> threading.Thread:
    """Start a daemon thread; `ChatkitError` where Python is ending: the thread would never run, and its starter wait for it."""
    if sys.is_finalizing():
        raise ChatkitError("Python is ending: nothing can be asked any more")
    thread = threading.Thread(target=target, args=args, daemon=True, name=name)
    thread.start()
    return thread


_bridges: dict[int, _Bridge] = {}
"""By process: a fork takes no threads along. It has no lock, which a fork or an interrupt could leave locked."""
_ended = False


def loop() -> asyncio.AbstractEventLoop:
    """The event loop that all requests run on, started at first use and again after a fork."""
    if _ended:
        raise ChatkitError("Python is ending: nothing can be asked any more")
    while (bridge := _bridges.get(os.getpid())) is None:
        started: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
        start_thread(_serve, started.put, name="chatkit-io")
        if error := started.get():
            raise error
    return bridge.loop


def _serve(started: Callable[[Exception | None], object]) -> None:
    """Run the loop on this thread, unless another thread came first."""
    try:
        bridge = _Bridge()
    except Exception as error:  # no file is left, for one
        started(error)
        return
    first = _bridges.setdefault(os.getpid(), bridge) is bridge
    started(None)
    if first:
        bridge.run()
    else:
        bridge.loop.close()


@atexit.register
def _close() -> None:
    """Wind down, as the process ends."""
    global _ended
    _ended = True
    if bridge := _bridges.get(os.getpid()):
        bridge.loop.call_soon_threadsafe(lambda: bridge.tasks.add(bridge.loop.create_task(bridge.wind_down())))
        bridge.thread.join(GRACE + 1)


def on_loop() -> bool:
    """Whether this is the loop's own thread, which must not block."""
    bridge = _bridges.get(os.getpid())
    return bridge is not None and asyncio._get_running_loop() is bridge.loop


def at_end(ending: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Have `ending` awaited when the process ends, if the running loop is the bridge's."""
    if on_loop():
        _bridges[os.getpid()].endings.append(ending)


class Work(Generic[T]):
    """A call of a coroutine function on the loop, as the other threads see it.

    It holds no lock, which a `concurrent.futures.Future` does: an interrupt may strike the main thread at any moment, and the
    loop's thread would wait for that lock for ever. Nothing begins before `begin`.
    """

    def __init__(self, function: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> None:
        self._call = partial(function, *args)
        self._loop = loop()
        self._task: asyncio.Task[T] | None = None

    def begin(self, ended: Callable[[], object] | None = None) -> None:
        """Begin, unless it has begun, and have `ended` called on the loop's thread when it is over."""
        if self._loop is not loop():
            raise ChatkitError("this began in the process from which this one was forked: it can be waited for only there")
        self._loop.call_soon_threadsafe(self._begin, ended)

    def _begin(self, ended: Callable[[], object] | None) -> None:
        task = self.task
        if ended is not None:
            task.add_done_callback(lambda _: ended())

    @property
    def task(self) -> asyncio.Task[T]:
        """The task, which begins now at the latest. On the loop's thread."""
        if self._task is None:
            self._task = self._loop.create_task(self._call())
            tasks = _bridges[os.getpid()].tasks
            tasks.add(self._task)
            self._task.add_done_callback(tasks.discard)
            self._task.add_done_callback(lambda task: task.cancelled() or task.exception())  # or asyncio complains that nobody asked
        return self._task

    def cancel(self) -> None:
        """Cancel it, from any thread."""
        self._loop.call_soon_threadsafe(lambda: self.task.cancel())

    def done(self) -> bool:
        """Whether it is over."""
        return self._task is not None and self._task.done()

    def outcome(self) -> T:
        """Return its value, or raise its error, when it is over."""
        assert self._task is not None
        try:
            return self._task.result()
        except asyncio.CancelledError:
            raise Stopped("cancelled, as when Python ends") from None

    def result(self, timeout: float | None = None) -> T:
        """Wait for the outcome; an interrupt ends only the waiting."""
        return Waiter().wait(self, ignore_interrupt, timeout)


def spawn(work: Coroutine[Any, Any, T]) -> Work[T]:
    """Start a coroutine on the loop, from any thread."""
    begun = Work(lambda: work)
    begun.begin()
    return begun


def call_soon(function: Callable[[], T]) -> Work[T]:
    """Call a function on the loop's thread."""

    async def work() -> T:
        return function()

    begun = Work(work)
    begun.begin()
    return begun


class Waiter:
    """A caller that blocks its thread until the work is done; callbacks run on that thread meanwhile."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        return await _outcome(self._calls.put, function, *args)

    def wait(self, work: Work[T], interrupt: Callable[[], object] | None = None, timeout: float | None = None) -> T:
        """Wait for the outcome of the work, which begins now at the latest.

        An interrupt (Ctrl-C, the kernel's stop button) calls `interrupt`, which is to end the work, or cancels it. It is
        raised again when the work has ended, or after `GRACE` seconds. After `timeout` seconds a `TimeoutError` is raised, and
        the work goes on.
        """
        if not self.serve(work, interrupt, timeout=timeout):
            raise TimeoutError(f"not done within {timeout:g} s; it goes on")
        return work.outcome()

    def serve(
        self,
        work: Work[Any],
        interrupt: Callable[[], object] | None = None,
        *,
        until: Callable[[], bool] = lambda: False,
        timeout: float | None = None,
    ) -> bool:
        """Have the work done until it is over, or one of the callbacks makes `until` true; False after `timeout` seconds."""
        if on_loop():
            raise UsageError("a blocking call from chatkit's own thread would wait for itself: use the awaitable form here")
        end = None if timeout is None else time.monotonic() + timeout
        try:
            work.begin(lambda: self._calls.put(None))
            while not (work.done() or until()):
                if end is not None and time.monotonic() >= end:
                    return False
                with contextlib.suppress(queue.Empty):
                    if (call := self._calls.get(timeout=POLL)) is not None:
                        call()
        except BaseException:
            if interrupt is not ignore_interrupt and not work.done():
                (interrupt or work.cancel)()
                Waiter().serve(work, ignore_interrupt, timeout=GRACE)  # no callback runs any more
            raise
        return True


class Awaiter:
    """A caller that awaits the work on the running loop; callbacks run on that loop meanwhile, in the caller's context."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        return await _outcome(partial(self._loop.call_soon_threadsafe, context=self._context.copy()), function, *args)

    async def wait(self, work: Work[T], interrupt: Callable[[], object] | None = None) -> T:
        """The same as `Waiter.wait`; a cancellation takes the place of the interrupt."""
        ended = asyncio.Event()

        def end() -> None:
            with contextlib.suppress(RuntimeError):  # this loop has ended, and the caller with it
                self._loop.call_soon_threadsafe(ended.set)

        try:
            work.begin(end)
            with heartbeat():
                await ended.wait()
        except BaseException as error:
            if interrupt is not ignore_interrupt and not work.done():
                (interrupt or work.cancel)()
                work.begin(end)
                if isinstance(error, asyncio.CancelledError):
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(GRACE):
                            await ended.wait()
            raise
        return work.outcome()


def ignore_interrupt() -> None:
    """The `interrupt` of a caller that only stops waiting: the work goes on."""


class CallbackThread:
    """For work that nobody waits for: callbacks run one after another on a thread of their own, from the first until `close`."""

    def __init__(self) -> None:
        self._pool: concurrent.futures.ThreadPoolExecutor | None = None

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        if self._pool is None:
            self._pool = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="chatkit-worker")
        return await _outcome(self._pool.submit, function, *args)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False)


Caller = Waiter | Awaiter | CallbackThread
"""Where callbacks run: `call`, on the bridge's loop, has a function run there, and returns its value or raises its error."""


async def _outcome(post: Callable[[Callable[[], None]], object], function: Callable[..., T], *args: Any) -> T:
    """Hand a call of `function` to `post`, which has it run elsewhere, and await its outcome there.

    What is no `Exception` (an interrupt, a SystemExit) goes on to the caller that waits, and the work gets an error.
    """
    here: asyncio.AbstractEventLoop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = here.create_future()

    def tell(settle: Callable[[Any], None], value: object) -> None:
        if not outcome.done():
            settle(value)

    def run() -> None:
        if outcome.done():  # the work was cancelled meanwhile
            return
        settle: Callable[[Any], None] = outcome.set_exception
        value: object = ChatkitError("the callback was interrupted")
        try:
            settle, value = outcome.set_result, function(*args)
        except (StopIteration, concurrent.futures.CancelledError) as error:  # a coroutine can't raise the one; the other would cancel it
            value = RuntimeError(f"the callback raised {error!r}")
        except Exception as error:
            value = error
        except BaseException as error:
            value = ChatkitError(f"the callback ended with {type(error).__name__}")
            raise
        finally:
            here.call_soon_threadsafe(tell, settle, value)

    post(run)
    return await outcome


@contextlib.contextmanager
def heartbeat() -> Iterator[None]:
    """Wake the running loop regularly: an idle loop notices the kernel's interrupt only at its next event."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(POLL)

    task = asyncio.get_running_loop().create_task(beat())
    try:
        yield
    finally:
        task.cancel()
