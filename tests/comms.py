"""The notebook's side of the displays without a notebook: the comms that are opened, and the outputs that are published."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
from comm.base_comm import BaseComm
from IPython.core.displaypub import CapturingDisplayPublisher

from chatkit.display.messages import Changes, Snapshot

WIDGET = "application/vnd.jupyter.widget-view+json"


def on_the_wire(value: dict[str, Any]) -> dict[str, Any]:
    """As the front end has it."""
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(value))
    return decoded


class FrontEnd:
    """What the ES module's `reduce` does, counting text as JavaScript does. What isn't of the declared shape fails.

    Moments are kept as what was left of a wait (`left`), or had passed (`age`), when they came.
    """

    def __init__(self, snapshot: dict[str, Any]) -> None:
        msgspec.convert(snapshot, Snapshot)
        state = on_the_wire(snapshot)
        self.state = _timed(state, state.pop("now"))

    def hear(self, message: dict[str, Any] | None) -> bool:
        """Whether it could be taken in; a gap can't."""
        if message is None:
            return True
        msgspec.convert(message, Changes)
        message = on_the_wire(message)
        if message["r"] != self.state["r"] + 1:
            return False
        blocks = [dict(b) for b in self.state["blocks"][: message.get("cut")]]
        for index, block in message.get("put", []):
            blocks[index : index + 1] = [block]
        for index, at, drop, text in message.get("edit", []):
            units = blocks[index]["t"].encode("utf-16-le")
            assert 2 * (at + drop) <= len(units)
            blocks[index]["t"] = (units[: 2 * at] + text.encode("utf-16-le") + units[2 * (at + drop) :]).decode("utf-16-le")
        for index in message.get("done", []):
            del blocks[index]["o"]
        self.state = {**self.state, **_timed(message.get("set", {}), message.get("now", 0)), "r": message["r"], "blocks": blocks}
        return True


def _timed(facts: dict[str, Any], now: int) -> dict[str, Any]:
    facts = dict(facts)
    if retry := facts.get("retry"):
        facts["retry"] = {"left": max(0, retry["until"] - now), **{k: v for k, v in retry.items() if k != "until"}}
    if waiting := facts.get("waiting"):
        facts["waiting"] = {"age": max(0, now - waiting["since"])}
    return facts


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
