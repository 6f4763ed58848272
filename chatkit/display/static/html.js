// HTML of chatkit's own renderer, which enters the page here and nowhere else.
import { isGiven, isTypeset } from "./formulas.js";

/**
 * Have `el` show this HTML. Nodes that stay the same stay in place, with the selection in them; whether a reader opened
 * a fold is the reader's.
 * @param {Element} el
 * @param {string} html
 */
export function setHtml(el, html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  for (const link of template.content.querySelectorAll("a[href]")) {
    if (link.getAttribute("href")?.startsWith("#")) continue;
    link.setAttribute("target", "_blank");
    link.setAttribute("rel", "noopener noreferrer");
  }
  for (const copy of el.querySelectorAll(".ck-copy")) copy.remove();
  patch(el, template.content);
}

/**
 * @param {Node} to
 * @param {Node} from
 */
function patch(to, from) {
  let old = to.firstChild;
  for (const next of [...from.childNodes]) {
    if (!old) {
      to.appendChild(next);
      continue;
    }
    const following = old.nextSibling;
    if (isTypeset(old, next)) {
      old = following;
      continue;
    }
    if (old.nodeName !== next.nodeName || isGiven(old)) to.replaceChild(next, old);
    else if (old instanceof CharacterData && next instanceof CharacterData) setText(old, next.data);
    else if (old instanceof Element && next instanceof Element) {
      setAttributes(old, next);
      patch(old, next);
    }
    old = following;
  }
  while (old) {
    const following = old.nextSibling;
    to.removeChild(old);
    old = following;
  }
}

/**
 * Change only what differs.
 * @param {CharacterData} node
 * @param {string} text
 */
function setText(node, text) {
  const was = node.data;
  let same = 0;
  while (same < was.length && was[same] === text[same]) same++;
  if (same < was.length || same < text.length) node.replaceData(same, was.length - same, text.slice(same));
}

/**
 * @param {Element} to
 * @param {Element} from
 */
function setAttributes(to, from) {
  for (const { name, value } of from.attributes) {
    if (name !== "open" && to.getAttribute(name) !== value) to.setAttribute(name, value);
  }
  for (const { name } of [...to.attributes]) {
    if (name !== "open" && !from.hasAttribute(name)) to.removeAttribute(name);
  }
}
