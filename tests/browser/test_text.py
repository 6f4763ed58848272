"""The text of a reply as it is laid out: nothing leaves the box, and nothing breaks where it can't be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.looks import BROAD

pytestmark = pytest.mark.browser

TEXT = (
    """Some words, then a list:

- [ ] write the *test*
- [x] see it fail
  - [x] nested

A claim.[^1] Another.[^2]

| Model | Requests | Latency, milliseconds | Throughput | Price per million | Cost of all of it | Comment |
|:------|---------:|----------------------:|-----------:|------------------:|------------------:|:--------|
| claude sonnet | 1234567890123 | 1234567.890123456 | 98765.4321 | 3.141592653589793 | 9876543.21 | internationalization |

A long word: """
    + "x" * 300
    + """, and https://example.org/"""
    + "path/" * 60
    + """

> שלום עולם, זה ציטוט.

مرحبا بالعالم: نص عربي with English.

1. فقرة أولى
2. second item

```python
s = "عربي"  # and a very long line of code that scrolls sideways in its own box, as it should, without breaking at all
```

$$\\sum_{i=0}^n i^2 + a + b + c + d + e + f + g + h + i + j + k + l + m + n + o + p + q + r + s + t + u + v + w + x + y + z + a + b + c + d + e = 0$$

[^1]: The first *source*, at https://example.org.
[^2]: The second.
"""
)
BROKEN = """(root) => [...root.querySelectorAll('td, th')].filter((cell) => {
  const range = document.createRange();
  const words = [];
  const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode())
    for (const word of node.data.matchAll(/\\\\S+/g)) {
      range.setStart(node, word.index); range.setEnd(node, word.index + word[0].length);
      words.push(new Set([...range.getClientRects()].map((r) => Math.round(r.top))).size);
    }
  return words.some((lines) => lines > 1);
}).map((cell) => cell.textContent)""".replace("\\\\", "\\")
"""The cells in which a word stands on two lines."""
DIRECTIONS = """(root) => [...root.querySelectorAll('[dir=auto]:is(p:not(.chatkit-asked), ul, ol, blockquote)')]
  .map((el) => `${el.tagName} ${getComputedStyle(el).direction}`)"""
SETUP = f"""
import chatkit as ck
from chatkit.chattest import FakeProvider, reply
TEXT = {TEXT!r}
fake = FakeProvider(lambda request: reply(TEXT)).start()
chat = ck.Chat('anthropic:test', base_url=fake.anthropic_url, api_key='not-a-key', title=None)
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 700])
def test_nothing_leaves_the_box_and_no_word_of_a_table_breaks(notebook: Callable[..., Any], width: int, theme: str) -> None:
    nb = notebook(SETUP, "_ = chat.ask('Show everything.')", "chat.view()", width=width, theme=theme)
    nb.run_all()
    for index, shown in ((1, ".chatkit-reply"), (2, ".ck-body")):
        root = nb.output(index).locator(shown).first
        root.locator("table").wait_for(state="attached")
        root.locator("mjx-container").first.wait_for(state="attached")
        element = root.element_handle()
        assert nb.page.evaluate(BROKEN, element) == []
        assert nb.page.evaluate(BROAD, element) == []
        assert root.locator("table").evaluate("(el) => el.parentElement.scrollWidth > el.parentElement.clientWidth")
        arabic = root.get_by_text("with English")
        assert arabic.evaluate("(el) => getComputedStyle(el).textAlign") == "start"
        assert nb.page.evaluate(DIRECTIONS, element) == ["BLOCKQUOTE rtl", "P rtl", "OL rtl"]
