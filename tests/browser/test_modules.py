"""The ES modules by themselves: a plain model, a page with nothing in it, and a clock that stands still."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest

from chatkit.display.modules import module_text

pytestmark = pytest.mark.browser

SETUP = """async ([view, callout]) => {
  const load = (text) => import(URL.createObjectURL(new Blob([text], { type: 'text/javascript' })));
  window.Model = class {
    constructor(snap) { this.values = { snap }; this.heard = {}; this.sent = []; }
    get(name) { return this.values[name]; }
    set(name, value) { this.values[name] = value; this.tell(`change:${name}`); }
    on(name, act) { (this.heard[name] ??= []).push(act); }
    off(name, act) { this.heard[name] = this.heard[name].filter((a) => a !== act); }
    send(message) { this.sent.push(message); }
    tell(name, ...about) { for (const act of [...(this.heard[name] ?? [])]) act(...about); }
    get listeners() { return Object.values(this.heard).flat().length; }
  };
  window.start = (facts = {}) => {
    window.model = new Model({ r: 0, label: 'demo', doing: 'writing…', news: '', over: false, retry: null, blocks: [], ...facts });
    view.default.initialize({ model });
  };
  window.mount = () => {
    const el = document.body.appendChild(document.createElement('div'));
    return { el, remove: view.default.render({ model, el }) };
  };
  window.hear = (message) => model.tell('msg:custom', message);
  window.callout = await load(callout);
  view = await load(view);
}"""
WAIT = "{ r: 1, set: { retry: { left: 3500, why: '(attempt 3 failed: anthropic is overloaded)' } } }"


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    page = chromium.new_page()
    page.clock.install()
    page.goto("about:blank")
    callout = (files("chatkit.display") / "static" / "callout.js").read_text("utf-8")
    page.evaluate(SETUP, [module_text("chat_view.js"), callout])
    yield page
    page.close()


@pytest.mark.parametrize(
    ("message", "blocks"),
    [
        ("{ r: 6, add: [[0, 3, 'lo']] }", ["Hello", "b"]),
        ("{ r: 6, cut: 1, put: [[1, { k: 'text', t: 'new' }]], add: [[0, 3, '!']] }", ["Hel!", "new"]),
        ("{ r: 6, cut: 0 }", []),
        ("{ r: 6, set: { doing: 'x' } }", ["Hel", "b"]),
        ("{ r: 5, cut: 0 }", ["Hel", "b"]),
        ("{ r: 7, cut: 0 }", None),
        ("{ r: 6, add: [[0, 4, 'lo']] }", None),
        ("{ r: 6, add: [[7, 0, 'lo']] }", None),
    ],
    ids=["append", "replace", "withdraw", "facts", "known", "gap", "wrong offset", "no such block"],
)
def test_a_message_changes_the_state_and_a_gap_is_noticed(page: Any, message: str, blocks: list[str] | None) -> None:
    state = "{ r: 5, blocks: [{ k: 'text', t: 'Hel' }, { k: 'text', t: 'b' }] }"
    assert page.evaluate(f"() => callout.reduce({state}, {message})?.blocks.map((b) => b.t) ?? null") == blocks


def test_a_gap_asks_once_and_the_whole_state_heals_it(page: Any) -> None:
    page.evaluate(
        "() => { start(); hear({ r: 1, put: [[0, { k: 'text', t: 'a' }]] }); for (const r of [3, 4, 5]) hear({ r, add: [[0, 1, 'x']] }); }"
    )
    assert page.evaluate("() => model.sent") == [{"do": "resync"}]
    page.evaluate("() => model.set('snap', { ...model.get('snap'), r: 5, blocks: [{ k: 'text', t: 'axxx' }] })")
    page.evaluate("() => hear({ r: 6, add: [[0, 4, 'y']] })")
    assert page.evaluate("() => model.get('snap').blocks[0].t") == "axxxy"
    assert page.evaluate("() => model.sent.length") == 1


def test_a_view_that_mounts_after_the_messages_shows_all_of_them(page: Any) -> None:
    page.evaluate("() => { start(); hear({ r: 1, put: [[0, { k: 'text', t: 'Hel' }]] }); hear({ r: 2, add: [[0, 3, 'lo']] }); mount(); }")
    assert page.locator(".ck-text").text_content() == "Hello"
    page.evaluate("() => hear({ r: 3, add: [[0, 5, ' you']] })")
    assert page.locator(".ck-text").text_content() == "Hello you"


def test_the_countdown_is_rounded_up_ticks_every_second_and_says_now_at_its_end(page: Any) -> None:
    page.evaluate(f"() => {{ start(); mount(); hear({WAIT}); }}")
    seen = []
    for _ in range(6):
        seen.append(page.locator(".ck-wait").inner_text())
        page.clock.run_for(750)
    rest = "(attempt 3 failed: anthropic is overloaded)"
    assert seen == [f"Retrying {when}… {rest}" for when in ("in 4s", "in 3s", "in 2s", "in 2s", "in 1s", "now")]
    assert page.locator(".ck-retry").get_attribute("aria-disabled") == "true"


def test_a_view_that_mounts_in_the_wait_counts_what_is_left_of_it(page: Any) -> None:
    page.evaluate(f"() => {{ start(); hear({WAIT}); }}")
    page.clock.run_for(2000)
    page.evaluate("() => mount()")
    assert page.locator(".ck-when").inner_text() == "in 2s"


def test_the_countdown_goes_with_the_next_part(page: Any) -> None:
    page.evaluate(
        f"() => {{ start(); mount(); hear({WAIT}); hear({{ r: 2, set: {{ retry: null }}, put: [[0, {{ k: 'text', t: 'Hi' }}]] }}); }}"
    )
    assert page.locator(".ck-wait").is_hidden()
    assert page.locator(".ck-retry").is_hidden()
    assert page.locator(".ck-stop").is_visible()
    assert page.locator(".chatkit").inner_text().split("\n")[-1] == "Hi"


def test_a_click_that_is_not_answered_within_a_second_says_how_to_stop(page: Any) -> None:
    page.evaluate("() => { start(); mount(); }")
    page.locator(".ck-stop").click()
    assert page.evaluate("() => model.sent") == [{"do": "stop"}]
    assert page.locator(".ck-doing").inner_text() == "stopping…"
    page.clock.run_for(900)
    assert page.locator(".ck-hint").is_hidden()
    page.clock.run_for(200)
    assert page.locator(".ck-hint").inner_text() == "the kernel is busy: interrupt it (■) to stop"
    page.locator(".ck-stop").click(force=True)
    assert page.evaluate("() => model.sent.length") == 1  # once is enough
    page.evaluate("() => hear({ ack: 'stop' })")
    assert page.locator(".ck-hint").is_hidden()


def test_a_click_that_is_answered_says_nothing_more(page: Any) -> None:
    page.evaluate(f"() => {{ start(); mount(); hear({WAIT}); }}")
    page.locator(".ck-retry").click()
    page.evaluate("() => hear({ ack: 'retry' })")
    page.clock.run_for(5000)
    assert page.evaluate("() => model.sent") == [{"do": "retry"}]
    assert page.locator(".ck-hint").is_hidden()
    assert page.locator(".ck-when").inner_text() == "now"
    page.evaluate("() => hear({ r: 2, set: { retry: { left: 8000, why: '(attempt 4 failed: x)' } } })")
    assert page.locator(".ck-when").inner_text() == "in 8s"
    assert page.locator(".ck-retry").get_attribute("aria-disabled") == "false"


def test_a_long_text_is_kept_in_several_elements_and_reads_the_same(page: Any) -> None:
    lines = "".join(f"line {n}\n" + "\n" * (n % 3) for n in range(2000))
    page.evaluate("() => { start(); mount(); hear({ r: 1, put: [[0, { k: 'text', t: '' }]] }); }")
    page.evaluate(
        "(text) => { for (let i = 0, r = 2; i < text.length; i += 97) hear({ r: r++, add: [[0, i, text.slice(i, i + 97)]] }); }", lines
    )
    assert page.locator(".ck-text").text_content() == lines
    assert 3 < page.locator(".ck-page").count() < 10


def test_a_view_that_is_taken_down_leaves_no_listener_and_no_timer(page: Any) -> None:
    page.evaluate(
        f"() => {{ start(); window.before = model.listeners; window.view = mount(); hear({WAIT}); view.remove(); view.el.remove(); }}"
    )
    assert page.evaluate("() => model.listeners === before")
    text = page.evaluate("() => view.el.textContent")
    page.clock.run_for(5000)
    assert page.evaluate("() => view.el.textContent") == text


def test_text_that_looks_like_html_is_text_in_every_place(page: Any) -> None:
    evil = "<img src=x onerror=alert(1)>"
    page.evaluate(
        """(evil) => {
          start({ label: evil, doing: evil, news: evil });
          mount();
          hear({ r: 1, put: [[0, { k: 'text', t: evil }], [1, { k: 'reasoning', t: evil, title: evil }], [2, { k: 'line', t: evil }],
            [3, { k: 'source', t: evil, url: 'https://example.org/' }]] });
          hear({ r: 2, set: { retry: { left: 9000, why: evil } } });
        }""",
        evil,
    )
    assert page.locator("img").count() == 0
    assert page.locator("body").text_content().count(evil) == 9
