"""Chat Completions, read: chunks to pieces, as OpenAI sends them and as everybody else does."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from chatkit.errors import Kind
from chatkit.parts import File, Reasoning, Source, StopReason, Text
from chatkit.providers.calls import CallList
from chatkit.providers.reading import apart, count, error_in, frames, objects, word
from chatkit.providers.usage import openai_usage
from chatkit.providers.wire import Finish, Piece, cut_off, failure, refused, settle
from chatkit.sse import ServerSentEvent

FAMILY = "chat"
REASONING = ("reasoning_content", "reasoning", "reasoning_text", "thinking")
"""Names of the same thing: of a piece that comes under several, the first counts."""

STOPS: dict[str, StopReason] = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "max_output_tokens": "length",
    "tool_calls": "tool_calls",
    "tool_call": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "content_filtered": "content_filter",
    "sensitive": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "prohibited_content": "content_filter",
    "blocklist": "content_filter",
    "guardrail_intervened": "content_filter",
    "refusal": "refusal",
}
"""Every other word, in whatever case, is an ordinary end."""

FAILED: dict[str, Kind] = {
    "error": "server_error",
    "network_error": "server_error",
    "insufficient_system_resource": "overloaded",
    "abort": "network",
}
"""Words for a reply that broke off."""


class _PlainDelta(msgspec.Struct, forbid_unknown_fields=True):
    content: str
    role: str | None = None
    refusal: None = None
    reasoning_content: None = None
    reasoning: None = None
    tool_calls: None = None
    function_call: None = None
    audio: None = None
    name: None = None
    token_id: Any = None


class _PlainChoice(msgspec.Struct):
    delta: _PlainDelta
    index: int = 0
    finish_reason: None = None
    error: None = None
    message: None = None
    text: Any = None
    usage: None = None


class _PlainChunk(msgspec.Struct):
    """A chunk that holds some text and nothing else: nearly all of them. Whatever doesn't fit is read in full."""

    choices: tuple[_PlainChoice]
    usage: None = None
    error: None = None
    citations: None = None
    search_results: None = None


_plain = msgspec.json.Decoder(_PlainChunk).decode


