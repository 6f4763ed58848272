"""All that is known about a failure, gathered from its exceptions and from the raw response."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chatkit.errors import Kind
from chatkit.failures.body import Body, read_body, spoken_codes, spoken_status
from chatkit.failures.codes import firm_kind
from chatkit.failures.exceptions import (
    Link,
    carried,
    class_kind,
    is_of_a_call,
    is_program_error,
    is_unreached,
    text_of_error,
    vague_class_kind,
)
from chatkit.failures.unreached import Fault, fault_of

MAX_EVIDENCE = 12_000
"""Characters of all messages together."""

_REQUEST_IDS = ("request-id", "x-request-id", "x-amzn-requestid", "x-amz-request-id", "apim-request-id", "x-ms-request-id", "cf-ray")


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known about a failure.

    `status` is that of the response, or where it is missing or 2xx, the one that the body or a text names. `text` holds all
    messages without addresses. `detail` is the message of the server that failed: untrusted, not yet redacted. `class_kind`
    comes from the exception `culprit`; `vague_class_kind` from a class that only repeats a status. `unreached` says that the
    connection was never made, and `fault` why not. `called` says that a provider or another server was called, so that words count.
    """

    response_status: int | None
    status: int | None
    headers: dict[str, str]
    codes: tuple[str, ...]
    text: str
    body: Body
    detail: str
    class_kind: Kind | None
    culprit: Link | None
    unreached: bool
    fault: Fault | None
    called: bool
    vague_class_kind: Kind | None
    request_id: str | None

    @property
    def answered_well(self) -> bool:
        """Whether the status of the response is a success."""
        return self.response_status is not None and 200 <= self.response_status < 300


def gather(links: list[Link], status: int | None, headers: dict[str, str], body: object, provider: str | None) -> Evidence:
    """Collect what an exception and a raw response say; the response takes precedence."""
    bodies = [] if body is None else [body]
    codes: list[str] = []
    request_ids: list[object] = []
    for link in links:
        more = carried(link)
        status = status or more.status
        headers = more.headers | headers
        bodies += more.bodies
        codes += more.codes
        request_ids.append(more.request_id)
    called = provider is not None or body is not None or bool(status or headers) or any(map(is_of_a_call, links))
    read = [read_body(one) for one in bodies[:4]]
    said = [(link, text) for link in links if (text := text_of_error(link.error))][:6]
    texts = [read_body(text) for _, text in said]
    best = next((one for one in read if one.texts or one.codes or one.shape == "html"), None)
    first_text = next((one for one in texts if one.shape != "text"), texts[0] if texts else None)
    chosen = best or (read[0] if read and not texts else first_text) or read_body(None)
    if not called:  # "INTERNAL_ERROR" in somebody's own exception means anything
        codes = [code for code in codes if firm_kind([code])]
    codes += [code for one in read for code in one.codes]
    in_code = bool(links) and is_program_error(links[0])  # "name 'RateLimitError' is not defined" is no rate limit
    spoken = [_spoken(one, text, called, in_code) for one, (link, text) in zip(texts, said, strict=True) if not link.is_service]
    codes += [code for _, more in spoken for code in more]
    if "x-amzn-errortype" in headers:
        codes.append(headers["x-amzn-errortype"])
    kind, culprit = class_kind(links, called)
    explained = culprit is not None and culprit.explicit
    failed = [link for link in links if link.explicit or not explained]  # without what was being handled when it failed
    named = next(filter(None, [*(one.status for one in read), *(status for status, _ in spoken)]), None)
    text = "\n".join(dict.fromkeys(text for one in (*read, *texts) for text in one.texts))[:MAX_EVIDENCE]
    return Evidence(
        response_status=status,
        status=named if status is None or 200 <= status < 300 else status,
        headers=chosen.headers | headers,
        codes=tuple(dict.fromkeys(codes)),
        text=text,
        body=chosen,
        detail=best.detail if best and best.detail else _detail_of_chain(texts),
        class_kind=kind,
        culprit=culprit,
        unreached=is_unreached(failed),
        fault=fault_of(failed, status, text),
        called=called,
        vague_class_kind=vague_class_kind(links, called),
        request_id=_request_id(*(headers.get(name) for name in _REQUEST_IDS), *request_ids, chosen.request_id),
    )


def _spoken(read: Body, text: str, called: bool, in_code: bool) -> tuple[int | None, Sequence[str]]:
    """The status and the codes in the text of an exception; in that of a mistake `in_code`, only what stands in a document counts."""
    if called or read.failed:
        return read.status, () if in_code and read.shape == "text" else read.codes
    return spoken_status(text), () if in_code else spoken_codes(text)


def _detail_of_chain(texts: list[Body]) -> str:
    """What each exception of a chain adds, outermost first."""
    parts: list[str] = []
    for one in texts[:3]:
        text = one.detail.rstrip(". ")
        if text and not any(text in part or part in text for part in parts):
            parts.append(text)
    return (texts[0].detail or parts[0]) if len(parts) == 1 else ": ".join(parts)


def _request_id(*candidates: object) -> str | None:
    for value in candidates:
        if isinstance(value, str) and 0 < len(value) <= 128 and value.isascii() and value.isprintable():
            return value
    return None
