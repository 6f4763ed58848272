"""What a reader sees of a chat or of one turn, as pieces in reading order: pure functions of a `Transcript`.

`writers` turns a document into HTML, Markdown or text. A document holds nothing that differs
from run to run (no time of day, id or duration), so that a notebook's saved output can be compared with the next run's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from chatkit.display import tool_words, words
from chatkit.display.plain_text import shown, single_line
from chatkit.events import ErrorEvent
from chatkit.fold import Transcript
from chatkit.parts import File, Message, Part, Reasoning, Source, Text, ToolCall, ToolResult, text_of

MAX_MESSAGES = 200
MAX_CHARACTERS = 1_000_000
"""Text and image bytes of a chat's document: what a notebook can hold and a browser can open."""
MAX_PROMPT = 20_000
"""Characters of a person's own message that are shown."""
MAX_ASKED = 2_000
"""Characters of the prompt where it stands in the place of an answer."""
MAX_COPIED = 200_000
"""Characters of an answer that has a Copy button: its HTML holds the text once more, and JupyterLab reads it several times at once."""


class Title(msgspec.Struct, frozen=True):
    """The title of a chat."""

    text: str


class Label(msgspec.Struct, frozen=True):
    """The model."""

    text: str


class Prompt(msgspec.Struct, frozen=True):
    """What a person sent, as it was written."""

    text: str
    files: tuple[File, ...] = ()


class Asked(msgspec.Struct, frozen=True):
    """The prompt of a turn that has no answer: the cell above may hold no more than a variable's name."""

    text: str


class ToolUse(msgspec.Struct, frozen=True):
    """A call with its result: either may be missing, but not both."""

    call: ToolCall | None = None
    result: ToolResult | None = None

    @property
    def name(self) -> str:
        """The tool's name, raw."""
        return (self.call.tool_name if self.call else "") or (self.result.tool_name if self.result else "")

    @property
    def by_provider(self) -> bool:
        """Whether the provider ran the tool itself."""
        return any(p is not None and p.provider_executed for p in (self.call, self.result))


class Sources(msgspec.Struct, frozen=True):
    """What an answer cites, each source once."""

    cited: tuple[Source, ...]


class Original(msgspec.Struct, frozen=True):
    """An answer's text as the model wrote it, for a Copy button; it shows nothing by itself."""

    text: str


class Failure(msgspec.Struct, frozen=True):
    """Why there is no answer."""

    error: ErrorEvent


class Note(msgspec.Struct, frozen=True):
    """A small line."""

    text: str


Said = Text | Reasoning | ToolUse | File | Sources
Piece = Title | Label | Prompt | Asked | Said | Original | Failure | Note


def answer(parts: Iterable[Part]) -> list[Said]:
    """The parts of an answer as they are read: adjacent texts joined, each call with its result, the sources at the end.

    Providers cut a paragraph at each citation, so the texts on both sides of a source belong together. A result goes to
    the newest call of its id that has none.

    >>> said = answer([Text(text="Clients "), Source(url="https://example.org"), Text(text="wait.")])
    >>> said[0].text, [source.url for source in said[1].cited]
    ('Clients wait.', ['https://example.org'])
    >>> [use] = answer([ToolCall(tool_call_id="1", tool_name="read_file"), ToolResult(tool_call_id="1", result="...")])
    >>> use.name, use.result.result
    ('read_file', '...')
    """
    said: list[Said] = []
    sources: dict[tuple[str, str], Source] = {}
    unanswered: dict[str, list[tuple[int, ToolCall]]] = {}
    before: Part | None = None
    for part in parts:
        if isinstance(part, Source):
            sources.setdefault((part.url, part.title), part)
            continue
        if isinstance(part, Text) and isinstance(before, Text) and before.refusal == part.refusal:
            before = said[-1] = Text(text=before.text + part.text, refusal=part.refusal)
            continue
        if isinstance(part, Text | Reasoning) and not part.text:
            continue
        before = part  # a text behind a result never continues the text before it
        if isinstance(part, ToolCall):
            unanswered.setdefault(part.tool_call_id, []).append((len(said), part))
            said.append(ToolUse(part))
        elif isinstance(part, ToolResult):
            if calls := unanswered.get(part.tool_call_id):
                at, call = calls.pop()
                said[at] = ToolUse(call, part)
            else:
                said.append(ToolUse(None, part))
        else:
            said.append(part)
    return [*said, Sources(tuple(sources.values()))] if sources else said


def original(said: Iterable[Said]) -> list[Original]:
    """The text of an answer for its Copy button; nothing where it has no text, or one of more than `MAX_COPIED` characters."""
    text = "\n\n".join(shown(piece.text).strip("\n") for piece in said if isinstance(piece, Text))
    return [Original(text)] if text.strip() and len(text) <= MAX_COPIED else []


def turns(messages: Iterable[Message]) -> list[tuple[Message | None, list[Message]]]:
    """Each prompt with the messages that answer it, as a person sees them; None where an answer has no prompt."""
    found: list[tuple[Message | None, list[Message]]] = []
    for message in visible(messages):
        if message.role == "user":
            found.append((message, []))
            continue
        if not found:
            found.append((None, []))
        found[-1][1].append(message)
    return found


def visible(messages: Iterable[Message]) -> list[Message]:
    """The messages that a person sees: neither the system's nor those for the model alone."""
    return [m for m in messages if m.role != "system" and m.visibility != "model"]


