import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import chat from "../../../chatkit/display/static/chat_view.js";
import { freshPage, layOut, modelOf, mount, pass, press, shown, start, timers, write } from "./page.js";

beforeEach(freshPage);

const OFFERS = ["stop", "retry", "send", "queue", "replace", "promote", "edit", "delete"];
const IDLE = { over: true, doing: "", commands: OFFERS, last: "What I asked" };
const box = ({ find }) => find("textarea");
const note = ({ find }) => (shown(find(".ck-note")) ? find(".ck-note").textContent : "");

test("Enter sends, and the draft stays until it has arrived", () => {
  const view = start(chat, IDLE);
  write(box(view), "Hello");
  assert.equal(press(box(view), "Enter").defaultPrevented, true);
  press(box(view), "Enter");
  assert.deepEqual([view.model.told, box(view).value], [[{ do: "send", text: "Hello" }], "Hello"]);
  view.model.hear({ ack: "send" });
  assert.deepEqual([box(view).value, timers()], ["", 0]);
});

test("Shift+Enter breaks the line, and Enter doesn't send what is still being composed", () => {
  const view = start(chat, IDLE);
  write(box(view), "Hello");
  for (const more of [{ shiftKey: true }, { isComposing: true }, { keyCode: 229 }]) {
    assert.equal(press(box(view), "Enter", more).defaultPrevented, false);
  }
  assert.deepEqual(view.model.told, []);
});

test("the button sends too, and nothing is sent where nothing is written", () => {
  const view = start(chat, IDLE);
  for (const text of ["", " \n"]) {
    write(box(view), text);
    view.button("Send").click();
    press(box(view), "Enter");
  }
  assert.deepEqual([view.model.told, view.button("Send").ariaDisabled], [[], "true"]);
  write(box(view), "Hi");
  view.button("Send").click();
  assert.deepEqual(view.model.told, [{ do: "send", text: "Hi" }]);
});

test("a refusal is shown, and the draft kept", () => {
  const view = start(chat, IDLE);
  write(box(view), "Hello");
  press(box(view), "Enter");
  view.model.hear({ ack: "send", refused: "20 messages wait already" });
  assert.deepEqual(
    [box(view).value, view.find(".ck-hint").textContent, view.find(".ck-news").textContent],
    ["Hello", "20 messages wait already", "20 messages wait already"],
  );
  press(box(view), "Enter");
  assert.equal(view.model.told.length, 2);
});

test("what was written after the sending stays", () => {
  const view = start(chat, IDLE);
  write(box(view), "Hello");
  press(box(view), "Enter");
  write(box(view), "Hello, and more");
  view.model.hear({ ack: "send" });
  assert.equal(box(view).value, "Hello, and more");
});

test("a kernel that is busy is said to be, and Stop keeps its own answer", () => {
  const view = start(chat, { commands: OFFERS });
  write(box(view), "Hello");
  view.button("Queue").click();
  pass(1000);
  assert.equal(view.find(".ck-hint").textContent, "The kernel is busy: it handles this when the running cell has ended.");
  view.button("Stop").click();
  view.model.hear({ ack: "stop" });
  assert.equal(box(view).value, "Hello");
  view.model.hear({ ack: "send" });
  assert.deepEqual([box(view).value, shown(view.find(".ck-hint"))], ["", false]);
});

test("where nothing can be sent the reason is said, and typing stays possible", () => {
  const view = start(chat, { commands: ["stop", "send"], blocked: "The answer is still coming." });
  write(box(view), "Hello");
  press(box(view), "Enter");
  assert.deepEqual(
    [view.model.told, note(view), view.button("Send").ariaDisabled, box(view).readOnly],
    [[], "The answer is still coming.", "true", false],
  );
  assert.equal(box(view).getAttribute("aria-describedby"), view.find(".ck-note").id);
  view.model.hear({ r: 1, set: { blocked: "", over: true } });
  assert.deepEqual([note(view), box(view).value], ["", "Hello"]);
  press(box(view), "Enter");
  assert.deepEqual(view.model.told, [{ do: "send", text: "Hello" }]);
});

test("where messages can wait they are sent while an answer comes", () => {
  const view = start(chat, { commands: OFFERS, blocked: "The answer is still coming." });
  write(box(view), "Next");
  view.button("Queue").click();
  assert.deepEqual([view.model.told, note(view)], [[{ do: "send", text: "Next" }], ""]);
});

test("where nothing can ever be sent there is no composer", () => {
  const view = start(chat, { commands: ["stop"] });
  assert.equal(shown(view.find(".ck-composer")), false);
});

test("Escape stops a turn, once, and does nothing where none runs", () => {
  const view = start(chat, { commands: OFFERS });
  press(box(view), "Escape");
  press(box(view), "Escape");
  assert.deepEqual(view.model.told, [{ do: "stop" }]);
  assert.equal(view.find(".ck-doing").textContent, "stopping…");
  const idle = start(chat, IDLE);
  press(box(idle), "Escape");
  assert.deepEqual(idle.model.told, []);
});

