"""What a failure's body says, whatever it is wrapped in: JSON, JSON in a JSON string, a Python dict in a message, events, HTML.

Bodies are untrusted: no more than `LIMIT` characters are read, no more than `NODES` values visited, and nothing here raises.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from chatkit.failures.documents import documents_in, event_values
from chatkit.failures.hints import header_values

LIMIT = 131_072
NODES = 2_000
DEPTH = 24
WRAPPINGS = 4
"""How deep a body may lie in strings within bodies."""

Shape = Literal["empty", "html", "json", "events", "text"]


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """What a body says.

    Attributes
    ----------
    shape : str
        ``empty``, ``html``, ``json``, ``events`` (server-sent ones) or ``text``.
    codes : tuple of str
        Its typed codes, outermost first.
    status : int or None
        The HTTP status that it names: the innermost number from 400 to 599 under a key such as ``code``, else one in its text.
    words : tuple of str
        Its messages, outermost first.
    detail : str
        The innermost message: the words of whoever failed.
    waits : tuple of (str, object)
        Keys and values that ask for a wait, such as Google's ``retryDelay``.
    headers : dict
        Headers that a gateway passes on in the body.
    zero : bool
        It names a limit of zero.
    failed : bool
        It says at all that something failed.
    request_id : str or None
        The request's name.
    """

    shape: Shape
    codes: tuple[str, ...] = ()
    status: int | None = None
    words: tuple[str, ...] = ()
    detail: str = ""
    waits: tuple[tuple[str, Any], ...] = ()
    headers: dict[str, str] = {}
    zero: bool = False
    failed: bool = False
    request_id: str | None = None


def _keys(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CODES = _keys("""
    blockreason code errcode errorcode errorname errortype finishreason kind limitsource name nativefinishreason quotaid quotalimit
    reason status stopreason subtype type""")
_WORDS = _keys("description detail details error errordescription errormessage errors message msg originalmessage raw statusmsg")
_WAITS = _keys("""
    quotaresetdelay quotaresettimestamp resetsinseconds retryafter retryafterms retryafterseconds retrydelay retryinseconds""")
_STATUSES = _keys("code httpcode httpstatus httpstatuscode originalstatuscode rawstatuscode status statuscode upstreamstatus")
_ASIDE = _keys("details links metadata violations")
"""What lies below these explains an error, and isn't its message."""
_SKIPPED = _keys("contents input messages prompt requestbody tools usage")
"""What a validation error echoes of the request is the person's own text."""
_WRAPPERS = _keys("body data detail details error errormessage message msg raw responsebody upstreambody value")

_URL = re.compile(r"\b(?:https?|wss?)://\S+|\bwww\.\S+", re.I)
_HTML = re.compile(r"\s*(?:<!--|<!doctype\s+html|<html|<head|<body|<title|<center|<h1|<p>|<div)", re.I)
_TITLE = re.compile(r"<title[^<>]{0,200}>([^<]{0,400})", re.I)
_TAG = re.compile(r"<(?:script|style)\b[^<>]{0,400}>[^<]{0,4000}|<[^<>]{0,1000}>", re.I)
_EVENTS = re.compile(r"(?:^|\n)(?:data|event):", re.I)
_XML = re.compile(r"<(Code|Message)>([^<]{1,400})</", re.I)
_PAIR = re.compile(
    r"""["']?\b(code|type|status|reason|error_code|error_type|__type|message|error|msg|detail|retryDelay)\b["']?\s{0,4}[:=]\s{0,4}"""
    r"""(?:"((?:[^"\\]|\\.){1,600}+)|'((?:[^'\\]|\\.){1,600}+)|([45]\d\d)\b)"""
)
_NAMED = re.compile(r"(?:^|[\s.(\[])([A-Z]\w{2,60}?(?:Error|Exception|Timeout))(?=[)\]:]| - |\n|$)")
_SHOUTED = re.compile(r"\b(?:\d{1,3} |StatusCode\.)([A-Z][A-Z_]{4,40})\b")
_STATUS = re.compile(
    r"(?:^|\berror code\b|\bstatus(?:[ _-]?code)?\b|\bhttp(?:/[\d.]{1,3})?(?: error| status)?\b|\bapi error\b|\berror\b)"
    r"[\s:=\-]{0,3}\(?([45]\d\d)\b(?![.\d,])"
    r"|\(([45]\d\d)\)"
    r"|\b([45]\d\d) (?:Bad Request|Unauthorized|Payment Required|Forbidden|Not Found|Request Timeout|Conflict|Too Many Requests"
    r"|Internal Server Error|Bad Gateway|Service (?:Temporarily )?Unavailable|Gateway Time-?out|Payload Too Large"
    r"|Request Entity Too Large|status code)",
    re.I,
)
_REQUEST_ID = re.compile(r"[\w.:/+=-]{4,128}")


