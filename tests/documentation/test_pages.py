"""The pages and the README say all of what the code has, and nothing that it hasn't; and their links lead somewhere."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import msgspec
import pytest

import chatkit
import chatkit.analysis
import chatkit.chattest
from chatkit.analysis import COLUMNS
from chatkit.errors import KINDS, RETRYABLE_KINDS
from chatkit.retries.log import AttemptRecord
from tests.rooms import SOURCES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MARKDOWN = [*ROOT.glob("*.md"), *ROOT.glob("benchmarks/*.md"), *DOCS.glob("*.md"), *DOCS.glob("howto/*.md"), *DOCS.glob("reference/*.md")]


def rows(page: Path, heading: str) -> list[list[str]]:
    """The cells of the table whose first column has this heading."""
    lines = page.read_text("utf-8").splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    end = next((n for n, line in enumerate(lines) if n > start and not line.startswith("|")), len(lines))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start + 2 : end]]


@pytest.mark.parametrize("module", [chatkit, chatkit.analysis, chatkit.chattest], ids=lambda module: module.__name__)
def test_the_reference_holds_every_public_name_and_no_other(module: ModuleType) -> None:
    name = module.__name__.rpartition(".")[2]
    own = (DOCS / "reference" / f"{name}.rst").read_text("utf-8").partition(".. currentmodule:: chatkit.clock")[0]
    listed = re.findall(r"^(?:   |\.\. py:data:: )(\w+)$", own, re.MULTILINE)
    public = set(module.__all__) - {"analysis", "chattest", "__version__"}
    assert sorted(listed) == sorted(public), f"docs/reference/{name}.rst lists what it isn't, or lacks {public - set(listed)}"


def test_the_columns_of_the_log_are_those_of_a_frame_and_of_a_line() -> None:
    table = [[cell.strip("`") for cell in row[:3]] for row in rows(DOCS / "retry-log.md", "column")]
    assert {column: dtype for column, dtype, _ in table} == dict(COLUMNS)
    assert [column for column, *_ in table] == list(COLUMNS)
    assert {field for *_, field in table} == set(AttemptRecord.__struct_fields__)
    line = re.search(r"```json\n(.*?)```", (DOCS / "retry-log.md").read_text("utf-8"), re.DOTALL)
    assert line is not None
    assert list(msgspec.json.decode(line[1])) == list(AttemptRecord.__struct_fields__)
    msgspec.json.decode(line[1], type=AttemptRecord, strict=True)


def test_the_kinds_of_failures_are_those_that_there_are() -> None:
    table = {row[0].strip("`"): row[2] for row in rows(DOCS / "retry-log.md", "kind")}
    assert list(table) == list(KINDS)
    assert {kind for kind, retried in table.items() if retried == "yes"} == RETRYABLE_KINDS


def test_the_settings_are_all_the_variables_that_the_code_reads() -> None:
    words = {node.value for path in SOURCES for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Constant)}
    ours = {word for word in words if isinstance(word, str) and re.fullmatch(r"CHATKIT_[A-Z_]+|[A-Z_]+_API_KEY|[A-Z_]+_API_TOKEN", word)}
    readme = (ROOT / "README.md").read_text("utf-8")
    settings = readme.partition("<!-- settings -->")[2].partition("<!-- end of settings -->")[0]
    said = {word for word in re.findall(r"`([A-Z_]+)`", settings) if not word.startswith(("SSL_", "NO_")) and not word.endswith("_PROXY")}
    assert said == ours


@pytest.mark.parametrize("page", ["index.md", "settings.md", "changes.md"])
def test_a_page_that_shows_another_file_on_the_site_links_to_it_on_github(page: str) -> None:
    text = (DOCS / page).read_text("utf-8")
    assert "{include}" not in text
    file, part = re.findall(r"^.*\]\(\.\./.*<!-- on the site: ([\w.]+)(?:, (.+))? -->$", text, re.MULTILINE)[0]
    shown = (ROOT / file).read_text("utf-8")
    assert all(f"<!-- {words} -->" in shown for words in ([part, f"end of {part}"] if part else []))


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_lead_to_files_of_the_repository(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        target = unquote(link.partition("#")[0])
        if target and "://" not in target:
            assert (page.parent / target).exists(), link
