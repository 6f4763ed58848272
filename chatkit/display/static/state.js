// The state of a view, which the kernel sends in full or by its changes.

/** @import { Changes, Command, Facts } from "./messages.js" */
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
  return { ...state, ...(m.now ? timed(m.set ?? {}, m.now) : m.set), r: m.r, blocks };
}

/**
 * Facts with their moments by this browser's clock, counted from the moment at which they came.
 * @template {Partial<Facts>} T
 * @param {T} facts
 * @param {number} now the kernel's clock
 * @returns {T}
 */
function timed(facts, now) {
  const shift = performance.now() - now;
  const { retry, waiting } = facts;
  return {
    ...facts,
    ...(retry && { retry: { ...retry, until: retry.until + shift } }),
    ...(waiting && { waiting: { since: waiting.since + shift } }),
  };
}

/**
 * Send a command to the kernel; false where the kernel is gone.
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
    const { now, ...state } = model.get("snap");
    asked = ui.gone = false;
    if (now !== undefined) model.set("snap", timed(state, now));
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
