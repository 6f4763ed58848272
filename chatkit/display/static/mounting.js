// The life of a view that follows what runs: from its mounting to its taking down.
import { leaving, onceShown } from "./dom.js";
import { tell } from "./state.js";

/** @import { Place } from "./model.js" */

/**
 * Draw it now and at every change, and take up the focus once it is on the page. Gives what takes it down.
 * @param {Place} place
 * @param {HTMLElement} root
 * @param {() => void} draw
 * @param {() => void} restore
 * @param {(() => void)[]} ends of the view's parts, in the order in which they go
 */
export function live({ model, el }, root, draw, restore, ends) {
  const leave = onceShown(root, () => {
    if (el.closest(".jp-OutputArea")) tell(model, { do: "hides" });
    restore();
  });
  model.on("change:snap", draw);
  draw();
  return leaving(root, () => {
    for (const end of [leave, ...ends]) end();
    model.off("change:snap", draw);
  });
}
