"""Makes foreign text safe to show and store: keys are blotted out, invisible characters removed, the length is limited.

Every text that a server or a foreign log says outside of a reply's own text (a name, an id, an address, a header) goes through
`harmless` once, where it enters: what is printed later can then neither command a terminal nor pose as another text.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

BLOT = "***"

_SECRETS = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]{0,8000}(?:-----END [A-Z ]{0,40}-----)?"
    r"|\b(?:(?:sk|pk|rk|gsk)[-_]|(?:csk|xai|nvapi|pplx|sess|glpat)-|(?:fw|hf|r8|tgp|gh[oprsu])_)[A-Za-z0-9_*.-]{8,}"
    r"|\bgithub_pat_[A-Za-z0-9_]{8,}|\b(?:AKIA|ASIA|AIDA|AROA)[A-Z0-9]{8,}|\bAIza[A-Za-z0-9_-]{10,}|\bya29\.[\w-]{8,}"
    r"|\bxox[abeprs]-[A-Za-z0-9-]{8,}|\beyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*){0,2}|\bABSK[A-Za-z0-9+/=]{16,}"
)
_BEARER = re.compile(r"\b(bearer|basic)(\s{1,4}|%20)(?=[^\s\"',;]{0,200}?[\d=]|[^\s\"',;]{20})[^\s\"',;]{6,}", re.I)
_NAMES = (
    r"(?:x-)?(?:goog-)?api[-_ ]?key|subscription[-_]key|authorization|access[-_]?token|refresh[-_]?token|auth[-_]?token|session[-_]?token"
    r"|client[-_]?secret|secret[-_]?(?:access[-_]?)?key|password|passwd|set-cookie|cookie"
)
_ASSIGNED = re.compile(
    rf"((?:{_NAMES})(?: provided| given| supplied)?[\"']{{0,2}}\s{{0,3}}[:=]\s{{0,3}}[\"']{{0,2}}(?:(?:bearer|basic)\s{{1,3}})?)"
    r"(?=[^\s\"',;&}]{0,200}?[\d*]|[^\s\"',;&}]{16})[^\s\"',;&}]{4,}",
    re.I,
)
_IN_QUERY = re.compile(
    r"([?&](?:key|api[-_]?key|(?:access|auth)[-_]?token|token|sig|signature|secret|password|code|x-(?:amz|goog)-[a-z-]{1,30})=)"
    r"[^&\s\"'<>]+",
    re.I,
)
_IN_ADDRESS = re.compile(r"(://)[^\s/@\"'<>]{1,512}@")
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""Letters and marks that are invisible although Python calls them printable."""
_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def harmless(text: str) -> str:
    r"""Foreign text on one line, without control characters, changes of direction and other invisible characters.

    >>> harmless("req_1\x1b]52;c;AAAA\x07\r\nand \u202emore")
    'req_1 ]52;c;AAAA and more'
    """
    if text.isascii() and text.isprintable() and "  " not in text:
        return text
    text = _SURROGATE.sub("\ufffd", _SPACE.sub(" ", _BLANK.sub("", text)))
    return text if text.isprintable() else _SPACE.sub(" ", "".join(filter(str.isprintable, text)))


def whole_characters(value: Any) -> Any:
    """The value of JSON with a replacement character for each half of a surrogate pair, which can be neither stored nor sent.

    Two halves that stand together are joined.

    >>> whole_characters({"a": ["\\ud83d\\ude00", "half \\ud83d", 1]})
    {'a': ['😀', 'half �', 1]}
    """
    if isinstance(value, str):
        text = str(value)  # msgspec encodes neither a `Reply` nor a text of numpy
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if _SURROGATE.search(text) else text
    if isinstance(value, list | tuple):
        return [whole_characters(v) for v in value]
    if isinstance(value, dict):
        return {whole_characters(k): whole_characters(v) for k, v in value.items()}
    return value


def whole_json(value: Any) -> bytes:
    """A value as JSON, with `whole_characters`."""
    try:
        return msgspec.json.encode(value, enc_hook=_text)
    except UnicodeEncodeError:
        return msgspec.json.encode(whole_characters(msgspec.to_builtins(value, enc_hook=_text)))


def _text(value: object) -> str:
    """A `Reply` or a text of numpy, which msgspec doesn't encode by itself, as the text that it is."""
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"Encoding objects of type {type(value).__name__} is unsupported")


def redact(text: str, limit: int = 500) -> str:
    """Foreign text on one line of at most `limit` characters, without keys, control characters and changes of direction.

    The result is still untrusted: it must be escaped like any text.

    >>> redact("Incorrect API key provided: sk-proj-abcdefghijkl.\\nSee https://x.test/?key=AIzaSyA&v=1")
    'Incorrect API key provided: *** See https://x.test/?key=***&v=1'
    """
    room = 16 * max(limit, 1) + 4_096
    if len(text) > room:  # between words: half a key would not be recognised as one
        text = text[:room].rpartition(" ")[0] or text[:room]
    text = harmless(text)
    text = _IN_ADDRESS.sub(rf"\1{BLOT}@", text)
    text = _IN_QUERY.sub(rf"\1{BLOT}", text)
    text = _SECRETS.sub(BLOT, text)
    text = _BEARER.sub(rf"\1 {BLOT}", text)
    text = _ASSIGNED.sub(rf"\1{BLOT}", text).strip()
    return text if len(text) <= limit else text[: max(limit - 1, 0)].rstrip() + "…"
