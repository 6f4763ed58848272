"""The front end's files as the text that a widget sends: plain ES modules without a bundler, packed into one."""

from __future__ import annotations

import base64
import re
import zlib
from functools import cache
from importlib.resources import files

import msgspec

from chatkit.display.words import LABELS

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
STYLES = {"style.js": ["view.css"], "chat_style.js": ["view.css", "chat.css"]}
"""The style sheets that a module made from them exports: they are packed with the code, which halves them."""


@cache
def file_text(name: str) -> str:
    """The text of one file of the front end; ``labels.js`` and those of `STYLES` are made here."""
    if name == "labels.js":
        return f"export const LABELS = {msgspec.json.encode(LABELS).decode()};\n"
    if name in STYLES:
        sheet = "".join(_slim(file_text(css)) for css in STYLES[name])
        return f"export const STYLE = {msgspec.json.encode(sheet).decode()};\n"
    return (files("chatkit.display") / "static" / name).read_text("utf-8")


@cache
def files_of(name: str) -> tuple[str, ...]:
    """The files of the module `name`: those that it imports, then itself."""
    found: dict[str, None] = {}
    for imported in _IMPORT.findall(file_text(name)):
        found |= dict.fromkeys(files_of(imported))
    return (*found, name)


@cache
def source_text(name: str) -> str:
    """The files of one module in one, without comments and indentation.

    What the files export becomes the module's own, so no two of them may use a name twice.
    """
    return "".join(_slim(_EXPORT.sub("", _IMPORT.sub("", file_text(part)))) for part in files_of(name))


@cache
def module_text(name: str) -> str:
    """The same module as it is sent: packed, since every view sends it anew. It unpacks itself."""
    return _UNPACK % base64.b64encode(zlib.compress(source_text(name).encode(), 9)).decode()


def _slim(text: str) -> str:
    return _SPACE.sub("", _COMMENT.sub("", text))
