"""The views on a page of their own, with no kernel: what only a browser can tell of them, which lays out, paints and scrolls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chatkit.display.widget import module_text
from tests.browser.looks import PALE, same_place

pytestmark = pytest.mark.browser

THEMES = {
    "light": ("#fff", "rgba(0, 0, 0, 0.87)", "#fff", "#e0e0e0"),
    "dark": ("#111", "#fff", "#212121", "#424242"),
}
SETUP = """async (texts) => {
  const load = async (text) => (await import(URL.createObjectURL(new Blob([text], { type: 'text/javascript' })))).default;
  const views = { turn: await load(texts.turn), chat: await load(texts.chat) };
  class Model {
    constructor(snap) { this.values = { snap }; this.acts = {}; this.sent = []; }
    get(name) { return this.values[name]; }
    set(name, value) { this.values[name] = value; this.tell(`change:${name}`); }
    on(name, act) { (this.acts[name] ??= []).push(act); }
    off(name, act) { this.acts[name] = this.acts[name].filter((a) => a !== act); }
    send(message) { this.sent.push(message); }
    tell(name, ...about) { for (const act of [...(this.acts[name] ?? [])]) act(...about); }
  }
  const FACTS = { label: 'demo', doing: 'writing…', news: '', over: false, retry: null, waiting: null, error: null, title: '', status: '',
    context: null, queue: [], commands: ['stop', 'retry', 'send', 'queue', 'promote', 'edit', 'delete', 'again'], blocked: '', last: null };
  const byKernel = ({ retry, waiting, ...facts }) => ({
    ...facts,
    ...(retry !== undefined && { retry: retry && { until: 1 + retry.left, ...retry } }),
    ...(waiting !== undefined && { waiting: waiting && { since: 1 - waiting.age } }),
  });
  window.open = (kind, facts = {}) => {
    window.kind = kind;
    window.model = new Model({ ...FACTS, r: 0, blocks: [], now: 1, ...byKernel(facts) });
    views[kind].initialize({ model });
    mount();
  };
  window.mount = () => {
    window.el = document.body.insertBefore(document.createElement('div'), document.querySelector('#below'));
    window.unmount = views[kind].render({ model, el });
  };
  window.hear = ({ set, ...message }) =>
    model.tell('msg:custom', { r: model.get('snap').r + 1, now: 1, ...(set && { set: byKernel(set) }), ...message });
  window.lines = (from, to) => Array.from({ length: to - from }, (_, i) => [from + i, { k: 'html', t: `<p>line ${from + i}</p>` }]);
  window.drawn = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
}"""
RETRY = {
    "left": 60_000,
    "why": "(attempt 3 failed: anthropic is overloaded)",
    "about": "The provider is overloaded · anthropic · HTTP 529",
    "detail": "Overloaded: please try again later.",
    "detail_title": "What the provider said",
}
BLOCKS = [
    {"k": "user", "t": ""},
    {"k": "html", "d": 1, "t": '<p class="chatkit-asked" dir="auto">Why do clients back off?</p>'},
    {"k": "fold", "t": "Thinking"},
    {"k": "html", "d": 1, "t": "<p>First of all…</p>"},
    {"k": "html", "t": "<h2>Why</h2><p>So that a <a href='https://example.org/'>server</a> recovers.</p>"},
    {"k": "html", "t": f"<pre><code>{'long ' * 60}</code></pre>"},
    {"k": "html", "t": "<p class='chatkit-note'>Cut off: the limit on output tokens was reached.</p>"},
    {"k": "html", "t": "<p>שלום עולם</p>"},
]
FULL: dict[str, Any] = {
    "blocks": BLOCKS,
    "title": "Why clients back off, and what a server is to do that wants them to come back",
    "status": "answering",
    "context": {"percent": 88, "words": "176,000 of 200,000 tokens"},
    "queue": [{"id": i, "text": f"message {i} " * 20, "model": "gpt-5" if i % 2 else ""} for i in range(12)],
    "blocked": "",
}
FAILED: dict[str, Any] = {
    "over": True,
    "doing": "",
    "error": {"title": "openai refused the key (HTTP 401)", "advice": "Check the key.", "about": "The key was refused", "detail": "No."},
}


@pytest.fixture
def page(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens an empty page of a width and theme. At the end nothing may have been said on its console."""
    wrong: list[str] = []
    pages = []

    def make(width: int = 700, theme: str = "light") -> Any:
        made = chromium.new_page(viewport={"width": width, "height": 700})
        pages.append(made)
        made.on("console", lambda m: wrong.append(m.text))
        made.on("pageerror", lambda e: wrong.append(str(e)))
        ground, text, raised, line = THEMES[theme]
        variables = f"--jp-layout-color0:{ground};--jp-content-font-color1:{text};--jp-layout-color1:{raised};--jp-border-color2:{line}"
        style = f"body {{ {variables}; background: {ground}; color: {text}; margin: 8px }}"
        made.set_content(f"<!doctype html><style>{style}</style><body><p id='below'>below</p>")
        made.evaluate(SETUP, {"turn": module_text("turn_view.js"), "chat": module_text("chat_view.js")})
        return made

    yield make
    for made in pages:
        made.close()
    assert wrong == []


