"""What is sent to a model: the parts of a user's prompt, the instruction files, and the repaired history."""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import mimetypes
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

from chatkit.conversation.tables import table_of
from chatkit.errors import UsageError
from chatkit.failures.redaction import whole_characters
from chatkit.files import open_file
from chatkit.parts import File, Message, Part, Text, ToolCall, ToolResult
from chatkit.providers.encoding import result_text

MAX_INSTRUCTION_BYTES = 64 * 1024
"""Per file; what follows is left out."""
UNANSWERED = "This call was not run: the turn ended first. Make it again if it is still needed."

_SIGNATURES = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"), (b"%PDF-", "application/pdf"))
_HOW = (
    "give text, a path, an image (bytes, a PIL image, a matplotlib figure), a DataFrame or Series of pandas, a chatkit Text, File or "
    "ToolResult, or a list of these"
)
_HTML_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9_-]")
_logger = logging.getLogger("chatkit")


class ImageLike(Protocol):
    """An image that can show itself in a notebook, such as one of PIL."""

    def _repr_png_(self) -> object: ...


class FigureLike(Protocol):
    """A figure that can be saved, such as one of matplotlib."""

    def savefig(self, file: io.BytesIO, /, *, format: str, bbox_inches: str) -> object: ...


class TableLike(Protocol):
    """A DataFrame or a Series of pandas."""

    def to_markdown(self) -> object: ...


PromptItem = str | Path | bytes | Part | ImageLike | FigureLike | TableLike
Prompt = PromptItem | Sequence[PromptItem]
"""What a chat can be asked: text, the path or bytes of an image or PDF, an image, a figure, a table, the result of a tool, or several."""


def as_parts(prompt: Prompt) -> tuple[Part, ...]:
    """A prompt as the parts of a message; a `UsageError` where it is empty, of another type, or a file that cannot be read.

    >>> [part.text for part in as_parts(["What is this?", "And that?"])]
    ['What is this?', 'And that?']
    """
    parts = tuple(map(_part, prompt if isinstance(prompt, list | tuple) else (prompt,)))
    if not any(not isinstance(p, Text) or p.text.strip() for p in parts):
        raise UsageError(f"the prompt is empty: {_HOW}")
    return parts


def _part(item: object) -> Part:
    match item:
        case str():
            return Text(text=whole_characters(item))
        case Text() | File() | ToolResult():
            part = replace(item, **{name: whole_characters(getattr(item, name)) for name in item.__struct_fields__})
            if isinstance(part, ToolResult):
                result_text(part)  # refuses what can't be sent before anything is stored
            return part
        case bytes() | bytearray() | memoryview():
            return _file(bytes(item))
        case Path():
            try:
                with open(item.expanduser(), "rb", opener=open_file) as file:
                    data = file.read()
            except OSError as error:
                raise UsageError(f"the file {item} can't be read: {error.strerror}") from error
            return _file(data, mimetypes.guess_type(item.name)[0], whole_characters(item.name))
    if (table := table_of(item)) is not None:
        return Text(text=whole_characters(table))
    if callable(png := getattr(item, "_repr_png_", None)) and isinstance(data := png(), bytes):
        return File(media_type="image/png", data=data)
    if callable(save := getattr(item, "savefig", None)):
        buffer = io.BytesIO()
        save(buffer, format="png", bbox_inches="tight")
        return File(media_type="image/png", data=buffer.getvalue())
    raise UsageError(f"a prompt can't hold {_named(item)}: {_HOW}")


def _named(item: object) -> str:
    """What was given, and how it can be sent after all."""
    kind = f"a {type(item).__name__}"
    if callable(getattr(item, "to_pandas", None)):
        return f"{kind} of {type(item).__module__.partition('.')[0]} (give what its to_pandas() returns)"
    if callable(getattr(item, "read", None)):
        return f"{kind} (give what its read() returns)"
    if isinstance(item, Mapping):
        return f"{kind} (write it as text, such as json.dumps(...))"
    return f"{kind} (write it as text, such as str(...), or make a list of it)" if isinstance(item, Iterable) else kind


def _file(data: bytes, guessed: str | None = None, title: str = "") -> File:
    known = next((media for mark, media in _SIGNATURES if data.startswith(mark)), None)
    if known is None and data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        known = "image/webp"
    media_type = known or guessed
    if not data or media_type is None:
        raise UsageError(f"{title or 'these bytes'}: neither an image nor a PDF that chatkit knows; {_HOW}")
    return File(media_type=media_type, data=data, title=title)


