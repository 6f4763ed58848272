// The model's half of a view, and its bar: what is going on, the countdown of a wait, Retry now and Stop.
// Text that comes from the kernel is only ever set as textContent.

/** An element with a class and text. */
export function make(tag, name, text = "") {
  const el = document.createElement(tag);
  el.className = name;
  el.textContent = text;
  return el;
}

/** The state after a message; null where a message before it is missing. */
export function reduce(state, m) {
  if (m.r <= state.r) return state;
  if (m.r !== state.r + 1) return null;
  const blocks = state.blocks.slice(0, m.cut);
  for (const [i, block] of m.put ?? []) blocks[i] = block;
  for (const [i, at, text] of m.add ?? []) {
    if (blocks[i]?.t.length !== at) return null;
    blocks[i] = { ...blocks[i], t: blocks[i].t + text };
  }
  return { ...state, ...m.set, r: m.r, blocks };
}

/** Keep the model in step with the kernel, whether or not a view is there to see it. */
export function follow(model) {
  let asked = false;
  const settle = () => {
    const state = model.get("snap");
    const wait = state.retry;
    asked = false;
    // the wait ends by this browser's clock, counted from the moment that it was heard of
    if (wait && wait.until === undefined) model.set("snap", { ...state, retry: { ...wait, until: performance.now() + wait.left } });
  };
  model.on("change:snap", settle);
  model.on("msg:custom", (m) => {
    if (!m.r || asked) return;
    const next = reduce(model.get("snap"), m);
    if (next) model.set("snap", next);
    else model.send({ do: "resync" });
    asked = !next;
  });
  settle();
}

function button(name, text, act) {
  const el = make("button", `ck-button ${name}`, text);
  el.type = "button";
  // aria-disabled, not disabled: the focus stays
  el.addEventListener("click", () => el.ariaDisabled !== "true" && act());
  return el;
}

/** Show or hide, and hand the focus on to `heir` where it would be lost. */
function show(el, visible, heir) {
  if (!visible && el.contains(document.activeElement)) heir?.focus({ preventScroll: true });
  el.hidden = !visible;
}

/** The bar in `host`; gives what draws a state, and what takes the bar down. */
export function mountBar(model, host) {
  let timer, patience, state, pressed;
  const row = make("div", "ck-bar");
  const label = make("span", "ck-label", model.get("snap").label);
  const doing = make("span", "ck-doing");
  const wait = make("span", "ck-wait");
  const when = make("span", "ck-when");
  const why = make("span", "ck-why");
  const buttons = make("span", "ck-buttons");
  const hint = make("div", "ck-hint");
  const news = make("span", "ck-news");
  const retry = button("ck-retry", "Retry now", () => press("retry"));
  const stop = button("ck-stop", "Stop", () => press("stop"));
  // read out once when it begins (news), not every second
  wait.ariaHidden = "true";
  news.role = "status";
  wait.append("Retrying ", when, "… ", why);
  buttons.append(retry, stop);
  row.append(label, doing, wait, buttons);
  host.append(row, hint, news);

  function press(what) {
    pressed = what;
    model.send({ do: what });
    clearTimeout(patience);
    patience = setTimeout(() => {
      hint.textContent = news.textContent = "the kernel is busy: interrupt it (■) to stop";
      hint.hidden = false;
    }, 1000);
    draw(state);
  }

  function heard(m) {
    if (m.ack !== pressed) return;
    clearTimeout(patience);
    hint.hidden = true;
  }

  function tick() {
    clearTimeout(timer);
    const left = state.retry.until - performance.now();
    const seconds = pressed === "retry" ? 0 : Math.ceil(left / 1000);
    when.textContent = seconds > 0 ? `in ${seconds}s` : "now";
    retry.ariaDisabled = String(seconds <= 0);
    if (seconds > 0) timer = setTimeout(tick, left - (seconds - 1) * 1000 + 1);
  }

  function draw(next) {
    const waiting = next.retry && pressed !== "stop";
    if (state?.retry?.until !== next.retry?.until) {
      if (pressed === "retry") pressed = undefined;
      if (next.retry) hint.hidden = true;
    }
    state = next;
    row.classList.toggle("ck-waiting", Boolean(waiting));
    doing.textContent = pressed === "stop" ? "stopping…" : next.doing;
    show(wait, waiting);
    show(label, !waiting);
    show(doing, !waiting);
    show(retry, waiting, stop);
    show(stop, !next.over);
    stop.ariaDisabled = String(pressed === "stop");
    why.textContent = next.retry?.why ?? "";
    if (news.textContent !== next.news) news.textContent = next.news;
    clearTimeout(timer);
    if (waiting) tick();
  }

  // the cell's output may be drawn anew while the focus is in it: the next bar takes it up
  row.addEventListener("focusin", ({ target }) => model.set("focus", target.className));
  row.addEventListener("focusout", () => setTimeout(() => row.isConnected && model.set("focus", undefined)));
  requestAnimationFrame(() => {
    const lost = model.get("focus") && document.activeElement === document.body;
    if (lost) [retry, stop].find((b) => b.className === model.get("focus"))?.focus({ preventScroll: true });
  });
  hint.hidden = true;
  model.on("msg:custom", heard);
  return {
    draw,
    remove() {
      clearTimeout(timer);
      clearTimeout(patience);
      model.off("msg:custom", heard);
    },
  };
}
