// The commands of a view: they go to the kernel, and what became of them comes back.
import { LABELS } from "./labels.js";
import { tell } from "./state.js";

/** @import { Ack, Command } from "./messages.js" */
/** @import { Model } from "./model.js" */

/** Milliseconds after which a command that the kernel hasn't confirmed is sent again, then twice as many, and so on. */
const AGAIN = 250;

/**
 * A command may wait for the running cell: a front end sends it there until it has opened another way to the kernel. So it
 * is sent again until the kernel confirms it; the kernel carries it out once.
 * @param {Model} model
 * @param {() => void} redraw
 * @param {(ack: Ack, command: Command) => void} [heard]
 */
export function openCommands(model, redraw, heard) {
  const ui = model.get("ui");
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let patience;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let again;
  const commands = {
    /** What a person should know of the last command. */
    hint: "",
    /** @param {Command} command */
    send(command) {
      if (ui.gone) return;
      commands.hint = "";
      const numbered = { ...command, n: Math.random().toString(36).slice(2) };
      if (tell(model, numbered)) ui.asked[command.do] = numbered;
      wait();
      redraw();
    },
    remove() {
      rest();
      model.off("msg:custom", hear);
      model.off("comm_live_update", lose);
    },
  };

  function rest() {
    clearTimeout(patience);
    clearTimeout(again);
  }

  function wait() {
    rest();
    const open = Object.keys(ui.asked);
    if (!open.length) return;
    patience = setTimeout(() => {
      commands.hint = open.some((what) => what === "stop" || what === "retry") ? LABELS.kernel_busy : LABELS.kernel_later;
      redraw();
    }, 1000);
    repeat(AGAIN);
  }

  /** @param {number} ms */
  function repeat(ms) {
    again = setTimeout(() => {
      if (Object.values(ui.asked).every((command) => !command || tell(model, command))) repeat(2 * ms);
      else lose();
    }, ms);
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
    rest();
    redraw();
  }

  model.on("msg:custom", hear);
  model.on("comm_live_update", lose);
  wait();
  return commands;
}
