"""The scripted server beside a test that has no event loop of its own, such as one that drives a browser."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from tests.support.loopback import Loopback, Script

T = TypeVar("T")


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


class LoopbackThread:
    """A thread that plays servers, for tests whose own thread waits for the answers. Events are set through `soon`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run something there, and wait for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=30)

    def soon(self, callback: Callable[[], object]) -> None:
        """Call something there."""
        self._loop.call_soon_threadsafe(callback)

    @contextlib.contextmanager
    def serve(self, *script: Script) -> Iterator[Loopback]:
        """Play a script until the block is left."""
        server = Loopback(*script)
        self.run(server.__aenter__())
        try:
            yield server
        finally:
            self.run(server.__aexit__(None, None, None))

    def close(self) -> None:
        """End the thread."""
        self.soon(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()
