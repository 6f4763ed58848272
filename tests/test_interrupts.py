"""After an interrupt at any moment the chat can be used again, and the loop's thread answers."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest

from chatkit import Chat
from chatkit.chattest import FakeProvider, anthropic_overloaded_response, reply
from tests.interrupts import CALLS, TEXT, chat_at, check, interrupt_at


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeProvider]:
    with FakeProvider(reply(TEXT)) as fake:
        yield fake


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # one within the callback of a weak reference ends there
@pytest.mark.parametrize("name", CALLS)
def test_an_interrupt_at_any_moment_leaves_the_chat_usable(fake: FakeProvider, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATKIT_DISPLAY", "terminal")
    chat, call = chat_at(fake), CALLS[name]
    for _ in range(2):  # the imports of the first one are another matter
        call(chat)
    check(chat)
    for moment in itertools.count(1):
        struck = interrupt_at(moment, lambda: call(chat))
        check(chat)
        if not struck:
            break
    assert moment > 10


def _raise(error: BaseException) -> NoReturn:
    raise error


def _leave(chat: Chat, error: BaseException) -> None:
    for _ in chat.stream("Hello"):
        raise error


ENDING: dict[str, Callable[[Chat, BaseException], object]] = {
    "on_retry": lambda chat, error: chat.ask("Hello", show=False),
    "display": lambda chat, error: chat.ask("Hello", show=lambda commands: _raise(error)),  # type: ignore[arg-type, return-value]
    "loop over events": _leave,
}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("place", ENDING)
def test_what_ends_the_callers_code_leaves_the_chat_usable(place: str, error: type[BaseException]) -> None:
    first = anthropic_overloaded_response() if place == "on_retry" else reply(TEXT).stall(after=2)
    with FakeProvider(lambda request: reply(TEXT) if request.text == "And?" else first) as fake:
        chat = chat_at(fake)
        chat.on_retry = lambda notice: _raise(error())
        with pytest.raises(error):
            ENDING[place](chat, error())
        assert chat.stop() is False
        check(chat)


def said(fake: FakeProvider, program: str) -> str:
    """What a program says, which has a chat and must end soon."""
    head = f"import chatkit as ck\nchat = ck.Chat('anthropic:m', base_url={fake.anthropic_url!r}, api_key='k', title=None, instructions=False)\n"
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", head + program], capture_output=True, text=True, timeout=30)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip() or run.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_an_interrupt_at_any_moment_of_the_first_use_leaves_the_next_usable() -> None:
    program = """
import itertools, os, signal
from chatkit import bridge
from tests.interrupts import interrupt_at
for moment in itertools.count(1):
    if not (pid := os.fork()):  # each begins anew
        signal.alarm(10)
        try: struck = interrupt_at(moment, lambda: bridge.call_soon(lambda: 4).result(5))
        except RuntimeError: struck = True  # what becomes of an interrupt within threading.Thread.start
        os._exit(bridge.call_soon(lambda: 4).result(5) + struck)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (4, 5), code
    if code == 4: break
print(moment > 20)
"""
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=60)
    assert run.stdout.strip() == "True", run.stderr


def test_a_first_use_that_fails_leaves_the_chat_free(fake: FakeProvider) -> None:
    program = """
import resource
free, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (len(__import__("os").listdir("/dev/fd")) - 1, most))
try: chat.ask("Hello")
except OSError as error: print(error.strerror)
resource.setrlimit(resource.RLIMIT_NOFILE, (free, most))
print(chat.stop(), chat.ask("Hello").text)
"""
    assert said(fake, program) == f"Too many open files\nFalse {TEXT}"


AT_EXIT = {
    "ask": "chat.ask('Hello')",
    "stream": "list(chat.stream('Hello'))",
    "Chat": "ck.Chat('demo')",
    "title": "ck.title('Hello', 'anthropic:m', api_key='k', base_url=chat_url)",
}


@pytest.mark.parametrize("call", AT_EXIT.values(), ids=AT_EXIT)
@pytest.mark.parametrize("before", ["", "chat.ask('Hello')"], ids=["unused", "used"])
def test_what_is_asked_as_python_ends_is_refused_at_once(fake: FakeProvider, call: str, before: str) -> None:
    program = f"""
chat_url = {fake.anthropic_url!r}
class Last:
    def __del__(self): {call}
last = Last()
{before}
"""
    assert re.search("ChatkitError: Python is ending|ImportError: .* Python is likely shutting down", said(fake, program))


def test_what_is_asked_in_an_exit_handler_works(fake: FakeProvider) -> None:
    assert said(fake, "import atexit; chat.undo(); atexit.register(lambda: print(chat.ask('Hello').text))") == TEXT


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_can_use_a_chat_that_was_busy(fake: FakeProvider) -> None:
    with FakeProvider([reply(TEXT).stall(after=2), reply(TEXT)]) as stalling:
        program = """
import os
import re
run = chat.submit("Hello")
while not chat._hub.transcript.parts: pass
pid = os.fork()
if not pid:
    try: run.result(5)
    except ck.ChatkitError as error: print(error)
    print(chat.stop())
    print(chat.ask("And?").text, [m.text for m in chat.messages], chat.status, flush=True)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
run.stop()
"""
        refused, stopped, answered = said(stalling, program).splitlines()
    assert "it can be waited for only there" in refused
    assert stopped == "False"
    assert answered == f"{TEXT} ['And?', '{TEXT}'] waiting"
