"""Texts that mean harm, in every place that has a text: nothing runs, nothing loads, and the view stays whole.

The notebook's fixture fails on any dialog, request to elsewhere, exception or error on the console.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatkit.display.markdown.source import render_markdown
from tests.browser.looks import ACTIVE
from tests.browser.scripted import SCRIPT
from tests.display.hostile import HOSTILE, assert_visible, large
from tests.display.readers import in_places, misread, tricky

pytestmark = pytest.mark.browser

SETUP = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from datetime import UTC, datetime
import chatkit as ck
from chatkit.display.recorded import NoCommands
from chatkit.display.chat_view import LiveChat
from chatkit.events import ErrorEvent, MessagePart, Queued, QueueUpdate, Retry, Status, TitleEvent
from chatkit import bridge
from tests.display.hostile import HOSTILE, every_part, large
NOW = datetime.now(UTC)
ALL = ("stop", "retry", "again", "send", "replace", "queue", "promote", "delete", "edit")
def message(id, role, parts): return ck.Message(id=id, chat_id="c", role=role, parts=parts, created_at=NOW, stop_reason="end")
def show(*events, model="demo"):
    global shown
    shown = LiveChat(NoCommands(ALL), model=model, closed=lambda: None)
    tell(*events)
    return shown.open()
told = []
def tell(*events):
    told.extend(events)
    for event in events: shown.apply(event)
    bridge.Waiter().wait(bridge.spawn(shown.settled()))
"""
ALL_TOGETHER = "\n\n".join(HOSTILE.values())


def words_of(nb: Any, index: int) -> str:
    return str(nb.output(index).locator(".chatkit, .chatkit-reply").first.inner_text())


def test_every_hostile_text_in_every_part_of_a_chat_is_text(notebook: Callable[..., Any]) -> None:
    nb = notebook(
        SETUP,
        "show(*[m for n, text in enumerate(HOSTILE.values()) for m in (message(2 * n + 1, 'user', (ck.Text(text=text),)), "
        "message(2 * n + 2, 'assistant', every_part(text)))])",
        "from chatkit.display.document import chat_document; from chatkit.display.writers import bundle; from chatkit.fold import Transcript\n"
        "display(bundle(chat_document(Transcript(told), model='demo')), raw=True)",
    )
    nb.run(0)
    nb.run(1)
    nb.page.wait_for_function("(count) => document.querySelectorAll('.ck-user').length === count", arg=len(HOSTILE))
    assert nb.page.evaluate(ACTIVE) == []
    assert_visible(words_of(nb, 1).replace("\n", ""))
    for details in nb.output(1).locator(".chatkit details > summary").all()[:40]:
        details.evaluate("(el) => { el.parentElement.open = true; }")
    assert nb.page.evaluate(ACTIVE) == []
    nb.run(2)
    nb.output(2).locator(".chatkit-reply").wait_for()
    assert nb.page.evaluate(ACTIVE) == []
    for leave in (nb.save, nb.change_on_disk):
        leave()
        nb.open()
        nb.output(2).locator(".chatkit-reply").wait_for()
        assert nb.page.evaluate(ACTIVE) == []


def test_hostile_titles_models_errors_and_queued_messages_are_text(notebook: Callable[..., Any]) -> None:
    nb = notebook(
        SETUP,
        "T = '\\n\\n'.join(HOSTILE.values())\n"
        "show(TitleEvent(chat_id='c', title=T), message(1, 'user', (ck.Text(text='Hi'),)), Status(chat_id='c', status='running'), "
        "Retry(chat_id='c', attempt=1, delay_ms=60000, retrying_at=NOW, error=T, detail=T, provider=T, kind='overloaded'), "
        "QueueUpdate(chat_id='c', queue=tuple(Queued(id=n, parts=(ck.Text(text=t),), model=t) for n, t in enumerate(HOSTILE.values()))), model=T)",
    )
    nb.run(0)
    nb.run(1)
    nb.output(1).locator(".ck-waiting").wait_for()
    assert nb.page.evaluate(ACTIVE) == []
    nb.execute("tell(ErrorEvent(chat_id='c', message=T, detail=T, provider=T, kind='auth'), Status(chat_id='c', status='error'))")
    nb.output(1).locator(".chatkit").get_by_role("button", name="Try again").wait_for()
    assert nb.page.evaluate(ACTIVE) == []
    assert_visible(words_of(nb, 1).replace("\n", ""))
    nb.output(1).locator(".chatkit").get_by_role("button", name="Edit").first.click()
    assert nb.page.evaluate(ACTIVE) == []


def test_hostile_text_that_streams_piece_by_piece_never_acts(notebook: Callable[..., Any]) -> None:
    nb = notebook(
        SCRIPT + SETUP,
        "t = Script(prompt='x', model='x')",
    )
    nb.run(0)
    nb.run(1)
    nb.output(1).locator(".chatkit").wait_for()
    nb.page.evaluate(f"() => {{ window.acted = []; const look = {ACTIVE}; new MutationObserver(() => window.acted.push(...look()))"
                     ".observe(document.querySelector('.chatkit'), { childList: true, subtree: true, attributes: true }); }")  # fmt: skip
    nb.execute(
        "text = '\\n\\n'.join(HOSTILE.values())\nfor at in range(0, len(text), 7):\n    t.say(text[at:at + 7])\n"
        "    if at % 210 == 0: bridge.Waiter().wait(bridge.spawn(t.display.settled()))\nt.say('\\n\\nthe end of it')"
    )
    nb.output(1).get_by_text("the end of it").wait_for()
    assert nb.page.evaluate("() => window.acted") == []
    nb.execute("t.end()")
    nb.output(1).locator(".chatkit-reply").wait_for()
    assert nb.page.evaluate(ACTIVE) == []