test("Up in an empty composer edits the last message, Escape gives up, Enter replaces it", () => {
  const view = start(chat, IDLE);
  press(box(view), "ArrowUp");
  assert.deepEqual([box(view).value, note(view)], ["What I asked", "Editing your last message; its answer will be replaced"]);
  press(box(view), "Escape");
  assert.deepEqual([box(view).value, note(view)], ["", ""]);
  press(box(view), "ArrowUp");
  write(box(view), "What I meant");
  view.button("Save").click();
  assert.deepEqual([view.model.told, box(view).value], [[{ do: "replace", text: "What I meant" }], "What I meant"]);
  view.model.hear({ ack: "replace" });
  assert.deepEqual([box(view).value, note(view), view.button("Save")], ["", "", undefined]);
});

test("Up recalls the text alone where it can't be replaced, and is an arrow where something is written", () => {
  const view = start(chat, { ...IDLE, commands: ["send"] });
  press(box(view), "ArrowUp");
  assert.deepEqual([box(view).value, note(view)], ["What I asked", ""]);
  assert.equal(press(box(view), "ArrowUp").defaultPrevented, false);
  press(box(view), "Enter");
  assert.deepEqual(view.model.told, [{ do: "send", text: "What I asked" }]);
});

test("a message that waits is changed in the composer, and the draft that was there comes back", () => {
  const view = start(chat, {
    commands: OFFERS,
    queue: [
      { id: 7, text: "first" },
      { id: 8, text: "second" },
    ],
  });
  write(box(view), "my draft");
  view.all(".ck-change")[0].click();
  assert.deepEqual([box(view).value, note(view), document.activeElement], ["first", "Editing a queued message", box(view)]);
  view.all(".ck-change")[1].click();
  write(box(view), "second, changed");
  press(box(view), "Enter");
  assert.deepEqual(view.model.told, [{ do: "edit", id: 8, text: "second, changed" }]);
  view.model.hear({ ack: "edit" });
  assert.deepEqual([box(view).value, note(view)], ["my draft", ""]);
  view.all(".ck-change")[0].click();
  view.button("Cancel").click();
  assert.deepEqual([box(view).value, note(view), view.model.told.length], ["my draft", "", 1]);
});

test("a message that waits no more can't be changed: what was written stays as a draft", () => {
  const view = start(chat, { commands: OFFERS, queue: [{ id: 7, text: "first" }] });
  view.all(".ck-change")[0].click();
  write(box(view), "first, changed");
  view.model.hear({ r: 1, set: { queue: [] } });
  assert.deepEqual([box(view).value, note(view)], ["first, changed", ""]);
});

test("a change that is refused can be tried again", () => {
  const view = start(chat, { commands: OFFERS, queue: [{ id: 7, text: "first" }] });
  view.all(".ck-change")[0].click();
  write(box(view), "x");
  press(box(view), "Enter");
  view.model.hear({ ack: "edit", refused: "no" });
  assert.deepEqual([box(view).value, note(view)], ["x", "Editing a queued message"]);
});

test("draft, place of the cursor, focus and what is edited outlive the view", () => {
  const model = modelOf(chat, { ...IDLE, queue: [{ id: 7, text: "first" }] });
  const first = mount(chat, model);
  first.all(".ck-change")[0].click();
  write(box(first), "first, changed");
  box(first).setSelectionRange(2, 5);
  document.dispatchEvent(new Event("selectionchange"));
  first.remove();
  const second = mount(chat, model);
  layOut();
  assert.equal(document.activeElement, box(second));
  assert.deepEqual(
    [box(second).value, note(second), box(second).selectionStart, box(second).selectionEnd],
    ["first, changed", "Editing a queued message", 2, 5],
  );
});

test("a message that was sent by the view before arrives in the one after", () => {
  const model = modelOf(chat, IDLE);
  const first = mount(chat, model);
  write(box(first), "Hello");
  press(box(first), "Enter");
  first.remove();
  const second = mount(chat, model);
  assert.equal(second.button("Send").ariaDisabled, "true");
  model.hear({ ack: "send" });
  assert.equal(box(second).value, "");
});

test("the notebook's shortcuts see nothing of what is typed", () => {
  const seen = [];
  for (const kind of ["keydown", "keyup", "paste", "copy", "cut"]) document.body.addEventListener(kind, () => seen.push(kind));
  const view = start(chat, IDLE);
  press(box(view), "a");
  press(view.button("Send"), "Enter");
  for (const kind of ["keyup", "paste", "copy", "cut"]) box(view).dispatchEvent(new Event(kind, { bubbles: true }));
  assert.deepEqual(seen, []);
  assert.ok(box(view).closest("[data-lm-suppress-shortcuts=true]"));
});

test("two views of one chat stay in step with what is written, edited and sent", () => {
  const model = modelOf(chat, { ...IDLE, queue: [{ id: 7, text: "first" }] });
  const [one, two] = [mount(chat, model), mount(chat, model)];
  box(two).focus();
  write(box(two), "Hello");
  model.hear({ r: 1, set: { status: "ready" } });
  assert.equal(box(one).value, "Hello");
  press(box(two), "Enter");
  model.hear({ ack: "send" });
  assert.deepEqual([box(one).value, box(two).value, timers()], ["", "", 0]);
  write(box(two), "draft");
  two.all(".ck-change")[0].click();
  write(box(two), "changed");
  press(box(two), "Enter");
  model.hear({ ack: "edit" });
  model.hear({ r: 2, set: { status: "x" } });
  assert.deepEqual([box(one).value, box(two).value, note(one), note(two)], ["draft", "draft", "", ""]);
});
