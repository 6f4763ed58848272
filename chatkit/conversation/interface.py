"""`Chat`, the conversation that a notebook holds, and `chatkit.chat` for one question."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

from chatkit.bridge import Awaiter, Caller, Waiter, call_soon
from chatkit.bridge import Worker as WorkerThread
from chatkit.bridge import loop as bridge_loop
from chatkit.clock import Clock, SystemClock
from chatkit.conversation.asking import Opener, Question, display_opener
from chatkit.conversation.hub import Hub, Listener, Subscription
from chatkit.conversation.instructions import instruction_files, read_instructions
from chatkit.conversation.questions import as_parts
from chatkit.conversation.replies import Reply, Run, Stream
from chatkit.conversation.run import Settings
from chatkit.conversation.viewing import Viewer
from chatkit.conversation.worker import Worker
from chatkit.display.environment import attended, shows_by_default
from chatkit.errors import UsageError, unknown_option
from chatkit.events import StatusWord
from chatkit.parts import Message, Part, text_of
from chatkit.providers.registry import connect
from chatkit.retries.backoff import RetryPolicy
from chatkit.retries.log import AttemptRecord
from chatkit.retries.notice import RetryNotice, check_observer

if TYPE_CHECKING:
    import pandas as pd

    from chatkit.display.widget import ChatView as ShownChat

AUTO: Final = ""
"""The title that asks for one to be made."""
_ASK_OPTIONS = ("options", "show")


class Chat:
    """A conversation with a model.

    Parameters
    ----------
    model : str, optional
        ``"provider:model"``: ``anthropic:…``, ``openai:…`` (Responses), ``openai-compat:…`` (Chat Completions, with
        `base_url`), or ``demo``, a script on this machine. Unless given, the variable ``CHATKIT_MODEL``, else ``demo``.
    system : str
        The system prompt.
    title : str or None
        The title; one is made after the first reply unless it is given; None for none.
    api_key : str, optional
        Unless given, the provider's variable (``ANTHROPIC_API_KEY``, ``OPENAI_API_KEY``, ``OPENAI_COMPAT_API_KEY``).
    base_url : str, optional
        Another server, as the vendor's own SDK takes it.
    instructions : bool
        Whether ``AGENTS.md`` follows the system prompt: that of your configuration directory, then of the working one.
    options : dict, optional
        Passed through to the provider with every request, such as ``{"temperature": 0}``.
    policy : RetryPolicy, optional
        The numbers of the retries.
    context_limit : int, optional
        The model's context window in tokens, of which `view` shows how much is used; only ``demo`` knows its own.
    silence_timeout : float
        Seconds without a part after which an attempt counts as dead; 0 for never.
    on_retry : callable, optional
        Gets a `RetryNotice` before every wait, on the thread that waits for the reply. A Stop takes effect when it returns.
    show : bool, optional
        Whether turns are shown; where there is a display (a notebook, a terminal) unless given.
    clock : Clock, optional
        Where time comes from; for tests.

    Raises
    ------
    UsageError
        An unknown model, provider or option, a `base_url` that isn't http(s), a missing key: it says what to give.

    Examples
    --------
    >>> chat = Chat("demo:steady", title=None, show=False)
    >>> reply = chat.ask("Why do clients back off?")
    >>> reply.stop_reason, reply.attempts
    ('end', 1)
    >>> [message.role for message in chat.messages]
    ['user', 'assistant']
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        system: str = "",
        title: str | None = AUTO,
        api_key: str | None = None,
        base_url: str | None = None,
        instructions: bool = True,
        options: Mapping[str, Any] | None = None,
        policy: RetryPolicy | None = None,
        context_limit: int | None = None,
        silence_timeout: float = 600.0,
        on_retry: Callable[[RetryNotice], object] | None = None,
        show: bool | None = None,
        clock: Clock | None = None,
        **unknown: object,
    ) -> None:
        if unknown:
            raise unknown_option("Chat()", unknown, ("model", *(Chat.__init__.__kwdefaults__ or ())))
        if not isinstance(system, str):
            raise UsageError(f"system={system!r}: give a text")
        if not (title is None or isinstance(title, str)):
            raise UsageError(f"title={title!r}: give a text, or None for none")
        if not (isinstance(silence_timeout, int | float) and silence_timeout >= 0):
            raise UsageError(f"silence_timeout={silence_timeout!r}: give seconds, or 0 for no guard")
        if not (policy is None or isinstance(policy, RetryPolicy)):
            raise UsageError(f"policy={policy!r}: give a chatkit.RetryPolicy(...)")
        if not (clock is None or hasattr(clock, "monotonic")):
            raise UsageError(f"clock={clock!r}: give a clock, such as chatkit.chattest.FakeClock()")
        if not (context_limit is None or (isinstance(context_limit, int) and context_limit > 0)):
            raise UsageError(f"context_limit={context_limit!r}: give a number of tokens, or leave it out")
        check_observer(on_retry)
        self._provider = connect(model, api_key=api_key, base_url=base_url)
        self.id = "chat-" + secrets.token_hex(4)
        self.system = system
        self.instructions = instructions
        self.options = _checked_options(options)
        self.policy = policy or RetryPolicy()
        self.context_limit = context_limit or self._provider.context_limit
        self.silence_timeout = float(silence_timeout)
        self.on_retry = on_retry
        self.show = show
        self._clock = clock or SystemClock()
        self._hub = Hub(self.id, self._clock)
        self._worker = Worker(self._hub, title)
        self._viewer: Viewer | None = None

    @property
    def model(self) -> str:
        """Whom it talks to, as ``provider:model``."""
        return self._provider.label

    @property
    def messages(self) -> tuple[Message, ...]:
        """What was said, by id."""
        return self._hub.messages

    @property
    def title(self) -> str:
        """What the chat is called: the fallback until a generated title comes."""
        return self._worker.title

    @title.setter
    def title(self, title: str) -> None:
        if not isinstance(title, str):
            raise UsageError(f"title={title!r}: give a text")
        self._worker.title = title
        bridge_loop().call_soon_threadsafe(self._worker.announce_title)

    @property
    def status(self) -> StatusWord:
        """``waiting`` for a question, ``running``, ``interrupting``, or ``error``."""
        return self._hub.transcript.status_word

    @property
    def attempts(self) -> tuple[AttemptRecord, ...]:
        """The record of every attempt of its turns, also with the log off."""
        return tuple(self._worker.records)

    @property
    def retries(self) -> pd.DataFrame:
        """`attempts` as a DataFrame: one row each, columns as in `chatkit.analysis.attempts_frame`."""
        from chatkit.analysis.frames import attempts_frame

        return attempts_frame(self.attempts)

    def ask(self, prompt: Any, *, show: bool | None = None, options: Mapping[str, Any] | None = None, **unknown: object) -> Reply:
        """Ask, and wait for the reply; it streams into the cell meanwhile.

        Parameters
        ----------
        prompt : str, Path, image, Part, or list of these
            The question.
        show : bool, optional
            Whether this turn is shown.
        options : dict, optional
            Passed through to the provider, over the chat's own.

        Returns
        -------
        Reply

        Raises
        ------
        UsageError
            The prompt is empty or of another type, the chat is closed, or an option is unknown.
        Busy
            A turn is running in this chat.
        ProviderError
            The last attempt's failure, with the number of attempts. The question stays visible until the next one.
        Stopped
            Somebody pressed Stop; `reply` holds what was said.
        KeyboardInterrupt
            The kernel was interrupted; what was said is in `messages`.
        """
        _check("ask()", unknown)
        waiter = Waiter()
        return self._begin(prompt, show, options, waiter).wait(waiter)

    async def send(self, prompt: Any, *, show: bool | None = None, options: Mapping[str, Any] | None = None, **unknown: object) -> Reply:
        """The awaitable form of `ask`, for cells and programs that await; cancelling it keeps what was said."""
        _check("send()", unknown)
        awaiter = Awaiter()
        return await self._begin(prompt, show, options, awaiter).wait_async(awaiter)

    def submit(self, prompt: Any, *, show: bool | None = None, options: Mapping[str, Any] | None = None, **unknown: object) -> Run:
        """Ask, and return at once: the cell ends, its view goes on, and its buttons always work.

        Returns
        -------
        Run
            ``run.result()`` waits for the `Reply`.
        """
        _check("submit()", unknown)
        asked = self._start(prompt, show, options)
        return Run(asked.turn, asked.future)

    def stream(self, prompt: Any, *, options: Mapping[str, Any] | None = None, **unknown: object) -> Stream:
        """Ask, and get every event as it comes, in a plain or an asynchronous loop. Nothing is shown.

        Returns
        -------
        Stream
            To be used in a ``with`` block: leaving it interrupts the turn.
        """
        _check("stream()", unknown, ("options",))
        events = Subscription()
        asked = self._start(prompt, False, options, listeners=[events])
        return Stream(asked.turn, asked.future, events)

    def view(self) -> ShownChat:
        """The whole chat as a living widget: what is said as it is said, a field to write in, Stop, Retry now and Try again.

        One chat can be shown in any number of cells, which all stay in step: every call gives the same widget, until
        that is closed (``view.close()``). A turn shown here needn't be shown in its own cell: ``show=False``. A `Chat` as
        the last line of a cell is its static transcript.

        Returns
        -------
        ipywidgets.DOMWidget
            To be the last line of a cell, displayed, or put into a layout of widgets.
        """
        if self._viewer is None:
            self._viewer = Viewer(self._worker, self.model, lambda prompt, **how: self._start(prompt, False, None, **how))
        return self._viewer.widget()

    def stop(self) -> bool:
        """Stop the turn that runs; what was said is kept. Returns at once; False where none runs."""
        turn = self._worker.turn
        if turn:
            turn.stop()
        return turn is not None

    def undo(self) -> tuple[Message, ...]:
        """Remove the last question and its answer.

        Returns
        -------
        tuple of Message
            What was removed; empty where there was nothing.

        Raises
        ------
        Busy
            A turn is running.
        """
        turn = self._worker.claim(self._settings(None))
        try:
            return Waiter().wait(call_soon(self._worker.undo))
        finally:
            self._worker.release(turn)

    def close(self) -> None:
        """Stop what runs, and take no more questions; what was said can still be read."""
        self._worker.close()
        if self._viewer is not None:
            self._viewer.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        from chatkit.display.document import chat_document
        from chatkit.display.writers import bundle

        return {**bundle(chat_document(self._hub.transcript, model=self.model)), "text/plain": repr(self)}

    def __repr__(self) -> str:
        if "_worker" not in vars(self):
            return "<Chat: not opened>"  # its settings were refused
        count = len(self.messages)
        name = f" {self.title!r}" if self.title else ""
        return f"<Chat{name} with {self.model}: {count} message{'' if count == 1 else 's'}, {self.status}>"

    def _settings(self, options: Mapping[str, Any] | None) -> Settings:
        return Settings(
            provider=self._provider,
            system="\n\n".join(filter(None, (self.system, read_instructions(instruction_files()) if self.instructions else ""))),
            options={**self.options, **_checked_options(options)},
            policy=self.policy,
            limit=self.policy.elapsed_limit(attended()),
            silence_timeout=self.silence_timeout,
            clock=self._clock,
            context_limit=self.context_limit,
        )

    def _start(self, prompt: Any, show: bool | None, options: Mapping[str, Any] | None, **how: Any) -> Question:
        """Ask with nobody waiting: callbacks have a thread of their own."""
        worker = WorkerThread()
        asked = self._begin(prompt, show, options, worker, detached=True, **how)
        asked.start().add_done_callback(lambda _: worker.close())
        return asked

    def _begin(
        self,
        prompt: Any,
        show: bool | None,
        options: Mapping[str, Any] | None,
        caller: Caller,
        *,
        detached: bool = False,
        instead: bool = False,
        opener: Opener | None = None,
        listeners: Sequence[Listener] = (),
    ) -> Question:
        parts = as_parts(prompt)
        if opener is None and self._shows(show):
            opener = display_opener(self.model, text_of(parts))
        turn = self._worker.claim(self._settings(options), instead=instead)
        again = partial(self._again, parts, options)
        return Question(
            self._worker, turn, parts, caller, on_retry=self.on_retry, show=opener, again=again, listeners=listeners, detached=detached
        )

    def _again(self, parts: tuple[Part, ...], options: Mapping[str, Any] | None, opener: Opener) -> None:
        self._start(list(parts), True, options, opener=opener)

    def _shows(self, show: bool | None) -> bool:
        choice = self.show if show is None else show
        return shows_by_default() if choice is None else choice


