"""The provider ``demo``: a script on this machine that streams, and fails on cue. No key, no network, no model.

It is a real provider over real HTTP: `chatkit.chattest` serves Anthropic's format on 127.0.0.1, one server for the
process. Each chat has a script of its own, which counts attempts from the conversation alone, so that the same notebook
shows the same thing each time.
"""

from __future__ import annotations

import difflib
import itertools
import math
import os
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from chatkit.errors import UsageError
from chatkit.parts import Usage
from chatkit.providers.anthropic import AnthropicMessages
from chatkit.providers.demo_answers import answer, title
from chatkit.providers.http import Provider

if TYPE_CHECKING:
    from chatkit.chattest import FakeProvider, RecordedRequest, Response

SPEED = 40.0
"""Words a second, unless ``CHATKIT_DEMO_SPEED`` says otherwise."""
SLOW = 20.0
"""Seconds that a reply of ``demo:slow`` takes at that speed."""
MAX_CONTEXT_TOKENS = 4096
"""Tokens, words that is, of the demo's context window."""
CUT_AFTER = 8
"""Words that ``demo:flaky`` says before it is cut off."""

Plan = Callable[[int], list[str]]
"""From the number of the question in its chat, counted from 1, to what its attempts get; the last one ends it."""


def _flaky(question: int) -> list[str]:
    if question == 1:
        return ["overloaded", "cut early", "reply"]
    return ["reply"] if question % 2 else ["overloaded", "reply"]


VARIANTS: dict[str, Plan] = {
    "flaky": _flaky,
    "steady": lambda question: ["reply"],
    "overloaded": lambda question: ["overloaded"] * 3 + ["reply"],
    "cut": lambda question: ["cut", "cut", "reply"],
    "ratelimit": lambda question: ["rate limit", "reply"],
    "down": lambda question: ["overloaded"],
    "slow": lambda question: ["slow reply"],
}
"""What follows ``demo:``. ``demo`` alone is ``demo:flaky``."""


def connect_demo(variant: str = "", *, speed: float | None = None) -> Provider:
    """A scripted provider, with a script of its own.

    Parameters
    ----------
    variant : str, default ""
        How it fails:

        - ``flaky``, the default: the first question of a chat gets 529 (overloaded), then a reply that is cut off after
          8 words, then the whole reply; of the later ones every other gets one 529.
        - ``steady``: never fails.
        - ``overloaded``: three times 529, then the reply.
        - ``cut``: cut off in the middle twice, then the reply.
        - ``ratelimit``: 429 with ``retry-after: 3``, then the reply.
        - ``down``: 529 for ever.
        - ``slow``: a reply that takes 20 seconds.
    speed : float, optional
        Words a second, ``math.inf`` for all at once; unless given, the environment's ``CHATKIT_DEMO_SPEED``, else 40.

    Returns
    -------
    Provider
        ``demo``, over the wire format of Anthropic.

    Raises
    ------
    UsageError
        No such variant, or a speed that is none.

    Examples
    --------
    >>> connect_demo().label, connect_demo("steady").label
    ('demo', 'demo:steady')
    """
    name = variant or "flaky"
    if name not in VARIANTS:
        near = difflib.get_close_matches(name.lower(), VARIANTS, 1)
        hint = f"did you mean demo:{near[0]}? " if near else ""
        raise UsageError(f"there is no demo:{variant}: {hint}There are {', '.join(f'demo:{known}' for known in VARIANTS)}.")
    script = _Script(VARIANTS[name], _speed(speed))
    stage = _stage()
    prefix, url = stage.open(script)
    wire = AnthropicMessages()
    provider = Provider("demo", name, wire, url + wire.path, context_limit=MAX_CONTEXT_TOKENS)
    provider.label = f"demo:{variant}" if variant else "demo"
    weakref.finalize(provider, stage.scripts.pop, prefix, None).atexit = False
    return provider


def _speed(given: float | None) -> float:
    setting = os.environ.get("CHATKIT_DEMO_SPEED") or SPEED
    try:
        speed = float(setting if given is None else given)
    except ValueError:
        speed = math.nan
    if not speed > 0:
        raise UsageError(
            f"the demo's speed is {given if given is not None else setting!r}: give words a second, above 0, or inf for all at once"
        )
    return speed


class _Script:
    """One chat's script: which attempt of which question comes next."""

    def __init__(self, plan: Plan, speed: float) -> None:
        self._plan = plan
        self._delay = 1 / speed
        self._asked: list[tuple[str, str]] | None = None
        self._attempt = 0
        self._last: RecordedRequest | None = None

    def respond(self, request: RecordedRequest) -> Response:
        """What this attempt gets. A script that was played to its end, or whose reply was stopped, begins anew."""
        conversation = request.messages
        stopped = self._last is not None and self._last.hung_up
        if conversation != self._asked or stopped:
            self._asked, self._attempt = conversation, 0
        plan = self._plan(max(1, sum(role == "user" for role, _ in conversation)))
        act = plan[self._attempt]
        self._attempt = (self._attempt + 1) % len(plan)
        self._last = request
        return self._act(act, answer(request.text), sum(len(text.split()) for _, text in conversation))

    def _act(self, act: str, text: str, asked: int) -> Response:
        from chatkit.chattest import anthropic_overloaded_response, anthropic_rate_limit_response, reply

        usage = Usage(input_tokens=asked, output_tokens=len(text.split()))
        whole = reply(text, delay=self._delay, usage=usage)
        match act:
            case "overloaded":
                return anthropic_overloaded_response()
            case "rate limit":
                return anthropic_rate_limit_response(retry_after=3)
            case "cut early":
                return whole.half_close(after=CUT_AFTER)
            case "cut":
                return whole.half_close(after=whole.pieces // 2)
            case "slow reply":
                return reply(text, delay=self._delay * SPEED * SLOW / whole.pieces, usage=usage)
            case _:
                return whole


class _Stage:
    """The one server of this process; each script lives under a path of its own."""

    def __init__(self) -> None:
        from chatkit.chattest import FakeProvider

        self.pid = os.getpid()
        self.scripts: dict[str, _Script] = {}
        self._serial = itertools.count(1)
        scripts = self.scripts
        self.fake: FakeProvider = FakeProvider(
            lambda request: scripts[request.prefix].respond(request), title=lambda request: title(request.text), keep=1
        ).start()

    def open(self, script: _Script) -> tuple[str, str]:
        """Give the script a path; its prefix and the base URL."""
        prefix = f"/chat{next(self._serial)}"
        self.scripts[prefix] = script
        return prefix, self.fake.url + prefix


_lock = threading.Lock()
_the_stage: _Stage | None = None


def _stage() -> _Stage:
    """Set up at first use, and anew after a fork."""
    global _the_stage
    with _lock:
        if _the_stage is None or _the_stage.pid != os.getpid():
            _the_stage = _Stage()
        return _the_stage
