"""The provider ``demo``: a script on this machine that streams and fails on cue, without a key, a network or a model.

It is a real provider over real HTTP: `chatkit.chattest` serves Anthropic's format on 127.0.0.1, with one server per process.
Each chat has a script of its own, which counts attempts from the conversation alone, so that the same notebook shows the
same thing each time.
"""

from __future__ import annotations

import difflib
import itertools
import math
import os
import re
import threading
import weakref
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from chatkit.errors import UsageError
from chatkit.parts import Usage
from chatkit.providers.anthropic import AnthropicMessages
from chatkit.providers.http import Provider

if TYPE_CHECKING:
    from chatkit.chattest import FakeProvider, RecordedRequest, Response

WORDS_PER_SECOND = 40.0
"""The speed, unless ``CHATKIT_DEMO_SPEED`` sets another."""
SLOW_SECONDS = 20.0
"""How long a reply of ``demo:slow`` takes at that speed."""
MAX_CONTEXT_TOKENS = 4096
"""The demo's context window; its tokens are words."""
CUT_AFTER_WORDS = 8
"""Where the second attempt of ``demo:flaky`` is cut off."""

LABEL = "*Scripted demo on this machine: no model answered.*"
"""The last line of every answer."""

VARIANTS = {
    "flaky": ["overloaded", "cut early", "reply"],
    "steady": ["reply"],
    "overloaded": ["overloaded", "overloaded", "overloaded", "reply"],
    "cut": ["cut", "cut", "reply"],
    "ratelimit": ["rate limit", "reply"],
    "down": ["overloaded"],
    "slow": ["slow reply"],
}
"""What follows ``demo:``, and what the attempts of a chat's first prompt get. ``demo`` alone is ``demo:flaky``."""


def connect_demo(variant: str = "", *, speed: float | None = None) -> Provider:
    """A scripted provider with a script of its own; `speed` is in words per second, and ``math.inf`` sends all at once.

    >>> connect_demo().label, connect_demo("steady").label
    ('demo', 'demo:steady')
    """
    script, server, wire = DemoScript(variant or "flaky", speed), demo_server(), AnthropicMessages()
    prefix = server.open(script)
    provider = Provider("demo", script.variant, wire, server.fake.url + prefix + wire.path, context_limit=MAX_CONTEXT_TOKENS)
    provider.label = f"demo:{variant}" if variant else "demo"
    weakref.finalize(provider, server.scripts.pop, prefix, None).atexit = False
    return provider


