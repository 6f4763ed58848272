"""What the body of a failure says, however it is wrapped: JSON, JSON in a string of JSON, a Python dict in a text, events, HTML.

A body is untrusted: it is cut to `MAX_BODY` characters, at most `MAX_NODES` values of it are visited, and reading it never raises.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from chatkit.failures.classes import CLIENTS
from chatkit.failures.codes import word_set
from chatkit.failures.hints import header_values
from chatkit.sse import SseDecoder

MAX_BODY = 131_072
"""Characters; of bytes, four times as many are decoded."""
MAX_NODES = 2_000
MAX_ITEMS = 200
"""Items that are read of one list or mapping."""
MAX_DEPTH = 24
MAX_WRAPPINGS = 4
"""Bodies in strings within bodies."""
MAX_DOCUMENTS = 64
MAX_MISSES = 6
"""Brackets that open no document, after which the search ends."""
MAX_MESSAGE = 4_096
"""Characters of one message."""

Shape = Literal["empty", "html", "json", "events", "text"]


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """What a body says. Codes and texts are in their order, outermost first; the `detail` is the innermost message."""

    shape: Shape
    codes: tuple[str, ...] = ()
    status: int | None = None  # the innermost number from 400 to 599 under a key such as "code", else one in the text
    texts: tuple[str, ...] = ()  # the messages, without addresses
    detail: str = ""
    waits: tuple[tuple[str, Any], ...] = ()  # keys and values that ask for a wait, such as Google's retryDelay
    headers: dict[str, str] = {}  # those that a gateway passes on in the body
    has_zero_limit: bool = False
    failed: bool = False
    request_id: str | None = None


_CODES = word_set("""
    blockreason code errcode errorcode errorname errortype finishreason kind limitsource name nativefinishreason quotaid quotalimit
    reason status stopreason subtype type""")
_MESSAGES = word_set(
    "description detail details error errordescription errormessage errormsg errors message msg originalmessage raw statusmsg"
)
_FAILURES = word_set("err error errors exception failure fault")
_WAITS = word_set("""
    quotaresetdelay quotaresettimestamp resetsinseconds retryafter retryafterms retryafterseconds retrydelay retryinseconds""")
_STATUSES = word_set("code error httpcode httpstatus httpstatuscode originalstatuscode rawstatuscode status statuscode upstreamstatus")
_ASIDE = word_set("details links metadata violations")
"""What lies below these keys explains an error, and isn't its message."""
_ECHOED = word_set("contents input messages param prompt requestbody tools usage")
"""A validation error repeats the request under these keys: this is the user's own text."""
_WRAPPERS = word_set("body data detail details error errormessage message msg raw responsebody upstreambody value")

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
_AWS = re.compile(r"An error occurred \((\w{2,60})\) when calling")
_QUALIFIED = re.compile(rf"\b(?:{'|'.join(sorted(CLIENTS))})\.(?:\w{{1,40}}\.){{0,4}}([A-Z]\w{{2,60}})(?=[:(]|\Z)")
_SHOUTED = re.compile(r"\b(?:\d{1,3} |StatusCode\.)([A-Z][A-Z_]{4,40})\b")
_PHRASE = (
    r"\b([45]\d\d) (?:Bad Request|Unauthorized|Payment Required|Forbidden|Not Found|Request Timeout|Conflict|Too Many Requests"
    r"|Internal Server Error|Bad Gateway|Service (?:Temporarily )?Unavailable|Gateway Time-?out|Payload Too Large"
    r"|Request Entity Too Large|status code|(?:Client|Server) Error)"
)
_STATUS = re.compile(
    r"(?:^|\berror code\b|\bstatus(?:[ _-]?code)?\b|\bhttp(?:/[\d.]{1,3})?(?: error| status)?\b|\bapi error\b|\berror\b)"
    r"[\s:=\-]{0,3}\(?([45]\d\d)\b(?![.,]?\d)"
    r"|\(([45]\d\d)\)"
    rf"|{_PHRASE}",
    re.I,
)
_SPOKEN_STATUS = re.compile(
    r"\b(?:error code|status(?:[ _-]?code)?|http(?:/[\d.]{1,3})?(?: error| status)?)[\s:=\-]{0,3}\(?([45]\d\d)\b(?![.,]?\d)"
    rf"|{_PHRASE}",
    re.I,
)
_REQUEST_ID = re.compile(r"[\w.:/+=-]{4,128}")
_NOT_LETTERS = re.compile(r"[^a-z]+")