def test_a_page_unpacks_a_module_once_for_all_its_views(page: Callable[..., Any]) -> None:
    load = "async (text) => (await import(URL.createObjectURL(new Blob([text], { type: 'text/javascript' })))).default"
    same = f"async (texts) => {{ const load = {load}; return (await load(texts[0])) === (await load(texts[1])); }}"
    turn, chat = module_text("turn_view.js"), module_text("chat_view.js")
    assert page().evaluate(same, [turn, turn]) is True
    assert page().evaluate(same, [turn, chat]) is False


POSITION = "() => { const s = document.querySelector('.ck-scroller'); return [s.scrollTop, s.scrollHeight - s.clientHeight]; }"


def wait_for_the_end(page: Any) -> None:
    """Until the end of the conversation is in sight: pages that come into sight are laid out first, and a frame each is theirs."""
    page.evaluate("async () => { await drawn(); await drawn(); }")
    page.wait_for_function(f"() => {{ const [top, end] = ({POSITION})(); return end > 0 && Math.abs(end - top) < 2; }}")


def test_the_view_follows_the_end_only_while_the_reader_is_there(page: Callable[..., Any]) -> None:
    p = page()
    p.evaluate("() => { open('chat'); hear({ put: lines(0, 60) }); }")
    wait_for_the_end(p)
    p.evaluate("() => hear({ put: lines(60, 90) })")
    wait_for_the_end(p)
    latest = p.get_by_role("button", name="↓ Latest")
    assert latest.is_hidden()
    p.locator(".ck-scroller").hover()
    p.mouse.wheel(0, -600)
    latest.wait_for()
    before = p.evaluate(POSITION)
    p.evaluate("async () => { hear({ put: lines(90, 120) }); await drawn(); await drawn(); }")
    after = p.evaluate(POSITION)
    assert after[0] == same_place(before[0])
    assert after[1] > before[1] + 300
    latest.click()
    wait_for_the_end(p)
    assert latest.is_hidden()
    assert p.evaluate("() => document.activeElement.className") == "ck-scroller"
    p.evaluate("() => hear({ put: lines(120, 150) })")
    wait_for_the_end(p)


def read_from_the_beginning(page: Any) -> None:
    """A conversation whose reader has pressed Home at its end, and is there."""
    page.evaluate("() => { open('chat'); hear({ put: lines(0, 90) }); }")
    wait_for_the_end(page)
    page.locator(".ck-scroller").focus()
    page.keyboard.press("Home")
    page.wait_for_function("() => document.querySelector('.ck-scroller').scrollTop === 0")


def test_the_conversation_scrolls_by_keyboard(page: Callable[..., Any]) -> None:
    p = page()
    read_from_the_beginning(p)
    assert p.get_by_role("button", name="↓ Latest").is_visible()
    p.keyboard.press("End")
    p.get_by_role("button", name="↓ Latest").wait_for(state="hidden")


