"""OpenAI Responses, read: events to pieces.

The same content is told up to four times: by deltas, when its part is done, when its item is done, and when the
response is. Each later telling adds only what the earlier ones left out. Items are known by their place
(`output_index`): some servers give one item a new id in every event.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from chatkit.parts import File, Reasoning, Source, StopReason, Text, ToolCall, ToolResult
from chatkit.providers.calls import CallDraft
from chatkit.providers.reading import apart, count, error_in, frames, objects, word
from chatkit.providers.usage import openai_usage
from chatkit.providers.wire import Finish, Piece, cut_off, failure, refused, settle
from chatkit.sse import ServerSentEvent

FAMILY = "responses"
KINDS = {
    "response.output_text": "text",
    "response.refusal": "refusal",
    "response.reasoning_summary_text": "summary",
    "response.reasoning_summary": "summary",
    "response.reasoning_text": "thought",
    "response.reasoning": "thought",
}
STOPS: dict[str, StopReason] = {"max_output_tokens": "length", "max_tokens": "length", "content_filter": "content_filter"}
TELLINGS = {"message": {"text", "refusal"}, "reasoning": {"reasoning", "reasoning item"}}
CALLS = ("function_call", "custom_tool_call")
"""The calls that are for us to run; any other item that is a call was run by the provider."""


class _TextDelta(msgspec.Struct, tag_field="type", tag="response.output_text.delta"):
    """The event that nearly all are. Whatever doesn't fit is read in full."""

    delta: str
    output_index: int
    content_index: int = 0


_plain = msgspec.json.Decoder(_TextDelta).decode
Place = tuple[Any, str, Any]
"""Item, kind, and which part of the item."""


