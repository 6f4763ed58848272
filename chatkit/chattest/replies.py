"""Functions that build responses: a model's reply in any wire format, any HTTP response, and HTML pages that an API shouldn't send."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from chatkit.chattest.response import ModelOutput, RawBody, Response, ScriptedToolCall, merged
from chatkit.errors import UsageError
from chatkit.parts import StopReason, ToolCall, Usage

_WORD = re.compile(r"\s*\S+(?:\s+\Z)?|\A\s+\Z")
_ARGUMENT_CHARACTERS = 8
"""Characters per piece of the arguments of a tool call."""


def reply(
    text: str = "",
    *,
    chunks: int | Sequence[str] | None = None,
    reasoning: str | Sequence[str] = "",
    tool_calls: Iterable[ToolCall | tuple[str, Mapping[str, Any]]] = (),
    usage: Usage | None = None,
    stop_reason: StopReason | None = None,
    delay: float = 0.0,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A model's reply, as a complete and valid stream in the format that the request's path belongs to.

    A request without ``"stream": true`` gets the same reply as one JSON object.

    Parameters
    ----------
    text : str
        The visible text. Without any content, the reply is empty.
    chunks : int or sequence of str, optional
        How the text is divided into pieces: the number of characters per piece, or the pieces themselves (`text` can then
        be left out). The default is one piece per word.
    reasoning : str or sequence of str, optional
        The reasoning before the text. A string is divided into words; a sequence is the pieces.
    tool_calls : iterable of ToolCall or (name, args), optional
        Tool calls after the text. Their arguments are streamed in pieces of 8 characters.
    usage : Usage, optional
        Tokens as chatkit counts them, which are converted to the provider's way of counting. The default is 12 input
        tokens and one output token per piece.
    stop_reason : str, optional
        ``end``, ``tool_calls``, ``length``, ``content_filter``, ``refusal`` or ``pause``, which is converted to the
        provider's word. The default is ``tool_calls`` if there are tool calls, else ``end``. With ``refusal``, the text is
        sent as the model's refusal.
    delay : float, default 0.0
        Real seconds between two pieces.
    headers : mapping, optional
        Headers in addition to the format's own.

    Returns
    -------
    Response

    Raises
    ------
    UsageError
        `chunks` and `text` differ, or a tool call has the wrong type.

    Examples
    --------
    >>> reply("Clients back off.").pieces
    3
    >>> reply("Clients back off.", chunks=4).pieces
    5
    >>> reply(chunks=["Cli", "ents"], tool_calls=[("search", {"query": "jitter"})]).pieces
    5
    """
    pieces = _text_pieces(text, chunks)
    thoughts = tuple(_WORD.findall(reasoning)) if isinstance(reasoning, str) else tuple(reasoning)
    calls = tuple(_tool_call(given) for given in tool_calls)
    output = ModelOutput(
        reasoning=thoughts,
        text=pieces,
        tool_calls=calls,
        stop_reason=stop_reason or ("tool_calls" if calls else "end"),
        usage=usage or Usage(input_tokens=12, output_tokens=len(thoughts) + len(pieces) + sum(len(c.pieces) for c in calls)),
    )
    return Response(content=output, headers=merged((), headers), delay=delay)


def _text_pieces(text: str, chunks: int | Sequence[str] | None) -> tuple[str, ...]:
    if chunks is None:
        return tuple(_WORD.findall(text))
    if isinstance(chunks, int):
        if chunks < 1:
            raise UsageError(f"chunks={chunks}: give 1 character or more, or a list of pieces")
        return tuple(text[i : i + chunks] for i in range(0, len(text), chunks))
    if isinstance(chunks, str):
        raise UsageError("chunks is one string: give a list of pieces, or a number of characters")
    if text and "".join(chunks) != text:
        raise UsageError("chunks don't add up to the text: give one of both")
    return tuple(chunks)


def _tool_call(given: ToolCall | tuple[str, Mapping[str, Any]]) -> ScriptedToolCall:
    match given:
        case ToolCall(tool_call_id=id, tool_name=name, args=args, args_delta=delta):
            text = delta if args is None else msgspec.json.encode(args).decode()
        case (str() as name, Mapping() as args):
            id, text = "", msgspec.json.encode(args).decode()
        case _:
            raise UsageError(f"a tool call is a ToolCall or a pair of name and arguments, not {given!r}")
    size = _ARGUMENT_CHARACTERS
    return ScriptedToolCall(id=id, name=name, pieces=tuple(text[i : i + size] for i in range(0, len(text), size)) or ("",))


def http_response(
    status: int = 200,
    body: str | bytes | Mapping[str, Any] | Sequence[str | bytes] = b"",
    *,
    content_type: str | None = None,
    headers: Mapping[str, str] | None = None,
    delay: float = 0.0,
) -> Response:
    """Any HTTP response, whose body is sent unchanged.

    Parameters
    ----------
    status : int, default 200
        HTTP status.
    body : str, bytes, mapping or a sequence of str or bytes
        One body with its content length, a mapping that is sent as JSON, or the chunks of a chunked body, such as a
        recorded stream.
    content_type : str, optional
        The default is JSON for a mapping, ``text/event-stream`` for chunks, else plain text.
    headers : mapping, optional
        More headers.
    delay : float, default 0.0
        Real seconds between two chunks.

    Returns
    -------
    Response
        Each chunk is one piece.

    Examples
    --------
    >>> http_response(503, "upstream connect error", headers={"retry-after": "2"}).status
    503
    >>> http_response(200, ["data: [DONE]", "\\n\\n"]).reset(after=1).pieces
    2
    """
    chunked = False
    match body:
        case str() | bytes():
            given, kind = [body] if body else [], "text/plain; charset=utf-8"
        case Mapping():
            given, kind = [msgspec.json.encode(body)], "application/json"
        case _:
            given, kind, chunked = list(body), "text/event-stream; charset=utf-8", True
    chunks = tuple(c.encode() if isinstance(c, str) else c for c in given)
    with_type = {"content-type": content_type or kind} | {n.lower(): v for n, v in (headers or {}).items()}
    return Response(content=RawBody(chunks=chunks, chunked=chunked), status=status, headers=merged((), with_type), delay=delay)


_GATEWAY = """<html>
<head><title>{status} {reason}</title></head>
<body>
<center><h1>{status} {reason}</h1></center>
<hr><center>nginx</center>
</body>
</html>
"""
_SIGN_IN = """<!DOCTYPE html>
<html>
<head><title>Sign in to the network</title></head>
<body><h1>Sign in to the network</h1><p>Accept the terms of use to go on.</p></body>
</html>
"""
_REASONS = {500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Time-out"}


def html_response(status: int = 502, *, headers: Mapping[str, str] | None = None) -> Response:
    """An HTML page in place of an API's response: a gateway's error page or, with status 200, a network's sign-in page.

    >>> html_response(200).headers
    (('content-type', 'text/html; charset=utf-8'),)
    """
    page = _SIGN_IN if status < 300 else _GATEWAY.format(status=status, reason=_REASONS.get(status, "Error"))
    return http_response(status, page, content_type="text/html; charset=utf-8", headers=headers)
