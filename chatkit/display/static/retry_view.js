// The countdown of chatkit.retry.
import { mountBar } from "./bar.js";
import { openCommands } from "./commands.js";
import { make } from "./dom.js";
import { mountFocus } from "./focus.js";
import { live } from "./mounting.js";
import { follow } from "./state.js";
import { STYLE } from "./style.js";

/** @import { Place } from "./model.js" */

/** @param {Place} place */
function render(place) {
  const { model, el } = place;
  const root = el.appendChild(make("div", "chatkit"));
  const commands = openCommands(model, draw);
  const bar = mountBar(model, root, commands);
  const focus = mountFocus(model, root);

  function draw() {
    bar.draw(model.get("snap"), /** @type {HTMLElement | null} */ (el.closest("[tabindex]")));
  }

  return live(place, root, STYLE, draw, focus.restore, [focus, bar, commands]);
}

export default { initialize: (/** @type {Place} */ { model }) => follow(model), render };
