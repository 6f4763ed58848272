"""`Chat`, the conversation that a notebook holds."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Self, Unpack

from chatkit.bridge import Awaiter, Waiter, Work, call_soon
from chatkit.clock import Clock, SystemClock
from chatkit.conversation.arguments import Given, check_names, check_settings, given, require
from chatkit.conversation.asking import start, turn_of
from chatkit.conversation.hub import Hub, Subscription
from chatkit.conversation.prompt import Prompt, instruction_files, read_instructions
from chatkit.conversation.replies import Reply, Run, Stream
from chatkit.conversation.titles import ChatTitle
from chatkit.conversation.view import Viewer
from chatkit.conversation.worker import Worker
from chatkit.display import words
from chatkit.errors import UsageError
from chatkit.events import StatusWord
from chatkit.parts import Message
from chatkit.providers.endpoint import concealed
from chatkit.providers.parameters import Parameters
from chatkit.providers.registry import connect
from chatkit.retries.backoff import RetryPolicy
from chatkit.retries.log import AttemptRecord
from chatkit.retries.notice import RetryNotice, check_observer

if TYPE_CHECKING:
    import pandas as pd

    from chatkit.display.widget import ChatView


class Chat:
    """A conversation with a model.

    Parameters
    ----------
    model : str, optional
        ``"provider:model"``: ``anthropic:…``, ``openai:…`` (Responses), with Chat Completions ``gemini:…``, ``groq:…``,
        ``ollama:…`` and others (``%%chat <Tab>`` lists them), ``azure:…`` and ``openai-compat:…`` with `base_url`, or ``demo``, a
        script on this machine. Unless given, the variable ``CHATKIT_MODEL``, else ``demo``.
    system : str
        The system prompt.
    title : str or None
        The title; unless given, one is generated after the first reply; None for no title.
    api_key : str, optional
        Unless given, the provider's variable, such as ``ANTHROPIC_API_KEY``.
    base_url : str, optional
        Another server, as the vendor's own SDK takes it.
    headers : dict, optional
        More headers for every request, over chatkit's own, such as ``{"x-portkey-api-key": "…"}`` for a gateway. Their values are
        kept as secret as the key, and with ``authorization``, ``api-key`` or ``x-api-key`` among them no other key is needed.
    insecure : bool
        Whether a key may go over ``http://`` to another machine, where everybody on the way can read it.
    instructions : bool
        Whether ``AGENTS.md`` follows the system prompt: that of your configuration directory, then of the working one. The chat's
        repr and view say so; `system_prompt` is the text.
    temperature : float, optional
        How much chance there is in the reply; 0 for as little as possible.
    max_tokens : int, optional
        The limit on the tokens of a reply, its reasoning included.
    stop : str or list of str, optional
        Texts at which the reply ends; the Responses API has none.
    seed : int, optional
        For replies that can be repeated, as far as the provider promises it; the Messages and the Responses API have none.
    reasoning : str or int, optional
        How hard the model thinks: an effort, such as ``"low"`` or ``"high"`` (which ones there are depends on the model), or a number of
        tokens (Anthropic and OpenRouter; Claude models before Opus 4.5 take nothing else).
    options : dict, optional
        The provider's own parameters, passed through with every request, such as ``{"top_p": 0.9}``.
    policy : RetryPolicy, optional
        How often and how long to retry.
    context_limit : int, optional
        The model's context window in tokens, of which `view` shows how much is used; only ``demo`` knows its own.
    silence_timeout : float
        Seconds without a part of the reply after which an attempt has failed; 0 for no limit.
    on_retry : callable, optional
        Gets a `RetryNotice` before every wait, on the thread that waits for the reply. A Stop takes effect when it returns.
    show : bool, optional
        Whether turns are shown; where there is a display (a notebook, a terminal) unless given.
    clock : Clock, optional
        Where time comes from; for tests.

    Raises
    ------
    UsageError
        An unknown model, provider or option, a `base_url` that is not http(s), headers that can't be sent, a missing key, or one
        that everybody on the way could read; the message says what to give.

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
        title: str | None = "",
        api_key: str | None = None,
        base_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        insecure: bool = False,
        instructions: bool = True,
        temperature: float | None = None,
        max_tokens: int | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        reasoning: str | int | None = None,
        options: Mapping[str, Any] | None = None,
        policy: RetryPolicy | None = None,
        context_limit: int | None = None,
        silence_timeout: float = 600.0,
        on_retry: Callable[[RetryNotice], object] | None = None,
        show: bool | None = None,
        clock: Clock | None = None,
        **unknown: object,
    ) -> None:
        # a traceback may show these variables
        api_key, base_url, headers, unknown = concealed(api_key), concealed(base_url), concealed(headers), dict.fromkeys(unknown)
        check_names("Chat()", unknown, ("model", *(Chat.__init__.__kwdefaults__ or ())))
        check_settings(
            system=system, title=title, silence_timeout=silence_timeout, policy=policy, clock=clock, context_limit=context_limit, show=show
        )
        check_observer(on_retry)
        self._provider = connect(model, api_key=api_key, base_url=base_url, headers=headers, insecure=insecure)
        self.id = "chat-" + secrets.token_hex(4)
        self.system = system
        self.instructions = instructions
        self._parameters = Parameters(temperature=temperature, max_tokens=max_tokens, stop=stop, seed=seed, reasoning=reasoning)
        self.options = Given.checked(options, self._parameters).written(self._provider.wire.names)
        self.policy = policy or RetryPolicy()
        self.context_limit = context_limit or self._provider.context_limit
        self.silence_timeout = float(silence_timeout)
        self.on_retry = on_retry
        self.show = show
        self._clock = clock or SystemClock()
        self._hub = Hub(self.id, self._clock)
        self._title = ChatTitle(self._hub, title)
        self._worker = Worker(self._hub, self._title)
        self._viewer = Viewer(self)

    _reply_name = "chat.last"  # where a person finds the last reply

    @property
    def model(self) -> str:
        """The model, as ``provider:model``."""
        return self._provider.label

    @property
    def system_prompt(self) -> str:
        """The whole text that is sent before the messages: `system`, then each ``AGENTS.md`` as it is now."""
        return self._prompted()[1]

    @property
    def messages(self) -> tuple[Message, ...]:
        """The messages of the conversation, by id."""
        return tuple(self._hub.transcript.messages)

    @property
    def last(self) -> Reply | None:
        """The last reply, whole or partial, whoever asked for it: a cell, the field of the view, or Try again. None before the first."""
        return self._worker.last_reply()

    @property
    def title(self) -> str:
        """The title: the first words of the conversation until the generated title arrives."""
        return self._title.text

    @title.setter
    def title(self, title: str) -> None:
        require(isinstance(title, str), "give a text", title=title)
        self._title.text = str(title)
        call_soon(self._title.announce)

    @property
    def status(self) -> StatusWord:
        """``waiting`` for a prompt, ``running``, ``interrupting``, or ``error``."""
        return self._hub.transcript.status_word

    @property
    def attempts(self) -> tuple[AttemptRecord, ...]:
        """The record of every attempt of the chat's turns, also where the log is off."""
        return tuple(self._worker.records)

    @property
    def retries(self) -> pd.DataFrame:
        """`attempts` as a DataFrame, which shows seconds: a row per attempt, with the columns of `chatkit.analysis.attempts_frame`."""
        from chatkit.analysis.frames import attempts_frame

        return attempts_frame(self.attempts)

    def ask(
        self,
        prompt: Prompt,
        *,
        show: bool | None = None,
        wait: bool = False,
        options: Mapping[str, Any] | None = None,
        **parameters: Unpack[Parameters],
    ) -> Reply:
        """Send a prompt and wait for the reply, which streams into the cell meanwhile.

        Parameters
        ----------
        prompt : str, Path, image, DataFrame, Series, Text, File, ToolResult, or list of these
            What to ask. For the `tool_calls` of the last reply, a `ToolResult` each; a text beside them follows them. A DataFrame
            or Series of pandas is sent as a table, at most 100 rows and 40 columns; what is left out is said in it.
        show : bool, optional
            Whether this turn is shown.
        wait : bool
            Whether to wait while another turn of this chat is running, such as one of `submit`.
        options : dict, optional
            The provider's own parameters, over those of the chat.
        **parameters
            `temperature`, `max_tokens`, `stop`, `seed` and `reasoning`, as `Chat` takes them, for this turn.

        Returns
        -------
        Reply

        Raises
        ------
        UsageError
            The prompt is empty or of another type, the chat is closed, or an option is unknown.
        Busy
            A turn is running in this chat, and `wait` isn't set.
        ProviderError
            The last attempt failed. The prompt stays visible until the next one replaces it.
        Stopped
            The turn was stopped with the button or `stop`; the partial reply is available as `reply`.
        KeyboardInterrupt
            The kernel was interrupted; the partial reply is in `messages`.
        """
        waiter = Waiter()
        turn = turn_of(self, prompt, waiter, given(self.ask, options, parameters), show=show, waits=wait)
        return waiter.wait(Work(self._worker.run, turn), interrupt=turn.stop)

    async def send(
        self,
        prompt: Prompt,
        *,
        show: bool | None = None,
        wait: bool = False,
        options: Mapping[str, Any] | None = None,
        **parameters: Unpack[Parameters],
    ) -> Reply:
        """The awaitable form of `ask`, for cells and programs that await. Cancelling it keeps the partial reply."""
        awaiter = Awaiter()
        turn = turn_of(self, prompt, awaiter, given(self.send, options, parameters), show=show, waits=wait)
        return await awaiter.wait(Work(self._worker.run, turn), interrupt=turn.stop)

    def submit(
        self, prompt: Prompt, *, show: bool | None = None, options: Mapping[str, Any] | None = None, **parameters: Unpack[Parameters]
    ) -> Run:
        """Send a prompt and return at once: the cell ends, while the view goes on and its buttons always work.

        Returns
        -------
        Run
            ``run.result()`` waits for the `Reply`.
        """
        return Run(*start(self, prompt, given(self.submit, options, parameters), show=show))

    def stream(self, prompt: Prompt, *, options: Mapping[str, Any] | None = None, **parameters: Unpack[Parameters]) -> Stream:
        """Send a prompt and get every event as it arrives, in a plain or an asynchronous loop. Nothing is shown.

        Returns
        -------
        Stream
            Use it in a ``with`` block: leaving the block interrupts the turn.
        """
        events = Subscription()
        return Stream(*start(self, prompt, given(self.stream, options, parameters), events.push, show=False), events)

    def view(self) -> ChatView:
        """The whole chat as a live widget: the messages as they stream, a field for the next one, Stop, Retry now and Try again.

        A chat can be shown in any number of cells, which all stay in step: every call gives the same widget until that is closed
        (``view.close()``). A `Chat` as the last line of a cell is shown as a static transcript.

        Returns
        -------
        ipywidgets.DOMWidget
            To be the last line of a cell, displayed, or put into a layout; turns that it shows can be asked with ``show=False``.
        """
        return self._viewer.widget()

    def stop(self) -> bool:
        """Stop the running turn, and keep the partial reply. Returns at once; False where no turn is running."""
        return self._worker.stop()

    def undo(self) -> tuple[Message, ...]:
        """Remove the last prompt and its answer.

        Returns
        -------
        tuple of Message
            The messages that were removed; empty where there were none.

        Raises
        ------
        Busy
            A turn is running.
        ChatClosed
            The chat is closed.
        """
        return Waiter().wait(call_soon(self._worker.undo))

    def close(self) -> None:
        """Stop the running turn, and take no more prompts. The messages can still be read."""
        self._worker.close()
        self._viewer.end()

    def __reduce__(self) -> NoReturn:
        raise UsageError(
            "a Chat can't be pickled or copied, since it holds a key and a connection: open one in each process, and pickle what was said "
            "(chat.messages, a Reply) or chat.retries"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        from chatkit.display.document import chat_document
        from chatkit.display.writers import bundle

        return {**bundle(chat_document(self._hub.transcript, model=self._prompted()[0])), "text/plain": repr(self)}

    def __repr__(self) -> str:
        if "_worker" not in vars(self):
            return "<Chat: not opened>"  # its settings were refused
        count = len(self.messages)
        name = f" {self.title!r}" if self.title else ""
        return f"<Chat{name} with {self._prompted()[0]}: {count} message{'' if count == 1 else 's'}, {self.status}>"

    def _prompted(self) -> tuple[str, str]:
        """What is shown of the model and its instructions, and the text that is sent before the messages."""
        instructions = read_instructions(instruction_files()) if self.instructions else ""
        return words.labelled(self.model, len(instructions)), "\n\n".join(filter(None, (self.system, instructions)))
