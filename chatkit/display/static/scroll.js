// The scrolling of a whole chat: it follows the end while the reader is there.
import { button } from "./dom.js";
import { LABELS } from "./labels.js";

/** @import { Model } from "./model.js" */

/** Pixels above the end that still count as the end. */
const NEAR = 24;
/** Frames after a jump to the end in which a smooth scrolling that was under way may still move it. */
const SETTLING = 5;

/**
 * @param {Model} model
 * @param {HTMLElement} scroller
 * @param {HTMLElement} content
 * @param {() => boolean} whole whether all that was said is on the page: an end that isn't the end needs no laying out
 */
export function mountScroll(model, scroller, content, whole) {
  const ui = model.get("ui");
  let following = ui.scroll === undefined;
  /** Where the last view was, until this one has got there. */
  let wanted = ui.scroll;
  let last = 0;
  let settling = 0;
  const latest = button("ck-latest", LABELS.latest, () => {
    goToEnd();
    scroller.focus({ preventScroll: true });
  });
  scroller.after(latest);

  const atEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR;
  const toEnd = () => {
    scroller.scrollTop = scroller.scrollHeight;
    last = scroller.scrollTop;
  };

  function goToEnd() {
    wanted = undefined;
    hold(true);
    toEnd();
    settling = SETTLING;
    requestAnimationFrame(settle);
  }

  function settle() {
    if (--settling > 0) requestAnimationFrame(settle);
  }

  /** @param {boolean} now */
  function hold(now) {
    following = now;
    ui.scroll = now ? undefined : (wanted ?? scroller.scrollTop);
    latest.hidden = now;
    // what is laid out above the end doesn't move it; above the place of a reader it would
    scroller.style.overflowAnchor = now ? "none" : "";
  }

  /** Stay where the reader is. */
  function keep() {
    if (following && whole()) toEnd();
    else if (!following && wanted !== undefined) {
      scroller.scrollTop = wanted;
      if (Math.abs(scroller.scrollTop - wanted) < 2) wanted = undefined;
    }
  }

  // in the frame in which it grew, and with no layout of its own
  const observer = new ResizeObserver(() => {
    keep();
    if (wanted === undefined && !following && whole()) hold(atEnd());
  });
  observer.observe(content);
  observer.observe(scroller);
  scroller.addEventListener("scroll", () => {
    if (settling > 0) return toEnd();
    const top = scroller.scrollTop;
    if (wanted === undefined && (atEnd() || top < last || !following)) hold(atEnd());
    last = top;
  });
  const readerMoves = () => {
    wanted = undefined;
    settling = 0;
  };
  for (const move of ["wheel", "pointerdown", "keydown"]) scroller.addEventListener(move, readerMoves, { passive: true });
  // the browser's own End stops where the end was before it laid out what comes into sight
  scroller.addEventListener("keydown", (event) => {
    if (event.key !== "End" || event.target !== scroller) return;
    event.preventDefault();
    goToEnd();
  });
  // a fold that a reader opens at the end stays in sight
  content.addEventListener("click", ({ target }) => /** @type {Element} */ (target).closest("summary") && hold(false));
  scroller.tabIndex = 0;
  scroller.role = "log";
  scroller.ariaLive = "off";
  scroller.ariaLabel = LABELS.conversation;
  hold(following);
  return { remove: () => observer.disconnect() };
}
