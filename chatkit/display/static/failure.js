// Why the last turn gave no answer, what to do, and Try again.
import { button, detailsIn, make, put, show } from "./dom.js";
import { LABELS } from "./labels.js";

/** @import { Commands, Model, State } from "./model.js" */

/**
 * @param {Model} model
 * @param {HTMLElement} host
 * @param {Commands} commands
 */
export function mountFailure(model, host, commands) {
  const box = host.appendChild(make("div", "ck-failure"));
  const title = make("strong", "ck-wrong");
  const advice = make("div", "ck-advice");
  const about = make("div", "ck-about");
  const again = button("ck-again", LABELS.try_again, () => commands.send({ do: "again" }));
  box.append(title, advice, about);
  const setDetail = detailsIn(box);
  box.append(again);
  return {
    /**
     * @param {State} state
     * @param {HTMLElement | null} heir
     */
    draw({ error, commands: available }, heir) {
      const { asked, gone } = model.get("ui");
      put(title, error?.title ?? "");
      put(advice, error?.advice ?? "");
      put(about, error?.about ?? "");
      setDetail(error);
      show(again, available.includes("again"), heir);
      again.ariaDisabled = String(Boolean(gone || asked.again));
      show(box, error, heir);
    },
  };
}
