"""A kernel with a client that counts the published messages and their bytes."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import KernelManager

MAX_CELL_SECONDS = 120.0
QUIET = 1.0
"""Seconds without a message after which a cell that has ended is expected to send no more."""


@dataclass
class Execution:
    """The result of one cell. `size` is the bytes of all messages as serialised (header, parent header, metadata, content and buffers);
    `ended` is the time on `time.monotonic`'s clock at which both the reply and the idle status had arrived.
    """

    status: str = ""
    error: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list)
    size: int = 0
    ended: float = 0.0

    def shown(self, mime: str) -> str:
        """The last output of this type that the cell displayed, or updated in the output of an earlier one."""
        given: list[str] = [
            m["content"]["data"][mime]
            for m in self.messages
            if m["msg_type"] in ("display_data", "update_display_data", "execute_result") and mime in m["content"]["data"]
        ]
        return given[-1] if given else ""

    def printed(self) -> str:
        """The text on stdout."""
        return "".join(m["content"]["text"] for m in self.messages if m["msg_type"] == "stream" and m["content"]["name"] == "stdout")


class _InterpreterKernel(KernelSpecManager):
    """The kernel of one interpreter, whether it is registered or not."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(
            argv=[kernel_name, "-m", "ipykernel_launcher", "-f", "{connection_file}"], display_name="benchmark", language="python"
        )


class Kernel:
    """A running kernel and a client that allows input, as a front end does."""

    def __init__(self, python: Path, *, cwd: Path, env: Mapping[str, str]) -> None:
        self._manager = KernelManager(kernel_spec_manager=_InterpreterKernel(), kernel_name=str(python))
        self._manager.start_kernel(cwd=str(cwd), env=dict(env), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._client: BlockingKernelClient = self._manager.client()
        self._client.start_channels()
        try:
            self._client.wait_for_ready(timeout=MAX_CELL_SECONDS)
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)

    def run(self, code: str) -> Execution:
        """Run a cell to its end, and listen until no more messages arrive; RuntimeError if the cell failed."""
        execution = self.finish(self.begin(code), quiet=QUIET)
        if execution.status != "ok":
            raise RuntimeError(f"the cell ended with {execution.status} {execution.error}: {code.strip().splitlines()[0]} …")
        return execution

    def begin(self, code: str) -> str:
        """Send a cell; returns its id for `finish`."""
        return str(self._client.execute(code, allow_stdin=True))

    def interrupt(self) -> None:
        """Interrupt the kernel, as the front end's stop button does."""
        self._manager.interrupt_kernel()

    def finish(self, cell: str, *, quiet: float = 0.0) -> Execution:
        """Listen until a cell has ended, and then until no message was published for `quiet` seconds; TimeoutError if it doesn't end."""
        execution = Execution()
        end = time.monotonic() + MAX_CELL_SECONDS
        while not _is_idle(self._take(execution, 0.1), cell):
            if time.monotonic() > end:
                raise TimeoutError(f"the cell did not end within {MAX_CELL_SECONDS:g} s")
        reply: dict[str, Any] = {"parent_header": {"msg_id": ""}}
        while reply["parent_header"]["msg_id"] != cell:
            reply = self._client.get_shell_msg(timeout=MAX_CELL_SECONDS)
        execution.ended = time.monotonic()
        execution.status, execution.error = reply["content"]["status"], reply["content"].get("ename", "")
        while self._take(execution, quiet):
            pass
        return execution

    def _take(self, execution: Execution, wait: float) -> dict[str, Any] | None:
        """The next message that is published within `wait` seconds."""
        session, socket = self._client.session, self._client.iopub_channel.socket
        if not socket.poll(round(wait * 1000)):
            return None
        _, frames = session.feed_identities(socket.recv_multipart())
        message: dict[str, Any] = session.deserialize(frames)
        execution.messages.append(message)
        execution.size += sum(len(frame) for frame in frames[1:])  # the first is the signature
        return message


def _is_idle(message: dict[str, Any] | None, cell: str) -> bool:
    return (
        message is not None
        and message["msg_type"] == "status"
        and message["content"]["execution_state"] == "idle"
        and message["parent_header"].get("msg_id") == cell
    )
