from __future__ import annotations

import asyncio
import concurrent.futures
import os
import signal
import subprocess
import sys
import threading
from itertools import count, takewhile

import pytest

from chatkit import Stopped, UsageError, bridge
from tests.interrupts import interrupt_at


def thread_name() -> str:
    return threading.current_thread().name


async def where() -> str:
    return thread_name()


async def forever(began: threading.Event, ended: threading.Event) -> None:
    try:
        began.set()
        await asyncio.Event().wait()
    finally:
        ended.set()


def test_work_runs_on_one_thread_of_its_own() -> None:
    assert bridge.Waiter().wait(bridge.spawn(where())) == "chatkit-io"
    assert bridge.loop() is bridge.loop()


def test_a_plain_caller_serves_calls_on_its_own_thread() -> None:
    waiter = bridge.Waiter()

    async def work() -> str:
        return await waiter.call(thread_name)

    assert waiter.wait(bridge.spawn(work())) == thread_name()


def test_an_awaiting_caller_serves_calls_on_its_own_loop() -> None:
    async def main() -> tuple[str, asyncio.AbstractEventLoop]:
        awaiter = bridge.Awaiter()

        async def work() -> tuple[str, asyncio.AbstractEventLoop]:
            return await awaiter.call(lambda: (thread_name(), asyncio.get_running_loop()))

        name, loop = await awaiter.wait(bridge.spawn(work()))
        assert loop is asyncio.get_running_loop()
        return name, loop

    assert asyncio.run(main())[0] == thread_name()


def test_where_nobody_waits_calls_run_on_a_worker_thread() -> None:
    worker = bridge.CallbackThread()

    async def work() -> str:
        return await worker.call(thread_name)

    assert bridge.Waiter().wait(bridge.spawn(work())).startswith("chatkit-worker")
    worker.close()


def test_what_a_call_raises_reaches_the_work() -> None:
    waiter = bridge.Waiter()

    def broken() -> None:
        raise LookupError("mine")

    async def work() -> None:
        await waiter.call(broken)

    with pytest.raises(LookupError, match="mine"):
        waiter.wait(bridge.spawn(work()))


async def interrupted(waiter: bridge.Waiter, ended: threading.Event) -> None:
    """Have the waiting caller interrupted, as the kernel's stop button does, and work on."""
    signalling = asyncio.create_task(waiter.call(lambda: signal.raise_signal(signal.SIGINT)))
    try:
        await asyncio.Event().wait()
    finally:
        signalling.cancel()
        ended.set()


def test_an_interrupt_cancels_the_work_and_is_raised_again() -> None:
    waiter, ended = bridge.Waiter(), threading.Event()
    future = bridge.spawn(interrupted(waiter, ended))
    with pytest.raises(KeyboardInterrupt):
        waiter.wait(future)
    assert ended.is_set()
    with pytest.raises(Stopped):
        future.outcome()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # one within the callback of a weak reference ends there
def test_an_interrupt_at_any_moment_of_a_callback_ends_the_work() -> None:
    def interrupted_at(moment: int) -> bool:
        waiter, told = bridge.Waiter(), []

        async def work() -> None:
            told.append("begun")
            try:
                await waiter.call(divmod, 9, 4)
            finally:
                told.append("ended")

        struck = interrupt_at(moment, lambda: waiter.wait(bridge.Work(work)))
        assert told in ([], ["begun", "ended"])
        return struck

    assert sum(takewhile(bool, map(interrupted_at, count(1)))) > 20


def test_a_callback_may_raise_what_no_future_holds() -> None:
    waiter = bridge.Waiter()
    with pytest.raises(RuntimeError, match="StopIteration"):
        waiter.wait(bridge.spawn(waiter.call(next, iter(()))), timeout=10)


def test_a_callback_that_raises_a_cancellation_of_its_own_does_not_cancel_the_work() -> None:
    waiter = bridge.Waiter()
    cancelled = concurrent.futures.Future[int]()
    cancelled.cancel()
    with pytest.raises(RuntimeError, match="CancelledError"):
        waiter.wait(bridge.spawn(waiter.call(cancelled.result)), timeout=10)


def test_an_interrupt_may_leave_the_work_alone() -> None:
    waiter, ended = bridge.Waiter(), threading.Event()
    future = bridge.spawn(interrupted(waiter, ended))
    with pytest.raises(KeyboardInterrupt):
        waiter.wait(future, interrupt=bridge.ignore_interrupt)
    assert not future.done()
    future.cancel()
    assert ended.wait(5)


def test_waiting_for_too_long_is_a_timeout_and_the_work_goes_on() -> None:
    began, ended = threading.Event(), threading.Event()
    future = bridge.spawn(forever(began, ended))
    with pytest.raises(TimeoutError, match="it goes on"):
        bridge.Waiter().wait(future, timeout=0.01)
    assert not future.done()
    future.cancel()


