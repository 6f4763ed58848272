"""The floors: reading the same bytes with httpx alone, and with httpx and the simplest decoding."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import httpx

_runner = asyncio.Runner()
_clients: list[httpx.AsyncClient] = []


def _client() -> httpx.AsyncClient:
    if not _clients:
        _clients.append(httpx.AsyncClient())
    return _clients[0]


def bare(url: str) -> Callable[[], tuple[int, int]]:
    """``aiter_raw`` and nothing else; the number of characters is the number of bytes."""
    client = _client()

    async def read() -> tuple[int, int]:
        seen = size = 0
        async with client.stream("POST", url, json={"stream": True}) as response:
            async for chunk in response.aiter_raw():
                seen += 1
                size += len(chunk)
        return seen, size

    return lambda: _runner.run(read())


def with_json(url: str) -> Callable[[], tuple[int, int]]:
    """``aiter_lines`` and ``json.loads``, as in a script of ten lines."""
    client = _client()

    async def read() -> tuple[int, int]:
        texts = []
        async with client.stream("POST", url, json={"stream": True}) as response:
            async for line in response.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                body = json.loads(line[6:])
                if "choices" in body:
                    texts += [c["delta"].get("content") or "" for c in body["choices"]]
                elif body["type"] == "content_block_delta":
                    texts.append(body["delta"]["text"])
        return len(texts), len("".join(texts))

    return lambda: _runner.run(read())
