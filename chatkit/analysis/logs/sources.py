"""Where a log comes from: paths, globs, folders, open files, the default log; and what isn't there, with what is."""

from __future__ import annotations

import difflib
import glob
import io
import os
import stat
from collections.abc import Callable, Generator, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chatkit.analysis.logs.blocks import BLOCK, is_broken
from chatkit.errors import UsageError
from chatkit.retries.log import default_log_path, log_folder

SUFFIXES = (".jsonl", ".log", ".json", ".ndjson", ".sse", ".txt")
"""What a folder's logs are called, also with one of `_PACKED` behind."""
_PACKED = (".gz", ".zst")
_SHOWN = 8
"""Files of a folder that an error names."""


class FileSource:
    """A file to be read: a path, or what is open already (and stays open).

    Parameters
    ----------
    file : Path or file object

    Attributes
    ----------
    name : str
    size : int
        Bytes as they are stored; 0 where nobody knows.
    truncated : bool
        It is an archive that somebody opened, and it broke off.
    """

    def __init__(self, file: Path | Any) -> None:
        self._file = file
        self.truncated = False
        if isinstance(file, Path):
            self.name = str(file)
            self.size = file.stat().st_size
        else:
            name = getattr(file, "name", None)
            self.name = name if isinstance(name, str) else type(file).__name__
            self.size = _size_of_open(file)

    def blocks(self, read: Callable[[int], object]) -> Generator[bytes, None, None]:
        """The stored bytes; `read` hears how many came. A file that grows meanwhile is read to the size that it has at the start."""
        if not isinstance(self._file, Path):
            while block := self._read():
                read(len(block))
                yield block
            return
        with self._file.open("rb", buffering=0) as file:
            state = os.fstat(file.fileno())
            left: float = state.st_size if stat.S_ISREG(state.st_mode) else float("inf")
            while left > 0 and (block := file.read(int(min(left, BLOCK)))):
                left -= len(block)
                read(len(block))
                yield block

    def _read(self) -> bytes:
        """The next block of an open file; empty at its end."""
        file: Any = self._file
        try:
            block = getattr(file, "read1", file.read)(BLOCK)  # of an archive that breaks off, `read` would lose a whole block
        except UnicodeDecodeError:
            raise UsageError(f"{self.name} was opened as text, and isn't {file.encoding}: open it with open(path, 'rb')") from None
        except io.UnsupportedOperation:
            raise UsageError(f"{self.name} was opened for writing: open it for reading") from None
        except Exception as error:
            if getattr(file, "closed", False):
                raise UsageError(f"{self.name} is closed: open it again") from error
            if not is_broken(error):
                raise
            self.truncated = True
            return b""
        if isinstance(block, str):
            try:
                return block.encode("utf-8", "surrogateescape")
            except UnicodeEncodeError:
                return block.encode("utf-8", "replace")
        return bytes(block or b"")


def files_of(source: Any) -> list[FileSource]:
    """The files that a path, a glob, a folder, an open file, or several of them mean.

    Parameters
    ----------
    source : str, Path, file object, or a list of them
        A folder's files and those of a glob come sorted by name, a list in its order. No file comes twice.

    Raises
    ------
    FileNotFoundError
        One of them isn't there; the message has near names, or what the folder holds.
    UsageError
        It is something else.
    """
    given = [source] if is_file(source) else list(source)
    found: dict[Any, FileSource] = {}
    for one in given:
        for file in _expanded(one):
            key = (os.path.realpath(file) if file.is_file() else str(file)) if isinstance(file, Path) else id(file)
            if key not in found:
                found[key] = FileSource(file)
    return list(found.values())


def default_logs() -> list[FileSource]:
    """The logs that chatkit writes on this machine; none where nothing was recorded yet.

    Raises
    ------
    UsageError
        The log is switched off.
    """
    try:
        ours = default_log_path(datetime.now(UTC))
    except RuntimeError as error:  # a home folder that nobody has
        raise UsageError(f"CHATKIT_RETRY_LOG names no file: {error}") from None
    if ours is None:
        raise UsageError(
            "chatkit's log is switched off (CHATKIT_RETRY_LOG=off): give load_retry_log() a file, or a chat, which holds its attempts"
        )
    if os.environ.get("CHATKIT_RETRY_LOG"):
        return [FileSource(ours)] if ours.exists() else []
    folder = log_folder()
    if not folder.is_dir():
        return []
    return [FileSource(path) for path in sorted(folder.glob("retries-*.jsonl*")) if _is_log(path)]


def is_file(source: Any) -> bool:
    """Whether it means files by itself, and isn't a list of something."""
    return isinstance(source, str | bytes | os.PathLike) or hasattr(source, "read")


def _expanded(source: Any) -> Iterable[Any]:
    if hasattr(source, "read"):
        return [source]
    if isinstance(source, bytes) or not isinstance(source, str | os.PathLike):
        raise UsageError(f"load_retry_log() can't read a {type(source).__name__}: give paths, open files, events, or a chat")
    name = os.path.expanduser(os.fspath(source))
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    if "\n" in name or "\0" in name:
        raise UsageError("load_retry_log() takes a text as a path: give a log's own text as io.StringIO(text)")
    path = Path(name)
    if path.is_dir():
        return _logs_in(path)
    if path.exists():
        return [path]
    if glob.has_magic(name):
        matches = [Path(match) for match in sorted(glob.glob(name, recursive=True))]
        if files := [match for match in matches if not match.is_dir()]:
            return files
        raise FileNotFoundError(f"no file matches {name}: {_nearby(Path(_plain_part(name)), '')}")
    raise FileNotFoundError(f"there is no {name}: {_nearby(path.parent, path.name)}")


def _plain_part(pattern: str) -> str:
    """The part of a glob that is a plain folder.

    >>> _plain_part("logs/2026-*/x.jsonl")
    'logs'
    """
    parts = Path(pattern).parts
    plain = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    return str(Path(*parts[:plain]))


def _logs_in(folder: Path) -> list[Path]:
    logs = sorted(path for path in folder.iterdir() if _is_log(path))
    if not logs:
        raise FileNotFoundError(f"no log is in {folder}: they end in {', '.join(SUFFIXES)}, also with .gz or .zst; {_nearby(folder, '')}")
    return logs


def _is_log(path: Path) -> bool:
    name = path.name.lower()
    for packed in _PACKED:
        name = name.removesuffix(packed)
    return name.endswith(SUFFIXES) and not path.is_dir()


def _nearby(folder: Path, name: str) -> str:
    """What is there instead, for an error."""
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return f"{folder} is no folder that can be read"
    if near := difflib.get_close_matches(name, names, 3):
        return f"did you mean {' or '.join(near)}?"
    if not names:
        return f"{folder} is empty"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{folder} holds {', '.join(names[:_SHOWN])}{more}"


def _size_of_open(file: Any) -> int:
    """Of a regular file that is open; 0 for anything else."""
    try:
        state = os.fstat(file.fileno())
    except (AttributeError, OSError, ValueError, TypeError):  # no file of the system
        return 0
    return state.st_size if stat.S_ISREG(state.st_mode) else 0
