"""Where an output can't be replaced later, a widget stands for it whose content can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

WIDGET = "application/vnd.jupyter.widget-view+json"


def keeps_the_first(shell: Any, publisher: Any) -> bool:
    """Whether what is published now stays as it is: an Output widget catches it, or ``%%capture`` does."""
    return not isinstance(publisher, shell.display_pub_class) or bool(catching(cell_of(publisher)))


def cell_of(publisher: Any) -> str:
    """The id of the message that this runs for, which an Output widget that catches its outputs has too."""
    return str(getattr(publisher, "parent_header", {}).get("msg_id") or "")


def catching(cell: str) -> list[Any]:
    """The Output widgets that catch now what is published for a cell."""
    from ipywidgets import Output
    from ipywidgets.widgets.widget import _instances

    return [w for w in list(_instances.values()) if isinstance(w, Output) and w.msg_id == cell] if cell else []


class Inset:
    """An Output widget of chatkit's own, within what keeps the first: the kernel alone writes what it holds.

    The list of what a person's Output widget has caught is the browser's. `publish` shows a MIME bundle for the first time,
    `update` has it replaced in a page that shows it already.
    """

    def __init__(self, publish: Callable[[dict[str, Any]], object], update: Callable[[dict[str, Any]], object]) -> None:
        self._publish, self._update = publish, update
        self._held: dict[object, dict[str, Any]] = {}

    def show(self, place: object, bundle: dict[str, Any]) -> None:
        """Show a MIME bundle in this place, below those that were there before; the first stands for all of them."""
        from ipywidgets import Output

        first = not self._held
        if first and WIDGET not in bundle:  # it stays as it is
            self._publish(bundle)
            return
        self._held[place] = bundle
        if first:
            self._widget = Output()
            self._published = {WIDGET: self._widget._repr_mimebundle_()[WIDGET]}
        self._widget.outputs = tuple({"output_type": "display_data", "data": b, "metadata": {}} for b in self._held.values() if b)
        if first:
            self._publish(self._published)
        elif place == next(iter(self._held)) and WIDGET not in bundle:  # ``%%capture`` keeps this very dict, to show it later
            self._published.clear()
            self._published.update(bundle)
            self._update(self._published)
