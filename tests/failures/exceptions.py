"""Exceptions of libraries that are not installed, and chains of them, for the tests of classification."""

from __future__ import annotations

from typing import Any


def made(name: str, text: str = "", *bases: type[BaseException], **attributes: Any) -> BaseException:
    """An exception of a library that isn't installed: a class of that name."""
    error = type(name, bases or (Exception,), {})(text)
    for key, value in attributes.items():
        setattr(error, key, value)
    return error


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def in_context(error: BaseException, context: BaseException) -> BaseException:
    error.__context__ = context
    return error
