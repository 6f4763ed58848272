"""The files that a user or a setting names: what is no file is refused, since a pipe would block, and a device may have no end.

Several processes may append lines to one file at once.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from pathlib import Path

AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
"""Flags with which to open or write a pipe never waits for its other side."""
_LOCK_TRIES = 50
"""How often a lock is tried, a millisecond apart: a process that was stopped while it writes must not stop the others."""

if sys.platform == "win32":
    import msvcrt

    def _set_lock(handle: int, locked: bool) -> None:
        os.lseek(handle, 1 << 30, os.SEEK_SET)  # a locked byte can't be read, so it is one far behind the end
        msvcrt.locking(handle, msvcrt.LK_NBLCK if locked else msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _set_lock(handle: int, locked: bool) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB if locked else fcntl.LOCK_UN)


def open_file(path: str, flags: int) -> int:
    """An `opener` for `open`: raises OSError for a pipe, a device or a socket, without waiting for it."""
    handle = os.open(path, flags | AT_ONCE)
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):  # `open` itself refuses a folder
        return handle
    os.close(handle)
    raise OSError(errno.EINVAL, "it is a pipe, a device or a socket, and not a file", path)


def append_line(path: Path, line: bytes) -> None:
    """Append a line with one write, to a file that only its owner can read if it is new; a pipe or a device gets the line as well.

    A local disk appends whole writes one after the other; Windows and network folders do so under a lock. A line that the disk has no
    room for is taken back, and raises OSError. What a process left that was killed amid a line is ended before the next line.
    """
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | AT_ONCE, 0o600)
    try:
        regular = stat.S_ISREG(os.fstat(handle).st_mode)
        locked = regular and _lock(handle)
        try:
            size = os.fstat(handle).st_size
            if regular and size and not _ends_whole(path):
                line = b"\n" + line
            if os.write(handle, line) != len(line):
                if locked:
                    os.ftruncate(handle, size)
                raise OSError(errno.ENOSPC, "no space left for the whole line")
        finally:
            if locked:
                _set_lock(handle, False)  # closing is not enough while a fork of this process has the handle too
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    """Whether the lock could be had: some network folders have none."""
    for _ in range(_LOCK_TRIES):
        try:
            _set_lock(handle, True)
            return True
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                return False
            time.sleep(0.001)
    return False


def _ends_whole(path: Path) -> bool:
    """Whether the last line of a file is ended, or can't be read."""
    try:
        with open(path, "rb", buffering=0, opener=open_file) as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
    except OSError:
        return True
