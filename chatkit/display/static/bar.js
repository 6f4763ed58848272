// The bar: what is going on, the countdown of a wait, Retry now and Stop; and the news that a screen reader announces.
import { button, detailsIn, fill, make, put, show } from "./dom.js";
import { LABELS } from "./labels.js";

/** @import { Commands, Model, State } from "./model.js" */

/** Milliseconds after which an answer is slower than usual. */
const SLOW = 15000;

/**
 * A time as a person reads it: "59 min 41 s".
 * @param {number} seconds
 */
function duration(seconds) {
  if (seconds < 90) return `${seconds} ${LABELS.seconds}`;
  const hours = Math.floor(seconds / 3600);
  const parts = [
    `${hours} ${LABELS.hours}`,
    `${Math.floor(seconds / 60) % 60} ${LABELS.minutes}`,
    `${hours ? 0 : seconds % 60} ${LABELS.seconds}`,
  ];
  return parts.filter((part) => !part.startsWith("0 ")).join(" ");
}

/**
 * The bar in `host`; gives what draws a state, and what takes the bar down.
 * @param {Model} model
 * @param {HTMLElement} host
 * @param {Commands} commands
 */
export function mountBar(model, host, commands) {
  const ui = model.get("ui");
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {State} */
  let state;
  let told = "";
  const bar = make("div", "ck-bar");
  const row = make("div", "ck-row");
  const label = make("span", "ck-label");
  const doing = make("span", "ck-doing");
  const slow = make("span", "ck-slow", LABELS.slow);
  const wait = make("span", "ck-wait");
  const when = make("span", "ck-when");
  const why = make("span", "ck-why");
  const buttons = make("span", "ck-buttons");
  const warning = make("strong", "ck-wrong");
  const more = make("div", "ck-more");
  const about = make("span", "ck-about");
  const hint = make("div", "ck-hint");
  const news = make("span", "ck-news");
  const retry = button("ck-retry", LABELS.retry_now, () => {
    ui.hurried = state.retry?.until;
    commands.send({ do: "retry" });
  });
  const stop = button("ck-stop", LABELS.stop, () => {
    ui.stopped = "";
    commands.send({ do: "stop" });
  });
  // read out once when it begins (news), not every second
  wait.ariaHidden = "true";
  news.role = "status";
  const [beforeWhen = "", afterWhen = ""] = LABELS.retrying.split("{when}");
  wait.append(beforeWhen, when, `${afterWhen} `, why);
  buttons.append(retry, stop);
  row.append(label, doing, slow, wait, buttons);
  more.append(about);
  const setDetail = detailsIn(more);
  bar.append(warning, row, more);
  host.append(bar, hint, news);

  /** Stop was pressed, and the kernel hasn't said what came of it. */
  function stopping() {
    const seen = `${state.doing} ${state.status}`;
    if (ui.stopped === "" && !ui.asked.stop) ui.stopped = commands.hint ? undefined : seen;
    if (state.over || ui.gone || (ui.stopped && ui.stopped !== seen)) ui.stopped = undefined;
    return ui.stopped !== undefined;
  }

  function tick() {
    clearTimeout(timer);
    const now = performance.now();
    const { retry: again, waiting } = state;
    let next = Infinity;
    if (again) {
      const left = ui.hurried === again.until ? 0 : again.until - now;
      const seconds = Math.max(0, Math.ceil(left / 1000));
      when.textContent = seconds ? fill(LABELS.in_time, { time: duration(seconds) }) : LABELS.now;
      retry.ariaDisabled = String(!seconds);
      if (seconds) next = left - (seconds - 1) * 1000;
    }
    const patience = Math.max(again?.until ?? -Infinity, waiting?.since ?? -Infinity) + SLOW - now;
    const late = Boolean(again || waiting) && patience <= 0 && !state.over && !ui.gone;
    if (late && slow.hidden) say(slow.textContent);
    slow.hidden = !late;
    if ((again || waiting) && patience > 0) next = Math.min(next, patience);
    if (next < Infinity && !state.over && !ui.gone) timer = setTimeout(tick, next);
  }

  /** @param {string} text */
  function say(text) {
    news.textContent = text;
  }

  /**
   * @param {State} next
   * @param {HTMLElement | null} [heir] where the focus goes when there is nothing left to press
   */
  function draw(next, heir) {
    if (next.retry && next.retry.until !== state?.retry?.until && state) commands.hint = "";
    state = next;
    const stopped = stopping();
    const waiting = Boolean(next.retry) && !stopped && !ui.gone;
    bar.classList.toggle("ck-waiting", waiting);
    bar.hidden = next.over && !next.label && !ui.gone;
    put(label, next.label);
    put(doing, ui.gone ? LABELS.kernel_gone : stopped ? LABELS.stopping : next.doing);
    show(wait, waiting);
    show(label, !waiting && !ui.gone);
    show(doing, !waiting);
    const mayStop = !next.over && !ui.gone && next.commands.includes("stop");
    show(stop, mayStop, heir);
    show(retry, waiting && next.commands.includes("retry"), mayStop ? stop : heir);
    stop.ariaDisabled = String(stopped);
    show(more, waiting);
    put(why, next.retry?.why ?? "");
    put(warning, next.retry?.warning ?? "");
    show(warning, waiting && next.retry?.warning);
    put(about, next.retry?.about ?? "");
    setDetail(next.retry);
    put(hint, commands.hint);
    hint.hidden = !commands.hint;
    const words = ui.gone ? LABELS.kernel_gone : commands.hint || next.news;
    if (words !== told) say((told = words));
    tick();
  }

  slow.hidden = true;
  return { draw, say, remove: () => clearTimeout(timer) };
}
