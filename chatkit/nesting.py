"""Nested event loops, for the person's own code alone."""

from __future__ import annotations

import asyncio
import sys
import warnings

from chatkit.errors import UsageError


def enable_nested_asyncio() -> None:
    """Let *your own* code call ``asyncio.run`` and ``run_until_complete`` in a cell. chatkit itself does not need it.

    It patches asyncio in the whole process, until the kernel is restarted. nest-asyncio2 is preferred. nest-asyncio 1.6 is used only
    where it is safe: with ipykernel 7 it makes "Run All" skip cells silently, and on Python 3.14 it breaks asyncio.

    Raises
    ------
    UsageError
        The running loop can't be patched (uvloop, Pyodide), or only nest-asyncio 1.6 is installed and is not safe here.
    """
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        return
    if hasattr(asyncio, "_nest_asyncio2"):
        return
    if hasattr(asyncio, "_nest_patched"):
        warnings.warn(
            "nest_asyncio 1.6 was applied before: it can lose cells, and can't be undone. Restart the kernel, and call "
            "chatkit.enable_nested_asyncio() instead of nest_asyncio.apply().",
            RuntimeWarning,
            stacklevel=2,
        )
        return
    if not isinstance(running, asyncio.BaseEventLoop):
        raise UsageError(
            f"{type(running).__module__}.{type(running).__name__} can't be nested: use `await` here, or a kernel with asyncio's own loop"
        )
    try:
        import nest_asyncio2
    except ImportError:
        nest_asyncio2 = None
    if nest_asyncio2 is not None:
        nest_asyncio2.apply()
        return
    if sys.version_info >= (3, 14) or _ipykernel_major() >= 7:
        raise UsageError("nest_asyncio 1.6 would lose cells here: pip install 'nest-asyncio2>=1.7.3', and restart the kernel")
    import nest_asyncio

    nest_asyncio.apply()


def _ipykernel_major() -> int:
    module = sys.modules.get("ipykernel")
    return module.version_info[0] if module else 0