def without_urls(text: str) -> str:
    """The text without its addresses, whose words (``error-code-429``, ``account/billing``) say nothing of the failure."""
    return _URL.sub(" ", text)


def read_payload(body: object) -> Payload:
    """Read a body.

    Parameters
    ----------
    body : str, bytes, a parsed value, or None
        Whatever came.

    Returns
    -------
    Payload
    """
    reading = _Reading()
    if isinstance(body, bytes | bytearray | memoryview):
        body = bytes(body[: LIMIT * 4]).decode("utf-8", "replace")
    if isinstance(body, str):
        shape = reading.text(body[:LIMIT].lstrip("\ufeff"), "", 0)
    elif isinstance(body, Mapping | list | tuple):
        shape = "json"
        reading.value(body, "", 0)
    else:
        shape = "empty"
    return reading.payload(shape)


class _Reading:
    """One reading of one body."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.numbers: list[tuple[int, int]] = []
        self.named: list[int] = []
        self.words: list[str] = []
        self.ranked: list[tuple[int, str]] = []
        self.waits: list[tuple[str, Any]] = []
        self.headers: dict[str, str] = {}
        self.request_id: str | None = None
        self.zero = False
        self.failed = False
        self.left = NODES

    def payload(self, shape: Shape) -> Payload:
        best = max((rank for rank, _ in self.ranked), default=0)
        detail = next((word for rank, word in self.ranked if rank == best), "")
        return Payload(
            shape=shape,
            codes=tuple(self.codes[:64]),
            status=max(self.numbers)[1] if self.numbers else self.named[0] if self.named else None,
            words=tuple(self.words[:32]),
            detail=detail,
            waits=tuple(sorted(self.waits[:8], key=lambda wait: wait[0] != "retrydelay")),
            headers=self.headers,
            zero=self.zero,
            failed=self.failed,
            request_id=self.request_id,
        )

    def text(self, text: str, key: str, depth: int, wrapped: int = 0) -> Shape:
        """Read a string, and what is wrapped in it; `depth` ranks its words."""
        if not text.strip():
            return "empty"
        if _HTML.match(text):
            found = _TITLE.search(text[:65_536])
            self._say(html.unescape(found[1] if found and found[1].strip() else _TAG.sub(" ", text[:8_192])), depth)
            return "html"
        if _EVENTS.search(text[:4_096]) and (documents := list(event_values(text))):
            for document in documents:
                self.value(document, key, depth + 1, wrapped + 1)
            return "events"
        documents, start = documents_in(text)
        plain = without_urls(text[:start] if documents else text)[:8_192]
        self._read_text(plain)
        if documents:
            if plain.strip(" \n\t-:."):
                self.words.append(plain)
            for document in documents:
                self.value(document, key, depth + 1, wrapped + 1)
            return "json"
        scanned = self._scan(text, depth)
        if not scanned:
            self._say(text, depth)
        return "text"

    def value(self, value: object, key: str, depth: int, wrapped: int = 0, *, aside: bool = False) -> None:
        """Visit a parsed value, in order."""
        stack: list[tuple[object, str, int, bool]] = [(value, key, depth, aside)]
        while stack and self.left > 0:
            value, key, depth, aside = stack.pop()
            self.left -= 1
            if isinstance(value, str):
                self._string(key, value, depth, wrapped, aside)
            elif isinstance(value, bool) or value is None:
                continue
            elif isinstance(value, int | float):
                self._number(key, value, depth)
            elif depth >= DEPTH:
                continue
            elif isinstance(value, Mapping):
                stack.extend(reversed(self._mapping(value, depth, aside)))
            elif isinstance(value, list | tuple):
                stack.extend((item, key, depth + 1, aside) for item in reversed(value[:200]))

    def _mapping(self, value: Mapping[Any, Any], depth: int, aside: bool) -> list[tuple[object, str, int, bool]]:
        below: list[tuple[object, str, int, bool]] = []
        try:
            items = [(str(name)[:60], item) for name, item in list(value.items())[:200]]
        except Exception:  # a foreign mapping may raise whatever it likes
            return below
        for name, item in items:
            key = _letters(name)
            if key == "headers" and isinstance(item, Mapping):
                self.headers.update(header_values(item))
            elif key in _WAITS and isinstance(item, Mapping | str | int | float):
                self.waits.append((key, item))
            elif key not in _SKIPPED:
                self.failed = self.failed or (key in ("error", "errors") and bool(item))
                inner = key != "raw" and (aside or (key in _ASIDE and not isinstance(item, str)))
                below.append((item, key, depth + 1, inner))
        return below

    def _string(self, key: str, value: str, depth: int, wrapped: int, aside: bool) -> None:
        if key in _CODES and 2 < len(value) <= 160:
            self.codes.append(value)
        if key in ("quotavalue", "quotalimitvalue") and value.strip() == "0":
            self.zero = True
        if key in _STATUSES and len(value) == 3 and value.isdecimal():
            self._number(key, int(value), depth)
        if key in ("requestid", "xrequestid") and self.request_id is None and _REQUEST_ID.fullmatch(value):
            self.request_id = value
        if key in _WRAPPERS and wrapped < WRAPPINGS and ("{" in value or "data:" in value):
            self.text(value[:LIMIT], key, depth, wrapped)
        elif key in _WORDS or (key == "reason" and " " in value):
            if key in ("error", "errors") and " " not in value.strip():
                self.codes.append(value[:160])
            self._read_text(without_urls(value[:4_096]))
            if _HTML.match(value):
                self.text(value[:LIMIT], key, depth, wrapped)
            else:
                self._say(value, -1 if aside or key == "description" else depth)

    def _number(self, key: str, value: int | float, depth: int) -> None:
        if key in _STATUSES and 400 <= value < 600 and value == int(value):
            self.numbers.append((depth, int(value)))

    def _read_text(self, text: str) -> None:
        """Typed codes and statuses that a sentence names: ``An error occurred (ThrottlingException)``, ``Error code: 429``."""
        self.codes.extend(_NAMED.findall(text[:4_096])[:16])
        self.codes.extend(word for word in _SHOUTED.findall(text[:4_096])[:4])
        for found in list(_STATUS.finditer(text[:4_096]))[:4]:
            self.named.append(int(found[1] or found[2] or found[3]))

    def _scan(self, text: str, depth: int) -> bool:
        """Read keys and values out of text that doesn't parse: JSON that was cut, objects as JavaScript prints them, XML."""
        said = False
        for name, one, two, number in _PAIR.findall(text[:32_768])[:64]:
            value = _unescaped(one or two)
            if number:
                self.numbers.append((depth, int(number)))
            elif name in ("message", "msg", "error", "detail"):
                if value:
                    self._say(value, depth + 1)
                    said = True
            elif name == "retryDelay":
                self.waits.append(("retrydelay", value))
            else:
                self.codes.append(value[:160])
        for name, value in _XML.findall(text[:32_768])[:16]:
            if name.lower() == "code":
                self.codes.append(value)
            else:
                self._say(value, depth + 1)
                said = True
        if said:
            self.failed = True
            self.words.append(without_urls(text)[:2_000])
        return said

    def _say(self, words: str, rank: int) -> None:
        words = words.strip()
        if words:
            self.words.append(without_urls(words[:4_096]))
            self.ranked.append((rank, words[:4_096]))


_NOT_LETTERS = re.compile(r"[^a-z]+")


def _letters(key: str) -> str:
    return _NOT_LETTERS.sub("", key.lower())


def _unescaped(text: str) -> str:
    return text.replace('\\"', '"').replace("\\'", "'").replace("\\n", "\n")
