"""Usage: every provider's way of counting tokens, in one."""

from __future__ import annotations

from typing import Any

from chatkit.parts import Usage
from chatkit.providers.reading import count


def openai_usage(raw: Any) -> Usage | None:
    """Tokens as OpenAI counts them, Chat Completions and Responses alike, and as compatible servers bend it.

    The input that OpenAI reports includes what the cache held; ours never does. A server whose total shows that it
    counts the cache apart is believed. None where nothing was counted.

    Parameters
    ----------
    raw : dict or anything
        The `usage` object.

    Returns
    -------
    Usage or None

    Examples
    --------
    >>> usage = openai_usage({"prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 90}})
    >>> usage.input_tokens, usage.cache_read_tokens, usage.output_tokens, usage.reasoning_tokens
    (10, 90, 7, None)
    """
    if not isinstance(raw, dict):
        return None
    prompt = _first(raw, "prompt_tokens", "input_tokens")
    output = _first(raw, "completion_tokens", "output_tokens")
    total = count(raw.get("total_tokens"))
    of_input = _inner(raw, "prompt_tokens_details", "input_tokens_details")
    of_output = _inner(raw, "completion_tokens_details", "output_tokens_details")
    read = _or(_first(of_input, "cached_tokens", "cache_read_tokens", "cached_read_tokens"), raw)
    written = _first(of_input, "cache_write_tokens", "cache_creation_tokens", "cached_write_tokens")
    written = written if written is not None else count(raw.get("cache_creation_input_tokens"))
    reasoning = _first(of_output, "reasoning_tokens")
    reasoning = reasoning if reasoning is not None else count(raw.get("reasoning_tokens"))
    cached = (read or 0) + (written or 0)
    apart = prompt is not None and (cached > prompt or total == prompt + (output or 0) + cached)
    fresh = prompt if prompt is None or apart else prompt - cached
    if total is None and prompt is not None and output is not None:
        total = prompt + output + (cached if apart else 0)
    usage = Usage(
        input_tokens=fresh,
        output_tokens=output,
        total_tokens=total,
        reasoning_tokens=reasoning,
        cache_creation_tokens=written,
        cache_read_tokens=read,
    )
    return None if usage == Usage() else usage


def anthropic_usage(raw: dict[str, Any]) -> Usage | None:
    """Tokens as Anthropic counts them: its input leaves the cache out already.

    Parameters
    ----------
    raw : dict
        The usage of `message_start`, overlaid with that of `message_delta`.

    Returns
    -------
    Usage or None
        None where nothing was counted. The total is the sum of the parts, where both ends are known.
    """
    fresh, output = count(raw.get("input_tokens")), count(raw.get("output_tokens"))
    written, read = count(raw.get("cache_creation_input_tokens")), count(raw.get("cache_read_input_tokens"))
    total = None if fresh is None or output is None else fresh + output + (written or 0) + (read or 0)
    usage = Usage(
        input_tokens=fresh,
        output_tokens=output,
        total_tokens=total,
        reasoning_tokens=_first(_inner(raw, "output_tokens_details"), "thinking_tokens", "reasoning_tokens"),
        cache_creation_tokens=written,
        cache_read_tokens=read,
    )
    return None if usage == Usage() else usage


def _first(raw: dict[str, Any], *names: str) -> int | None:
    return next((n for name in names if (n := count(raw.get(name))) is not None), None)


def _or(found: int | None, raw: dict[str, Any]) -> int | None:
    """The cached tokens of servers that report them beside the total, under names of their own."""
    return found if found is not None else _first(raw, "cache_read_input_tokens", "prompt_cache_hit_tokens", "cached_tokens")


def _inner(raw: dict[str, Any], *names: str) -> dict[str, Any]:
    return next((d for name in names if isinstance(d := raw.get(name), dict)), {})