@pytest.mark.parametrize("way", ["key", "button"])
def test_a_scrolling_that_is_under_way_does_not_keep_the_reader_from_the_end(page: Callable[..., Any], way: str) -> None:
    p = page()
    read_from_the_beginning(p)
    p.evaluate(
        """async (way) => {
      const scroller = document.querySelector('.ck-scroller');
      if (way === 'key') scroller.dispatchEvent(new KeyboardEvent('keydown', { key: 'End', bubbles: true, cancelable: true }));
      else document.querySelector('.ck-latest').click();
      for (let frame = 0; frame < 2; frame += 1) {
        scroller.scrollTop -= 300;
        await new Promise(requestAnimationFrame);
      }
    }""",
        way,
    )
    wait_for_the_end(p)
    assert p.get_by_role("button", name="↓ Latest").is_hidden()
    p.evaluate(
        "async () => { for (let frame = 0; frame < 9; frame += 1) await drawn(); document.querySelector('.ck-scroller').scrollTop -= 300; }"
    )
    p.get_by_role("button", name="↓ Latest").wait_for()  # later it is the reader, or a search in the page


def test_the_place_of_the_reader_outlives_the_view(page: Callable[..., Any]) -> None:
    p = page()
    p.evaluate("() => { open('chat'); hear({ put: lines(0, 300) }); }")
    wait_for_the_end(p)
    p.evaluate("async () => { document.querySelector('.ck-scroller').scrollTop = 1234; await drawn(); unmount(); el.remove(); mount(); }")
    p.wait_for_function("() => document.querySelector('.ck-scroller').scrollTop === 1234")
    p.evaluate("async () => { document.querySelector('.ck-latest').click(); await drawn(); unmount(); el.remove(); mount(); }")
    wait_for_the_end(p)


def test_a_fold_that_is_opened_at_the_end_stays_in_sight(page: Callable[..., Any]) -> None:
    p = page()
    inside = "Array.from({ length: 40 }, (_, i) => [61 + i, { k: 'html', d: 1, t: `<p>thought ${i}</p>` }])"
    p.evaluate(f"() => {{ open('chat'); hear({{ put: [...lines(0, 60), [60, {{ k: 'fold', t: 'Thinking' }}], ...{inside}] }}); }}")
    wait_for_the_end(p)
    top = p.locator("summary", has_text="Thinking").bounding_box()["y"]
    p.locator("summary", has_text="Thinking").click()
    p.get_by_text("thought 3", exact=True).wait_for()
    p.evaluate("async () => { await drawn(); await drawn(); }")
    assert p.locator("summary", has_text="Thinking").bounding_box()["y"] == same_place(top)


def test_what_is_out_of_sight_is_found_by_a_search_in_the_page(page: Callable[..., Any]) -> None:
    p = page()
    p.evaluate("() => { open('chat'); hear({ put: lines(0, 2000) }); }")
    p.wait_for_function("() => document.querySelectorAll('.ck-block').length === 2000")
    wait_for_the_end(p)
    assert p.evaluate("() => window.find('line 1234', true, true)")
    assert p.evaluate("() => document.getSelection().anchorNode.data") == "line 1234"


def test_a_selection_in_text_that_grows_stays(page: Callable[..., Any]) -> None:
    p = page()
    p.evaluate("""() => {
      open('turn');
      hear({ put: [[0, { k: 'html', t: '<p>one <em>two</em> three</p>', o: true }]] });
      const text = el.querySelector('em').firstChild;
      getSelection().setBaseAndExtent(text, 0, text, 3);
      hear({ edit: [[0, 25, 0, ' four']] });
      hear({ put: [[0, { k: 'html', t: '<p>one <em>two</em> three four <code>five</code></p>', o: true }], [1, { k: 'html', t: '<p>x</p>' }]] });
    }""")
    texts = p.evaluate("() => [getSelection().toString(), el.querySelector('.ck-body').innerText.split('\\n')[0]]")
    assert texts == ["two", "one two three four five"]


@pytest.mark.parametrize("kind", ["turn", "chat"])
def test_a_view_that_was_taken_down_is_forgotten_whatever_the_front_end_keeps(page: Callable[..., Any], kind: str) -> None:
    p = page()
    p.evaluate(
        """async (kind) => {
      open(kind, { waiting: { age: 0 } });
      await drawn();
      hear({ put: [...lines(0, 60), [60, { k: 'html', t: '<pre>code</pre>', o: true }]] });
      await drawn();
      hear({ cut: 30 });
      window.gone = [...el.querySelectorAll('.chatkit, .chatkit *')].map((e) => new WeakRef(e));
      unmount();
      el.remove();
      await drawn();
    }""",
        kind,
    )
    assert p.evaluate("() => [gone.length > 60, el.childNodes.length, model.get('snap').blocks.length]") == [True, 0, 30]
    session = p.context.new_cdp_session(p)
    session.send("HeapProfiler.collectGarbage")
    assert p.evaluate("() => gone.map((e) => e.deref()?.className ?? '').filter(Boolean)") == []


