"""The files of a log: found by path, glob or folder, opened, decompressed, and read in pieces of whole lines."""

from __future__ import annotations

import codecs
import difflib
import glob
import gzip
import io
import logging
import os
import re
import stat
import sys
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chatkit.errors import UsageError
from chatkit.files import open_file
from chatkit.retries.log import default_log_path, log_folder

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_logger = logging.getLogger("chatkit")

PIECE_BYTES = 1 << 19
"""The usual size of a piece: the values that are made of it still fit into a processor's cache."""
READ_BYTES = 1 << 16
"""The size of one read: where an archive is broken, at most this much of the text before the break is lost."""
MAX_LINE_BYTES = 16 << 20
"""A longer line is skipped."""
LOG_SUFFIXES = (".jsonl", ".log", ".json", ".ndjson", ".sse", ".txt")
"""The files of a folder that are read, also with one of `_ARCHIVE_SUFFIXES` after it."""
_ARCHIVE_SUFFIXES = (".gz", ".zst")
_MAX_NAMES_IN_ERROR = 8
_MIN_HEAD_BYTES = 4
"""The bytes at the start of a file that tell its encoding."""
_GZIP = b"\x1f\x8b\x08"
_ZSTD = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", re.DOTALL)  # a frame of data, or a skippable frame
_UTF16 = re.compile(rb"\xff\xfe[\s -~]\0|\xfe\xff\0[\s -~]")  # garbage may begin like the byte order mark alone
_BROKEN_ARCHIVE = (EOFError, zlib.error, gzip.BadGzipFile, zstd.ZstdError)


class LogFile:
    """A file to read: a path, or a file object of the caller, which stays open.

    Attributes
    ----------
    name : str
    size : int
        Bytes as they are stored; 0 where this is unknown.
    bytes_read : int
        Bytes as they are stored, up to now.
    truncated : bool
        Whether it turned out to be an archive that ends or breaks before its end.
    """

    def __init__(self, file: Path | Any) -> None:
        self._file = file
        self.bytes_read = 0
        self.truncated = False
        if isinstance(file, Path):
            self.name = str(file)
            state = file.stat()
            self.size = state.st_size
            self._opener = open_file if stat.S_ISREG(state.st_mode) else None  # a pipe that was named is waited for
        else:
            name = getattr(file, "name", None)
            self.name = name if isinstance(name, str) else type(file).__name__
            self.size = _size_of_open(file)

    def pieces(self, advance: Callable[[int], object]) -> Iterator[tuple[bytes | None, bool]]:
        """The text as UTF-8, in pieces as `pieces_of` gives them; `advance` is called with the number of stored bytes that were read.

        Files of gzip, zstd and UTF-16 are known by their first bytes.
        """
        with closing(self._stored(advance)) as blocks:
            plain = stored = _BlockFile(blocks)
            if stored.head.startswith(_GZIP):
                plain = _BlockFile(self._blocks(gzip.GzipFile(fileobj=stored, mode="rb").read1))
            elif _ZSTD.match(stored.head):
                plain = _BlockFile(self._blocks(zstd.ZstdFile(stored).read1))
            if _UTF16.match(plain.head):  # Windows PowerShell 5.1 writes UTF-16 behind `>`
                text = io.TextIOWrapper(io.BufferedReader(plain), "utf-16", errors="replace", newline="\n")
                plain = _BlockFile(self._blocks(lambda size: text.read(size).encode("utf-8", "replace")))
            elif plain.head.startswith(codecs.BOM_UTF8):
                plain.read(len(codecs.BOM_UTF8))
            yield from pieces_of(io.BufferedReader(plain, READ_BYTES))

    def _stored(self, advance: Callable[[int], object]) -> Generator[bytes, None, None]:
        """The bytes as they are stored. A file that grows meanwhile is read up to the size that it had at the start."""
        with ExitStack() as stack:
            read: Callable[[int], bytes] = self._read_open
            end = sys.maxsize
            if isinstance(self._file, Path):
                file = stack.enter_context(open(self._file, "rb", buffering=0, opener=self._opener))
                read, end = file.read, _size_of_open(file) or sys.maxsize
            for block in self._blocks(lambda size: read(min(size, end - self.bytes_read))):
                self.bytes_read += len(block)
                advance(len(block))
                yield block

    def _blocks(self, read: Callable[[int], bytes]) -> Iterator[bytes]:
        """What `read` returns until the end, or until the archive breaks."""
        try:
            while block := read(READ_BYTES):
                yield block
        except _BROKEN_ARCHIVE:
            self.truncated = True

    def _read_open(self, size: int) -> bytes:
        """Some bytes of a file object of the caller; none at its end."""
        file: Any = self._file
        try:
            block = getattr(file, "read1", file.read)(size)  # of an archive that breaks off, `read` would lose the whole block
        except UnicodeDecodeError:
            raise UsageError(f"{self.name} was opened as text, and isn't {file.encoding}: open it with open(path, 'rb')") from None
        except io.UnsupportedOperation:
            raise UsageError(f"{self.name} was opened for writing: open it for reading") from None
        except ValueError as error:
            if getattr(file, "closed", False):
                raise UsageError(f"{self.name} is closed: open it again") from error
            raise
        return block.encode("utf-8", "surrogatepass") if isinstance(block, str) else bytes(block or b"")


