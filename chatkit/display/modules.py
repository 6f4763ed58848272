"""The front end's files, as the text that a widget sends: plain ES modules, and no bundler."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

__all__ = ["module_text", "style_text"]

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)
_COMMENT = re.compile(r"^\s*(?://.*|/\*\*.*\*/)\n", re.MULTILINE)
_INDENT = re.compile(r"^[ ]+|\n(?=\n)", re.MULTILINE)


@cache
def module_text(name: str) -> str:
    """One ES module: the file `name` of ``static/`` with the modules that it imports in their imports' place.

    What they export becomes its own, so no two of them may use a name twice. Comments and indentation stay behind.

    Parameters
    ----------
    name : str
        A file name.
    """
    text = _IMPORT.sub(lambda match: _file(match[1]).replace("\nexport ", "\n"), _file(name))
    return _slim(text)


@cache
def style_text() -> str:
    """The style sheet of the views."""
    return _slim(_file("view.css"))


def _slim(text: str) -> str:
    return _INDENT.sub("", _COMMENT.sub("", text))


def _file(name: str) -> str:
    return (files("chatkit.display") / "static" / name).read_text("utf-8")
