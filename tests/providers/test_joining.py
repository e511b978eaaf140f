"""Pieces that came together are given together, and none waits for another."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given, strategies as st

from convoscope_jupyter.providers import _joining
from convoscope_jupyter.providers._joining import joined
from tests.support.reading import as_stream


async def test_what_came_together_is_one_piece() -> None:
    assert [b"abc"] == [piece async for piece in joined(as_stream([b"a", b"", b"b", b"c"]))]


async def test_nothing_is_held_back() -> None:
    seen = asyncio.Event()

    async def waits_for_its_reader() -> AsyncIterator[bytes]:
        yield b"first"
        await seen.wait()
        yield b"second"

    pieces = joined(waits_for_its_reader())
    assert b"first" == await asyncio.wait_for(anext(pieces), 10)
    seen.set()
    assert b"second" == await asyncio.wait_for(anext(pieces), 10)
    assert [] == [piece async for piece in pieces]


async def slowly(pieces: Sequence[tuple[bytes, bool]]) -> AsyncIterator[bytes]:
    for piece, waits in pieces:
        if waits:
            await asyncio.sleep(0)
        yield piece


@given(st.lists(st.tuples(st.binary(max_size=3), st.booleans()), max_size=20))
def test_no_byte_is_lost_and_their_order_stays(pieces: list[tuple[bytes, bool]]) -> None:
    async def read() -> bytes:
        return b"".join([piece async for piece in joined(slowly(pieces))])

    assert b"".join(piece for piece, _ in pieces) == asyncio.run(read())


async def test_what_came_before_an_error_is_given_first() -> None:
    async def breaks() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"
        raise ConnectionResetError

    pieces = joined(breaks())
    assert b"ab" == await anext(pieces)
    with pytest.raises(ConnectionResetError):
        await anext(pieces)


async def test_who_leaves_ends_the_reading_at_once() -> None:
    left = asyncio.Event()

    async def for_ever() -> AsyncIterator[bytes]:
        try:
            yield b"a"
            await asyncio.Event().wait()
        finally:
            left.set()

    async with contextlib.aclosing(joined(for_ever())) as pieces:
        await anext(pieces)

    assert left.is_set()


async def test_a_cancelled_reader_ends_the_reading_at_once() -> None:
    begun, left = asyncio.Event(), asyncio.Event()

    async def for_ever() -> AsyncIterator[bytes]:
        try:
            begun.set()
            await asyncio.Event().wait()
            yield b""
        finally:
            left.set()

    async def read() -> None:
        async with contextlib.aclosing(joined(for_ever())) as pieces:
            await anext(pieces)

    reading = asyncio.create_task(read())
    await begun.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    assert left.is_set()


async def test_the_network_does_not_run_far_ahead_of_its_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_joining, "_MAX_WAITING_BYTES", 3)
    given_so_far = 0

    async def many() -> AsyncIterator[bytes]:
        nonlocal given_so_far
        for _ in range(100):
            given_so_far += 1
            yield b"x"

    pieces = joined(many())
    assert b"xxxx" == await anext(pieces)
    for _ in range(10):
        await asyncio.sleep(0)
    assert given_so_far <= 2 * 4
    assert 96 == sum([len(piece) async for piece in pieces])
