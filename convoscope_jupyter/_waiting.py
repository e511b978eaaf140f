"""Waiting for a turn that runs on the loop thread: on a plain thread, and in async code."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import contextlib
import queue
import time
from collections.abc import AsyncGenerator, Callable, Generator

from convoscope_jupyter import _loop
from convoscope_jupyter._running_turn import RunningTurn
from convoscope_jupyter.errors import AnswerInterrupted, RouteExhausted
from convoscope_jupyter.messages import SessionEvent, TextDelta

Launch = Callable[[Callable[[SessionEvent], None]], concurrent.futures.Future[RunningTurn]]
"""Starts the turn; its events go to the given function, on the loop thread."""


def events(launch: Launch, stop: Callable[[], None]) -> Generator[SessionEvent]:
    """Start a turn and iterate over what happens, on the caller's thread.

    Args:
        launch: Starts the turn.
        stop: Stops it; called when the caller leaves early, a kernel interrupt included.

    Yields:
        Its events in order.

    Raises:
        AnswerInterrupted: After the last event, when the answer broke off.
        RouteExhausted: After the last event, when no model answered.
        RuntimeError: Called on the loop thread.
    """
    if _loop.is_loop_thread():
        message = "this would wait for itself: call ask_async or stream_async from here."
        raise RuntimeError(message)
    arrived: queue.SimpleQueue[SessionEvent | None] = queue.SimpleQueue()
    has_spoken = False

    def arrive(event: SessionEvent) -> None:
        nonlocal has_spoken
        arrived.put(event)
        if not has_spoken and isinstance(event, TextDelta):
            has_spoken = True
            # The loop's thread would keep the interpreter until it waits for the network again, which after a short
            # answer is when all of it is stored: the caller gets the first words now.
            time.sleep(0)

    running = launch(arrive)
    running.add_done_callback(lambda _: arrived.put(None))  # wakes the caller at once, whatever the turn ended with
    try:
        while (event := _wait_for(arrived)) is not None:
            yield event
        raise_unless_answered(running.result())
    finally:
        if not running.done():
            stop()
            concurrent.futures.wait([running])


def _wait_for(arrived: queue.SimpleQueue[SessionEvent | None]) -> SessionEvent | None:
    while True:
        # Short waits, so that an interrupt is seen: https://docs.python.org/3/library/signal.html#signals-and-threads
        with contextlib.suppress(queue.Empty):
            return arrived.get(timeout=_loop.POLL_S)


async def events_async(launch: Launch, stop: Callable[[], None]) -> AsyncGenerator[SessionEvent]:
    """`events`, for async code on any loop but ours.

    Args:
        launch: Starts the turn.
        stop: Stops it; called when the caller leaves early.

    Yields:
        Its events in order.

    Raises:
        AnswerInterrupted: After the last event, when the answer broke off.
        RouteExhausted: After the last event, when no model answered.
    """
    here = asyncio.get_running_loop()
    arrived: collections.deque[SessionEvent | None] = collections.deque()
    news = asyncio.Event()

    def arrive(event: SessionEvent | None) -> None:
        arrived.append(event)
        # Waking another thread's loop costs a system call. One that has not yet looked at the last event needs none.
        if len(arrived) == 1:
            with contextlib.suppress(RuntimeError):  # the caller's loop is closed: nobody listens any more
                here.call_soon_threadsafe(news.set)

    running = launch(arrive)
    running.add_done_callback(lambda _: arrive(None))
    try:
        while True:
            await news.wait()
            news.clear()
            while arrived:
                event = arrived.popleft()
                if event is None:
                    raise_unless_answered(running.result())
                    return
                yield event
    finally:
        if not running.done():
            stop()


def raise_unless_answered(running: RunningTurn) -> None:
    """Never pass a truncated answer off as a whole one.

    Args:
        running: A turn that is over.

    Raises:
        AnswerInterrupted: It broke off.
        RouteExhausted: No model answered.
    """
    response = running.turn.response
    if response is None or response.status in {"complete", "cancelled"}:
        return
    if response.status == "interrupted":
        raise AnswerInterrupted(running.turn)
    raise RouteExhausted(f"{response.receipt} Your words are kept in .turn.", running.errors, turn=running.turn)
