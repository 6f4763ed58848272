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
    const button = target instanceof Element ? target.closest(`${within} .ck-copy button`) : null;
    const place = button?.parentElement;
    const shown = place?.classList.contains("ck-whole") ? place.parentElement : place?.nextElementSibling;
    if (!button || !shown) return;
    const packed = original(shown);
    const unpacked = packed && new TextDecoder().decode(Uint8Array.from(atob(packed), (c) => c.charCodeAt(0)));
    const done = await write(unpacked ?? shown.textContent.replace(/\n$/, ""), shown);
    clearTimeout(timer);
    restore();
    button.textContent = done ? LABELS.copied : LABELS.selected;
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
        code.before(copyButton("ck-copy", LABELS.copy_code));
      }
    },
    remove() {
      clearTimeout(timer);
      host.removeEventListener("click", copy);
    },
  };
}

/**
 * The text of a reply as the model wrote it, packed, which its HTML holds in a comment; undefined for other elements.
 * @param {Element} el
 */
function original(el) {
  const comment = [...el.childNodes].find((node) => node.nodeName === "#comment" && node.nodeValue?.startsWith("chatkit:"));
  return comment?.nodeValue?.slice(8);
}

/**
 * Give an element that holds the text of a reply its button.
 * @param {Element} el
 */
export function addWhole(el) {
  if (original(el) === undefined || el.querySelector(":scope > .ck-whole")) return;
  el.prepend(copyButton("ck-copy ck-whole", LABELS.copy_reply));
}

/**
 * @param {string} name
 * @param {string} label
 */
function copyButton(name, label) {
  const place = make("div", name);
  const button = place.appendChild(make("button", "ck-button", LABELS.copy));
  button.type = "button";
  button.ariaLabel = label;
  return place;
}

/**
 * Copy a text; where the page may not, leave what shows it selected for the person to copy.
 * @param {string} text
 * @param {Element} shown
 */
async function write(text, shown) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    /** @param {ClipboardEvent} event */
    const fill = (event) => {
      event.clipboardData?.setData("text/plain", text);
      event.preventDefault();
    };
    getSelection()?.selectAllChildren(shown);
    document.addEventListener("copy", fill);
    const done = document.execCommand("copy");
    document.removeEventListener("copy", fill);
    return done;
  }
}