def read_body(body: object) -> Body:
    """Read a body: a string, bytes or a parsed value; anything else is empty."""
    reader = _Reader()
    if isinstance(body, bytes | bytearray | memoryview):
        body = bytes(body[: MAX_BODY * 4]).decode("utf-8", "replace")
    if isinstance(body, str):
        shape = reader.read_text(body[:MAX_BODY].lstrip("\ufeff"), "", 0)
    elif isinstance(body, Mapping | list | tuple):
        shape = "json"
        reader.read_value(body, "", 0)
    else:
        shape = "empty"
    return reader.body(shape)


def without_addresses(text: str) -> str:
    """The text without its URLs: their words (``error-code-429``, ``account/billing``) don't describe the failure."""
    return _URL.sub(" ", text)


def spoken_status(text: str) -> int | None:
    """The HTTP status that a text of anybody names as one, such as ``HTTP 503`` or ``429 Too Many Requests``."""
    found = _SPOKEN_STATUS.search(without_addresses(text[:MAX_MESSAGE]))
    return int(found[1] or found[2]) if found else None


def spoken_codes(text: str) -> list[str]:
    """The typed codes in a text of anybody: a client's class with its module, and AWS's sentence.

    >>> spoken_codes("it failed: litellm.RateLimitError: slow"), spoken_codes("it failed: RateLimitError: slow")
    (['RateLimitError'], [])
    """
    return [*_QUALIFIED.findall(text[:MAX_MESSAGE])[:4], *_AWS.findall(text[:MAX_MESSAGE])[:4]]


