"""What the calls of a chat take: names that are right, values of the right type, and the options that become of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from chatkit.errors import UsageError, unknown_option
from chatkit.providers.parameters import Names, Parameters
from chatkit.retries.backoff import RetryPolicy

_ADVICE = {
    "tools": "options={'tools': [...]} describes tools as the provider wants them, reply.tool_calls are the model's calls, "
    "and chat.ask(ToolResult(...)) answers them",
    "show": "stream() shows nothing",
    "wait": "only ask() and send() wait for a turn that is running",
}
"""Keywords that are not the provider's own parameters."""


def require(holds: bool, advice: str, **given: object) -> None:
    """Refuse the value that is given under its name, unless it is of the right type."""
    if not holds:
        name, value = given.popitem()
        raise UsageError(f"{name}={value!r}: {advice}")


def check_names(where: str, unknown: Iterable[str], known: Iterable[str]) -> None:
    """Refuse keywords that a call doesn't take; those that a provider takes have their place in `options`."""
    if names := list(unknown):
        options = f"the provider's own parameters go into options, such as options={{{names[0]!r}: ...}}"
        raise unknown_option(where, names, known, _ADVICE.get(names[0], options))


def check_show(show: object) -> None:
    """Refuse a `show` that is neither a truth value nor what opens a display."""
    require(show is None or isinstance(show, bool) or callable(show), "give True or False", show=show)


def check_settings(
    *, system: str, title: str | None, silence_timeout: float, policy: object, clock: object, context_limit: int | None, show: object
) -> None:
    """Refuse the settings of a chat that are of another type."""
    require(isinstance(system, str), "give a text", system=system)
    require(title is None or isinstance(title, str), "give a text, or None for no title", title=title)
    in_seconds = isinstance(silence_timeout, int | float) and silence_timeout >= 0
    require(in_seconds, "give seconds, or 0 for no limit", silence_timeout=silence_timeout)
    require(policy is None or isinstance(policy, RetryPolicy), "give a chatkit.RetryPolicy(...)", policy=policy)
    require(clock is None or hasattr(clock, "monotonic"), "give a clock, such as chatkit.chattest.FakeClock()", clock=clock)
    in_tokens = context_limit is None or (isinstance(context_limit, int) and context_limit > 0)
    require(in_tokens, "give a number of tokens, or leave it out", context_limit=context_limit)
    check_show(show)


class Given(msgspec.Struct, frozen=True):
    """What a call gives the model: the provider's own options, and the parameters that chatkit has a name for."""

    options: Mapping[str, Any] = {}
    parameters: Parameters = {}

    @classmethod
    def checked(cls, options: Mapping[str, Any] | None, parameters: Parameters) -> Given:
        """Options of the right type; a parameter that is None is not given."""
        right = options is None or isinstance(options, Mapping)
        require(right, "give a dictionary of the provider's parameters, such as {'top_p': 0.9}", options=options)
        named: Any = {name: value for name, value in parameters.items() if value is not None}
        return cls(dict(options or {}), named)

    def written(self, names: Names) -> dict[str, Any]:
        """All of it as the keys of a request; the same thing twice is refused."""
        body = names.body(self.parameters)
        if twice := self.options.keys() & {*body, *self.parameters}:
            raise UsageError(f"options has {min(twice)!r}, which is also given by name: leave one of them out")
        return {**body, **self.options}

    def over(self, options: Mapping[str, Any], parameters: Parameters, names: Names) -> dict[str, Any]:
        """The options of a turn: what its call gives, over the chat's options, which its parameters have become a part of.

        What is given anew replaces what the chat has for it, also where that is written under other keys.
        """
        anew = {*self.options, *self.parameters}
        replaced = anew | names.body({name: value for name, value in parameters.items() if name in anew}).keys()
        return {**{key: value for key, value in options.items() if key not in replaced}, **self.written(names)}


def given(call: Callable[..., object], options: Mapping[str, Any] | None, parameters: Parameters) -> Given:
    """What a method of a chat was called with; `parameters` may hold any keywords."""
    if unknown := [name for name in parameters if name not in Parameters.__annotations__]:
        known = [p.name for p in inspect.signature(call).parameters.values() if p.kind is p.KEYWORD_ONLY]
        check_names(f"{call.__name__}()", unknown, (*Parameters.__annotations__, *known))
    return Given.checked(options, parameters)
