// The copy buttons of blocks of code.
import { make } from "./dom.js";

/**
 * @param {HTMLElement} host
 * @param {(text: string) => void} say
 */
export function mountCopying(host, say) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let restore = () => {};

  /** @param {Event} event */
  async function copy({ target }) {
    const button = target instanceof Element && target.closest(".ck-copy button");
    const code = button && button.parentElement?.nextElementSibling;
    if (!button || !code) return;
    const done = await write(code);
    const words = done ? "Copied" : "Selected";
    clearTimeout(timer);
    restore();
    button.textContent = words;
    say(done ? "Copied." : "Selected: press Ctrl+C to copy.");
    restore = () => {
      button.textContent = "Copy";
    };
    timer = setTimeout(() => restore(), 2000);
  }

  host.addEventListener("click", copy);
  return {
    /** @param {Element} el */
    add(el) {
      for (const code of el.querySelectorAll("pre")) {
        if (code.previousElementSibling?.className === "ck-copy") continue;
        const place = make("div", "ck-copy");
        const button = make("button", "ck-button", "Copy");
        button.type = "button";
        button.ariaLabel = "Copy code";
        place.append(button);
        code.before(place);
      }
    },
    remove() {
      clearTimeout(timer);
      host.removeEventListener("click", copy);
    },
  };
}

/**
 * Copy it; where the page may not, leave it selected for the person to copy.
 * @param {Element} code
 */
async function write(code) {
  try {
    await navigator.clipboard.writeText(code.textContent.replace(/\n$/, ""));
    return true;
  } catch {
    getSelection()?.selectAllChildren(code);
    return document.execCommand("copy");
  }
}
