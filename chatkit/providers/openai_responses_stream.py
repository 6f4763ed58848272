"""OpenAI Responses, decoded: events to pieces.

The server sends the same content up to four times: in deltas, when its part is done, when its item is done, and when the
response is. Each later time adds only what the earlier ones left out. An item is known by its place (`output_index`),
because GitHub Copilot gives it a new id in every event; and by its id where that is known, because transformers ends a text
at the place of the call that followed it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from chatkit.parts import File, Reasoning, Source, StopReason, Text, ToolCall, ToolResult
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
from chatkit.providers.tool_calls import CallDraft
from chatkit.sse import ServerSentEvent

FAMILY = "responses"
TEXT_EVENTS = {
    "response.output_text": "text",
    "response.refusal": "refusal",
    "response.reasoning_summary_text": "summary",
    "response.reasoning_summary": "summary",
    "response.reasoning_text": "thought",
    "response.reasoning": "thought",
}
STOP_REASONS: dict[str, StopReason] = {"max_output_tokens": "length", "max_tokens": "length", "content_filter": "content_filter"}
CALL_ITEMS = ("function_call", "custom_tool_call")
"""The calls that are for us to run; any other item that is a call was run by the provider."""
TOLD_BY = {"message": {"text", "refusal"}, "reasoning": {"reasoning", "reasoning item"}}

Place = tuple[Any, str, Any]
"""An item, a kind of text, and the number of the text within the item."""


class _TextDelta(msgspec.Struct, tag_field="type", tag="response.output_text.delta"):
    """The event that nearly all are; what doesn't fit is read in full."""

    delta: str
    output_index: int
    content_index: int = 0


_plain = msgspec.json.Decoder(_TextDelta).decode


