"""One event-loop thread, and the calls into it from plain and awaited cells.

All requests to providers run on this one loop: the kernel's own loop is never patched, and connections are pooled once.
Callbacks run on the thread of the caller that waits, never on the loop's thread.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import logging
import os
import queue
import sys
import threading
import time
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

from chatkit.clock import POLL
from chatkit.errors import ChatkitError, UsageError

T = TypeVar("T")
_logger = logging.getLogger("chatkit")
GRACE = 2.0
"""Seconds that work has to end after it was interrupted."""


class _Bridge:
    """The loop and its thread, in one process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = new_loop()
        self.endings: list[Callable[[], Coroutine[Any, Any, object]]] = []
        self.thread = threading.Thread(target=self._run, daemon=True, name="chatkit-io")
        self.thread.start()
        atexit.register(self.close)

    @property
    def usable(self) -> bool:
        """Whether it is of this process (a fork has no threads), and running."""
        return self.pid == os.getpid() and self.thread.is_alive()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        while True:
            try:
                self.loop.run_forever()
                return
            except BaseException:  # asyncio lets a task's SystemExit and KeyboardInterrupt through, which must not end the others
                _logger.exception("a task on chatkit's own thread tried to end it; the thread goes on")

    def close(self) -> None:
        """Cancel all tasks and stop the loop, as the process ends."""
        if not self.usable:
            return

        async def wind_down() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=GRACE)
            for ending in self.endings:
                with contextlib.suppress(Exception):
                    async with asyncio.timeout(GRACE):
                        await ending()

        with contextlib.suppress(TimeoutError, RuntimeError):
            asyncio.run_coroutine_threadsafe(wind_down(), self.loop).result(GRACE + 1)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(GRACE)
        if not self.thread.is_alive():
            self.loop.close()


def new_loop() -> asyncio.AbstractEventLoop:
    """An event loop with the tasks of asyncio's C accelerator: nest_asyncio replaces `asyncio.Task`, which breaks Python 3.14."""
    made = asyncio.new_event_loop()
    with contextlib.suppress(ImportError):  # a Python without it
        from _asyncio import Task

        made.set_task_factory(lambda loop, coro, **kwargs: Task(coro, loop=loop, **kwargs))
    return made


_lock = threading.Lock()
_bridge: _Bridge | None = None


def loop() -> asyncio.AbstractEventLoop:
    """The event loop that all requests run on, started at first use and again after a fork."""
    global _bridge
    current = _bridge
    if current is None or not current.usable:
        with _lock:
            if _bridge is None or not _bridge.usable:
                _bridge = _Bridge()
            current = _bridge
    return current.loop


def on_loop() -> bool:
    """Whether this is the loop's own thread, which must not block."""
    return _bridge is not None and asyncio._get_running_loop() is _bridge.loop


