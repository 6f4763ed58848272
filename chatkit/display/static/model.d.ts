import type { openCommands } from "./commands.js";
import type { mountComposer } from "./composer.js";
import type { mountHeader } from "./header.js";
import type { Ack, Changes, Command, Snapshot } from "./messages.js";
import type { mountQueue } from "./queue.js";
import type { mountScroll } from "./scroll.js";

/** The kernel's state. As it comes it has the kernel's clock; without it, its moments are by this browser's clock. */
export interface State extends Omit<Snapshot, "now"> {
  now?: number;
}

/** A message that is being edited: a queued one, by its id, or the last prompt. */
export interface Editing {
  id?: number;
  /** What was in the composer before. */
  before: string;
}

/** What one view leaves to the next: front ends render views anew at any time. */
export interface Ui {
  /** Commands that the kernel has not answered, by what they do. */
  asked: Partial<Record<string, Command>>;
  /** The command that the current message answers. */
  answered?: Command | undefined;
  /** The kernel is gone. */
  gone?: boolean;
  /** The class of what has the focus. */
  focus?: string;
  /** The end of the wait that Retry now was pressed in. */
  hurried?: number;
  /** Stop was pressed: empty, then what the kernel showed when it had answered. */
  stopped?: string;
  draft?: string;
  caret?: [number, number];
  editing?: Editing;
  /** How far the timeline is scrolled; none while it follows the end. */
  scroll?: number;
}

/** What typesets formulas in JupyterLab and Notebook. */
export interface RenderMime {
  latexTypesetter?: { typeset(el: Element): unknown } | null;
}

/** What a page with MathJax has. */
export interface Page {
  MathJax?: { typesetPromise?: (els: Element[]) => Promise<void> };
}

/** What anywidget hands to a view. */
export interface Model {
  /** The front end's own, which isn't the same everywhere. */
  widget_manager?: { rendermime?: RenderMime; _rendermime?: RenderMime };
  get(name: "snap"): State;
  get(name: "ui"): Ui;
  set(name: "snap", value: State): void;
  set(name: "ui", value: Ui): void;
  on(name: "change:snap" | "comm_live_update", act: () => void): void;
  on(name: "msg:custom", act: (message: Changes & Ack) => void): void;
  off(name: "change:snap" | "comm_live_update", act: () => void): void;
  off(name: "msg:custom", act: (message: Changes & Ack) => void): void;
  send(command: Command): void;
}

export interface Place {
  model: Model;
  el: HTMLElement;
}

export type Commands = ReturnType<typeof openCommands>;

/** The parts that only the view of a whole chat has. */
export interface WholeChat {
  mountHeader: typeof mountHeader;
  mountScroll: typeof mountScroll;
  mountQueue: typeof mountQueue;
  mountComposer: typeof mountComposer;
}