class ResponsesDecoder(Decoder):
    """Decodes one reply of OpenAI Responses."""

    def __init__(self, provider: str) -> None:
        super().__init__(provider)
        self._status = ""
        self._reason = ""
        self._usage: Any = None
        self._parts: dict[Place, list[int]] = {}  # the number of the part, and how many of its characters were told
        self._item: Any = None  # the place that an event named last
        self._places: dict[str, Any] = {}  # the place of an item's id
        self._announced: set[tuple[Any, str]] = set()
        self._finished: set[Any] = set()
        self._call_ids: set[str] = set()
        self._calls: dict[Any, CallDraft] = {}
        self._reasons: dict[Any, str] = {}  # if an item sends its reasoning as summary and as text, the first counts
        self._cited: dict[Place, int] = {}
        self._told: set[str] = set()

    def feed(self, event: ServerSentEvent) -> list[Piece]:
        try:
            plain = _plain(event.data)
            part = self._parts[plain.output_index, "text", plain.content_index]
        except (ValueError, KeyError, RecursionError):
            return super().feed(event)
        text = plain.delta
        part[1] += len(text)
        return [(part[0], Text(text=text))] if text else []

    def whole(self, body: Any) -> list[Piece]:
        response = whole_reply(body, "output", self._provider)
        return self._response({"response": response}, word(response.get("status")) or "completed")

    def close(self) -> Finish:
        if not self.done:
            raise cut_off(self._provider)
        return finished(
            self._provider,
            STOP_REASONS.get(self._reason, "length" if self._status == "incomplete" else "end"),
            self._status,
            said=self.may_be_empty or bool(self._told & {"text", "reasoning", "executed"}),
            called="call" in self._told,
            declined="refusal" in self._told and "text" not in self._told,
            usage=openai_usage(self._usage),
            model=self._model or None,
        )

    def _frame(self, frame: dict[str, Any], kind: str) -> list[Piece]:
        stem, _, last = kind.rpartition(".")
        place, item = frame.get("output_index"), mapping(frame.get("item"))
        id = label(frame.get("item_id")) or label(item.get("id"))
        known = self._places.get(id)
        if not isinstance(place, int):  # lemonade sends no places
            place = self._item if not id else id if known is None else known
        elif known is not None and known != place:
            of_call = known in self._calls  # transformers has one id for all its calls
            place = place if of_call and (kind == "response.output_item.added" or place in self._calls) else known
        sub = count(frame.get("content_index")) or 0
        if stem in TEXT_EVENTS and last in ("delta", "done"):
            return self._text_event(place, TEXT_EVENTS[stem], frame, whole=last == "done")
        match kind:
            case "response.output_item.added":
                return self._item_added(place, item)
            case "response.output_item.done":
                return self._item_done(place, item)
            case "response.content_part.done":
                return self._content(place, sub, mapping(frame.get("part")))
            case "response.output_text.annotation.added":
                return self._cite((place, "text", sub), objects(frame.get("annotation")), again=False)
            case "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta":
                draft = self._calls.get(place)
                return [draft.piece(text)] if draft and (text := word(frame.get("delta"))) else []
            case _ if stem == "response":
                return self._response(frame, last)
            case _:
                return []

    def _response(self, frame: dict[str, Any], event: str) -> list[Piece]:
        """The response as a whole: which model answers, and how it ended."""
        response = mapping(frame.get("response"))
        self._model = word(response.get("model")) or self._model
        self._usage = response.get("usage") or self._usage
        if event not in ("completed", "incomplete", "failed", "cancelled"):
            return []
        status = word(response.get("status"))
        if "failed" in (event, status):
            raise refused(self._provider, frame)
        if "cancelled" in (event, status):
            raise failure("network", self._provider, f"{self._provider} cancelled its reply")
        self.done = self.complete = True
        self._status = status if status in ("completed", "incomplete") else event
        self._reason = word(mapping(response.get("incomplete_details")).get("reason"))
        told = set(self._told)
        pieces: list[Piece] = []
        for n, item in enumerate(objects(response.get("output"))):  # what no earlier event told
            if not told & TOLD_BY.get(word(item.get("type")), {"call", "executed"}):
                pieces += self._item_done(("whole", n), item)
        return pieces + [piece for draft in self._calls.values() for piece in draft.settle()]

    def _item_added(self, place: Any, item: dict[str, Any]) -> list[Piece]:
        kind, id = word(item.get("type")), label(item.get("id"))
        self._item = place
        again = id in self._places
        if not again:
            self._finished.discard(place)
        if id:
            self._places[id] = place
        if (place, kind) in self._announced and not again:  # open-responses-server has several items at place 0: this one's parts are new
            kinds = {"message": ("text", "refusal"), "reasoning": ("summary", "thought")}.get(kind, ())
            self._parts = {key: part for key, part in self._parts.items() if not (key[0] == place and key[1] in kinds)}
            self._cited.clear()
        self._announced.add((place, kind))
        if not kind.endswith("_call"):
            return []
        pieces = self._calls[place].settle() if place in self._calls else []
        executed = kind not in CALL_ITEMS
        self._told.add("executed" if executed else "call")
        at = self._new_part()
        call_id = "" if executed else label(item.get("call_id"))
        name = label(kind if executed else item.get("name"))
        call_id = call_id or id or f"call_{at}"
        if call_id in self._call_ids:
            call_id = f"{call_id}_{at}"
        self._call_ids.add(call_id)
        draft = self._calls[place] = CallDraft(at, call_id, name, executed=executed)
        return [*pieces, draft.piece()]

    def _item_done(self, place: Any, item: dict[str, Any]) -> list[Piece]:
        kind = word(item.get("type"))
        if kind == "message":
            return self._message_done(place, item)
        if kind == "reasoning":
            return self._reasoning_done(place, item)
        pieces = [] if place in self._calls else self._item_added(place, item)
        draft = self._calls.get(place)
        if draft is None:
            return pieces
        if draft.executed:
            return pieces if draft.settled else pieces + self._executed(draft, item)
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
        contents = objects(item.get("content")) or [{}]
        own = {k: v for k in ("id", "phase") if (v := item.get(k))}
        for sub, content in enumerate(contents):
            pieces += self._content(place, sub, content)
            for kind in ("text", "refusal"):
                if own and (part := self._parts.get((place, kind, sub))):
                    pieces.append((part[0], Text(refusal=kind == "refusal", provider_data={FAMILY: own})))
        self._finished.add(place)
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
        self._finished.add(place)
        at = next((told[0] for kind in ("summary", "thought") if (told := self._parts.get((place, kind, 0)))), None)
        return [*pieces, (self._new_part() if at is None else at, Reasoning(provider_data={FAMILY: {"item": own}}))]

    def _text_event(self, place: Any, kind: str, frame: dict[str, Any], *, whole: bool) -> list[Piece]:
        if kind in ("summary", "thought") and self._reasons.setdefault(place, kind) != kind:
            return []
        sub = count(frame.get("summary_index" if kind == "summary" else "content_index")) or 0
        if not whole:
            return [] if place in self._finished else self._say((place, kind, sub), word(frame.get("delta")))
        return self._rest((place, kind, sub), word(frame.get("text")) or word(frame.get("refusal")))

    def _content(self, place: Any, sub: int, part: dict[str, Any]) -> list[Piece]:
        match part.get("type"):
            case "output_text" | "text":
                pieces = self._rest((place, "text", sub), word(part.get("text")))
                return pieces + self._cite((place, "text", sub), objects(part.get("annotations")), again=True)
            case "refusal":
                return self._rest((place, "refusal", sub), word(part.get("refusal")))
            case _:
                return []

    def _rest(self, place: Place, text: str) -> list[Piece]:
        """Of a text that is sent whole, what its deltas left out."""
        part = self._parts.get(place)
        return self._say(place, text[part[1] :] if part else text)

    def _say(self, place: Place, text: str) -> list[Piece]:
        if not text:
            return []
        part = self._parts.get(place)
        if part is None:
            part = self._parts[place] = [self._new_part(), 0]
        part[1] += len(text)
        kind = place[1]
        if kind in ("summary", "thought"):
            self._told.add("reasoning")
            return [(part[0], Reasoning(text=text))]
        self._told.add(kind)
        return [(part[0], Text(text=text, refusal=kind == "refusal"))]

    def _cite(self, place: Place, notes: list[dict[str, Any]], *, again: bool) -> list[Piece]:
        """A source for each note; if all notes of a text are sent again, for those that are new."""
        so_far = self._cited.get(place, 0)
        new = notes[so_far:] if again else notes
        self._cited[place] = so_far + len(new)
        pieces: list[Piece] = []
        for note in new:
            note = mapping(note.get("url_citation")) or note
            title = label(note.get("title")) or label(note.get("filename"))
            pieces.append((self._new_part(), Source(source_id=label(note.get("file_id")), url=label(note.get("url")), title=title)))
        return pieces

    def _executed(self, draft: CallDraft, item: dict[str, Any]) -> list[Piece]:
        """A tool that the provider ran: the call, its result, and an image that it made."""
        draft.settled = True
        hidden = ("id", "type", "status", "output", "outputs", "results", "result", "error")
        args = {k: v for k, v in item.items() if k not in hidden and v is not None}
        image = word(item.get("result")) if draft.name == "image_generation_call" else ""
        call = ToolCall(
            tool_call_id=draft.id,
            tool_name=draft.name,
            args=args,
            provider_executed=True,
            provider_data=None if image else {FAMILY: {"item": item}},
        )
        given = next((v for k in ("error", "output", "outputs", "results") if (v := item.get(k)) is not None), item.get("status"))
        result = ToolResult(
            tool_call_id=draft.id,
            tool_name=draft.name,
            result=given,
            is_error=bool(item.get("error")) or item.get("status") == "failed",
            provider_executed=True,
        )
        pieces: list[Piece] = [(draft.at, call), (self._new_part(), result)]
        if data := base64_bytes(image):
            pieces.append((self._new_part(), File(media_type=f"image/{label(item.get('output_format')) or 'png'}", data=data)))
        return pieces
