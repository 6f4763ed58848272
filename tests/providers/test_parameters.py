"""Temperature, limit, stop, seed and reasoning, as each wire format writes them."""

from __future__ import annotations

from typing import Any

import pytest

from chatkit.errors import UsageError
from chatkit.providers.registry import connect

EVERY = {"temperature": 0, "max_tokens": 100, "stop": "END", "seed": 7, "reasoning": "low"}


def body(model: str, base_url: str | None = None, **given: Any) -> dict[str, Any]:
    return connect(model, api_key="k", base_url=base_url).wire.names.body(given)


@pytest.mark.parametrize(
    ("model", "written"),
    [
        ("groq:m", {"temperature": 0, "max_tokens": 100, "stop": ["END"], "seed": 7, "reasoning_effort": "low"}),
        ("mistral:m", {"temperature": 0, "max_tokens": 100, "stop": ["END"], "random_seed": 7, "reasoning_effort": "low"}),
        ("openrouter:m", {"temperature": 0, "max_tokens": 100, "stop": ["END"], "seed": 7, "reasoning": {"effort": "low"}}),
    ],
)
def test_chat_completions_has_them_all(model: str, written: dict[str, Any]) -> None:
    assert body(model, **EVERY) == written


def test_openai_and_azure_have_their_own_word_for_the_limit() -> None:
    for url in ("https://api.openai.com/v1", "https://eu.api.openai.com/v1"):
        assert body("openai-compat:m", url, max_tokens=9) == {"max_completion_tokens": 9}
    assert body("azure:m", "https://r.openai.azure.com", max_tokens=9) == {"max_completion_tokens": 9}


def test_messages_writes_stop_and_thinking_in_its_own_way() -> None:
    assert body("anthropic:m", temperature=0.5, max_tokens=9, stop=("A", "B")) == {
        "temperature": 0.5,
        "max_tokens": 9,
        "stop_sequences": ["A", "B"],
    }
    assert body("anthropic:m", reasoning="high") == {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}
    assert body("anthropic:m", reasoning=2048) == {"thinking": {"type": "enabled", "budget_tokens": 2048}}
    assert body("anthropic:m", reasoning="none") == {"thinking": {"type": "disabled"}}


def test_responses_writes_the_limit_and_the_effort_in_its_own_way() -> None:
    assert body("openai:m", temperature=0, max_tokens=9, reasoning="low") == {
        "temperature": 0,
        "max_output_tokens": 9,
        "reasoning": {"effort": "low"},
    }


def test_openrouter_takes_tokens_for_reasoning() -> None:
    assert body("openrouter:m", reasoning=2000) == {"reasoning": {"max_tokens": 2000}}


@pytest.mark.parametrize(
    ("model", "given", "says"),
    [
        ("anthropic:m", {"seed": 1}, "seed=1: the Messages API has no such parameter"),
        ("openai:m", {"seed": 1}, "seed=1: the Responses API has no such parameter"),
        ("openai:m", {"stop": "x"}, "stop='x': the Responses API has no such parameter"),
        ("openai:m", {"reasoning": 2000}, "takes no number of tokens; give an effort"),
        ("groq:m", {"reasoning": 2000}, "takes no number of tokens; give an effort"),
        ("groq:m", {"temperature": "hot"}, "temperature='hot': give a number"),
        ("groq:m", {"temperature": -1}, "give a number"),
        ("groq:m", {"temperature": float("inf")}, "give a number"),
        ("groq:m", {"max_tokens": 0}, "give a number of tokens"),
        ("groq:m", {"max_tokens": True}, "give a number of tokens"),
        ("groq:m", {"stop": [1]}, "give a text, or a list of texts"),
        ("groq:m", {"stop": []}, "give a text, or a list of texts"),
        ("groq:m", {"seed": 0.5}, "give a whole number"),
        ("groq:m", {"reasoning": True}, "give an effort"),
    ],
)
def test_what_a_format_can_t_say_is_a_clear_error(model: str, given: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        body(model, **given)


def test_numbers_of_numpy_are_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    written = body("groq:m", temperature=numpy.float32(0.5), seed=numpy.int64(3))
    assert [type(value) for value in written.values()] == [float, int]
