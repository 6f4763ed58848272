"""The parameters of a model that have one name in chatkit, and another in each wire format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple, TypedDict

from chatkit.errors import UsageError


class Parameters(TypedDict, total=False):
    """What a chat and each of its turns take by name; what is None, or isn't there, is left to the provider."""

    temperature: float | None
    max_tokens: int | None
    stop: str | Sequence[str] | None
    seed: int | None
    reasoning: str | int | None


Written = str | Callable[[Any], dict[str, Any]]
"""How a wire format writes a parameter: the key in its body, or what becomes of the value."""


class Names(NamedTuple):
    """How one wire format writes the parameters; those that it has no place for are missing. `api` is what a person calls it."""

    api: str
    written: Mapping[str, Written]

    def but(self, written: Mapping[str, Written]) -> Names:
        """The names of a server that differs in these."""
        return Names(self.api, {**self.written, **written})

    def body(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters as keys of a body; a `UsageError` where a value is wrong, or this format can't say it.

        >>> Names("Responses", {"max_tokens": "max_output_tokens"}).body({"max_tokens": 100, "seed": None})
        {'max_output_tokens': 100}
        """
        body: dict[str, Any] = {}
        for name, value in given.items():
            if value is None:
                continue
            checked, own = _checked(name, value), self.written.get(name)
            if own is None:
                raise UsageError(f"{name}={value!r}: the {self.api} API has no such parameter; leave it out")
            body |= own(checked) if callable(own) else {own: checked}
        return body


def effort_alone(value: str | int) -> str:
    """The effort of an API that takes no number of tokens for reasoning."""
    if isinstance(value, str):
        return value
    raise UsageError(f"reasoning={value}: this API takes no number of tokens; give an effort, such as 'low', 'medium' or 'high'")


def _checked(name: str, value: Any) -> Any:
    number = isinstance(value, Real) and not isinstance(value, bool)
    whole = number and isinstance(value, Integral)
    match name:
        case "temperature" if number and 0 <= value < float("inf"):  # JSON has no infinity
            return int(value) if whole else float(value)
        case "max_tokens" if whole and value > 0:
            return int(value)
        case "seed" if whole:
            return int(value)
        case "stop" if isinstance(value, str) and value:
            return [value]
        case "stop" if isinstance(value, list | tuple) and value and all(isinstance(one, str) and one for one in value):
            return list(value)
        case "reasoning" if isinstance(value, str) and value:
            return value
        case "reasoning" if whole and value > 0:
            return int(value)
    raise UsageError(f"{name}={value!r}: give {_WANTED[name]}")


_WANTED = {
    "temperature": "a number, such as 0 or 0.7",
    "max_tokens": "a number of tokens",
    "seed": "a whole number",
    "stop": "a text, or a list of texts",
    "reasoning": "an effort, such as 'low', 'medium' or 'high', or a number of tokens",
}
