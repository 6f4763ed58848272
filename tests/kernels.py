"""A real kernel for tests: run cells, queue them, interrupt them, and read their outputs."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

PATIENCE = 60.0
"""Seconds that a cell may take before the test fails."""


class Cell:
    """The messages and the reply of one execution."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.reply: dict[str, Any] = {}

    def of_type(self, *kinds: str) -> list[dict[str, Any]]:
        return [m["content"] for m in self.messages if m["msg_type"] in kinds]

    @property
    def text(self) -> str:
        """The text on stdout."""
        return "".join(content["text"] for content in self.of_type("stream") if content["name"] == "stdout")

    @property
    def errors(self) -> str:
        """The text on stderr."""
        return "".join(content["text"] for content in self.of_type("stream") if content["name"] == "stderr")

    @property
    def outputs(self) -> list[dict[str, str]]:
        """The MIME bundles that a saved notebook holds: the last state of every display, and the results."""
        shown: dict[str, dict[str, str]] = {}
        for number, message in enumerate(self.messages):
            content = message["content"]
            if message["msg_type"] in ("display_data", "update_display_data", "execute_result"):
                name = content.get("transient", {}).get("display_id") or f"plain-{number}"
                if message["msg_type"] != "update_display_data" or name in shown:
                    shown[name] = content["data"]
        return list(shown.values())

    @property
    def status(self) -> str:
        return str(self.reply.get("status"))


class Kernel:
    """A running kernel and its client."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client

    def queue(self, *codes: str, attended: bool = True) -> list[str]:
        """Send cells without waiting, as "Run All" does."""
        return [self.client.execute(code, allow_stdin=attended) for code in codes]

    def collect(self, *ids: str, until: Callable[[Cell], bool] | None = None) -> list[Cell]:
        """Read until these executions have ended (or `until` holds for one of them)."""
        cells = {name: Cell() for name in ids}
        idle: set[str] = set()
        end = time.monotonic() + PATIENCE
        while idle != set(ids):
            assert time.monotonic() < end, {name: [m["msg_type"] for m in cell.messages] for name, cell in cells.items()}
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except queue.Empty:
                assert self.manager.is_alive(), "the kernel died"
                continue
            name = message["parent_header"].get("msg_id")
            if name not in cells:
                continue
            cells[name].messages.append(message)
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                idle.add(name)
            if until and until(cells[name]):
                return list(cells.values())
        left = set(ids)
        while left:
            reply = self.client.get_shell_msg(timeout=PATIENCE)
            if (name := reply["parent_header"].get("msg_id")) in left:
                cells[name].reply = reply["content"]
                left.discard(name)
        return list(cells.values())

    def run(self, code: str, *, attended: bool = True) -> Cell:
        """Run one cell to its end."""
        (cell,) = self.collect(*self.queue(code, attended=attended))
        return cell

    def click_when(self, code: str, button: str, seen: Callable[[Cell], bool]) -> Cell:
        """Run a cell, click a button of its widget once `seen` holds, and read on to its end."""
        (name,) = self.queue(code)
        (before,) = self.collect(name, until=seen)
        views = [m for m in before.of_type("comm_open") if "snap" in m["data"]["state"]]
        click = {"comm_id": views[-1]["comm_id"], "data": {"method": "custom", "content": {"do": button}}}
        self.client.shell_channel.send(self.client.session.msg("comm_msg", click))
        (after,) = self.collect(name)
        after.messages[:0] = before.messages
        return after

    def interrupt_when(self, code: str, seen: Callable[[Cell], bool], *, attended: bool = True) -> Cell:
        """Run a cell, interrupt it once `seen` holds for its messages, and read on to its end."""
        (name,) = self.queue(code, attended=attended)
        (before,) = self.collect(name, until=seen)
        self.manager.interrupt_kernel()
        (after,) = self.collect(name)
        after.messages[:0] = before.messages
        return after


@contextmanager
def running_kernel(**env: str) -> Iterator[Kernel]:
    """Start a kernel of this Python, and stop it."""
    import os

    manager = KernelManager()
    manager.start_kernel(env={**os.environ, "CHATKIT_RETRY_LOG": "off", "CHATKIT_DEMO_SPEED": "inf", **env})
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
