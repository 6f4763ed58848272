"""Where an output can't be replaced later, a widget stands for it whose content can be."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

WIDGET = "application/vnd.jupyter.widget-view+json"


def cell_of(publisher: Any) -> str:
    """The id of the message that this runs for, which an Output widget that catches its outputs has too."""
    return str(getattr(publisher, "parent_header", {}).get("msg_id") or "")


def catching(cell: str) -> list[Any]:
    """The Output widgets that catch now what is published for a cell."""
    return [w for w in _output_widgets() if w.msg_id == cell] if cell else []


class Inset:
    """An Output widget of chatkit's own, where an output stays as it is: the kernel alone writes what it holds.

    The list of what a person's Output widget has caught is the browser's; `catchers` are those that may catch this one.
    `publish` shows a MIME bundle for the first time, `update` has it replaced in a page that shows it already.
    """

    def __init__(
        self, publish: Callable[[dict[str, Any]], object], update: Callable[[dict[str, Any]], object], catchers: Sequence[Any]
    ) -> None:
        self._publish, self._update, self._catchers = publish, update, catchers
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
            _close_when_cleared(self._widget, self._catchers)
            self._published = {WIDGET: self._widget._repr_mimebundle_()[WIDGET]}
        self._widget.outputs = tuple({"output_type": "display_data", "data": b, "metadata": {}} for b in self._held.values() if b)
        if first:
            self._publish(self._published)
        elif place == next(iter(self._held)) and WIDGET not in bundle:  # ``%%capture`` keeps this very dict, to show it later
            self._published.clear()
            self._published.update(bundle)
            self._update(self._published)


def _close_when_cleared(inset: Any, catchers: Sequence[Any]) -> None:
    """Close an inset when the Output widget that caught it holds it no more: otherwise, each reply would leave one in the kernel."""
    name, layout = inset.model_id, inset.layout

    def look(change: Any) -> None:
        if _holds(change.old, name) and not any(_holds(widget.outputs, name) for widget in _output_widgets()):
            for catcher in catchers:
                catcher.unobserve(look, "outputs")
            inset.close()
            layout.close()

    for catcher in catchers:
        catcher.observe(look, "outputs")


def _holds(outputs: Iterable[Mapping[str, Any]], name: str) -> bool:
    return any(output.get("data", {}).get(WIDGET, {}).get("model_id") == name for output in outputs)


def _output_widgets() -> list[Any]:
    if "ipywidgets" not in sys.modules:  # it takes a tenth of a second to load, and nobody has made a widget yet
        return []
    from ipywidgets import Output
    from ipywidgets.widgets.widget import _instances

    return [widget for widget in list(_instances.values()) if isinstance(widget, Output)]
