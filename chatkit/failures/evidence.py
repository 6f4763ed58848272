"""Everything that is known of a failure, pulled into one value: from an exception and its chain, or from a raw response."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from chatkit.errors import Kind
from chatkit.failures.exceptions import (
    Link,
    attribute,
    chain,
    class_kind,
    class_names,
    could_not_reach,
    is_program_error,
    text_of_error,
    vague_class_kind,
)
from chatkit.failures.hints import header_values, retry_hint
from chatkit.failures.payload import Payload, read_payload

WORDS = 12_000
_REQUEST_IDS = ("request-id", "x-request-id", "x-amzn-requestid", "x-amz-request-id", "apim-request-id", "x-ms-request-id", "cf-ray")
_BODY_NAMES = ("body", "details", "error", "json_body", "http_body", "response_body")
_CODE_NAMES = ("type", "code", "status", "error_code", "reason")


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is known.

    Attributes
    ----------
    links : list of Link
        The exception and its chain; empty for a raw response.
    status : int or None
        The HTTP status of the response.
    named_status : int or None
        The one that the body or a text names, where the response had none, or said that all was well.
    headers : dict
        With lower-case names.
    codes : tuple of str
        Typed codes, of the body and of attributes.
    words : str
        All that was said, without addresses.
    payload : Payload
        The body that says most.
    detail : str
        The words of whoever failed; untrusted, not yet blotted.
    class_kind, vague_class : str or None
        What the exception's class says, on its own and as the equivalent of a status.
    culprit : BaseException or None
        The exception whose class spoke.
    unreached : bool
        Whether the connection was never made.
    request_id : str or None
        The request's name.
    """

    links: list[Link]
    status: int | None
    named_status: int | None
    headers: dict[str, str]
    codes: tuple[str, ...]
    words: str
    payload: Payload
    detail: str
    class_kind: Kind | None
    vague_class: Kind | None
    culprit: BaseException | None
    unreached: bool
    request_id: str | None

    @property
    def answered_well(self) -> bool:
        """Whether the response's own status says that all was well."""
        return self.status is not None and 200 <= self.status < 300

    def hint(self, refused: bool, now: datetime) -> float | None:
        """The wait that is asked for, in seconds."""
        return retry_hint(self.headers, waits=self.payload.waits, text=self.words, refused=refused, now=now)


def gather(error: BaseException | None, status: int | None, headers: object, body: object) -> Evidence:
    """Pull together what an exception and a raw response say; what is given beside the exception comes first."""
    links = chain(error) if error is not None else []
    kind, culprit = class_kind(links)
    found_headers = header_values(headers)
    found_status = _status(status)
    bodies = [] if body is None else [body]
    codes: list[str] = []
    request_id: object = None
    for link in links:
        response = attribute(link.error, "response")
        if response is None:
            response = attribute(link.error, "raw_response")
        found_status = found_status or _status_of(link.error, response)
        for more in (_headers_of(link.error, response), header_values(attribute(link.error, "headers"))):
            found_headers = {**more, **found_headers}
        bodies += _bodies_of(link.error, response)
        codes += _codes_of(link.error)
        request_id = request_id or attribute(link.error, "request_id")
    texts = [text for link in links if (text := text_of_error(link.error))]
    payloads = [read_payload(b) for b in bodies[:4]]
    said = [read_payload(t) for t in texts[:6]]
    best = next((p for p in payloads if p.words or p.codes or p.shape == "html"), None)
    spoken = next((p for p in said if p.shape != "text"), said[0] if said else None)
    payload = best or (payloads[0] if payloads and not texts else spoken) or read_payload(None)
    loose = bool(links) and is_program_error(links[0].error)  # "name 'RateLimitError' is not defined" is no rate limit
    for one in (*payloads, *(p for p in said if not loose or p.shape != "text")):
        codes += one.codes
    if "x-amzn-errortype" in found_headers:
        codes.append(found_headers["x-amzn-errortype"])
    named = next((p.status for p in (*payloads, *said) if p.status), None)
    words = "\n".join(dict.fromkeys(w for p in (*payloads, *said) for w in p.words))[:WORDS]
    return Evidence(
        links=links,
        status=found_status,
        named_status=named,
        headers={**payload.headers, **found_headers},
        codes=tuple(dict.fromkeys(codes)),
        words=words,
        payload=payload,
        detail=_detail(best, links, said),
        class_kind=kind,
        vague_class=vague_class_kind(links),
        culprit=culprit,
        unreached=could_not_reach(links),
        request_id=_request_id(found_headers, request_id, payload),
    )


def _status(value: object) -> int | None:
    """A number that can be an HTTP status, else None; 0 is what clients put where none came."""
    if isinstance(value, int) and not isinstance(value, bool) and 100 <= value < 1000:
        return int(value)
    return None


def _status_of(error: BaseException, response: object) -> int | None:
    for owner in (error, response):
        for name in ("status_code", "status", "http_status", "statusCode", "code"):
            if owner is not None and (status := _status(attribute(owner, name))):
                return status
    if isinstance(response, Mapping):  # botocore
        metadata = response.get("ResponseMetadata")
        return _status(metadata.get("HTTPStatusCode")) if isinstance(metadata, Mapping) else None
    resp = attribute(error, "resp")  # googleapiclient
    return _status(attribute(resp, "status")) if resp is not None else None


def _headers_of(error: BaseException, response: object) -> dict[str, str]:
    if isinstance(response, Mapping):
        metadata = response.get("ResponseMetadata")
        return header_values(metadata.get("HTTPHeaders")) if isinstance(metadata, Mapping) else {}
    return header_values(attribute(response, "headers")) if response is not None else {}


def _bodies_of(error: BaseException, response: object) -> list[object]:
    found: list[object] = []
    for name in _BODY_NAMES:
        value = attribute(error, name)
        if isinstance(value, str | bytes | Mapping | list) and value:
            found.append({"error": value} if isinstance(value, Mapping) and name in ("body", "error") and "error" not in value else value)
    if isinstance(response, Mapping):
        found.append({key: value for key, value in response.items() if key != "ResponseMetadata"})
    elif response is not None and attribute(response, "_content_consumed") is not False:  # an unread stream is left unread
        value = attribute(response, "content")
        if isinstance(value, str | bytes):
            found.append(value)
    return found


def _codes_of(error: BaseException) -> list[str]:
    found = [value for name in _CODE_NAMES if isinstance(value := attribute(error, name), str)]
    if "RpcError" in class_names(error):  # gRPC tells its status by a call
        try:
            code = error.code()  # type: ignore[attr-defined]
        except Exception:
            code = None
        if isinstance(name := attribute(code, "name"), str):
            found.append(name)
    return [value for value in found if 2 < len(value) <= 160]


def _detail(best: Payload | None, links: list[Link], said: list[Payload]) -> str:
    """The innermost message; of a chain of exceptions what each adds, outermost first."""
    if best is not None and best.detail:
        return best.detail
    parts: list[str] = []
    for payload in said[:3]:
        words = payload.detail.rstrip(". ")
        if words and not any(words in part or part in words for part in parts):
            parts.append(words)
    if len(parts) == 1:
        return said[0].detail if said[0].detail else parts[0]
    return ": ".join(parts)


def _request_id(headers: Mapping[str, str], attribute_value: object, payload: Payload) -> str | None:
    for value in (*(headers.get(name) for name in _REQUEST_IDS), attribute_value, payload.request_id):
        if isinstance(value, str) and 0 < len(value) <= 128 and value.isascii() and value.isprintable():
            return value
    return None
