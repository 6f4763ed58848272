import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import retrying from "../../../chatkit/display/static/retry_view.js";
import turn from "../../../chatkit/display/static/turn_view.js";
import { freshPage, html, layOut, modelOf, mount, pass, shown, start, timers, watched } from "./page.js";

beforeEach(freshPage);

const WHY = "(attempt 3 failed: anthropic is overloaded)";
const RETRY = { left: 3500, why: WHY, about: "The provider is overloaded · anthropic · HTTP 529", detail: "Overloaded" };
const GONE = "The kernel is gone. The text stays here; run the cell again to continue.";
const BUSY = "The kernel is busy: interrupt it (■) to stop.";
/** What stays below a turn that failed. */
const AGAIN = { label: "", doing: "", over: true, commands: ["again"], error: { title: "", advice: "" } };

for (const [name, view] of Object.entries({ turn, retrying })) {
  test(`${name}: the countdown is rounded up, ticks every second, and says now at its end`, () => {
    const { model, find } = start(view);
    model.hear({ r: 1, set: { retry: RETRY } });
    const seen = [];
    for (let i = 0; i < 6; i++) {
      seen.push(find(".ck-wait").textContent);
      pass(750);
    }
    assert.deepEqual(
      seen,
      ["in 4 s", "in 3 s", "in 2 s", "in 2 s", "in 1 s", "now"].map((when) => `Retrying ${when}… ${WHY}`),
    );
    assert.equal(find(".ck-retry").ariaDisabled, "true");
    assert.equal(find(".ck-wait").ariaHidden, "true");
  });

  test(`${name}: a view that mounts in the wait counts what is left of it`, () => {
    const model = modelOf(view);
    model.hear({ r: 1, set: { retry: RETRY } });
    pass(2000);
    assert.equal(mount(view, model).find(".ck-when").textContent, "in 2 s");
  });

  test(`${name}: the callout says the cause, and the provider's own words when they are asked for`, () => {
    const { model, find } = start(view, { retry: RETRY });
    assert.equal(find(".ck-about").textContent, RETRY.about);
    assert.deepEqual([find(".ck-detail").open, find(".ck-words").textContent], [false, "Overloaded"]);
    model.hear({ r: 1, set: { retry: { left: 1000, why: WHY } } });
    assert.equal(shown(find(".ck-detail")), false);
    model.hear({ r: 2, set: { retry: null } });
    assert.deepEqual(
      [shown(find(".ck-about")), shown(find(".ck-wait")), shown(find(".ck-retry")), shown(find(".ck-stop"))],
      [false, false, false, true],
    );
  });

  test(`${name}: a click that is answered says nothing more`, () => {
    const { model, find, button } = start(view);
    model.hear({ r: 1, set: { retry: RETRY } });
    button("Retry now").click();
    model.hear({ ack: "retry" });
    pass(5000);
    assert.deepEqual(model.told, [{ do: "retry" }]);
    assert.deepEqual([shown(find(".ck-hint")), find(".ck-when").textContent], [false, "now"]);
    model.hear({ r: 2, set: { retry: { left: 8000, why: "(attempt 4 failed: x)" } } });
    assert.deepEqual([find(".ck-when").textContent, find(".ck-retry").ariaDisabled], ["in 8 s", "false"]);
  });

  test(`${name}: a click is sent again, as the same one, until the kernel confirms it`, () => {
    const { model, button } = start(view, { retry: RETRY });
    button("Retry now").click();
    for (let i = 0; i < 8; i++) pass(250);
    const sent = model.sent.map(({ do: what, n }) => [what, n]);
    assert.deepEqual(sent, Array(4).fill(["retry", sent[0][1]])); // at once, then after 250, 750 and 1750 ms
    model.hear({ ack: "retry" });
    for (let i = 0; i < 40; i++) pass(250);
    assert.equal(model.sent.length, 4);
    assert.equal(button("Stop").click(), undefined);
    assert.notEqual(model.sent[4].n, sent[0][1]);
  });

  test(`${name}: a click that finds the kernel gone when it is sent again says so`, () => {
    const { model, find, button } = start(view);
    button("Stop").click();
    model.kernel = false;
    pass(250);
    assert.equal(find(".ck-doing").textContent, GONE);
    assert.equal(timers(), 0);
  });

  test(`${name}: a click that is not answered within a second says how to stop, and a second one is none`, () => {
    const { model, find, button } = start(view, { commands: ["stop"] });
    button("Stop").click();
    assert.equal(find(".ck-doing").textContent, "stopping…");
    pass(999);
    assert.equal(shown(find(".ck-hint")), false);
    pass(1);
    assert.deepEqual([find(".ck-hint").textContent, find(".ck-news").textContent], [BUSY, BUSY]);
    button("Stop").click();
    assert.deepEqual(model.told, [{ do: "stop" }]);
    model.hear({ ack: "stop" });
    assert.equal(shown(find(".ck-hint")), false);
    assert.equal(find(".ck-doing").textContent, "stopping…");
    model.hear({ r: 1, set: { doing: "thinking…" } }); // the next turn of a chat whose queue went on
    assert.deepEqual([find(".ck-doing").textContent, find(".ck-stop").ariaDisabled], ["thinking…", "false"]);
  });

  test(`${name}: a refusal is said, and the button can be pressed again`, () => {
    const { model, find, button } = start(view, { retry: RETRY });
    for (const [label, what] of [
      ["Retry now", "retry"],
      ["Stop", "stop"],
    ]) {
      button(label).click();
      model.hear({ ack: what, refused: "not now" });
      assert.deepEqual([find(".ck-hint").textContent, button(label).ariaDisabled], ["not now", "false"]);
    }
    assert.equal(find(".ck-when").textContent, "in 4 s");
  });

  test(`${name}: nothing is offered that the kernel doesn't offer`, () => {
    const { all } = start(view, { retry: RETRY, commands: [] });
    assert.deepEqual(all("button").filter(shown), []);
  });

  test(`${name}: a view that is taken down leaves no listener and no timer`, () => {
    const model = modelOf(view);
    const before = model.listeners;
    const { find, button, remove } = mount(view, model);
    model.hear({ r: 1, set: { retry: RETRY } });
    button("Retry now").focus();
    button("Retry now").click();
    button("Stop").focus();
    const text = find(".ck-wait").textContent;
    const wait = find(".ck-wait");
    remove();
    pass(0);
    assert.deepEqual([model.listeners, timers(), watched(), find("*")], [before, 0, 0, null]);
    pass(5000);
    assert.equal(wait.textContent, text);
  });

  test(`${name}: when the kernel is gone the view says so, commands nothing, and doesn't count on`, () => {
    const { model, find, all } = start(view, { retry: RETRY });
    model.lose();
    model.lose();
    assert.deepEqual([find(".ck-doing").textContent, find(".ck-news").textContent], [GONE, GONE]);
    assert.deepEqual(all("button").filter(shown), []);
    assert.equal(timers(), 0);
  });

  test(`${name}: a click tells that the kernel is gone where nothing else does`, () => {
    const { model, find, button } = start(view);
    model.kernel = false;
    button("Stop").click();
    assert.equal(find(".ck-doing").textContent, GONE);
    assert.equal(timers(), 0);
  });

  test(`${name}: a kernel that is heard again is there`, () => {
    const { model, find, button } = start(view);
    model.lose();
    model.kernel = true;
    model.hear({ r: 1, set: { doing: "writing on…" } });
    assert.equal(find(".ck-doing").textContent, "writing on…");
    button("Stop").click();
    assert.deepEqual(model.told, [{ do: "stop" }]);
  });

  test(`${name}: JupyterLab is told, once, that what stands beside the view is hidden`, () => {
    const area = document.body.appendChild(document.createElement("div"));
    const model = modelOf(view);
    mount(view, model);
    layOut();
    assert.deepEqual(model.told, []);
    area.className = "jp-OutputArea";
    mount(view, model, area);
    layOut();
    layOut();
    assert.deepEqual(model.told, [{ do: "hides" }]);
  });
}