@pytest.mark.parametrize("width", [400, 1000])
def test_nothing_below_a_turn_jumps_when_a_callout_comes_or_goes(page: Callable[..., Any], width: int) -> None:
    p = page(width)
    p.evaluate("async () => { open('turn'); hear({ put: lines(0, 6) }); await drawn(); }")
    below = "() => document.querySelector('#below').getBoundingClientRect().top"
    top = p.evaluate(below)
    seen = []
    for message in (
        {"cut": 0, "set": {"retry": RETRY}},
        {"set": {"retry": {**RETRY, "left": 9_400}}},
        {"set": {"retry": None, "waiting": {"age": 0}}},
        {"set": {"waiting": None}, "put": [[0, {"k": "html", "t": "<p>line 0</p>"}]]},
        {"set": {"over": True}},
    ):
        p.evaluate("async (message) => { hear(message); await drawn(); }", message)
        seen.append(p.evaluate(below))
    assert seen == [same_place(top)] * 5


def test_a_callout_is_as_high_at_its_end_as_at_its_beginning(page: Callable[..., Any]) -> None:
    p = page(430)
    p.clock.install(time=0)
    p.clock.pause_at(1000)  # time passes when the test says so
    p.evaluate("(retry) => open('turn', { retry })", {**RETRY, "left": 11_000})
    heights = []
    told = []
    for _ in range(14):
        heights.append(p.locator(".ck-bar").bounding_box()["height"])
        told.append(p.locator(".ck-when").inner_text())
        p.clock.run_for(1000)
    assert told == [*(f"in {n} s" for n in range(11, 0, -1)), "now", "now", "now"]
    assert heights == [same_place(heights[0])] * 14


@pytest.mark.parametrize("width", [400, 700, 1200])
@pytest.mark.parametrize("state", ["writing", "waiting", "failed"])
def test_nothing_is_wider_than_the_view(page: Callable[..., Any], width: int, state: str) -> None:
    p = page(width)
    more = {"writing": {}, "waiting": {"retry": RETRY, "doing": ""}, "failed": FAILED}[state]
    for kind in ("turn", "chat"):
        p.evaluate("([kind, facts]) => open(kind, facts)", [kind, {**FULL, **more}])
    p.evaluate("async () => { await drawn(); }")
    wide = """() => [...document.querySelectorAll('.chatkit, .chatkit *')].filter((e) => e.getBoundingClientRect().width
      && e.getBoundingClientRect().right > innerWidth - 8 && !e.closest('pre')).map((e) => e.className)"""
    assert p.evaluate(wide) == []
    assert p.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("state", ["writing", "waiting", "failed", "gone"])
def test_all_text_has_contrast_enough(page: Callable[..., Any], theme: str, state: str) -> None:
    p = page(700, theme)
    more = {"waiting": {"retry": RETRY, "doing": ""}, "failed": FAILED}.get(state, {})
    for kind in ("turn", "chat"):
        p.evaluate("([kind, facts]) => open(kind, facts)", [kind, {**FULL, **more}])
        if state == "gone":
            p.evaluate("() => model.tell('comm_live_update')")
    p.evaluate("() => { for (const d of document.querySelectorAll('details')) d.open = true; }")
    assert len(p.locator("body").inner_text()) > 500
    assert p.locator("body").evaluate(PALE) == []


def test_the_keyboard_reaches_everything_in_the_order_in_which_it_stands(page: Callable[..., Any]) -> None:
    p = page()
    p.evaluate("(facts) => open('chat', facts)", {**FULL, "queue": FULL["queue"][:1], "retry": RETRY})
    p.locator("textarea").evaluate("(e) => { e.value = 'draft'; e.dispatchEvent(new Event('input')); }")
    seen = []
    for _ in range(14):
        p.keyboard.press("Tab")
        seen.append(p.evaluate("() => { const e = document.activeElement; return e.ariaLabel || e.innerText.slice(0, 24); }"))
    assert seen == [
        *("Conversation", "Thinking", "server", "Copy code", "long long long long long"),
        *("Retry now", "Stop", "What the provider said"),
        *(str(FULL["queue"][0]["text"])[:24], "Send next", "Edit", "Delete"),
        *("Message", "Queue"),
    ]


