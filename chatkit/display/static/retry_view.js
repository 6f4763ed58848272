// The countdown of chatkit.retry.
import { mountBar } from "./callout.js";
import { leaving, make, onceShown } from "./dom.js";
import { mountFocus } from "./focus.js";
import { openLine } from "./line.js";
import { follow, tell } from "./state.js";

/** @import { Place } from "./model.js" */

/** @param {Place} place */
function render({ model, el }) {
  const root = make("div", "chatkit");
  el.append(root);
  const line = openLine(model, draw);
  const bar = mountBar(model, root, line);
  const focus = mountFocus(model, root);

  function draw() {
    bar.draw(model.get("snap"), /** @type {HTMLElement | null} */ (el.closest("[tabindex]")));
  }

  const leave = onceShown(root, () => {
    if (el.closest(".jp-OutputArea")) tell(model, { do: "hides" });
    focus.restore();
  });
  model.on("change:snap", draw);
  draw();
  return leaving(root, () => {
    leave();
    focus.remove();
    bar.remove();
    line.close();
    model.off("change:snap", draw);
  });
}

export default { initialize: (/** @type {Place} */ { model }) => follow(model), render };
