import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { mountTimeline } from "../../../chatkit/display/static/timeline.js";
import turn from "../../../chatkit/display/static/turn_view.js";
import { freshPage, html, layOut, pass, start, timers, watched } from "./page.js";

let host;
let said;
let timeline;
let model;
beforeEach(() => {
  const document = freshPage();
  host = document.body.appendChild(document.createElement("div"));
  said = [];
  model = {};
  timeline = mountTimeline(model, host, (text) => said.push(text));
});

const texts = () => [...host.querySelectorAll(".ck-block")].map((b) => b.textContent);

test("only the block that changed is touched", () => {
  const blocks = [html("<p>a</p>"), html("<p>b</p>", { o: true })];
  timeline.draw(blocks);
  const [first, second] = host.querySelectorAll(".ck-block");
  first.firstChild.marked = second.firstChild.marked = true;
  timeline.draw([blocks[0], html("<p>bc</p>", { o: true }), html("<p>d</p>")]);
  assert.deepEqual(texts(), ["a", "bc", "d"]);
  assert.deepEqual([first.isConnected, second.isConnected], [true, true]);
  assert.deepEqual([first.firstChild.marked, second.firstChild.marked], [true, true]);
});

test("folds and what a person said hold the blocks of depth 1 that follow them", () => {
  timeline.draw([
    { k: "user", t: "" },
    html("<p>q</p>", { d: 1 }),
    { k: "fold", t: "Thinking &lt;1&gt;" },
    html("<p>r</p>", { d: 1 }),
    html("<p>s</p>", { d: 1 }),
    html("<p>t</p>"),
  ]);
  assert.equal(host.querySelector(".ck-user").textContent, "q");
  assert.equal(host.querySelector("details.ck-fold > summary").textContent, "Thinking <1>");
  assert.equal(host.querySelector("details.ck-fold").textContent, "Thinking <1>rs");
  assert.equal(host.querySelector("details.ck-fold").open, false);
  assert.equal(host.lastElementChild.lastElementChild.textContent, "t");
});

test("what was withdrawn goes, with what a fold held, and what comes in its place is in order", () => {
  timeline.draw([html("a"), { k: "fold", t: "f" }, html("r", { d: 1 }), html("b")]);
  timeline.draw([html("a")]);
  assert.equal(host.textContent, "a");
  timeline.draw([html("a"), html("c"), { k: "fold", t: "g" }, html("s", { d: 1 })]);
  assert.equal(host.textContent, "acgs");
});

test("a block that becomes another kind is made anew, with all that follows it", () => {
  timeline.draw([html("a"), html("b"), html("c")]);
  timeline.draw([html("a"), { k: "fold", t: "f" }, html("c", { d: 1 })]);
  assert.equal(host.querySelector(".ck-fold").textContent, "fc");
  assert.equal(host.textContent, "afc");
});

test("a card in the middle changes where it is, and a fold that the reader opened stays open", () => {
  timeline.draw([html("<details><summary>running</summary></details>"), html("b")]);
  const card = host.querySelector("details");
  card.open = true;
  timeline.draw([html("<details><summary>done</summary></details>"), html("b")]);
  assert.equal(host.querySelector("details"), card);
  assert.deepEqual([card.open, host.textContent], [true, "doneb"]);
});

test("many blocks come on pages, and pages go with their blocks", () => {
  const blocks = Array.from({ length: 32 }, (_, i) => html(`<p>${i}</p>`));
  const pages = () => [...host.children].map((p) => `${p.childElementCount}${p.classList.contains("ck-lazy") ? " lazy" : ""}`);
  timeline.draw(blocks.slice(0, 12));
  assert.deepEqual(pages(), ["5 lazy", "5 lazy", "2"]);
  timeline.draw(blocks);
  assert.deepEqual(pages(), [...Array(6).fill("5 lazy"), "2 lazy"]);
  assert.deepEqual(
    texts(),
    blocks.map((_, i) => String(i)),
  );
  timeline.draw(blocks.slice(0, 8));
  assert.deepEqual(pages(), ["5 lazy", "3"]);
});

test("a long timeline is drawn in slices, and what comes meanwhile is in its place", () => {
  const blocks = Array.from({ length: 90 }, (_, i) => html(`<p>${i}</p>`));
  const { now } = performance;
  let at = 0;
  performance.now = () => (at += 1); // every look at the clock takes a millisecond
  timeline.draw(blocks);
  const first = texts().length;
  assert.ok(first > 5 && first < 60, String(first));
  const more = [...blocks, html("<p>90</p>")];
  timeline.draw(more);
  while (timers()) pass(1);
  performance.now = now;
  assert.deepEqual(
    texts(),
    more.map((_, i) => String(i)),
  );
});

