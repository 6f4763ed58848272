// The output of a cell may be drawn anew while the focus is in it: the next view takes it up.

/** @import { Model } from "./model.js" */

/**
 * @param {Model} model
 * @param {HTMLElement} root
 */
export function mountFocus(model, root) {
  const ui = model.get("ui");
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  root.addEventListener("focusin", ({ target }) => {
    clearTimeout(timer);
    ui.focus = /** @type {Element} */ (target).className;
  });
  root.addEventListener("focusout", () => {
    timer = setTimeout(() => {
      if (root.isConnected) ui.focus = undefined;
    });
  });
  return {
    restore() {
      if (!ui.focus || document.activeElement !== document.body) return;
      const all = /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("button, textarea, [tabindex]"));
      [...all].find((e) => e.className === ui.focus && !e.closest("[hidden]"))?.focus({ preventScroll: true });
    },
    remove: () => clearTimeout(timer),
  };
}
