"""Real recordings of model servers: what they must fold to, however the network cuts them."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatkit import bridge
from chatkit.chattest import FakeProvider, http_response
from chatkit.clock import SystemClock
from chatkit.errors import ProviderError
from chatkit.parts import Usage
from chatkit.providers.decoding import Piece
from chatkit.providers.encoding import Request
from tests.providers.attempts import provider_at
from tests.providers.streams import WIRES, Folded, join, read

NAMES = [
    f"{name}.sse"
    for name in [
        "anthropic-citations",
        "anthropic-emoji",
        "anthropic-empty-args",
        "anthropic-max-tokens-cached",
        "anthropic-parallel-tools",
        "anthropic-text",
        "anthropic-thinking-tool",
        "anthropic-tool",
        "anthropic-web-search",
        "chat-azure-async-filter",
        "chat-azure-text",
        "chat-databricks-usage-each-chunk",
        "chat-deepseek-reasoning-tool",
        "chat-groq-tool",
        "chat-llamacpp-error",
        "chat-llamacpp-reasoning-tool",
        "chat-mistral-text",
        "chat-mistral-tool-no-index",
        "chat-mlx-reasoning-twice",
        "chat-ollama-tool",
        "chat-openai-length",
        "chat-openai-parallel-tools",
        "chat-openai-refusal",
        "chat-openai-text",
        "chat-openrouter-reasoning",
        "chat-vllm-length",
        "chat-vllm-named-tool",
        "chat-xai-tool",
        "responses-empty-args",
        "responses-incomplete",
        "responses-parallel-tools",
        "responses-reasoning-summary-tool",
        "responses-text",
        "responses-web-search",
    ]
]


@cache
def index(folder: Path) -> dict[str, dict[str, Any]]:
    lines = (folder / "streams" / "index.jsonl").read_bytes().splitlines()
    return {entry["file"]: entry for entry in map(msgspec.json.decode, lines)}


def test_every_recording_of_the_index_is_read_here(data: Path) -> None:
    assert sorted(index(data)) == sorted(NAMES)


def expected_usage(usage: dict[str, Any] | None) -> dict[str, int | None] | None:
    """The provider's words for what must come out, by hand: input without what the cache held."""
    if usage is None:
        return None
    details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    out_details = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
    anthropic = "cache_creation" in usage or "service_tier" in usage
    cached = details.get("cached_tokens", usage.get("cache_read_input_tokens", usage.get("prompt_cache_hit_tokens")))
    fresh = usage.get("prompt_tokens", usage.get("input_tokens"))
    return {
        "input_tokens": fresh if anthropic else fresh - (cached or 0),
        "output_tokens": usage.get("completion_tokens", usage.get("output_tokens")),
        "reasoning_tokens": out_details.get("reasoning_tokens"),
        "cache_read_tokens": cached,
    }


def told_usage(usage: Usage | None) -> dict[str, int | None] | None:
    if usage is None:
        return None
    return {name: getattr(usage, name) for name in ("input_tokens", "output_tokens", "reasoning_tokens", "cache_read_tokens")}


def check(folded: Folded, expect: dict[str, Any]) -> None:
    assert folded.text == expect["text"]
    assert folded.reasoning == (expect["reasoning"] or "")
    assert folded.calls == [(c["name"], c["args"]) for c in expect["tool_calls"]]
    assert folded.ids == expect.get("tool_call_ids", [])
    assert folded.refusal == expect.get("refusal", "")
    assert len(folded.sources) == expect.get("citations", 0)
    assert [c.tool_name for c in folded.executed] == expect.get("server_tools", [])
    signed = [p for p in folded.parts if (p.provider_data or {}).get("anthropic", {}).get("signature")]
    assert len(signed) == expect.get("signatures", 0)
    if not expect["complete"]:
        assert folded.error is not None
        assert folded.error.retryable
        assert folded.error.detail == expect["error"]["message"]
        return
    assert folded.finish.provider_stop_reason == expect["finish"]
    assert told_usage(folded.finish.usage) == expected_usage(expect["usage"])
    if folded.finish.usage and "total_tokens" in expect["usage"]:
        assert folded.finish.usage.total_tokens == expect["usage"]["total_tokens"]
    if expect.get("finish_detail") == {"reason": "max_output_tokens"}:
        assert folded.finish.stop_reason == "length"
    if expect["tool_calls"]:
        assert folded.finish.stop_reason == "tool_calls"


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_folds_to_what_it_says(data: Path, name: str) -> None:
    entry = index(data)[name]
    check(read(entry["format"], (data / "streams" / name).read_bytes()), entry["expect"])


@given(st.sampled_from(NAMES), st.lists(st.integers(0, 40_000), max_size=12))
@settings(max_examples=150)
def test_wherever_the_network_cuts_a_recording_it_folds_to_the_same(data: Path, name: str, cuts: list[int]) -> None:
    stream, format = (data / "streams" / name).read_bytes(), index(data)[name]["format"]
    assert read(format, stream, cuts).summary() == read(format, stream).summary()


@pytest.mark.parametrize("newline", [b"\r\n", b"\r"])
@pytest.mark.parametrize("name", NAMES[::5])
def test_a_recording_with_other_line_ends_and_a_byte_order_mark_folds_to_the_same(data: Path, name: str, newline: bytes) -> None:
    entry = index(data)[name]
    stream = (data / "streams" / name).read_bytes()
    bent = b"\xef\xbb\xbf" + stream.replace(b"\r\n", b"\n").replace(b"\n", newline)
    assert read(entry["format"], bent).summary() == read(entry["format"], stream).summary()


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_folds_to_the_same_over_http(data: Path, name: str) -> None:
    entry = index(data)[name]
    stream = (data / "streams" / name).read_bytes()
    pieces: list[Piece] = []
    with FakeProvider(http_response(200, [stream[i : i + 700] for i in range(0, len(stream), 700)])) as fake:
        wire = WIRES[entry["format"]]
        provider = provider_at(fake.url if wire.path.startswith("/v1") else fake.openai_url, wire=wire)
        work = provider.stream(Request(model="m", messages=()), pieces.extend, clock=SystemClock(), silence_timeout=5)
        try:
            finish = bridge.spawn(asyncio.wait_for(work, 10)).result(15)
            folded = Folded(join(pieces), finish, None)
        except ProviderError as error:
            folded = Folded(join(pieces), None, error)
    check(folded, entry["expect"])
