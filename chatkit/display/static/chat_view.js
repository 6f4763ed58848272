// A whole chat: its head, what was said, what waits, and where to write.
import { mountBar } from "./callout.js";
import { mountComposer } from "./composer.js";
import { make } from "./dom.js";
import { mountDots } from "./dots.js";
import { mountFailure } from "./failure.js";
import { mountFocus } from "./focus.js";
import { mountHeader } from "./header.js";
import { openLine } from "./line.js";
import { live } from "./mounting.js";
import { mountQueue } from "./queue.js";
import { mountScroll } from "./scroll.js";
import { follow } from "./state.js";
import { mountTimeline } from "./timeline.js";

/** @import { Place, State } from "./model.js" */

/** @param {Place} place */
function render(place) {
  const { model, el } = place;
  const root = make("div", "chatkit ck-chat");
  el.append(root);
  const line = openLine(model, draw, (ack, command) => composer.heard(ack, command));
  const header = mountHeader(root);
  const scroller = root.appendChild(make("div", "ck-scroller"));
  const content = scroller.appendChild(make("div", "ck-content"));
  const body = content.appendChild(make("div", "ck-body jp-RenderedHTMLCommon"));
  const empty = content.appendChild(make("div", "ck-empty", "No messages yet."));
  const dots = mountDots(content);
  const failure = mountFailure(model, content, line);
  const bar = mountBar(model, content.appendChild(make("div", "ck-foot")), line);
  const timeline = mountTimeline(body, bar.say);
  const scroll = mountScroll(model, scroller, content, timeline.whole);
  const queue = mountQueue(model, root, line, (message) => composer.edit(message));
  const composer = mountComposer(model, root, line);
  const focus = mountFocus(model, root);
  /** @type {State | undefined} */
  let seen;
  scroller.tabIndex = 0;
  scroller.role = "log";
  scroller.ariaLive = "off";
  scroller.ariaLabel = "Conversation";

  function draw() {
    const state = model.get("snap");
    const withdrawn = timeline.loses(state.blocks) || (state.retry && seen && !seen.retry);
    const before = withdrawn ? content.getBoundingClientRect().height : 0;
    if (state.over) content.style.minHeight = "";
    timeline.draw(state.blocks);
    header.draw(state, model.get("ui").gone);
    composer.draw(state);
    const heir = state.offers.includes("send") ? composer.text : scroller;
    queue.draw(state, heir);
    failure.draw(state, heir);
    bar.draw(state, heir);
    dots.hidden = !state.waiting;
    empty.hidden = state.blocks.length > 0 || !state.over || Boolean(state.error);
    body.ariaBusy = String(!state.over);
    // what was withdrawn leaves its room behind, so that nothing below jumps up and down again
    if (before && !state.over) content.style.minHeight = `${Math.min(before, content.offsetHeight + 340)}px`;
    seen = state;
  }

  function restore() {
    composer.restore();
    focus.restore();
  }

  return live(place, root, draw, restore, [focus.remove, composer.remove, scroll.remove, timeline.remove, bar.remove, line.close]);
}

export default { initialize: (/** @type {Place} */ { model }) => follow(model), render };
