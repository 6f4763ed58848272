"""The display for those who don't see it, don't use a mouse, or don't want things to move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.scripted import SCRIPT

pytestmark = pytest.mark.browser

CONTRAST = """(el) => {
  const channels = (c) => c.match(/[\\d.]+/g).map(Number);
  const over = ([r, g, b, a = 1], under) => [r, g, b].map((c, i) => c * a + under[i] * (1 - a));
  const chain = [];
  for (let e = el; e; e = e.parentElement) chain.unshift(getComputedStyle(e));
  let ground = [255, 255, 255];
  let opacity = 1;
  for (const style of chain) { ground = over(channels(style.backgroundColor), ground); opacity *= Number(style.opacity); }
  const [r, g, b, a = 1] = channels(getComputedStyle(el).color);
  const light = (rgb) => rgb.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0.05);
  const [low, high] = [light(ground), light(over([r, g, b, a * opacity], ground))].sort((x, y) => x - y);
  return high / low;
}"""


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
        "The reply goes on.",
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


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_text_has_contrast_enough_in_both_themes(notebook: Callable[..., Any], theme: str) -> None:
    nb = notebook(
        SCRIPT,
        "t = Script(); t.part(Reasoning(text='hm'), 0); t.part(ToolCall(tool_call_id='1', tool_name='f'), 1); t.part(Text(text='x'), 2)",
        "t.fail(60)",
        "t.error('openai refused the key', kind='auth', detail='No.'); t.display.close()",
        theme=theme,
    )
    nb.run(0)
    nb.run(1)

    def contrast(*selectors: str) -> dict[str, float]:
        return {s: nb.output(1).locator(s).first.evaluate(CONTRAST) for s in selectors}

    nb.output(1).locator(".ck-text").wait_for()
    found = contrast(".ck-label", ".ck-doing", ".ck-text", ".ck-line", ".ck-reasoning summary", ".ck-stop")
    nb.run(2)
    nb.output(1).locator(".ck-waiting").wait_for()
    found |= contrast(".ck-wait", ".ck-when", ".ck-retry")
    nb.run(3)
    nb.output(1).locator(".chatkit-reply").wait_for()
    found |= contrast(".chatkit-reply > div:nth-child(1)", ".chatkit-reply strong", ".chatkit-reply summary")
    assert {s: round(c, 1) for s, c in found.items() if c < 4.5} == {}


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
    nb.page.wait_for_function("() => document.querySelector('.ck-text')?.textContent.length === 24")
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
    nb.page.wait_for_function("() => document.querySelector('.ck-text')?.textContent.length === 24")
    assert nb.page.evaluate("() => [...window.tops]") == [top]
    nb.execute("t.end()")
    nb.output(1).locator(".chatkit-reply").wait_for()
