"""The display for those who don't see it, don't use a mouse, or don't want things to move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.looks import same_place
from tests.browser.scripted import SCRIPT

pytestmark = pytest.mark.browser


def test_a_screen_reader_hears_coarse_events_alone(notebook: Callable[..., Any]) -> None:
    nb = notebook(SCRIPT, "t = Script(); t.say('word ')")
    nb.run(0)
    nb.page.evaluate("""() => {
      window.said = [];
      new MutationObserver(() => {
        const text = document.querySelector('[role=status].ck-news')?.textContent;
        if (text && text !== window.said.at(-1)) window.said.push(text);
      }).observe(document.querySelector('.jp-Notebook'), { childList: true, subtree: true, characterData: true });
    }""")
    nb.run(1)
    nb.output(1).get_by_text("word").wait_for()
    nb.execute("t.fail(2.5)")
    nb.output(1).locator(".ck-waiting").wait_for()
    assert nb.output(1).locator(".ck-wait").get_attribute("aria-hidden") == "true"
    body = nb.output(1).locator(".ck-body")
    assert body.get_attribute("aria-busy") == "true"
    assert body.locator("[aria-live], [role=status], [role=log]").count() == 0
    nb.execute("t.say('word ')")
    nb.output(1).get_by_text("word").wait_for()
    nb.execute("t.end()")
    nb.output(1).locator(".chatkit-reply").wait_for()
    assert nb.page.evaluate("() => window.said") == [
        "demo is answering.",
        "Retrying in 3 seconds (attempt 1 failed: anthropic is overloaded)",
        "The reply continues.",
        "The reply is complete.",
    ]


def test_the_focus_is_never_lost(notebook: Callable[..., Any]) -> None:
    nb = notebook(SCRIPT, "t = Script(); t.say('one')")
    nb.run(0)
    nb.run(1)
    focused = "() => document.activeElement.textContent"
    stop = nb.output(1).get_by_role("button", name="Stop")
    stop.focus()
    nb.execute("t.fail(60)")
    retry = nb.output(1).get_by_role("button", name="Retry now")
    retry.wait_for()
    assert nb.page.evaluate(focused) == "Stop"
    nb.page.keyboard.press("Shift+Tab")
    assert nb.page.evaluate(focused) == "Retry now"
    nb.page.keyboard.press("Enter")
    assert nb.execute("print(t.pressed.woken.wait(5)); t.say('two')") == "True"
    retry.wait_for(state="hidden")
    assert nb.page.evaluate(focused) == "Stop"  # the wait is over, and its button with it
    nb.page.keyboard.press("Space")
    assert nb.execute("print(t.pressed.stopped.wait(5)); t.end()") == "True"
    nb.output(1).locator(".chatkit-reply").wait_for()
    assert nb.page.evaluate("() => Boolean(document.activeElement.closest('.jp-Notebook'))")


def test_nothing_moves_for_those_who_asked_for_it(notebook: Callable[..., Any]) -> None:
    nb = notebook(SCRIPT, "t = Script()")
    nb.page.emulate_media(reduced_motion="reduce")
    nb.run(0)
    nb.run(1)
    dot = nb.output(1).locator(".ck-dots span").first
    dot.wait_for()
    assert dot.evaluate("(el) => getComputedStyle(el).animationName") == "none"
    nb.execute("t.display.close()")


def test_nothing_below_jumps_when_a_callout_comes_or_goes(notebook: Callable[..., Any]) -> None:
    nb = notebook(SCRIPT, "t = Script(); t.say('one\\n' * 6)", "'below'")
    nb.run(0)
    nb.run(1)
    nb.page.wait_for_function("() => document.querySelector('.ck-body')?.textContent.trim().length === 23")
    top = nb.page.evaluate("() => document.querySelectorAll('.jp-CodeCell')[2].getBoundingClientRect().top")
    nb.page.evaluate("""() => {
      window.tops = new Set();
      const look = () => { window.tops.add(document.querySelectorAll('.jp-CodeCell')[2].getBoundingClientRect().top); requestAnimationFrame(look); };
      look();
    }""")
    nb.execute("t.fail(1)")
    nb.output(1).locator(".ck-waiting").wait_for()
    nb.execute("t.say('one\\n')")
    nb.output(1).locator(".ck-waiting").wait_for(state="detached")
    nb.execute("t.say('one\\n' * 5)")
    nb.page.wait_for_function("() => document.querySelector('.ck-body')?.textContent.trim().length === 23")
    assert all(seen == same_place(top) for seen in nb.page.evaluate("() => [...window.tops]"))
    nb.execute("t.end()")
    nb.output(1).locator(".chatkit-reply").wait_for()
