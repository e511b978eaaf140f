"""Addresses where no answer comes from, because no request arrives."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from convoscope_jupyter import _loop
from convoscope_jupyter.providers import _http
from tests.support.loopback_thread import LoopbackThread

if TYPE_CHECKING:
    import httpx2

Clients: TypeAlias = "dict[bool, tuple[httpx2.AsyncClient, AsyncGenerator[httpx2.AsyncClient]]]"

Place = Literal[
    "a name that nobody knows",
    "nobody listens",
    "closes at once",
    "a certificate that nobody vouches for",
    "a certificate of the past",
    "a certificate for another name",
    "no TLS",
    "a handshake without an answer",
]


@contextlib.contextmanager
def at(place: Place, servers: LoopbackThread, folder: Path) -> Iterator[str]:
    """Make the place.

    Yields:
        The root of its URLs.
    """
    match place:
        case "a name that nobody knows":
            yield "https://nowhere.invalid"
        case "nobody listens":
            with servers.serve() as server:
                url = server.url
            yield url
        case "closes at once":
            with _listening(servers, _close) as port:
                yield f"http://127.0.0.1:{port}"
        case "no TLS":
            with _listening(servers, _speak_plainly) as port:
                yield f"https://127.0.0.1:{port}"
        case "a handshake without an answer":
            with _listening(servers, _say_nothing) as port:
                yield f"https://127.0.0.1:{port}"
        case "a certificate that nobody vouches for":
            with _listening(servers, _close, _certificate(folder, host="127.0.0.1", days_left=1)) as port:
                yield f"https://127.0.0.1:{port}"
        case "a certificate of the past" | "a certificate for another name":
            past = place == "a certificate of the past"
            file = _certificate(folder, host="127.0.0.1" if past else "127.0.0.2", days_left=-1 if past else 1)
            with _listening(servers, _close, file) as port, _vouched_for(file):
                yield f"https://127.0.0.1:{port}"


async def _close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _speak_plainly(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    writer.close()


async def _say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(1000):
        pass
    writer.close()


Behaviour: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.contextmanager
def _listening(servers: LoopbackThread, behave: Behaviour, certificate: Path | None = None) -> Iterator[int]:
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    server = servers.run(asyncio.start_server(behave, "127.0.0.1", 0, ssl=context))
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        servers.soon(server.close)
        servers.run(server.wait_closed())


def _certificate(folder: Path, *, host: str, days_left: int) -> Path:
    """A certificate that vouches for itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + timedelta(days=days_left))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = folder / "server.pem"
    file.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    return file


@contextlib.contextmanager
def _vouched_for(certificate: Path) -> Iterator[None]:
    """As if SSL_CERT_FILE had named the certificate when the kernel's connections were first used."""

    async def exchange() -> Clients:
        kept = _http._clients.pop(asyncio.get_running_loop(), {})
        client = await asyncio.to_thread(_http._make, direct=False)  # a direct one passes by what the environment says
        owner = _http._own(client)
        _http._clients[asyncio.get_running_loop()] = {True: (await anext(owner), owner)}
        return kept

    async def put_back(kept: Clients) -> None:
        ((_, owner),) = _http._clients[asyncio.get_running_loop()].values()
        await owner.aclose()
        _http._clients[asyncio.get_running_loop()] = kept

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificate))
        kept = _loop.run(exchange())
    try:
        yield
    finally:
        _loop.run(put_back(kept))
