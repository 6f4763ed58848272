// The countdown of chatkit.retry.
import { mountBar } from "./callout.js";
import { make } from "./dom.js";
import { mountFocus } from "./focus.js";
import { openLine } from "./line.js";
import { live } from "./mounting.js";
import { follow } from "./state.js";

/** @import { Place } from "./model.js" */

/** @param {Place} place */
function render(place) {
  const { model, el } = place;
  const root = make("div", "chatkit");
  el.append(root);
  const line = openLine(model, draw);
  const bar = mountBar(model, root, line);
  const focus = mountFocus(model, root);

  function draw() {
    bar.draw(model.get("snap"), /** @type {HTMLElement | null} */ (el.closest("[tabindex]")));
  }

  return live(place, root, draw, focus.restore, [focus.remove, bar.remove, line.close]);
}

export default { initialize: (/** @type {Place} */ { model }) => follow(model), render };
