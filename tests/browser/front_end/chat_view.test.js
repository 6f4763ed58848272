import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import chat from "../../../chatkit/display/static/chat_view.js";
import { freshPage, html, layOut, modelOf, mount, pass, shown, start, timers, watched, write } from "./page.js";

beforeEach(freshPage);

const OFFERS = ["stop", "retry", "again", "send", "queue", "replace", "promote", "edit", "delete"];
const IDLE = { over: true, doing: "", commands: OFFERS };
const QUEUE = [
  { id: 7, text: "first" },
  { id: 8, text: "second", model: "gpt" },
  { id: 9, text: "third" },
];
const GONE = "The kernel is gone. The text stays here; run the cell again to continue.";

test("the head tells title, model and status", () => {
  const { model, find } = start(chat, { title: "Backoff", label: "demo", status: "answering" });
  const head = () => [".ck-title", ".ck-model", ".ck-status"].map((s) => find(s).textContent);
  assert.deepEqual(head(), ["Backoff", "demo", "answering"]);
  assert.equal(find(".ck-title").role, "heading");
  model.hear({ r: 1, set: { title: "", status: "ready" } });
  assert.deepEqual(head(), ["New Chat", "demo", "ready"]);
});

for (const [percent, words, classes, label] of [
  [84, "84 %", "ck-context", "Context used: 84 %, 1 of 2 tokens"],
  [85, "85 % · nearly full", "ck-context ck-warning", "Context nearly full: 85 %, 1 of 2 tokens"],
  [94, "94 % · nearly full", "ck-context ck-warning", "Context nearly full: 94 %, 1 of 2 tokens"],
  [95, "95 % · full", "ck-context ck-danger", "Context full: 95 %, 1 of 2 tokens"],
]) {
  test(`at ${percent} % the ring says so in words, and not by its colour alone`, () => {
    const { find } = start(chat, { context: { percent, words: "1 of 2 tokens" } });
    const ring = find(".ck-context");
    assert.deepEqual([ring.textContent, ring.className, ring.role, ring.ariaLabel], [words, classes, "img", label]);
    assert.equal(find(".ck-arc").getAttribute("stroke-dasharray"), `${percent} 100`);
  });
}

test("a context that nobody knows isn't shown", () => {
  const { model, find } = start(chat, { context: { percent: 96, words: "x" } });
  model.hear({ r: 1, set: { context: null } });
  assert.equal(shown(find(".ck-context")), false);
});

test("the conversation can be reached and scrolled by keyboard, and is not read out as it grows", () => {
  const { find } = start(chat);
  const log = find("[role=log], .ck-scroller");
  assert.deepEqual([log.tabIndex, log.role, log.ariaLive, log.ariaLabel], [0, "log", "off", "Conversation"]);
});

test("a chat in which nothing was said says so", () => {
  const { model, find } = start(chat, IDLE);
  assert.equal(shown(find(".ck-empty")), true);
  model.hear({ r: 1, set: { over: false, waiting: { age: 0 } } });
  assert.deepEqual([shown(find(".ck-empty")), shown(find(".ck-dots"))], [false, true]);
});

test("an error says what to do, and Try again is there when it is offered", () => {
  const error = { title: "openai refused the key", advice: "Check it.", about: "The key was refused · HTTP 401", detail: "No." };
  const { model, find, button } = start(chat, { ...IDLE, error });
  assert.deepEqual(
    [".ck-wrong", ".ck-advice", ".ck-failure .ck-about", ".ck-failure .ck-words"].map((s) => find(s).textContent),
    Object.values(error),
  );
  assert.equal(find(".ck-failure details").open, false);
  button("Try again").focus();
  button("Try again").click();
  assert.deepEqual(model.told, [{ do: "again" }]);
  model.hear({ ack: "again", refused: "not now" });
  assert.equal(find(".ck-hint").textContent, "not now");
  model.hear({ r: 1, set: { commands: ["send"] } });
  assert.equal(button("Try again"), undefined);
  assert.equal(document.activeElement, find("textarea"));
  model.hear({ r: 2, set: { error: null } });
  assert.equal(shown(find(".ck-failure")), false);
});

