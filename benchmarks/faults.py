"""The result for a stream that breaks after 10 of 40 words, in all three formats."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.processes import ROOT
from benchmarks.table import Row
from chatkit import Chat
from chatkit.chattest import FakeClock, FakeProvider, Response, reply
from chatkit.events import Event, Retry
from chatkit.fold import Transcript

WORDS = " ".join(f"word{n}" for n in range(1, 41))
AFTER = 10
FORMATS = {"Anthropic": "anthropic", "Chat Completions": "openai-compat", "Responses": "openai"}
SDKS = {"Anthropic": "anthropic", "Chat Completions": "openai", "Responses": "openai"}
FAULTS: dict[str, Response] = {
    "reset": reply(WORDS).reset(after=AFTER),
    "clean end": reply(WORDS).cut(after=AFTER),
    "error frame": reply(WORDS).error_frame(after=AFTER),
}
MAX_PEER_SECONDS = 60.0


def fault_rows(peers: Mapping[str, Path], env: Mapping[str, str]) -> Iterator[Row]:
    """Play each fault in each format, followed by a good reply, for chatkit and for the vendors' SDKs with their default retries."""
    for format, provider in FORMATS.items():
        for fault, broken in FAULTS.items():
            with FakeProvider([broken, WORDS]) as fake:
                events, text = _streamed(provider, fake)
                requests = len(fake.requests)
            shown = Transcript(events).messages[-1].text
            retries = sum(isinstance(event, Retry) for event in events)
            whole = text == shown == WORDS
            yield Row(
                f"{fault} after {AFTER} of 40 words, {format}",
                f"{'each word once' if whole else f'{len(shown.split())} words'}, {_count(requests, 'request')}, {retries} retry",
                _sdk(SDKS[format], format, broken, peers, env),
                must="each word once, 2 requests, 1 retry",
                ok=whole and requests == 2 and retries == 1,
            )


def _streamed(provider: str, fake: FakeProvider) -> tuple[list[Event], str]:
    """All events of one turn, and the reply's text."""
    url = fake.anthropic_url if provider == "anthropic" else fake.openai_url
    with Chat(f"{provider}:loopback-1", api_key="none", base_url=url, title=None, clock=FakeClock()) as chat:
        with chat.stream("Count.") as stream:
            events = list(stream)
        return events, stream.reply.text


def _sdk(name: str, format: str, broken: Response, peers: Mapping[str, Path], env: Mapping[str, str]) -> str:
    """The result of the vendor's own client."""
    if name not in peers:
        return ""
    with FakeProvider([broken, *[WORDS] * 5]) as fake:
        command: list[str | Path] = [peers[name], "-m", "benchmarks.clients.peer_fault", format, fake.url]
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=MAX_PEER_SECONDS, check=False)
        requests = len(fake.requests)
    if done.returncode:
        print(f"{name}: {done.stderr}", file=sys.stderr)
        return f"{name}: can't be measured"
    seen = json.loads(done.stdout)
    words = seen["text"].split()
    if seen["error"]:
        outcome = f"{seen['error']} after {len(words)} words"
    else:
        outcome = "each word once" if " ".join(words) == WORDS else f"{len(words)} words, taken for success"
    return f"{name}: {outcome}, {_count(requests, 'request')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