def test_text_runs_in_its_own_direction(page: Callable[..., Any]) -> None:
    p = page()
    p.evaluate("(facts) => open('chat', facts)", FULL)
    direction = "(e) => getComputedStyle(e).direction"
    assert p.locator(".ck-block", has_text="שלום").evaluate(direction) == "rtl"
    assert p.locator(".ck-block", has_text="recovers").evaluate(direction) == "ltr"
    assert p.locator(".ck-block p", has_text="שלום").evaluate("(e) => getComputedStyle(e).textAlign") == "start"
    p.locator("textarea").fill("שלום")
    assert p.locator("textarea").evaluate(direction) == "rtl"


def test_nothing_moves_for_those_who_asked_for_it(page: Callable[..., Any]) -> None:
    p = page()
    p.emulate_media(reduced_motion="reduce")
    spinner = {"k": "html", "t": '<p><span class="chatkit-spinner"></span> running</p>'}
    p.evaluate("(facts) => open('turn', facts)", {"waiting": {"age": 0}, "blocks": [spinner]})
    for selector in (".ck-dots span", ".chatkit-spinner"):
        assert p.locator(selector).first.evaluate("(e) => getComputedStyle(e).animationName") == "none"


def test_the_composer_grows_with_what_is_written_up_to_eight_lines(page: Callable[..., Any]) -> None:
    p = page()
    p.evaluate("(facts) => open('chat', facts)", FULL)
    box = p.locator("textarea")

    def height(lines: int) -> float:
        box.fill("\n".join("x" * lines))
        return float(box.bounding_box()["height"])

    one, four, eight, nine, many = map(height, (1, 4, 8, 9, 40))
    assert one < four < eight
    assert eight == pytest.approx(one + 7 * (four - one) / 3, abs=2)
    assert nine == many == pytest.approx(eight, abs=3)
    assert height(1) == same_place(one)


def test_what_is_copied_holds_no_buttons_and_needs_no_clipboard_of_the_page(page: Callable[..., Any]) -> None:
    p = page()
    p.evaluate("(t) => open('turn', { blocks: [{ k: 'html', t }], commands: [] })", "<p>Hi</p><pre>a &lt; b</pre><!--chatkit:KipIaSoq-->")
    listen = "addEventListener('copy', (e) => { window.copied = e.clipboardData.getData('text/plain'); })"
    assert p.evaluate(f"() => {{ {listen}; return navigator.clipboard; }}") is None
    for name, copied, selected in (("Copy code", "a < b", "a < b"), ("Copy the reply", "**Hi**", "Hi a < b")):
        p.locator("pre").hover()  # the button of code shows where it is pointed at, or has the focus
        p.get_by_role("button", name=name).click()
        p.get_by_role("button", name=name).get_by_text("Copied", exact=True).wait_for()
        assert p.evaluate("() => [copied, ...getSelection().toString().split(/\\s+/)]") == [copied, *selected.split()]
    assert p.locator("[role=status]").inner_text() == "Copied."


def test_views_on_one_page_keep_their_looks_whichever_comes_last(page: Callable[..., Any]) -> None:
    p = page(700)
    looks = """() => {
      const chat = document.querySelector('.ck-chat');
      const look = (selector, ...names) => { const style = getComputedStyle(chat.querySelector(selector) ?? chat); return names.map((n) => style[n]); };
      const before = getComputedStyle(chat.querySelector('.ck-doing'), '::before').content;
      return [before, look('.none', 'padding', 'backgroundColor'), look('.ck-latest', 'borderRadius', 'boxShadow'), look('.ck-failure', 'padding')];
    }"""
    p.evaluate("async () => { open('chat', { error: { title: 'x', advice: 'y' } }); await drawn(); }")
    alone = p.evaluate(looks)
    again = "{ over: true, label: '', doing: '', commands: ['again'], error: { title: '', advice: '' } }"
    p.evaluate(f"async () => {{ open('turn', {again}); await drawn(); }}")
    assert p.evaluate(looks) == alone
    box = p.evaluate("() => getComputedStyle(document.querySelector('.ck-turn .ck-failure')).backgroundColor")
    assert box == "rgba(0, 0, 0, 0)"
