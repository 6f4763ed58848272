"""The widget of `chatkit.retry`: the countdown of a wait."""

from __future__ import annotations

from chatkit.display.modules import module_text, style_text
from chatkit.display.widget import View

__all__ = ["RetryView"]


class RetryView(View):
    """The wait before another attempt."""

    _esm = module_text("retry_view.js")
    _css = style_text()
