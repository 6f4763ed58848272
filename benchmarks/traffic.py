"""The traffic of a streaming reply in a notebook: the messages and bytes that the kernel publishes, including the final static output."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.kernels import Execution, Kernel
from benchmarks.processes import PYTHON, Server
from benchmarks.table import Row
from benchmarks.texts import DELTAS, MARKDOWN_CHARACTERS, text_of

RATE = 200
STATIC_TYPES = ("text/html", "text/markdown", "text/plain")
MAX_PACED_MB, MAX_PACED_MESSAGES = 0.45, 420
MAX_FLAT_OUT_MB = 0.25
MAX_MARKDOWN_MB = 0.5

CHATKIT = """
import chatkit as ck
chat = ck.Chat("openai-compat:loopback-1", api_key="none", base_url="{url}", title=None)
"""
CHATKIT_CELL = 'chat.ask("Count.")'
CHATLAS = """
from chatlas import ChatOpenAICompletions
chat = ChatOpenAICompletions(model="loopback-1", api_key="none", base_url="{url}")
"""
CHATLAS_CELL = '_ = chat.chat("Count.")'


def traffic_rows(peers: Mapping[str, Path], env: Mapping[str, str], scratch: Path) -> Iterator[Row]:
    """Measure a reply at `RATE` deltas per second, then one without pauses, each in a new kernel."""
    with Server() as server:
        for mode in (f"words-{RATE}", "words"):
            url = f"{server.url}/{mode}/v1"
            with Kernel(PYTHON, cwd=scratch, env=env) as kernel:
                kernel.run(CHATKIT.format(url=url))
                ours = kernel.run(CHATKIT_CELL)
            theirs = None
            if "chatlas" in peers:
                try:
                    with Kernel(peers["chatlas"], cwd=scratch, env=env) as kernel:
                        kernel.run(CHATLAS.format(url=url))
                        theirs = kernel.run(CHATLAS_CELL)
                except (RuntimeError, TimeoutError) as error:
                    print(f"chatlas: {error}", file=sys.stderr)
            yield _row(mode, ours, theirs)


def markdown_row(server: Server, env: Mapping[str, str], scratch: Path) -> Row:
    """Measure a reply with all kinds of Markdown, which is rendered while it grows."""
    with Kernel(PYTHON, cwd=scratch, env=env) as kernel:
        kernel.run(CHATKIT.format(url=f"{server.url}/markdown-{RATE}/v1"))
        ours = kernel.run(CHATKIT_CELL)
    words = set(re.findall(r"\b[a-z]{5}\b", text_of("markdown")))
    lost = max(len([word for word in words if word not in ours.shown(mime)]) for mime in STATIC_TYPES)
    return Row(
        f"notebook traffic of {MARKDOWN_CHARACTERS // 1000} kB of Markdown, {RATE} deltas a second",
        _words(ours) + (f", {lost} words lost" if lost else ""),
        must=f"≤ {MAX_MARKDOWN_MB} MB",
        ok=ours.size / 1e6 <= MAX_MARKDOWN_MB and not lost,
    )


def _row(mode: str, ours: Execution, theirs: Execution | None) -> Row:
    megabytes, messages = ours.size / 1e6, len(ours.messages)
    whole = all(_whole(ours, mime) for mime in STATIC_TYPES)
    paced = mode != "words"
    cost = megabytes <= MAX_PACED_MB and messages <= MAX_PACED_MESSAGES if paced else megabytes <= MAX_FLAT_OUT_MB
    must = f"≤ {MAX_PACED_MB} MB, ≤ {MAX_PACED_MESSAGES} messages" if paced else f"≤ {MAX_FLAT_OUT_MB} MB, nothing lost"
    return Row(
        f"notebook traffic of {DELTAS:,} deltas, {f'{RATE} a second' if paced else 'flat out'}",
        f"{_words(ours)}{'' if whole else ', text lost'}",
        f"chatlas {_words(theirs)}{'' if _whole(theirs, 'text/markdown') else ', text lost'}" if theirs else "",
        f"{theirs.size / ours.size:.0f} × less" if theirs else "",
        must,
        cost and whole,
    )


def _words(execution: Execution) -> str:
    return f"{execution.size / 1e6:.2f} MB, {len(execution.messages):,} messages"


def _whole(execution: Execution, mime: str) -> bool:
    """Whether the output that stays in the notebook holds every word of the reply."""
    shown = execution.shown(mime).replace("<p>", " ").replace("</p>", " ")
    return " ".join(text_of().split()) in " ".join(shown.split())
