"""`FakeProvider`: a model provider on this machine that says, and fails, as it is told."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Sized
from types import TracebackType
from typing import Any

from chatkit.chattest.error_responses import error_response
from chatkit.chattest.loopback import Loopback
from chatkit.chattest.playback import Playback, elsewhere
from chatkit.chattest.recorded import Log, RecordedRequest
from chatkit.chattest.replies import reply
from chatkit.chattest.response import Response
from chatkit.errors import UsageError

Line = Response | str
Script = Line | Iterable[Line] | Callable[[RecordedRequest], Line]
PATIENCE = 5.0
"""Seconds that a test waits for the server at most, unless it says otherwise."""


class FakeProvider:
    """Serves Anthropic Messages, OpenAI Chat Completions and OpenAI Responses over HTTP on 127.0.0.1, from a script.

    The path of a request decides the format: ``/v1/messages``, ``/v1/chat/completions`` or ``/v1/responses``, behind any
    prefix. It runs on a thread of its own and can be asked from any thread, loop or process. Use it as a context manager,
    or call `start` and `close`.

    Parameters
    ----------
    script : Response, str, iterable of them, or callable
        One response for each request, in order; a string is a `reply` with that text. A single response serves every
        request. An iterator is read as requests come. A callable gets the `RecordedRequest` and returns the response; it
        runs on the server's thread, so it must not wait.
    title : the same, default "A scripted title"
        What title requests get, apart from the script: a request whose system prompt begins with `TITLE_PROMPT`. A single
        response serves all of them.
    listening : bool, default True
        False refuses connections until `listen`.
    keep : int, optional
        How many requests are remembered at most; all unless given.

    Raises
    ------
    UsageError
        The script holds something that is no response.

    Examples
    --------
    >>> import httpx
    >>> from chatkit.chattest import FakeProvider, anthropic_overloaded_response, reply
    >>> with FakeProvider([anthropic_overloaded_response(), reply("Hello!")]) as fake:
    ...     question = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    ...     statuses = [httpx.post(f"{fake.url}/v1/messages", json=question).status_code for _ in range(2)]
    >>> statuses, fake.requests[0].text
    ([529, 200], 'Hi')

    A script that has ended answers 400, which nothing retries, and says so in the error.
    """

    def __init__(self, script: Script = (), *, title: Script = "A scripted title", listening: bool = True, keep: int | None = None) -> None:
        self._log = Log(keep)
        self._turns = _Lines(script, "script")
        self._titles = _Lines(title, "title script")
        self._listening = listening
        self._loopback: Loopback | None = None
        self._close: Callable[[], object] = _nothing

    # ── its life ──

    def start(self) -> FakeProvider:
        """Open a port and serve; returns itself.

        Raises
        ------
        UsageError
            It was started before.
        """
        if self._loopback is not None:
            raise UsageError("this FakeProvider was started before: make a new one")
        self._loopback = loopback = Loopback(self._log, _Responder(self._log, self._turns, self._titles))
        self._close = weakref.finalize(self, loopback.close)  # also when it is forgotten, and when the process ends
        if self._listening:
            loopback.listen()
        return self

    def close(self) -> None:
        """Drop every connection and end the thread. Doing it twice is harmless."""
        self._close()

    def __enter__(self) -> FakeProvider:
        return self if self._loopback is not None else self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def _running(self) -> Loopback:
        if self._loopback is None:
            raise UsageError("start it first: `with FakeProvider(...) as fake:`")
        return self._loopback

    @property
    def closed(self) -> bool:
        """Whether it was started and has ended, its thread as well."""
        return self._loopback is not None and not self._loopback.thread.is_alive()

    # ── its address ──

    @property
    def url(self) -> str:
        """Scheme, host and port, without a slash at the end."""
        return f"http://127.0.0.1:{self._running.port}"

    @property
    def anthropic_url(self) -> str:
        """The ``base_url`` that an Anthropic client takes: without ``/v1``."""
        return self.url

    @property
    def openai_url(self) -> str:
        """The ``base_url`` that an OpenAI client takes: with ``/v1``."""
        return f"{self.url}/v1"

    # ── what it was asked ──

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests that the script answered, in order: without those for titles."""
        return self._log.chosen(lambda r: r.format is not None and not r.is_title)

    @property
    def title_requests(self) -> list[RecordedRequest]:
        """The requests for titles, in order."""
        return self._log.chosen(lambda r: r.is_title)

    @property
    def received(self) -> list[RecordedRequest]:
        """Everything that came, on whatever path, in order."""
        return self._log.chosen(lambda r: True)

    def unfinished(self, timeout: float = PATIENCE) -> list[RecordedRequest]:
        """The requests whose response is still being sent, or hangs, when so many seconds have passed; none, at once, where none is."""
        self._log.wait(lambda received: all(r.finished for r in received), timeout)
        return self._log.chosen(lambda r: not r.finished)

    @property
    def remaining(self) -> int | None:
        """How many responses of the script are left; None where that can't be known (a callable, an iterator, one for all)."""
        return self._turns.remaining

    def assert_used_up(self) -> None:
        """Fail unless the script was played to its end, and nothing was asked beyond it.

        Raises
        ------
        AssertionError
            Responses are left, or the script (or the title script) ended too early or raised.
        """
        if problems := self._log.problems:
            raise AssertionError("; ".join(problems))
        if self.remaining:
            raise AssertionError(f"{self.remaining} responses of the script were never asked for, after {len(self.requests)} requests")

    # ── what a test does with it ──

    def wait_for(
        self,
        *,
        requests: int = 0,
        titles: int = 0,
        pieces: int = 0,
        pings: int = 0,
        stalled: int = 0,
        hang_ups: int = 0,
        timeout: float = PATIENCE,
    ) -> RecordedRequest | None:
        """Wait until so much has happened, all of it, and return the newest request. From a coroutine: in a thread.

        Parameters
        ----------
        requests, titles : int
            So many requests came: those that the script answers, those for titles.
        pieces, pings : int
            So many pieces of the newest reply, so many of its pings, were sent.
        stalled : int
            So many responses hang now, at `Response.stall` or `Response.drip`.
        hang_ups : int
            So many clients left before they had their response.
        timeout : float, default 5.0
            Seconds.

        Returns
        -------
        RecordedRequest or None
            The newest request that the script answers.

        Raises
        ------
        AssertionError
            It didn't happen in time; the message says what did.
        """
        wanted = {"requests": requests, "titles": titles, "pieces": pieces, "pings": pings, "stalled": stalled, "hang_ups": hang_ups}

        def counts(received: Iterable[RecordedRequest]) -> dict[str, int]:
            turns = [r for r in received if r.format is not None and not r.is_title]
            return {
                "requests": len(turns),
                "titles": sum(r.is_title for r in received),
                "pieces": turns[-1].pieces_sent if turns else 0,
                "pings": turns[-1].pings_sent if turns else 0,
                "stalled": sum(r.stalled for r in received),
                "hang_ups": sum(r.hung_up for r in received),
            }

        def holds(received: Iterable[RecordedRequest]) -> bool:
            return all(count >= wanted[name] for name, count in counts(received).items())

        if not self._log.wait(holds, timeout):
            asked = {name: count for name, count in wanted.items() if count}
            raise AssertionError(f"waited {timeout:g} s for {asked}; there is {counts(self.received)}")
        return next(reversed(self.requests), None)

    def release(self) -> None:
        """Let every response go on that hangs now; `wait_for(stalled=1)` comes before it."""
        self._running.release()

    def refuse(self) -> None:
        """Refuse connections from now on, at the same address, and drop those that are open."""
        self._running.refuse()

    def listen(self) -> None:
        """Accept connections again, or at last."""
        self._running.listen()

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"at {self.url}" if self._loopback is not None else "not started"
        return f"<FakeProvider {state}, {len(self.requests)} requests, {len(self.title_requests)} for titles>"


