"""The front end's files."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from chatkit.display.modules import module_text, style_text


@pytest.mark.parametrize("name", ["chat_view.js", "retry_view.js"])
def test_a_module_is_whole_small_and_sets_text_only_as_text(name: str) -> None:
    text = module_text(name)
    assert len(text.encode()) + len(style_text().encode()) < 9_000
    assert len(text.encode()) < 8_000
    assert not re.search(r"^import |^export (?!default)", text, re.MULTILINE)
    assert text.count("export default") == 1
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|fetch\(|https?:", text)


def test_no_two_files_of_a_module_use_a_name_twice() -> None:
    static = files("chatkit.display") / "static"
    for name in ("chat_view.js", "retry_view.js"):
        text = (static / "callout.js").read_text("utf-8") + (static / name).read_text("utf-8")
        names = re.findall(r"^(?:export )?(?:function|const|let) (\w+)", text, re.MULTILINE)
        assert len(names) == len(set(names)) > 5


def test_the_style_sheet_touches_nothing_but_the_views_and_loads_nothing() -> None:
    style = re.sub(r"@keyframes[^}]*}\s*}|@media[^{]*{|^from|^to", "", style_text())
    for selectors in re.findall(r"([^{}]+){", style):
        assert all(s.strip().startswith((".chatkit", ".ck-")) for s in selectors.split(",")), selectors
    assert "url(" not in style
    assert "@import" not in style
