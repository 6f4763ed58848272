// One turn as it streams: the bar, and below it what is said.
import { mountBar } from "./callout.js";
import { make } from "./dom.js";
import { mountDots } from "./dots.js";
import { mountFocus } from "./focus.js";
import { openLine } from "./line.js";
import { live } from "./mounting.js";
import { follow } from "./state.js";
import { mountTimeline } from "./timeline.js";

/** @import { Place, State } from "./model.js" */

/** @param {Place} place */
function render(place) {
  const { model, el } = place;
  const root = make("div", "chatkit ck-turn");
  el.append(root);
  const line = openLine(model, draw);
  const bar = mountBar(model, root, line);
  const body = root.appendChild(make("div", "ck-body jp-RenderedHTMLCommon"));
  const timeline = mountTimeline(body, bar.say);
  const dots = mountDots(root);
  const focus = mountFocus(model, root);
  /** @type {State | undefined} */
  let seen;

  function draw() {
    const state = model.get("snap");
    // what was withdrawn leaves its room behind, so that nothing below jumps up and down again
    const before = timeline.loses(state.blocks) || (state.retry && seen && !seen.retry) ? root.getBoundingClientRect().height : 0;
    timeline.draw(state.blocks);
    dots.hidden = !state.waiting;
    body.ariaBusy = String(!state.over);
    // static output takes this view's place: the cell keeps the focus
    bar.draw(state, /** @type {HTMLElement | null} */ (el.closest("[tabindex]")));
    if (before) root.style.minHeight = `${Math.min(before, 340)}px`;
    seen = state;
  }

  return live(place, root, draw, focus.restore, [focus.remove, timeline.remove, bar.remove, line.close]);
}

export default { initialize: (/** @type {Place} */ { model }) => follow(model), render };
