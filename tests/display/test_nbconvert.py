"""What nbconvert makes of a finished turn: the reply, and nothing that runs or loads beyond nbconvert's own template."""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
from markdown_it import MarkdownIt
from nbconvert import HTMLExporter, LatexExporter, MarkdownExporter
from traitlets.config import Config

from tests.display.hostile import HOSTILE, assert_markdown_is_harmless
from tests.kernels import running_kernel

SETUP = """
%load_ext chatkit
import chatkit as ck
from chatkit.chattest import FakeClock, FakeProvider, anthropic_overloaded_response
fake = FakeProvider([anthropic_overloaded_response(), *REPLIES]).start()
chat = ck.Chat("anthropic:claude-x", base_url=fake.anthropic_url, api_key="k", title=None, clock=FakeClock())
"""
QUESTIONS = {
    "ask": 'reply = chat.ask("Show me all that you can")',
    "send": 'reply = await chat.send("Show me all that you can")',
    "submit": 'run = chat.submit("Show me all that you can"); run.result()',
    "magic": "%%chat --name chat\nShow me all that you can",
}
RICH = """## What jitter does

It spreads retries **out in time**, so that $2^n$ clients don't come back *together*.

| jitter | the third wait |
| --- | --- |
| none | 4 s |
| full | 0 to 4 s |

```python
policy = ck.RetryPolicy(jitter="full")
```

1. [The docs](https://example.org/docs) say more.
2. So does ![a figure](https://example.org/figure.png).
"""
LATEX = [
    r"`\input{x}`{=latex}",
    r"$\input{x}$ and $\begin{input}{x}\end{input}$ and $\^^69nput{x}$",
    r"\(\include{x}\) and $$\csname input\endcsname{x}$$",
    "\\[\n\\immediate\\write18{x}\n\\]",
    r"\input{x} \includegraphics{x}",
    "::: {.x}\n\\openin1=x\n:::",
]
"""Texts that try to make pandoc write commands with which TeX reads a file or runs a program."""
BROKEN = (
    "```\ncode\n \n\n![x](https://example.org/pixel.png)\n<img src=x>\n```\n\n- ```\n  a\n\n  ![x](https://example.org/pixel.png)\n  ```"
)
"""Code with empty lines, at which a block of HTML in Markdown ends."""
READING = re.compile(r"\\(?:begin\{)?(?:input|include|includegraphics|csname|openin|write18|\^\^69nput)(?![A-Za-z])")
LOADING = {"src", "srcset", "data", "poster", "background", "action", "formaction", "srcdoc", "ping"}


class _Page(HTMLParser):
    """What a page runs, and what it loads from other places."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.active: Counter[str] = Counter()
        self.loaded: Counter[str] = Counter()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "iframe", "object", "embed", "form", "base", "meta", "style", "svg", "math", "img", "link"):
            self.active[tag] += 1
        for name, value in attrs:
            if name.startswith("on"):
                self.active[name] += 1
            if name in LOADING or (tag == "link" and name == "href"):
                self.loaded[str(value)] += 1
            if name == "style" and re.search(r"url\(|@import|expression", str(value)):
                self.loaded[str(value)] += 1


@pytest.fixture(scope="module")
def outputs() -> dict[str, dict[str, dict[str, str]]]:
    """The saved outputs of each way to ask, for a rich reply and for a hostile one."""
    hostile = "\n\n".join([*HOSTILE, *LATEX, BROKEN])
    replies = [reply for _ in QUESTIONS for reply in (RICH, hostile)]
    saved: dict[str, dict[str, dict[str, str]]] = {}
    with running_kernel() as kernel:
        assert kernel.run(SETUP.replace("REPLIES", repr(replies))).status == "ok"
        for name, question in QUESTIONS.items():
            cells = {kind: kernel.run(question) for kind in ("rich", "hostile")}
            assert all(cell.of_type("comm_open") for cell in cells.values())  # a widget showed it while it ran
            saved[name] = {kind: cell.outputs[-1] for kind, cell in cells.items()}
    return saved


def notebook(*data: dict[str, str]) -> Any:
    cells = [
        nbformat.v4.new_code_cell("1", execution_count=n, outputs=[nbformat.v4.new_output("display_data", data=one)])
        for n, one in enumerate(data, 1)
    ]
    return nbformat.v4.new_notebook(cells=cells)


def read_as_markdown(text: str) -> str:
    """The page that a reader of Markdown makes of it that lets HTML through."""
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(text)


def converted(exporter: Any, *data: dict[str, str]) -> str:
    page, _ = exporter.from_notebook_node(notebook(*data))
    return str(page)


@pytest.fixture
def pandoc(monkeypatch: pytest.MonkeyPatch) -> None:
    """pandoc, which nbconvert makes LaTeX with: the system's, or that of the package pypandoc_binary."""
    if shutil.which("pandoc") is None:
        pypandoc = pytest.importorskip("pypandoc", reason="neither pandoc nor pypandoc_binary is installed: LaTeX can't be made")
        monkeypatch.setenv("PATH", str(Path(pypandoc.get_pandoc_path()).parent), prepend=os.pathsep)


