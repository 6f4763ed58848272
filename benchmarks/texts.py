"""The texts of the replies in pieces. They are the same in every run, and no word occurs twice, so that a lost word is noticed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from string import ascii_lowercase

DELTAS = 4000
PARAGRAPH = 40
"""Pieces per paragraph."""
MARKDOWN_CHARACTERS = 20_000
LONG_CHARACTERS = 1_000_000

Words = Iterator[str]


def pieces(words: int = DELTAS) -> list[str]:
    """Pieces of text with five characters each.

    >>> pieces(3)
    ['baaa ', 'caaa ', 'daaa ']
    >>> len("".join(pieces()))
    20000
    """
    return [_word(i, 3) + "\n\n" if i % PARAGRAPH == 0 else _word(i, 4) + " " for i in range(1, words + 1)]


def text_of(name: str = "words") -> str:
    """The whole text of this name.

    >>> len(text_of("markdown")), len(text_of("long"))
    (20000, 1000000)
    """
    return "".join(TEXTS[name]())


def _word(number: int, letters: int) -> str:
    word = ""
    for _ in range(letters):
        number, digit = divmod(number, 26)
        word += ascii_lowercase[digit]
    return word


def _markdown(length: int, piece: int) -> list[str]:
    """A document of `length` characters in pieces of `piece` characters, which repeats everything that models write in Markdown."""
    words = (_word(i, 5) for i in count(1))
    text = ""
    kinds = [_section, _table, _steps, _code]
    for number in count():
        text += kinds[number % len(kinds)](words)
        if len(text) >= length:
            text = text[: length - 1].rsplit(" ", 1)[0].ljust(length - 1) + "\n"
            return [text[at : at + piece] for at in range(0, length, piece)]
    raise AssertionError


def _some(words: Words, number: int) -> str:
    return " ".join(next(words) for _ in range(number))


def _section(words: Words) -> str:
    link = f"[{_some(words, 2)}](https://example.org/{next(words)})"
    return f"## {_some(words, 4)}\n\n{_some(words, 30)}, **{_some(words, 3)}** {_some(words, 20)} `{next(words)}`, {link}.\n\n"


def _table(words: Words) -> str:
    rows = "\n".join(f"| {next(words)} | **{next(words)}** | {_some(words, 4)} |" for _ in range(5))
    return f"| {next(words)} | {next(words)} | {next(words)} |\n| --- | :-: | --- |\n{rows}\n\n"


def _steps(words: Words) -> str:
    steps = "".join(f"{i}. **{next(words)}** {_some(words, 8)}\n   - {_some(words, 6)}\n" for i in range(1, 6))
    return f"### {_some(words, 3)}\n\n{steps}\n"


def _code(words: Words) -> str:
    lines = "".join(f'    {next(words)} = {next(words)}["{next(words)}"] + {i}  # {_some(words, 3)}\n' for i in range(6))
    python = f"def {next(words)}({next(words)}):\n{lines}    return {next(words)}\n"
    bash = "".join(f"{next(words)} --{next(words)}={i} | {next(words)} > {next(words)}.txt\n" for i in range(4))
    return f"{_some(words, 12)}:\n\n```python\n{python}```\n\n```sh\n{bash}```\n\n"


TEXTS: dict[str, Callable[[], list[str]]] = {
    "one": lambda: pieces(1),
    "few": lambda: pieces(100),
    "many": lambda: pieces(2000),
    "words": pieces,
    "markdown": lambda: _markdown(MARKDOWN_CHARACTERS, MARKDOWN_CHARACTERS // DELTAS),
    "long": lambda: _markdown(LONG_CHARACTERS, LONG_CHARACTERS // DELTAS),
}
"""The texts by the first segment of the server's paths."""