def prompt_piece(message: Message) -> Prompt:
    """A person's own message."""
    return Prompt(cut(shown(text_of(message.parts)), MAX_PROMPT), tuple(p for p in message.parts if isinstance(p, File)))


def cut(text: str, limit: int) -> str:
    """The text, cut with an ellipsis where it is longer than so many characters."""
    return text if len(text) <= limit else f"{text[:limit]}…"


def turn_document(turn: Transcript, *, model: str = "", prompt: str = "", running: bool = False) -> list[Piece]:
    """One turn: `prompt` stands in for its prompt before the chat has it, and `running` says that more may come."""
    parts = turn.answer()
    said = answer(parts)
    asked = turn.prompt()
    question = shown(text_of(asked.parts) if asked is not None else prompt).strip()
    error = turn.error if turn.error is not None and turn.error.kind != "canceled" else None
    return [
        *([Label(single_line(model, 120))] if model else []),
        *([Asked(cut(question, MAX_ASKED))] if question and (error is not None or not said) else []),
        *said,
        *([] if running else original(said)),
        *([Failure(error)] if error is not None else []),
        *map(Note, [words.UNFINISHED] if running else turn_notes(turn)),
    ]


def turn_notes(turn: Transcript) -> list[str]:
    """The lines below a turn that is over: how it ended, and what its retries were."""
    if turn.error is not None and turn.error.kind != "canceled":
        ending = ""
    else:
        last = next((m for m in reversed(turn.messages) if m.role == "assistant"), None)
        ended = last is not None and bool(last.stop_reason or last.provider_stop_reason) and not turn.parts
        if ended and last is not None:
            ending = words.stop_line(last.stop_reason)
        else:
            ending = words.stopped_line(turn.last_wait, answered=any(isinstance(p, Text) and p.text for p in turn.answer()))
    return list(filter(None, [ending, words.retries_line(turn.waits)]))


def chat_document(chat: Transcript, *, model: str, note: str = "") -> list[Piece]:
    """A whole chat: of a long one the newest messages, and how many stand before them."""
    seen = visible(chat.messages)
    kept = _newest(seen)
    pieces: list[Piece] = [Title((chat.title and single_line(chat.title.title, 120)) or words.UNTITLED)]
    if model:
        pieces.append(Label(single_line(model, 120)))
    if len(kept) < len(seen):
        pieces.append(Note(words.left_out_line(len(seen) - len(kept))))
    flight = [part for _, part in chat.flight]
    found = turns(kept) or ([(None, [])] if flight else [])
    for n, (prompt, messages) in enumerate(found, 1):
        grows = flight if n == len(found) else []
        if prompt is not None:
            pieces.append(prompt_piece(prompt))
        pieces += answer([*(p for m in messages for p in m.parts), *grows])
        pieces += map(Note, [] if grows else answer_notes(chat, prompt, messages))
    if not found:
        pieces.append(Note(words.NO_MESSAGES))
    if chat.error is not None:
        pieces.append(Failure(chat.error))
    return [*pieces, *([Note(words.one_sentence(note))] if note else [])]


def _newest(messages: Sequence[Message]) -> Sequence[Message]:
    """As many of the last messages as a notebook can hold, and at least one."""
    size = 0
    for n, message in enumerate(reversed(messages)):
        size += sum(len(p.text) if isinstance(p, Text | Reasoning) else len(p.data) if isinstance(p, File) else 0 for p in message.parts)
        if n and (n == MAX_MESSAGES or size > MAX_CHARACTERS):
            return messages[-n:]
    return messages


def answer_notes(chat: Transcript, prompt: Message | None, messages: Sequence[Message]) -> list[str]:
    """The lines below one answer of a chat: how it ended, where the reader should know, and what its retries were."""
    asked = [*([prompt] if prompt is not None else []), *messages]
    last = next((m for m in reversed(messages) if m.role == "assistant" and not _is_compaction(m)), None)
    if chat.last_wait is not None and not chat.running and asked[-1] is chat.messages[-1]:
        ending = words.stopped_line(chat.last_wait, answered=False)
    elif last is None:
        ending = ""
    elif last.stop_reason is None and last.provider_stop_reason is None:
        ending = words.stopped_line(None, answered=any(isinstance(p, Text) and p.text for m in messages for p in m.parts))
    else:
        ending = words.stop_line(last.stop_reason)
    return list(filter(None, [ending, words.retries_line(chat.waits_after(asked))]))


def _is_compaction(message: Message) -> bool:
    return all(isinstance(p, ToolCall) and p.tool_name == tool_words.SUMMARIZED for p in message.parts)


def retry_document(call: Transcript, name: str, *, running: bool = False) -> list[Piece]:
    """A call of `chatkit.retry` that had to wait, in one line: its waits, and how it ended unless it ended well."""
    if not call.waits and call.last_wait is None:
        return []
    if running and call.retry is not None:
        return [Note(f"{single_line(name, 120)}: {words.announce_wait(call.retry)}")]
    waits, end = call.waits, ""
    if call.error is None and call.last_wait is not None:
        waits = [*waits, call.last_wait]  # the attempt that succeeded followed it
    elif call.error is not None and call.error.kind == "canceled":
        end = words.stopped_line(call.last_wait, answered=False) if call.last_wait is not None else words.STOPPED
    elif call.error is not None:
        end = words.gave_up_line(call.error)
    return [Note(f"{single_line(name, 120)}: " + ". ".join(filter(None, [words.retries_line(waits), words.one_sentence(end)])))]
