// The head of a chat: its title, its model, what it is at, and how much of the context window it takes up.
import { make, put } from "./dom.js";

/** @import { ContextUse } from "./wire.js" */
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
      put(title, state.title || "New Chat");
      title.title = state.title;
      put(model, state.label);
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
      const grade = use.percent >= 95 ? "full" : use.percent >= 85 ? "nearly full" : "";
      el.classList.toggle("ck-warning", grade === "nearly full");
      el.classList.toggle("ck-danger", grade === "full");
      put(words, [`${use.percent} %`, grade].filter(Boolean).join(" · "));
      el.ariaLabel = `Context ${grade || "used"}: ${use.percent} %, ${use.words}`;
      el.title = use.words;
      arcs[1]?.setAttribute("stroke-dasharray", `${use.percent} 100`);
    },
  };
}