class DemoScript:
    """One chat's script: what each attempt gets. It begins anew after its end, and after a reply that was stopped."""

    def __init__(self, variant: str, speed: float | None = None) -> None:
        if variant not in VARIANTS:
            near = difflib.get_close_matches(variant.lower(), VARIANTS, 1)
            hint = f": did you mean demo:{near[0]}?" if near else "."
            raise UsageError(f"there is no demo:{variant}{hint} There are {', '.join(f'demo:{known}' for known in VARIANTS)}.")
        self.variant = variant
        self._delay = 1 / _words_per_second(speed)
        self._conversation: list[tuple[str, str]] | None = None
        self._attempt = 0
        self._last: RecordedRequest | None = None

    def respond(self, request: RecordedRequest) -> Response:
        """The response to one attempt."""
        conversation = request.messages
        stopped = self._last is not None and self._last.hung_up
        if conversation != self._conversation or stopped:
            self._conversation, self._attempt = conversation, 0
        plan = VARIANTS[self.variant]
        prompts = sum(role == "user" for role, _ in conversation)
        if self.variant == "flaky" and prompts > 1:  # every other later prompt fails once
            plan = ["reply"] if prompts % 2 else ["overloaded", "reply"]
        act = plan[self._attempt]
        self._attempt = (self._attempt + 1) % len(plan)
        self._last = request
        return self._act(act, answer(request.text), sum(len(text.split()) for _, text in conversation))

    def _act(self, act: str, text: str, input_words: int) -> Response:
        from chatkit.chattest import anthropic_overloaded_response, anthropic_rate_limit_response, reply

        usage = Usage(input_tokens=input_words, output_tokens=len(text.split()))
        whole = reply(text, delay=self._delay, usage=usage)
        match act:
            case "overloaded":
                return anthropic_overloaded_response()
            case "rate limit":
                return anthropic_rate_limit_response(retry_after=3)
            case "cut early":
                return whole.half_close(after=CUT_AFTER_WORDS)
            case "cut":
                return whole.half_close(after=whole.pieces // 2)
            case "slow reply":
                return reply(text, delay=self._delay * WORDS_PER_SECOND * SLOW_SECONDS / whole.pieces, usage=usage)
            case _:
                return whole


def _words_per_second(speed: float | None) -> float:
    setting = speed if speed is not None else os.environ.get("CHATKIT_DEMO_SPEED") or WORDS_PER_SECOND
    try:
        number = float(setting)
    except ValueError:
        number = math.nan
    if not number > 0:
        raise UsageError(f"the demo's speed is {setting!r}: give words per second, above 0, or inf for all at once")
    return number


class DemoServer:
    """The one server of this process, with each script under a path of its own."""

    def __init__(self) -> None:
        from chatkit.chattest import FakeProvider

        self.pid = os.getpid()
        self.scripts: dict[str, DemoScript] = {}
        self._serial = itertools.count(1)
        scripts = self.scripts
        self.fake: FakeProvider = FakeProvider(
            lambda request: scripts[request.prefix].respond(request), title=lambda request: demo_title(request.text), keep=1
        ).start()

    def open(self, script: DemoScript) -> str:
        """Give the script a path, which is returned."""
        prefix = f"/chat{next(self._serial)}"
        self.scripts[prefix] = script
        return prefix


_lock = threading.Lock()
_server: DemoServer | None = None


def demo_server() -> DemoServer:
    """The server, which is started on first use, and again after a fork."""
    global _server
    with _lock:
        if _server is None or _server.pid != os.getpid():
            _server = DemoServer()
        return _server


class Topic(NamedTuple):
    """An answer, the title of a chat about it, and the words that ask for it."""

    title: str
    words: re.Pattern[str]
    text: str


@cache
def topics() -> tuple[Topic, ...]:
    """The sections of ``demo_answers.md``: a heading, a comment with the words, and the answer. The last has no words."""
    text = (files("chatkit.providers") / "demo_answers.md").read_text("utf-8")
    sections = [section.strip().split("\n\n", 2) for section in text.split("\n# ")[1:]]
    return tuple(Topic(title, re.compile(rf"\b(?:{words[5:-4]})", re.IGNORECASE), body) for title, words, body in sections)


def _topic(prompt: str) -> Topic:
    """The topic whose words occur most often, the first of several such topics, or the last if no word occurs."""
    counts = [len(topic.words.findall(prompt)) for topic in topics()]
    return topics()[counts.index(max(counts)) if any(counts) else -1]


def answer(prompt: str) -> str:
    """The answer to a prompt, which is always the same.

    >>> answer("And without jitter?").splitlines()[0][:38]
    '**Jitter spreads retries out in time.*'
    >>> answer("And without jitter?").endswith(LABEL)
    True
    """
    return f"{_topic(prompt).text}\n\n{LABEL}"


_SMALL_WORDS = re.compile(
    r"a|about|an|and|are|can|could|do|does|explain|give|how|i|is|it|know|like|me|my|of|or|please|show|so|tell|the|then|to|want|was|what|when"
    r"|where|which|who|why|will|would|you",
    re.IGNORECASE,
)


def demo_title(prompt: str) -> str:
    """A short title: that of the topic, or the prompt's own words without the small ones at its start.

    >>> demo_title("Why do clients back off?"), demo_title("Could you please tell me about the tallest trees of the world, and why?")
    ('Why clients back off', 'Tallest trees of the world and why')
    """
    topic = _topic(prompt)
    if topic is not topics()[-1]:
        return topic.title
    words = re.findall(r"\w[\w'’-]*", prompt)
    while len(words) > 1 and _SMALL_WORDS.fullmatch(words[0]):
        words.pop(0)
    text = " ".join(words[:7])[:60].rstrip()
    return text[:1].upper() + text[1:] or "A question without words"
