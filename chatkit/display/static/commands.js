// The commands of a view: they go to the kernel, and what became of them comes back.
import { LABELS } from "./labels.js";
import { tell } from "./state.js";

/** @import { Ack, Command } from "./messages.js" */
/** @import { Model } from "./model.js" */

/**
 * @param {Model} model
 * @param {() => void} redraw
 * @param {(ack: Ack, command: Command) => void} [heard]
 */
export function openCommands(model, redraw, heard) {
  const ui = model.get("ui");
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let patience;
  const commands = {
    /** What a person should know of the last command. */
    hint: "",
    /** @param {Command} command */
    send(command) {
      if (ui.gone) return;
      commands.hint = "";
      if (tell(model, command)) ui.asked[command.do] = command;
      wait();
      redraw();
    },
    remove() {
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
      commands.hint = open.some((what) => what === "stop" || what === "retry") ? LABELS.kernel_busy : LABELS.kernel_later;
      redraw();
    }, 1000);
  }

  /** @param {Ack} m */
  function hear(m) {
    const command = ui.answered;
    if (!command) return;
    commands.hint = m.refused ?? "";
    if (commands.hint && m.ack === "retry") ui.hurried = undefined;
    wait();
    heard?.(m, command);
    redraw();
  }

  function lose() {
    commands.hint = "";
    clearTimeout(patience);
    redraw();
  }

  model.on("msg:custom", hear);
  model.on("comm_live_update", lose);
  wait();
  return commands;
}