class _BlockFile(io.RawIOBase):
    """Blocks of bytes as a file, with the bytes at its start as `head`."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self.head = b""
        while len(self.head) < _MIN_HEAD_BYTES and (block := next(blocks, b"")):
            self.head += block
        self._rest = memoryview(self.head)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = memoryview(next(self._blocks, b""))
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def pieces_of(file: io.BufferedReader) -> Iterator[tuple[bytes | None, bool]]:
    """Some lines at a time, without the last one's newline, and True; a last line that has no newline comes by itself, with False.

    None stands for a line of more than `MAX_LINE_BYTES`.
    """
    while piece := file.read(PIECE_BYTES):
        if begun := len(piece) - piece.rfind(b"\n") - 1:
            piece += file.readline(MAX_LINE_BYTES + 1 - begun)
        end = piece.rfind(b"\n") + 1
        if end == len(piece):
            yield piece[:-1], True
            continue
        if end:
            yield piece[: end - 1], True
        if len(piece) - end <= MAX_LINE_BYTES:
            yield piece[end:], False
            continue
        while (skipped := file.readline(PIECE_BYTES)) and not skipped.endswith(b"\n"):
            pass
        yield None, bool(skipped)


def files_of(source: Any) -> list[LogFile]:
    """The files that a path, a glob, a folder, a file object or a list of these stands for; none of them twice.

    The files of a folder or a glob are sorted by name, those of a list keep their order.
    """
    given = [source] if is_file(source) else list(source)
    found: dict[Any, LogFile] = {}
    for one in given:
        for file in _expanded(one):
            key = (os.path.realpath(file) if file.is_file() else str(file)) if isinstance(file, Path) else id(file)
            if key not in found:
                found[key] = LogFile(file)
    return list(found.values())


def default_logs() -> list[LogFile]:
    """The logs that chatkit writes on this machine; none where nothing has been recorded yet."""
    try:
        ours = default_log_path(datetime.now(UTC))
    except RuntimeError as error:  # the path begins with the home folder of an unknown user
        raise UsageError(f"CHATKIT_RETRY_LOG names no file: {error}") from None
    if ours is None:
        raise UsageError(
            "chatkit's log is switched off (CHATKIT_RETRY_LOG=off): give load_retry_log() a file, or a chat, which holds its attempts"
        )
    if os.environ.get("CHATKIT_RETRY_LOG", "").strip():
        if ours.exists() and not ours.is_file():
            raise UsageError(f"CHATKIT_RETRY_LOG names {ours}, which isn't a file that could be read again: give load_retry_log() a file")
        return [LogFile(ours)] if ours.exists() else []
    return [LogFile(path) for path in _files_among(sorted(filter(_is_log, log_folder().glob("retries-*.jsonl*"))))]


def is_file(source: Any) -> bool:
    """Whether it is a path, a glob or a file object, and not a list."""
    return isinstance(source, str | bytes | os.PathLike) or hasattr(source, "read")


def _expanded(source: Any) -> Iterable[Any]:
    """The paths that a path, a glob or a folder stands for; a file object as it is."""
    if hasattr(source, "read"):
        return [source]
    if not isinstance(source, str | os.PathLike):
        raise UsageError(f"load_retry_log() can't read a {type(source).__name__}: give paths, open files, events, or a chat")
    name = os.path.expanduser(os.fsdecode(source))
    if not name.strip():
        raise UsageError(f"load_retry_log({source!r}) names no file: give a path, or nothing for chatkit's own log on this machine")
    if "\n" in name or "\0" in name:
        raise UsageError("load_retry_log() takes a text as a path: give a log's own text as io.StringIO(text)")
    path = Path(name)
    if path.is_dir():
        logs = _files_among(sorted(filter(_is_log, path.iterdir())))
        if not logs:
            suffixes = ", ".join(LOG_SUFFIXES)
            raise FileNotFoundError(f"no log is in {path}: they end in {suffixes}, also with .gz or .zst; {_nearby(path, '')}")
        return logs
    if path.exists():
        return [path]
    if glob.has_magic(name):
        if files := _files_among(match for match in map(Path, sorted(glob.glob(name, recursive=True))) if not match.is_dir()):
            return files
        folder = next(parent for parent in path.parents if not glob.has_magic(str(parent)))
        raise FileNotFoundError(f"no file matches {name}: {_nearby(folder, '')}")
    raise FileNotFoundError(f"there is no {name}: {_nearby(path.parent, path.name)}")


def _files_among(found: Iterable[Path]) -> list[Path]:
    """The files. Pipes, which would block, devices, which may have no end, and broken links are left out with a warning."""
    files = []
    for path in found:
        if os.path.isfile(path):  # unlike `Path.is_file`, it never raises
            files.append(path)
        else:
            _logger.warning("load_retry_log() leaves out %s: it is not a file", path)
    return files


def _is_log(path: Path) -> bool:
    name = path.name.lower()
    for suffix in _ARCHIVE_SUFFIXES:
        name = name.removesuffix(suffix)
    return name.endswith(LOG_SUFFIXES) and not path.is_dir()


def _nearby(folder: Path, name: str) -> str:
    """What the folder holds instead, for an error."""
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return f"{folder} is no folder that can be read"
    if near := difflib.get_close_matches(name, names, 3):
        return f"did you mean {' or '.join(near)}?"
    if not names:
        return f"{folder} is empty"
    more = f" and {len(names) - _MAX_NAMES_IN_ERROR} more" if len(names) > _MAX_NAMES_IN_ERROR else ""
    return f"{folder} holds {', '.join(names[:_MAX_NAMES_IN_ERROR])}{more}"


def _size_of_open(file: Any) -> int:
    """Bytes of a regular file that is open; 0 of anything else."""
    try:
        state = os.fstat(file.fileno())
    except (AttributeError, OSError, ValueError, TypeError):  # not a file of the operating system
        return 0
    return state.st_size if stat.S_ISREG(state.st_mode) else 0
