"""The widget of one turn: its text as it streams, and the bar above it."""

from __future__ import annotations

from chatkit.display.modules import module_text, style_text
from chatkit.display.widget import View

__all__ = ["ChatView"]


class ChatView(View):
    """One turn."""

    _esm = module_text("chat_view.js")
    _css = style_text()
