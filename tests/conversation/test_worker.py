from __future__ import annotations

from chatkit import Text
from chatkit.bridge import call_soon
from chatkit.chattest import FakeClock
from chatkit.conversation.hub import Hub
from chatkit.conversation.titles import ChatTitle
from chatkit.conversation.worker import Worker


def test_undo_takes_a_prompt_and_not_a_summary_for_the_model() -> None:
    hub = Hub("c", FakeClock())
    hub.commit("user", (Text(text="Why?"),))
    hub.commit("user", (Text(text="So far"),), visibility="model")
    removed = call_soon(Worker(hub, ChatTitle(hub, None)).undo).result(5)
    assert [m.text for m in removed] == ["Why?", "So far"]
    assert hub.transcript.messages == []