def at_end(ending: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Have `ending` awaited when the process ends, if the running loop is the bridge's."""
    if _bridge is not None and on_loop():
        _bridge.endings.append(ending)


def spawn(work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
    """Start a coroutine on the loop, from any thread."""
    return asyncio.run_coroutine_threadsafe(work, loop())


def call_soon(function: Callable[[], T]) -> concurrent.futures.Future[T]:
    """Call a function on the loop's thread."""

    async def work() -> T:
        return function()

    return spawn(work())


class Waiter:
    """A caller that blocks its thread until the work is done; callbacks run on that thread meanwhile."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        return await _outcome(self._calls.put, function, *args)

    def wait(self, future: concurrent.futures.Future[T], interrupt: Callable[[], object] | None = None, timeout: float | None = None) -> T:
        """Wait for `future`, at most `timeout` seconds; then a `TimeoutError` is raised, and the work goes on.

        An interrupt (Ctrl-C, the kernel's stop button) calls `interrupt`, which is to end the work, or cancels the future. It is
        raised again when the work has ended, or after `GRACE` seconds.
        """
        if on_loop():
            future.cancel()
            raise UsageError("a blocking call from chatkit's own thread would wait for itself: use the awaitable form here")
        future.add_done_callback(lambda _: self._calls.put(None))
        end = None if timeout is None else time.monotonic() + timeout
        try:
            while not future.done():
                if end is not None and time.monotonic() >= end:
                    break
                with contextlib.suppress(queue.Empty):
                    if (call := self._calls.get(timeout=POLL)) is not None:
                        call()
        except BaseException:
            if not future.done():
                (interrupt or future.cancel)()
                if interrupt is not ignore_interrupt:
                    concurrent.futures.wait([future], GRACE)
            raise
        if not future.done():
            raise TimeoutError(f"not done within {timeout:g} s; it goes on")
        return future.result()


class Awaiter:
    """A caller that awaits the work on the running loop; callbacks run on that loop meanwhile."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        return await _outcome(self._loop.call_soon_threadsafe, function, *args)

    async def wait(self, future: concurrent.futures.Future[T], interrupt: Callable[[], object] | None = None) -> T:
        """The same as `Waiter.wait`; a cancellation takes the place of the interrupt."""
        mine = asyncio.wrap_future(future)
        mine.add_done_callback(lambda f: f.cancelled() or f.exception())  # or asyncio complains that it was never retrieved
        try:
            async with heartbeat():
                return await asyncio.shield(mine)
        except asyncio.CancelledError:
            if not future.done():
                (interrupt or future.cancel)()
                if interrupt is not ignore_interrupt:
                    await asyncio.wait({mine}, timeout=GRACE)
            raise


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
    """Hand a call of `function` to `post`, which has it run elsewhere, and await its outcome."""
    future: concurrent.futures.Future[T] = concurrent.futures.Future()
    post(lambda: _run_into(future, function, *args))
    return await asyncio.wrap_future(future)


def _run_into(future: concurrent.futures.Future[Any], function: Callable[..., Any], *args: Any) -> None:
    """Run a callback, with the future for its outcome. An interrupt goes on to the caller that waits, whenever it comes."""
    try:
        if not future.set_running_or_notify_cancel():
            return
        try:
            outcome = function(*args)
        except (StopIteration, concurrent.futures.CancelledError) as error:  # a coroutine can't raise it; it would cancel the work
            future.set_exception(RuntimeError(f"the callback raised {error!r}"))
        except Exception as error:
            future.set_exception(error)
        else:
            future.set_result(outcome)
    except BaseException as error:  # SystemExit, KeyboardInterrupt, CancelledError: for this thread; the work gets an error
        if not future.done():
            future.set_exception(ChatkitError(f"the callback ended with {type(error).__name__}"))
        raise


@contextlib.asynccontextmanager
async def heartbeat() -> AsyncIterator[None]:
    """Wake the running loop regularly: an idle loop notices the kernel's interrupt only at its next event."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(POLL)

    task = asyncio.get_running_loop().create_task(beat())
    try:
        yield
    finally:
        task.cancel()


def enable_nested_asyncio() -> None:
    """Let *your own* code call ``asyncio.run`` and ``run_until_complete`` in a cell. chatkit itself does not need it.

    It patches asyncio in the whole process, until the kernel is restarted. nest-asyncio2 is preferred. nest-asyncio 1.6 is used only
    where it is safe: with ipykernel 7 it makes "Run All" skip cells silently, and on Python 3.14 it breaks asyncio.

    Raises
    ------
    UsageError
        The running loop can't be patched (uvloop, Pyodide), or only nest-asyncio 1.6 is installed and is not safe here.
    """
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        return
    if hasattr(asyncio, "_nest_asyncio2"):
        return
    if hasattr(asyncio, "_nest_patched"):
        warnings.warn(
            "nest_asyncio 1.6 was applied before: it can lose cells, and can't be undone. Restart the kernel, and call "
            "chatkit.enable_nested_asyncio() instead of nest_asyncio.apply().",
            RuntimeWarning,
            stacklevel=2,
        )
        return
    if not isinstance(running, asyncio.BaseEventLoop):
        raise UsageError(
            f"{type(running).__module__}.{type(running).__name__} can't be nested: use `await` here, or a kernel with asyncio's own loop"
        )
    try:
        import nest_asyncio2
    except ImportError:
        nest_asyncio2 = None
    if nest_asyncio2 is not None:
        nest_asyncio2.apply()
        return
    if sys.version_info >= (3, 14) or _ipykernel_major() >= 7:
        raise UsageError("nest_asyncio 1.6 would lose cells here: pip install 'nest-asyncio2>=1.7.3', and restart the kernel")
    import nest_asyncio

    nest_asyncio.apply()


def _ipykernel_major() -> int:
    module = sys.modules.get("ipykernel")
    return module.version_info[0] if module else 0
