"""The end of a display: its last work runs beside the bridge's loop, and whoever may wait for it does."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from chatkit import bridge

PATIENCE = 2.0
"""Seconds that a caller waits for the last output at most."""
_logger = logging.getLogger("chatkit")


def finish(drain: Callable[[], Coroutine[Any, Any, None]] | None, freeze: Callable[[], None]) -> concurrent.futures.Future[None]:
    """Run `drain` on the bridge's loop, then `freeze` on a thread: rendering a long reply takes a while.

    Returns when it is done, or at once on the loop's own thread, which must not wait.

    Parameters
    ----------
    drain : callable or None
        Makes the coroutine that hands on what is still on its way.
    freeze : callable
        Shows what stays.

    Returns
    -------
    concurrent.futures.Future
        Done when all is shown.
    """

    async def work() -> None:
        try:
            if drain is not None:
                await drain()
            await asyncio.to_thread(freeze)
        except Exception:
            _logger.warning("the display failed, and the output of this turn may be incomplete", exc_info=True)

    future = bridge.spawn(work())
    if not bridge.on_loop():
        concurrent.futures.wait([future], PATIENCE)
    return future
