// The composer: it writes a message, and changes a queued one or the last one.
import { button, make, put, show } from "./dom.js";
import { LABELS } from "./labels.js";

/** @import { Ack, Command, QueuedMessage } from "./messages.js" */
/** @import { Commands, Model, State } from "./model.js" */

/**
 * @param {Model} model
 * @param {HTMLElement} host
 * @param {Commands} commands
 */
export function mountComposer(model, host, commands) {
  const ui = model.get("ui");
  /** @type {State} */
  let state;
  const box = host.appendChild(make("div", "ck-composer"));
  const note = make("div", "ck-note");
  const text = make("textarea", "ck-text");
  const cancel = button("ck-cancel", LABELS.cancel, () => leave(true));
  const send = button("ck-send", LABELS.send, submit);
  note.id = `ck-note-${Math.random().toString(36).slice(2)}`;
  text.rows = 1;
  text.dir = "auto";
  text.ariaLabel = LABELS.message;
  text.setAttribute("aria-describedby", note.id);
  box.append(note, text, cancel, send);
  // the notebook's shortcuts are for its cells
  box.dataset.lmSuppressShortcuts = "true";
  for (const kind of ["keydown", "keyup", "keypress", "paste", "copy", "cut"]) box.addEventListener(kind, (e) => e.stopPropagation());

  /** Why nothing can be sent just now. */
  function blocked() {
    if (ui.gone) return LABELS.kernel_gone;
    return ui.editing ? "" : state.commands.includes("queue") ? "" : state.blocked;
  }

  /** @param {string} value */
  function write(value) {
    ui.draft = text.value = value;
    grow();
  }

  function grow() {
    text.style.height = "auto";
    text.style.height = `${text.scrollHeight + 2}px`;
  }

  function submit() {
    const said = text.value;
    if (!said.trim() || send.ariaDisabled === "true") return;
    const { editing } = ui;
    if (!editing) commands.send({ do: "send", text: said });
    else if (editing.id === undefined) commands.send({ do: "replace", text: said });
    else commands.send({ do: "edit", id: editing.id, text: said });
  }

  /**
   * Change a message in the composer.
   * @param {string} value
   * @param {number} [id]
   */
  function change(value, id) {
    ui.editing = { id, before: ui.editing?.before ?? text.value };
    write(value);
    draw(state);
    text.focus();
    text.setSelectionRange(value.length, value.length);
  }

  /**
   * End the change of a message.
   * @param {boolean} back whether what was there before comes back
   */
  function leave(back) {
    const { editing } = ui;
    if (!editing) return;
    ui.editing = undefined;
    if (back) write(editing.before);
    draw(state);
    text.focus({ preventScroll: true });
  }

  text.addEventListener("input", () => {
    ui.draft = text.value;
    grow();
    draw(state);
  });
  document.addEventListener("selectionchange", mark);
  text.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      submit();
    } else if (event.key === "Escape") {
      event.preventDefault();
      if (ui.editing) leave(true);
      else if (!state.over && state.commands.includes("stop") && ui.stopped === undefined) {
        ui.stopped = "";
        commands.send({ do: "stop" });
      }
    } else if (event.key === "ArrowUp" && !text.value && !ui.editing && state.last) {
      event.preventDefault();
      if (state.commands.includes("replace")) change(state.last);
      else {
        write(state.last);
        draw(state);
      }
    }
  });

  function mark() {
    if (document.activeElement === text) ui.caret = [text.selectionStart, text.selectionEnd];
  }

  /** @param {State} next */
  function draw(next) {
    state = next;
    const id = ui.editing?.id;
    if (id !== undefined && !ui.asked.edit && !next.queue.some((q) => q.id === id)) {
      ui.editing = undefined; // it has left the queue: the text stays as a draft
    }
    const { editing } = ui;
    // a draft is shared by all views of the chat
    if (document.activeElement !== text && text.value !== (ui.draft ?? "")) write(ui.draft ?? "");
    const reason = blocked();
    const waits = Boolean(ui.asked.send || ui.asked.replace || ui.asked.edit);
    const purpose = id === undefined ? LABELS.editing_last : LABELS.editing_queued;
    put(note, ui.gone ? "" : reason || (editing ? purpose : ""));
    note.hidden = !note.textContent;
    text.readOnly = Boolean(ui.gone);
    text.placeholder = LABELS.placeholder;
    put(send, editing ? LABELS.save : !next.over && next.commands.includes("queue") ? LABELS.queue : LABELS.send);
    send.ariaDisabled = String(Boolean(reason || waits || !text.value.trim()));
    show(cancel, editing, text);
    box.hidden = !next.commands.includes("send") && !editing && !ui.gone;
  }

  text.value = ui.draft ?? "";
  return {
    draw,
    grow,
    text,
    /** @param {QueuedMessage} message */
    edit: ({ id, text: value }) => change(value, id),
    /**
     * What was sent has arrived: the draft goes, unless it was refused or written on.
     * @param {Ack} ack
     * @param {Command} command
     */
    heard({ refused }, command) {
      if (refused || !("text" in command)) return;
      // several views of one chat hear of it: the first of them changes what they share
      if (ui.draft === command.text) ui.draft = command.do === "send" ? "" : (ui.editing?.before ?? "");
      if (command.do !== "send") ui.editing = undefined;
      if (text.value === command.text) write(ui.draft ?? "");
    },
    /** Go on where the last view was. */
    restore() {
      grow();
      if (ui.caret) text.setSelectionRange(...ui.caret);
    },
    remove: () => document.removeEventListener("selectionchange", mark),
  };
}
