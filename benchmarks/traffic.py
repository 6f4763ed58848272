"""What a streaming reply costs a notebook: messages and bytes that the kernel publishes, the frozen output included."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.kernels import Execution, Kernel
from benchmarks.processes import PYTHON, Server
from benchmarks.table import Row
from benchmarks.texts import DELTAS, MARKDOWN, text_of

__all__ = ["markdown_row", "traffic_rows"]

RATE = 200
STATIC = ("text/html", "text/markdown", "text/plain")
PACED = (0.45, 420)
FLAT_OUT = 0.25
RENDERED = 0.5
"""What is allowed: MB, and messages."""

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
    """Measure a paced reply, then one flat out, each in a kernel of its own.

    Parameters
    ----------
    peers : mapping of str to Path
        Interpreters.
    env : mapping of str to str
        The kernels' variables.
    scratch : Path
        Their working directory.
    """
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
    """Measure a reply that is Markdown with all that a model writes: what is published is rendered as it grows.

    Parameters
    ----------
    server : Server
        Running.
    env : mapping of str to str
        The kernel's variables.
    scratch : Path
        Its working directory.
    """
    with Kernel(PYTHON, cwd=scratch, env=env) as kernel:
        kernel.run(CHATKIT.format(url=f"{server.url}/markdown-{RATE}/v1"))
        ours = kernel.run(CHATKIT_CELL)
    words = set(re.findall(r"\b[a-z]{5}\b", text_of("markdown")))
    lost = max(len([word for word in words if word not in ours.shown(mime)]) for mime in STATIC)
    return Row(
        f"notebook traffic of {MARKDOWN // 1000} kB of Markdown, {RATE} deltas a second",
        _words(ours) + (f", {lost} words lost" if lost else ""),
        must=f"≤ {RENDERED} MB",
        ok=ours.size / 1e6 <= RENDERED and not lost,
    )


def _row(mode: str, ours: Execution, theirs: Execution | None) -> Row:
    megabytes, messages = ours.size / 1e6, len(ours.messages)
    whole = all(_whole(ours, mime) for mime in STATIC)
    paced = mode != "words"
    cost = megabytes <= PACED[0] and messages <= PACED[1] if paced else megabytes <= FLAT_OUT
    must = f"≤ {PACED[0]} MB, ≤ {PACED[1]} messages" if paced else f"≤ {FLAT_OUT} MB, nothing lost"
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
    """Whether what stays in the notebook holds the whole reply, word for word."""
    shown = execution.shown(mime).replace("<p>", " ").replace("</p>", " ")
    return " ".join(text_of().split()) in " ".join(shown.split())
