// Made from chatkit/display/messages.py by `python -m tests.typescript`.

/** One block of the timeline. */
export interface Block {
  k: "fold" | "html" | "user";
  t: string;
  d?: number;
  o?: boolean;
}

/** The wait before another attempt. */
export interface Countdown {
  until: number;
  why: string;
  about?: string;
  detail?: string;
  detail_title?: string;
  warning?: string;
}

/** An answer was asked for and hasn't begun; `since` is the moment at which the wait for it began. */
export interface Waiting {
  since: number;
}

/** Why the last turn gave no answer: what went wrong, what to do, and the rest as in `Countdown`. */
export interface FailureCard {
  title: string;
  advice: string;
  about?: string;
  detail?: string;
  detail_title?: string;
}

/** How much of the model's context window the chat takes up, in words too: "12,300 of 200,000 tokens". */
export interface ContextUse {
  percent: number;
  words: string;
}

/** A message that waits for its turn. */
export interface QueuedMessage {
  id: number;
  text: string;
  model?: string;
}

/** What a view shows beside its timeline. A view of one turn leaves the chat's own facts at their defaults. */
export interface Facts {
  label: string;
  doing: string;
  news: string;
  over: boolean;
  retry: Countdown | null;
  waiting: Waiting | null;
  error: FailureCard | null;
  title: string;
  status: string;
  context: ContextUse | null;
  queue: QueuedMessage[];
  commands: ("again" | "delete" | "edit" | "promote" | "queue" | "replace" | "retry" | "send" | "stop")[];
  blocked: string;
  last: string | null;
}

/** The whole state of a view, which the trait ``snap`` holds. */
export interface Snapshot {
  label: string;
  doing: string;
  news: string;
  over: boolean;
  retry: Countdown | null;
  waiting: Waiting | null;
  error: FailureCard | null;
  title: string;
  status: string;
  context: ContextUse | null;
  queue: QueuedMessage[];
  commands: ("again" | "delete" | "edit" | "promote" | "queue" | "replace" | "retry" | "send" | "stop")[];
  blocked: string;
  last: string | null;
  r: number;
  now: number;
  blocks: Block[];
}

/** A custom message: what brings a view from state ``r - 1`` to ``r``, in this order: `cut`, `put`, `edit`, `done`. */
export interface Changes {
  r: number;
  now?: number;
  set?: Partial<Facts>;
  cut?: number | null;
  put?: [number, Block][];
  edit?: [number, number, number, string][];
  done?: number[];
}

/** A custom message: a command arrived. `ack` is its ``do``, `refused` says why it had no effect. */
export interface Ack {
  ack: string;
  refused?: string;
}

/** End the turn. */
export interface Stop {
  do: "stop";
  n?: string;
}

/** End the wait. */
export interface RetryNow {
  do: "retry";
  n?: string;
}

/** Ask once more what got no answer. */
export interface TryAgain {
  do: "again";
  n?: string;
}

/** Ask this. */
export interface Send {
  do: "send";
  n?: string;
  text: string;
}

/** Ask this in place of the last prompt. */
export interface Replace {
  do: "replace";
  n?: string;
  text: string;
}

/** Let this queued message go first, and interrupt the turn for it. */
export interface Promote {
  do: "promote";
  n?: string;
  id: number;
}

/** Remove this message from the queue. */
export interface Delete {
  do: "delete";
  n?: string;
  id: number;
}

/** Change the text of this queued message. */
export interface Edit {
  do: "edit";
  n?: string;
  id: number;
  text: string;
}

/** A message was missed: send the whole state. */
export interface Resync {
  do: "resync";
  n?: string;
}

/** This front end hides a view's fallback output while the view is there. */
export interface Hides {
  do: "hides";
  n?: string;
}

export type Command = Stop | RetryNow | TryAgain | Send | Replace | Promote | Delete | Edit | Resync | Hides;
