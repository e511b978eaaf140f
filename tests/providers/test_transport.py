"""Failures of the network made ours, as far as no real one can be made here; the rest is in test_openai.py."""

from __future__ import annotations

import socket
import ssl

import httpx
import httpx2
import pytest

from convoscope_jupyter.errors import ConnectionFailed, ProviderError
from convoscope_jupyter.providers._transport import from_exception
from tests.support.reading import PEER


def error_of(error: BaseException, *, mid_answer: bool = False) -> ProviderError:
    return from_exception(PEER, error, connect_timeout_s=5, read_timeout_s=40, mid_answer=mid_answer)


def caused(error: BaseException, by: BaseException) -> BaseException:
    error.__cause__ = by
    return error


WRONG_VERSION = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
WRONG_VERSION.reason = "WRONG_VERSION_NUMBER"
SEVERAL_ADDRESSES = caused(
    OSError("All connection attempts failed"), ExceptionGroup("attempts", [ConnectionRefusedError(111, "refused")])
)


@pytest.mark.parametrize(
    "error, kind, message",
    [
        (
            caused(httpx2.ConnectError("x"), socket.gaierror(-2, "x")),
            "connection_failed",
            "Cannot find server.example.",
        ),
        (
            caused(httpx2.ConnectError("x"), SEVERAL_ADDRESSES),
            "connection_failed",
            "Nothing answers at server.example.",
        ),
        (httpx2.ConnectError("x"), "connection_failed", "No way to server.example."),
        (
            caused(httpx2.ConnectError("x"), WRONG_VERSION),
            "connection_failed",
            (
                "No secure connection to server.example (wrong version number). "
                "Check the address; a server without TLS wants http://"
            ),
        ),
        (
            caused(httpx2.ConnectError("x"), ssl.SSLError()),
            "connection_failed",
            "No secure connection to server.example (the handshake failed).",
        ),
        (httpx2.ConnectTimeout("x"), "timed_out", "server.example accepted no connection within 5 s."),
        (
            caused(httpx2.ConnectTimeout("x"), ssl.SSLWantReadError()),
            "timed_out",
            "server.example accepted no connection",
        ),
        (
            caused(httpx2.ReadError("x"), ssl.SSLEOFError()),
            "connection_failed",
            "server.example dropped the connection",
        ),
        (httpx2.PoolTimeout("x"), "timed_out", "server.example accepted no connection within 5 s."),
        (httpx2.ReadTimeout("x"), "timed_out", "server.example sent nothing for 40 s."),
        (httpx2.ProxyError("x"), "connection_failed", "The network's proxy did not connect to server.example."),
        (httpx2.DecodingError("x"), "protocol_error", "server.example sent garbled data"),
        (httpx2.RemoteProtocolError("x"), "connection_failed", "server.example dropped the connection"),
        (
            caused(httpx2.ReadError("x"), ConnectionResetError(104, "reset")),
            "connection_failed",
            "server.example dropped",
        ),
        (httpx.ReadError("x"), "connection_failed", "server.example dropped the connection"),
        (
            ImportError("No module named 'openai'"),
            "connection_failed",
            "failed (ImportError: No module named 'openai').",
        ),
    ],
    ids=[
        "dns",
        "refused",
        "unreachable",
        "tls",
        "tls without a word",
        "connect",
        "handshake",
        "closed under tls",
        "pool",
        "read",
        "proxy",
        "compression",
        "closed",
        "reset",
        "httpx",
        "anything",
    ],
)
def test_what_went_wrong_is_told(error: BaseException, kind: str, message: str) -> None:
    ours = error_of(error)

    assert kind == ours.kind
    assert message in ours.message


def test_a_certificate_problem_says_which() -> None:
    problem = ssl.SSLCertVerificationError(1, "x")
    problem.verify_message = "certificate has expired"
    error = error_of(caused(httpx2.ConnectError("x"), problem))

    assert "No secure connection to server.example (certificate has expired)." in error.message
    assert "SSL_CERT_FILE" in error.message


@pytest.mark.parametrize(
    "error, retryable",
    [
        (socket.gaierror(), False),
        (ssl.SSLError(), False),
        (httpx2.ConnectError("x"), True),
        (httpx2.ReadError("x"), True),
    ],
    ids=["dns", "tls", "unreachable", "dropped"],
)
def test_what_cannot_be_mended_is_not_tried_again(error: BaseException, *, retryable: bool) -> None:
    ours = error_of(error)

    assert isinstance(ours, ConnectionFailed)
    assert retryable == ours.retryable


@pytest.mark.parametrize(
    "error, did",
    [(httpx2.ReadTimeout("x"), "stopped sending"), (httpx2.ReadError("x"), "dropped the connection")],
    ids=["stalled", "dropped"],
)
def test_in_the_middle_of_an_answer_it_broke_off(error: BaseException, did: str) -> None:
    ours = error_of(error, mid_answer=True)

    assert "interrupted" == ours.kind
    assert did in ours.message


def test_a_circle_of_causes_ends() -> None:
    first, second = RuntimeError("a"), RuntimeError("b")
    first.__cause__, second.__cause__ = second, first

    assert "failed (RuntimeError: a)" in error_of(first).message
