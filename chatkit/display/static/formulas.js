// Formulas, which the page typesets if it can: JupyterLab and Notebook do, others show their source.
import { onceShown } from "./dom.js";

/** @import { Model } from "./model.js" */

/** Milliseconds of typesetting after which the rest waits for a frame. */
const TYPESETTING = 16;
const FORMULA = "chatkit-math";

/**
 * The formulas that were given to the page, with their source: they stay as they are until it changes.
 * @type {WeakMap<Node, string | null>}
 */
const sources = new WeakMap();

/**
 * Whether a formula is on the page as it is to be.
 * @param {Node} old
 * @param {Node} next
 */
export function isTypeset(old, next) {
  return sources.has(old) && sources.get(old) === next.textContent;
}

/**
 * Whether what is in an element is the page's now, not chatkit's.
 * @param {Node} el
 */
export function isGiven(el) {
  return sources.has(el);
}

/**
 * What typesets the formulas in an element: JupyterLab hands its own to widgets, as ipywidgets' HTMLMath has it; other pages may
 * have MathJax itself.
 * @param {Model} model
 * @returns {((el: Element) => unknown) | undefined}
 */
function typesetter({ widget_manager: manager }) {
  const latex = (manager?.rendermime ?? manager?._rendermime)?.latexTypesetter;
  if (latex) return (el) => latex.typeset(el);
  const { MathJax } = /** @type {import("./model.js").Page} */ (globalThis);
  if (MathJax?.typesetPromise) return (el) => MathJax.typesetPromise?.([el]);
  return undefined;
}

/**
 * A front end may take a view off the page while text comes: its formulas are typeset when it is back.
 * @param {Model} model
 * @param {Element} host what the formulas are in
 */
export function mountFormulas(model, host) {
  /** @type {Set<Element>} */
  const waiting = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let later;
  let busy = false;
  let unwatch = () => {};

  async function work() {
    later = undefined;
    unwatch();
    if (!host.isConnected) {
      unwatch = onceShown(host, work);
      return;
    }
    const typeset = typesetter(model);
    if (!typeset) return;
    busy = true;
    const end = performance.now() + TYPESETTING;
    for (const el of waiting) {
      if (performance.now() > end || !host.isConnected) break;
      waiting.delete(el);
      if (!host.contains(el)) continue;
      sources.set(el, el.textContent);
      try {
        await typeset(el);
      } catch {
        // it stays its source
      }
    }
    busy = false;
    if (waiting.size) later = setTimeout(work, TYPESETTING);
  }

  return {
    /** @param {Element} within */
    add(within) {
      for (const el of within.getElementsByClassName(FORMULA)) if (!sources.has(el)) waiting.add(el);
      if (waiting.size && !busy && later === undefined) work();
    },
    remove() {
      unwatch();
      clearTimeout(later);
      waiting.clear();
    },
  };
}
