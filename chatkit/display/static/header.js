// The header of a chat: its title, its model, its status, and how much of the context window it takes up.
import { fill, make, put } from "./dom.js";
import { LABELS } from "./labels.js";

/** @import { ContextUse } from "./messages.js" */
/** @import { State } from "./model.js" */

const SVG = "http://www.w3.org/2000/svg";

/** @param {HTMLElement} host */
export function mountHeader(host) {
  const head = host.appendChild(make("div", "ck-header"));
  const title = make("div", "ck-title");
  const model = make("span", "ck-model");
  const status = make("span", "ck-status");
  const context = mountRing();
  title.role = "heading";
  title.ariaLevel = "3";
  title.dir = "auto";
  head.append(title, model, status, context.el);
  return {
    /**
     * @param {State} state
     * @param {boolean} [gone]
     */
    draw(state, gone) {
      put(title, state.title || LABELS.untitled);
      title.title = state.title;
      put(model, state.label);
      model.title = state.label;
      put(status, gone ? "" : state.status);
      context.draw(state.context);
    },
  };
}

function mountRing() {
  const el = make("span", "ck-context");
  const ring = document.createElementNS(SVG, "svg");
  const words = make("span", "ck-percent");
  const arcs = ["ck-track", "ck-arc"].map((name) => {
    const arc = document.createElementNS(SVG, "circle");
    const shape = { class: name, cx: "8", cy: "8", r: "6", pathLength: "100" };
    for (const [key, value] of Object.entries(shape)) arc.setAttribute(key, value);
    return arc;
  });
  ring.setAttribute("viewBox", "0 0 16 16");
  ring.append(...arcs);
  el.role = "img";
  el.append(ring, words);
  return {
    el,
    /** @param {ContextUse | null} use */
    draw(use) {
      el.hidden = !use;
      if (!use) return;
      const grade = use.percent >= 95 ? LABELS.context_full : use.percent >= 85 ? LABELS.context_nearly_full : "";
      el.classList.toggle("ck-warning", grade === LABELS.context_nearly_full);
      el.classList.toggle("ck-danger", grade === LABELS.context_full);
      put(words, [`${use.percent} %`, grade].filter(Boolean).join(" · "));
      el.ariaLabel = fill(LABELS.context, { ...use, grade: grade || LABELS.context_used });
      el.title = use.words;
      arcs[1]?.setAttribute("stroke-dasharray", `${use.percent} 100`);
    },
  };
}
