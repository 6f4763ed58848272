"""The work on one chat: one turn at a time, and a title after the first."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable
from typing import ClassVar

from msgspec.structs import replace

from chatkit.conversation.arguments import Given, require
from chatkit.conversation.hub import Hub
from chatkit.conversation.replies import Reply
from chatkit.conversation.titles import ChatTitle
from chatkit.conversation.turn import Turn
from chatkit.errors import Busy, ChatClosed, Stopped, UsageError
from chatkit.events import Reset, Status, StatusWord
from chatkit.parts import Message, Part, Text, ToolCall, ToolResult
from chatkit.retries.log import AttemptRecord
from chatkit.retries.notice import RetryNotice


class Worker:
    """Does the turns of one chat, one after another. `latest` is the last reply of any chat in this process."""

    latest: ClassVar[Reply | None] = None

    def __init__(self, hub: Hub, title: ChatTitle) -> None:
        self.hub = hub
        self.title = title
        self.records: list[AttemptRecord] = []
        self.closed = False
        self._turn: Turn | None = None
        self._asked = 0  # the id of the first message of the last prompt
        self._replies: dict[int, Reply] = {}  # by their messages
        self._unanswered = False  # the last prompt got no answer: the next turn withdraws it
        self._observer: int | None = None  # the thread on which `on_retry` is running

    @property
    def turn(self) -> Turn | None:
        """The running turn."""
        turn = self._turn
        return turn if turn is not None and turn.alive else None

    def _check_free(self) -> None:
        if self.closed:
            raise ChatClosed("this chat is closed: open a new one with chatkit.Chat(...)")
        if self.turn is not None:  # with a queue, the prompt of a `submit` is left there instead
            raise Busy(
                "a turn is running in this chat: wait for it (run.result() of what submit returned, or chat.ask(..., wait=True)), "
                "stop it (chat.stop()), or ask in another chat"
            )
        if self._turn is not None and not self._turn.over:  # it stayed in the process from which this one was forked
            self._turn.end()
            messages = self.hub.transcript.messages
            self._unanswered = bool(messages) and messages[-1].role != "assistant"
            self.hub.forget_subscribers()

    def observe(self, on_retry: Callable[[RetryNotice], object], notice: RetryNotice) -> object:
        """Call `on_retry`, for which the running turn waits."""
        self._observer = threading.get_ident()
        try:
            return on_retry(notice)
        finally:
            self._observer = None

    def check_wait(self, waits: bool) -> None:
        """Refuse a `wait` that isn't one, or that would never end."""
        require(isinstance(waits, bool), "give True or False", wait=waits)
        if waits and self._observer == threading.get_ident():
            raise UsageError("on_retry can't wait for the turn that waits for it: ask in another chat, or after this turn")

    def _take(self, turn: Turn) -> None:
        self._check_free()
        self._turn = turn
        turn.claim(self.records)

    def stop(self) -> bool:
        """Stop the running turn; False where there is none."""
        if turn := self.turn:
            turn.stop()
        return turn is not None

    def close(self) -> None:
        """Stop the running turn, and do no more."""
        self.closed = True
        self.stop()

    async def run(self, turn: Turn) -> Reply:
        """Do a turn; while another one is running, wait for that, or raise `Busy`.

        The chat is taken and released here, on the bridge's loop, where no interrupt strikes. The turn is over when its display
        shows all of it.
        """
        waits = turn.waits and not self.closed and self.turn is not None
        if not waits:
            self._take(turn)
        try:
            await turn.open()
            if waits:
                while other := self.turn:
                    await turn.wait_for(other, self.hub.chat_id)
                self._take(turn)
            return await self._run(turn)
        finally:
            turn.end()
            await turn.close()

    async def _run(self, turn: Turn) -> Reply:
        hub = self.hub
        leave = [hub.subscribe(subscriber) for subscriber in turn.subscribers]
        try:
            turn.running(on_stop=lambda: self._status("interrupting"))
            if turn.replaces or self._unanswered:
                self._withdraw_last_prompt()
            self._commit_prompt(turn.prompt)
            prompt = hub.transcript.messages[-1]
            titling = self.title.fall_back()
            if not turn.stopping:
                self._status("running")
            try:
                await turn.answer(hub)
            except asyncio.CancelledError:
                partial = hub.transcript.messages[-1] is not prompt
                self._unanswered = not partial
                reply = self._reply(turn) if partial else None
                self._end(turn, "waiting")
                if titling and partial:
                    self.title.generate(turn.settings.provider, turn.settings.clock)
                if not turn.stopping:  # the process ends
                    raise
                if reply is None:
                    raise Stopped("the reply had not begun; the next prompt replaces this one") from None
                words = "the partial reply is available as `.reply` and in the chat's messages"
                raise Stopped(words, reply) from None
            except BaseException:
                self._unanswered = True
                self._end(turn, "error")
                raise
            reply = self._reply(turn)  # first: a subscriber that learns that the chat is waiting may look for it
            self._end(turn, "waiting")
            if titling:
                self.title.generate(turn.settings.provider, turn.settings.clock)
            return reply
        finally:
            for end in leave:
                end()

    def _reply(self, turn: Turn) -> Reply:
        """The reply of a turn: what followed its prompt, without the question before results of tools."""
        reply = turn.reply(self.hub.transcript.since(self._from_last_prompt()[0].id))
        Worker.latest = self._replies[self.hub.transcript.messages[-1].id] = reply
        return reply

    def last_reply(self) -> Reply | None:
        """The newest reply whose message has not been removed."""
        messages = self.hub.transcript.messages
        return next((reply for m in reversed(messages) if (reply := self._replies.get(m.id)) is not None), None)

    def _end(self, turn: Turn, word: StatusWord) -> None:
        turn.end()  # first: a subscriber that learns that the chat is waiting may ask at once. With a queue, its head follows here
        self._status(word)

    def _status(self, word: StatusWord) -> None:
        self.hub.publish(Status(chat_id=self.hub.chat_id, status=word))

    def undo(self) -> tuple[Message, ...]:
        """Remove the last prompt and what followed it, and return what was removed. On the bridge's loop."""
        self._check_free()
        if not (removed := self._from_last_prompt()):
            return ()
        self._withdraw_last_prompt()
        self._status("waiting")
        return removed

    def _withdraw_last_prompt(self) -> None:
        self._unanswered = False
        if withdrawn := self._from_last_prompt():
            self.hub.publish(Reset(chat_id=self.hub.chat_id, after_id=withdrawn[0].id - 1))
        for message in withdrawn:
            self._replies.pop(message.id, None)

    def _commit_prompt(self, prompt: tuple[Part, ...]) -> None:
        """Store a prompt: a message for each result of a tool, then one for the rest, if there is any."""
        messages = self.hub.transcript.messages
        names = {p.tool_call_id: p.tool_name for m in messages for p in m.parts if isinstance(p, ToolCall)}
        rest, before = [], len(messages)
        for part in prompt:
            if isinstance(part, ToolResult):
                self.hub.commit("tool", (replace(part, tool_name=part.tool_name or names.get(part.tool_call_id, "")),))
            else:
                rest.append(part)
        if any(not isinstance(p, Text) or p.text.strip() for p in rest):
            self.hub.commit("user", tuple(rest))
        self._asked = messages[before].id

    def last_prompt(self) -> tuple[Part, ...]:
        """The parts of the last prompt; none if nothing was asked."""
        asked = itertools.takewhile(lambda m: m.role != "assistant", self._from_last_prompt())
        return tuple(part for message in asked for part in message.parts)

    def last_given(self) -> Given:
        """What was given with the last prompt."""
        return self._turn.given if self._turn is not None else Given()

    def _from_last_prompt(self) -> tuple[Message, ...]:
        """The messages from the last prompt on, which may begin with results of tools; none if nothing was asked."""
        messages, prompt = self.hub.transcript.messages, self.hub.transcript.prompt()
        first = self._asked if any(m.id == self._asked for m in messages) else prompt.id if prompt else None
        return () if first is None else tuple(m for m in messages if m.id >= first)