class ChatDecoder:
    """One reply of Chat Completions.

    Parameters
    ----------
    provider : str
        Who answers, for messages.
    origin : str
        The server's host: what it needs back is marked with it.
    """

    def __init__(self, provider: str, origin: str = "") -> None:
        self.done = self.complete = False
        self._provider = provider
        self._origin = origin
        self._model = ""
        self._finish = ""
        self._usage: Any = None
        self._frames = 0
        self._known = False  # who answers is known, or will never be: plain chunks need no full reading
        self._first_choice = False
        self._next = 0
        self._open = ""
        self._at = 0
        self._said: dict[str, list[str]] = {"text": [], "reasoning": [], "refusal": [], "file": []}
        self._texts = self._said["text"]
        self._calls = CallList()
        self._cited: dict[bytes, Source] = {}
        self._cited_told = 0
        self._details: list[dict[str, Any]] = []
        self._details_told = True
        self._thought_at: int | None = None

    def feed(self, event: ServerSentEvent) -> list[Piece]:
        if self._known and event.event != "error":
            try:
                choice = _plain(event.data).choices[0]
            except (msgspec.DecodeError, UnicodeDecodeError):
                pass
            else:
                if choice.index == 0:
                    text = choice.delta.content
                    if not text:
                        return []
                    if self._open != "text":
                        self._begin("text")
                    self._texts.append(text)
                    return [(self._at, Text(text=text))]
        data = event.data.strip()
        if not data or self.done:
            return []
        if b"\n" in data and len(single := apart(event)) > 1:
            return [piece for one in single for piece in self.feed(one)]
        if data.strip(b'"') == b"[DONE]":
            self.done = self.complete = True
            return self._settle()
        pieces: list[Piece] = []
        for frame in frames(data, event.event, self._provider):
            pieces += self._frame(frame)
        return pieces

    def whole(self, body: Any) -> list[Piece]:
        pieces: list[Piece] = []
        for frame in objects(body):
            if error_in(frame):
                raise refused(self._provider, frame)
            pieces += self._frame(frame)
        if not any(objects(f.get("choices")) for f in objects(body)):
            raise failure("server_error", self._provider, f"{self._provider} answered with JSON that is no reply", str(body))
        self.done = self.complete = True
        return pieces + self._settle()

    def close(self) -> Finish:
        if not self.complete:
            raise cut_off(self._provider)
        if kind := FAILED.get(self._finish):
            raise failure(kind, self._provider, f"{self._provider} broke its reply off with {self._finish!r}")
        return settle(
            self._provider,
            STOPS.get(self._finish.lower().replace("-", "_").partition(":")[0], "end"),  # "content_filter: RECITATION"
            self._finish or None,
            said=any(self._said.values()),
            called=bool(self._calls),
            declined=bool(self._said["refusal"]) and not self._texts,
            usage=openai_usage(self._usage),
            model=self._model or None,
        )

    def _frame(self, frame: dict[str, Any]) -> list[Piece]:
        self._model = self._model or word(frame.get("model"))
        self._calls.seed = self._calls.seed or f"{word(frame.get('id'))}{frame.get('created') or ''}"
        choices = objects(frame.get("choices"))
        groq = next(iter(objects(frame.get("x_groq"))), {})
        if groq.get("error"):
            raise refused(self._provider, groq)
        for usage in (frame.get("usage"), *(c.get("usage") for c in choices), groq.get("usage")):
            if openai_usage(usage) is not None:
                self._usage = usage
                break
        self._top_level_citations(frame)
        pieces: list[Piece] = []
        for choice in choices:
            first = not count(choice.get("index"))
            if first or not self._first_choice:  # old servers number the tokens here: without a choice 0, any will do
                self._first_choice = self._first_choice or first
                pieces += self._choice(choice)
        self._frames += 1
        self._known = bool(self._model) or self._frames > 3
        return pieces

    def _choice(self, choice: dict[str, Any]) -> list[Piece]:
        if choice.get("error"):
            raise refused(self._provider, choice)
        pieces: list[Piece] = []
        delta, message, text = choice.get("delta"), choice.get("message"), choice.get("text")
        if isinstance(delta, dict):
            pieces += self._delta(delta)
        if isinstance(message, dict):
            pieces += self._delta(self._unsaid(message, by_delta=isinstance(delta, dict)))
        if isinstance(text, str) and not isinstance(delta, dict):  # some servers tell every piece under both names
            pieces += self._say("text", text)
        finish = choice.get("finish_reason") or choice.get("finish_details")
        finish = word(finish.get("type")) if isinstance(finish, dict) else word(finish)
        if finish:
            self._finish = finish
            self.complete = True
            pieces += self._settle()
        return pieces

    def _unsaid(self, message: dict[str, Any], *, by_delta: bool) -> dict[str, Any]:
        """What a message adds to what was said: some servers repeat the whole of it, some send only such."""
        rest = dict(message)
        for kind, names in (("text", ("content",)), ("reasoning", REASONING), ("refusal", ("refusal",))):
            so_far = "".join(self._said[kind])
            for name in names:
                value = rest.get(name)
                if isinstance(value, str) and value.startswith(so_far):
                    rest[name] = value[len(so_far) :]
                elif isinstance(value, str) and by_delta:
                    rest[name] = ""
        return rest

    def _delta(self, delta: dict[str, Any]) -> list[Piece]:
        name = next((n for n in REASONING if delta.get(n)), "")
        pieces = self._think(name, _plain_text(delta.get(name))) if name else []
        for detail in objects(delta.get("reasoning_details")):
            text = _plain_text(detail.get("text")) or _plain_text(detail.get("summary"))
            so_far = "".join(self._said["reasoning"]) if text and not name else ""
            if len(so_far) > 20 and text.startswith(so_far):  # the whole of it so far, once more
                text = text[len(so_far) :]
            pieces += self._think("", text) if not name else []
            self._keep(detail)
        pieces += self._content(delta.get("content"))
        pieces += self._say("refusal", word(delta.get("refusal")))
        calls = objects(delta.get("tool_calls"))
        for call in calls + ([{**f, "index": 0}] if isinstance(f := delta.get("function_call"), dict) else []):
            draft, new = self._calls.feed(call, self._next)
            if draft.at == self._next:
                self._begin("call")
            if extra := call.get("extra_content"):
                draft.data = {FAMILY: {"origin": self._origin, "extra_content": extra}}
            pieces += new
        for annotation in objects(delta.get("annotations")):
            inner = annotation.get(word(annotation.get("type")))
            self._cite(annotation, inner if isinstance(inner, dict) else annotation)
        for image in objects(delta.get("images")):
            pieces += self._image(image)
        return pieces

    def _content(self, content: Any) -> list[Piece]:
        """Text; or a list of it, with thoughts and references between."""
        if isinstance(content, str):
            return self._say("text", content)
        pieces: list[Piece] = []
        for item in [content] if isinstance(content, dict) else content if isinstance(content, list) else []:
            if isinstance(item, str):
                pieces += self._say("text", item)
            elif isinstance(item, dict):
                match item.get("type"):
                    case "thinking" | "reasoning" | "reasoning_text":
                        thought = next((v for n in ("thinking", "text", "summary", "content") if (v := item.get(n))), "")
                        pieces += self._think("", _plain_text(thought))
                    case "image_url":
                        pieces += self._image(item)
                    case "refusal":
                        pieces += self._say("refusal", word(item.get("refusal")))
                    case _ if item.get("url"):
                        self._cite(item, item)
                    case _:
                        pieces += self._say("text", word(item.get("text")))
        return pieces

    def _say(self, kind: str, text: str) -> list[Piece]:
        if not text:
            return []
        if self._open != kind:
            self._begin(kind)
        self._said[kind].append(text)
        return [(self._at, Text(text=text, refusal=kind == "refusal"))]

    def _think(self, name: str, text: str) -> list[Piece]:
        if not text:
            return []
        data = None
        if self._open != "reasoning":
            self._begin("reasoning")
            self._thought_at = self._at
            data = {FAMILY: {"origin": self._origin, "key": name}} if name else None
        self._said["reasoning"].append(text)
        return [(self._at, Reasoning(text=text, provider_data=data))]

    def _begin(self, kind: str) -> None:
        self._open, self._at = kind, self._next
        self._next += 1

    def _keep(self, detail: dict[str, Any]) -> None:
        """Gather the details of reasoning, which go back whole: the pieces of one are joined."""
        last = self._details[-1] if self._details else {}
        if last and all(last.get(k) == detail.get(k) for k in ("type", "index")) and detail.get("type") != "reasoning.encrypted":
            for key, value in detail.items():
                joins = key in ("text", "summary") and isinstance(value, str)
                last[key] = word(last.get(key)) + value if joins else last.get(key) if value is None else value
        else:
            self._details.append(dict(detail))
        self._details_told = False

    def _image(self, image: dict[str, Any]) -> list[Piece]:
        inner = image.get("image_url")
        url = word(inner.get("url")) if isinstance(inner, dict) else word(inner)
        head, comma, data = url.partition(",")
        if not url:
            return []
        self._begin("file")
        self._said["file"].append(url[:8])
        if not (comma and head.startswith("data:") and head.endswith(";base64")):
            return [(self._at, File(media_type="image/*", url=url))]
        try:
            return [(self._at, File(media_type=head[5:-7], data=base64.b64decode(data)))]
        except binascii.Error:
            return []

    def _top_level_citations(self, frame: dict[str, Any]) -> None:
        """What servers that search put beside the choices: addresses, and results with titles."""
        results = {word(r.get("url")): word(r.get("title")) for r in objects(frame.get("search_results"))}
        listed = frame.get("citations")
        addresses = [u for u in listed if isinstance(u, str)] if isinstance(listed, list) else []
        for url in filter(None, dict.fromkeys([*addresses, *results])):
            known = self._cited.get(url.encode())
            if known is None or not known.title:
                self._cited[url.encode()] = Source(url=url, title=results.get(url, ""))

    def _cite(self, key: dict[str, Any], citation: dict[str, Any]) -> None:
        """Note a citation; one that is told again in the same words is the same."""
        source = Source(
            source_id=word(citation.get("file_id")),
            url=word(citation.get("url")),
            title=word(citation.get("title")) or word(citation.get("filename")),
        )
        self._cited.setdefault(msgspec.json.encode(key), source)

    def _settle(self) -> list[Piece]:
        """What can be told only at the end: arguments, sources, and what goes back with the reasoning."""
        pieces = self._calls.settle()
        for source in list(self._cited.values())[self._cited_told :]:
            self._begin("source")
            pieces.append((self._at, source))
        self._cited_told = len(self._cited)
        if not self._details_told:
            self._details_told = True
            if self._thought_at is None:
                self._begin("reasoning")
                self._thought_at = self._at
            data = {FAMILY: {"origin": self._origin, "details": [dict(d) for d in self._details]}}
            pieces.append((self._thought_at, Reasoning(provider_data=data)))
        return pieces


def _plain_text(value: Any) -> str:
    """A text, or the texts of a list."""
    if isinstance(value, list):
        return "".join(_plain_text(v) for v in value)
    if isinstance(value, dict):
        return _plain_text(value.get("text") or value.get("content") or value.get("thinking"))
    return word(value)
