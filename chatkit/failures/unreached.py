"""A connection that can't be made: why, in words for the person whose machine or address it is."""

from __future__ import annotations

import errno
import ipaddress
import re
import socket
from collections.abc import Sequence
from typing import Literal

from chatkit.failures.exceptions import Link, proxy_status, text_of_error
from chatkit.failures.patterns import ONLY_TLS

Fault = Literal["refused", "unknown_host", "no_tls", "only_tls", "untrusted", "no_proxy", "proxy_login", "proxy_refusal"]

_REFUSED = frozenset({errno.ECONNREFUSED, 10061})  # the latter on Windows
_PROXY_ERRORS = {"ProxyError", "ProxyConnectionError", "ClientProxyConnectionError"}
"""Classes of requests and urllib3, botocore, and aiohttp, whose cause says why there is no connection to a proxy."""
_NO_TLS = re.compile(r"wrong[ _]version[ _]number|record[ _]layer[ _]failure|does not look like a TLS|gave HTTP response to HTTPS", re.I)
_UNTRUSTED = re.compile(r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|certificate has expired|self[- ]signed certificate", re.I)

_SENTENCES: dict[Fault, str] = {
    "refused": "connection refused. Is {server} running?",
    "unknown_host": "unknown host: {server} can't be found. Is the address right, and is this machine online?",
    "no_tls": "{server} doesn't speak TLS: write http:// in place of https://",
    "only_tls": "{server} speaks only TLS: write https:// in place of http://",
    "untrusted": "the certificate of {server} can't be verified",
    "no_proxy": "the proxy can't be reached. Is its address right, and is it running?",
    "proxy_login": "the proxy asks for a user name and a password",
    "proxy_refusal": "the proxy doesn't allow connections to this address",
}


def fault_of(links: Sequence[Link], status: int | None, text: str = "") -> Fault | None:
    """Why no connection can be made, by the exceptions of a failed call, the status of an answer, and what it says."""
    if status == 407:
        return "proxy_login"
    at_proxy = any(cls.name in _PROXY_ERRORS for link in links for cls in link.ancestors)
    for link in links:
        said = text_of_error(link.error)[:4_096]
        names = {cls.name for cls in link.ancestors}
        if isinstance(link.error, OSError) and link.error.errno in _REFUSED:
            return "no_proxy" if at_proxy else "refused"
        if isinstance(link.error, socket.gaierror) or names & {"NameResolutionError", "ClientConnectorDNSError"}:
            return "no_proxy" if at_proxy else "unknown_host"
        if refused := proxy_status(link):
            return "proxy_refusal" if refused == 403 else "proxy_login"
        if link.is_client or isinstance(link.error, OSError):
            text = f"{text}\n{said}"
    if ONLY_TLS.search(text):
        return "only_tls"
    if status is None and _NO_TLS.search(text):
        return "no_tls"
    return "untrusted" if status is None and _UNTRUSTED.search(text) else None


def sentence_of(fault: Fault, server: str) -> str:
    """What to say of it; `server` is what the person knows it by.

    >>> sentence_of("refused", "the server at 127.0.0.1:11434")
    'connection refused. Is the server at 127.0.0.1:11434 running?'
    """
    return _SENTENCES[fault].format(server=server)


def is_this_machine(host: str) -> bool:
    """Whether a host is this machine, in any way in which the resolver takes an address.

    >>> [is_this_machine(host) for host in ("localhost", "127.1", "0x7f.1", "0.0.0.0", "::ffff:127.0.0.1", "10.0.0.1")]
    [True, True, True, True, True, False]
    """
    host = host.lower().rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            address = ipaddress.ip_address(socket.inet_aton(host))
        except (OSError, ValueError):
            return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified
