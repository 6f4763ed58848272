import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { follow, reduce } from "../../../chatkit/display/static/state.js";
import { FACTS, snapshot, Model, freshPage, html, pass } from "./page.js";

beforeEach(freshPage);

const STATE = { ...FACTS, r: 5, blocks: [html("<p>Hel</p>", { o: true }), html("b")] };

for (const [name, message, blocks] of [
  ["an edit puts text into a block", { r: 6, edit: [[0, 6, 0, "lo"]] }, ["<p>Hello</p>", "b"]],
  ["an edit takes text out of a block", { r: 6, edit: [[0, 3, 2, ""]] }, ["<p>l</p>", "b"]],
  [
    "edits of one block follow one another",
    {
      r: 6,
      edit: [
        [1, 1, 0, "c"],
        [1, 2, 0, "d"],
      ],
    },
    ["<p>Hel</p>", "bcd"],
  ],
  [
    "blocks are cut before others are put and edited",
    { r: 6, cut: 1, put: [[1, html("new")]], edit: [[1, 0, 1, "N"]] },
    ["<p>Hel</p>", "New"],
  ],
  ["a block is put at the end", { r: 6, put: [[2, html("c")]] }, ["<p>Hel</p>", "b", "c"]],
  ["all is withdrawn", { r: 6, cut: 0 }, []],
  ["facts alone change", { r: 6, set: { doing: "x" } }, ["<p>Hel</p>", "b"]],
  ["a message that is known changes nothing", { r: 5, cut: 0 }, ["<p>Hel</p>", "b"]],
  ["a message after a gap is refused", { r: 7, cut: 0 }, null],
  ["an edit beyond the end is refused", { r: 6, edit: [[1, 2, 0, "x"]] }, null],
  ["an edit of more than there is is refused", { r: 6, edit: [[1, 0, 2, "x"]] }, null],
  ["an edit of no block is refused", { r: 6, edit: [[2, 0, 0, "x"]] }, null],
  ["a block that leaves a hole is refused", { r: 6, put: [[3, html("x")]] }, null],
  ["a cut beyond the end is refused", { r: 6, cut: 3 }, null],
  ["the end of no block is refused", { r: 6, done: [2] }, null],
]) {
  test(name, () => {
    const before = structuredClone(STATE);
    assert.deepEqual(reduce(STATE, message)?.blocks.map((b) => b.t) ?? null, blocks);
    assert.deepEqual(STATE, before);
  });
}

test("offsets count as JavaScript counts", () => {
  const state = { ...STATE, blocks: [html("a👋b")] };
  assert.equal(reduce(state, { r: 6, edit: [[0, 3, 1, "c"]] }).blocks[0].t, "a👋c");
});

test("a block that is done grows no more, and the others are the same objects", () => {
  const next = reduce(STATE, { r: 6, done: [0] });
  assert.equal(next.blocks[0].o, false);
  assert.equal(next.blocks[1], STATE.blocks[1]);
});

test("a gap asks once, and the whole state heals it", () => {
  const model = new Model({ ...FACTS, r: 0, blocks: [] });
  follow(model);
  model.hear({ r: 1, put: [[0, html("a")]] });
  for (const r of [3, 4, 5]) model.hear({ r, edit: [[0, 1, 0, "x"]] });
  assert.deepEqual(model.sent, [{ do: "resync" }]);
  assert.equal(model.get("snap").blocks[0].t, "a");
  model.set("snap", { ...FACTS, r: 5, blocks: [html("axxx")] });
  model.hear({ r: 6, edit: [[0, 4, 0, "y"]] });
  assert.equal(model.get("snap").blocks[0].t, "axxxy");
  assert.equal(model.sent.length, 1);
});

test("a gap that nobody can be asked about is asked about again when the kernel is heard", () => {
  const model = new Model({ ...FACTS, r: 0, blocks: [] });
  follow(model);
  model.kernel = false;
  model.hear({ r: 2, cut: 0 });
  assert.equal(model.get("ui").gone, true);
  model.kernel = true;
  model.hear({ r: 3, cut: 0 });
  assert.deepEqual(model.sent, [{ do: "resync" }]);
  assert.equal(model.get("ui").gone, false);
});

test("times are kept by this browser's clock, from the moment that they were heard of", () => {
  pass(70_000);
  const model = new Model(snapshot({ waiting: { age: 4000 } }));
  follow(model);
  assert.equal(model.get("snap").waiting.since, 66_000);
  pass(1000);
  model.hear({ r: 1, set: { waiting: null, retry: { left: 3000, why: "" } } });
  pass(500);
  model.hear({ r: 2, set: { doing: "x" } });
  assert.equal(model.get("snap").waiting, null);
  assert.equal(model.get("snap").retry.until, 74_000);
});

test("a model that the kernel has closed holds nothing of what was said, not even in what was there before its last change", () => {
  const model = new Model({ ...FACTS, r: 0, blocks: [] });
  let kept = [];
  const set = model.set.bind(model);
  model.set = (name, value) => {
    kept = { ...model.values };
    set(name, value);
  };
  const empty = follow(model);
  model.hear({ r: 1, put: [[0, html("<p>said</p>")]] });
  empty();
  assert.doesNotMatch(JSON.stringify([model.values, kept]), /said/);
});
