// The countdown of chatkit.retry.
import { follow, make, mountBar } from "./callout.js";

function render({ model, el }) {
  const root = make("div", "chatkit");
  const bar = mountBar(model, root);
  const draw = () => bar.draw(model.get("snap"));
  el.append(root);
  model.on("change:snap", draw);
  draw();
  return () => {
    bar.remove();
    model.off("change:snap", draw);
  };
}

export default { initialize: ({ model }) => follow(model), render };
