// The model's half of a view: the state that the kernel tells, in full or by its changes.

/** @import { Changes, Command, Snapshot } from "./wire.js" */
/** @import { Model, State, Ui } from "./model.js" */

/**
 * The state after a message; null where a message before it is missing.
 * @param {State} state
 * @param {Changes} m
 * @returns {State | null}
 */
export function reduce(state, m) {
  if (m.r <= state.r) return state;
  if (m.r !== state.r + 1 || (m.cut ?? 0) > state.blocks.length) return null;
  const blocks = state.blocks.slice(0, m.cut ?? undefined);
  for (const [i, block] of m.put ?? []) {
    if (i > blocks.length) return null;
    blocks[i] = block;
  }
  for (const [i, at, drop, text] of m.edit ?? []) {
    const block = blocks[i];
    if (!block || at + drop > block.t.length) return null;
    blocks[i] = { ...block, t: block.t.slice(0, at) + text + block.t.slice(at + drop) };
  }
  for (const i of m.done ?? []) {
    if (!blocks[i]) return null;
    blocks[i] = { ...blocks[i], o: false };
  }
  return timed({ ...state, ...m.set, r: m.r, blocks });
}

/**
 * With its times by this browser's clock, counted from the moment that they were heard of.
 * @param {Snapshot | State} state
 * @returns {State}
 */
function timed({ retry, waiting, ...rest }) {
  const now = performance.now();
  return {
    ...rest,
    retry: retry && { until: now + retry.left, ...retry },
    waiting: waiting && { since: now - waiting.age, ...waiting },
  };
}

/**
 * Tell the kernel; false where it is gone.
 * @param {Model} model
 * @param {Command} command
 */
export function tell(model, command) {
  try {
    model.send(command);
  } catch {
    model.get("ui").gone = true;
  }
  return !model.get("ui").gone;
}

/**
 * Keep the model in step with the kernel, whether or not a view is there to see it. Gives what empties it.
 * @param {Model} model
 */
export function follow(model) {
  let asked = false;
  /** @type {Ui} */
  const ui = { asked: {} };
  const settle = () => {
    const { retry, waiting } = model.get("snap");
    asked = ui.gone = false;
    if ((retry && !retry.until) || (waiting && waiting.since === undefined)) model.set("snap", timed(model.get("snap")));
  };
  // what a view leaves to the next one: front ends draw them anew as they like
  model.set("ui", ui);
  model.on("change:snap", settle);
  model.on("comm_live_update", () => {
    ui.gone = true;
    ui.asked = {};
  });
  model.on("msg:custom", (m) => {
    ui.gone = false;
    ui.answered = m.ack ? ui.asked[m.ack] : undefined;
    if (m.ack) delete ui.asked[m.ack];
    if (!m.r || asked) return;
    const state = model.get("snap");
    const next = reduce(state, m);
    if (!next) asked = tell(model, { do: "resync" });
    else if (next !== state) model.set("snap", next);
  });
  settle();
  // the kernel has closed it; front ends hold on to such a model, and a model to what it was before its last change
  return () => {
    model.set("snap", { ...model.get("snap"), blocks: [] });
    model.set("ui", { asked: {} });
  };
}
