"""Bytes of a log as whole lines: unpacked where they are packed, no longer than a bound, and as much of a broken archive as can be had."""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

BLOCK = 1 << 19
"""Bytes that are read at once: what is made of them still fits a processor's cache."""
LONGEST = 16 << 20
"""Bytes of a line that is read; a longer one is passed over."""
TOO_LONG = b"\x00 a line that was passed over"
"""Stands for such a line. It is known by its identity."""

_GZIP = re.compile(rb"\x1f\x8b\x08")
_ZSTD = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", re.DOTALL)  # the second is a frame to be skipped
_UTF16 = re.compile(rb"\xff\xfe[\s -~]\0|\xfe\xff\0[\s -~]")  # the mark alone may be the beginning of any garbage
_MAGIC = 4
"""Bytes that tell."""
_PACKED = 1 << 12
"""Packed bytes that are unpacked at once where they may be broken: no more than what comes of them is lost."""


class _Member(Protocol):
    """One member of an archive, as `bz2` and `compression.zstd` read it."""

    needs_input: bool

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _GzipMember:
    """The same for gzip, whose reader in `zlib` has an interface of its own."""

    def __init__(self) -> None:
        self._reader = zlib.decompressobj(31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._reader.eof

    @property
    def unused_data(self) -> bytes:
        return self._reader.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        out = self._reader.decompress(self._reader.unconsumed_tail + data, max(max_length, 0))
        self.needs_input = not self._reader.unconsumed_tail and len(out) < max_length
        return out


class Unpacked:
    """The blocks of a source as plain UTF-8: gzip, zstd and UTF-16 are known by their first bytes.

    Parameters
    ----------
    blocks : iterable of bytes
        As they are stored.

    Attributes
    ----------
    truncated : bool
        The archive ended or broke before its end.
    """

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = blocks
        self.truncated = False

    def __iter__(self) -> Iterator[bytes]:
        blocks = iter(self._blocks)
        head = b""
        for block in blocks:
            head += block
            if len(head) >= _MAGIC:
                break
        rest = _chained(head, blocks)
        if _GZIP.match(head):
            rest = self._unpack(rest, _GzipMember, _GZIP)
        elif _ZSTD.match(head):
            rest = self._unpack(rest, _zstd_member(), _ZSTD)
        return _gathered(_utf8(rest))

    def _unpack(self, blocks: Iterator[bytes], member: Callable[[], _Member], magic: re.Pattern[bytes]) -> Iterator[bytes]:
        """The contents of all members, one after the other."""
        open_one: _Member | None = member()
        kept = b""
        for block in blocks:
            for begin in range(0, len(block), _PACKED):
                data = kept + block[begin : begin + _PACKED]
                kept = b""
                while data or (open_one and not open_one.needs_input):
                    if open_one is None:
                        data = data.lstrip(b"\0")  # padding of tapes
                        if len(data) < _MAGIC:
                            kept, data = data, b""
                            continue
                        if not magic.match(data):
                            self.truncated = True
                            return
                        open_one = member()
                    try:
                        yield open_one.decompress(data, BLOCK)
                    except Exception as error:
                        if not is_broken(error):
                            raise
                        self.truncated = True
                        return
                    data = b""
                    if open_one.eof:
                        data, open_one = open_one.unused_data, None
        self.truncated = open_one is not None or bool(kept)


def pieces_of(blocks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Some whole lines at a time, without the last one's newline, and whether it had one.

    Parameters
    ----------
    blocks : iterable of bytes
        Of any length. Lines end at a newline only.

    Yields
    ------
    tuple of bytes, bool
        `TOO_LONG` stands for a line of more than `LONGEST` bytes, and comes by itself.
    """
    held: list[bytes] = []
    size = 0
    for block in blocks:
        begin, end = 0, block.rfind(b"\n")
        if end < 0:
            held.append(block)
            size += len(block)
            if size > LONGEST:
                held.clear()  # the size goes on, and tells that something is missing
            continue
        if size + (first := block.find(b"\n")) > LONGEST:
            yield TOO_LONG, True
            held, begin = [], first + 1
        if begin <= end:
            yield b"".join([*held, block[begin:end]]), True
        held = [block[end + 1 :]]
        size = len(held[0])
    if size:
        yield TOO_LONG if size > LONGEST else b"".join(held), False


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _gathered(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer pieces."""
    held: list[bytes] = []
    size = 0
    for block in blocks:
        held.append(block)
        size += len(block)
        if size >= BLOCK // 2:
            yield b"".join(held)
            held, size = [], 0
    if size:
        yield b"".join(held)


def _utf8(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Without a byte order mark; what a shell wrote as UTF-16 becomes UTF-8."""
    head = b""
    for block in blocks:
        head += block
        if len(head) >= _MAGIC:
            break
    if _UTF16.match(head):
        decode = codecs.getincrementaldecoder("utf-16")("replace").decode
        for block in _chained(head, blocks):
            yield decode(block).encode("utf-8", "replace")
        return
    yield from _chained(head.removeprefix(codecs.BOM_UTF8), blocks)


def _zstd_member() -> Callable[[], Any]:
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # Python 3.14 has it
    except ImportError:
        from backports import zstd
    member: Callable[[], Any] = zstd.ZstdDecompressor
    return member


def is_broken(error: Exception) -> bool:
    """Whether it is an archive that failed, and not the machine."""
    return isinstance(error, zlib.error | EOFError) or type(error).__name__ in ("BadGzipFile", "ZstdError")
