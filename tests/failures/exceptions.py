"""Exceptions of libraries that are not installed, and chains of them, for the tests of classification."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def made(name: str, text: str = "", *bases: type[BaseException], **attributes: Any) -> BaseException:
    """An exception of a library that isn't installed: a class of that name, and of the module before it, if there is one."""
    module, _, own_name = name.rpartition(".")
    error = type(own_name, bases or (Exception,), {"__module__": module} if module else {})(text)
    for key, value in attributes.items():
        setattr(error, key, value)
    return error


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def in_context(error: BaseException, context: BaseException) -> BaseException:
    error.__context__ = context
    return error


def raised(fn: Callable[[], object]) -> Exception:
    """What a function raises."""
    try:
        fn()
    except Exception as error:
        return error
    raise AssertionError("it raised nothing")
