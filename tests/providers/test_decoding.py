"""Usage: every provider's way of counting tokens comes out as one, and unknown is not zero."""

from __future__ import annotations

from typing import Any

import pytest

from chatkit.parts import Usage
from chatkit.providers.decoding import anthropic_usage, openai_usage


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 2}, Usage(input_tokens=9, output_tokens=2, total_tokens=11)),
        ({"input_tokens": 9, "output_tokens": 2}, Usage(input_tokens=9, output_tokens=2, total_tokens=11)),
        ({"prompt_tokens": 9}, Usage(input_tokens=9)),
        ({"total_tokens": 9}, Usage(total_tokens=9)),
        (
            {"prompt_tokens": 100, "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30}},
            Usage(input_tokens=10, cache_read_tokens=60, cache_creation_tokens=30),
        ),
        ({"prompt_tokens": 100, "prompt_tokens_details": {"cached_tokens": 0}}, Usage(input_tokens=100, cache_read_tokens=0)),
        (
            {"prompt_tokens": 100, "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36},
            Usage(input_tokens=36, cache_read_tokens=64),
        ),
        ({"prompt_tokens": 100, "cached_tokens": 64}, Usage(input_tokens=36, cache_read_tokens=64)),
        (
            {"prompt_tokens": 100, "cache_read_input_tokens": 60, "cache_creation_input_tokens": 30},
            Usage(input_tokens=10, cache_read_tokens=60, cache_creation_tokens=30),
        ),
        ({"prompt_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 3}}, Usage(input_tokens=5, reasoning_tokens=3)),
        ({"prompt_tokens": 5, "reasoning_tokens": 3}, Usage(input_tokens=5, reasoning_tokens=3)),
        ({"prompt_tokens": None, "completion_tokens": None, "prompt_tokens_details": None}, None),
        ({"prompt_tokens": "x", "completion_tokens": -1}, None),
        ({}, None),
        (None, None),
        ([], None),
    ],
)
def test_what_openai_and_its_kin_count(raw: Any, usage: Usage | None) -> None:
    assert openai_usage(raw) == usage


@pytest.mark.parametrize(
    "raw",
    [
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 115, "cache_read_input_tokens": 100},
        {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 100}},
    ],
)
def test_a_server_that_counts_the_cache_apart_is_believed(raw: dict[str, Any]) -> None:
    assert openai_usage(raw) == Usage(input_tokens=10, output_tokens=5, total_tokens=115, cache_read_tokens=100)


def test_anthropic_counts_the_cache_apart_and_the_total_is_the_sum() -> None:
    raw = {"input_tokens": 3, "output_tokens": 9, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20}
    assert anthropic_usage(raw) == Usage(input_tokens=3, output_tokens=9, total_tokens=132, cache_creation_tokens=20, cache_read_tokens=100)
    assert anthropic_usage({"output_tokens": 9}) == Usage(output_tokens=9)
    assert anthropic_usage({}) is None