test("long blocks are drawn a few at a time, and what is withdrawn meanwhile goes at once", () => {
  const blocks = Array.from({ length: 9 }, (_, i) => html(`<p>${i}</p><!--${"x".repeat(15_000)}-->`));
  timeline.draw(blocks);
  assert.deepEqual([texts().length, timeline.whole()], [3, false]);
  timeline.draw([...blocks]);
  assert.deepEqual([texts().length, timers()], [3, 1]);
  pass(16);
  assert.equal(texts().length, 6);
  timeline.draw(blocks.slice(0, 2));
  assert.equal(texts().length, 2);
  pass(16);
  assert.deepEqual([texts(), timeline.whole(), timers()], [["0", "1"], true, 0]);
});

test("a view that is taken down in the middle of a long timeline draws no more", () => {
  let at = 0;
  performance.now = () => (at += 1);
  timeline.draw(Array.from({ length: 90 }, (_, i) => html(`<p>${i}</p>`)));
  const first = texts().length;
  timeline.remove();
  assert.equal(timers(), 0);
  pass(1000);
  assert.equal(texts().length, first);
});

const CODE = "<pre><code>a &lt; b\n</code></pre>";
const settled = () => new Promise((resolve) => setImmediate(resolve));

test("code can be copied once it grows no more", async () => {
  const written = [];
  navigator.clipboard = { writeText: async (text) => written.push(text) };
  timeline.draw([html(CODE, { o: true })]);
  assert.equal(host.querySelector("button"), null);
  timeline.draw([html(CODE)]);
  timeline.draw([html(CODE)]);
  const [button, ...others] = host.querySelectorAll("button");
  assert.deepEqual([button.textContent, button.ariaLabel, others.length], ["Copy", "Copy code", 0]);
  button.click();
  await settled();
  assert.deepEqual([written, button.textContent, said], [["a < b"], "Copied", ["Copied."]]);
  pass(1999);
  assert.equal(button.textContent, "Copied");
  pass(1);
  assert.equal(button.textContent, "Copy");
  assert.equal(timers(), 0);
});

test("where the page may not write to the clipboard the code is selected, and the words say so", async () => {
  document.execCommand = () => false;
  timeline.draw([html(CODE)]);
  host.querySelector("button").click();
  await settled();
  assert.equal(getSelection().toString().trim(), "a < b");
  assert.deepEqual([host.querySelector("button").textContent, said], ["Selected", ["Selected: press Ctrl+C to copy."]]);
  document.execCommand = () => true;
  host.querySelector("button").click();
  await settled();
  assert.equal(host.querySelector("button").textContent, "Copied");
});

test("the copy button follows its code when a block changes", () => {
  timeline.draw([html(CODE)]);
  timeline.draw([html(`<p>x</p>${CODE}${CODE}`)]);
  assert.deepEqual(
    [...host.querySelector(".ck-block").children].map((e) => e.tagName),
    ["P", "DIV", "PRE", "DIV", "PRE"],
  );
});

const formula = (source) => `<span class="chatkit-math">${source}</span>`;

/** A page's typesetter: it notes what it is given, and fills in something else. */
const page = (given = []) => ({
  given,
  typeset: async (el) => {
    given.push(el.textContent);
    el.innerHTML = "<mjx-container>f</mjx-container>";
  },
});

for (const [where, of] of [
  ["JupyterLab", (latexTypesetter) => ({ widget_manager: { rendermime: { latexTypesetter } } })],
  ["an older JupyterLab", (latexTypesetter) => ({ widget_manager: { _rendermime: { latexTypesetter } } })],
  ["a page with MathJax", ({ typeset }) => ((globalThis.MathJax = { typesetPromise: ([el]) => typeset(el) }), {})],
]) {
  test(`${where} typesets a formula once, and what grows around it leaves it in place`, async () => {
    const { given, ...latex } = page();
    Object.assign(model, of(latex));
    timeline.draw([html(`<p>so ${formula("$x$")}</p>`, { o: true })]);
    await settled();
    const [el] = host.querySelectorAll(".chatkit-math");
    timeline.draw([html(`<p>so ${formula("$x$")} and ${formula("$y$")} is</p>`, { o: true })]);
    await settled();
    timeline.draw([html(`<p>so ${formula("$x$")} and ${formula("$y$")} is more</p>`)]);
    await settled();
    assert.deepEqual(given, ["$x$", "$y$"]);
    assert.equal(host.querySelector(".chatkit-math"), el);
    assert.equal(host.textContent, "so f and f is more");
    timeline.draw([html(`<p>so ${formula("$z$")}</p>`)]);
    await settled();
    assert.deepEqual([given.at(-1), host.textContent], ["$z$", "so f"]);
    timeline.draw([html("<p>so what</p>")]);
    assert.equal(host.textContent, "so what");
    delete globalThis.MathJax;
  });
}

