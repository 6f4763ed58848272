import type { Ack, Changes, Command, Countdown, Snapshot, Waiting } from "./wire.js";
import type { openLine } from "./line.js";

/** The kernel's state, its times by this browser's clock. */
export interface State extends Omit<Snapshot, "retry" | "waiting"> {
  retry: (Countdown & { until: number }) | null;
  waiting: (Waiting & { since: number }) | null;
}

/** A message that is being changed: one that waits, by its id, or the last one that was asked. */
export interface Editing {
  id?: number;
  /** What was in the composer before. */
  before: string;
}

/** What one view leaves to the next: front ends draw views anew as they like. */
export interface Ui {
  /** Commands that nothing was heard of, by what they do. */
  asked: Partial<Record<string, Command>>;
  /** The one of them that the message answers which is being told. */
  answered?: Command | undefined;
  /** The kernel is gone. */
  gone?: boolean;
  /** The class of what has the focus. */
  focus?: string;
  /** The end of the wait that Retry now was pressed in. */
  hurried?: number;
  /** Stop was pressed: empty, then what the kernel showed when it had heard of it. */
  stopped?: string;
  draft?: string;
  caret?: [number, number];
  editing?: Editing;
  /** How far the timeline is scrolled; none while it follows the end. */
  scroll?: number;
}

/** What anywidget hands to a view. */
export interface Model {
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

export type Line = ReturnType<typeof openLine>;