test("a view that mounts after the messages shows all of them, and goes on", () => {
  const model = modelOf(turn);
  model.hear({ r: 1, put: [[0, html("<p>Hel</p>", { o: true })]] });
  model.hear({ r: 2, edit: [[0, 6, 0, "lo"]] });
  const { find } = mount(turn, model);
  assert.equal(find(".ck-body").textContent, "Hello");
  model.hear({ r: 3, edit: [[0, 8, 0, " you"]] });
  assert.equal(find(".ck-body").innerHTML.includes("<p>Hello you</p>"), true);
});

test("two views of one turn show the same", () => {
  const model = modelOf(turn);
  const views = [mount(turn, model), mount(turn, model)];
  model.hear({ r: 1, put: [[0, html("<p>a</p>")]], set: { doing: "thinking…" } });
  assert.deepEqual(
    views.map(({ el }) => el.querySelector(".ck-body").textContent + el.querySelector(".ck-doing").textContent),
    ["athinking…", "athinking…"],
  );
});

test("dots stand for an answer that hasn't begun", () => {
  const { model, find } = start(turn, { waiting: { age: 0 } });
  assert.equal(shown(find(".ck-dots")), true);
  model.hear({ r: 1, set: { waiting: null }, put: [[0, html("<p>a</p>")]] });
  assert.equal(shown(find(".ck-dots")), false);
});

test("an answer that takes longer than 15 seconds is slower than usual, and is said to be once", () => {
  const { model, find } = start(turn, { waiting: { age: 4000 }, news: "demo is answering." });
  pass(10_999);
  assert.equal(shown(find(".ck-slow")), false);
  pass(1);
  assert.equal(shown(find(".ck-slow")), true);
  assert.equal(find(".ck-news").textContent, "slower than usual");
  model.hear({ r: 1, set: { status: "x" } });
  assert.equal(find(".ck-news").textContent, "slower than usual");
  model.hear({ r: 2, set: { waiting: null }, put: [[0, html("<p>a</p>")]] });
  assert.equal(shown(find(".ck-slow")), false);
  assert.equal(timers(), 0);
});

