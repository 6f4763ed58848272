"""The parts of a reply as they are read: adjacent texts in one, the sources together at the end."""

from __future__ import annotations

from collections.abc import Iterable

from chatkit.parts import File, Part, Reasoning, Source, Text, ToolCall, ToolResult

__all__ = ["Block", "blocks_of"]

Block = Text | Reasoning | ToolCall | ToolResult | File


def blocks_of(parts: Iterable[Part]) -> tuple[list[Block], list[Source]]:
    """What is shown in order, and the sources, each once.

    Providers cut a paragraph at each citation, so that texts on both sides of a source belong together.

    Parameters
    ----------
    parts : iterable of Part
        The parts of a reply, in order.

    Examples
    --------
    >>> blocks, sources = blocks_of([Text(text="Clients "), Source(url="https://example.org"), Text(text="wait.")])
    >>> [b.text for b in blocks], [s.url for s in sources]
    (['Clients wait.'], ['https://example.org'])
    """
    blocks: list[Block] = []
    sources: dict[tuple[str, str], Source] = {}
    for part in parts:
        before = blocks[-1] if blocks else None
        if isinstance(part, Source):
            sources.setdefault((part.url, part.title), part)
        elif isinstance(part, Text) and isinstance(before, Text) and before.refusal == part.refusal:
            blocks[-1] = Text(text=before.text + part.text, refusal=part.refusal)
        elif not isinstance(part, Text | Reasoning) or part.text:
            blocks.append(part)
    return blocks, list(sources.values())
