"""`chatkit.chat`: one prompt, in a chat of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chatkit.clock import Clock
from chatkit.conversation.interface import Chat
from chatkit.conversation.prompt import Prompt
from chatkit.conversation.replies import Reply
from chatkit.conversation.worker import Worker
from chatkit.providers.endpoint import concealed
from chatkit.retries.backoff import RetryPolicy
from chatkit.retries.notice import RetryNotice


def chat(
    prompt: Prompt,
    model: str | None = None,
    *,
    system: str = "",
    title: str | None = None,
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
) -> Reply:
    """Send one prompt in a chat of its own.

    Parameters
    ----------
    prompt : str, Path, image, DataFrame, Series, Text, File, or list of these
        What to ask.
    model : str, optional
        ``"provider:model"``, as `Chat` takes it.
    system, title, api_key, base_url, headers, insecure, instructions, temperature, max_tokens, stop, seed, reasoning, options
        As `Chat` takes them.
    policy, context_limit, silence_timeout, on_retry, show, clock
        As `Chat` takes them.

    Returns
    -------
    Reply

    Raises
    ------
    UsageError, ProviderError, Stopped
        As `Chat` and `Chat.ask` raise them.

    Examples
    --------
    >>> chat("Hello", "demo:steady", show=False).stop_reason
    'end'
    """
    # a traceback may show these variables
    api_key, base_url, headers, unknown = concealed(api_key), concealed(base_url), concealed(headers), dict.fromkeys(unknown)
    one = Chat(
        model,
        system=system,
        title=title,
        api_key=api_key,
        base_url=base_url,
        headers=headers,
        insecure=insecure,
        instructions=instructions,
        temperature=temperature,
        max_tokens=max_tokens,
        stop=stop,
        seed=seed,
        reasoning=reasoning,
        options=options,
        policy=policy,
        context_limit=context_limit,
        silence_timeout=silence_timeout,
        on_retry=on_retry,
        show=show,
        clock=clock,
        **unknown,
    )
    one._reply_name = "chatkit.last()"
    reply = one.ask(prompt)  # after a failure the chat stays open: its view has a Try again button
    one.close()
    return reply


def last() -> Reply | None:
    """The last reply that any chat got in this process, whole or partial; None where there was none.

    It is where the reply is when a cell with `chatkit.chat` failed, and Try again below it succeeded. A `Chat` has its own:
    `Chat.last`.

    Examples
    --------
    >>> reply = chat("Hello", "demo:steady", show=False)
    >>> last() is reply
    True
    """
    return Worker.latest
