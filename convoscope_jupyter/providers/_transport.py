"""Failures of the network made our errors.

The SDKs raise classes of httpx, httpx2, anyio, ssl and socket, nested in one another and changing between releases (all
three moved from httpx to httpx2). So the whole chain of causes is looked at, by what its members are called and do.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import cast

from convoscope_jupyter.errors import ConnectionFailed, ProtocolError, ProviderError, StreamInterrupted, TimedOut
from convoscope_jupyter.providers._errors import Kind, Peer

_MAX_CAUSES = 50

_NOT_TLS = (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
"""Waiting for bytes, and broken connections: they only happen to pass through the TLS layer."""

# The first that applies: later ones are true of some of the earlier failures as well.
_BY_NAME: tuple[tuple[frozenset[str], Kind, str], ...] = (
    (
        frozenset({"ConnectTimeout", "PoolTimeout"}),
        TimedOut,
        "{host} accepted no connection within {connect_timeout_s:g} s. Check the network, or base_url.",
    ),
    (
        frozenset({"ProxyError"}),
        ConnectionFailed,
        "The network's proxy did not connect to {host}. Check its settings.",
    ),
    (
        frozenset({"ConnectionRefusedError"}),
        ConnectionFailed,
        "Nothing answers at {host}. Start the server, or check base_url.",
    ),
    (
        frozenset({"ConnectError"}),
        ConnectionFailed,
        "No way to {host}. Check the network, or base_url.",
    ),
    (
        frozenset({"ReadTimeout", "WriteTimeout"}),
        TimedOut,
        "{host} sent nothing for {read_timeout_s:g} s. Retry, or choose another model.",
    ),
    (
        frozenset({"DecodingError"}),
        ProtocolError,
        "{host} sent garbled data (broken compression). Retry, or choose another model.",
    ),
    (
        frozenset({"ReadError", "WriteError", "RemoteProtocolError"}),
        ConnectionFailed,
        "{host} dropped the connection before it answered. Retry, or choose another model.",
    ),
)


def from_exception(
    peer: Peer, error: BaseException, *, connect_timeout_s: float, read_timeout_s: float, mid_answer: bool
) -> ProviderError:
    """The error that an exception of the SDK or the network amounts to.

    Args:
        peer: Whom was asked.
        error: What was raised.
        connect_timeout_s: Limit that was set, for the message.
        read_timeout_s: The same.
        mid_answer: Visible text had already come.
    """
    causes = tuple(_causes(error))
    names = {parent.__name__ for cause in causes for parent in type(cause).__mro__}
    if mid_answer:
        did = "stopped sending" if "ReadTimeout" in names else "dropped the connection"
        return peer.error(StreamInterrupted, f"{peer.host} {did} in the middle of the answer. Continue it, or retry.")
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return peer.unreachable(f"Cannot find {peer.host}. Check the network, or base_url.")
    tls = next((cause for cause in causes if isinstance(cause, ssl.SSLError) and not isinstance(cause, _NOT_TLS)), None)
    if tls is not None:
        return peer.unreachable(f"No secure connection to {peer.host} ({_tls_reason(tls)}). {_tls_remedy(tls)}")
    for any_of, kind, message in _BY_NAME:
        if names & any_of:
            limits = {"connect_timeout_s": connect_timeout_s, "read_timeout_s": read_timeout_s}
            return peer.error(kind, message.format(host=peer.host, **limits))
    return peer.unreachable(f"The request to {peer.host} failed ({type(error).__name__}: {error}).")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and all it came from, members of groups included: anyio tries several addresses at once."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting and len(seen) < _MAX_CAUSES:
        current = waiting.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [current.__cause__, current.__context__]
        if isinstance(current, BaseExceptionGroup):
            waiting += cast("BaseExceptionGroup[BaseException]", current).exceptions


def _tls_reason(error: ssl.SSLError) -> str:
    # OpenSSL's errors have these, Python's own about certificates have not.
    reason: str = getattr(error, "verify_message", "") or getattr(error, "reason", None) or "the handshake failed"
    return reason.replace("_", " ").lower()


def _tls_remedy(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "Check the address and this machine's clock; behind a company's proxy, set SSL_CERT_FILE."
    return "Check the address; a server without TLS wants http:// in base_url."
