"""The lines of the openai and anthropic SDKs: ``Retrying request in 0.465733 seconds (retry 1 of 2)``, and their older wording."""

from __future__ import annotations

import re
from typing import Any

from chatkit.analysis.logs.log_lines import read_log_line

SDK_MARKS = ("Retrying request ",)
_RETRYING = re.compile(
    r"\bRetrying request (?:to (?P<path>\S{1,2000}) )?in (?P<seconds>\d{1,9}(?:\.\d{1,9})?) seconds"
    r"(?: \(retry (?P<retry>\d{1,9}) of [^)\s]{1,40}\))?(?=$|[\s\"'|(])"
)
_BEGUN = re.compile(r"\bRetrying request (?:to |in )")
_LOGGER = re.compile(r"\b(\w{1,60})\._base_client\b(?!\.py)")
_ANTHROPIC = re.compile(r"^/v1/(?:models|files|skills)\b|/v1/(?:messages|complete)\b|anthropic|claude", re.I)
_OPENAI = re.compile(r"/(?:chat/completions|completions|responses|embeddings)\b")
_PRINTED = re.compile(r"\d+\.\d{6}")
"""As the SDKs print seconds, and hardly anybody else."""


def openai_line(line: str) -> dict[str, Any] | None:
    """A retry of the openai SDK, or of another that was generated from the same mould and isn't anthropic's.

    >>> openai_line("INFO:openai._base_client:Retrying request to /chat/completions in 0.930000 seconds")
    {'ts': None, 'operation': 'retry', 'provider': 'openai', 'delay_ms': 930}
    """
    return _sdk_line(line, anthropic=False)


def anthropic_line(line: str) -> dict[str, Any] | None:
    """A retry of the anthropic SDK.

    >>> anthropic_line("Retrying request to /v1/messages in 0.930000 seconds")
    {'ts': None, 'operation': 'retry', 'provider': 'anthropic', 'delay_ms': 930}
    """
    return _sdk_line(line, anthropic=True)


def retry_in(message: str) -> tuple[int, int | None] | None:
    """The delay in milliseconds that a message of an SDK announces, and which retry it is from 1, where that is said.

    >>> retry_in("Retrying request in 0.465733 seconds (retry 1 of 2)"), retry_in("HTTP Response: POST 200")
    ((466, 1), None)
    """
    found = _RETRYING.match(message)
    if found is None:
        return None
    return round(float(found["seconds"]) * 1000), int(found["retry"]) if found["retry"] else None


def _sdk_line(line: str, *, anthropic: bool) -> dict[str, Any] | None:
    entry = read_log_line(line)
    begun = _BEGUN.search(entry.message)
    if begun is None:
        return None
    found = _RETRYING.search(entry.message, begun.start())
    package = _LOGGER.search(entry.around(begun.start(), found.end() if found else begun.end()))
    path = found["path"] or "" if found else ""
    is_anthropic = package[1] == "anthropic" if package else _ANTHROPIC.search(path) is not None
    if is_anthropic is not anthropic:
        return None
    if found is None:
        if package is None:
            return None  # any program may say "Retrying request in a moment"
        raise ValueError("the line of a retry ends before its delay")
    seconds, retry = found["seconds"], found["retry"]
    told = _PRINTED.fullmatch(seconds) and (path.startswith(("/", "http")) if path else retry)
    if package is None and not (told or is_anthropic or _OPENAI.search(path)):
        return None  # another program's request
    fields: dict[str, Any] = {"ts": entry.moment(found.start()), "operation": "retry"}
    fields["provider"] = package[1] if package else "anthropic" if is_anthropic else "openai"
    fields["delay_ms"] = round(float(seconds) * 1000)
    if retry:
        fields["attempt"] = int(retry)  # the first retry follows the first attempt
    return fields
