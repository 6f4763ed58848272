"""Chat Completions, decoded: chunks to pieces, as OpenAI sends them and as other servers do."""

from __future__ import annotations

from typing import Any

import msgspec

from chatkit.errors import Kind
from chatkit.parts import File, Reasoning, Source, StopReason, Text
from chatkit.providers.decoding import (
    Decoder,
    Finish,
    Piece,
    base64_bytes,
    count,
    cut_off,
    failure,
    finished,
    label,
    mapping,
    objects,
    openai_usage,
    refused,
    whole_reply,
    word,
)
from chatkit.providers.tool_calls import CallList
from chatkit.sse import ServerSentEvent

FAMILY = "chat"
REASONING_KEYS = ("reasoning_content", "reasoning", "reasoning_text", "thinking")
"""Names of one thing, of which a piece may bear several (mlx-vlm, OpenRouter): the first that is there counts."""

STOP_REASONS: dict[str, StopReason] = {
    "length": "length",
    "max_tokens": "length",  # Gemini, Bedrock
    "model_length": "length",  # Mistral
    "content_filter": "content_filter",
    "content_filtered": "content_filter",  # Bedrock
    "guardrail_intervened": "content_filter",
    "sensitive": "content_filter",  # Zhipu
    "safety": "content_filter",  # Gemini
    "recitation": "content_filter",
    "prohibited_content": "content_filter",
    "blocklist": "content_filter",
    "refusal": "refusal",  # Anthropic
}
"""Every other word, in upper or lower case, is an ordinary end."""

FAILURES: dict[str, Kind] = {
    "error": "server_error",  # OpenRouter, Mistral
    "network_error": "server_error",  # Zhipu
    "insufficient_system_resource": "overloaded",  # DeepSeek
    "abort": "network",  # vLLM, SGLang
}
"""Finish reasons of a reply that failed."""


