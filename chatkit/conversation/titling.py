"""`chatkit.title`: a title on its own."""

from __future__ import annotations

from chatkit.bridge import Waiter, spawn
from chatkit.clock import Clock, SystemClock
from chatkit.conversation.titles import fallback_title, generate_title
from chatkit.errors import ProviderError, UsageError
from chatkit.providers.registry import connect


def title(
    text: str,
    model: str | None = None,
    *,
    api_key: str | None = None,
    base_url: str | None = None,
    fallback: bool = False,
    clock: Clock | None = None,
) -> str:
    """A title for a conversation that begins with `text`, asked of the model; 10 s in all, retries included.

    Parameters
    ----------
    text : str
        The first message.
    model, api_key, base_url : str, optional
        As `Chat` takes them.
    fallback : bool
        Give `fallback_title` in place of an error of the provider.
    clock : Clock, optional
        For tests.

    Returns
    -------
    str
        At most 8 words and 80 characters of plain text.

    Raises
    ------
    UsageError
        `text` is empty.
    ProviderError
        What went wrong, unless `fallback` is set.

    Examples
    --------
    >>> len(title("Why do clients back off?", "demo:steady").split()) <= 8
    True
    """
    if not isinstance(text, str) or not text.strip():
        raise UsageError("there is nothing to name: give the text of the first message")
    provider = connect(model, api_key=api_key, base_url=base_url)
    try:
        return Waiter().wait(spawn(generate_title(text, provider, clock=clock or SystemClock())))
    except ProviderError:
        if fallback:
            return fallback_title(text)
        raise