def _check(where: str, unknown: Mapping[str, object], known: tuple[str, ...] = _ASK_OPTIONS) -> None:
    if unknown:
        raise unknown_option(where, unknown, known)


def _checked_options(options: Mapping[str, Any] | None) -> dict[str, Any]:
    if options is not None and not isinstance(options, Mapping):
        raise UsageError(f"options={options!r}: give a dictionary of the provider's parameters, such as {{'temperature': 0}}")
    return dict(options or {})


def chat(prompt: Any, model: str | None = None, **options: Any) -> Reply:
    """Ask one question in a chat of its own.

    Parameters
    ----------
    prompt : str, Path, image, Part, or list of these
        The question.
    model : str, optional
        ``"provider:model"``, as `Chat` takes it.
    **options
        Whatever else `Chat` takes: ``system``, ``api_key``, ``base_url``, ``options``, ``policy``, ``show`` …

    Returns
    -------
    Reply

    Raises
    ------
    UsageError, ProviderError, Stopped
        As `Chat` and `Chat.ask` do.

    Examples
    --------
    >>> chat("Hello", "demo:steady", show=False).stop_reason
    'end'
    """
    one = Chat(model, **{"title": None, **options})
    reply = one.ask(prompt)  # where it fails the chat stays open: its view offers to try again
    one.close()
    return reply
