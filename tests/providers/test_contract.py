"""What every adapter does alike, over loopback servers that speak the providers' real formats.

The failures are in `test_contract_failures.py`; what is one provider's own is in the tests of that provider.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
from dataclasses import replace
from typing import Any

import pytest

from convoscope_jupyter.messages import ReasoningDelta, TextDelta, Usage
from convoscope_jupyter.providers import Finished, Started
from tests.support.every_wire import ask, every_wire, provider_of
from tests.support.loopback import HANG, Loopback, Reply, Until
from tests.support.reading import read, texts_of
from tests.support.wires import FULL_REQUEST, KEY, MODELS, REQUEST, Answer, Quirk, Wire

pytestmark = [
    every_wire,
    pytest.mark.asyncio(loop_scope="module"),  # one loop, so that connections are reused as in a kernel
]


# --- asking ---------------------------------------------------------------------------------------------------------


async def test_all_that_can_be_asked_is_sent_as_the_api_documents_it(wire: Wire) -> None:
    async with Loopback(wire.stream()) as server:
        await ask(wire, server, FULL_REQUEST)

    sent = server.requests[0]
    assert ("POST", wire.path) == (sent.method, sent.path)
    assert wire.full_body == sent.json


async def test_the_key_is_sent_in_its_header_and_nowhere_else(wire: Wire) -> None:
    async with Loopback(wire.stream()) as server:
        await ask(wire, server)

    name, value = wire.key_header
    sent = server.requests[0]
    assert value == sent.headers[name]
    assert [name] == [other for other, text in sent.headers.items() if KEY in text]
    assert KEY not in sent.path
    assert KEY.encode() not in sent.body


async def test_one_question_is_one_request(wire: Wire) -> None:
    async with Loopback(wire.refusals["overloaded"]) as server:
        await ask(wire, server)

    assert 1 == len(server.requests)


async def test_connections_serve_one_request_after_the_other(wire: Wire) -> None:
    async with Loopback(wire.stream()) as server:
        for _ in range(3):
            await ask(wire, server)

        assert 1 == server.connections


# --- answering ------------------------------------------------------------------------------------------------------


async def test_an_answer_begins_once_says_its_text_in_order_and_ends_once(wire: Wire) -> None:
    async with Loopback(wire.stream(Answer(texts=("a", "b", "c"), reasoning=("x", "y")))) as server:
        chunks = [chunk async for chunk in provider_of(wire, server).stream(REQUEST)]

    # What came together may be joined, and never across kinds.
    assert [Started, ReasoningDelta, TextDelta, Finished] == [kind for kind, _ in itertools.groupby(map(type, chunks))]
    assert "xyabc" == "".join(chunk.text for chunk in chunks if isinstance(chunk, ReasoningDelta | TextDelta))


async def test_who_answered_is_told(wire: Wire) -> None:
    name = wire.request_id_header
    reply = replace(wire.stream(), headers={name: "req_42"} if name else {})
    async with Loopback(reply) as server:
        answer = await ask(wire, server)

    assert (wire.response_id, "model-2026-01-01", "req_42" if name else None) == (
        answer.response_id,
        answer.response_model,
        answer.request_id,
    )


async def test_reasoning_is_kept_out_of_the_text(wire: Wire) -> None:
    async with Loopback(wire.stream(Answer(reasoning=("Hm, ", "why?")))) as server:
        answer = await ask(wire, server)

    assert ("Hello", "Hm, why?") == (answer.text, answer.reasoning)


TEXT = "Grüße 😀, 世界!\n\n```python\nprint('é')\n```\n"
THOUGHT = "Hm. 😀"


def in_utf_8(wire: Wire) -> Reply:
    """An answer whose characters are not escaped, so that they can be cut."""
    body = b"".join(wire.events(Answer(texts=(TEXT, "Ende"), reasoning=(THOUGHT,))))
    plain = re.sub(rb"(?:\\u[0-9a-f]{4})+", lambda escaped: json.loads(b'"%b"' % escaped[0]).encode(), body)
    assert "世".encode() in plain
    return replace(wire.stream(), steps=[plain])


@pytest.mark.parametrize("size", [1, 7, 5000])
async def test_text_is_the_same_however_the_network_cuts_it(wire: Wire, size: int) -> None:
    async with Loopback(in_utf_8(wire).cut([size] * 5000)) as server:
        answer = await ask(wire, server)

    assert (f"{TEXT}Ende", THOUGHT, "stop", None) == (
        answer.text,
        answer.reasoning,
        answer.finish_reason,
        answer.error,
    )


@pytest.mark.parametrize("seed", range(3))
async def test_text_is_the_same_wherever_the_network_cuts_it(wire: Wire, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - cuts, not keys
    async with Loopback(in_utf_8(wire).cut(rng.randint(1, 40) for _ in range(5000))) as server:
        answer = await ask(wire, server)

    assert (f"{TEXT}Ende", THOUGHT, "stop") == (answer.text, answer.reasoning, answer.finish_reason)


async def test_usage_is_told_in_one_counting(wire: Wire) -> None:
    usage = Usage(input_tokens=15, output_tokens=7, cached_input_tokens=4, reasoning_tokens=3)
    async with Loopback(wire.stream(Answer(usage=usage))) as server:
        assert usage == (await ask(wire, server)).usage


async def test_usage_that_is_not_told_is_unknown(wire: Wire) -> None:
    async with Loopback(wire.stream(Answer(usage=None))) as server:
        assert Usage() == (await ask(wire, server)).usage


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter", "tool_call"])
async def test_why_a_model_stopped_is_told_in_one_word_and_in_its_own(wire: Wire, reason: Any) -> None:  # noqa: ANN401 - one of four words
    texts = () if reason == "tool_call" else ("Hi",)
    async with Loopback(wire.stream(Answer(texts=texts, finish=reason))) as server:
        answer = await ask(wire, server)

    assert (reason, wire.raw_finish[reason], None) == (
        answer.finish_reason,
        answer.raw_finish_reason,
        answer.error,
    )


@pytest.mark.parametrize("quirk", ["byte order mark", "comments", "crlf"])
async def test_what_proxies_do_to_a_stream_does_not_matter(wire: Wire, quirk: Quirk) -> None:
    events = wire.events(Answer())
    match quirk:
        case "byte order mark":
            steps = [b"\xef\xbb\xbf", *events]
        case "comments":
            steps = [part for event in events for part in (b": keep-alive\n\n", event)]
        case _:
            steps = [event.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for event in events]
    async with Loopback(replace(wire.stream(), steps=steps)) as server:
        answer = await ask(wire, server)

    if kind := wire.quirks.get(quirk):
        assert kind == answer.error_kind
    else:
        assert ("Hello", "stop", None) == (answer.text, answer.finish_reason, answer.error)


async def test_two_answers_at_once_never_mix(wire: Wire) -> None:
    halfway = asyncio.Event()
    events = wire.events(Answer(texts=("a", "a", "a"), finish="length"))
    said = 1 + next(number for number, event in enumerate(events) if b'"a"' in event)
    slow = replace(wire.stream(), steps=[*events[:said], Until(halfway), *events[said:]])
    async with Loopback(slow, wire.stream(Answer(texts=("b", "b", "b")))) as server:
        provider = provider_of(wire, server)
        one = provider.stream(REQUEST)
        before = await anext(texts_of(one))
        two = await read(provider.stream(REQUEST))
        halfway.set()
        after = await read(one)

    assert ("a", "bbb", "stop") == (before.text, two.text, two.finish_reason)
    assert ("aa", "length") == (after.text, after.finish_reason)


# --- stopping -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before the head", "before text", "after text"])
async def test_cancelling_closes_the_connection_at_once(wire: Wire, when: str) -> None:
    reply = {
        "before the head": Reply(before=[HANG]),
        "before text": replace(wire.stream(), steps=[HANG]),
        "after text": wire.unfinished(HANG),
    }[when]
    async with Loopback(reply) as server:
        asking = asyncio.create_task(ask(wire, server))
        await server.asked.wait()
        asking.cancel()
        await asyncio.wait_for(server.requests[0].abandoned.wait(), 5)
        with pytest.raises(asyncio.CancelledError):
            await asking

        assert 1 == len(server.requests)


async def test_closing_the_stream_closes_the_connection(wire: Wire) -> None:
    async with Loopback(wire.unfinished(HANG)) as server:
        stream = provider_of(wire, server).stream(REQUEST)
        await anext(texts_of(stream))
        await stream.aclose()

        await asyncio.wait_for(server.requests[0].abandoned.wait(), 5)
        assert server.requests[0].abandoned.is_set()


# --- models ---------------------------------------------------------------------------------------------------------


async def test_the_models_are_listed_in_order(wire: Wire) -> None:
    async with Loopback(wire.models_reply) as server:
        assert MODELS == await provider_of(wire, server).list_models("server")

    name, value = wire.key_header
    sent = server.requests[0]
    assert ("GET", wire.models_path, value) == (sent.method, sent.path.partition("?")[0], sent.headers[name])
    assert 1 == len(server.requests)
