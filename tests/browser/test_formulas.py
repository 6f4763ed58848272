"""Formulas in the living view in JupyterLab, which typesets them; a model wrote them, and may mean harm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.looks import ACTIVE
from tests.browser.scripted import SCRIPT

pytestmark = pytest.mark.browser

FORMULAS = ".chatkit mjx-container"
HOSTILE = [
    r"\def\x{\x}\x", r"\def\x{\x\x}\x", r"\newcommand{\x}{\y}\newcommand{\y}{\x\x}\x", r"\let\sum\int", r"\renewcommand{\frac}[2]{evil}", r"\gdef\y{evil}",
    r"\href{javascript:alert(1)}{x}", r"\class{ck-button}{x}", r"\cssId{chatkit}{x}", r"\style{position:fixed;inset:0}{x}", r"\unicode{60}",
    r"\mmlToken{mi}[onclick=alert(1)]{x}", r"\bbox[position:fixed;inset:0;background:url(https://evil.example/p)]{x}",
    r"\color{red;background:url(https://evil.example/p)}x", r"\require{html}\href{javascript:alert(1)}{x}", r"\data{a=b}{x}",
    r"\text{<img src=x onerror=alert(1)>}", "{" * 300 + "x" + "}" * 300, "x^{" * 200 + "y" + "}" * 200, r"\rule{500em}{500em}", r"\kern-500em x",
    r"\verb|<script>alert(1)</script>|", r"\begin{array}{" + "c" * 400 + "}" + "x&" * 400 + r"\end{array}", r"\left(" * 200 + "x",
]  # fmt: skip

ACTS = """(formulas) => [...document.querySelectorAll(`${formulas}, ${formulas} *`)]
  .filter((el) => el.matches('a, script, img, iframe') || el.id || [...el.attributes].some(({ name }) => name.startsWith('on'))
    || /url|position: *fixed/.test(el.getAttribute('style') ?? '')).map((el) => el.outerHTML.slice(0, 200))"""


def test_a_formula_is_typeset_once_while_the_reply_streams(notebook: Callable[..., Any]) -> None:
    nb = notebook(SCRIPT, "t = Script()")
    nb.run(0)
    nb.run(1)
    nb.execute(r"t.say('The root \\(\\sqrt{x')")
    nb.output(1).get_by_text("The root").first.wait_for()
    assert "sqrt" not in nb.output(1).locator(".ck-body").inner_text()
    nb.execute(r"t.say('}\\) of $y$ and\n\n$$\\sum_i i^2$$\n\nmore')")
    nb.page.locator(FORMULAS).nth(2).wait_for()
    nb.page.evaluate("(s) => document.querySelectorAll(s).forEach((e, i) => { e.seen = i; })", FORMULAS)
    nb.execute("t.say(' words *that*')")
    nb.output(1).get_by_text("words that").wait_for()
    assert nb.page.evaluate("(s) => [...document.querySelectorAll(s)].map((e) => e.seen)", FORMULAS) == [0, 1, 2]
    nb.execute("t.end()")
    nb.output(1).locator(".chatkit-reply mjx-container").nth(2).wait_for()


def test_hostile_formulas_do_nothing_and_leave_the_page_alive(notebook: Callable[..., Any]) -> None:
    nb = notebook(SCRIPT, "t = Script()")
    nb.run(0)
    nb.run(1)
    for source in HOSTILE:
        nb.execute(f"t.say('Before. ' + {f'${source}$' if len(source) < 400 else f'$${source}$$'!r} + chr(10) * 2)")
    nb.execute(r"t.say('$\\sum_i \\frac{1}{2}$ the end')")
    nb.output(1).get_by_text("the end").wait_for()
    last = nb.page.locator(FORMULAS).last
    last.locator("mjx-mfrac").wait_for()  # a definition would have changed it
    nb.output(1).get_by_role("button", name="Stop").click()
    assert nb.execute("print(t.pressed.stopped.wait(10))") == "True"
    assert nb.page.evaluate(ACTIVE) == []
    assert nb.page.evaluate(ACTS, FORMULAS) == []