class _Reader:
    """One reading of one body; a `depth` ranks the messages, since the innermost is the one that counts."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.numbers: list[tuple[int, int]] = []
        self.numbers_in_text: list[int] = []
        self.texts: list[str] = []
        self.ranked: list[tuple[int, str]] = []
        self.waits: list[tuple[str, Any]] = []
        self.headers: dict[str, str] = {}
        self.request_id: str | None = None
        self.has_zero_limit = False
        self.failed = False
        self.others: list[str] = []
        self.nodes_left = MAX_NODES

    def body(self, shape: Shape) -> Body:
        if self.failed and not self.texts:  # an error object of an odd shape
            for other in self.others[:4]:
                self._find_codes(without_addresses(other))
                self._add_message(other, 0)
        best = max((rank for rank, _ in self.ranked), default=0)
        return Body(
            shape=shape,
            codes=tuple(self.codes[:64]),
            status=max(self.numbers)[1] if self.numbers else self.numbers_in_text[0] if self.numbers_in_text else None,
            texts=tuple(self.texts[:32]),
            detail=next((message for rank, message in self.ranked if rank == best), ""),
            waits=tuple(sorted(self.waits[:8], key=lambda wait: wait[0] != "retrydelay")),
            headers=self.headers,
            has_zero_limit=self.has_zero_limit,
            failed=self.failed,
            request_id=self.request_id,
        )

    def read_text(self, text: str, key: str, depth: int, wrapped: int = 0) -> Shape:
        """Read a string, and the documents in it."""
        if not text.strip():
            return "empty"
        if _HTML.match(text):
            found = _TITLE.search(text[:65_536])
            self._add_message(html.unescape(found[1] if found and found[1].strip() else _TAG.sub(" ", text[:8_192])), depth)
            return "html"
        shape: Shape = "json"
        documents: list[Any] = []
        if _EVENTS.search(text[:4_096]):
            shape, documents = "events", list(_event_values(text))
        if not documents:
            shape = "json"
            documents, start, too_deep = _documents_in(text)
            if too_deep:
                self.codes.append("server_error")
            plain = without_addresses(text[:start])[:8_192]
            self._find_codes(plain)
            if not documents:
                if not self._scan(text, depth):
                    self._add_message(text, depth)
                return "text"
            if plain.strip(" \n\t-:."):
                self.texts.append(plain)
        for document in documents:
            self.read_value(document, key, depth + 1, wrapped + 1)
        return shape

    def read_value(self, value: object, key: str, depth: int, wrapped: int = 0) -> None:
        """Visit a parsed value, in order."""
        stack: list[tuple[object, str, int, bool]] = [(value, key, depth, False)]
        while stack and self.nodes_left > 0:
            value, key, depth, aside = stack.pop()
            self.nodes_left -= 1
            if isinstance(value, str):
                self._read_string(key, value, depth, wrapped, aside)
            elif isinstance(value, int | float) and not isinstance(value, bool):
                self._read_number(key, value, depth)
            elif isinstance(value, Mapping) and depth < MAX_DEPTH:
                stack.extend(reversed(self._below(value, depth, aside)))
            elif isinstance(value, list | tuple) and depth < MAX_DEPTH:
                stack.extend((item, key, depth + 1, aside) for item in reversed(value[:MAX_ITEMS]))

    def _below(self, value: Mapping[Any, Any], depth: int, aside: bool) -> list[tuple[object, str, int, bool]]:
        below: list[tuple[object, str, int, bool]] = []
        try:
            items = [(str(name)[:60], item) for name, item in list(value.items())[:MAX_ITEMS]]
        except Exception:  # a foreign mapping may raise anything
            return below
        for name, item in items:
            key = _NOT_LETTERS.sub("", name.lower())
            if key == "headers" and isinstance(item, Mapping):
                self.headers.update(header_values(item))
            elif key in _WAITS and isinstance(item, Mapping | str | int | float):
                self.waits.append((key, item))
            elif key not in _ECHOED:
                self.failed = self.failed or (key in _FAILURES and bool(item))
                inner = key != "raw" and (aside or (key in _ASIDE and not isinstance(item, str)))
                below.append((item, key, depth + 1, inner))
        return below

    def _read_string(self, key: str, value: str, depth: int, wrapped: int, aside: bool) -> None:
        if key in _CODES and 2 < len(value) <= 160:
            self.codes.append(value)
        if key in ("quotavalue", "quotalimitvalue") and value.strip() == "0":
            self.has_zero_limit = True
        if len(value) == 3 and value.isdecimal():
            self._read_number(key, int(value), depth)
        if key in ("requestid", "xrequestid") and self.request_id is None and _REQUEST_ID.fullmatch(value):
            self.request_id = value
        if key in _WRAPPERS and wrapped < MAX_WRAPPINGS and ("{" in value or "data:" in value):
            self.read_text(value[:MAX_BODY], key, depth, wrapped)
        elif key in _MESSAGES or (key == "reason" and " " in value):
            if key in ("error", "errors") and " " not in value.strip():
                self.codes.append(value[:160])
            self._find_codes(without_addresses(value[:MAX_MESSAGE]))
            if _HTML.match(value):
                self.read_text(value[:MAX_BODY], key, depth, wrapped)
            else:
                self._add_message(value, -1 if aside or key == "description" else depth)
        elif key not in _CODES:
            self.others.append(value)

    def _read_number(self, key: str, value: int | float, depth: int) -> None:
        if key in _STATUSES and 400 <= value < 600 and value == int(value):
            self.numbers.append((depth, int(value)))

    def _find_codes(self, text: str) -> None:
        """Typed codes and statuses within a sentence: ``An error occurred (ThrottlingException)``, ``Error code: 429``."""
        text = text[:MAX_MESSAGE]
        self.codes += [*_NAMED.findall(text)[:16], *_AWS.findall(text)[:4], *_SHOUTED.findall(text)[:4]]
        self.numbers_in_text += [int(found[1] or found[2] or found[3]) for found in list(_STATUS.finditer(text))[:4]]

    def _scan(self, text: str, depth: int) -> bool:
        """Find keys and values in a text that isn't valid: JSON that was cut, objects as JavaScript prints them, XML."""
        messages: list[str] = []
        for name, double, single, number in _PAIR.findall(text[:32_768])[:64]:
            value = (double or single).replace('\\"', '"').replace("\\'", "'").replace("\\n", "\n")
            if number:
                self.numbers.append((depth, int(number)))
            elif name in ("message", "msg", "error", "detail"):
                messages.append(value)
            elif name == "retryDelay":
                self.waits.append(("retrydelay", value))
            else:
                self.codes.append(value[:160])
        for name, value in _XML.findall(text[:32_768])[:16]:
            (self.codes if name.lower() == "code" else messages).append(value)
        for message in messages:
            self._add_message(message, depth + 1)
        if messages:
            self.failed = True
            self.texts.append(without_addresses(text)[:2_000])
        return bool(messages)

    def _add_message(self, message: str, rank: int) -> None:
        message = message.strip()[:MAX_MESSAGE]
        if message:
            self.texts.append(without_addresses(message))
            self.ranked.append((rank, message))


