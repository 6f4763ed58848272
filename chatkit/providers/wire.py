"""What a wire format is: a request to bytes, and server-sent events to pieces of parts.

Both halves are pure; `chatkit.providers.http` moves the bytes between them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from chatkit.errors import Kind, ProviderError, UsageError, provider_error
from chatkit.failures.classification import classified, classify
from chatkit.parts import Message, Part, StopReason, Usage
from chatkit.sse import ServerSentEvent

Piece = tuple[int, Part]
"""Which part of the message, counted from 0, and a piece of it."""

OURS = ("messages", "input", "model", "stream", "n")
"""What `options` can't set: the conversation is the chat's own, and one reply is streamed."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What one step asks of a model.

    Attributes
    ----------
    model : str
        The model's name, without the provider's.
    messages : tuple of Message
        The history, as `chatkit.conversation.prompt` prepared it.
    system : str
        The system prompt; system messages that lead the history follow it.
    options : dict
        Merged over the request's body last, in the provider's own words; None takes a key out of the body.
    max_output_tokens : int or None
        The limit that the person set. None: no limit is sent, except where the provider demands one.
    """

    model: str
    messages: tuple[Message, ...]
    system: str = ""
    options: dict[str, Any] = {}
    max_output_tokens: int | None = None


class Finish(msgspec.Struct, frozen=True, kw_only=True):
    """How a reply ended.

    Attributes
    ----------
    stop_reason : str or None
        The reason in chatkit's words.
    provider_stop_reason : str or None
        The provider's own word; None where it gave none.
    usage : Usage or None
        The tokens of this step; None where nothing was reported.
    model : str or None
        Who says that it answered.
    request_id : str or None
        The provider's name for the request.
    """

    stop_reason: StopReason | None
    provider_stop_reason: str | None
    usage: Usage | None
    model: str | None
    request_id: str | None = None


class Decoder(Protocol):
    """One reply, read event by event.

    Attributes
    ----------
    complete : bool
        The terminal event came: what the connection does from now on can't spoil the reply.
    done : bool
        Nothing of interest can follow: reading may stop.
    """

    @property
    def complete(self) -> bool: ...

    @property
    def done(self) -> bool: ...

    def feed(self, event: ServerSentEvent) -> list[Piece]:
        """The pieces in one event.

        Raises
        ------
        ProviderError
            An error frame, or broken JSON (kind ``network``).
        """

    def whole(self, body: Any) -> list[Piece]:
        """The pieces of a reply that a server sent whole, as one JSON object, although a stream was asked for.

        Raises
        ------
        ProviderError
            It is an error, or no reply (kind ``server_error``).
        """

    def close(self) -> Finish:
        """The end of the stream.

        Raises
        ------
        ProviderError
            The terminal event never came (kind ``network``), or the reply is empty (kind ``server_error``).
        """


class WireFormat(Protocol):
    """One provider's language.

    Attributes
    ----------
    path : str
        What follows the base URL.
    """

    @property
    def path(self) -> str: ...

    def headers(self, api_key: str | None) -> dict[str, str]:
        """The headers that carry the key, and what else the format needs."""

    def encode(self, request: Request) -> bytes:
        """The body of a request.

        Raises
        ------
        UsageError
            The options can't work, or the format can't carry a file of the history.
        """

    def decoder(self, provider: str) -> Decoder:
        """A reader for one reply of the provider of this name."""


def body_of(body: dict[str, Any], options: Mapping[str, Any]) -> bytes:
    """A request's JSON, with the person's options merged over it.

    Parameters
    ----------
    body : dict
        What chatkit says.
    options : mapping
        The provider's own parameters; None takes a key out.

    Returns
    -------
    bytes

    Raises
    ------
    UsageError
        An option that would break the stream or the conversation, or that isn't JSON.

    Examples
    --------
    >>> body_of({"model": "m", "stream": True, "store": False}, {"temperature": 0, "store": None})
    b'{"model":"m","stream":true,"temperature":0}'
    """
    for key in OURS:
        harmless = {"stream": True, "n": 1}.get(key)
        if key in options and (harmless is None or options[key] != harmless):
            raise UsageError(f"options can't set {key!r}: chatkit streams one reply to the chat's own messages; take it out of options")
    merged = {k: v for k, v in {**body, **options}.items() if v is not None}
    try:
        return msgspec.json.encode(merged)
    except TypeError as error:
        raise UsageError(f"options must be JSON: {error}") from None
    except UnicodeEncodeError:
        raise UsageError("the text of a message has half a surrogate pair, which is no Unicode text: take it out") from None


def failure(kind: Kind, provider: str, message: str, detail: str = "", status_code: int | None = None) -> ProviderError:
    """The error for what chatkit itself found out.

    Parameters
    ----------
    kind : str
    provider : str
        Who failed.
    message : str
        Our sentence, without a full stop.
    detail : str, optional
        The provider's own words: redacted and cut here.
    status_code : int, optional
        The HTTP status, where it is the reason.
    """
    return provider_error(replace(classified(kind, provider, status_code=status_code, detail=detail), message=message))


def refused(provider: str, frame: Any) -> ProviderError:
    """The error that a frame of a stream, or a body under 200, speaks of."""
    return provider_error(classify(body=frame, provider=provider))


def cut_off(provider: str, detail: str = "") -> ProviderError:
    """The error for a stream that ended without its terminal event."""
    return _paid(failure("network", provider, f"the stream of {provider} was cut off before its end", detail))


def _paid(error: ProviderError) -> ProviderError:
    error.paid = True
    return error


def settle(
    provider: str,
    reason: StopReason,
    word: str | None,
    *,
    said: bool,
    called: bool,
    declined: bool = False,
    usage: Usage | None = None,
    model: str | None = None,
) -> Finish:
    """How a complete reply ended, in the words that all formats share.

    A reply with calls ended for them, whatever word the server used; one whose text declines is a refusal.

    Parameters
    ----------
    provider : str
    reason : str
        The stop reason that the provider's word translates to.
    word : str or None
        The provider's word.
    said, called, declined : bool
        Whether there was text, reasoning or another part; a call for us to run; a refusal.
    usage : Usage, optional
    model : str, optional

    Returns
    -------
    Finish

    Raises
    ------
    ProviderError
        The reply is empty for no reason: kind ``server_error``.
    """
    if reason in ("end", "tool_calls"):
        if not (said or called or declined):
            raise _paid(failure("server_error", provider, f"{provider} sent an empty reply"))
        reason = "tool_calls" if called else "refusal" if declined else "end"
    return Finish(stop_reason=reason, provider_stop_reason=word, usage=usage, model=model)
