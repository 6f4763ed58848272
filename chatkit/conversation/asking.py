"""How a prompt becomes a turn of a chat: in a call such as `Chat.ask`, or with a button of a display."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from chatkit.bridge import CallbackThread, Caller, Waiter, Work
from chatkit.conversation.arguments import Given, check_show
from chatkit.conversation.hub import Subscriber
from chatkit.conversation.prompt import Prompt, as_parts
from chatkit.conversation.replies import Reply
from chatkit.conversation.turn import Settings, Turn
from chatkit.display.environment import attended, shows_by_default
from chatkit.display.messages import CommandName
from chatkit.errors import UsageError
from chatkit.parts import Part, Text, text_of

if TYPE_CHECKING:
    from chatkit.conversation.interface import Chat
    from chatkit.display.opening import Commands, Display

Opener = Callable[["Commands"], "Display"]
Show = bool | Opener | None
"""Whether a turn is shown, or what opens its display; None for what fits the place."""


class ChatCommands:
    """What the buttons of a display ask of a chat, or of the one turn that is shown."""

    def __init__(self, chat: Chat, turn: Turn | None = None) -> None:
        self.available: tuple[CommandName, ...] = ("stop", "retry", "again") if turn else ("stop", "retry", "again", "send", "replace")
        self._chat, self._turn = chat, turn

    def stop(self) -> None:
        (self._turn or self._chat).stop()

    def retry_now(self) -> None:
        if turn := self._turn or self._chat._worker.turn:
            turn.retry_now()

    def try_again(self, show: Opener | None = None) -> None:
        """Ask once more what got no answer: the turn's prompt in a display that `show` opens, or the chat's last prompt."""
        worker = self._chat._worker
        if self._turn is not None:
            start(self._chat, self._turn.prompt, self._turn.given, show=show)
        elif worker.turn is None and self._chat._hub.transcript.error is None:  # a click that came late: it is answered, or removed
            raise UsageError("there is no failed prompt to ask again")
        else:
            start(self._chat, self._last_prompt(), worker.last_given(), show=False, replaces=True)

    def send(self, text: str) -> None:
        start(self._chat, text, Given(), show=False)

    def replace(self, text: str) -> None:
        """Ask this in place of the last prompt, with the files of that."""
        if not text.strip():
            raise UsageError("the message is empty")
        others = [part for part in self._last_prompt() if not isinstance(part, Text)]
        start(self._chat, [Text(text=text), *others], Given(), show=False, replaces=True)

    def _last_prompt(self) -> tuple[Part, ...]:
        if prompt := self._chat._worker.last_prompt():
            return prompt
        raise UsageError("nothing was asked yet")

    def _refuse(self, *_: object) -> None:
        raise UsageError("this chat has no queue")

    promote = delete = edit = _refuse


def turn_of(
    chat: Chat,
    prompt: Prompt,
    caller: Caller,
    given: Given,
    *,
    show: Show,
    observer: Caller | None = None,
    replaces: bool = False,
    waits: bool = False,
) -> Turn:
    """A turn for the chat's worker to do, with the settings of the chat as they are now and what is `given` over them.

    `caller` opens the display, and runs `on_retry` unless there is an `observer` for that.
    """
    chat._worker.check_wait(waits)
    parts = as_parts(prompt)
    opener = _display_opener(chat, parts, show)
    label, system = chat._prompted()
    notified = observer or caller
    settings = Settings(
        provider=chat._provider,
        system=system,
        options=given.over(chat.options, chat._parameters, chat._provider.wire.names),
        policy=chat.policy,
        elapsed_limit=chat.policy.elapsed_limit(attended()),
        silence_timeout=chat.silence_timeout,
        context_limit=chat.context_limit,
        clock=chat._clock,
        notify=partial(notified.call, chat._worker.observe, chat.on_retry) if chat.on_retry else None,
    )
    chat._viewer.relabel(label)
    turn = Turn(parts, given, settings, caller, replaces=replaces, waits=waits)
    if opener:
        turn.opener = partial(opener, ChatCommands(chat, turn))
    return turn


def start(
    chat: Chat, prompt: Prompt, given: Given, *subscribers: Subscriber, show: Show, replaces: bool = False
) -> tuple[Turn, Work[Reply]]:
    """Begin a turn, and wait only until it has: its callbacks run on a thread of their own."""
    waiter, thread = Waiter(), CallbackThread()
    turn = turn_of(chat, prompt, waiter, given, show=show, observer=thread, replaces=replaces)
    turn.subscribers.extend(subscribers)
    turn.opener = turn.opener or (lambda: None)  # its call wakes the waiter
    work = Work(chat._worker.run, turn)
    waiter.serve(work, turn.stop, until=lambda: turn.opened)
    work.begin(thread.close)
    if not turn.opened:
        work.outcome()  # it was refused
    return turn, work


def _display_opener(chat: Chat, prompt: tuple[Part, ...], show: Show) -> Opener | None:
    """What opens the display of a turn; None where nothing is shown."""
    check_show(show)
    if show is None:
        show = chat.show
    if show is None:
        show = shows_by_default()
    if show is False:
        return None
    if show is not True:
        return show
    from chatkit.display.opening import open_turn_display  # not loaded where nothing is shown

    return partial(open_turn_display, model=chat.model, prompt=text_of(prompt), reply_name=chat._reply_name)
