"""Interrupts of the main thread at the worst moments; ``python -m tests.interrupts`` sends real ones at random, by the thousand.

CPython handles a signal between two steps of the main thread's code: after a call of a C function, as a function begins, and where a
loop jumps back. `interrupt_at` strikes at the nth of these moments, whether it is in chatkit's code or in the standard library's.
"""

from __future__ import annotations

import _thread
import argparse
import contextlib
import ctypes
import itertools
import queue
import random
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from functools import partial

import chatkit as ck
from chatkit import bridge
from chatkit.chattest import FakeProvider, reply
from chatkit.clock import Flag, SystemClock

PATIENCE = 5.0
"""Seconds in which a chat must be free again, and the loop's thread must answer."""
TEXT = "All is as it was."
SECONDS = 0.012
"""For a reply to a real interrupt: it comes at any moment of that time, before it, or after it."""

# in C from end to end: a handler in Python would have such moments of its own, and be called in itself
_next = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object, ctypes.c_int, ctypes.py_object)(("PyIter_Next", ctypes.pythonapi))


def interrupt_at(moment: int, function: Callable[[], object]) -> bool:
    """Call a function, and interrupt it at this moment, from 1. False if it has fewer."""
    # at every moment the handler has the signal come again, until it raises
    again = map(_thread.interrupt_main, itertools.repeat(signal.SIGINT, moment))
    last = iter((signal.SIGINT,))
    moments = itertools.chain(again, map(signal.default_int_handler, last, (None,)))
    before = signal.signal(signal.SIGINT, partial(_next, moments))
    try:
        with contextlib.suppress(KeyboardInterrupt):
            try:
                _thread.interrupt_main()
                function()
            finally:
                signal.signal(signal.SIGINT, {}.get)  # which does nothing
    finally:
        signal.signal(signal.SIGINT, before)
    return not list(last)


class _Hasty(SystemClock):
    """The system's clock, with pauses of a millisecond."""

    def pause(self, seconds: float, wake: Flag) -> None:
        super().pause(0.001, wake)


def _fails_once() -> Callable[[], int]:
    outcomes = iter((ConnectionResetError(), 4))

    def function() -> int:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return function


def _stops(chat: ck.Chat) -> None:
    run = chat.submit("Hello", show=False)
    chat.stop()
    with contextlib.suppress(ck.Stopped):
        run.result()


def _loops(chat: ck.Chat) -> None:
    for event in chat.stream("Hello"):
        str(event)


def _leaves(chat: ck.Chat) -> None:
    with chat.stream("Hello") as stream:
        next(iter(stream))


def _tries_again() -> int:
    function = _fails_once()
    for attempt in ck.retry_context(clock=_Hasty(), show=False):
        with attempt:
            return function()
    raise AssertionError


CALLS: dict[str, Callable[[ck.Chat], object]] = {
    "ask": lambda chat: chat.ask("Hello", show=False),
    "ask and show": lambda chat: chat.ask("Hello", show=True),
    "submit": lambda chat: chat.submit("Hello", show=False).result(),
    "submit and stop": _stops,
    "stream": _loops,
    "stream and leave": _leaves,
    "undo": lambda chat: chat.undo(),
    "title": lambda chat: setattr(chat, "title", "New"),
    "retry": lambda chat: ck.retry(_fails_once(), clock=_Hasty(), show=False),
    "retry_context": lambda chat: _tries_again(),
    "retry and show": lambda chat: ck.retry(_fails_once(), clock=_Hasty(), show=True),
}
"""What is interrupted."""


def chat_at(fake: FakeProvider) -> ck.Chat:
    """A chat with this provider, whose replies are `TEXT`."""
    return ck.Chat("anthropic:m", base_url=fake.anthropic_url, api_key="k", title=None, instructions=False)


def check(chat: ck.Chat) -> None:
    """The loop's thread answers, and the chat can be used again."""
    assert bridge.call_soon(lambda: 4).result(PATIENCE) == 4
    end = time.monotonic() + PATIENCE
    while True:
        try:
            assert chat.submit("And?", show=False).result(PATIENCE).text == TEXT
            break
        except ck.Busy:
            assert time.monotonic() < end, "the chat stays busy"
            chat.stop()
            time.sleep(0.001)
    while chat.undo():  # or the requests grow
        pass


def storm(chat: ck.Chat, signals: int, chance: random.Random, ended: Counter[str]) -> None:
    """Send real interrupts to calls of this chat, and count how these ended."""
    orders: queue.SimpleQueue[float] = queue.SimpleQueue()
    main_thread = threading.main_thread().ident
    assert main_thread is not None

    def strike() -> None:
        while True:
            time.sleep(orders.get())
            signal.pthread_kill(main_thread, signal.SIGINT)

    threading.Thread(target=strike, daemon=True).start()
    for number in range(1, signals + 1):
        name, outcome = chance.choice(list(CALLS)), "interrupted"
        try:
            try:
                orders.put(chance.uniform(0, 1.5 * SECONDS))
                CALLS[name](chat)
                outcome = "whole"
                time.sleep(PATIENCE)  # until the interrupt comes
            except KeyboardInterrupt:
                check(chat)
        except Exception:
            outcome = "WRONG"
            print(f"signal {number}, {name}:", file=sys.stderr)
            traceback.print_exc()
        ended[f"{name}: {outcome}"] += 1


def main() -> int:
    """Send real interrupts, and count how the calls took them."""
    parser = argparse.ArgumentParser(prog="python -m tests.interrupts", description=main.__doc__)
    parser.add_argument("--signals", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    ended = Counter[str]()
    with FakeProvider(reply(TEXT, delay=SECONDS / len(TEXT.split()))) as fake:
        storm(chat_at(fake), options.signals, random.Random(options.seed), ended)
    print(f"seed {options.seed}", *(f"{count:6} {what}" for what, count in sorted(ended.items())), sep="\n")
    return int(any("WRONG" in what for what in ended))


if __name__ == "__main__":
    sys.exit(main())
