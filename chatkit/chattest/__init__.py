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


def __getattr__(name: str) -> object:
    from chatkit.lazy import load_public

    return load_public(__name__, name)


def __dir__() -> list[str]:
    from chatkit.lazy import public_names

    return public_names(__name__)
