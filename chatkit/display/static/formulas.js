// Formulas, which the page typesets if it can: JupyterLab and Notebook do, others show their source.

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

/** @param {Model} model */
export function mountFormulas(model) {
  /** @type {Set<Element>} */
  const waiting = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let later;
  let busy = false;

  /** @param {(el: Element) => unknown} typeset */
  async function work(typeset) {
    busy = true;
    const end = performance.now() + TYPESETTING;
    for (const el of waiting) {
      if (performance.now() > end) break;
      waiting.delete(el);
      if (!el.isConnected) continue;
      sources.set(el, el.textContent);
      try {
        await typeset(el);
      } catch {
        // it stays its source
      }
    }
    busy = false;
    later = waiting.size ? setTimeout(() => work(typeset), TYPESETTING) : undefined;
  }

  return {
    /** @param {Element} host */
    add(host) {
      for (const el of host.getElementsByClassName(FORMULA)) if (!sources.has(el)) waiting.add(el);
      const typeset = waiting.size && !busy && later === undefined ? typesetter(model) : undefined;
      if (typeset) work(typeset);
    },
    remove() {
      clearTimeout(later);
      waiting.clear();
    },
  };
}
