// The copy buttons of blocks of code.
import { make } from "./dom.js";
import { LABELS } from "./labels.js";

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
    const words = done ? LABELS.copied : LABELS.selected;
    clearTimeout(timer);
    restore();
    button.textContent = words;
    say(done ? LABELS.code_copied : LABELS.code_selected);
    restore = () => {
      button.textContent = LABELS.copy;
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
        const button = make("button", "ck-button", LABELS.copy);
        button.type = "button";
        button.ariaLabel = LABELS.copy_code;
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
