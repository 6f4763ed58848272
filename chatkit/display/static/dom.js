// Elements, and the focus in them. Text that comes from the kernel is only ever set as textContent.

/**
 * An element with a class and text.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {string} name
 * @param {string} [text]
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, name, text = "") {
  const el = document.createElement(tag);
  el.className = name;
  el.textContent = text;
  return el;
}

/**
 * @param {string} name
 * @param {string} text
 * @param {() => void} act
 */
export function button(name, text, act) {
  const el = make("button", `ck-button ${name}`, text);
  el.type = "button";
  // aria-disabled, not disabled: the focus stays
  el.addEventListener("click", () => el.ariaDisabled !== "true" && act());
  return el;
}

/**
 * A label with its braces filled in.
 * @param {string} label
 * @param {Record<string, string | number>} values
 */
export function fill(label, values) {
  return label.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/**
 * Set text, unless it is there already: a selection in it stays, and a screen reader doesn't announce it twice.
 * @param {Element} el
 * @param {string} text
 */
export function put(el, text) {
  if (el.textContent !== text) el.textContent = text;
}

/**
 * Show or hide, and hand the focus on to `heir` where it would be lost.
 * @param {HTMLElement} el
 * @param {unknown} visible
 * @param {HTMLElement | null} [heir]
 */
export function show(el, visible, heir) {
  if (!visible && el.contains(document.activeElement)) heir?.focus({ preventScroll: true });
  el.hidden = !visible;
}

/**
 * The details of a failure, folded. Gives what sets them.
 * @param {HTMLElement} host
 */
export function detailsIn(host) {
  const el = host.appendChild(make("details", "ck-detail"));
  const words = make("div", "ck-words");
  words.dir = "auto";
  const title = make("summary", "");
  el.append(title, words);
  return (/** @type {{ detail?: string, detail_title?: string } | null | undefined} */ failure) => {
    const text = failure?.detail;
    el.hidden = !text;
    put(title, failure?.detail_title ?? "");
    put(words, text ?? "");
  };
}

/**
 * Call it once the element is on the page: a front end attaches it some time after it was rendered.
 * @param {Element} el
 * @param {() => void} act
 */
export function onceShown(el, act) {
  const observer = new ResizeObserver(() => {
    if (!el.isConnected) return;
    observer.disconnect();
    act();
  });
  observer.observe(el);
  return () => observer.disconnect();
}

/**
 * What takes a view off the page. Front ends hold on to it, and to what the view was in, for as long as the page lives:
 * it lets go of the view. There may be many elements, so they go in a task of their own.
 * @param {HTMLElement | undefined} root
 * @param {(() => void) | undefined} act
 */
export function leaving(root, act) {
  return () => {
    const gone = root;
    act?.();
    root = act = undefined;
    setTimeout(() => gone?.remove());
  };
}
