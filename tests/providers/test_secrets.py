"""Wherever a server repeats the key besides an error's text: it is masked before anything of it is stored or shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from convoscope_jupyter.errors import ProviderError
from tests.support.every_wire import ask, every_wire, provider_of
from tests.support.loopback import Loopback, Reply
from tests.support.wires import KEY, MODELS, REQUEST, Answer, Wire

pytestmark = [every_wire, pytest.mark.asyncio(loop_scope="module")]

MASKED = "…-key"


def repeating_the_key(wire: Wire, *words: str | None) -> Reply:
    """An answer with the key instead of these words."""
    body = b"".join(wire.events(Answer()))
    for word in filter(None, words):
        assert f'"{word}"'.encode() in body
        body = body.replace(f'"{word}"'.encode(), f'"{KEY}"'.encode())
    return replace(wire.stream(), steps=[body])


async def test_a_key_as_the_id_or_the_model_of_an_answer_is_masked(wire: Wire) -> None:
    async with Loopback(repeating_the_key(wire, wire.response_id, "model-2026-01-01")) as server:
        answer = await ask(wire, server)

    assert ("Hello", MASKED) == (answer.text, answer.response_model)
    assert (MASKED if wire.response_id else None) == answer.response_id


async def test_a_key_as_the_reason_of_an_answers_end_is_masked(wire: Wire) -> None:
    # Google's former format has numbers for them.
    body = b"".join(wire.events(Answer())).replace(b'"finishReason": 1', b'"finishReason": "STOP"')
    reason = f'"{wire.raw_finish["stop"]}"'.encode()
    assert reason in body
    async with Loopback(replace(wire.stream(), steps=[body.replace(reason, f'"{KEY}"'.encode())])) as server:
        answer = await ask(wire, server)

    assert "Hello" == answer.text
    assert KEY not in repr(answer)


async def test_a_key_in_the_list_of_models_is_masked(wire: Wire) -> None:
    body = b"".join(step for step in wire.models_reply.steps if isinstance(step, bytes))
    assert MODELS[0].encode() in body
    reply = replace(wire.models_reply, steps=[body.replace(MODELS[0].encode(), KEY.encode())])
    async with Loopback(reply) as server:
        assert {MASKED, MODELS[1]} == set(await provider_of(wire, server).list_models("server"))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_of_the_list_of_models_is_not_followed(wire: Wire, status: int) -> None:
    async with Loopback(wire.models_reply) as thief:
        headers = {"Location": f"{thief.url}{wire.models_path}"}
        async with Loopback(Reply(status=status, headers=headers)) as server:
            with pytest.raises(ProviderError, match="which is not followed"):
                await provider_of(wire, server).list_models(REQUEST.provider)

        assert [] == thief.requests
    assert 1 == len(server.requests)
