// Try again, below what stays of a turn that failed.
import { button, leaving, make, put } from "./dom.js";
import { GONE, openLine } from "./line.js";
import { follow } from "./state.js";

/** @import { Place } from "./model.js" */

/** @param {Place} place */
function render({ model, el }) {
  const ui = model.get("ui");
  const root = make("div", "chatkit ck-turn");
  const line = openLine(model, draw);
  const again = button("ck-again", "Try again", () => line.ask({ do: "again" }));
  const hint = make("span", "ck-hint");
  hint.role = "status";
  root.append(again, hint);
  el.append(root);

  function draw() {
    again.ariaDisabled = String(Boolean(ui.gone || ui.asked.again));
    put(hint, ui.gone ? GONE : line.hint);
  }

  model.on("change:snap", draw);
  draw();
  return leaving(root, () => {
    line.close();
    model.off("change:snap", draw);
  });
}

export default { initialize: (/** @type {Place} */ { model }) => follow(model), render };
