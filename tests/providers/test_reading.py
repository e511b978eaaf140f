"""From the bytes of an answer to its chunks, whatever the server makes of it."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given, strategies as st

from convoscope_jupyter.messages import ReasoningDelta, TextDelta
from convoscope_jupyter.providers import _reading
from convoscope_jupyter.providers._base import Chunk, Finished, Started
from convoscope_jupyter.providers._openai_chat import ChatDecoder
from convoscope_jupyter.providers._reading import MAX_WHOLE_BYTES, read_answer
from tests.support.loopback import DONE, Reply, chat_event, chat_events
from tests.support.reading import PEER, Read, as_stream, read

WHOLE = json.dumps({"id": "1", "choices": [{"index": 0, "message": {"content": "Hi 😀"}, "finish_reason": "stop"}]})


async def read_pieces(*pieces: bytes) -> Read:
    return await read(read_answer(as_stream(list(pieces)), ChatDecoder(PEER)))


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(chat_events("Hi 😀"), id="a stream"),
        pytest.param([b"", b"\n", b" ", *chat_events("Hi 😀"), b""], id="after blank pieces"),
        pytest.param([piece for part in chat_events("Hi 😀") for piece in (part, b"")], id="between empty pieces"),
        pytest.param([b"\xef\xbb", b"\xbf", *chat_events("Hi 😀")], id="after a byte order mark"),
        pytest.param([WHOLE.encode()], id="one object"),
        pytest.param([b"\xef\xbb\xbf\n", *(bytes([byte]) for byte in WHOLE.encode())], id="one object in tiny pieces"),
        pytest.param([json.dumps(json.loads(WHOLE), ensure_ascii=False).encode()], id="one object, not escaped"),
    ],
)
async def test_what_came_shows_in_its_first_character(pieces: Sequence[bytes]) -> None:
    answer = await read_pieces(*pieces)

    assert ("Hi 😀", "stop") == (answer.text, answer.finish_reason)


@pytest.mark.parametrize(
    "pieces, message",
    [
        ([], "sent an empty answer"),
        ([b"", b" \r\n"], "sent an empty answer"),
        ([b"\n <!DOCTYPE html><html>"], "A proxy or login page answered instead of the server."),
        ([b": nothing\n\n", b": but comments\n\n"], "sent no answer in the format"),
        ([b"event: response.created\ndata: {}\n\n"], "sent no answer in the format"),
        ([b"hello\n"], "sent no answer in the format"),
        ([b"data: {cut"], "sent no answer in the format"),
        ([b'{"a": 1}\n{"b": 2}'], "garbled"),
        ([b'{"choices": ['], "garbled"),
        ([b"[", *[b" " * 1_000_000] * 9], f"more than {MAX_WHOLE_BYTES:,} bytes"),
    ],
    ids=["nothing", "blanks", "page", "comments", "another format", "plain text", "cut", "lines", "cut json", "huge"],
)
async def test_what_is_no_answer_is_a_protocol_error(pieces: list[bytes], message: str) -> None:
    answer = await read_pieces(*pieces)

    assert "protocol_error" == answer.error_kind
    assert message in str(answer.error)


async def test_a_last_event_without_its_blank_line_is_kept() -> None:
    answer = await read_pieces(chat_event({"content": "Hi"}).rstrip())

    assert ("Hi", None, None) == (answer.text, answer.finish_reason, answer.error)


async def test_a_last_event_that_is_cut_short_is_an_end_and_not_garbled() -> None:
    answer = await read_pieces(chat_event({"content": "Hi"}), chat_event({"content": "!"})[:-9])

    assert ("Hi", None, None) == (answer.text, answer.finish_reason, answer.error)


async def then_fails(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    raise ConnectionResetError


async def test_a_connection_lost_after_the_end_changes_nothing() -> None:
    pieces = then_fails(chat_event({"content": "Hi"}), chat_event(finish_reason="stop"))
    answer = await read(read_answer(pieces, ChatDecoder(PEER)))

    assert ("Hi", "stop", None) == (answer.text, answer.finish_reason, answer.error)


async def test_a_connection_lost_before_the_end_is_told() -> None:
    with pytest.raises(ConnectionResetError):
        await read(read_answer(then_fails(chat_event({"content": "Hi"})), ChatDecoder(PEER)))


async def test_a_connection_lost_after_done_changes_nothing() -> None:
    answer = await read(read_answer(then_fails(*chat_events("Hi")), ChatDecoder(PEER)))

    assert ("stop", None) == (answer.finish_reason, answer.error)


async def then_stalls(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    "pieces",
    [[chat_event({"content": "Hi"}), chat_event(finish_reason="stop")], chat_events("Hi")],
    ids=["no usage comes", "the body does not end"],
)
async def test_a_whole_answer_is_not_held_up_by_what_may_still_come(
    pieces: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_reading, "_GRACE_S", 0.01)
    monkeypatch.setattr(_reading, "_DRAIN_S", 0.01)
    answer = await asyncio.wait_for(read(read_answer(then_stalls(*pieces), ChatDecoder(PEER))), 10)

    assert ("Hi", "stop") == (answer.text, answer.finish_reason)


async def test_a_server_that_babbles_on_after_the_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    async def babble() -> AsyncIterator[bytes]:
        yield chat_event(finish_reason="stop")
        while True:
            yield b": still here\n\n"

    monkeypatch.setattr(_reading, "_GRACE_S", 0.01)

    assert "stop" == (await asyncio.wait_for(read(read_answer(babble(), ChatDecoder(PEER))), 10)).finish_reason


async def test_what_came_before_an_error_is_given_first() -> None:
    answer = await read_pieces(chat_event({"content": "Hi"}) + b"data: {broken\n\n" + DONE)

    assert ("Hi", "protocol_error") == (answer.text, answer.error_kind)


async def test_text_that_came_with_the_end_does_not_wait_for_the_end_of_the_body() -> None:
    chunks = read_answer(then_stalls(b"".join(chat_events("Hi"))), ChatDecoder(PEER))
    kinds = [type(await anext(chunks)), type(await anext(chunks))]
    await chunks.aclose()

    assert [Started, TextDelta] == kinds


SAID = [chat_event({"reasoning": "hm"}), chat_event({"reasoning": "."}), chat_event({"content": "Hé"})]
SAID += [chat_event({"content": "llo "}), chat_event({"reasoning": "so"}), chat_event({"content": "😀"})]


async def runs_of(pieces: Sequence[bytes]) -> list[tuple[type[Chunk], str]]:
    """What is said, in its order, however many deltas it takes."""
    chunks = [chunk async for chunk in read_answer(as_stream(pieces), ChatDecoder(PEER))]
    return [
        (kind, "".join(chunk.text for chunk in alike if isinstance(chunk, TextDelta | ReasoningDelta)))
        for kind, alike in itertools.groupby(chunks, type)
    ]


@given(st.lists(st.integers(1, 200), max_size=30))
def test_text_and_reasoning_keep_their_words_and_their_order_however_the_body_is_cut(sizes: list[int]) -> None:
    body = b"".join([*SAID, *chat_events()[1:]])
    pieces = [step for step in Reply(steps=[body]).cut(sizes).steps if isinstance(step, bytes)]

    said = [(ReasoningDelta, "hm."), (TextDelta, "Héllo "), (ReasoningDelta, "so"), (TextDelta, "😀")]
    assert [(Started, ""), *said, (Finished, "")] == asyncio.run(runs_of(pieces))


async def test_what_came_in_one_piece_is_one_delta_of_each_kind() -> None:
    chunks = [chunk async for chunk in read_answer(as_stream([b"".join(SAID)]), ChatDecoder(PEER))]

    assert [Started, ReasoningDelta, TextDelta, ReasoningDelta, TextDelta] == [type(chunk) for chunk in chunks]