READ = """async (sources) => {
  const { rendermime } = window.panel.content;
  const pages = [];
  for (const source of sources) {
    const model = rendermime.createModel({ data: { 'text/markdown': source }, trusted: true });
    const reader = rendermime.createRenderer('text/markdown');
    document.body.append(reader.node);
    await reader.renderModel(model);
    for (const own of reader.node.querySelectorAll('mjx-container, .jp-InternalAnchorLink, .numbering-entry')) own.remove();
    for (const el of reader.node.querySelectorAll('*')) ['data-jupyter-id', 'target'].forEach((name) => el.removeAttribute(name));
    pages.push(reader.node.innerHTML);
    reader.dispose();
  }
  return pages;
}"""
"""JupyterLab's pages for texts in Markdown that are trusted, without what it adds itself."""


@pytest.mark.timeout(300)
def test_jupyterlab_makes_nothing_of_a_texts_markdown_that_acts(notebook: Callable[..., Any]) -> None:
    nb = notebook("1")
    texts = [*in_places(), *HOSTILE.values(), *tricky(2000, seed=5)]
    assert misread(texts, nb.page.evaluate(READ, [render_markdown(text) for text in texts])) == []


def test_jupyterlab_typesets_the_formulas_of_a_text_and_not_its_prices(notebook: Callable[..., Any]) -> None:
    text = "From $5 to $10 for $x$.\n\nOr \\\\(y\\\\) and $7,\nand \\(z < 1\\)."
    nb = notebook(f"display({{'text/markdown': {render_markdown(text)!r}}}, raw=True)")
    nb.run(0)
    shown = nb.output(0).locator(".jp-RenderedMarkdown")
    shown.locator("mjx-container").nth(1).wait_for()
    assert shown.locator("mjx-container").count() == 2
    words = shown.evaluate("(el) => { el.querySelectorAll('mjx-container').forEach((e) => e.remove()); return el.textContent; }")
    assert " ".join(words.split()) == r"From $5 to $10 for . Or \(y\) and $7, and ."


def test_jupyterlab_typesets_no_formula_in_what_is_no_text_of_the_model(notebook: Callable[..., Any]) -> None:
    nb = notebook(
        SETUP,
        "from chatkit.display.document import chat_document; from chatkit.display.writers import write_html; from chatkit.fold import Transcript\n"
        "from IPython.display import HTML\n"
        "T = 'From $5 to $10, \\\\(y\\\\), \\\\begin{x}z\\\\end{x}'; call = ck.ToolCall(tool_call_id='1', tool_name=T, args={T: T})\n"
        "shown = LiveChat(NoCommands(ALL), model='demo', closed=lambda: None)\n"
        "tell(TitleEvent(chat_id='c', title=T), message(1, 'user', (ck.Text(text=T),)), "
        "message(2, 'assistant', (ck.Reasoning(text='x', title=T), ck.Source(url='https://example.org', title=T), call, ck.Text(text='$x$'))))\n"
        "HTML(write_html(chat_document(Transcript(told), model=T)))",
    )
    nb.run(0)
    nb.run(1)
    nb.output(1).locator("mjx-container").wait_for()
    assert nb.output(1).locator("mjx-container").count() == 1


def test_a_chat_of_hostile_texts_is_text_where_markdown_alone_is_shown(notebook: Callable[..., Any]) -> None:
    nb = notebook(
        SETUP,
        "from chatkit.display.document import chat_document; from chatkit.display.writers import bundle; from chatkit.fold import Transcript\n"
        "shown = LiveChat(NoCommands(ALL), model='demo', closed=lambda: None)\n"
        "tell(*[m for n, text in enumerate(HOSTILE.values()) for m in (message(2 * n + 1, 'user', (ck.Text(text=text),)), "
        "message(2 * n + 2, 'assistant', every_part(text)))])\n"
        "written = bundle(chat_document(Transcript(told), model='demo'))\n"
        "display({'text/markdown': written['text/markdown']}, raw=True)",
    )
    nb.run(0)
    nb.run(1)
    shown = nb.output(1).locator(".jp-RenderedMarkdown")
    shown.wait_for()
    shown.evaluate("(el) => el.classList.add('chatkit-reply')")  # where `ACTIVE` looks
    assert nb.page.evaluate(ACTIVE.replace("/^(on|data-|srcdoc", "/^(on|data-(?!jupyter-id)|srcdoc")) == []


@pytest.mark.timeout(300)
def test_a_text_whose_size_or_depth_is_the_attack_leaves_the_view_alive(notebook: Callable[..., Any]) -> None:
    nb = notebook(SCRIPT + SETUP, "t = Script()\nfor at in range(0, len(text), 500_000): t.say(text[at:at + 500_000])")
    nb.run(0)
    for name, _ in large():
        nb.execute(f"text = dict(large())[{name!r}]")
        nb.run(1)
        nb.output(1).get_by_role("button", name="Stop").click()
        nb.output(1).get_by_text("stopping…", exact=True).first.wait_for()  # the page and the kernel still answer
        assert nb.execute("t.pressed.stopped.wait(10); t.end(); print(t.pressed.stopped.is_set())") == "True", name
        nb.output(1).locator(".chatkit-reply").wait_for()
        assert nb.page.evaluate(ACTIVE) == [], name
        assert len(nb.output(1).locator(".chatkit-reply").evaluate("(el) => el.innerHTML")) < 12_000_000, name
        nb.clear(1)
