"""The types of what crosses to the browser, in TypeScript, generated from `chatkit.display.messages`.

``python -m tests.typescript`` writes them; a test fails while they are not up to date.
"""

from __future__ import annotations

import inspect
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect as shapes

from chatkit.display import messages

TARGET = Path(str(files("chatkit.display"))) / "static" / "messages.d.ts"
_SIMPLE = {
    shapes.StrType: "string",
    shapes.IntType: "number",
    shapes.FloatType: "number",
    shapes.BoolType: "boolean",
    shapes.NoneType: "null",
}


def declarations() -> str:
    """The text of ``messages.d.ts``."""
    names = [name for name, value in vars(messages).items() if _is_shape(value) and not name.startswith("_")]
    roots = [getattr(messages, name) for name in names]
    pieces = ["// Made from chatkit/display/messages.py by `python -m tests.typescript`.\n"]
    pieces += [_interface(shape) for shape in shapes.multi_type_info(roots) if isinstance(shape, shapes.StructType)]
    commands = [shape.cls.__name__ for shape in shapes.multi_type_info(roots) if isinstance(shape, shapes.StructType) and shape.tag]
    pieces.append(f"export type Command = {' | '.join(commands)};\n")
    return "\n".join(pieces)


def _is_shape(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, msgspec.Struct) and value.__module__ == messages.__name__


def _interface(shape: shapes.StructType) -> str:
    lines = [f"/** {_summary(shape.cls)} */", f"export interface {shape.cls.__name__} {{"]
    if shape.tag_field:
        lines.append(f'  {shape.tag_field}: "{shape.tag}";')
    always = not shape.cls.__struct_config__.omit_defaults
    lines += [f"  {field.encode_name}{'' if field.required or always else '?'}: {_type(field.type)};" for field in shape.fields]
    return "\n".join([*lines, "}\n"])


def _summary(cls: type) -> str:
    return " ".join((inspect.getdoc(cls) or "").split("\n\n")[0].split())


def _type(shape: shapes.Type) -> str:
    match shape:
        case shapes.LiteralType(values=values):
            return " | ".join(f'"{value}"' for value in values)
        case shapes.UnionType(types=types):
            return " | ".join(map(_type, types))
        case shapes.StructType(cls=cls):
            return cls.__name__
        case shapes.VarTupleType(item_type=item):
            return f"{_several(item)}[]"
        case shapes.TupleType(item_types=items):
            return f"[{', '.join(map(_type, items))}]"
        case shapes.DictType() if not isinstance(shape.value_type, shapes.AnyType):
            return f"Record<{_type(shape.key_type)}, {_type(shape.value_type)}>"
        case shapes.DictType():
            return "Partial<Facts>"  # the one open mapping: the facts that changed
        case _:
            return _SIMPLE[type(shape)]


def _several(item: shapes.Type) -> str:
    return f"({_type(item)})" if isinstance(item, shapes.UnionType | shapes.LiteralType) else _type(item)


if __name__ == "__main__":
    TARGET.write_text(declarations(), "utf-8")
