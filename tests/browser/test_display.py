"""The display in JupyterLab, fed with scripted events."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.looks import ACTIVE
from tests.browser.scripted import SCRIPT

pytestmark = pytest.mark.browser

WAIT = re.compile(r"Retrying (?:in (\d+) s|now)… \((.*)\)")
HOSTILE = "\n\n".join(
    [
        "<script>alert('script')</script><img src=x onerror=alert('image')>",
        "<svg/onload=alert('svg')><style>* { display: none !important }</style><iframe srcdoc='<script>alert(1)</script>'></iframe>",
        "[click](javascript:alert('link')) [data](data:text/html,<script>alert(1)</script>) <javascript:alert('autolink')>",
        "![pixel](https://example.org/pixel.png?secret) ![none](http://127.0.0.1:1/x.png) ![inline](data:image/png;base64,AAAA)",
        "```html\n</code></pre><img src=x onerror=alert('code')>\n```",
        "$\\href{javascript:alert('math')}{click}$ and `<b>`",
        "| <img src=x onerror=alert('cell')> | b |\n|---|---|\n| <script>alert(1)</script> | c |",
        "pay\u200bpal \u202egnp.exe\u202c \u2066x\u2069 \u0000\u001b[31m",
    ]
)


def test_the_countdown_ticks_every_second_and_goes_at_the_first_part(notebook: Callable[..., Any]) -> None:
    nb = notebook("t = Script()", SCRIPT)
    nb.run(1)
    nb.record()
    nb.run(0)
    for step, shown in (("say('Hello wo')", "Hello wo"), ("fail(3, attempt=3)", "Retrying now"), ("say('Hello')", "Hello")):
        nb.execute(f"t.{step}")
        nb.output(0).get_by_text(shown).first.wait_for()
    nb.execute("t.end()")
    nb.output(0).get_by_text("Retried once").wait_for()
    seen = [frame for frame in nb.seen() if frame["text"]]
    waits = [(frame["at"], match[1], match[2]) for frame in seen if (match := WAIT.search(frame["text"]))]
    assert [w[1] for w in waits] == ["3", "2", "1", None]
    assert {w[2] for w in waits} == {"attempt 3 failed: anthropic is overloaded"}
    assert waits[-1][0] - waits[0][0] > 2900  # it counts seconds
    first_wait = next(i for i, frame in enumerate(seen) if WAIT.search(frame["text"]))
    assert any("Hello wo" in frame["text"] for frame in seen[:first_wait])
    assert not any("Hello" in frame["text"] for frame in seen if WAIT.search(frame["text"]))  # withdrawn at the retry event
    assert not any("Hello" in frame["text"] and "Retrying" in frame["text"] for frame in seen[first_wait:])
    assert "Retried once, after 3 s: anthropic is overloaded" in seen[-1]["text"]


@pytest.mark.parametrize(("label", "name"), [("Retry now", "woken"), ("Stop", "stopped")])
def test_a_button_works_while_the_cell_runs(notebook: Callable[..., Any], label: str, name: str) -> None:
    nb = notebook(SCRIPT, f"t = Script(); t.fail(60); print(t.pressed.{name}.wait(30)); t.end()")
    nb.run(0)
    nb.run(1, wait=False)
    nb.output(1).get_by_role("button", name=label).click()
    nb.output(1).get_by_text("True").wait_for()  # heard by the cell that was waiting for it


def test_a_stop_while_the_text_streams_says_so_at_once_and_keeps_what_was_said(notebook: Callable[..., Any]) -> None:
    nb = notebook(SCRIPT, "t = Script(); t.say('half a ')")
    nb.run(0)
    nb.run(1)
    nb.output(1).get_by_text("half a").wait_for()
    nb.output(1).get_by_role("button", name="Stop").click()
    nb.output(1).get_by_text("stopping…", exact=True).wait_for()
    nb.execute("t.pressed.stopped.wait(10); t.texts.clear(); t.end()")
    nb.output(1).get_by_text("Stopped: the reply is incomplete.").wait_for()
    assert "half a" in nb.output(1).inner_text()


def test_where_a_click_does_not_get_through_the_view_says_how_to_stop(notebook: Callable[..., Any]) -> None:
    # without chatkit's routing ipykernel 7.4 keeps a click waiting for the cell, as 6.x and VS Code do
    nb = notebook(SCRIPT, "t = Script(); del t.display.widget.comm._reply_subshell_for; t.say('busy'); t.pressed.stopped.wait(4); t.end()")
    nb.run(0)
    nb.run(1, wait=False)
    nb.output(1).get_by_text("busy").wait_for()
    nb.output(1).get_by_role("button", name="Stop").click()
    nb.output(1).get_by_text("stopping…", exact=True).wait_for()
    hint = nb.output(1).locator(".ck-hint")
    hint.wait_for()
    assert hint.inner_text() == "The kernel is busy: interrupt it (■) to stop."


def test_the_saved_notebook_holds_static_output_and_no_widget(notebook: Callable[..., Any]) -> None:
    nb = notebook(SCRIPT, "t = Script(); t.say('**bold**'); t.fail(0.2); t.say('some *more*'); t.end()")
    nb.run(0)
    nb.run(1)
    (bundle,) = nb.bundles(1)
    assert set(bundle) == {"text/html", "text/markdown", "text/plain"}
    assert "some <em>more</em>" in bundle["text/html"]
    assert "some *more*" in bundle["text/markdown"]
    assert all("Retried once, after 0.2 s: anthropic is overloaded" in text and "bold" not in text for text in bundle.values())
    assert "widgets" not in nb.save()["metadata"]
    assert nb.execute("from ipywidgets.widgets import widget; print(len(widget._instances))") == "0"


def test_a_kernel_that_dies_in_the_middle_leaves_what_was_said_readable(notebook: Callable[..., Any]) -> None:
    nb = notebook(
        SCRIPT,
        "from chatkit.display.outputs import FallbackSchedule\nfrom chatkit.display.view import LiveTurn\nt = Script.__new__(Script)\n"
        "t.display = LiveTurn(Pressed(), model='demo', prompt='Why?', schedule=FallbackSchedule(first=0, pause=0))\n"
        "t.attempt, t.seq, t.texts = 1, 0, []; t.say('What was said ')",
    )
    nb.run(0)
    nb.run(1)
    view = nb.output(1).locator(".chatkit")
    view.get_by_text("What was said").wait_for()
    nb.execute("t.say('so far, **in bold**, and then some more of it.')")
    beside = nb.output(1).locator(".chatkit-beside")
    beside.get_by_text("so far, in bold").wait_for(state="attached")
    assert beside.is_hidden()  # the view shows the same
    nb.kill_kernel()
    nb.output(1).get_by_text("The kernel is gone. The text stays here").first.wait_for()
    assert "so far, in bold" in view.inner_text()
    assert nb.output(1).get_by_role("button").count() == 0
    nb.save()
    nb.shut_down_kernel()
    nb.open_without_models()
    nb.output(1).get_by_text("was still being written").wait_for()
    assert "so far, in bold" in nb.output(1).inner_text()


def test_hostile_text_stays_text_while_it_streams_when_it_is_frozen_and_when_it_is_opened_again(notebook: Callable[..., Any]) -> None:
    nb = notebook(
        SCRIPT,
        f"HOSTILE = {HOSTILE!r}\n"
        "t = Script(prompt=HOSTILE, model=HOSTILE); t.part(Reasoning(text=HOSTILE, title=HOSTILE), 0); t.part(Text(text=HOSTILE), 1)\n"
        "t.part(Source(url='javascript:alert(1)', title=HOSTILE), 2); t.part(Source(url='https://example.org/', title=HOSTILE), 3)\n"
        "t.part(ToolCall(tool_call_id='1', tool_name=HOSTILE, args={HOSTILE: HOSTILE}), 4)",
        "t = Script(prompt=HOSTILE, model=HOSTILE); t.fail(60, error=HOSTILE)",
    )
    nb.run(0)
    nb.run(1)
    text = nb.output(1).locator(".ck-body > .ck-page > .ck-block").first
    text.wait_for()
    assert "<script>alert('script')</script>" in text.inner_text()
    assert nb.page.evaluate(ACTIVE) == []
    nb.execute("t.display.close()")
    nb.output(1).locator(".chatkit-reply").wait_for()
    nb.run(2)
    nb.output(2).locator(".ck-waiting").wait_for()
    assert nb.page.evaluate(ACTIVE) == []
    nb.execute("t.error(HOSTILE, detail=HOSTILE); t.display.close()")
    nb.output(2).locator(".chatkit-reply").wait_for()
    assert nb.page.evaluate(ACTIVE) == []
    assert "\u202e" not in nb.output(1).inner_text() + nb.output(2).inner_text()
    for trusted, leave in ((True, nb.save), (False, nb.change_on_disk)):
        leave()
        nb.open()
        nb.output(1).locator(".chatkit-reply").wait_for()
        assert "<script>alert('script')</script>" in nb.output(1).inner_text()
        assert nb.page.evaluate("() => window.panel.content.widgets[1].model.trusted") is trusted
        assert nb.page.evaluate(ACTIVE) == []


def test_static_output_keeps_its_looks_in_a_notebook_that_is_not_trusted(notebook: Callable[..., Any]) -> None:
    nb = notebook(
        SCRIPT,
        "t = Script(); t.say('`code`\\n\\n| a | b |\\n|---|---|\\n| c | d |'); t.end(); t = Script(); t.error('openai refused the key', kind='auth')\n"
        "t.display.close()",
    )
    nb.run(0)
    nb.run(1)
    nb.change_on_disk()
    nb.open()
    nb.output(1).get_by_text("openai refused the key").wait_for()
    look = "() => ['code', 'td', 'th', '> div', '[style*=border-left]'].map((s) => { const style = getComputedStyle(document.querySelector("
    look += "`.jp-OutputArea .chatkit-reply ${s}`)); return [style.backgroundColor, style.borderTopWidth, style.borderLeftWidth, style.opacity]; })"
    assert nb.page.evaluate("() => window.panel.content.widgets[1].model.trusted") is False
    assert nb.page.evaluate(look) == [
        ["rgba(136, 136, 136, 0.133)", "0px", "0px", "1"],
        ["rgba(0, 0, 0, 0)", "1px", "1px", "1"],
        ["rgba(136, 136, 136, 0.133)", "1px", "1px", "1"],
        ["rgba(0, 0, 0, 0)", "0px", "0px", "0.8"],
        ["rgba(216, 67, 21, 0.08)", "0px", "3px", "1"],
    ]


def test_a_burst_that_comes_before_the_view_loses_nothing(notebook: Callable[..., Any]) -> None:
    nb = notebook(
        SCRIPT,
        "t = Script(); words = [f'w{i:04} ' for i in range(5000)]\nfor w in words: t.say(w)\nt.pressed.stopped.wait(20); t.end()",
    )
    nb.run(0)
    nb.run(1, wait=False)
    nb.output(1).get_by_text("w4999").wait_for()
    assert nb.output(1).locator(".ck-body").inner_text().split() == [f"w{i:04}" for i in range(5000)]
    nb.output(1).get_by_role("button", name="Stop").click()
    nb.output(1).locator(".chatkit-reply").wait_for()


def test_a_view_that_mounts_late_shows_what_an_early_one_shows(notebook: Callable[..., Any]) -> None:
    nb = notebook(
        SCRIPT,
        "t = Script(); t.part(Reasoning(text='Let me think.', title='Thinking'), 0); t.part(Text(text='naïve 🙂 wo'), 1)\n"
        "t.part(Text(text='rds 🙂'), 1); t.part(Source(url='https://example.org/docs', title='Docs'), 2)",
        "display(t.display.widget)",
    )
    nb.run(0)
    nb.run(1)
    early = nb.output(1).locator(".ck-body")
    early.get_by_text("Docs").wait_for()
    nb.run(2)
    late = nb.output(2).locator(".ck-body")
    late.get_by_text("Docs").wait_for()
    assert late.inner_html() == early.inner_html()
    assert early.locator(":scope > .ck-page > .ck-block").first.inner_text() == "naïve 🙂 words 🙂"
    nb.execute("t.display.close()")


def test_the_page_can_be_loaded_again_in_the_middle(notebook: Callable[..., Any]) -> None:
    nb = notebook(SCRIPT, "t = Script(); t.say('kept in the kernel')")
    nb.run(0)
    nb.run(1)
    nb.output(1).get_by_text("kept in the kernel").wait_for()
    nb.save()
    nb.open()
    nb.output(1).locator(".ck-body").get_by_text("kept in the kernel").wait_for()
    nb.execute("t.fail(30, attempt=2)")
    nb.output(1).locator(".ck-waiting").wait_for()
    nb.save()
    nb.open()
    nb.output(1).locator(".ck-waiting").wait_for()
    assert 20 < int(WAIT.search(nb.output(1).inner_text())[1]) <= 30
    nb.execute("t.say('and the end'); t.end()")
    # the static output can't find its way to a page that was loaded since: the view stays, without its buttons
    nb.output(1).get_by_text("Retried once, after 30 s: anthropic is overloaded").wait_for()
    assert "and the end" in nb.output(1).inner_text()
    assert nb.output(1).get_by_role("button").all_inner_texts() == ["Copy"]  # nothing to stop or to hurry


def test_retry_counts_down_in_its_own_cell_and_leaves_one_line(notebook: Callable[..., Any]) -> None:
    nb = notebook(
        SCRIPT,
        "p = Pressed(); d = open_retry_display(p, name='load_table')\n"
        "d.apply(Retry(attempt=1, delay_ms=30000, retrying_at=datetime.now(UTC), error='the server reset the connection'))\n"
        "print(p.woken.wait(15)); d.close()",
    )
    nb.run(0)
    nb.run(1, wait=False)
    nb.output(1).get_by_text("(attempt 1 failed: the server reset the connection)", exact=True).wait_for()
    assert WAIT.search(nb.output(1).inner_text())
    nb.output(1).get_by_role("button", name="Retry now").click()
    nb.output(1).get_by_text("load_table: Retried once, after 30 s: the server reset the connection").wait_for()
    assert set(nb.bundles(1)[0]) == {"text/html", "text/markdown", "text/plain"}
