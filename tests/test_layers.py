"""The arrows of the house: who imports whom, read from the source, and what an import of chatkit loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from IPython.core.completer import IPCompleter, provisionalcompleter

import chatkit
import chatkit.analysis
import chatkit.chattest
from tests.rooms import CONTRIBUTING, FLOORS, PACKAGE, SOURCES, drawn, imported_rooms, room_of

FLOOR = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
ANALYSIS = [["columns", "readable"], ["frames"], ["logs", "aggregates"], ["replay"], ["figures"]]
"""The one room with rooms of its own."""
# the scripted provider is the one arrow of the library to the test room, and lies inside a function
ALLOWED = {("providers/demo.py", "chattest")}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_arrow_climbs(path: Path) -> None:
    room, place = room_of(path), str(path.relative_to(PACKAGE)).replace("\\", "/")
    for other in imported_rooms(path) - {room}:
        assert FLOOR[other] < FLOOR[room] or (place, other) in ALLOWED, f"{place} imports {other}, which is not below it"


@pytest.mark.parametrize("path", sorted((PACKAGE / "analysis").rglob("*.py"))[1:], ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_arrow_climbs_within_the_analysis(path: Path) -> None:
    floor = {room: level for level, rooms in enumerate(ANALYSIS) for room in rooms}
    home = path.relative_to(PACKAGE / "analysis").parts[0].removesuffix(".py")
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("chatkit.analysis"):
            other = str(node.module).split(".")[2]
            assert other == home or floor[other] < floor[home], f"{path.name} imports {node.module}, which is not below it"


def test_the_picture_of_the_rooms_is_that_of_the_imports() -> None:
    assert CONTRIBUTING.read_text("utf-8") == drawn(), "run python -m tests.rooms"


def test_only_the_demo_imports_chattest() -> None:
    users = {str(p.relative_to(PACKAGE)) for p in SOURCES if room_of(p) != "chattest" and "chattest" in imported_rooms(p)}
    assert users == {str(Path("providers") / "demo.py")}


def test_only_one_file_imports_httpx() -> None:
    users = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [str(node.module)]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            if any(name.split(".")[0] == "httpx" for name in names):
                users.add(str(path.relative_to(PACKAGE)))
    assert users == {str(Path("providers") / "http.py")}


@pytest.mark.parametrize("path", [*SOURCES, PACKAGE / "__init__.py"], ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_file_is_over_400_lines(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 400


def test_rooms_hold_only_a_docstring_in_their_init() -> None:
    lazily = {PACKAGE / "__init__.py", PACKAGE / "analysis" / "__init__.py", PACKAGE / "chattest" / "__init__.py"}
    for path in set(PACKAGE.rglob("__init__.py")) - lazily:
        body = ast.parse(path.read_text("utf-8")).body
        assert len(body) == 1, path
        assert isinstance(body[0], ast.Expr), path


def test_no_public_name_is_the_name_of_a_module() -> None:
    modules = {p.stem for p in SOURCES} | {p.name for p in PACKAGE.iterdir() if p.is_dir()}
    assert not modules & set(chatkit.__all__)
    assert not {p.stem for p in (PACKAGE / "analysis").iterdir()} & set(chatkit.analysis.__all__)


def loaded_by(code: str) -> set[str]:
    program = f"import sys; before = set(sys.modules); {code}; print('\\n'.join(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_importing_chatkit_loads_nothing_else() -> None:
    assert loaded_by("import chatkit") <= {"chatkit"}


@pytest.mark.parametrize("package", [chatkit, chatkit.analysis, chatkit.chattest], ids=lambda package: package.__name__)
def test_every_public_name_is_there_and_listed(package: ModuleType) -> None:
    for name in package.__all__:
        assert getattr(package, name) is not None
    assert set(package.__all__) <= set(dir(package))


@pytest.mark.parametrize("jedi", [False, True])
@pytest.mark.parametrize("package", [chatkit, chatkit.analysis, chatkit.chattest], ids=lambda package: package.__name__)
def test_the_tab_key_lists_only_the_public_names(package: ModuleType, jedi: bool) -> None:
    for name in package.__all__:
        getattr(package, name)  # which loads modules, and these become attributes of their packages
    completer = IPCompleter(namespace={"it": package}, use_jedi=jedi)
    with provisionalcompleter():
        offered = {completion.text.removeprefix(".") for completion in completer.completions("it.", 3)}
    assert offered - {"analysis", "chattest"} == set(package.__all__)


def test_a_star_import_gives_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from chatkit.analysis import *", names)
    assert set(names) - {"__builtins__"} == set(chatkit.analysis.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'caht'"):
        chatkit.caht  # noqa: B018


def test_a_chat_needs_no_pandas_and_no_widgets() -> None:
    loaded = {name.split(".")[0] for name in loaded_by("import chatkit; chatkit.Chat, chatkit.chat, chatkit.retry")}
    assert not loaded & {
        "pandas",
        "numpy",
        "matplotlib",
        "ipywidgets",
        "anywidget",
        "IPython",
        "markdown_it",
        "nest_asyncio",
        "nest_asyncio2",
    }


def test_a_namesake_in_the_same_folder_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "chatkit"
    folder.mkdir()
    (folder / "__init__.py").write_text((PACKAGE / "__init__.py").read_text("utf-8"), "utf-8")
    (folder / "agents.py").write_text("", "utf-8")
    run = subprocess.run([sys.executable, "-c", "import chatkit"], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert "openai-chatkit is installed into the same folder" in run.stderr
