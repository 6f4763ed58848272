"""What to say of an address at which no server answers, or nothing is; and which addresses have answered."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any
from urllib.parse import urlsplit

from msgspec.structs import replace

from chatkit.errors import Classification
from chatkit.failures.exceptions import chain
from chatkit.failures.unreached import fault_of, sentence_of

HANDSHAKE_TIMEOUT = 5.0
"""Seconds."""
_answered: set[str] = set()
"""The addresses that have answered in this process, as host:port."""
_cut: set[str] = set()
"""The addresses that never answered, and dropped a connection instead. The next time they are asked whether they speak TLS."""


def peer_name(host: Any, port: Any) -> str:
    """A host and a port as an address.

    >>> peer_name("::1", 11434)
    '[::1]:11434'
    """
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


def has_answered(peer: str) -> None:
    """A server at this address answered a request."""
    _answered.add(peer)


async def explained(found: Classification, error: BaseException, address: str, peer: str) -> Classification:
    """What a failed request to an address came from. `peer` is the address of a connection: of the server, unless given, or of a proxy.

    The host of the address is in ASCII, as that of the peer is.
    """
    url = urlsplit(address)
    own = peer_name((url.hostname or "").lower(), url.port or (443 if url.scheme == "https" else 80))
    peer = (peer or own).lower()
    fault = fault_of(chain(error), None)
    if fault is None and found.kind == "network" and url.scheme == "http" and peer == own and peer not in _answered:
        if peer in _cut and await _speaks_tls(url.hostname, url.port or 80):
            fault = "only_tls"  # most servers of TLS drop a plain request without a word
            found = replace(found, kind="invalid_request", retryable=False)
        _cut.add(peer)
    if fault is None:
        return found
    missing = fault in ("refused", "unknown_host")
    return replace(
        found,
        message=sentence_of(fault, f"the {'server' if peer == own else 'proxy'} at {peer}"),
        detail=found.detail if fault == "untrusted" else "",  # the sentence says all of it
        unreached=peer if missing and peer not in _answered else None,
    )


async def _speaks_tls(host: str | None, port: int) -> bool:
    """Whether a server answers a TLS handshake, be it with an alert; nothing else is sent to it."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        async with asyncio.timeout(HANDSHAKE_TIMEOUT):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except ssl.SSLError as error:
        return "ALERT" in str(error)
    except OSError:  # a TimeoutError too
        return False
    writer.close()
    return True


def about_the_path(found: Classification, name: str, model: str, address: str, operation: str) -> str:
    """What a 404 means, which a server mostly doesn't say: nothing is at this path, which ends with that of the operation."""
    url, message, advice = urlsplit(address), found.message, []
    at_the_vendor = (url.hostname or "").endswith((".openai.com", ".anthropic.com"))  # whose 404 speaks of a file or an item
    if found.kind == "invalid_request" and not at_the_vendor:
        message = f"{name} has nothing at {url.path}"
        if url.path.endswith("/responses"):
            advice.append(f"a server without this operation is openai-compat:{model}")
    if url.path == operation and not url.path.startswith("/v1"):
        advice.append("base_url usually ends in /v1 here")
    return f"{message} ({'; '.join(advice)})" if advice else message
