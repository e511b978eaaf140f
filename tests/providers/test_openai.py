"""The providers `OpenAI` and `OpenAICompatible`: the real SDK, real sockets, scripted servers.

What they have in common with the others is in `test_contract.py` and `test_contract_failures.py`.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from convoscope_jupyter.errors import ConnectionFailed
from convoscope_jupyter.messages import Message
from convoscope_jupyter.providers import ChatRequest, OpenAICompatible, Wire, _remote
from tests.support.loopback import (
    Loopback,
    Reply,
    chat_stream,
    error_reply,
    json_reply,
    response_object,
    responses_stream,
)
from tests.support.reading import Read, read

pytestmark = pytest.mark.asyncio(loop_scope="module")  # one loop, so that connections are reused as in a kernel

KEY = "sk-canary-abcdefghijkl0123456789"
REQUEST = ChatRequest(provider="server", model="model", messages=(Message.user("hi"),))


async def ask(server: Loopback, request: ChatRequest = REQUEST, *, wire: Wire = "auto") -> Read:
    provider = OpenAICompatible(base_url=server.base_url, api_key=KEY, wire=wire)
    return await read(provider.stream(request))


# --- asking and answering -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wire, reply",
    [
        ("chat", json_reply({"id": "1", "choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]})),
        ("responses", json_reply(response_object("Hello"))),
    ],
)
async def test_a_server_may_ignore_that_a_stream_was_asked_for(wire: Wire, reply: Reply) -> None:
    async with Loopback(reply) as server:
        answer = await ask(server, wire=wire)

    assert ("Hello", "stop") == (answer.text, answer.finish_reason)


async def test_a_wrong_content_type_does_not_matter() -> None:
    async with Loopback(replace(chat_stream("Hi"), content_type="application/json")) as server:
        assert "Hi" == (await ask(server)).text


async def test_system_text_that_responses_repeat_may_be_longer_than_an_event() -> None:
    system = "é" * 700_000
    async with Loopback(responses_stream("Hi", instructions=system)) as server:
        answer = await ask(server, replace(REQUEST, system=system), wire="responses")

    assert ("Hi", "stop") == (answer.text, answer.finish_reason)


# --- what goes wrong ------------------------------------------------------------------------------------------------


async def test_a_date_to_wait_for_is_measured_by_the_servers_clock() -> None:
    headers = {"Retry-After": "Sun, 22 Nov 2026 12:00:30 GMT", "Date": "Sun, 22 Nov 2026 12:00:00 GMT"}
    async with Loopback(error_reply(429, headers=headers)) as server:
        error = (await ask(server)).error

    assert error is not None
    assert ("rate_limited", 30.0) == (error.kind, error.retry_after_s)


@pytest.mark.parametrize(
    "error, kind",
    [({"code": "rate_limit_exceeded"}, "rate_limited"), ({"message": "no"}, "protocol_error")],
    ids=["with a code", "without"],
)
async def test_an_error_may_come_as_if_all_were_well(error: dict[str, str], kind: str) -> None:
    async with Loopback(json_reply({"error": error})) as server:
        answer = await ask(server)

    assert (kind, "", None) == (answer.error_kind, answer.text, answer.finish_reason)


async def test_a_name_that_is_not_found() -> None:
    provider = OpenAICompatible(base_url="https://nowhere.invalid/v1")
    error = (await read(provider.stream(replace(REQUEST, connect_timeout_s=30.0)))).error

    assert isinstance(error, ConnectionFailed)
    assert "Cannot find nowhere.invalid. Check the network, or base_url." == error.message
    assert not error.retryable


async def _secure_error(port: int) -> ConnectionFailed:
    error = (await read(OpenAICompatible(base_url=f"https://127.0.0.1:{port}").stream(REQUEST))).error
    assert isinstance(error, ConnectionFailed)
    assert error.message.startswith(f"No secure connection to 127.0.0.1:{port} (")
    assert not error.retryable
    return error


async def test_a_server_without_tls() -> None:
    async def speak_plainly(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(speak_plainly, "127.0.0.1", 0) as server:
        error = await _secure_error(server.sockets[0].getsockname()[1])

    assert "a server without TLS wants http:// in base_url" in error.message


async def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    async def never(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_self_signed(tmp_path))
    async with await asyncio.start_server(never, "127.0.0.1", 0, ssl=context) as server:
        error = await _secure_error(server.sockets[0].getsockname()[1])

    assert "self-signed certificate" in error.message
    assert "SSL_CERT_FILE" in error.message


def _self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = folder / "server.pem"
    file.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    return file


async def test_a_failed_import_is_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai.resources.responses", None)
    monkeypatch.setattr(_remote, "_loaded", set())
    answer = await read(OpenAICompatible(base_url="http://127.0.0.1:9/v1").stream(REQUEST))

    assert "connection_failed" == answer.error_kind
    assert "ModuleNotFoundError" in str(answer.error)
