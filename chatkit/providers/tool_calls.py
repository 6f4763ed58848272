"""Tool calls while they stream: fragments of arguments come in, pieces of parts go out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import msgspec

from chatkit.failures.redaction import whole_characters
from chatkit.parts import ToolCall
from chatkit.providers.decoding import Piece, count, is_too_deep, label, mapping

_one_value = json.JSONDecoder(strict=False).raw_decode


class CallDraft(msgspec.Struct, eq=False):
    """One call while its arguments stream; `at` is the number of its part.

    `args` are arguments that the server gave as an object, `data` is what the provider needs back with the call, and
    `provisional` means that the id is ours because the server has given none so far.
    """

    at: int
    id: str
    name: str
    executed: bool = False
    provisional: bool = False
    fragments: list[str] = []
    args: dict[str, Any] | None = None
    data: dict[str, Any] | None = None
    settled: bool = False

    def piece(self, fragment: str = "") -> Piece:
        """Take in a fragment of the arguments, and return it as a piece."""
        self.settled = False
        if fragment:
            self.fragments.append(fragment)
        return self.at, ToolCall(tool_call_id=self.id, tool_name=self.name, args_delta=fragment, provider_executed=self.executed)

    def read(self) -> dict[str, Any] | None:
        """The arguments so far; None if they can't be read (yet)."""
        return self.args if self.args is not None else arguments(self.fragments)

    def settle(self) -> list[Piece]:
        """The complete arguments, once; arguments that can't be read remain fragments."""
        if self.settled:
            return []
        self.settled = True
        args = self.read()
        if args is None and self.data is None:
            return []
        call = ToolCall(tool_call_id=self.id, tool_name=self.name, args=args, provider_executed=self.executed, provider_data=self.data)
        return [(self.at, call)]


class CallList:
    """The calls of one Chat Completions reply, which servers number, name and repeat in many ways.

    `seed` is the reply's own id: it makes the ids that a server leaves out differ between replies.
    """

    def __init__(self) -> None:
        self.seed = ""
        self._drafts: list[CallDraft] = []
        self._at_index: dict[int, CallDraft] = {}
        self._by_id: dict[str, CallDraft] = {}

    def __bool__(self) -> bool:
        return bool(self._drafts)

    def feed(self, entry: dict[str, Any], at: int) -> tuple[CallDraft, list[Piece]]:
        """Take in one entry of `tool_calls`, and return its call and the pieces; a new call becomes the part `at`."""
        function = mapping(entry.get("function")) or entry
        index, id, name, raw = count(entry.get("index")), label(entry.get("id")), label(function.get("name")), function.get("arguments")
        draft = self._continued(index, id, name, raw)
        if draft is None:
            draft = CallDraft(at, self._new_id(id), name, provisional=not id)
            self._drafts.append(draft)
            self._by_id[draft.id] = draft
            pieces = [draft.piece()]
        else:
            pieces = self._renamed(draft, id, name)
        if index is not None:
            self._at_index[index] = draft
        if isinstance(raw, dict):  # Ollama's own format gives an object, and some proxies pass it on
            draft.args = raw
        elif isinstance(raw, str) and raw:
            pieces.append(draft.piece(raw))
        draft.settled = False
        return draft, pieces

    def settle(self) -> list[Piece]:
        """The complete arguments of the calls that have not given them so far."""
        return [piece for draft in self._drafts for piece in draft.settle()]

    def _continued(self, index: int | None, id: str, name: str, raw: Any) -> CallDraft | None:
        """The call that an entry continues; None for a new call."""
        known = self._by_id.get(id) if id else None
        if known is not None:  # DeepSeek and Zhipu give parallel calls one id: they differ in their arguments
            elsewhere = index is None or self._at_index.get(index) is not known
            return None if elsewhere and name and self._differs(known, raw) else known
        draft = self._at_index.get(index) if index is not None else None
        if draft is None and self._drafts and (index is None or not (id or name)):  # Gemini and Mistral leave the index out
            draft = self._drafts[-1]
        if draft is None or not name:  # without a name it continues the call, even under a new id (Poolside)
            return draft
        complete = bool(draft.fragments or draft.args is not None) and draft.read() is not None
        if id and not draft.provisional:  # a new id is a new call (Gemini has all at index 0), unless it interrupts the arguments
            return draft if draft.fragments and not complete and draft.name == name else None
        if draft.name == name:
            return None if complete and (index is None or self._differs(draft, raw)) else draft
        return draft if index is not None and not complete else None  # a name in fragments

    @staticmethod
    def _differs(draft: CallDraft, raw: Any) -> bool:
        """Whether both have complete arguments, which are not the same."""
        whole = raw if isinstance(raw, dict) else arguments([raw]) if isinstance(raw, str) else None
        return bool(whole) and bool(known := draft.read()) and known != whole

    def _renamed(self, draft: CallDraft, id: str, name: str) -> list[Piece]:
        """What an entry adds to the name of its call, and the id if it comes only now."""
        late = bool(id) and draft.provisional
        if name and name != draft.name:
            draft.name = name if name.startswith(draft.name) else draft.name + name
        elif not late:
            return []
        if late:
            draft.id, draft.provisional = id, False
            self._by_id.setdefault(id, draft)
        return [draft.piece()]

    def _new_id(self, id: str) -> str:
        number = len(self._drafts)
        if id:
            return f"{id}_{number}" if id in self._by_id else id
        return f"call_{hashlib.blake2s(self.seed.encode(), digest_size=6).hexdigest()}_{number}"


def arguments(fragments: Sequence[str]) -> dict[str, Any] | None:
    """The arguments of a call from their fragments; None if they can't be read. No text at all means no arguments.

    Baidu Qianfan sends the whole text so far in each fragment, vLLM (with the xlam parser) the whole object twice, and
    LiteLLM encodes the object twice.

    >>> arguments([]), arguments(['{"a"', ': 1}']), arguments(['{"a"', '{"a": 1}']), arguments(["{}", '{"a": 1}'])
    ({}, {'a': 1}, {'a': 1}, {'a': 1})
    >>> arguments(['{"a": 1'])
    """
    values = _values("".join(fragments))
    if values is None and len(fragments) > 1:
        values = _values(fragments[-1]) or None
    if values and len(values) == 1 and isinstance(values[0], str):
        values = _values(values[0])
    if values is None:
        return None
    full = [v for v in values if v]
    if not full:
        return {}
    return full[0] if isinstance(full[0], dict) and all(v == full[0] for v in full) else None


def _values(text: str) -> list[Any] | None:
    """The JSON values that follow one another in a text; None if it holds anything else, or one is too deep."""
    values: list[Any] = []
    rest = text.strip()
    try:
        while rest:
            value, end = _one_value(rest)
            values.append(value)
            rest = rest[end:].lstrip()
        return None if is_too_deep(values) else whole_characters(values)
    except (ValueError, RecursionError):
        return None