@pytest.mark.parametrize("question", QUESTIONS)
def test_html_shows_the_reply_in_full(outputs: dict[str, dict[str, dict[str, str]]], question: str) -> None:
    page = converted(HTMLExporter(), outputs[question]["rich"])
    for piece in (
        "What jitter does</h2>",
        "<strong>out in time</strong>",
        "$2^n$",
        "<table",
        ">0 to 4 s</td>",
        'href="https://example.org/docs"',
        "RetryPolicy",
    ):
        assert piece in page
    assert page.count("spreads retries") == 1
    assert "widget-view" not in page
    assert "Error displaying widget" not in page


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("kind", ["rich", "hostile"])
def test_html_runs_and_loads_what_nbconverts_template_does_and_no_more(
    outputs: dict[str, dict[str, dict[str, str]]], question: str, kind: str
) -> None:
    page = _Page(converted(HTMLExporter(), outputs[question][kind]))
    template = _Page(converted(HTMLExporter(), {"text/plain": "nothing"}))
    assert page.active == template.active
    assert page.loaded == template.loaded


def test_the_reader_of_a_page_sees_what_acts_and_what_loads() -> None:
    page = _Page(
        '<img src="https://a.example/p.png"><p onclick="x()" style="background:url(https://a.example)"><link href="https://a.example/c.css">'
    )
    assert page.active == {"img": 1, "onclick": 1, "link": 1}
    assert len(page.loaded) == 3


@pytest.mark.parametrize("question", QUESTIONS)
def test_markdown_holds_the_reply_in_full(outputs: dict[str, dict[str, dict[str, str]]], question: str) -> None:
    page = read_as_markdown(converted(MarkdownExporter(), outputs[question]["rich"]))
    for piece in ("What jitter does</h2>", "<strong>out in time</strong>", "$2^n$", ">0 to 4 s</td>", 'href="https://example.org/docs"'):
        assert piece in page
    assert page.count("spreads retries") == 1


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("kind", ["rich", "hostile"])
def test_markdown_runs_and_loads_nothing_when_it_is_read(outputs: dict[str, dict[str, dict[str, str]]], question: str, kind: str) -> None:
    page = _Page(read_as_markdown(converted(MarkdownExporter(), outputs[question][kind])))
    assert page.active == page.loaded == Counter()


@pytest.mark.parametrize("question", QUESTIONS)
def test_markdown_without_html_holds_the_reply_and_no_html(outputs: dict[str, dict[str, dict[str, str]]], question: str) -> None:
    exporter = MarkdownExporter(config=Config({"NbConvertBase": {"display_data_priority": ["text/markdown", "text/plain"]}}))
    rich, hostile = (converted(exporter, outputs[question][kind]) for kind in ("rich", "hostile"))
    for piece in (
        "## What jitter does",
        "**out in time**",
        "$2^n$",
        "| full | 0 to 4 s |",
        "```python\npolicy",
        "(https://example.org/docs)",
    ):
        assert piece in rich
    assert_markdown_is_harmless(rich)
    assert_markdown_is_harmless(hostile)


@pytest.mark.usefixtures("pandoc")
@pytest.mark.parametrize("question", QUESTIONS)
def test_latex_holds_the_reply(outputs: dict[str, dict[str, dict[str, str]]], question: str) -> None:
    text = converted(LatexExporter(), outputs[question]["rich"])
    for piece in (
        "What jitter does",
        r"\textbf{out in time}",
        r"\(2^n\)",
        r"\begin{longtable}",
        "0 to 4 s",
        r"\href{https://example.org/docs}",
        "RetryPolicy",
    ):
        assert piece in text
    assert text.count("spreads retries") == 1


@pytest.mark.usefixtures("pandoc")
@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("kind", ["rich", "hostile"])
def test_latex_reads_no_file_and_draws_no_image(outputs: dict[str, dict[str, dict[str, str]]], question: str, kind: str) -> None:
    made, template = (converted(LatexExporter(), data) for data in (outputs[question][kind], {"text/plain": "nothing"}))
    assert Counter(READING.findall(made)) == Counter(READING.findall(template))


def test_the_line_about_the_retries_is_in_every_format(outputs: dict[str, dict[str, dict[str, str]]]) -> None:
    for exporter in (HTMLExporter(), MarkdownExporter()):
        assert converted(exporter, outputs["ask"]["rich"]).count("Retried once, after 1 s") == 1