class ResponsesDecoder:
    """One reply of OpenAI Responses.

    Parameters
    ----------
    provider : str
        Who answers, for messages.
    """

    def __init__(self, provider: str) -> None:
        self.done = self.complete = False
        self._provider = provider
        self._model: str | None = None
        self._status = ""
        self._reason = ""
        self._usage: Any = None
        self._next = 0
        self._parts: dict[Place, list[int]] = {}  # which part it became, and how much of it was told
        self._item: Any = None  # the last place that an event named
        self._calls: dict[Any, CallDraft] = {}
        self._reasons: dict[Any, str] = {}  # of an item that tells its reasoning under two names, the first counts
        self._cited: dict[Place, int] = {}
        self._told: set[str] = set()
        self._announced: set[tuple[Any, str]] = set()
        self._places: dict[str, Any] = {}  # of an item's id

    def feed(self, event: ServerSentEvent) -> list[Piece]:
        try:
            plain = _plain(event.data)
            part = self._parts[plain.output_index, "text", plain.content_index]
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError):
            return self._event(event)
        text = plain.delta
        part[1] += len(text)
        return [(part[0], Text(text=text))] if text else []

    def whole(self, body: Any) -> list[Piece]:
        body = next(iter(objects(body)), {})
        if error_in(body):
            raise refused(self._provider, body)
        if not isinstance(body.get("output"), list):
            raise failure("server_error", self._provider, f"{self._provider} answered with JSON that is no reply", str(body))
        return self._frame({"response": body}, f"response.{word(body.get('status')) or 'completed'}")

    def close(self) -> Finish:
        if not self.done:
            raise cut_off(self._provider)
        return settle(
            self._provider,
            STOPS.get(self._reason, "end"),
            self._status,
            said=bool(self._told & {"text", "reasoning", "executed"}),
            called="call" in self._told,
            declined="refusal" in self._told and "text" not in self._told,
            usage=openai_usage(self._usage),
            model=self._model,
        )

    def _event(self, event: ServerSentEvent) -> list[Piece]:
        """Any event, read in full; unknown ones are skipped."""
        data = event.data.strip()
        if not data or self.done or data == b"[DONE]":
            return []
        if b"\n" in data and len(single := apart(event)) > 1:
            return [piece for one in single for piece in self.feed(one)]
        pieces: list[Piece] = []
        for frame in frames(data, event.event, self._provider):
            pieces += self._frame(frame, word(frame.get("type")) or event.event)
        return pieces

    def _frame(self, frame: dict[str, Any], kind: str) -> list[Piece]:
        stem, _, last = kind.rpartition(".")
        place = frame.get("output_index")
        item = frame.get("item")
        if not isinstance(place, int):
            id = word(frame.get("item_id")) or (word(item.get("id")) if isinstance(item, dict) else "")
            place = self._places.get(id, id) if id else self._item
        if stem in KINDS and last in ("delta", "done"):
            return self._text_event(place, KINDS[stem], frame, whole=last == "done")
        match kind:
            case "response.output_item.added" if isinstance(item, dict):
                return self._added(place, item)
            case "response.output_item.done" if isinstance(item, dict):
                return self._item_done(place, item)
            case "response.content_part.done" if isinstance(part := frame.get("part"), dict):
                return self._content(place, count(frame.get("content_index")) or 0, part)
            case "response.output_text.annotation.added" if isinstance(note := frame.get("annotation"), dict):
                return self._cite((place, "text", count(frame.get("content_index")) or 0), [note], known=False)
            case "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta":
                draft = self._calls.get(place)
                return [draft.piece(text)] if draft and (text := word(frame.get("delta"))) else []
            case _ if stem == "response" and isinstance(response := frame.get("response"), dict):
                return self._response(frame, response, last)
            case "response.failed" | "response.cancelled":
                return self._response(frame, {}, last)
            case _:
                return []

    def _response(self, frame: dict[str, Any], response: dict[str, Any], last: str) -> list[Piece]:
        """The response as a whole: who answers, and how it ended."""
        self._model = word(response.get("model")) or self._model
        self._usage = response.get("usage") or self._usage
        status = word(response.get("status")) or last
        if last == "failed" or (last in ("completed", "done", "incomplete") and status == "failed"):
            raise refused(self._provider, frame)
        if last in ("cancelled", "canceled") or (last in ("completed", "done") and status in ("cancelled", "canceled")):
            raise failure("network", self._provider, f"{self._provider} cancelled its reply")
        if last not in ("completed", "incomplete", "done"):
            return []
        self.done = self.complete = True
        self._status = status if status in ("completed", "incomplete") else last
        details = response.get("incomplete_details")
        self._reason = word(details.get("reason")) if isinstance(details, dict) else ""
        if self._status == "incomplete" and self._reason not in STOPS:
            self._reason = "max_output_tokens"
        told = set(self._told)
        pieces: list[Piece] = []
        for n, item in enumerate(objects(response.get("output"))):  # what no event spoke of
            if not told & TELLINGS.get(word(item.get("type")), {"call", "executed"}):
                pieces += self._item_done(("whole", n), item)
        return pieces + [piece for draft in self._calls.values() for piece in draft.settle()]

    def _added(self, place: Any, item: dict[str, Any]) -> list[Piece]:
        kind = word(item.get("type"))
        self._item = place
        if id := word(item.get("id")):
            self._places[id] = place
        again = {"message": ("text", "refusal"), "reasoning": ("summary", "thought")}.get(kind, ())
        if (place, kind) in self._announced:  # some servers give every item the same place: this one's parts are new
            self._parts = {key: part for key, part in self._parts.items() if not (key[0] == place and key[1] in again)}
            self._cited.clear()
        self._announced.add((place, kind))
        if kind not in CALLS and not kind.endswith("_call"):
            return []
        pieces = self._calls[place].settle() if place in self._calls else []
        executed = kind not in CALLS
        self._told.add("executed" if executed else "call")
        name = kind if executed else word(item.get("name"))
        call_id = word(item.get("call_id")) if not executed else ""
        draft = CallDraft(self._next, call_id or id or f"call_{self._next}", name, executed=executed)
        self._next += 1
        self._calls[place] = draft
        return [*pieces, draft.piece()]

    def _text_event(self, place: Any, kind: str, frame: dict[str, Any], *, whole: bool) -> list[Piece]:
        if kind in ("summary", "thought") and self._reasons.setdefault(place, kind) != kind:
            return []
        sub = count(frame.get("summary_index" if kind == "summary" else "content_index")) or 0
        if not whole:
            return self._say((place, kind, sub), word(frame.get("delta")))
        return self._rest((place, kind, sub), word(frame.get("text")) or word(frame.get("refusal")))

    def _say(self, place: Place, text: str) -> list[Piece]:
        if not text:
            return []
        part = self._parts.get(place)
        if part is None:
            part = self._parts[place] = [self._next, 0]
            self._next += 1
        part[1] += len(text)
        kind = place[1]
        if kind in ("summary", "thought"):
            self._told.add("reasoning")
            return [(part[0], Reasoning(text=text))]
        self._told.add(kind)
        return [(part[0], Text(text=text, refusal=kind == "refusal"))]

    def _rest(self, place: Place, text: str) -> list[Piece]:
        """Of a text that is told whole, what its deltas left out."""
        part = self._parts.get(place)
        return self._say(place, text[part[1] :] if part else text)

    def _content(self, place: Any, sub: Any, part: dict[str, Any]) -> list[Piece]:
        match part.get("type"):
            case "output_text" | "text":
                pieces = self._rest((place, "text", sub), word(part.get("text")))
                return pieces + self._cite((place, "text", sub), objects(part.get("annotations")), known=True)
            case "refusal":
                return self._rest((place, "refusal", sub), word(part.get("refusal")))
            case _:
                return []

    def _cite(self, place: Place, notes: list[dict[str, Any]], *, known: bool) -> list[Piece]:
        """A source for each note; where all notes of a text are told again, for those that are new."""
        so_far = self._cited.get(place, 0)
        new = notes[so_far:] if known else notes
        self._cited[place] = so_far + len(new)
        pieces: list[Piece] = []
        for note in new:
            inner = note.get("url_citation")
            note = inner if isinstance(inner, dict) else note
            title = word(note.get("title")) or word(note.get("filename"))
            pieces.append((self._next, Source(source_id=word(note.get("file_id")), url=word(note.get("url")), title=title)))
            self._next += 1
        return pieces

    def _item_done(self, place: Any, item: dict[str, Any]) -> list[Piece]:
        kind = word(item.get("type"))
        if kind == "message":
            return self._message_done(place, item)
        if kind == "reasoning":
            return self._reasoning_done(place, item)
        pieces = [] if place in self._calls else self._added(place, item)
        draft = self._calls.get(place)
        if draft is None:
            return pieces
        if draft.executed:
            return pieces + self._executed(draft, item)
        own = {k: v for k, v in (("id", item.get("id")), ("type", kind)) if v and v != "function_call"}
        draft.data = {FAMILY: own} if own else None
        if kind == "custom_tool_call":
            draft.args = {"input": word(item.get("input")) or "".join(draft.fragments)}
        elif isinstance(given := item.get("arguments"), dict):
            draft.args = given
        elif word(given):
            draft.fragments = [word(given)]
        draft.settled = False
        return pieces + draft.settle()

    def _message_done(self, place: Any, item: dict[str, Any]) -> list[Piece]:
        pieces: list[Piece] = []
        for sub, content in enumerate(objects(item.get("content"))):
            pieces += self._content(place, sub, content)
        if own := {k: v for k in ("id", "phase") if (v := item.get(k))}:
            for (where, kind, _), part in self._parts.items():
                if where == place and kind in ("text", "refusal"):
                    pieces.append((part[0], Text(refusal=kind == "refusal", provider_data={FAMILY: own})))
        return pieces

    def _reasoning_done(self, place: Any, item: dict[str, Any]) -> list[Piece]:
        pieces: list[Piece] = []
        for kind, key in (("summary", "summary"), ("thought", "content")):
            for sub, part in enumerate(objects(item.get(key))):
                if self._reasons.setdefault(place, kind) == kind:
                    pieces += self._rest((place, kind, sub), word(part.get("text")))
        own = {k: v for k, v in item.items() if v is not None and k != "status"}
        own.setdefault("summary", [])
        self._told.add("reasoning item")
        at = next((part[0] for (where, _, _), part in self._parts.items() if where == place), None)
        if at is None:
            at, self._next = self._next, self._next + 1
        return [*pieces, (at, Reasoning(provider_data={FAMILY: {"item": own}}))]

    def _executed(self, call: CallDraft, item: dict[str, Any]) -> list[Piece]:
        """A tool that the provider ran: the call, what it gave, and an image that it made."""
        call.settled = True
        hidden = ("id", "type", "status", "output", "outputs", "results", "result", "error")
        args = {k: v for k, v in item.items() if k not in hidden and v is not None}
        image = word(item.get("result")) if call.name == "image_generation_call" else ""
        own = None if image else {FAMILY: {"item": item}}
        result = next((v for k in ("output", "outputs", "results") if (v := item.get(k)) is not None), item.get("status"))
        error = item.get("error")
        pieces: list[Piece] = [
            (call.at, ToolCall(tool_call_id=call.id, tool_name=call.name, args=args, provider_executed=True, provider_data=own))
        ]
        answer = ToolResult(
            tool_call_id=call.id,
            tool_name=call.name,
            result=error or result,
            is_error=bool(error) or item.get("status") == "failed",
            provider_executed=True,
        )
        pieces.append((self._next, answer))
        self._next += 1
        if image:
            try:
                data = base64.b64decode(image)
            except binascii.Error:
                return pieces
            pieces.append((self._next, File(media_type=f"image/{word(item.get('output_format')) or 'png'}", data=data)))
            self._next += 1
        return pieces