test("messages that wait are listed in their order, with what may be done with them", () => {
  const { model, find, all } = start(chat, { commands: OFFERS, queue: QUEUE });
  assert.equal(find(".ck-count").textContent, "3 messages are queued");
  const rows = () => all(".ck-queued").map((row) => row.textContent);
  assert.deepEqual(rows(), ["firstSend nextEditDelete", "secondgptSend nextEditDelete", "thirdSend nextEditDelete"]);
  const [, second] = all(".ck-queued");
  second.querySelector("details").open = true;
  model.hear({ r: 1, set: { queue: [QUEUE[1], { id: 7, text: "changed" }] } });
  assert.deepEqual(rows(), ["secondgptSend nextEditDelete", "changedSend nextEditDelete"]);
  assert.equal(all(".ck-queued")[0], second);
  assert.equal(second.querySelector("details").open, true);
  model.hear({ r: 2, set: { queue: [QUEUE[0]], commands: ["delete"] } });
  assert.deepEqual(
    [
      find(".ck-count").textContent,
      all(".ck-queued button")
        .filter(shown)
        .map((b) => b.textContent),
    ],
    ["1 message is queued", ["Delete"]],
  );
  model.hear({ r: 3, set: { queue: [] } });
  assert.equal(shown(find(".ck-queue")), false);
});

test("a message that waits goes first or goes away, once", () => {
  const { model, all } = start(chat, { commands: OFFERS, queue: QUEUE });
  const press = (row, name) => all(".ck-queued")[row].querySelector(name).click();
  press(2, ".ck-promote");
  press(2, ".ck-promote");
  press(0, ".ck-delete");
  assert.deepEqual(model.told, [
    { do: "promote", id: 9 },
    { do: "delete", id: 7 },
  ]);
  model.hear({ ack: "promote" });
  model.hear({ ack: "delete", refused: "it was sent already" });
  assert.equal(all(".ck-hint")[0].textContent, "it was sent already");
  assert.equal(timers(), 0);
});

test("the focus stays in the queue while there is one, and goes to the composer then", () => {
  const { model, find, all } = start(chat, { commands: OFFERS, queue: QUEUE });
  all(".ck-delete")[1].focus();
  model.hear({ r: 1, set: { queue: [QUEUE[0], QUEUE[2]] } });
  assert.equal(document.activeElement, all(".ck-delete")[1]);
  model.hear({ r: 2, set: { queue: [QUEUE[0]] } });
  assert.equal(document.activeElement, all(".ck-delete")[0]);
  model.hear({ r: 3, set: { queue: [] } });
  assert.equal(document.activeElement, find("textarea"));
});

test("when the kernel is gone the view says so once, and nothing in it acts", () => {
  const { model, el, find, all } = start(chat, { ...IDLE, status: "ready", queue: QUEUE, error: { title: "x", advice: "y" } });
  write(find("textarea"), "draft");
  model.lose();
  assert.equal(el.textContent.split(GONE).length - 1, 2); // to be seen, and to be heard
  assert.deepEqual([find("textarea").readOnly, find("textarea").value, find(".ck-status").textContent], [true, "draft", ""]);
  for (const b of all("button").filter(shown)) b.click();
  assert.deepEqual(model.told, []);
  model.kernel = true;
  model.hear({ r: 1, set: { status: "ready" } });
  assert.equal(find("textarea").readOnly, false);
});

test("a view of a chat that is taken down leaves no listener, no timer and no watcher", () => {
  const model = modelOf(chat, {
    commands: OFFERS,
    queue: QUEUE,
    retry: { left: 9000, why: "" },
    waiting: { age: 0 },
    blocks: [html("<pre>1</pre>")],
  });
  const before = model.listeners;
  start(chat).remove(); // what the first view leaves on its page, for the static replies there
  const held = [];
  const { addEventListener, removeEventListener } = document;
  document.addEventListener = (kind, act) => (held.push(act), addEventListener.call(document, kind, act));
  document.removeEventListener = (kind, act) => (held.splice(held.indexOf(act), 1), removeEventListener.call(document, kind, act));
  const { find, button, remove } = mount(chat, model);
  layOut();
  find("textarea").focus();
  button("Stop").click();
  assert.equal(held.length, 1);
  remove();
  pass(0);
  assert.deepEqual([model.listeners, timers(), watched(), held.length, find("*")], [before, 0, 0, 0, null]);
  pass(20_000);
});

test("what a kernel says of a chat is text, never HTML", () => {
  const evil = "<img src=x onerror=alert(1)>";
  const { el } = start(chat, {
    title: evil,
    label: evil,
    status: evil,
    doing: evil,
    news: evil,
    context: { percent: 1, words: evil },
    queue: [{ id: 1, text: evil, model: evil }],
    error: { title: evil, advice: evil, about: evil, detail: evil },
    retry: { left: 9000, why: evil, about: evil, detail: evil },
    commands: ["send"],
    blocked: evil,
    last: evil,
  });
  assert.equal(el.querySelector("img"), null);
  assert.equal(el.textContent.split(evil).length - 1, 16);
});
