// The copy buttons of blocks of code, and of whole replies.
import { make } from "./dom.js";
import { LABELS } from "./labels.js";

/**
 * @param {HTMLElement | Document} host
 * @param {(text: string) => void} say
 * @param {string} [within] what the buttons are in
 */
export function mountCopying(host, say, within = "") {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let restore = () => {};

  /** @param {Event} event */
  async function copy({ target }) {
    const button = target instanceof Element && target.closest(`${within} .ck-copy button`);
    const place = button ? button.parentElement : null;
    const code = place?.nextElementSibling;
    const whole = place?.classList.contains("ck-whole") ? original(place.parentElement) : undefined;
    if (!button || !(whole ?? code)) return;
    const done = await (whole === undefined ? write(/** @type {Element} */ (code)) : writeText(whole));
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
      addWhole(el);
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
 * The text of a reply as the model wrote it, packed, which its HTML holds in a comment.
 * @param {Element | null | undefined} el
 */
function original(el) {
  const comment = [...(el?.childNodes ?? [])].find((node) => node.nodeName === "#comment" && node.nodeValue?.startsWith("chatkit:"));
  return comment?.nodeValue?.slice(8);
}

/**
 * Give an element that holds the text of a reply its button.
 * @param {Element} el
 */
export function addWhole(el) {
  if (original(el) === undefined || el.querySelector(":scope > .ck-whole")) return;
  const place = make("div", "ck-copy ck-whole");
  const button = make("button", "ck-button", LABELS.copy);
  button.type = "button";
  button.ariaLabel = LABELS.copy_reply;
  place.append(button);
  el.prepend(place);
}

/** @param {string} packed */
async function writeText(packed) {
  const text = new TextDecoder().decode(Uint8Array.from(atob(packed), (c) => c.charCodeAt(0)));
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.body.appendChild(make("textarea", "", text));
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
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
