"""The scripted server beside a test that has no event loop of its own, such as one that drives a browser."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from tests.support.loopback import Loopback, Script


@contextlib.contextmanager
def loopback(*script: Script) -> Iterator[Loopback]:
    """Play a script in a thread, until the block is left."""
    started = threading.Event()
    servers: list[Loopback] = []
    loop = asyncio.new_event_loop()
    done = asyncio.Event()

    async def serve() -> None:
        async with Loopback(*script) as server:
            servers.append(server)
            started.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert started.wait(timeout=10)
    try:
        yield servers[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(timeout=10)
        loop.close()
