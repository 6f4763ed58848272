"""The parts of a reply as they are read: adjacent texts in one, each call with its result, the sources together at the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from chatkit.parts import File, Message, Part, Reasoning, Source, Text, ToolCall, ToolResult


class ToolUse(msgspec.Struct, frozen=True):
    """A call with what it gave.

    Attributes
    ----------
    call : ToolCall or None
        None for a result whose call isn't known.
    result : ToolResult or None
        None as long as there is none.
    """

    call: ToolCall | None = None
    result: ToolResult | None = None

    @property
    def name(self) -> str:
        """The tool's name, raw."""
        return (self.call.tool_name if self.call else "") or (self.result.tool_name if self.result else "")

    @property
    def by_provider(self) -> bool:
        """The provider ran it itself."""
        return any(p is not None and p.provider_executed for p in (self.call, self.result))


Block = Text | Reasoning | ToolUse | File


def blocks_of(parts: Iterable[Part]) -> tuple[list[Block], list[Source]]:
    """What is shown in order, and the sources, each once.

    Providers cut a paragraph at each citation, so that texts on both sides of a source belong together. A result stands
    where its call does: the newest call of that id that has none.

    Parameters
    ----------
    parts : iterable of Part
        The parts of a reply, in order.

    Examples
    --------
    >>> blocks, sources = blocks_of([Text(text="Clients "), Source(url="https://example.org"), Text(text="wait.")])
    >>> [b.text for b in blocks], [s.url for s in sources]
    (['Clients wait.'], ['https://example.org'])
    >>> [use], _ = blocks_of([ToolCall(tool_call_id="1", tool_name="read_file"), ToolResult(tool_call_id="1", result="...")])
    >>> use.name, use.result.result
    ('read_file', '...')
    """
    blocks: list[Block] = []
    sources: dict[tuple[str, str], Source] = {}
    unanswered: dict[str, list[tuple[int, ToolCall]]] = {}
    before: Part | None = None
    for part in parts:
        if isinstance(part, Source):
            sources.setdefault((part.url, part.title), part)
            continue
        if isinstance(part, Text) and isinstance(before, Text) and before.refusal == part.refusal:
            before = blocks[-1] = Text(text=before.text + part.text, refusal=part.refusal)
            continue
        if isinstance(part, Text | Reasoning) and not part.text:
            continue
        before = part  # a text behind a result never goes on with the text before it
        if isinstance(part, ToolCall):
            unanswered.setdefault(part.tool_call_id, []).append((len(blocks), part))
            blocks.append(ToolUse(part))
        elif isinstance(part, ToolResult):
            if calls := unanswered.get(part.tool_call_id):
                at, call = calls.pop()
                blocks[at] = ToolUse(call, part)
            else:
                blocks.append(ToolUse(None, part))
        else:
            blocks.append(part)
    return blocks, list(sources.values())


def shown_of(messages: Iterable[Message]) -> list[Message]:
    """The messages that a person sees: not what only the model does, nor what the system says to it."""
    return [m for m in messages if m.role != "system" and m.visibility != "model"]


def turns_of(messages: Sequence[Message]) -> list[tuple[Message | None, list[Message]]]:
    """Each question with the messages that answer it; None where an answer has no question.

    Parameters
    ----------
    messages : sequence of Message
        What is shown, in order.
    """
    turns: list[tuple[Message | None, list[Message]]] = []
    for message in messages:
        if message.role == "user":
            turns.append((message, []))
            continue
        if not turns:
            turns.append((None, []))
        turns[-1][1].append(message)
    return turns
