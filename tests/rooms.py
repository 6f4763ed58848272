"""``python -m tests.rooms``: draw the picture of the rooms in CONTRIBUTING.md anew, from the imports in the source."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import chatkit

PACKAGE = Path(chatkit.__file__).parent
SOURCES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")
CONTRIBUTING = PACKAGE.parent / "CONTRIBUTING.md"
BEGIN, END = "<!-- the rooms: made by python -m tests.rooms -->\n", "<!-- end of the rooms -->"
FLOORS = [
    ["errors", "files", "lazy"],
    ["parts"],
    ["events", "clock"],
    ["sse", "fold", "bridge", "nesting"],
    ["failures", "chattest"],
    ["retries"],
    ["providers", "tools", "store", "display", "analysis"],
    ["conversation"],
    ["retrying", "batch"],
    ["magics", "server"],
    ["cli"],
]
"""The layers of the house, from the bottom: a room imports only from rooms below its own. Some rooms are yet to be built."""


def room_of(path: Path) -> str:
    """The room, or the file at the top, that a source file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def imported_rooms(path: Path) -> frozenset[str]:
    """The rooms that a source file imports from, also within functions."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names = [f"{node.module}.{alias.name}" if node.module == "chatkit" else str(node.module) for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("chatkit.")}
    return frozenset(rooms)


def arrows() -> dict[str, set[str]]:
    """Each room with the rooms that it imports from."""
    found: dict[str, set[str]] = {}
    for path in SOURCES:
        found.setdefault(room_of(path), set()).update(imported_rooms(path) - {room_of(path)})
    return found


def picture() -> str:
    """The rooms as a Mermaid diagram: an arrow for an import, left out where the same room is reached by others."""
    direct = arrows()

    @cache
    def reached(room: str) -> frozenset[str]:
        return frozenset(direct[room]).union(*map(reached, direct[room]))

    lines = ["```mermaid", "flowchart BT"]
    for floor in FLOORS:
        for room in filter(direct.__contains__, floor):
            files = sum(room_of(path) == room and path.name != "__init__.py" for path in SOURCES)
            lines.append(f"  {room}[{room}]" if (PACKAGE / f"{room}.py").exists() else f"  {room}[[{room}: {files} files]]")
    for floor in FLOORS:
        for room in filter(direct.__contains__, floor):
            beyond = frozenset().union(*map(reached, direct[room]))
            lines += [f"  {room} --> {other}" for other in sorted(direct[room] - beyond)]
    return "\n".join([*lines, "```\n"])


def drawn() -> str:
    """CONTRIBUTING.md with the picture as it is now."""
    before, _, rest = CONTRIBUTING.read_text("utf-8").partition(BEGIN)
    return f"{before}{BEGIN}{picture()}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    CONTRIBUTING.write_text(drawn(), "utf-8")
