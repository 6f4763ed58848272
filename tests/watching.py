"""Watch a chat from outside and wait for what it says, without sleeping and never for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from chatkit import Chat
from chatkit.conversation.titles import fallback_title
from chatkit.conversation.view import subscribe
from chatkit.events import Event, MessagePart, TitleEvent
from chatkit.parts import Text

PATIENCE = 60.0


class Watch:
    """A subscriber that keeps every event."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = threading.Condition()

    def push(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def wait_for(self, holds: Callable[[list[Event]], bool]) -> None:
        """Wait until it holds of the events so far."""
        with self._changed:
            assert self._changed.wait_for(lambda: holds(self.events), PATIENCE), self.events

    def wait_for_text(self, text: str) -> None:
        """Wait until this was said, whatever was withdrawn before."""
        self.wait_for(
            lambda events: text in "".join(e.part.text for e in events if isinstance(e, MessagePart) and isinstance(e.part, Text))
        )


@contextmanager
def watching(chat: Chat) -> Iterator[Watch]:
    """What the chat has said, and says, to a late subscriber."""
    watch = Watch()
    leave = subscribe(chat, watch.push)
    try:
        yield watch
    finally:
        leave()


def wait_for_title(chat: Chat) -> str:
    """The title that takes the fallback's place."""
    fallback = fallback_title(chat.messages[0].text)
    with watching(chat) as watch:
        watch.wait_for(lambda events: any(isinstance(e, TitleEvent) and e.title != fallback for e in events))
        return next(e.title for e in watch.events if isinstance(e, TitleEvent) and e.title != fallback)
