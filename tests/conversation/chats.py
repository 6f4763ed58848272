"""Chats with a scripted provider, in each wire format."""

from __future__ import annotations

from typing import Any

import pytest

from chatkit import Chat, RetryPolicy
from chatkit.chattest import FakeClock, FakeProvider

MODELS = {"anthropic": "anthropic:claude-x", "openai": "openai:gpt-x", "chat": "openai-compat:llama"}
every_format = pytest.mark.parametrize("wire", MODELS)


def open_chat(fake: FakeProvider, wire: str = "anthropic", model: str = "", **settings: Any) -> Chat:
    """A chat without a title, on a clock of its own, which retries without end."""
    base_url = fake.anthropic_url if wire == "anthropic" else fake.openai_url
    given = {"title": None, "clock": FakeClock(), "policy": RetryPolicy(max_elapsed=None), **settings}
    return Chat(model or MODELS[wire], base_url=base_url, api_key="sk-test", **given)