def instruction_files() -> tuple[Path, ...]:
    """Where ``AGENTS.md`` is looked for: in chatkit's folder of the user's configuration directory, then in the working directory."""
    import platformdirs

    folders = [Path(platformdirs.user_config_dir("chatkit", appauthor=False))]
    with contextlib.suppress(FileNotFoundError):  # the working directory was deleted
        folders.append(Path.cwd())
    return tuple(folder / "AGENTS.md" for folder in folders)


def read_instructions(files: Sequence[Path]) -> str:
    """The texts of the files that exist, each under its name and without HTML comments; a file that cannot be read is logged."""
    texts = []
    for path in dict.fromkeys(files):
        try:
            with open(path, "rb", opener=open_file) as file:
                raw = file.read(MAX_INSTRUCTION_BYTES + 1)
        except FileNotFoundError:
            continue
        except OSError as error:
            _logger.warning("the instructions in %s can't be read: %s", path, error.strerror)
            continue
        text = _HTML_COMMENT.sub("", raw[:MAX_INSTRUCTION_BYTES].decode("utf-8", "ignore")).strip()
        limit = f"{MAX_INSTRUCTION_BYTES // 1024} KiB"
        cut = f"\n\n[{path.name} is longer than {limit}: the rest was left out.]" if len(raw) > MAX_INSTRUCTION_BYTES else ""
        if text:
            texts.append(f"Instructions from {path.name}:\n\n{text}{cut}")
    return "\n\n".join(texts)


def visible_to_model(history: Iterable[Message]) -> list[Message]:
    """The messages of a history that are sent."""
    return [m for m in history if m.visibility != "user" and not m.compressed]


def repair(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The same history in the form that providers accept: every tool call is followed by its result, every result follows its call.

    Unanswered calls get an error result after the existing ones; a result that doesn't follow its call gets a copy of that, or an
    empty one; ids are unique, and consist of ``[A-Za-z0-9_-]`` on both sides; the arguments of a call are an object.
    """
    repaired: list[Message] = []
    known: dict[str, ToolCall] = {}
    ids: set[str] = set()
    at = 0
    while at < len(messages):
        message = messages[at]
        orphaned = message.role == "tool"  # the results of a call are taken together with it
        results = _results(messages, at if orphaned else at + 1) if orphaned or message.role == "assistant" else []
        parts = [] if orphaned else list(message.parts)
        calls = [p for p in parts if isinstance(p, ToolCall) and not p.provider_executed]
        at += 1
        while results and at < len(messages) and messages[at].role == "tool":
            at += 1
        if not (calls or results):
            repaired += [] if orphaned else [message]
            continue
        known |= {call.tool_call_id: call for call in calls}
        answers, errors = [], []
        for n, call in enumerate(parts):
            if not isinstance(call, ToolCall) or call.provider_executed:
                continue
            id = _new_id(call, ids)
            parts[n] = replace(call, tool_call_id=id, args=call.args or {}, args_delta="")
            answer = next((r for r in results if r.tool_call_id == call.tool_call_id), None)
            if answer is None:
                errors.append(ToolResult(tool_call_id=id, tool_name=call.tool_name, result=UNANSWERED, is_error=True))
            else:
                results.remove(answer)
                answers.append(replace(answer, tool_call_id=id))
        for late in results:
            id, origin = _new_id(late, ids), known.get(late.tool_call_id)
            name, args = (origin.tool_name, origin.args) if origin else (late.tool_name or "unknown", None)
            parts.append(ToolCall(tool_call_id=id, tool_name=name, args=args or {}))
            answers.append(replace(late, tool_call_id=id))
        repaired.append(replace(message, role="assistant", parts=tuple(parts)))
        repaired.append(replace(message, role="tool", parts=(*answers, *errors), usage=None, stop_reason=None))
    return tuple(repaired)


def _results(messages: Sequence[Message], start: int) -> list[ToolResult]:
    """The results in the unbroken run of tool messages that begins at `start`."""
    run = itertools.takewhile(lambda m: m.role == "tool", messages[start:])
    return [p for message in run for p in message.parts if isinstance(p, ToolResult)]


def _new_id(part: ToolCall | ToolResult, ids: set[str]) -> str:
    """The id of a call in a form that all providers accept, and that no other call has: some servers number the calls of each reply."""
    first = id = _NOT_IN_AN_ID.sub("_", part.tool_call_id)
    while id in ids:
        id = f"{first}_{len(ids)}"
    ids.add(id)
    return id
