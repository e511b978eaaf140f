"""Pieces of an answer that came together, given together.

httpx gives each chunk of HTTP on its own, also when one read of the socket has brought three hundred of them. All that
stands above it, up to the user's screen, costs once per piece: so it is asked once per read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

_MAX_WAITING_BYTES = 1_000_000
"""How far the network may be ahead of who reads."""


async def joined(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """The same bytes in fewer pieces. Nothing is held back: what has come is given as soon as it is asked for.

    Args:
        pieces: The body as the HTTP client gives it. It is read in a task of its own, which ends with the generator:
            close it, so that this happens at once.

    Yields:
        All that has come since the last time.

    Raises:
        Exception: What the network raises, once all that came before it was given.
    """
    waiting: list[bytes] = []
    news, room = asyncio.Event(), asyncio.Event()

    async def read() -> None:
        size = 0
        async for piece in pieces:
            if not waiting:
                size = 0
            waiting.append(piece)
            size += len(piece)
            news.set()
            if size > _MAX_WAITING_BYTES:
                room.clear()
                await room.wait()

    def end(reading: asyncio.Task[None]) -> None:
        if not reading.cancelled():
            reading.exception()  # looked at, or asyncio would report it where nobody reads on
        news.set()

    reading = asyncio.create_task(read())
    reading.add_done_callback(end)
    try:
        while waiting or not reading.done():
            await news.wait()
            news.clear()
            if waiting:
                piece = b"".join(waiting)
                waiting.clear()
                room.set()
                yield piece
        reading.result()
    finally:
        reading.cancel()  # this is what closes the connection when an answer is left in the middle
        await asyncio.wait([reading])
