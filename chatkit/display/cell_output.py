"""The output of the cell that opened a display: published to from any thread, also when the cell is long over."""

from __future__ import annotations

import contextvars
import copy
import uuid
from collections.abc import Mapping
from typing import Any


class CellOutput:
    """One output of the running cell.

    It keeps the cell's own context and publisher: what another thread publishes would land in the cell that ran last.
    """

    def __init__(self) -> None:
        from IPython.core.interactiveshell import InteractiveShell

        self._publisher = InteractiveShell.instance().display_pub
        if "parent_header" in self._publisher.trait_names():  # ipykernel 6: one header for all threads, the last cell's
            self._publisher = copy.copy(self._publisher)
        self._context = contextvars.copy_context()
        self._display_id = uuid.uuid4().hex
        self._shown = False

    def show(self, bundle: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> None:
        """Show a MIME bundle, in the place of the one before.

        Parameters
        ----------
        bundle : mapping
            Data by MIME type.
        metadata : mapping, optional
            Metadata by MIME type.
        """
        update, self._shown = self._shown, True
        # a context can be entered once at a time: each call has a copy
        self._context.copy().run(
            self._publisher.publish,
            data=dict(bundle),
            metadata=dict(metadata or {}),
            transient={"display_id": self._display_id},
            update=update,
        )