class _PlainDelta(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    content: str
    role: str | None = None
    refusal: None = None
    reasoning_content: None = None
    reasoning: None = None
    tool_calls: None = None
    function_call: None = None
    audio: None = None
    name: None = None
    token_id: Any = None  # Together


class _PlainChoice(msgspec.Struct, gc=False):
    delta: _PlainDelta
    index: int = 0
    finish_reason: msgspec.UnsetType | None = msgspec.UNSET
    error: None = None
    message: None = None
    text: Any = None
    usage: None = None


class _PlainChunk(msgspec.Struct, gc=False):
    """A chunk that holds some text and nothing else, as nearly all do; what doesn't fit is read in full."""

    choices: tuple[_PlainChoice]
    usage: None = None
    error: None = None
    citations: None = None
    search_results: None = None


_plain = msgspec.json.Decoder(_PlainChunk).decode


class ChatDecoder(Decoder):
    """Decodes one reply of Chat Completions. What the server needs back is marked with its host, `origin`."""

    def __init__(self, provider: str, origin: str = "") -> None:
        super().__init__(provider)
        self._origin = origin
        self._finish = ""
        self._finish_is_due = False  # a chunk had a finish_reason that was null
        self._usage: Any = None
        self._counted_after = -1  # the number of texts before the usage, while nothing but usage came last
        self._frames = 0
        self._plain_allowed = False  # once the model is known (or isn't going to be), plain chunks need no full reading
        self._has_choice_0 = False
        self._at = 0  # the number of the part under way, and its kind
        self._open = ""
        self._said: dict[str, list[str]] = {"text": [], "reasoning": [], "refusal": [], "file": []}
        self._texts = self._said["text"]
        self._calls = CallList()
        self._cited: dict[bytes, Source] = {}
        self._cited_told = 0
        self._details: list[dict[str, Any]] = []
        self._details_told = True
        self._thought_at: int | None = None

    def feed(self, event: ServerSentEvent) -> list[Piece]:
        if self._plain_allowed and event.event != "error":
            try:
                choice = _plain(event.data).choices[0]
            except (ValueError, RecursionError):
                pass
            else:
                if choice.index == 0:
                    if choice.finish_reason is None:
                        self._finish_is_due = True
                    text = choice.delta.content
                    if not text:
                        return []
                    if self._open != "text":
                        self._begin("text")
                    self._texts.append(text)
                    return [(self._at, Text(text=text))]
        return super().feed(event)

    def whole(self, body: Any) -> list[Piece]:
        return self._frame(whole_reply(body, "choices", self._provider)) + self._end()

    def close(self) -> Finish:
        if not self.complete:
            raise cut_off(self._provider)
        if kind := FAILURES.get(self._finish):
            raise failure(kind, self._provider, f"{self._provider} ended its reply with {self._finish!r}")
        return finished(
            self._provider,
            STOP_REASONS.get(self._finish.lower().partition(":")[0], "end"),  # "content_filter: RECITATION"
            self._finish or None,
            said=self.may_be_empty or any(self._said.values()),
            called=bool(self._calls),
            declined=bool(self._said["refusal"]) and not self._texts,
            usage=openai_usage(self._usage),
            model=self._model or None,
        )

    def _end_mark(self) -> list[Piece]:
        """``[DONE]`` ends a reply; where a `finish_reason` was due, only after it, or after the usage (llama-cpp-python is cut so)."""
        if self._finish_is_due and not self._finish and self._counted_after != len(self._texts):
            raise cut_off(self._provider)
        return self._end()

    def _end(self) -> list[Piece]:
        self.done = self.complete = True
        return self._settle()

    def _frame(self, frame: dict[str, Any], kind: str = "") -> list[Piece]:
        self._model = self._model or word(frame.get("model"))
        self._calls.seed = self._calls.seed or f"{word(frame.get('id'))}{frame.get('created') or ''}"
        choices, groq = objects(frame.get("choices")), mapping(frame.get("x_groq"))
        if groq.get("error"):
            raise refused(self._provider, groq)
        usages = (frame.get("usage"), *(c.get("usage") for c in choices), groq.get("usage"))  # in the choice: Moonshot
        counted = next((usage for usage in usages if openai_usage(usage) is not None), None)
        self._usage = counted or self._usage
        self._cite_beside(frame)
        pieces: list[Piece] = []
        for choice in choices:
            first = not count(choice.get("index"))
            if first or not self._has_choice_0:  # text-generation-inference 1.4 numbers the tokens here, from 1
                self._has_choice_0 = self._has_choice_0 or first
                pieces += self._choice(choice)
        self._counted_after = len(self._texts) if counted and not pieces else -1
        self._frames += 1
        self._plain_allowed = bool(self._model) or self._frames > 3
        return pieces

    def _choice(self, choice: dict[str, Any]) -> list[Piece]:
        if choice.get("error"):
            raise refused(self._provider, choice)
        pieces: list[Piece] = []
        delta, message, text = choice.get("delta"), choice.get("message"), choice.get("text")
        if isinstance(delta, dict):
            pieces += self._delta(delta)
        if isinstance(message, dict):
            said = mapping(delta)  # Writer and Perplexity send a piece under both names
            message = {name: value for name, value in message.items() if not said.get(name)}
            pieces += self._delta(self._unsaid(message, beside_delta=isinstance(delta, dict)))
        if isinstance(text, str) and not isinstance(delta, dict):  # Together sends every piece under both names
            pieces += self._say("text", text)
        self._finish_is_due = self._finish_is_due or "finish_reason" in choice
        if finish := word(choice.get("finish_reason")):
            self._finish = finish
            self.complete = True
            pieces += self._settle()
        return pieces

    def _unsaid(self, message: dict[str, Any], *, beside_delta: bool) -> dict[str, Any]:
        """What a message adds to the reply so far: Perplexity repeats all of it in each chunk, other servers send only this."""
        rest = dict(message)
        for kind, names in (("text", ("content",)), ("reasoning", REASONING_KEYS), ("refusal", ("refusal",))):
            so_far = "".join(self._said[kind])
            for name in names:
                if value := word(rest.get(name)):
                    rest[name] = "" if beside_delta and not value.startswith(so_far) else value.removeprefix(so_far)
        return rest

    def _delta(self, delta: dict[str, Any]) -> list[Piece]:
        name = next((n for n in REASONING_KEYS if delta.get(n)), "")
        pieces = self._think(_joined_text(delta.get(name)), name) if name else []
        for detail in objects(delta.get("reasoning_details")):
            if not name:
                text, so_far = _joined_text(detail.get("text") or detail.get("summary")), "".join(self._said["reasoning"])
                pieces += self._think(text.removeprefix(so_far) if len(so_far) > 20 else text)  # MiniMax may repeat all of it
            self._keep(detail)
        pieces += self._content(delta.get("content"))
        pieces += self._say("refusal", word(delta.get("refusal")))
        calls = objects(delta.get("tool_calls"))
        if not calls and (function := mapping(delta.get("function_call"))):  # OpenAI's form of 2023
            calls = [{**function, "index": 0}]
        for call in calls:
            draft, new = self._calls.feed(call, self._next)
            if draft.at == self._next:
                self._begin("call")
            if extra := call.get("extra_content"):  # Gemini's signatures
                draft.data = {FAMILY: {"origin": self._origin, "extra_content": extra}}
            pieces += new
        for note in objects(delta.get("annotations")):
            inner = mapping(note.get(word(note.get("type")))) or note
            source = Source(
                source_id=label(inner.get("file_id")),
                url=label(inner.get("url")),
                title=label(inner.get("title")) or label(inner.get("filename")),
            )
            self._cited.setdefault(msgspec.json.encode(note), source)  # the same note again is the same source
        for image in objects(delta.get("images")):
            pieces += self._image(image)
        return pieces

    def _content(self, content: Any) -> list[Piece]:
        """Text, or a list of texts and thoughts (Mistral, Databricks)."""
        if isinstance(content, str):
            return self._say("text", content)
        pieces: list[Piece] = []
        for item in content if isinstance(content, list) else [content]:
            if isinstance(item, str):
                pieces += self._say("text", item)
            elif isinstance(item, dict) and item.get("type") in ("thinking", "reasoning"):
                pieces += self._think(_joined_text(item.get("thinking") or item.get("summary") or item.get("text")))
            elif isinstance(item, dict):
                pieces += self._say("text", word(item.get("text")))
        return pieces

    def _say(self, kind: str, text: str) -> list[Piece]:
        if not text:
            return []
        if self._open != kind:
            self._begin(kind)
        self._said[kind].append(text)
        return [(self._at, Text(text=text, refusal=kind == "refusal"))]

    def _think(self, text: str, name: str = "") -> list[Piece]:
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
        self._open, self._at = kind, self._new_part()

    def _keep(self, detail: dict[str, Any]) -> None:
        """Gather the details of the reasoning, which go back to OpenRouter whole: the fragments of one are joined."""
        last = self._details[-1] if self._details else {}
        if last and all(last.get(k) == detail.get(k) for k in ("type", "index")) and detail.get("type") != "reasoning.encrypted":
            for key, value in detail.items():
                if key in ("text", "summary") and isinstance(value, str):
                    last[key] = word(last.get(key)) + value
                elif value is not None:
                    last[key] = value
        else:
            self._details.append(dict(detail))
        self._details_told = False

    def _image(self, image: dict[str, Any]) -> list[Piece]:
        """An image that the model made, as OpenRouter sends it: a data URL, or an address."""
        inner = image.get("image_url")
        url = word(mapping(inner).get("url") or inner)
        head, _, data = url.partition(",")
        if head.startswith("data:") and head.endswith(";base64"):
            file = File(media_type=label(head[5:-7]), data=base64_bytes(data))
        else:
            file = File(media_type="image/*", url=label(url))
        if not (file.data or file.url):
            return []
        self._begin("file")
        self._said["file"].append(head)
        return [(self._at, file)]

    def _cite_beside(self, frame: dict[str, Any]) -> None:
        """What Perplexity and xAI put beside the choices: addresses, and search results with titles."""
        titles = {label(r.get("url")): label(r.get("title")) for r in objects(frame.get("search_results"))}
        listed = frame.get("citations")
        addresses = map(label, listed) if isinstance(listed, list) else ()
        for url in filter(None, dict.fromkeys([*addresses, *titles])):
            known = self._cited.get(url.encode())
            if known is None or not known.title:
                self._cited[url.encode()] = Source(url=url, title=titles.get(url, ""))

    def _settle(self) -> list[Piece]:
        """What is known only at the end: arguments, sources, and what goes back with the reasoning."""
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


def _joined_text(value: Any) -> str:
    """A text, or the texts of a list of objects."""
    if isinstance(value, list):
        return "".join(map(_joined_text, value))
    return word(mapping(value).get("text") or value)
