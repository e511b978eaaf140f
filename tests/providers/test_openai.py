"""The providers `OpenAI` and `OpenAICompatible`: the real SDK, real sockets, scripted servers."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from convoscope_jupyter.errors import ConnectionFailed
from convoscope_jupyter.messages import Message, TextDelta, Usage
from convoscope_jupyter.providers import ChatRequest, OpenAICompatible, Wire
from tests.support.loopback import (
    DROP,
    HANG,
    RESET,
    Loopback,
    Reply,
    Until,
    chat_event,
    chat_events,
    chat_stream,
    error_reply,
    json_reply,
    page_reply,
    response_object,
    responses_stream,
)
from tests.support.reading import Read, read

pytestmark = pytest.mark.asyncio(loop_scope="module")  # one loop, so that connections are reused as in a kernel

ROOT = Path(__file__).parents[2]
KEY = "sk-canary-abcdefghijkl0123456789"
REQUEST = ChatRequest(provider="server", model="model", messages=(Message.user("hi"),))


async def ask(server: Loopback, request: ChatRequest = REQUEST, *, key: str | None = KEY, wire: Wire = "auto") -> Read:
    provider = OpenAICompatible(base_url=server.base_url, api_key=key, wire=wire)
    return await read(provider.stream(request))


# --- asking and answering -------------------------------------------------------------------------------------------


async def test_a_stream_is_asked_for_and_read() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    reply = replace(chat_stream("Hel", "lo", usage=usage), headers={"x-request-id": "req_1"})
    async with Loopback(reply) as server:
        request = replace(REQUEST, system="Be brief.", temperature=0.5, max_output_tokens=9)

        assert Read(
            text="Hello",
            finish_reason="stop",
            raw_finish_reason="stop",
            usage=Usage(input_tokens=3, output_tokens=2),
            response_id="chatcmpl-1",
            response_model="model-2026-01-01",
            request_id="req_1",
        ) == await ask(server, request)

    sent = server.requests[0]
    assert ("POST", "/v1/chat/completions", f"Bearer {KEY}") == (sent.method, sent.path, sent.headers["authorization"])
    assert {
        "model": "model",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.5,
        "max_tokens": 9,
    } == sent.json


async def test_the_responses_format_is_spoken_where_it_is_asked_for() -> None:
    async with Loopback(responses_stream("Hel", "lo")) as server:
        answer = await ask(server, wire="responses")

    assert ("Hello", "stop", "resp_1") == (answer.text, answer.finish_reason, answer.response_id)
    assert "/v1/responses" == server.requests[0].path
    assert {"model": "model", "input": [{"role": "user", "content": "hi"}], "stream": True, "store": False} == (
        server.requests[0].json
    )


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


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_text_is_the_same_however_the_network_cuts_it(size: int) -> None:
    async with Loopback(chat_stream("Grüße ", "😀", "!").cut([size] * 5000)) as server:
        assert "Grüße 😀!" == (await ask(server)).text


async def test_a_wrong_content_type_does_not_matter() -> None:
    async with Loopback(replace(chat_stream("Hi"), content_type="application/json")) as server:
        assert "Hi" == (await ask(server)).text


async def test_system_text_that_responses_repeat_may_be_longer_than_an_event() -> None:
    system = "é" * 700_000
    async with Loopback(responses_stream("Hi", instructions=system)) as server:
        answer = await ask(server, replace(REQUEST, system=system), wire="responses")

    assert ("Hi", "stop") == (answer.text, answer.finish_reason)


async def test_connections_serve_one_request_after_the_other() -> None:
    async with Loopback(chat_stream("Hi")) as server:
        for _ in range(3):
            await ask(server)

        assert 1 == server.connections


async def test_two_streams_at_once_never_mix() -> None:
    halfway = asyncio.Event()
    first = Reply(steps=[chat_event({"content": "a"}), Until(halfway), *chat_events("a", "a")])
    async with Loopback(first, chat_stream("b", "b", "b")) as server:
        provider = OpenAICompatible(base_url=server.base_url)
        one = provider.stream(REQUEST)
        texts = [chunk.text async for chunk in _until_text(one)]
        two = await read(provider.stream(REQUEST))
        halfway.set()
        rest = await read(_texts(one))

    assert (["a"], "bbb", "aa") == (texts, two.text, rest.text)


async def _until_text(chunks: AsyncIterator[Any]) -> AsyncIterator[TextDelta]:
    async for chunk in chunks:
        if isinstance(chunk, TextDelta):
            yield chunk
            return


async def _texts(chunks: AsyncIterator[Any]) -> AsyncIterator[TextDelta]:
    async for chunk in chunks:
        if isinstance(chunk, TextDelta):
            yield chunk


# --- stopping -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [[HANG], [*chat_events("Hi", finish=None), HANG]], ids=["before text", "after text"])
async def test_cancelling_closes_the_connection_at_once(steps: list[Any]) -> None:
    async with Loopback(Reply(steps=steps)) as server:
        asking = asyncio.create_task(ask(server))
        await server.asked.wait()
        asking.cancel()
        await asyncio.wait_for(server.requests[0].abandoned.wait(), 5)
        with pytest.raises(asyncio.CancelledError):
            await asking


async def test_cancelling_while_the_head_is_awaited_closes_the_connection() -> None:
    async with Loopback(Reply(before=[HANG])) as server:
        asking = asyncio.create_task(ask(server))
        await server.asked.wait()
        asking.cancel()
        await asyncio.wait_for(server.requests[0].abandoned.wait(), 5)
        with pytest.raises(asyncio.CancelledError):
            await asking


async def test_closing_the_stream_closes_the_connection() -> None:
    async with Loopback(Reply(steps=[*chat_events("Hi", finish=None), HANG])) as server:
        stream = OpenAICompatible(base_url=server.base_url).stream(REQUEST)
        await anext(_until_text(stream))
        await stream.aclose()

        await asyncio.wait_for(server.requests[0].abandoned.wait(), 5)
        assert 1 == len(server.requests)
        assert server.requests[0].abandoned.is_set()


# --- what goes wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply, kind, status, wait_s",
    [
        (error_reply(400, message="Bad temperature."), "invalid_request", 400, None),
        (error_reply(400, code="context_length_exceeded"), "context_too_long", 400, None),
        (error_reply(401, code="invalid_api_key"), "authentication", 401, None),
        (error_reply(403), "permission_denied", 403, None),
        (error_reply(404, code="model_not_found"), "model_not_found", 404, None),
        (error_reply(408), "server_error", 408, None),
        (error_reply(409), "server_error", 409, None),
        (error_reply(413), "context_too_long", 413, None),
        (error_reply(422), "invalid_request", 422, None),
        (error_reply(429, headers={"Retry-After": "20"}), "rate_limited", 429, 20.0),
        (
            error_reply(
                429, headers={"Retry-After": "Sun, 22 Nov 2026 12:00:30 GMT", "Date": "Sun, 22 Nov 2026 12:00:00 GMT"}
            ),
            "rate_limited",
            429,
            30.0,
        ),
        (error_reply(429, headers={"Retry-After": "86400"}), "rate_limited", 429, 86400.0),
        (error_reply(429, code="insufficient_quota", headers={"Retry-After": "1"}), "insufficient_quota", 429, 1.0),
        (error_reply(500), "server_error", 500, None),
        (page_reply(status=502), "server_error", 502, None),
        (error_reply(503, headers={"Retry-After": "5"}), "overloaded", 503, 5.0),
        (error_reply(529), "overloaded", 529, None),
        (Reply(status=500, content_type="text/plain"), "server_error", 500, None),
        (page_reply(), "protocol_error", None, None),
        (Reply(), "protocol_error", None, None),
        (json_reply({"error": {"code": "rate_limit_exceeded"}}), "rate_limited", None, None),
        (json_reply({"error": {"message": "no"}}), "protocol_error", None, None),
        (Reply(before=[RESET]), "connection_failed", None, None),
        (Reply(before=[DROP]), "connection_failed", None, None),
        (Reply(steps=[RESET]), "connection_failed", None, None),
        (Reply(steps=[chat_event({"reasoning": "hm"}), DROP]), "connection_failed", None, None),
        (Reply(steps=[*chat_events("\n ", finish=None), DROP]), "connection_failed", None, None),
        (Reply(steps=[*chat_events("Hi", finish=None), DROP]), "interrupted", None, None),
        (Reply(steps=[*chat_events("Hi", finish=None), RESET]), "interrupted", None, None),
        (Reply(steps=[b"nonsense"], headers={"Content-Encoding": "gzip"}), "protocol_error", None, None),
    ],
    ids=[
        "400",
        "400 too long",
        "401",
        "403",
        "404",
        "408",
        "409",
        "413",
        "422",
        "429 seconds",
        "429 date",
        "429 a day",
        "429 quota",
        "500",
        "502 page",
        "503",
        "529",
        "500 empty",
        "200 page",
        "200 empty",
        "200 error",
        "200 error without a code",
        "reset before the head",
        "close before the head",
        "reset before text",
        "drop after reasoning",
        "drop after white space",
        "drop after text",
        "reset after text",
        "broken compression",
    ],
)
async def test_every_failure_is_one_typed_error(
    reply: Reply, kind: str, status: int | None, wait_s: float | None
) -> None:
    async with Loopback(reply) as server:
        answer = await ask(server)

    error = answer.error
    assert error is not None
    assert (kind, status, wait_s) == (error.kind, error.status_code, error.retry_after_s)
    assert ("server", "model", 1) == (error.provider, error.model, len(server.requests))
    assert 0 < len(error.message) <= 300
    assert "<" not in error.message


@pytest.mark.parametrize("status", [302, 400, 500])
async def test_an_error_without_an_end_is_cut(status: int) -> None:
    async with Loopback(Reply(status=status, steps=[*[b"x" * 10_000] * 10, HANG])) as server:
        answer = await asyncio.wait_for(ask(server), 5)
        await asyncio.wait_for(server.requests[0].abandoned.wait(), 5)

    assert answer.error is not None
    assert status == answer.error.status_code


async def test_text_before_a_drop_is_given() -> None:
    async with Loopback(Reply(steps=[*chat_events("Hel", "lo", finish=None), DROP])) as server:
        answer = await ask(server)

    assert ("Hello", "interrupted") == (answer.text, answer.error_kind)


async def test_an_end_without_a_finish_reason_is_no_end() -> None:
    async with Loopback(chat_stream("Hi", finish=None)) as server:
        answer = await ask(server)

    assert ("Hi", None, None) == (answer.text, answer.finish_reason, answer.error)


async def test_nothing_listens() -> None:
    async with Loopback() as server:
        pass
    answer = await ask(server)

    assert "connection_failed" == answer.error_kind
    assert f"Nothing answers at 127.0.0.1:{server.port}. Start the server, or check base_url." in str(answer.error)


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


async def test_a_server_that_says_nothing() -> None:
    async with Loopback(Reply(before=[HANG])) as server:
        answer = await ask(server, replace(REQUEST, read_timeout_s=0.05))

    assert "timed_out" == answer.error_kind
    assert "sent nothing for 0.05 s" in str(answer.error)


async def test_a_server_that_stops_in_the_middle() -> None:
    async with Loopback(Reply(steps=[*chat_events("Hi", finish=None), HANG])) as server:
        answer = await ask(server, replace(REQUEST, read_timeout_s=0.05))

    assert ("Hi", "interrupted") == (answer.text, answer.error_kind)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_another_host_is_refused(status: int) -> None:
    async with Loopback(chat_stream("stolen")) as thief:
        async with Loopback(Reply(status=status, headers={"Location": f"{thief.base_url}/chat/completions"})) as server:
            answer = await ask(server)

        assert [] == thief.requests
    assert f"redirects to 127.0.0.1:{thief.port}, which is not followed" in str(answer.error)
    assert "connection_failed" == answer.error_kind


async def test_a_failed_import_is_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai.resources.responses", None)
    answer = await read(OpenAICompatible(base_url="http://127.0.0.1:9/v1").stream(REQUEST))

    assert "connection_failed" == answer.error_kind
    assert "ModuleNotFoundError" in str(answer.error)
