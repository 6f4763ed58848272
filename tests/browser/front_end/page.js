// A page with nothing in it, a model with no kernel behind it, and a clock that is moved by hand.
import { mock } from "node:test";
import { Window } from "happy-dom";

const NAMES = ["document", "CSSStyleSheet", "ShadowRoot", "Element", "CharacterData", "Event", "KeyboardEvent", "MouseEvent"];

/** The kernel's clock, in milliseconds: it never moves here. */
const KERNEL = 5_000_000;

/** Facts as the kernel sends them: what is left of a wait, and the age of another, as moments of its clock. */
export function byKernel({ retry, waiting, ...facts }) {
  const moments = {};
  if (retry !== undefined) moments.retry = retry && (({ left, ...rest }) => ({ until: KERNEL + left, ...rest }))(retry);
  if (waiting !== undefined) moments.waiting = waiting && { since: KERNEL - waiting.age };
  return { ...facts, ...moments };
}

/** A whole state as the kernel sends it. */
export const snapshot = (facts = {}) => ({ ...byKernel({ ...FACTS, ...facts }), r: 0, blocks: [], now: KERNEL, ...pick(facts, "r", "blocks") });

const pick = (from, ...names) => Object.fromEntries(names.filter((n) => n in from).map((n) => [n, from[n]]));

export class Model {
  /** @param {object} snap */
  constructor(snap) {
    this.values = { snap };
    this.acts = {};
    this.sent = [];
    this.kernel = true;
  }
  get(name) {
    return this.values[name];
  }
  set(name, value) {
    this.values[name] = value;
    this.tell(`change:${name}`);
  }
  on(name, act) {
    (this.acts[name] ??= []).push(act);
  }
  off(name, act) {
    this.acts[name] = (this.acts[name] ?? []).filter((a) => a !== act);
  }
  send(message) {
    if (!this.kernel) throw new Error("Cannot send");
    this.sent.push(message);
  }
  /** What was sent, each command once and without its number: it is sent again until the kernel confirms it. */
  get told() {
    const seen = new Set();
    return this.sent.filter(({ n }) => !n || !(seen.has(n) || !seen.add(n))).map(({ n, ...command }) => command);
  }
  tell(name, ...about) {
    for (const act of [...(this.acts[name] ?? [])]) act(...about);
  }
  /** A custom message of the kernel. */
  hear(message) {
    const { set } = message;
    this.tell("msg:custom", set?.retry || set?.waiting ? { ...message, now: KERNEL, set: byKernel(set) } : message);
  }
  /** The kernel goes, as a front end tells it. */
  lose() {
    this.kernel = false;
    this.tell("comm_live_update");
  }
  get listeners() {
    return Object.values(this.acts).flat().length;
  }
}

/** Sizes change when a test says so. */
class Observer {
  static all = new Set();
  constructor(act) {
    this.act = act;
  }
  observe() {
    Observer.all.add(this);
  }
  disconnect() {
    Observer.all.delete(this);
  }
}

export const FACTS = {
  label: "demo",
  doing: "writing…",
  news: "",
  over: false,
  retry: null,
  waiting: null,
  error: null,
  title: "",
  status: "",
  context: null,
  queue: [],
  commands: ["stop", "retry"],
  blocked: "",
  last: null,
};

/** Timers that haven't come, by what they were set for. */
const open = new Set();

/** A fresh page; it takes the place of the one before. */
export function freshPage() {
  const window = new Window();
  for (const name of NAMES) globalThis[name] = window[name];
  globalThis.ResizeObserver = Observer;
  globalThis.getSelection = () => window.document.getSelection();
  Object.defineProperty(globalThis, "navigator", { value: { clipboard: undefined }, configurable: true });
  Observer.all.clear();
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  globalThis.performance = { now: () => Date.now() };
  open.clear();
  const { setTimeout: set, clearTimeout: clear } = globalThis;
  globalThis.setTimeout = (act, ...rest) => {
    const timer = set((...about) => (open.delete(timer), act(...about)), ...rest);
    open.add(timer);
    return timer;
  };
  globalThis.clearTimeout = (timer) => (open.delete(timer), clear(timer));
  return window.document;
}

/** Let time pass. */
export const pass = (ms) => mock.timers.tick(ms);

/** How many timers are set. */
export const timers = () => open.size;

/** The page has laid out what is on it. */
export const layOut = () => [...Observer.all].forEach((o) => o.act());

/** How many elements are watched for their size. */
export const watched = () => Observer.all.size;

/** A model that the kernel has told these facts. */
export function modelOf(view, facts = {}) {
  const model = new Model(snapshot(facts));
  view.initialize({ model });
  return model;
}

/** A view of a model, on the page, within `host`. */
export function mount(view, model, host = document.body) {
  const el = host.appendChild(document.createElement("div"));
  const remove = view.render({ model, el });
  return {
    el,
    model,
    remove: () => {
      remove();
      el.remove();
    },
    find: (selector) => el.querySelector(selector),
    all: (selector) => [...el.querySelectorAll(selector)],
    button: (text) => [...el.querySelectorAll("button")].find((b) => b.textContent === text && shown(b)),
  };
}

/** A model and its view. */
export const start = (view, facts) => mount(view, modelOf(view, facts));

/** Whether neither it nor anything around it is hidden. */
export const shown = (el) => Boolean(el) && !el.closest("[hidden]");

/** Press a key; gives the event. */
export function press(el, key, more = {}) {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more });
  el.dispatchEvent(event);
  return event;
}

/** Write into a text area, as a person does. */
export function write(el, text) {
  el.value = text;
  el.dispatchEvent(new Event("input", { bubbles: true }));
}

export const html = (t, more = {}) => ({ k: "html", t, ...more });
