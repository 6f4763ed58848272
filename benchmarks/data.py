"""The share of recorded errors and streams that chatkit understands. The recordings are in the folder that ``CHATKIT_DATA`` names."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from benchmarks.table import Row
from chatkit import Chat, Classification, ProviderError, Reply, RetryPolicy, classify
from chatkit.chattest import FakeProvider, http_response

MIN_RIGHT_KINDS = 0.9
"""A share of all recorded errors."""
PROVIDERS = {"anthropic": "anthropic", "chat": "openai-compat", "responses": "openai"}
CHUNK_BYTES = 700
"""The chunks in which a recording is served."""


def data_rows() -> Iterator[Row]:
    """Classify every recorded error, and read every recorded stream over HTTP."""
    given = os.environ.get("CHATKIT_DATA")
    if not given:
        yield Row("recorded errors and streams", "not measured: CHATKIT_DATA is not set")
        return
    folder = Path(given)
    yield from _errors(_lines(folder / "provider-errors.jsonl"))
    yield _streams(folder / "streams")


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _errors(rows: list[dict[str, Any]]) -> Iterator[Row]:
    found = [_classified(row) for row in rows]
    retryable = sum(one.retryable == row["retryable"] for one, row in zip(found, rows, strict=True))
    kinds = sum(one.kind == row["reason"] for one, row in zip(found, rows, strict=True))
    theirs = sum(_by_status(row) == row["retryable"] for row in rows)
    yield Row(
        f"{len(rows)} recorded errors: worth another try",
        f"{retryable} right",
        f"by status, as the vendors' SDKs: {theirs} right",
        must="all right",
        ok=retryable == len(rows),
    )
    yield Row(
        f"{len(rows)} recorded errors: kind", f"{kinds} right", must=f"≥ {MIN_RIGHT_KINDS:.0%}", ok=kinds >= MIN_RIGHT_KINDS * len(rows)
    )


def _classified(row: dict[str, Any]) -> Classification:
    if row["exception"]:
        raised: Exception = getattr(httpx, row["exception"])(row["body"])
        return classify(raised, status=row["status"], headers=row["headers"], provider=row["provider"])
    return classify(status=row["status"], headers=row["headers"], body=row["body"], provider=row["provider"])


def _by_status(row: dict[str, Any]) -> bool:
    """The rule of the openai and anthropic SDKs: 408, 409, 429, 5xx, the header x-should-retry, and failures to connect."""
    said = row["headers"].get("x-should-retry")
    if said in ("true", "false"):
        return bool(said == "true")
    if row["status"] is None:
        return row["exception"] is not None
    return row["status"] in (408, 409, 429) or row["status"] >= 500


def _streams(folder: Path) -> Row:
    entries = _lines(folder / "index.jsonl")
    wrong = [entry["file"] for entry in entries if not _is_right(entry, (folder / entry["file"]).read_bytes())]
    return Row(
        f"{len(entries)} recorded streams",
        f"{len(entries) - len(wrong)} right" + (f", not {', '.join(wrong)}" if wrong else ""),
        must=f"{len(entries)} of {len(entries)}",
        ok=not wrong,
    )


def _is_right(entry: dict[str, Any], stream: bytes) -> bool:
    """Whether a chat reads the expected text, reasoning, tool calls, stop reason and usage from a recorded stream, or its error."""
    expect, provider = entry["expect"], PROVIDERS[entry["format"]]
    with FakeProvider(http_response(200, [stream[i : i + CHUNK_BYTES] for i in range(0, len(stream), CHUNK_BYTES)])) as fake:
        url = fake.anthropic_url if provider == "anthropic" else fake.openai_url
        once = RetryPolicy(max_attempts=1)
        with Chat(f"{provider}:m", api_key="none", base_url=url, title=None, show=False, policy=once) as chat:
            try:
                reply = chat.ask("Count.")
            except ProviderError as error:
                return not expect["complete"] and error.detail == expect["error"]["message"]
    return bool(
        expect["complete"]
        and reply.text == expect["text"]
        and reply.reasoning == (expect["reasoning"] or "")
        and [(call.tool_name, call.args) for call in reply.tool_calls] == [(call["name"], call["args"]) for call in expect["tool_calls"]]
        and reply.refusal == expect.get("refusal", "")
        and reply.provider_stop_reason == expect["finish"]
        and _tokens(reply) == _expected_tokens(expect["usage"], entry["format"])
    )


def _tokens(reply: Reply) -> tuple[int | None, ...] | None:
    usage = reply.usage
    if usage is None:
        return None
    return usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.reasoning_tokens


def _expected_tokens(usage: dict[str, Any] | None, format: str) -> tuple[int | None, ...] | None:
    """The provider's token counts in chatkit's terms: the input without cached tokens, which only Anthropic reports in this way."""
    if usage is None:
        return None
    given = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    written = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
    cached = given.get("cached_tokens", usage.get("cache_read_input_tokens", usage.get("prompt_cache_hit_tokens")))
    whole: int = usage.get("prompt_tokens", usage.get("input_tokens", 0))
    fresh = whole if format == "anthropic" else whole - (cached or 0)
    return fresh, usage.get("completion_tokens", usage.get("output_tokens")), cached, written.get("reasoning_tokens")
