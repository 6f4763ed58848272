"""Tool calls under way: fragments in, pieces of parts out."""

from __future__ import annotations

import hashlib
from typing import Any

from chatkit.parts import ToolCall
from chatkit.providers.reading import arguments, count, word
from chatkit.providers.wire import Piece


class CallDraft:
    """One call while its arguments stream.

    Attributes
    ----------
    at : int
        Which part of the message it is.
    id, name : str
    fragments : list of str
        The text of the arguments so far.
    args : dict or None
        The arguments where the server gave them as an object.
    data : dict or None
        What the provider needs back with the call.
    provisional : bool
        The id is ours, since the server gave none yet.
    """

    def __init__(self, at: int, id: str, name: str, *, executed: bool = False) -> None:
        self.at = at
        self.id = id
        self.name = name
        self.executed = executed
        self.fragments: list[str] = []
        self.args: dict[str, Any] | None = None
        self.data: dict[str, Any] | None = None
        self.provisional = False
        self.settled = False

    @property
    def begun(self) -> bool:
        """Whether any arguments came."""
        return bool(self.fragments) or self.args is not None

    def piece(self, delta: str = "") -> Piece:
        """The next fragment, as a piece."""
        self.settled = False
        if delta:
            self.fragments.append(delta)
        return self.at, ToolCall(tool_call_id=self.id, tool_name=self.name, args_delta=delta, provider_executed=self.executed)

    def read(self) -> dict[str, Any] | None:
        """The arguments so far; None where they can't be read (yet)."""
        return self.args if self.args is not None else arguments(self.fragments)

    def settle(self) -> list[Piece]:
        """The whole arguments, once. Unreadable ones stay the pieces that they are."""
        if self.settled:
            return []
        self.settled = True
        args = self.read()
        if args is None and self.data is None:
            return []
        call = ToolCall(tool_call_id=self.id, tool_name=self.name, args=args, provider_executed=self.executed, provider_data=self.data)
        return [(self.at, call)]


class CallList:
    """The calls of one Chat Completions reply, told apart as servers number them: well, badly, or not at all.

    Parameters
    ----------
    seed : str
        Makes the ids that a server leaves out different from those of its other replies.
    """

    def __init__(self) -> None:
        self.seed = ""
        self._drafts: list[CallDraft] = []
        self._at_index: dict[int, CallDraft] = {}

    def __bool__(self) -> bool:
        return bool(self._drafts)

    def feed(self, delta: dict[str, Any], at: int) -> tuple[CallDraft, list[Piece]]:
        """Take in one entry of `tool_calls`.

        Parameters
        ----------
        delta : dict
            The entry.
        at : int
            The part that a new call becomes.

        Returns
        -------
        draft : CallDraft
            The call that it belongs to.
        pieces : list of (int, Part)
        """
        function = delta.get("function")
        function = function if isinstance(function, dict) else delta
        index, given, name, raw = count(delta.get("index")), word(delta.get("id")), word(function.get("name")), function.get("arguments")
        draft = self._find(index, given, name, raw)
        if draft is None:
            draft = CallDraft(at, self._new_id(given), name)
            draft.provisional = not given
            self._drafts.append(draft)
            pieces = [draft.piece()]
        else:
            pieces = self._rename(draft, given, name)
        if index is not None:
            self._at_index[index] = draft
        if isinstance(raw, dict):
            draft.args = raw
        elif isinstance(raw, str) and raw:
            pieces.append(draft.piece(raw))
        draft.settled = False
        return draft, pieces

    def settle(self) -> list[Piece]:
        """The full arguments of the calls that have not given them yet."""
        return [piece for draft in self._drafts for piece in draft.settle()]

    def _find(self, index: int | None, given: str, name: str, raw: Any) -> CallDraft | None:
        """The call that an entry continues; None for a new one."""
        known = next((d for d in self._drafts if given and d.id == given), None)
        if known is not None:  # a fragment, or the call told twice; unless both are whole and differ
            elsewhere = index is None or self._at_index.get(index) is not known
            return None if elsewhere and name and self._differs(known, raw) else known
        draft = self._at_index.get(index) if index is not None else None
        if draft is None and self._drafts and (index is None or not (given or name)):
            draft = self._drafts[-1]
        if draft is None or not name:
            return draft  # without a name it continues, whatever new id some servers make up for each fragment
        complete = draft.begun and draft.read() is not None
        if given and not draft.provisional:
            return draft if draft.begun and not complete and draft.name == name else None
        if draft.name == name:
            return None if complete and (index is None or self._differs(draft, raw)) else draft
        return draft if index is not None and not complete else None  # a name in fragments

    @staticmethod
    def _differs(draft: CallDraft, raw: Any) -> bool:
        """Whether both are whole calls, and not the same one."""
        whole = raw if isinstance(raw, dict) else arguments([raw]) if isinstance(raw, str) else None
        return bool(whole) and bool(known := draft.read()) and known != whole

    @staticmethod
    def _rename(draft: CallDraft, given: str, name: str) -> list[Piece]:
        """What a later entry adds to a call's name, and the id that it had to do without."""
        if name and name != draft.name:
            draft.name = name if name.startswith(draft.name) else draft.name + name
        elif not (given and draft.provisional):
            return []
        if given and draft.provisional:
            draft.id, draft.provisional = given, False
        return [draft.piece()]

    def _new_id(self, given: str) -> str:
        number = len(self._drafts)
        if given:
            return f"{given}_{number}" if any(d.id == given for d in self._drafts) else given
        return f"call_{hashlib.blake2s(self.seed.encode(), digest_size=6).hexdigest()}_{number}"
