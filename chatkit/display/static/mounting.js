// The life of a view, from its mounting to its taking down.
import { leaving, make, onceShown } from "./dom.js";
import { tell } from "./state.js";

/** @import { Place } from "./model.js" */

/**
 * The element of a view, with its style.
 * @param {HTMLElement} el
 * @param {string} name
 * @param {string} style
 */
export function makeRoot(el, name, style) {
  const root = el.appendChild(make("div", name));
  root.append(make("style", "", style));
  return root;
}

/**
 * Draw a view now and at every change, and take up the focus once it is on the page. Gives what takes it down.
 * @param {Place} place
 * @param {HTMLElement} root
 * @param {() => void} draw
 * @param {() => void} restore
 * @param {({ remove(): void } | undefined)[]} parts in the order in which they are taken down
 */
export function live({ model, el }, root, draw, restore, parts) {
  const leave = onceShown(root, () => {
    if (el.closest(".jp-OutputArea")) tell(model, { do: "hides" });
    restore();
  });
  model.on("change:snap", draw);
  draw();
  return leaving(root, () => {
    leave();
    for (const part of parts) part?.remove();
    model.off("change:snap", draw);
  });
}
