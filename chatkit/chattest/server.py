"""`FakeProvider`: a model provider on this machine that replies, and fails, according to a script."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sized
from types import TracebackType
from typing import Any

from chatkit.chattest.error_responses import error_response
from chatkit.chattest.loopback import LoopbackServer
from chatkit.chattest.playback import Playback
from chatkit.chattest.recorded import RecordedRequest, RequestLog
from chatkit.chattest.replies import http_response, reply
from chatkit.chattest.response import Response
from chatkit.errors import UsageError

ScriptItem = Response | str
Script = ScriptItem | Iterable[ScriptItem] | Callable[[RecordedRequest], ScriptItem]
PATIENCE = 5.0
"""Seconds that a test waits for the server at most, by default."""


class FakeProvider:
    """Serves Anthropic Messages, OpenAI Chat Completions and OpenAI Responses over HTTP on 127.0.0.1, from a script.

    The path of a request decides the format: ``/v1/messages``, ``/v1/chat/completions`` or ``/v1/responses``, after any
    prefix. The server runs on its own thread, and any thread, event loop or process can send requests. Use it as a context
    manager, or call `start` and `close`.

    Parameters
    ----------
    script : Response, str, iterable of them, or callable
        One response per request, in order; a string is a `reply` with that text. A single response answers every request.
        An iterator is read as requests arrive. A callable gets the `RecordedRequest` and returns the response; it runs on
        the server's thread, so it must not block.
    title : the same, default "A scripted title"
        The script for title requests: those whose system prompt begins with `TITLE_PROMPT`. A single response answers all
        of them.
    listening : bool, default True
        False refuses connections until `listen` is called.
    keep : int, optional
        How many of the newest requests are kept; all by default.

    Raises
    ------
    UsageError
        The script holds something other than responses and strings.

    Examples
    --------
    >>> import httpx
    >>> from chatkit.chattest import FakeProvider, anthropic_overloaded_response, reply
    >>> with FakeProvider([anthropic_overloaded_response(), reply("Hello!")]) as fake:
    ...     question = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    ...     statuses = [httpx.post(f"{fake.url}/v1/messages", json=question).status_code for _ in range(2)]
    >>> statuses, fake.requests[0].text
    ([529, 200], 'Hi')

    After the end of the script, requests get a 400 error, which chatkit doesn't retry and whose message gives the reason.
    """

    def __init__(self, script: Script = (), *, title: Script = "A scripted title", listening: bool = True, keep: int | None = None) -> None:
        self._log = RequestLog(keep)
        self._script = _Script(script, "script")
        self._title_script = _Script(title, "title script")
        self._listening = listening
        self._server: LoopbackServer | None = None
        self._close: Callable[[], object] = lambda: None

    # ── start and end ──

    def start(self) -> FakeProvider:
        """Open a port and serve; returns the provider itself.

        Raises
        ------
        UsageError
            It was started before.
        """
        if self._server is not None:
            raise UsageError("this FakeProvider was started before: make a new one")
        self._server = server = LoopbackServer(self._log, _responder(self._log, self._script, self._title_script))
        self._close = weakref.finalize(self, server.close)  # also when it is garbage-collected, and when the process ends
        if self._listening:
            self.listen()
        return self

    def close(self) -> None:
        """Drop every connection and end the thread. It can be called twice."""
        self._close()

    def __enter__(self) -> FakeProvider:
        return self if self._server is not None else self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def _running(self) -> LoopbackServer:
        if self._server is None:
            raise UsageError("start it first: `with FakeProvider(...) as fake:`")
        return self._server

    @property
    def closed(self) -> bool:
        """Whether it was started and has ended, including its thread."""
        return self._server is not None and not self._server.thread.is_alive()

    # ── addresses ──

    @property
    def url(self) -> str:
        """Scheme, host and port, without a slash at the end."""
        return f"http://127.0.0.1:{self._running.port}"

    @property
    def anthropic_url(self) -> str:
        """The ``base_url`` for an Anthropic client, which is without ``/v1``."""
        return self.url

    @property
    def openai_url(self) -> str:
        """The ``base_url`` for an OpenAI client, which ends in ``/v1``."""
        return f"{self.url}/v1"

    # ── requests ──

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests that the script answered, in order. Title requests are in `title_requests`."""
        return self._log.chosen(_is_scripted)

    @property
    def title_requests(self) -> list[RecordedRequest]:
        """The title requests, in order."""
        return self._log.chosen(lambda r: r.is_title)

    @property
    def received(self) -> list[RecordedRequest]:
        """All requests, to any path, in order."""
        return self._log.chosen(lambda r: True)

    def unfinished(self, timeout: float = PATIENCE) -> list[RecordedRequest]:
        """The requests whose response hasn't ended after `timeout` seconds. Returns an empty list as soon as all have ended."""
        self._log.wait(lambda received: all(r.finished for r in received), timeout)
        return self._log.chosen(lambda r: not r.finished)

    @property
    def remaining(self) -> int | None:
        """The number of responses left in the script; None if it can't be known (a callable, an iterator, one response for all)."""
        return self._script.remaining

    def assert_used_up(self) -> None:
        """Fail unless every response of the script was requested, and nothing after its end.

        Raises
        ------
        AssertionError
            Responses are left, or the script (or the title script) ended too early or raised an error.
        """
        if problems := self._log.problems:
            raise AssertionError("; ".join(problems))
        if self.remaining:
            raise AssertionError(f"{self.remaining} responses of the script were never asked for, after {len(self.requests)} requests")

    # ── control ──

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
        """Wait until all of these numbers are reached, and return the newest request. In a coroutine, call it in a thread.

        Parameters
        ----------
        requests, titles : int
            Requests received: those that the script answers, and title requests.
        pieces, pings : int
            Pieces and pings sent in the newest reply.
        stalled : int
            Responses that hang now, at `Response.stall` or `Response.drip`.
        hang_ups : int
            Clients that left before their response had been sent.
        timeout : float, default 5.0
            Seconds.

        Returns
        -------
        RecordedRequest or None
            The newest request that the script answers.

        Raises
        ------
        AssertionError
            The numbers weren't reached in time; the message gives the actual ones.
        """
        wanted = {"requests": requests, "titles": titles, "pieces": pieces, "pings": pings, "stalled": stalled, "hang_ups": hang_ups}

        def counts(received: Iterable[RecordedRequest]) -> dict[str, int]:
            scripted = [r for r in received if _is_scripted(r)]
            return {
                "requests": len(scripted),
                "titles": sum(r.is_title for r in received),
                "pieces": scripted[-1].pieces_sent if scripted else 0,
                "pings": scripted[-1].pings_sent if scripted else 0,
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
        """Let every response that hangs now go on. Call `wait_for(stalled=1)` first."""
        self._running.run(self._running.release())

    def refuse(self) -> None:
        """Refuse connections from now on, at the same address, and drop those that are open."""
        self._running.run(self._running.refuse())

    def listen(self) -> None:
        """Accept connections, after `refuse` or ``listening=False``."""
        self._running.run(self._running.listen())

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"at {self.url}" if self._server is not None else "not started"
        return f"<FakeProvider {state}, {len(self.requests)} requests, {len(self.title_requests)} for titles>"


def _is_scripted(request: RecordedRequest) -> bool:
    return request.format is not None and not request.is_title


class _Script:
    """A script that gives one response after another; `remaining` is None if it doesn't know how many are left."""

    def __init__(self, script: Script, name: str) -> None:
        self.name = name
        self.asked = 0
        self.remaining: int | None = None
        self._next: Callable[[RecordedRequest], Any]
        if isinstance(script, Response | str):
            only = self._checked(script)
            self._next = lambda request: only
        elif callable(script):
            self._next = script
        else:
            if isinstance(script, Sized):
                script = [self._checked(item) for item in script]
                self.remaining = len(script)
            items = iter(script)
            self._next = lambda request: next(items)

    def next(self, request: RecordedRequest) -> Response:
        """The response to this request; StopIteration after the end of the script."""
        self.asked += 1
        response = self._checked(self._next(request))
        if self.remaining is not None:
            self.remaining -= 1
        return response

    def _checked(self, item: Any) -> Response:
        if isinstance(item, str):
            return reply(item)
        if not isinstance(item, Response):
            raise UsageError(f"a {self.name} holds responses (reply(...), error_response(...) …) and strings, not {item!r}")
        return item


def _responder(log: RequestLog, script: _Script, title_script: _Script) -> Callable[[RecordedRequest], Playback]:
    """The function from a request to its playback, which the server's thread calls for one request at a time."""

    def respond(request: RecordedRequest) -> Playback:
        if request.format is None:
            return Playback(_unscripted(request), request)
        chosen = title_script if request.is_title else script
        try:
            return Playback(chosen.next(request), request)
        except StopIteration:
            problem = f"the {chosen.name} of this FakeProvider ended after {chosen.asked - 1} requests"
        except Exception as error:  # the script is code of the test: assert_used_up() reports whatever it raises
            problem = f"the {chosen.name} of this FakeProvider raised {type(error).__name__}: {error}"
        log.problem(problem)
        return Playback(error_response(400, problem), request)

    return respond


def _unscripted(request: RecordedRequest) -> Response:
    """The response for a path that belongs to no format: the list of models, which the vendors' SDKs ask for, or 404."""
    if request.method == "GET" and request.prefix.endswith("/models"):
        model = {"id": "fake", "object": "model", "type": "model", "display_name": "Fake", "owned_by": "chattest"}
        dates = {"created": 1_795_165_200, "created_at": "2026-11-20T09:00:00Z"}
        page = {"has_more": False, "first_id": "fake", "last_id": "fake"}
        return http_response(200, {"object": "list", "data": [model | dates], **page})
    message = f"FakeProvider serves /v1/messages, /v1/chat/completions and /v1/responses, not {request.method} {request.path}"
    error = {"type": "not_found_error", "message": message, "param": None, "code": None}
    return http_response(404, {"type": "error", "error": error})
