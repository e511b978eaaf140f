"""How every adapter fails, over servers that speak the real formats: in one typed error, and with no key in it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import traceback
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any, get_args

import pytest

from convoscope_jupyter.errors import ProviderError
from convoscope_jupyter.providers import Chunk, Provider
from tests.support.every_wire import ask, every_wire, provider_of
from tests.support.loopback import DROP, HANG, RESET, Loopback, Reply, Until, page_reply
from tests.support.reading import Read, read, texts_of
from tests.support.wires import KEY, REQUEST, Answer, Refusal, Wire

pytestmark = [
    every_wire,
    pytest.mark.asyncio(loop_scope="module"),  # one loop, so that connections are reused as in a kernel
]

REFUSALS: tuple[Refusal, ...] = get_args(Refusal)


def check_error(answer: Read, kind: str, status: int | None = None) -> ProviderError:
    error = answer.error
    assert error is not None
    assert (kind, status) == (error.kind, error.status_code)
    assert ("server", "model") == (error.provider, error.model)
    assert 0 < len(error.message) <= 300
    return error


@pytest.mark.parametrize("kind", REFUSALS)
async def test_each_refusal_is_one_typed_error(wire: Wire, kind: Refusal) -> None:
    if kind not in wire.refusals:
        pytest.skip("this API has no way to say so")
    reply, name = wire.refusals[kind], wire.request_id_header
    async with Loopback(replace(reply, headers={**reply.headers, **({name: "req_42"} if name else {})})) as server:
        answer = await ask(wire, server)

    error = check_error(answer, kind, reply.status)
    assert ("", "req_42" if name else None) == (answer.text, error.request_id)


async def test_a_refused_temperature_tells_the_setting(wire: Wire) -> None:
    async with Loopback(wire.refusals["invalid_request"]) as server:
        error = (await ask(wire, server)).error

    assert "Set session.temperature = None, or choose another model." in str(error)


@pytest.mark.parametrize("kind", ["rate_limited", "overloaded"])
async def test_how_long_to_wait_is_told(wire: Wire, kind: Refusal) -> None:
    reply = wire.refusals[kind]
    async with Loopback(replace(reply, headers={**reply.headers, "Retry-After": "20"})) as server:
        error = check_error(await ask(wire, server), kind, reply.status)

    assert 20.0 == error.retry_after_s
    assert "It asks to wait 20 s." in error.message


@pytest.mark.parametrize(
    "reply, kind, status",
    [
        (page_reply(status=502), "server_error", 502),
        (Reply(status=500, content_type="text/plain"), "server_error", 500),
        (page_reply(), "protocol_error", None),
        (Reply(), "protocol_error", None),
        (Reply(before=[RESET]), "connection_failed", None),
        (Reply(before=[DROP]), "connection_failed", None),
        (Reply(steps=[RESET]), "connection_failed", None),
        (Reply(steps=[b"nonsense"], headers={"Content-Encoding": "gzip"}), "protocol_error", None),
    ],
    ids=[
        "502 page",
        "500 empty",
        "200 page",
        "200 empty",
        "reset before the head",
        "close before the head",
        "reset before text",
        "broken compression",
    ],
)
async def test_what_no_api_would_say_is_one_typed_error(
    wire: Wire, reply: Reply, kind: str, status: int | None
) -> None:
    async with Loopback(reply) as server:
        error = check_error(await ask(wire, server), kind, status)

    assert 1 == len(server.requests)
    assert "<" not in error.message


@pytest.mark.parametrize("status", [302, 400, 500])
async def test_an_error_without_an_end_is_cut(wire: Wire, status: int) -> None:
    async with Loopback(Reply(status=status, steps=[*[b"x" * 10_000] * 10, HANG])) as server:
        answer = await asyncio.wait_for(ask(wire, server), 5)
        await asyncio.wait_for(server.requests[0].abandoned.wait(), 5)

    assert answer.error is not None
    assert status == answer.error.status_code


@pytest.mark.parametrize("kind", ["server_error", "overloaded"])
async def test_an_error_in_the_stream_is_told_before_text_and_after(wire: Wire, kind: Any) -> None:  # noqa: ANN401 - one of two words
    event = wire.error_events[kind]
    async with Loopback(replace(wire.stream(), steps=[event]), wire.unfinished(event)) as server:
        before, after = await ask(wire, server), await ask(wire, server)

    status = wire.error_event_statuses.get(kind)
    check_error(before, kind, status)
    check_error(after, kind, status)
    assert ("", "Hello", None) == (before.text, after.text, after.finish_reason)


async def test_an_end_that_is_not_said_is_no_end(wire: Wire) -> None:
    async with Loopback(wire.unfinished()) as server:
        answer = await ask(wire, server)

    assert ("Hello", None, None) == (answer.text, answer.finish_reason, answer.error)


async def test_an_event_cut_short_is_no_end(wire: Wire) -> None:
    *events, last = wire.events(Answer(texts=("Hello", "lost"), finish=None))
    async with Loopback(replace(wire.stream(), steps=[*events, last[: len(last) // 2]])) as server:
        answer = await ask(wire, server)

    assert ("Hello", None) == (answer.text, answer.finish_reason)
    assert wire.quirks.get("cut event") == answer.error_kind


@pytest.mark.parametrize("end", [DROP, RESET])
async def test_text_before_a_drop_is_given(wire: Wire, end: Any) -> None:  # noqa: ANN401 - one of two words
    halfway = asyncio.Event()
    async with Loopback(wire.unfinished(Until(halfway), end)) as server:
        stream = provider_of(wire, server).stream(REQUEST)
        text = ""
        while text != "Hello":  # in one piece or in two, as the network has it
            text += (await anext(texts_of(stream))).text
        halfway.set()
        rest = await read(stream)

    assert not rest.text
    check_error(rest, "interrupted")


@pytest.mark.parametrize("texts", [(), ("\n ",)], ids=["after reasoning", "after white space"])
async def test_a_drop_before_visible_text_is_a_failed_connection(wire: Wire, texts: tuple[str, ...]) -> None:
    reply = wire.stream(Answer(reasoning=("hm",), texts=texts, finish=None), DROP)
    async with Loopback(reply) as server:
        check_error(await ask(wire, server), "connection_failed")


async def test_nothing_listens(wire: Wire) -> None:
    async with Loopback() as server:
        pass
    error = check_error(await ask(wire, server), "connection_failed")

    assert f"Nothing answers at 127.0.0.1:{server.port}. Start the server, or check base_url." == error.message


async def test_a_server_that_says_nothing(wire: Wire) -> None:
    async with Loopback(Reply(before=[HANG])) as server:
        error = check_error(await ask(wire, server, replace(REQUEST, read_timeout_s=0.05)), "timed_out")

    assert "sent nothing for 0.05 s" in error.message


async def test_a_server_that_stops_in_the_middle(wire: Wire) -> None:
    async with Loopback(wire.unfinished(HANG)) as server:
        answer = await ask(wire, server, replace(REQUEST, read_timeout_s=0.3))

    check_error(answer, "interrupted")
    assert "Hello" == answer.text


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(wire: Wire, status: int) -> None:
    async with Loopback(wire.stream()) as thief:
        async with Loopback(Reply(status=status, headers={"Location": f"{thief.url}{wire.path}"})) as server:
            error = check_error(await ask(wire, server), "connection_failed", status)

        assert [] == thief.requests
    assert f"redirects to 127.0.0.1:{thief.port}, which is not followed" in error.message


async def test_a_refused_list_of_models_is_one_typed_error(wire: Wire) -> None:
    async with Loopback(wire.refusals["authentication"]) as server:
        with pytest.raises(ProviderError) as caught:
            await provider_of(wire, server).list_models("server")

    assert ("authentication", "server") == (caught.value.kind, caught.value.provider)


# --- keys -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", REFUSALS)
async def test_a_key_that_a_server_echoes_is_never_seen(
    wire: Wire, kind: Refusal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="convoscope_jupyter")
    reply = wire.refusals.get(kind, wire.refusals["invalid_request"])
    body = b"".join(step for step in reply.steps if isinstance(step, bytes))
    quoted = body.replace(b'"message": "', f'"message": "{KEY}, Bearer {KEY}: '.encode())
    headers = {**reply.headers, "x-echo": KEY, wire.request_id_header or "x-request-id": KEY}
    async with Loopback(replace(reply, steps=[quoted], headers=headers)) as server:
        provider = provider_of(wire, server)
        with pytest.raises(ProviderError) as caught:
            await _exhaust(provider.stream(REQUEST))

    assert KEY.encode() in quoted
    check_nothing_shows(provider, caught.value, caplog)


async def test_a_key_that_the_head_of_an_answer_echoes_is_never_seen(wire: Wire) -> None:
    async with Loopback(replace(wire.stream(), headers={wire.request_id_header or "x-request-id": KEY})) as server:
        answer = await ask(wire, server)

    assert "Hello" == answer.text
    assert KEY not in repr(answer)


async def test_a_key_that_a_stream_echoes_is_never_seen(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="convoscope_jupyter")
    quoted = wire.error_events["server_error"].replace(b'"message": "', f'"message": "{KEY} '.encode())
    async with Loopback(wire.unfinished(quoted)) as server:
        provider = provider_of(wire, server)
        with pytest.raises(ProviderError) as caught:
            await _exhaust(provider.stream(REQUEST))

    assert KEY.encode() in quoted
    check_nothing_shows(provider, caught.value, caplog)


@pytest.mark.parametrize(
    "reply", [Reply(before=[RESET]), page_reply(), page_reply(status=404)], ids=["reset", "200", "404"]
)
async def test_no_key_shows_in_other_failures(wire: Wire, reply: Reply, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="convoscope_jupyter")
    async with Loopback(reply) as server:
        provider = provider_of(wire, server)
        with pytest.raises(ProviderError) as caught:
            await _exhaust(provider.stream(REQUEST))
        with pytest.raises(ProviderError) as caught_listing:
            await provider.list_models("server")

    check_nothing_shows(provider, caught.value, caplog)
    check_nothing_shows(provider, caught_listing.value, caplog)


async def _exhaust(chunks: AsyncGenerator[Chunk]) -> None:
    async with contextlib.aclosing(chunks):
        async for _ in chunks:
            pass


def check_nothing_shows(provider: Provider, error: ProviderError, caplog: pytest.LogCaptureFixture) -> None:
    shown = (
        "".join(traceback.format_exception(error))
        + repr(error)
        + repr(vars(error))
        + caplog.text
        + repr(provider)
        + repr(vars(provider))
        + repr(provider.status("server"))
    )
    assert KEY not in shown
    assert error.__cause__ is None
    assert error.__context__ is None
    # IPython's verbose tracebacks print the locals of each frame.
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours = [frame.f_locals for frame in frames if frame.f_globals["__name__"].startswith("convoscope_jupyter.")]
    assert ours
    assert KEY not in repr(ours)
