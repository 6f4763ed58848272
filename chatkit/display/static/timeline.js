// The timeline: an element for every block, in pages that the browser needn't lay out while they are out of sight.
import { make } from "./dom.js";
import { mountCopying } from "./copying.js";
import { setHtml } from "./html.js";

/** @import { Block } from "./wire.js" */

/** Blocks on a page. */
const PAGE = 20;
/** Milliseconds of drawing after which the rest waits for the next task: a page with a long chat stays alive. */
const SLICE = 16;

/**
 * @param {HTMLElement} host
 * @param {(text: string) => void} say
 */
export function mountTimeline(host, say) {
  const copying = mountCopying(host, say);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let later;
  /** @type {Block[]} */
  let seen = [];
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
      page?.classList.toggle("ck-full", page.childElementCount >= PAGE);
      page = within.appendChild(make("div", "ck-page"));
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
      page?.classList.remove("ck-full");
      if (!page?.firstChild) page?.remove();
    }
    seen.length = Math.min(seen.length, kept);
  }

  /** @param {Block[]} blocks */
  function draw(blocks) {
    clearTimeout(later);
    later = undefined;
    const end = performance.now() + SLICE;
    drop(blocks.length);
    for (const [i, block] of blocks.entries()) {
      const was = seen[i];
      if (block === was) continue;
      if (was && (was.k !== block.k || (was.d ?? 0) !== (block.d ?? 0))) drop(i);
      if (performance.now() > end) {
        later = setTimeout(draw, 0, blocks);
        return;
      }
      const { body, el } = views[i] ?? place(block);
      if (was?.t !== block.t) setHtml(body, block.t);
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
    },
  };
}
