"""Readers of Markdown that aren't chatkit's, and texts made to be read otherwise by each of them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence
from html.parser import HTMLParser
from importlib import import_module

from markdown_it import MarkdownIt
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from chatkit.display.document import Asked, Failure, Label, Note, Prompt, Title, answer
from chatkit.display.markdown.parse import is_safe_url, parse, render_html
from chatkit.display.plain_text import shown
from chatkit.display.writers import write_markdown
from chatkit.events import ErrorEvent
from chatkit.parts import File
from tests.display.hostile import HOSTILE, Seen, every_part

REPORTED = [
    "see http://a`<img src=x onerror=alert(1)>`",
    '[](http://$)"onmouseover=alert(1) [](http://$)',
    "> $a{$\n\n```\n}$ <img src=x onerror=alert(1)>\n```",
    "> $a{$\n> ```\n> }$ <img src=x onerror=alert(1)>\n> ```",
]
"""Texts of which another parser once made live HTML."""
_MARKS = r"""` `` $ $$ \ * ** _ ~~ ~~~ | [ ] ]( ( ) { } < > # = + - : ! & " ' ^ % @ \( \) \[ \] \$ \` \| \\ @@0@@ @@1 {:"""
_WORDS = [
    *("text", "a b", "é", "5", "x", "\u00a0", "http://a", "www.a.b", "a@b.c", "xmpp:a@b.c", "mailto:", "//a.b", "javascript:alert(1)"),
    *("[x](http://e.com)", "[x](http://e.com/?a&lt;b)", "[^1]", "[^1]: ", "[a]: javascript:alert(1)\n", "*[a]: ", "{: onclick=alert(1)}"),
    *("`code`", "`` ` ``", "`a|b`", "$x$", "\\(x<y\\)", "$$y$$", "\\begin{x}", "\\end{x}", "&lt;", "&#60;", "&#10;", "&#32;", "&#36;"),
    *("&#8203;", "&#x2028;", "<img src=x onerror=alert(1)>", "<a href=javascript:alert(1)>", "<!--", "-->", "<pre>", "</pre>", "</code>"),
]
_BLOCKS = [
    *(
        "\n\n",
        "\n",
        "\n    ",
        "\t",
        "\r",
        "\u2028",
        "\x00",
        "```\n",
        "~~~\n",
        "> ",
        "- ",
        "1. ",
        "# ",
        "---\n",
        "===\n",
        "::: ",
        "!!! note",
    ),
    *("| a |\n|---|\n", "```html\n<b>\n```\n", "```js\n`${a}`\n```\n", "```mermaid\na\n```\n", "    <b>\n", "$$\na\n- b\n$$\n"),
    "- ```\n  {: onclick=alert(1)}\n\n  [x](javascript:alert(1))\n  ```\n",
]


def in_places() -> list[str]:
    """What was reported, by itself and within other blocks."""
    places = ("{}", "- {}", "> {}", "- > {}", "| {} |\n| --- |", "# {}", "**{}**", "[{}](#a)")
    return [place.format(text) for text in REPORTED for place in places]


def documents() -> list[str]:
    """The Markdown of turns that have a hostile text in every place: titles, prompts, calls, sources, names of files, errors."""
    written = []
    for text in [*in_places(), *HOSTILE.values(), *tricky(300, seed=6)]:
        error = ErrorEvent(message=text, detail=text, provider=text)
        prompt = Prompt(text=text, files=(File(media_type=text, title=text),))
        written.append(
            write_markdown([Title(text), Label(text), prompt, Asked(text), *answer(every_part(text)), Failure(error), Note(text)])
        )
    return written


def tricky(count: int, seed: int) -> list[str]:
    """`count` mixtures of hostile texts and pieces of Markdown, a third of them in a quotation or a list."""
    chance = random.Random(seed)
    pieces = [*HOSTILE.values(), *REPORTED, *_MARKS.split(), *_WORDS, *_BLOCKS]
    texts = []
    for _ in range(count):
        text = "".join(chance.choices(pieces, k=chance.randint(1, 9)))
        begin, inside = chance.choice([("", "")] * 4 + [("> ", "> "), ("- ", "  ")])
        texts.append(begin + text.replace("\n", "\n" + inside))
    return texts


def _python_markdown(source: str) -> str:
    return str(import_module("markdown").markdown(source, extensions=["extra", "sane_lists"]))


def _cmark_gfm(source: str) -> str:
    unsafe = import_module("cmarkgfm.cmark").Options.CMARK_OPT_UNSAFE
    return str(import_module("cmarkgfm").github_flavored_markdown_to_html(source, options=unsafe))


def _markdown_it(source: str) -> str:
    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    reader.validateLink = lambda url: True  # type: ignore[method-assign]
    return str(reader.render(source))


READERS: dict[str, Callable[[str], str]] = {
    "markdown-it-py": _markdown_it,
    "nbconvert": markdown2html_mistune,
    "cmark-gfm": _cmark_gfm,
    "Python-Markdown": _python_markdown,
}
NO_TEXT = {"Python-Markdown"}
"""Those that know fewer of Markdown's blocks, and show the marks of the others."""

_TAGS = {
    "p",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "ul",
    "ol",
    "li",
    "dl",
    "dt",
    "dd",
    "blockquote",
    "pre",
    "code",
    "em",
    "strong",
    "s",
    "del",
}
_TAGS |= {"a", "br", "hr", "table", "thead", "tbody", "tr", "th", "td", "div", "span", "sup"}
_ATTRIBUTES = {"class", "id", "lang", "align", "start", "rel", "aria-hidden"}


class _Page(HTMLParser):
    """The text of a page, and what in it isn't a plain element; what KaTeX draws is left out."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.text = ""
        self._math = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._math += tag == "math"
        if self._math:
            return
        if tag not in _TAGS:
            self.wrong.append(tag)
        is_formula = tag in ("span", "p", "div")
        for name, value in attrs:
            fine = name in _ATTRIBUTES or (name == "title" and is_formula)
            fine |= name == "style" and re.fullmatch(r"[-\w:;. %#,()]*", value or "") is not None and "url" not in str(value)
            fine |= name == "href" and tag == "a" and is_safe_url(value or "")
            if not fine:
                self.wrong.append(f"{tag} {name}={value!r}")

    def handle_endtag(self, tag: str) -> None:
        self._math -= tag == "math"

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.wrong.append(f"<!--{data}")

    def handle_decl(self, decl: str) -> None:
        self.wrong.append(f"<!{decl}")

    def unknown_decl(self, data: str) -> None:
        self.wrong.append(f"<![{data}")

    def handle_pi(self, data: str) -> None:
        self.wrong.append(f"<?{data}")


def _words(text: str) -> str:
    """A text without white space and without the marks of emphasis and of tables, which some readers show."""
    return re.sub(r"[\s*_~|:\u00b6-]+", "", text)


def _has_formulas(text: str) -> bool:
    return any("math" in t.type for token in parse(shown(text)) or () for t in (token, *(token.children or ())))


def misread(texts: Sequence[str], pages: Iterable[str], *, compare: bool = True) -> list[tuple[str, object]]:
    """The texts whose page, as a reader made it, could act, or says something else than chatkit's own HTML."""
    found: list[tuple[str, object]] = []
    for text, html in zip(texts, pages, strict=True):
        page = _Page(html)
        if page.wrong:
            found.append((text, page.wrong))
        elif compare and not _has_formulas(text) and _words(page.text) != _words("".join(Seen(render_html(text)).text)):
            found.append((text, page.text))
    return found
