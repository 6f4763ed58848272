// The Copy button of finished replies. Static output has no script: the first view on a page puts the buttons there, for all.
import { addWhole, mountCopying } from "./copying.js";
import { adopt } from "./mounting.js";

/**
 * From now on give every finished reply on the page its button; it stays when the view has gone.
 * @param {HTMLElement} root the view
 * @param {string} style
 */
export function offerCopies(root, style) {
  const page = /** @type {Document & { chatkit?: boolean }} */ (document);
  if (page.chatkit) return;
  page.chatkit = true;
  adopt(root, style);
  mountCopying(page, () => {}, ".chatkit-reply");
  // what is shown for the first time begins the animation that the style sheet gives it
  page.addEventListener("animationstart", ({ animationName, target }) => {
    if (animationName === "ck-arrive" && target instanceof Element) addWhole(target);
  });
}