test("a formula is its source where the page typesets none, or fails", async () => {
  const grows = async (...texts) => {
    for (const text of texts) timeline.draw([html(`<p>${formula("$x$")}${text}</p>`, { o: true })]);
    await settled();
  };
  await grows(" is", " is so");
  assert.equal(host.textContent, "$x$ is so");
  model.widget_manager = { rendermime: { latexTypesetter: { typeset: () => Promise.reject(new Error("no")) } } };
  await grows(" is", " is so");
  assert.equal(host.textContent, "$x$ is so");
});

test("formulas that come while the view is off the page are typeset when it is back", async () => {
  const { given, ...latex } = page();
  model.widget_manager = { rendermime: { latexTypesetter: latex } };
  host.remove();
  timeline.draw([html(`<p>so ${formula("$x$")}</p>`)]);
  timeline.draw([html(`<p>so ${formula("$x$")} is ${formula("$y$")}</p>`)]);
  layOut();
  await settled();
  assert.deepEqual([given, watched(), timers()], [[], 1, 0]);
  document.body.append(host);
  layOut();
  await settled();
  assert.deepEqual([given, watched()], [["$x$", "$y$"], 0]);
  host.remove();
  timeline.draw([html(`<p>${formula("$z$")}</p>`)]);
  timeline.remove();
  assert.equal(watched(), 0);
});

test("many formulas are typeset a few at a time, and none when the view is gone", async () => {
  const { given, ...latex } = page();
  model.widget_manager = { rendermime: { latexTypesetter: latex } };
  let at = 0;
  performance.now = () => (at += 1); // every look at the clock takes a millisecond
  timeline.draw([html(Array.from({ length: 90 }, (_, i) => formula(`$${i}$`)).join(""))]);
  await settled();
  assert.ok(given.length > 5 && given.length < 30, String(given.length));
  pass(16);
  await settled();
  const some = given.length;
  assert.ok(some > 20, String(some));
  timeline.remove();
  assert.equal(timers(), 0);
  pass(1000);
  await settled();
  assert.equal(given.length, some);
});

const REPLY = "<!--chatkit:KipIaSoqIOKAlCB5b3U=-->"; // **Hi** — you

test("a whole reply is copied as the model wrote it", async () => {
  const written = [];
  navigator.clipboard = { writeText: async (text) => written.push(text) };
  timeline.draw([html("<p>Hi</p>"), html(REPLY)]);
  const [button, ...others] = host.querySelectorAll("button");
  assert.deepEqual([button.textContent, button.ariaLabel, others.length], ["Copy", "Copy the reply", 0]);
  button.click();
  await settled();
  assert.deepEqual([written, button.textContent], [["**Hi** — you"], "Copied"]);
});

test("where the page may not write to the clipboard the whole reply is selected", async () => {
  document.execCommand = () => false;
  timeline.draw([html(`<p>Hi you</p>${REPLY}`)]);
  host.querySelector("button").click();
  await settled();
  assert.match(getSelection().toString(), /Hi you/);
  assert.deepEqual([host.querySelector("button").textContent, said], ["Selected", ["Selected: press Ctrl+C to copy."]]);
});

test("static replies get their button from the first view on the page, and keep it when that has gone", async () => {
  const written = [];
  navigator.clipboard = { writeText: async (text) => written.push(text) };
  for (let n = 0; n < 2; n++) start(turn).remove();
  const reply = document.body.appendChild(document.createElement("div"));
  reply.className = "chatkit-reply";
  reply.innerHTML = `<p>Hi</p>${REPLY}`;
  for (let n = 0; n < 2; n++) {
    reply.dispatchEvent(Object.assign(new Event("animationstart", { bubbles: true }), { animationName: "ck-arrive" }));
  }
  const [button, ...others] = reply.querySelectorAll("button");
  assert.deepEqual([others.length, document.adoptedStyleSheets.length], [0, 1]);
  button.click();
  await settled();
  assert.deepEqual([written, button.textContent], [["**Hi** — you"], "Copied"]);
});
