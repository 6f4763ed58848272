"""``python -m tests.public_names``: store the public names anew, each with its parameters, their kinds and their defaults."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import chatkit
import chatkit.analysis
import chatkit.chattest

MODULES: tuple[ModuleType, ...] = (chatkit, chatkit.analysis, chatkit.chattest)
STORED = Path(__file__).with_suffix(".txt")
_ATTRIBUTE = re.compile(r"^        self\.([a-z]\w*)(?:: [^=\n]+)? = ", re.MULTILINE)
"""What a method sets on the instance."""


def public_names() -> list[str]:
    """One line per public name, method and attribute, without annotations: these may narrow."""
    return [line for module in MODULES for name in sorted(module.__all__) for line in _lines(f"{module.__name__}.{name}", module, name)]


def _lines(path: str, owner: object, name: str) -> Iterator[str]:
    value = inspect.getattr_static(owner, name) if isinstance(owner, type) else getattr(owner, name)
    if isinstance(value, type):
        yield f"class {path}{_parameters(value)}"
        ours = [base for base in value.__mro__ if base.__module__.startswith("chatkit.")]
        members = {member for base in ours for member in vars(base)}
        assigned = {name for base in ours for name in _ATTRIBUTE.findall(inspect.getsource(base))} - members
        for member in sorted(members | assigned):
            if member in assigned:
                yield f"{path}.{member}"
            elif not member.startswith("_"):
                yield from _lines(f"{path}.{member}", value, member)
    elif isinstance(value, staticmethod | classmethod):
        yield f"{path}{_parameters(value.__func__)}"
    elif callable(value):
        yield f"{path}{_parameters(value)}"
    else:
        yield path


def _parameters(function: object) -> str:
    try:
        signature = inspect.signature(function)  # type: ignore[arg-type]
    except ValueError:  # an exception without an __init__ of its own
        return "(...)"
    bare = [parameter.replace(annotation=parameter.empty) for parameter in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=signature.empty))


if __name__ == "__main__":
    STORED.write_text("\n".join(public_names()) + "\n", "utf-8")
