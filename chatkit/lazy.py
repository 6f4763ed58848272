"""Public names load at their first use: a package's stub `__init__.pyi` lists them once, for type checkers, editors and this module."""

from __future__ import annotations

import ast
import pkgutil
import sys
from functools import cache
from importlib import import_module
from typing import Any


def load_public(package: str, name: str) -> Any:
    """The public name of a package, imported from the module that its stub gives; `__all__` is the list of these names."""
    homes = _homes(package)
    value: Any
    if name == "__all__":
        value = sorted(public for public, home in homes.items() if home != package)
    elif name not in homes:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    elif homes[name] == package:  # a package of its own, such as chatkit.analysis
        value = import_module(f"{package}.{name}")
    else:
        value = getattr(import_module(homes[name]), name)
    setattr(sys.modules[package], name, value)
    return value


def public_names(package: str) -> list[str]:
    """What `dir` and the Tab key list: the public names of a package, and not the modules that were loaded for them."""
    return sorted({*_homes(package), *(name for name in vars(sys.modules[package]) if name.startswith("__"))})


@cache
def _homes(package: str) -> dict[str, str]:
    """The module of each name that the stub imports."""
    stub = ast.parse(pkgutil.get_data(package, "__init__.pyi") or b"")
    return {alias.name: str(node.module) for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
