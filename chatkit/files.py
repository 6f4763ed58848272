"""Opens the files that a user or a setting names: what is no file is refused, since a pipe would block, and a device may have no end."""

from __future__ import annotations

import errno
import os
import stat

AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
"""Flags with which to open or write a pipe never waits for its other side."""


def open_file(path: str, flags: int) -> int:
    """An `opener` for `open`: raises OSError for a pipe, a device or a socket, without waiting for it."""
    handle = os.open(path, flags | AT_ONCE)
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):  # `open` itself refuses a folder
        return handle
    os.close(handle)
    raise OSError(errno.EINVAL, "it is a pipe, a device or a socket, and not a file", path)
