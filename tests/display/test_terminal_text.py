"""The text of a reply that a terminal renders."""

from __future__ import annotations

import re

import pytest

from chatkit.display.terminal_text import RenderedText
from tests.display.hostile import HOSTILE
from tests.display.screen import Screen

REPLY = """# Why *clients* back off

See [the docs](https://example.org/x) and https://example.org/y, or `a <b>`: <i>a vector<int></i> that goes on and on until the line ends.

1. one
2. two and a longer text that has to be wrapped, for it is longer than the terminal is wide
   - nested

```python
def f(x):

    return x
```

| a | b |
|---|---|
| 1 | a long cell |

> a quotation with $x^2$

$$
E = mc^2
$$

- [ ] open, &#x1b;[31m

A note[^1] and its text.

[^1]: The source.
"""
RENDERED = """Why clients back off

See the docs (https://example.org/x) and
https://example.org/y, or a <b>: <i>a vector<int></i> that
goes on and on until the line ends.

 1 one
 2 two and a longer text that has to be wrapped, for it is
   longer than the terminal is wide
    • nested

 def f(x):

     return x

 a  b
 ──────────────
 1  a long cell

▌ a quotation with $x^2$

$$
E = mc^2
$$

 • ☐ open, �[31m

A note[1] and its text.

[1] The source.
"""


@pytest.mark.parametrize("length", [1, 7, 10_000])
def test_markdown_is_rendered_while_it_streams_and_only_the_last_line_is_written_again(
    length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    screen = Screen()
    text = RenderedText(screen, patience=0)
    for at in range(0, len(REPLY), length):
        text.say(REPLY[at : at + length])
        text.draw()
    text.commit()
    assert "\n".join(screen.rows) == RENDERED
    assert not re.search(r"\x1b(?!\[[\d;]*m|\[K)", screen.getvalue())
    if length == 1:
        begun = Screen()
        text = RenderedText(begun, patience=0)
        text.say("Because a *ser")
        text.draw()
        assert begun.rows == ["Because a ser"]


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_in_a_reply_acts_in_the_terminal_that_renders_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for length in (5, 100_000):
        screen = Screen()
        text = RenderedText(screen, patience=0)
        for hostile in (HOSTILE[name], "\x1b]8;;https://evil.example\x07 &#27;]0;x&#7; &#x202e; [a](https://a.example 'b')\r\n\x9b2J"):
            for at in range(0, min(len(hostile), 200 * length), length):
                text.say(hostile[at : at + length])
                text.draw()
            text.commit()
        left = re.sub(r"\x1b\[[\d;]*m|\r\x1b\[K|\n", "", screen.getvalue())
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", left)
