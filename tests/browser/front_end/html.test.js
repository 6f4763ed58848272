import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { setHtml } from "../../../chatkit/display/static/html.js";
import { freshPage } from "./page.js";

let el;
beforeEach(() => {
  el = freshPage().createElement("div");
});

test("text that grows grows in its own node", () => {
  setHtml(el, "<p>Hel</p>");
  const { firstChild: p } = el;
  const { firstChild: text } = p;
  setHtml(el, "<p>Hello <em>you</em></p><p>2</p>");
  assert.equal(el.innerHTML, "<p>Hello <em>you</em></p><p>2</p>");
  assert.equal(el.firstChild, p);
  assert.equal(p.firstChild, text);
});

test("an element that becomes another is replaced, and its neighbours stay", () => {
  setHtml(el, "<p>a</p><p>b</p><p>c</p>");
  const [first, , third] = el.children;
  setHtml(el, "<p>a</p><ul><li>b</li></ul><p>c</p>");
  assert.equal(el.innerHTML, "<p>a</p><ul><li>b</li></ul><p>c</p>");
  assert.equal(el.children[0], first);
  assert.equal(el.children[2], third);
});

test("attributes change in place", () => {
  setHtml(el, '<p style="color:red" title="x">a</p>');
  const { firstChild: p } = el;
  setHtml(el, '<p style="color:blue" lang="de">a</p>');
  assert.equal(el.firstChild, p);
  assert.deepEqual([p.getAttribute("style"), p.getAttribute("lang"), p.hasAttribute("title")], ["color:blue", "de", false]);
});

test("what is left over goes", () => {
  setHtml(el, "<p>a<b>b</b></p><hr><p>c</p>");
  setHtml(el, "<p>a</p>");
  assert.equal(el.innerHTML, "<p>a</p>");
});

test("whether a fold is open is the reader's", () => {
  setHtml(el, "<details><summary>running</summary></details><details open><summary>b</summary></details>");
  const [first, second] = el.children;
  first.setAttribute("open", "");
  second.removeAttribute("open");
  setHtml(el, '<details class="x"><summary>done</summary><pre>1</pre></details><details open><summary>c</summary></details>');
  assert.equal(el.children[0], first);
  assert.deepEqual([first.hasAttribute("open"), first.className, second.hasAttribute("open")], [true, "x", false]);
  assert.equal(first.textContent, "done1");
});

test("links lead out of the notebook and tell nobody where from, links within the page stay", () => {
  setHtml(el, '<a href="https://example.org" rel="x">a</a><a href="#b">b</a>');
  const [out, within] = el.children;
  assert.deepEqual([out.target, out.rel], ["_blank", "noopener noreferrer"]);
  assert.equal(within.hasAttribute("target"), false);
  setHtml(el, '<a href="https://example.org" rel="x">ab</a><a href="#b">b</a>');
  assert.equal(el.firstChild, out);
});

test("any change by pieces ends in the HTML that it was meant to", () => {
  const states = [
    "",
    "<p>a</p>",
    "<p>a <code>b</code></p>",
    "<pre><code>x\ny</code></pre>",
    "text<!--c--><b>d</b>",
    "<p>a</p><table><tbody><tr><td>1</td></tr></tbody></table>",
  ];
  for (const from of states) {
    for (const to of states) {
      setHtml(el, from);
      setHtml(el, to);
      assert.equal(el.innerHTML, to);
    }
  }
});