test("so is an attempt that brings nothing within 15 seconds of its countdown's end", () => {
  const { model, find } = start(turn, { retry: { left: 2000, why: WHY } });
  pass(16_999);
  assert.equal(shown(find(".ck-slow")), false);
  pass(1);
  assert.equal(shown(find(".ck-slow")), true);
  model.hear({ r: 1, set: { retry: { left: 2000, why: WHY } } });
  assert.equal(shown(find(".ck-slow")), false);
});

test("news is said once, not with every message", () => {
  const { model, find } = start(turn, { news: "demo is answering." });
  const news = find(".ck-news");
  assert.deepEqual([news.role, news.textContent], ["status", "demo is answering."]);
  news.textContent = "read";
  model.hear({ r: 1, put: [[0, html("a")]] });
  assert.equal(news.textContent, "read");
  model.hear({ r: 2, set: { news: "The reply continues." } });
  assert.equal(news.textContent, "The reply continues.");
});

test("the text is no live region, and is busy while it grows", () => {
  const { model, find, all } = start(turn, { blocks: [html("<p>a</p>")] });
  assert.equal(find(".ck-body").ariaBusy, "true");
  assert.deepEqual(all(".ck-body [aria-live], .ck-body [role]"), []);
  model.hear({ r: 1, set: { over: true } });
  assert.equal(find(".ck-body").ariaBusy, "false");
});

test("a button that goes hands its focus on", () => {
  const cell = document.body.appendChild(document.createElement("div"));
  cell.tabIndex = -1;
  const model = modelOf(turn, { retry: RETRY });
  const { button } = mount(turn, model, cell);
  button("Retry now").focus();
  model.hear({ r: 1, set: { retry: null } });
  assert.equal(document.activeElement, button("Stop"));
  model.hear({ r: 2, set: { over: true } });
  assert.equal(document.activeElement, cell);
});

test("a view that is drawn anew takes up the focus, and what was pressed", () => {
  const model = modelOf(turn, { retry: RETRY });
  const first = mount(turn, model);
  first.button("Stop").focus();
  first.button("Stop").click();
  first.remove();
  const second = mount(turn, model);
  layOut();
  assert.equal(document.activeElement, second.button("Stop"));
  assert.deepEqual([second.find(".ck-doing").textContent, second.button("Stop").ariaDisabled], ["stopping…", "true"]);
  pass(1000);
  assert.equal(second.find(".ck-hint").textContent, BUSY);
});

test("a focus that has gone elsewhere stays there", () => {
  const other = document.body.appendChild(document.createElement("button"));
  const model = modelOf(turn);
  const first = mount(turn, model);
  first.button("Stop").focus();
  other.focus();
  pass(1);
  first.remove();
  mount(turn, model);
  layOut();
  assert.equal(document.activeElement, other);
  other.blur();
  mount(turn, model);
  layOut();
  assert.equal(document.activeElement, document.body);
});

test("text that looks like HTML is text in every place but the timeline", () => {
  const evil = "<img src=x onerror=alert(1)>";
  const { el } = start(turn, { label: evil, doing: evil, news: evil, retry: { left: 9000, why: evil, about: evil, detail: evil } });
  assert.equal(el.querySelector("img"), null);
  assert.equal(el.textContent.split(evil).length - 1, 6);
});

test("Try again is sent, a refusal is said, and it can be pressed again", () => {
  const { model, find, button } = start(turn, AGAIN);
  button("Try again").click();
  button("Try again").click();
  assert.deepEqual(model.told, [{ do: "again" }]);
  model.hear({ ack: "again", refused: "the chat is answering" });
  assert.deepEqual([find(".ck-news").role, find(".ck-news").textContent], ["status", "the chat is answering"]);
  assert.equal(find(".ck-hint").textContent, "the chat is answering");
  assert.equal(shown(find(".ck-bar")), false);
  button("Try again").click();
  assert.deepEqual([model.told.length, find(".ck-hint").textContent], [2, ""]);
  model.hear({ ack: "again" });
  assert.equal(timers(), 0);
});

test("Try again says when the kernel is busy, and when it is gone", () => {
  const { model, find, button, remove } = start(turn, AGAIN);
  button("Try again").click();
  pass(1000);
  assert.equal(find(".ck-hint").textContent, "The kernel is busy: it handles this when the running cell has ended.");
  model.lose();
  assert.deepEqual([find(".ck-doing").textContent, button("Try again").ariaDisabled], [GONE, "true"]);
  button("Try again").click();
  remove();
  pass(0);
  assert.deepEqual([timers(), find("*")], [0, null]);
});
