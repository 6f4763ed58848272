"""What the calls of a chat take: names that are right, values of the right type, and the options that become of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chatkit.errors import UsageError, unknown_option
from chatkit.providers.parameters import Parameters
from chatkit.providers.wire import WireFormat
from chatkit.retries.backoff import RetryPolicy

TOOLS = (
    "options={'tools': [...]} describes tools as the provider wants them, reply.tool_calls are the model's calls, "
    "and chat.ask(ToolResult(...)) answers them"
)


def require(holds: bool, advice: str, **given: object) -> None:
    """Refuse the value that is given under its name, unless it is of the right type."""
    if not holds:
        name, value = given.popitem()
        raise UsageError(f"{name}={value!r}: {advice}")


def check_names(where: str, unknown: Mapping[str, object], known: tuple[str, ...]) -> None:
    """Refuse keywords that a call doesn't take; those that a provider takes have their place in `options`."""
    if unknown:
        name = next(iter(unknown))
        options = f"the provider's own parameters go into options, such as options={{{name!r}: ...}}"
        raise unknown_option(where, unknown, known, TOOLS if name == "tools" else options)


def check_settings(
    *, system: str, title: str | None, silence_timeout: float, policy: object, clock: object, context_limit: int | None
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


def turn_options(where: str, options: Mapping[str, Any] | None, parameters: Parameters, wire: WireFormat) -> dict[str, Any]:
    """The options of one turn, which the call `where` was given."""
    known = (*Parameters.__annotations__, "options", *{"stream()": (), "submit()": ("show",)}.get(where, ("show", "wait")))
    check_names(where, dict.fromkeys(parameters.keys() - Parameters.__annotations__), known)
    return merged_options(options, parameters, wire)


def merged_options(options: Mapping[str, Any] | None, parameters: Parameters, wire: WireFormat) -> dict[str, Any]:
    """The provider's own options, and with them the parameters that chatkit has a name for; the same thing twice is refused."""
    right = options is None or isinstance(options, Mapping)
    require(right, "give a dictionary of the provider's parameters, such as {'top_p': 0.9}", options=options)
    named = wire.names.body(parameters)
    if twice := named.keys() & (options or {}).keys():
        raise UsageError(f"options has {min(twice)!r}, which is also given by name: leave one of them out")
    return {**named, **(options or {})}
