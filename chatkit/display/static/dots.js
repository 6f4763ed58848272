// The placeholder of an answer that hasn't begun.
import { make } from "./dom.js";

/** @param {HTMLElement} host */
export function mountDots(host) {
  const dots = host.appendChild(make("div", "ck-dots"));
  dots.ariaHidden = "true";
  dots.append(make("span", ""), make("span", ""), make("span", ""));
  return dots;
}
