"""What a page is asked about its looks: contrast, names of what can be pressed, and whether anything sticks out or could act."""

from __future__ import annotations

from typing import Any

import pytest


def same_place(pixels: float) -> Any:
    """Equal to a place or a size on the screen that nobody can tell from this one: the layout rounds to parts of a pixel."""
    return pytest.approx(pixels, abs=0.5)


PALE = """(root) => {
  const channels = (c) => c.match(/[\\d.]+/g).map(Number);
  const over = ([r, g, b, a = 1], under) => [r, g, b].map((c, i) => c * a + under[i] * (1 - a));
  const light = (rgb) => rgb.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0.05);
  const contrast = (el) => {
    let ground = [255, 255, 255];
    let opacity = 1;
    const chain = [];
    for (let e = el; e; e = e.parentElement) chain.unshift(getComputedStyle(e));
    for (const style of chain) { ground = over(channels(style.backgroundColor), ground); opacity *= Number(style.opacity); }
    const [r, g, b, a = 1] = channels(getComputedStyle(el).color);
    const [low, high] = [light(ground), light(over([r, g, b, a * opacity], ground))].sort((x, y) => x - y);
    return high / low;
  };
  const pale = [];
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const el = node.parentElement;
    if (!node.data.trim() || !el.checkVisibility() || el.closest('[aria-disabled="true"]')) continue;
    const found = contrast(el);
    if (found < 4.5) pale.push(`${found.toFixed(2)} ${el.className || el.tagName}: ${node.data.trim().slice(0, 40)}`);
  }
  return pale;
}"""
"""Visible text whose contrast is below what WCAG AA asks for, 4.5; what is disabled is exempt."""

NAMELESS = """(root) => [...root.querySelectorAll('button, textarea, summary, a, img, [role]')]
  .filter((el) => el.checkVisibility() && !el.matches('[role=status], [role=log]'))
  .filter((el) => !(el.ariaLabel || el.textContent.trim() || el.alt || el.labels?.length))
  .map((el) => el.outerHTML.slice(0, 100))"""
"""What can be reached and has no name for a screen reader."""

BROAD = """(root) => [root, ...root.querySelectorAll('*')]
  .filter((el) => el.scrollWidth > el.clientWidth + 1 && el.clientWidth && getComputedStyle(el).overflowX === 'visible')
  .filter((el) => el.getBoundingClientRect().right > root.getBoundingClientRect().right + 1)
  .map((el) => `${el.className || el.tagName}: ${el.scrollWidth} > ${el.clientWidth}`)"""
"""What sticks out of the view to the side."""

BUTTONS = """(root) => [...root.querySelectorAll('button')].filter((el) => el.checkVisibility() && !el.closest('.ck-copy'))
  .map((el) => el.textContent.trim())"""
"""The buttons that are there, in their order, but for those that copy."""

ACTIVE = """() => [...document.querySelectorAll('.chatkit *, .chatkit-reply *')].filter((el) => !el.closest('mjx-container')).filter((el) =>
  el.matches('script, iframe, style, object, embed, link, meta, base, form, input, math, template, audio, video')
  || (el.matches('svg, svg *') && !el.closest('.ck-context'))
  || (el.matches('img') && !/^data:image\\/(png|jpeg|gif|webp);base64,/.test(el.src))
  || (el.matches('a') && !/^(https?:\\/\\/|mailto:|#)/i.test(el.getAttribute('href')))
  || [...el.attributes].some(({ name, value }) => /^(on|data-|srcdoc|formaction|ping)/.test(name) && name !== 'data-lm-suppress-shortcuts'
    || (name === 'style' && /url|expression|position|@/i.test(value)))).map((el) => el.outerHTML.slice(0, 200))"""
"""What could act or load, of all that chatkit put on the page."""
