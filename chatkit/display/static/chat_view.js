// One turn as it streams: the bar, and below it what is said.
import { follow, make, mountBar } from "./callout.js";

// Characters after which text goes on in another element, at a line's end: appending to a long one costs its length.
const PAGE = 4000;

/** An element for a block; `grow` gives it more text. */
function blockView(block) {
  if (block.k === "source") {
    const el = make("a", "ck-line", block.t);
    el.href = block.url;
    el.target = "_blank";
    el.rel = "noopener noreferrer";
    return { el, grow() {} };
  }
  const folded = block.k === "reasoning";
  const el = make(folded ? "details" : "div", folded ? "ck-reasoning" : block.k === "line" ? "ck-line" : "ck-text");
  if (folded) el.append(make("summary", "", block.title));
  let page;
  let length = 0;
  const grow = (text) => {
    let rest = text.slice(length);
    length = text.length;
    while (rest) {
      if (!page) el.append((page = make("div", "ck-page")).appendChild(document.createTextNode("")).parentNode);
      const end = rest.indexOf("\n", Math.max(0, PAGE - page.firstChild.length));
      const cut = end < 0 ? rest.length : end + 1;
      page.firstChild.appendData(rest.slice(0, cut));
      rest = rest.slice(cut);
      if (end >= 0) page = undefined;
    }
  };
  grow(block.t);
  return { el, grow };
}

const sameBlock = (a, b) => a.k === b.k && a.title === b.title && a.url === b.url && b.t.startsWith(a.t);

function render({ model, el }) {
  const root = make("div", "chatkit");
  const bar = mountBar(model, root);
  const body = make("div", "ck-body");
  const dots = make("div", "ck-dots");
  let seen = [];
  let views = [];
  root.append(body);
  body.append(dots);
  el.append(root);
  dots.ariaHidden = "true";
  for (let i = 0; i < 3; i++) dots.append(make("span", ""));

  function draw() {
    const state = model.get("snap");
    const blocks = state.blocks;
    let kept = 0;
    while (kept < Math.min(seen.length, blocks.length) && sameBlock(seen[kept], blocks[kept])) {
      if (blocks[kept] !== seen[kept]) views[kept].grow(blocks[kept].t);
      kept++;
    }
    // what was withdrawn leaves its room behind, so that nothing below jumps up and down again
    if (kept < views.length || state.retry) root.style.minHeight = `${Math.min(root.getBoundingClientRect().height, 340)}px`;
    for (const view of views.splice(kept)) view.el.remove();
    for (const block of blocks.slice(kept)) {
      const view = blockView(block);
      views.push(view);
      body.append(view.el);
    }
    seen = blocks;
    dots.hidden = blocks.length > 0 || Boolean(state.retry);
    body.ariaBusy = String(!state.over);
    // static output takes this view's place: the cell keeps the focus
    if (state.over && root.contains(document.activeElement)) el.closest("[tabindex]")?.focus({ preventScroll: true });
    bar.draw(state);
  }

  model.on("change:snap", draw);
  draw();
  return () => {
    bar.remove();
    model.off("change:snap", draw);
  };
}

export default { initialize: ({ model }) => follow(model), render };
