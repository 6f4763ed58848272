"""What the calls of a chat take: names that are right, values of the right type, and the options that become of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chatkit.errors import UsageError, unknown_option
from chatkit.providers.parameters import Parameters
from chatkit.providers.wire import WireFormat

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


def merged_options(options: Mapping[str, Any] | None, parameters: Parameters, wire: WireFormat) -> dict[str, Any]:
    """The provider's own options, and with them the parameters that chatkit has a name for; the same thing twice is refused."""
    right = options is None or isinstance(options, Mapping)
    require(right, "give a dictionary of the provider's parameters, such as {'top_p': 0.9}", options=options)
    named = wire.names.body(parameters)
    if twice := named.keys() & (options or {}).keys():
        raise UsageError(f"options has {min(twice)!r}, which is also given by name: leave one of them out")
    return {**named, **(options or {})}