class _Lines:
    """A script, handed out line by line."""

    def __init__(self, script: Script, name: str) -> None:
        self.name = name
        self._left: int | None = None
        self._next: Callable[[RecordedRequest], Any]
        if isinstance(script, Response | str):
            line = _line(script, name)
            self._next = lambda request: line
        elif callable(script):
            self._next = script
        else:
            lines: Iterator[Line]
            if isinstance(script, Sized):
                checked = [_line(line, name) for line in script]
                self._left, lines = len(checked), iter(checked)
            else:
                lines = iter(script)
            self._next = lambda request: next(lines)

    @property
    def remaining(self) -> int | None:
        return self._left

    def next(self, request: RecordedRequest) -> Response:
        """The response to this request; StopIteration where the script has ended."""
        line = _line(self._next(request), self.name)
        if self._left is not None:
            self._left -= 1
        return line


class _Responder:
    """From a request to what is played: called on the server's thread, one request at a time."""

    def __init__(self, log: Log, turns: _Lines, titles: _Lines) -> None:
        self._log = log
        self._turns = turns
        self._titles = titles
        self._counts = {turns.name: 0, titles.name: 0}

    def __call__(self, request: RecordedRequest) -> Playback:
        if request.format is None:
            return Playback(elsewhere(request), request)
        lines = self._titles if request.is_title else self._turns
        self._counts[lines.name] += 1
        try:
            return Playback(lines.next(request), request)
        except StopIteration:
            problem = f"the {lines.name} of this FakeProvider ended after {self._counts[lines.name] - 1} requests"
        except Exception as error:  # the script is the test's own code: whatever it raises belongs into its report
            problem = f"the {lines.name} of this FakeProvider raised {type(error).__name__}: {error}"
        self._log.problem(problem)
        return Playback(error_response(400, problem), request)


def _line(given: Any, name: str) -> Response:
    if isinstance(given, Response):
        return given
    if isinstance(given, str):
        return reply(given)
    raise UsageError(f"a {name} holds responses (reply(...), error_response(...) …) and strings, not {given!r}")


def _nothing() -> None:
    pass
