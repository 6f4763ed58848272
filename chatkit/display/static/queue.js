// The queued messages.
import { button, fill, make, put, show } from "./dom.js";
import { LABELS } from "./labels.js";

/** @import { QueuedMessage } from "./messages.js" */
/** @import { Commands, Model, State } from "./model.js" */

/**
 * @param {Model} model
 * @param {HTMLElement} host
 * @param {Commands} commands
 * @param {(message: QueuedMessage) => void} edit
 */
export function mountQueue(model, host, commands, edit) {
  const box = host.appendChild(make("div", "ck-queue"));
  const count = make("div", "ck-count");
  const list = make("ol", "ck-list");
  /** @type {Map<number, ReturnType<typeof row>>} */
  const rows = new Map();
  list.ariaLabel = LABELS.queued;
  box.append(count, list);

  /** @param {QueuedMessage} first */
  function row(first) {
    let message = first;
    const el = make("li", "ck-queued");
    const fold = make("details", "ck-entry");
    const text = make("summary", "ck-line");
    const by = make("span", "ck-by");
    const id = first.id;
    const promote = button("ck-promote", LABELS.send_next, () => commands.send({ do: "promote", id }));
    const change = button("ck-change", LABELS.edit, () => edit(message));
    const remove = button("ck-delete", LABELS.delete, () => commands.send({ do: "delete", id }));
    text.dir = "auto";
    fold.append(text);
    const acts = make("span", "ck-acts");
    acts.append(by, promote, change, remove);
    el.append(fold, acts);
    return {
      el,
      /**
       * @param {QueuedMessage} next
       * @param {State} state
       * @param {HTMLElement | null} heir
       */
      draw(next, { commands: available }, heir) {
        message = next;
        put(text, next.text);
        put(by, next.model ?? "");
        const { asked, gone } = model.get("ui");
        for (const [what, b] of /** @type {const} */ ([
          ["promote", promote],
          ["edit", change],
          ["delete", remove],
        ])) {
          show(b, available.includes(what), heir);
          b.ariaDisabled = String(Boolean(gone || (what !== "edit" && asked[what])));
          b.title = `${b.textContent}: ${next.text.slice(0, 80)}`;
        }
      },
    };
  }

  return {
    /**
     * @param {State} state
     * @param {HTMLElement | null} heir where the focus goes when the last one is gone
     */
    draw(state, heir) {
      const { queue } = state;
      const had = [...rows.values()].findIndex(({ el }) => el.contains(document.activeElement));
      const held = document.activeElement?.className;
      for (const [id, { el }] of rows) {
        if (queue.some((q) => q.id === id)) continue;
        el.remove();
        rows.delete(id);
      }
      queue.forEach((message, i) => {
        const view = rows.get(message.id) ?? row(message);
        rows.set(message.id, view);
        if (list.children[i] !== view.el) list.insertBefore(view.el, list.children[i] ?? null);
        view.draw(message, state, heir);
      });
      box.hidden = !queue.length;
      put(count, queue.length === 1 ? LABELS.one_queued : fill(LABELS.many_queued, { count: queue.length }));
      if (had < 0 || list.contains(document.activeElement)) return;
      const next = list.children[Math.min(had, queue.length - 1)];
      const same = next && [...next.querySelectorAll("button")].find((b) => b.className === held);
      (same ?? heir)?.focus({ preventScroll: true });
    },
  };
}
