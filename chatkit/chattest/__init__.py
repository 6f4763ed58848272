"""Fake model providers on this machine, which reply and fail according to a script, and a clock for tests.

::

    from chatkit.chattest import FakeClock, FakeProvider, anthropic_overloaded_response, reply

    def test_a_cut_stream_is_retried():
        script = [anthropic_overloaded_response(), reply("All is well.").reset(after=2), reply("All is well.")]
        with FakeProvider(script) as fake:
            chat = chatkit.Chat("anthropic:claude-x", api_key="k", base_url=fake.anthropic_url, clock=FakeClock())
            assert chat.ask("How is it?", show=False).text == "All is well."
            fake.assert_used_up()

With pytest, the fixtures `fake_provider` (a function that starts a provider, which is closed after the test) and
`fake_clock` are available without an import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chatkit.chattest.clock import FakeClock
    from chatkit.chattest.error_responses import (
        anthropic_error_response,
        anthropic_overloaded_response,
        anthropic_rate_limit_response,
        error_response,
        openai_error_response,
        openai_rate_limit_response,
        openai_server_error_response,
    )
    from chatkit.chattest.recorded import TITLE_PROMPT, RecordedRequest
    from chatkit.chattest.replies import html_response, http_response, reply
    from chatkit.chattest.response import Response
    from chatkit.chattest.server import FakeProvider

__all__ = [
    "TITLE_PROMPT",
    "FakeClock",
    "FakeProvider",
    "RecordedRequest",
    "Response",
    "anthropic_error_response",
    "anthropic_overloaded_response",
    "anthropic_rate_limit_response",
    "error_response",
    "html_response",
    "http_response",
    "openai_error_response",
    "openai_rate_limit_response",
    "openai_server_error_response",
    "reply",
]

_MODULES = {
    "clock": ("FakeClock",),
    "recorded": ("TITLE_PROMPT", "RecordedRequest"),
    "replies": ("html_response", "http_response", "reply"),
    "response": ("Response",),
    "server": ("FakeProvider",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'error_responses')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
