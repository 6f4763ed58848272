"""The notebook's side of the displays without a notebook: the comms that are opened, and the outputs that are published."""

from __future__ import annotations

import threading
from typing import Any

from comm.base_comm import BaseComm
from IPython.core.displaypub import CapturingDisplayPublisher

from tests.display.test_view_state import FrontEnd

WIDGET = "application/vnd.jupyter.widget-view+json"


class Wire(BaseComm):
    """A comm that keeps what goes over it."""

    opened: list[Wire]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.sent: list[tuple[str, Any]] = []
        self.opened.append(self)
        super().__init__(*args, **kwargs)

    def publish_msg(self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **keys: Any) -> None:
        self.sent.append((msg_type, data))

    @property
    def front_end(self) -> FrontEnd:
        """A front end that heard all of it; a gap fails the test."""
        front: FrontEnd | None = None
        for kind, data in self.sent:
            if "snap" in (data or {}).get("state", {}):
                front = FrontEnd(data["state"]["snap"])
            elif kind == "comm_msg" and data["method"] == "custom" and "r" in data["content"]:
                assert front is not None
                assert front.hear(data["content"])
        assert front is not None
        return front

    def click(self, what: str, **more: Any) -> None:
        """What the front end sends."""
        self.handle_msg({"content": {"data": {"method": "custom", "content": {"do": what, **more}}}, "buffers": []})

    @property
    def answers(self) -> list[dict[str, str]]:
        """What became of the commands."""
        return [d["content"] for _, d in self.sent if d and "ack" in d.get("content", {})]


class Publisher(CapturingDisplayPublisher):  # type: ignore[misc] # traitlets has no types
    """Keeps what is published, and says when there is more."""

    more = threading.Condition()

    def publish(self, *args: Any, **kwargs: Any) -> None:
        super().publish(*args, **kwargs)
        with self.more:
            self.more.notify_all()


def wait_for(outputs: list[dict[str, Any]], count: int) -> None:
    """Until another thread has published so many."""
    with Publisher.more:
        assert Publisher.more.wait_for(lambda: len(outputs) >= count, 5)


def view_of(wires: list[Wire]) -> Wire:
    """The comm of the newest view."""
    return [w for w in wires if "snap" in w.sent[0][1]["state"]][-1]
