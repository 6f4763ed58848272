// A view's line to the kernel: commands go out, and what became of them comes back.
import { tell } from "./state.js";

/** @import { Ack, Command } from "./wire.js" */
/** @import { Model } from "./model.js" */

export const GONE = "The kernel is gone. What was said stays here; run the cell again to go on.";
const BUSY = "the kernel is busy: interrupt it (■) to stop";
const LATER = "the kernel is busy: it hears this when its cell is done";

/**
 * @param {Model} model
 * @param {() => void} redraw
 * @param {(ack: Ack, command: Command) => void} [heard]
 */
export function openLine(model, redraw, heard) {
  const ui = model.get("ui");
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let patience;
  const line = {
    /** What the person should know of the last command. */
    hint: "",
    /** @param {Command} command */
    ask(command) {
      if (ui.gone) return;
      line.hint = "";
      if (tell(model, command)) ui.asked[command.do] = command;
      wait();
      redraw();
    },
    close() {
      clearTimeout(patience);
      model.off("msg:custom", hear);
      model.off("comm_live_update", lose);
    },
  };

  function wait() {
    clearTimeout(patience);
    const open = Object.keys(ui.asked);
    if (!open.length) return;
    patience = setTimeout(() => {
      line.hint = open.some((what) => what === "stop" || what === "retry") ? BUSY : LATER;
      redraw();
    }, 1000);
  }

  /** @param {Ack} m */
  function hear(m) {
    const command = ui.answered;
    if (!command) return;
    line.hint = m.refused ?? "";
    if (line.hint && m.ack === "retry") ui.hurried = undefined;
    wait();
    heard?.(m, command);
    redraw();
  }

  function lose() {
    line.hint = "";
    clearTimeout(patience);
    redraw();
  }

  model.on("msg:custom", hear);
  model.on("comm_live_update", lose);
  wait();
  return line;
}