def test_cancelling_an_awaiting_caller_cancels_the_work() -> None:
    began, ended = threading.Event(), threading.Event()

    async def main() -> None:
        waiting = asyncio.create_task(bridge.Awaiter().wait(bridge.spawn(forever(began, ended))))
        await asyncio.to_thread(began.wait, 5)
        waiting.cancel()
        await waiting

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert ended.wait(5)


def test_a_blocking_call_from_the_loops_own_thread_is_refused() -> None:
    async def work() -> None:
        bridge.Waiter().wait(bridge.Work(where))

    with pytest.raises(UsageError, match="would wait for itself"):
        bridge.Waiter().wait(bridge.spawn(work()))


def test_a_heartbeat_lets_an_idle_loop_notice_what_does_not_wake_it() -> None:
    async def main() -> int:
        loop, noticed = asyncio.get_running_loop(), 0
        with bridge.heartbeat():
            for _ in range(10):  # ten times, for the loop may happen to be awake once
                done = asyncio.Event()
                thread = threading.Thread(target=lambda done=done: loop.call_soon(done.set))  # the kernel's interrupt comes like this
                thread.start()
                async with asyncio.timeout(5):
                    await done.wait()
                thread.join()
                noticed += 1
        return noticed

    assert asyncio.run(main()) == 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_gets_a_loop_of_its_own() -> None:
    program = """
import os, threading
from chatkit import bridge
async def f(): return os.getpid()
assert bridge.Waiter().wait(bridge.spawn(f())) == os.getpid()
pid = os.fork()
assert bridge.Waiter().wait(bridge.spawn(f())) == os.getpid()
if pid: assert os.waitpid(pid, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=30)


def test_what_runs_is_cancelled_when_the_process_ends() -> None:
    program = """
import asyncio, threading
from chatkit import bridge
began = threading.Event()
async def f():
    try:
        began.set()
        await asyncio.Event().wait()
    finally:
        print("wound down")
bridge.spawn(f())
began.wait(5)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert run.stdout.strip() == "wound down"
    assert run.stderr == ""


NESTED = """
import asyncio, warnings, {first}
{apply}
from chatkit import bridge
async def f():
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        return 3
print(bridge.Waiter().wait(bridge.spawn(f())))
"""


@pytest.mark.parametrize("module", ["nest_asyncio", "nest_asyncio2"])
def test_somebody_elses_nested_asyncio_does_no_harm(module: str) -> None:
    program = NESTED.format(first=module, apply=f"{module}.apply(asyncio.new_event_loop())")
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert run.stdout.strip() == "3"


ENABLE = """
import asyncio, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from chatkit import enable_nested_asyncio
{before}
async def main():
    {inside}
    enable_nested_asyncio()
    {after}
asyncio.run(main())
"""


def enable(*, before: str = "", inside: str = "pass", after: str = "pass") -> subprocess.CompletedProcess[str]:
    program = ENABLE.format(before=before, inside=inside, after=after)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)


def test_enabling_nested_asyncio_lets_the_persons_own_code_nest() -> None:
    run = enable(after="print(asyncio.get_event_loop().run_until_complete(asyncio.sleep(0, 'nested')), hasattr(asyncio, '_nest_asyncio2'))")
    assert run.stdout.split() == ["nested", "True"], run.stderr


def test_enabling_it_twice_or_without_a_loop_does_nothing() -> None:
    run = enable(
        before="enable_nested_asyncio(); assert not hasattr(asyncio, '_nest_patched')", after="enable_nested_asyncio(); print('ok')"
    )
    assert run.stdout.strip() == "ok", run.stderr


def test_an_older_patch_is_said_with_advice() -> None:
    run = enable(inside="import nest_asyncio; nest_asyncio.apply()", after="print('ok')")
    assert "Restart the kernel" in run.stderr
    assert run.stdout.strip() == "ok"


def test_the_old_package_is_refused_where_it_loses_cells() -> None:
    missing = "sys.modules['nest_asyncio2'] = None\nimport types\nfake = sys.modules['ipykernel'] = types.ModuleType('ipykernel')\nfake.version_info = (7, 4, 0)"
    run = enable(before=missing)
    assert "would lose cells here" in run.stderr
    assert "UsageError" in run.stderr


def test_a_loop_that_cannot_be_patched_is_a_clear_error() -> None:
    program = """
import asyncio
from chatkit import enable_nested_asyncio
class Alien: pass
asyncio.get_running_loop = lambda: Alien()
enable_nested_asyncio()
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert "can't be nested" in run.stderr


def test_a_connection_that_has_not_begun_as_python_ends_prints_nothing() -> None:
    code = """
import asyncio, os, anyio
from chatkit import bridge
async def end():
    connecting = asyncio.create_task(anyio.connect_tcp("127.0.0.1", 9))
    await asyncio.sleep(0)
    await bridge._bridges[os.getpid()].wind_down()
loop = bridge.loop()
kept = []
loop.call_soon_threadsafe(lambda: kept.append(loop.create_task(end())))
bridge._bridges[os.getpid()].thread.join(10)
bridge._bridges.clear()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
