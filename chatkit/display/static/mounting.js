// The life of a view, from its mounting to its taking down.
import { leaving, onceShown } from "./dom.js";
import { tell } from "./state.js";

/** @import { Place } from "./model.js" */

/**
 * Give the page a view's style sheet, and the shadow tree that the view is in, where there is one. It is no element, so
 * that none in the page comes from a view but its own. Gives what takes it away.
 * @param {HTMLElement} root
 * @param {string} style
 */
export function adopt(root, style) {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(style);
  /** @type {DocumentOrShadowRoot[]} */
  const places = [document];
  const node = root.getRootNode();
  if (node instanceof ShadowRoot) places.push(node);
  for (const place of places) place.adoptedStyleSheets = [...place.adoptedStyleSheets, sheet];
  return () => {
    for (const place of places) place.adoptedStyleSheets = place.adoptedStyleSheets.filter((s) => s !== sheet);
  };
}

/**
 * Draw a view now and at every change, and take up the focus once it is on the page. Gives what takes it down.
 * @param {Place} place
 * @param {HTMLElement} root
 * @param {string} style
 * @param {() => void} draw
 * @param {() => void} restore
 * @param {({ remove(): void } | undefined)[]} parts in the order in which they are taken down
 */
export function live({ model, el }, root, style, draw, restore, parts) {
  const undress = adopt(root, style);
  const leave = onceShown(root, () => {
    if (el.closest(".jp-OutputArea")) tell(model, { do: "hides" });
    restore();
  });
  model.on("change:snap", draw);
  draw();
  return leaving(root, () => {
    leave();
    undress();
    for (const part of parts) part?.remove();
    model.off("change:snap", draw);
  });
}
