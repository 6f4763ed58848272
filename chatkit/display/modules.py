"""The front end's files, as the text that a widget sends: plain ES modules, and no bundler."""

from __future__ import annotations

import base64
import re
import zlib
from functools import cache
from importlib.resources import files

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)
_COMMENT = re.compile(r"^[ ]*//.*\n|/\*(?:[^*]|\*(?!/))*\*/", re.MULTILINE)
_SPACE = re.compile(r"^[ ]+|^[ ]*\n", re.MULTILINE)
_UNPACK = """const packed = Uint8Array.from(atob("%s"), (c) => c.charCodeAt(0));
const plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
const url = URL.createObjectURL(new Blob([await new Response(plain).text()], { type: "text/javascript" }));
const { default: view } = await import(url);
URL.revokeObjectURL(url);
export default view;
"""


@cache
def files_of(name: str) -> tuple[str, ...]:
    """The files of one ES module: the file `name` of ``static/``, behind those that it imports.

    Parameters
    ----------
    name : str
        A file name.
    """
    found: dict[str, None] = {}
    for imported in _IMPORT.findall(_file(name)):
        found |= dict.fromkeys(files_of(imported))
    return (*found, name)


@cache
def source_text(name: str) -> str:
    """One ES module: the files of `files_of` in one. Comments and indentation stay behind.

    What its files export becomes its own, so no two of them may use a name twice.

    Parameters
    ----------
    name : str
        A file name.
    """
    return "".join(_slim(_EXPORT.sub("", _IMPORT.sub("", _file(part)))) for part in files_of(name))


@cache
def module_text(name: str) -> str:
    """The same module as it is sent: packed, since every cell that asks sends it anew. It unpacks itself.

    Parameters
    ----------
    name : str
        A file name.
    """
    return _UNPACK % base64.b64encode(zlib.compress(source_text(name).encode(), 9)).decode()


@cache
def style_text(name: str = "chat_view.js") -> str:
    """The style sheet of a view: what all views share, and for the view of a whole chat its own.

    Parameters
    ----------
    name : str
        The file name of its module.
    """
    return _slim("".join(map(_file, ["view.css", "chat.css"] if name == "chat_view.js" else ["view.css"])))


def _slim(text: str) -> str:
    return _SPACE.sub("", _COMMENT.sub("", text))


@cache
def _file(name: str) -> str:
    return (files("chatkit.display") / "static" / name).read_text("utf-8")
