// One view for a turn and for a whole chat: it has the parts that it is given, and they show what the state has for them.
import { mountBar } from "./bar.js";
import { openCommands } from "./commands.js";
import { make } from "./dom.js";
import { mountFailure } from "./failure.js";
import { mountFocus } from "./focus.js";
import { LABELS } from "./labels.js";
import { live } from "./mounting.js";
import { offerCopies } from "./replies.js";
import { follow } from "./state.js";
import { mountTimeline } from "./timeline.js";

/** @import { Place, State, WholeChat } from "./model.js" */

/** Pixels that withdrawn text leaves free at most, so that what is below doesn't jump up and down again. */
const ROOM = 340;

/**
 * The view of a turn, or with its parts that of a whole chat.
 * @param {string} style
 * @param {WholeChat} [parts]
 */
export function chatView(style, parts) {
  /** @param {Place} place */
  function render(place) {
    const { model, el } = place;
    const root = el.appendChild(make("div", parts ? "chatkit ck-chat" : "chatkit ck-turn"));
    const commands = openCommands(model, draw, (ack, command) => composer?.heard(ack, command));
    const header = parts?.mountHeader(root);
    const scroller = parts ? root.appendChild(make("div", "ck-scroller")) : root;
    const content = parts ? scroller.appendChild(make("div", "ck-content")) : root;
    const above = parts ? undefined : mountBar(model, root, commands);
    const body = content.appendChild(make("div", "ck-body jp-RenderedHTMLCommon"));
    const empty = make("div", "ck-empty", LABELS.no_messages);
    if (parts) content.append(empty);
    const dots = content.appendChild(make("div", "ck-dots"));
    const failure = mountFailure(model, content, commands);
    const bar = above ?? mountBar(model, content.appendChild(make("div", "ck-foot")), commands);
    const timeline = mountTimeline(model, body, bar.say);
    const scroll = parts?.mountScroll(model, scroller, content, timeline.whole);
    const queue = parts?.mountQueue(model, root, commands, (message) => composer?.edit(message));
    const composer = parts?.mountComposer(model, root, commands);
    const focus = mountFocus(model, root);
    /** @type {State | undefined} */
    let seen;
    dots.ariaHidden = "true";
    dots.append(make("span", ""), make("span", ""), make("span", ""));

    function draw() {
      const state = model.get("snap");
      const withdrawn = timeline.loses(state.blocks) || (state.retry && seen && !seen.retry);
      const before = withdrawn ? content.getBoundingClientRect().height : 0;
      if (state.over && parts) content.style.minHeight = ""; // static output takes the place of a turn
      timeline.draw(state.blocks);
      header?.draw(state, model.get("ui").gone);
      composer?.draw(state);
      // where the focus goes when there is nothing left to press: a turn's cell keeps it
      const cell = /** @type {HTMLElement | null} */ (el.closest("[tabindex]"));
      const heir = composer ? (state.commands.includes("send") ? composer.text : scroller) : cell;
      queue?.draw(state, heir);
      failure.draw(state, heir);
      bar.draw(state, heir);
      dots.hidden = !state.waiting;
      empty.hidden = state.blocks.length > 0 || !state.over || Boolean(state.error);
      body.ariaBusy = String(!state.over);
      if (before && !state.over) content.style.minHeight = `${Math.min(before, content.offsetHeight + ROOM)}px`;
      seen = state;
    }

    function restore() {
      composer?.restore();
      focus.restore();
    }

    offerCopies(root, style);
    return live(place, root, style, draw, restore, [focus, composer, scroll, timeline, bar, commands]);
  }

  return { initialize: (/** @type {Place} */ { model }) => follow(model), render };
}
