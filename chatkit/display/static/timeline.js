// The timeline: an element for every block, in pages that the browser needn't lay out while they are out of sight.
import { make } from "./dom.js";
import { mountCopying } from "./copying.js";
import { mountFormulas } from "./formulas.js";
import { setHtml } from "./html.js";

/** @import { Block } from "./messages.js" */
/** @import { Model } from "./model.js" */

/** Blocks on a page: what comes into sight at once is laid out at once. */
const PAGE = 5;
/** Pages that are laid out while they fill: the height of a short text is never a guess. */
const EAGER = 4;
/** Milliseconds of drawing, and characters of HTML, after which the rest waits for a frame: a page with a long chat stays alive. */
const SLICE = 16;
const MOST = 40000;

/**
 * @param {Model} model
 * @param {HTMLElement} host
 * @param {(text: string) => void} say
 */
export function mountTimeline(model, host, say) {
  const copying = mountCopying(host, say);
  const formulas = mountFormulas(model, host);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let later;
  /** @type {Block[]} */
  let seen = [];
  /** @type {Block[]} */
  let latest = [];
  /** @type {{ el: HTMLElement, body: HTMLElement }[]} */
  const views = [];

  /** @param {Block} block */
  function build(block) {
    if (block.k === "html") {
      const el = make("div", "ck-block");
      el.dir = "auto";
      return { el, body: el };
    }
    const el = make(block.k === "fold" ? "details" : "div", `ck-${block.k}`);
    const body = el.appendChild(make(block.k === "fold" ? "summary" : "div", "ck-head"));
    return { el, body };
  }

  /** @param {Block} block */
  function place(block) {
    const view = build(block);
    const within = block.d ? (views.findLast((v) => v.el !== v.body)?.el ?? host) : host;
    let page = within.lastElementChild;
    if (!page?.classList.contains("ck-page") || page.childElementCount >= PAGE) {
      page?.classList.toggle("ck-lazy", page.childElementCount >= PAGE);
      page = within.appendChild(make("div", within.childElementCount < EAGER ? "ck-page" : "ck-page ck-lazy"));
    }
    page.append(view.el);
    views.push(view);
    return view;
  }

  /** @param {number} kept how many blocks stay */
  function drop(kept) {
    for (const { el } of views.splice(kept).reverse()) {
      const page = el.parentElement;
      el.remove();
      page?.classList.remove("ck-lazy");
      if (!page?.firstChild) page?.remove();
    }
    seen.length = Math.min(seen.length, kept);
  }

  /** @param {Block[]} blocks */
  function draw(blocks) {
    drop(blocks.length);
    latest = blocks;
    if (later === undefined) drawSlice();
  }

  function drawSlice() {
    later = undefined;
    const end = performance.now() + SLICE;
    let room = MOST;
    for (const [i, block] of latest.entries()) {
      const was = seen[i];
      if (block === was) continue;
      if (was && (was.k !== block.k || (was.d ?? 0) !== (block.d ?? 0))) drop(i);
      if (performance.now() > end || room <= 0) {
        later = setTimeout(drawSlice, SLICE);
        return;
      }
      const { body, el } = views[i] ?? place(block);
      if (was?.t !== block.t) {
        setHtml(body, block.t);
        formulas.add(body);
        room -= block.t.length;
      }
      if (!block.o) copying.add(el);
      seen[i] = block;
    }
  }

  return {
    draw,
    /** Whether all of it is on the page. */
    whole: () => later === undefined,
    /** Whether something that is shown is withdrawn in these blocks. */
    loses: (/** @type {Block[]} */ blocks) => blocks.length < seen.length,
    remove() {
      clearTimeout(later);
      copying.remove();
      formulas.remove();
    },
  };
}
