"""The front end's files."""

from __future__ import annotations

import base64
import re
import zlib
from importlib.resources import files

import msgspec
import pytest

from chatkit.display.labels import LABELS, Labels
from chatkit.display.widget import STYLES, file_text, files_of, module_text, source_text

STATIC = files("chatkit.display") / "static"
VIEWS = {"turn_view.js": 13_000, "retry_view.js": 9_000, "chat_view.js": 18_200}
MADE = {"labels.js", *STYLES}
ACTIVE = (
    r"innerHTML|outerHTML|insertAdjacent|document\.write|parseFromString|createContextualFragment|\beval\b|new Function|fetch\(|https?:"
)


@pytest.mark.parametrize("name", VIEWS)
def test_a_module_is_whole_and_small(name: str) -> None:
    text = module_text(name)
    assert len(text.encode()) < VIEWS[name]
    source = source_text(name)
    assert not re.search(r"^import |^export (?!default)|^\s*//|/\*|^[ ]", source, re.MULTILINE)
    assert source.count("export default") == 1


@pytest.mark.parametrize("name", VIEWS)
def test_what_is_sent_is_the_module_packed(name: str) -> None:
    (packed,) = re.findall(r'atob\("([A-Za-z0-9+/=]+)"\)', module_text(name))
    assert zlib.decompress(base64.b64decode(packed)).decode() == source_text(name)


@pytest.mark.parametrize("name", VIEWS)
def test_no_two_files_of_a_module_use_a_name_twice(name: str) -> None:
    texts = [file_text(part) for part in files_of(name)]
    names = [n for text in texts for n in re.findall(r"^(?:export )?(?:async )?(?:function|const|let) (\w+)", text, re.MULTILINE)]
    assert len(names) == len(set(names)) > 5


def test_every_file_is_part_of_a_view() -> None:
    scripts = {path.name for path in STATIC.iterdir() if path.name.endswith(".js")}
    assert scripts | MADE == {part for name in VIEWS for part in files_of(name)}


@pytest.mark.parametrize("name", VIEWS)
def test_the_labels_of_a_view_are_those_of_python(name: str) -> None:
    (labels,) = re.findall(r"^const LABELS = (.*);$", source_text(name), re.MULTILINE)
    assert msgspec.json.decode(labels, type=Labels) == LABELS
    used = set(re.findall(r"LABELS\.(\w+)", "".join(source_text(view) for view in VIEWS)))
    assert used == set(Labels.__struct_fields__)


def test_nothing_but_comments_is_left_out() -> None:
    for path in STATIC.iterdir():
        text = path.read_text("utf-8")
        if path.name.endswith(".js"):
            strings = re.findall(r'"[^"\n]*"|`[^`]*`', re.sub(r"^[ ]*//.*|/\*(?:[^*]|\*(?!/))*\*/", "", text, flags=re.MULTILINE))
            assert strings
            assert [s for s in strings if "\n" in s or "/*" in s] == []  # a text of several lines would lose its indentation


def test_html_enters_the_page_in_one_function_and_nothing_is_loaded() -> None:
    texts = {path.name: path.read_text("utf-8") for path in STATIC.iterdir() if path.name.endswith(".js")}
    found = {name: re.findall(ACTIVE, text.replace('"http://www.w3.org/2000/svg"', "")) for name, text in texts.items()}
    assert {name: hits for name, hits in found.items() if hits} == {"html.js": ["innerHTML"]}


def test_the_style_sheet_touches_nothing_but_the_views_and_loads_nothing() -> None:
    sheets = "".join(path.read_text("utf-8") for path in STATIC.iterdir() if path.name.endswith(".css"))
    style = re.sub(r"/\*.*?\*/|@keyframes[^}]*}\s*}|@media[^{]*{", "", sheets)
    selectors = [s.strip() for group in re.findall(r"([^{}]+){", style) for s in re.split(r",(?![^(]*\))", group)]
    assert len(selectors) > 50
    hiding = ".jp-OutputArea:has(.chatkit) .jp-OutputArea-child:has(.chatkit-beside)"
    assert [s for s in selectors if not s.startswith((".chatkit", ".ck-")) and s != hiding] == []
    assert "url(" not in style
    assert "@import" not in style