_PYTHON_TOKEN = re.compile(r"""'((?:[^'\\]|\\.)*+)(?:'|\\?\Z)|"((?:[^"\\]|\\.)*+)(?:"|\\?\Z)|\b(?:True|False|None)\b""", re.S)


def _event_values(text: str) -> Iterator[object]:
    """The data of server-sent events, parsed; the data of an ``error`` event counts even if it is no JSON."""
    decoder = SseDecoder()
    events = decoder.feed(text.encode("utf-8", "replace") + b"\n\n")
    for event in [*events[:40], *events[40:][-40:]]:
        try:
            value = json.loads(event.data)
        except (ValueError, RecursionError):
            value = event.data.decode("utf-8", "replace") if event.event == "error" else None
        if event.event == "error" and not isinstance(value, dict):
            value = {"error": value}
        if value is not None:
            yield value


_decoder = json.JSONDecoder(strict=False)


def _documents_in(text: str) -> tuple[list[Any], int, bool]:
    """The JSON objects (and lists of them) in a text, where the first begins, and whether one is nested too deeply to be read.

    >>> _documents_in("Error code: 429 - {'error': {'code': None}}")
    ([{'error': {'code': None}}], 18, False)
    """
    found: list[Any] = []
    start, at, misses = len(text), 0, 0
    while len(found) < MAX_DOCUMENTS and misses < MAX_MISSES:
        at = min((p for p in (text.find("{", at), text.find("[", at)) if p >= 0), default=-1)
        if at < 0:
            break
        try:
            document, end = _decoder.raw_decode(text, at)
        except RecursionError:
            return found, start, True
        except ValueError:
            quoted = text[at + 1 : at + 40].lstrip(" \n\t[{").startswith("'")
            document = _python_document(text[at:]) if quoted else None
            end = at + 1 if document is None else len(text)
        objects = document if isinstance(document, list) else [document]
        if any(isinstance(value, dict) and value for value in objects):
            start = min(start, at)
            found.append(document)
        else:
            misses += 1
        at = end
    return found, start, False


def _python_document(text: str) -> Any:
    """A dict or list as Python's ``repr`` writes it; None if the text is none."""
    try:
        return _decoder.raw_decode(_PYTHON_TOKEN.sub(_as_json, text))[0]
    except (ValueError, RecursionError):
        return None


_PYTHON_CONSTANTS = {"True": "true", "False": "false", "None": "null"}
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|.)|\"", re.S)


def _as_json(found: re.Match[str]) -> str:
    inner = found[1] if found[1] is not None else found[2]
    return _PYTHON_CONSTANTS[found[0]] if inner is None else f'"{_ESCAPE.sub(_json_escape, inner)}"'


def _json_escape(found: re.Match[str]) -> str:
    match found[1]:
        case None:
            return '\\"'
        case "'":
            return "'"
        case code if len(code) == 3:
            return "\\u00" + code[1:]
        case _:
            return found[0]
